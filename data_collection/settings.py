"""CollectionSettings: what to gather and what to refuse. The docstrings are the `--help` texts."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

Sources = Annotated[tuple[str, ...], tyro.conf.UseAppendAction]


@dataclass(frozen=True)
class Recipe:
    """Settings that go together, and what to know of the data set that they make."""

    settings: dict[str, Any]
    note: str


RECIPES = {
    "sample": Recipe(
        {"dataset": "sample", "real": ("sample",), "generated": ("dcgan:400",), "image_size": 64, "min_side": 64},
        note="The sample is a smoke test of an installation, never a benchmark: laboratory photographs of 1994 and the faces "
        "of a small GAN differ in everything.",
    ),
}


@dataclass(frozen=True)
class CollectionSettings:
    """Gather real and generated faces into one data set: canonical pictures, groups, frozen splits.

    Run it again at any time: it carries on where it stopped, does nothing twice, and adds what is new.
    """

    recipe: Literal["sample"] | None = None
    """A ready list of settings. `sample`: 400 laboratory photographs and 400 faces of a small GAN, from the package \
index; it shows that an installation works. Options given beside it add to it."""

    real: Sources = ()
    """Photographs: `folder:PATH`. Repeat the option for more sources; each folder becomes a source of its own."""

    generated: Sources = ()
    """Generated faces: `folder:PATH`, or `dcgan:COUNT`. Repeat the option for more sources."""

    prompts: Annotated[tuple[Path, ...], tyro.conf.UseAppendAction] = ()
    """CSV with a column `file` and any of `prompt`, `person`, `seed`, `generator`, `source_image`. Images that share one \
of these never end up in different splits."""

    dataset: str = "faces"
    """Name of the data set; it lies in DATA/DATASET."""

    data: Path = Path("data")
    """Folder of all data sets."""

    image_size: int = 448
    """Side of the canonical pictures, in pixels."""

    min_side: int = 224
    """Images whose shorter side is smaller are rejected."""

    min_quality: int = 60
    """JPEG files under this estimated quality (1 to 100) are rejected."""

    keep_upscaled: bool = False
    """Keep images that look enlarged; enlarging survives all later processing and gives the source away."""

    validation_share: float = 0.15
    """Share of images for choosing: the head, the threshold, the temperature."""

    hold_out_share: float = 0.15
    """Share of images for judging; opened by python -m validation only."""

    def __post_init__(self) -> None:
        for name, low, high in (("image_size", 32, 2048), ("min_side", 1, 10_000), ("min_quality", 0, 100)):
            if not low <= getattr(self, name) <= high:
                raise ValueError(f"--{name.replace('_', '-')} is {getattr(self, name)}; choose {low} to {high}.")
        if not (0 < self.validation_share < 1 and 0 < self.hold_out_share < 1):
            raise ValueError("--validation-share and --hold-out-share lie between 0 and 1.")
        if self.validation_share + self.hold_out_share >= 0.9:
            raise ValueError("--validation-share and --hold-out-share leave less than a tenth for training.")
        if not self.dataset or "/" in self.dataset or self.dataset.startswith("."):
            raise ValueError(f"--dataset is {self.dataset!r}; give a plain name, such as faces.")

    @property
    def folder(self) -> Path:
        return self.data / self.dataset

    @property
    def shares(self) -> dict[str, float]:
        held = {"validation": self.validation_share, "hold-out": self.hold_out_share}
        return {"train": 1 - sum(held.values()), **held}


def with_recipe(settings: CollectionSettings) -> CollectionSettings:
    """Fills in the recipe's values wherever the person has left the default."""
    if settings.recipe is None:
        return settings
    changes = {}
    for field in dataclasses.fields(settings):
        given, ready = getattr(settings, field.name), RECIPES[settings.recipe].settings.get(field.name)
        if ready is not None:
            changes[field.name] = ready if given == field.default else (ready + given if isinstance(ready, tuple) else given)
    return dataclasses.replace(settings, **changes)
