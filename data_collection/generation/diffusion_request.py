"""What COUNT@MODEL orders: how many pictures, by which model, with which settings; and what a row tells of them."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from data_collection.dataset.manifest import FaceRecord
from data_collection.diffusion.pipeline_loader import SCHEDULERS
from data_collection.settings import CollectionSettings, GenerationSettings
from data_collection.source_types import SourceRequest, parse_count
from runtime import console

DEFAULT_GENERATED_COUNT = 700
MAX_SEED_RETRIES = 5
RETRY_SEED_STEP = 1_000_000
"""From a face that came out black to the one drawn in its place; no source gives more faces than this."""

# What of the settings decides a picture: its name in `drawn_with`, and in DrawingSettings.
RECORDED_SETTINGS = {
    name: name
    for name in ("model", "scheduler", "steps", "guidance", "negative_prompt", "safety_checker")
}
RECORDED_SETTINGS |= {"size": "generation_size"}


def parse_generation_settings(argument: str, settings: CollectionSettings) -> GenerationSettings:
    """The settings with the model of COUNT@MODEL, if there is one."""
    return replace(
        settings.generation, model=argument.partition("@")[2] or settings.generation.model
    )


def make_model_source_name(argument: str, settings: CollectionSettings) -> str:
    """Its whole name on the hub, where two people may have given two models one name; of a folder the last part."""
    model = parse_generation_settings(argument, settings).model
    return Path(model).expanduser().resolve().name if Path(model).expanduser().is_dir() else model


def check_diffusion_request(
    kind: str, request: SourceRequest, told: Mapping[str, object], known: Iterable[FaceRecord]
) -> None:
    """Refuses what cannot be drawn, and to mix two ways of drawing into one source.

    Args:
        told: what `drawn_with` will say.

    Raises:
        PlainError: no count, too many, a scheduler that is none, or faces of this source that were drawn otherwise.
    """
    parse_count(kind, request.argument, DEFAULT_GENERATED_COUNT)
    if request.settings.generation.scheduler not in SCHEDULERS:
        schedulers = ", ".join(SCHEDULERS)
        raise console.PlainError(
            f"--scheduler is {request.settings.generation.scheduler!r}; choose one of {schedulers}."
        )
    before = next(
        (r.drawn_with for r in known if r.accepted and r.source == request.source and r.drawn_with),
        {},
    )
    for name in told.keys() & before.keys():
        if told[name] != before[name]:
            option = RECORDED_SETTINGS.get(name, name).replace("_", "-")
            raise console.PlainError(
                f"{request.source} was drawn with --{option} {before[name]}, not {told[name]}. Give that; or leave this source "
                "out, what was drawn stays; or collect under another --dataset name."
            )


def dump_generation_settings(drawing: GenerationSettings) -> dict[str, object]:
    """What `drawn_with` says before anything is drawn."""
    return {key: getattr(drawing, setting) for key, setting in RECORDED_SETTINGS.items()}


def restore_generation_settings(record: FaceRecord, **more) -> GenerationSettings | None:
    """The settings that a row was drawn with; None if it does not tell them."""
    if not RECORDED_SETTINGS.keys() <= record.drawn_with.keys():
        return None
    return GenerationSettings(
        **{setting: record.drawn_with[key] for key, setting in RECORDED_SETTINGS.items()}, **more
    )
