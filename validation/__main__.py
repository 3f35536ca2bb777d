"""`python -m validation`: judge a saved detector on the hold-out."""

import tyro

from validation.settings import ValidationSettings

if __name__ == "__main__":
    settings = tyro.cli(ValidationSettings, prog="python -m validation")

    from data_collection import console
    from validation.validate import validate

    console.run(lambda: validate(settings))
