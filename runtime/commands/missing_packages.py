"""Say how to install a package that is missing."""

from pathlib import Path


def explain_missing_package(error: ModuleNotFoundError) -> str:
    """Return how to install the package that an import did not find.

    Raises:
        ModuleNotFoundError: the module is one of ours.
    """
    package = (error.name or "").partition(".")[0]
    if not package or (Path(__file__).parents[2] / package).exists():
        raise error
    return (
        f"{package} is not installed, and this command needs it. In Telltale's folder run `pip "
        "install -r requirements.txt`, or `pip install '.[train,generate]'` for the command "
        "`telltale`; judging images alone needs less."
    )
