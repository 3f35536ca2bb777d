"""`python -m detection PATH...`: say of photographs whether they look generated."""

import tyro

from detection.settings import DetectionSettings

if __name__ == "__main__":
    settings = tyro.cli(DetectionSettings, prog="python -m detection")

    from data_collection import console
    from detection.detect import detect

    console.run(lambda: detect(settings))
