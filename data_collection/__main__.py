"""`python -m data_collection`: gather real and generated faces into one data set."""

import tyro

from data_collection.settings import CollectionSettings

if __name__ == "__main__":
    settings = tyro.cli(CollectionSettings, prog="python -m data_collection")

    from data_collection import console
    from data_collection.collect import collect

    console.run(lambda: collect(settings))
