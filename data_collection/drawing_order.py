"""What COUNT@MODEL orders: how many pictures, by which model, with which settings; and what a row tells of them."""

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
"""From a face that came out black to the one drawn in its place; also the most faces that one source draws."""

# What of the settings decides a picture: its name in `drawn_with`, and in DrawingSettings.
DECISIVE = {name: name for name in ("model", "scheduler", "steps", "guidance", "negative_prompt", "safety_checker")}
DECISIVE |= {"size": "draw_size"}


def drawing_of(argument: str, settings: CollectionSettings) -> DrawingSettings:
    """The settings with the model of COUNT@MODEL, if there is one."""
    return replace(settings.drawing, model=argument.partition("@")[2] or settings.drawing.model)


def model_name(argument: str, settings: CollectionSettings) -> str:
    """The last part of the model's name or path."""
    model = Path(drawing_of(argument, settings).model).expanduser()
    return model.resolve().name if model.is_dir() else model.name


def check(kind: str, request: Request) -> int:
    """How many faces are asked for.

    Raises:
        PlainError: no count, too many, or a scheduler that is none.
    """
    count, scheduler = count_of(kind, request.argument, COUNT), request.settings.drawing.scheduler
    if scheduler not in SCHEDULERS:
        raise console.PlainError(f"--scheduler is {scheduler!r}; choose one of {', '.join(SCHEDULERS)}.")
    if count > NEXT_SEED:
        raise console.PlainError(f"{kind}:{request.argument} asks for {count} faces; give at most {NEXT_SEED}.")
    return count


def recorded(record: FaceRecord, **more) -> DrawingSettings | None:
    """The settings that a row was drawn with; None if it does not tell them."""
    if not DECISIVE.keys() <= record.drawn_with.keys():
        return None
    return DrawingSettings(**{setting: record.drawn_with[key] for key, setting in DECISIVE.items()}, **more)
