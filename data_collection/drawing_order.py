"""What COUNT@MODEL orders: how many pictures, by which model, with which settings; and what a row tells of them."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from data_collection import console
from data_collection.diffusion_artist import SCHEDULERS
from data_collection.found_faces import Request, count_of
from data_collection.manifest import FaceRecord
from data_collection.settings import CollectionSettings, DrawingSettings

COUNT = 700
ATTEMPTS = 5
NEXT_SEED = 1_000_000
"""From a face that came out black to the one drawn in its place; no source gives more faces than this."""

# What of the settings decides a picture: its name in `drawn_with`, and in DrawingSettings.
DECISIVE = {name: name for name in ("model", "scheduler", "steps", "guidance", "negative_prompt", "safety_checker")}
DECISIVE |= {"size": "draw_size"}


def drawing_of(argument: str, settings: CollectionSettings) -> DrawingSettings:
    """The settings with the model of COUNT@MODEL, if there is one."""
    return replace(settings.drawing, model=argument.partition("@")[2] or settings.drawing.model)


def model_name(argument: str, settings: CollectionSettings) -> str:
    """Its whole name on the hub, where two people may have given two models one name; of a folder the last part."""
    model = drawing_of(argument, settings).model
    return Path(model).expanduser().resolve().name if Path(model).expanduser().is_dir() else model


def check(kind: str, request: Request, told: Mapping[str, object], known: Iterable[FaceRecord]) -> None:
    """Refuses what cannot be drawn, and to mix two ways of drawing into one source.

    Args:
        told: what `drawn_with` will say.

    Raises:
        PlainError: no count, too many, a scheduler that is none, or faces of this source that were drawn otherwise.
    """
    count_of(kind, request.argument, COUNT)
    if request.settings.drawing.scheduler not in SCHEDULERS:
        schedulers = ", ".join(SCHEDULERS)
        raise console.PlainError(f"--scheduler is {request.settings.drawing.scheduler!r}; choose one of {schedulers}.")
    before = next((r.drawn_with for r in known if r.accepted and r.source == request.source and r.drawn_with), {})
    for name in told.keys() & before.keys():
        if told[name] != before[name]:
            option = DECISIVE.get(name, name).replace("_", "-")
            raise console.PlainError(
                f"{request.source} was drawn with --{option} {before[name]}, not {told[name]}. Give that; or leave this source "
                "out, what was drawn stays; or collect under another --dataset name."
            )


def told(drawing: DrawingSettings) -> dict[str, object]:
    """What `drawn_with` says before anything is drawn."""
    return {key: getattr(drawing, setting) for key, setting in DECISIVE.items()}


def recorded(record: FaceRecord, **more) -> DrawingSettings | None:
    """The settings that a row was drawn with; None if it does not tell them."""
    if not DECISIVE.keys() <= record.drawn_with.keys():
        return None
    return DrawingSettings(**{setting: record.drawn_with[key] for key, setting in DECISIVE.items()}, **more)
