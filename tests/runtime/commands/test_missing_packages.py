"""A missing package is told with the file of requirements that has it."""

import pytest

from runtime.commands.missing_packages import explain_missing_package


@pytest.mark.parametrize(
    ("package", "advice"),
    [
        ("tensorflow.keras", "run `pip install -r requirements.txt`, or `pip install '.[train"),
        (
            "playwright",
            "playwright is not installed, and this command needs it. Run `pip install -r"
            " requirements-dev.txt`.",
        ),
    ],
)
def test_the_advice_names_a_file_that_brings_the_package(package, advice):
    assert advice in explain_missing_package(ModuleNotFoundError(name=package))


def test_a_module_of_ours_that_is_missing_is_a_fault_and_no_package():
    with pytest.raises(ModuleNotFoundError):
        explain_missing_package(ModuleNotFoundError(name="training.nowhere"))
