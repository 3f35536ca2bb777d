"""Parse COUNT@MODEL of Stable Diffusion, and compare its settings with recorded ones."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from data_collection.dataset.manifest import FaceRecord
from data_collection.diffusion.model_families import MODEL_FAMILIES
from data_collection.diffusion.pipeline_loader import SCHEDULERS
from data_collection.settings import CollectionSettings, GenerationSettings
from data_collection.source_types import SourceArgument, SourceRequest
from runtime import console

DEFAULT_GENERATED_COUNT = 700
MAX_SEED_RETRIES = 5
RETRY_SEED_STEP = 1_000_000
"""Added to the seed when a face came out black; no source gives more faces than this."""

# The settings that determine an image: names in `drawn_with` and in GenerationSettings.
RECORDED_SETTINGS = {
    name: name
    for name in ("model", "scheduler", "steps", "guidance", "negative_prompt", "safety_checker")
}
RECORDED_SETTINGS |= {"size": "generation_size"}


def parse_generation_settings(argument: str, settings: CollectionSettings) -> GenerationSettings:
    """Return the settings with the model of COUNT@MODEL, if it names one."""
    model = SourceArgument.parse(argument).model or settings.generation.model
    return choose_model(settings.generation, model)


def choose_model(generation: GenerationSettings, model: str) -> GenerationSettings:
    """Return the settings with another model.

    A name of MODEL_FAMILIES stands for its model with the settings of that family.
    """
    family = MODEL_FAMILIES.get(model)
    if family is None:
        return replace(generation, model=model)
    return replace(
        generation,
        model=family.model,
        steps=family.steps,
        guidance=family.guidance,
        generation_size=family.size,
        scheduler="own",
    )


def make_model_source_name(argument: str, settings: CollectionSettings) -> str:
    """Return the source name: the model's whole name on the hub, or the last part of a folder.

    The whole name, because two people may have given two models one name.
    """
    model = parse_generation_settings(argument, settings).model
    return Path(model).expanduser().resolve().name if Path(model).expanduser().is_dir() else model


def check_scheduler(generation: GenerationSettings) -> None:
    """Raise PlainError if the scheduler is not one of SCHEDULERS."""
    if generation.scheduler not in SCHEDULERS:
        raise console.PlainError(
            f"--scheduler is {generation.scheduler!r}; choose one of {', '.join(SCHEDULERS)}."
        )


def check_diffusion_request(
    kind: str, request: SourceRequest, recorded: Mapping[str, object], known: Iterable[FaceRecord]
) -> None:
    """Refuse a request that cannot be served, or that would mix two settings in one source.

    Args:
        recorded: the settings that `drawn_with` will record.

    Raises:
        PlainError: a wrong or too large count, an unknown scheduler, or faces of this source that
            were generated with other settings.
    """
    SourceArgument.parse(request.argument).require_count(kind, DEFAULT_GENERATED_COUNT)
    check_scheduler(request.settings.generation)
    source_name = request.source_name
    earlier = next(
        (
            record.drawn_with
            for record in known
            if record.accepted and record.source == source_name and record.drawn_with
        ),
        {},
    )
    for name in recorded.keys() & earlier.keys():
        if recorded[name] != earlier[name]:
            option = RECORDED_SETTINGS.get(name, name).replace("_", "-")
            raise console.PlainError(
                f"{source_name} was generated with --{option} {earlier[name]}, not "
                f"{recorded[name]}. Give the former; or leave this source out, its images stay; or "
                "collect under another --dataset name."
            )


def dump_generation_settings(generation: GenerationSettings) -> dict[str, object]:
    """Return the part of `drawn_with` that is known before anything is generated."""
    return {key: getattr(generation, setting) for key, setting in RECORDED_SETTINGS.items()}


def restore_generation_settings(record: FaceRecord, **changes: object) -> GenerationSettings | None:
    """Return the settings that a row was generated with; None if it does not record them all."""
    if not RECORDED_SETTINGS.keys() <= record.drawn_with.keys():
        return None
    recorded = {setting: record.drawn_with[key] for key, setting in RECORDED_SETTINGS.items()}
    return GenerationSettings(**recorded, **changes)
