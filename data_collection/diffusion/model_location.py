"""Locate a model of diffusers: in a folder, in the hub's cache, or on the hub."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from runtime import checked_json
from runtime.terminal.counting import format_count

STABLE_DIFFUSION_PIPELINES = ("StableDiffusionPipeline", "StableDiffusionXLPipeline")

SUPPORTED_PIPELINES = (
    *STABLE_DIFFUSION_PIPELINES,
    "StableDiffusion3Pipeline",
    "FluxPipeline",
    "PixArtSigmaPipeline",
    "KandinskyV22Pipeline",
    "KandinskyV22PriorPipeline",
)

PARTS_WITH_WEIGHTS = (
    *("unet", "transformer", "prior", "vae", "movq", "image_encoder", "safety_checker"),
    *("text_encoder", "text_encoder_2", "text_encoder_3"),
)


@dataclass(frozen=True, kw_only=True)
class ModelLocation:
    """The location of a model.

    Attributes:
        available: whether it can be loaded or downloaded.
        status: a phrase that follows the model's name in a message.
        folder: its folder; None if it has to be downloaded.
        download_bytes: the approximate size of the download.
        pipeline: the class of diffusers that loads it; empty if unknown.
    """

    available: bool
    status: str
    folder: Path | None = None
    download_bytes: int = 0
    pipeline: str = ""

    @property
    def revision(self) -> str:
        """The commit on the hub; empty for a local folder."""
        return self.folder.name if self.folder and self.folder.parent.name == "snapshots" else ""


def locate_model(
    model: str, revision: str = "", checker: bool = True, only: str = ""
) -> ModelLocation:
    """Look for a model in a folder, in the hub's cache, then (5 seconds at most) on the hub.

    A missing model is a location that is not available, never an exception.

    Args:
        model: a folder in the layout of diffusers, or a name on the hub.
        checker: whether the safety checker is needed.
        only: the one part that is needed ("vae"), if not all.
    """
    from huggingface_hub import try_to_load_from_cache

    local = Path(model).expanduser()
    if local.is_dir():
        problem = _explain_unusable_folder(local, checker, only)
        return ModelLocation(
            available=not problem,
            status=problem or "is a folder",
            folder=local,
            pipeline=_read_pipeline_class(local),
        )
    if local.is_file() or model.count("/") > 1 or model.startswith((".", "/", "~")):
        return ModelLocation(
            available=False,
            status="is not a folder; give one in the layout of diffusers, or a name on the hub",
        )
    try:
        index = try_to_load_from_cache(
            model, f"{only}/config.json" if only else "model_index.json", revision=revision or None
        )
    except ValueError:
        return ModelLocation(available=False, status="is neither a folder nor a name on the hub")
    folder = Path(index).parents[1 if only else 0] if isinstance(index, str) else None
    if folder and not _explain_unusable_folder(folder, checker, only):
        return ModelLocation(
            available=True,
            status="is in the cache",
            folder=folder,
            pipeline=_read_pipeline_class(folder),
        )
    return _locate_on_hub(model, revision, checker, only)


def _read_pipeline_class(folder: Path) -> str:
    try:
        index = checked_json.parse_json((folder / "model_index.json").read_bytes())
        return str(index.get("_class_name", ""))
    except (OSError, ValueError, AttributeError):
        return ""


def _explain_unusable_folder(folder: Path, checker: bool, only: str) -> str:
    """Return why a folder cannot be used, or ""; an interrupted download lacks weights."""
    try:
        index = (
            {only: [only]}
            if only
            else dict(checked_json.parse_json((folder / "model_index.json").read_bytes()).items())
        )
    except (OSError, ValueError, AttributeError):
        return (
            "is a folder without a readable model_index.json; give one in the layout of diffusers"
        )
    parts = [
        name for name, value in index.items() if isinstance(value, list) and value and value[0]
    ]
    parts = [part for part in parts if checker or part != "safety_checker"]
    missing = [part for part in parts if not (folder / part).is_dir()]
    if missing:
        return f"is a folder that lacks its {missing[0]}"
    files = {
        part: [*folder.glob(f"{part}/*.safetensors"), *folder.glob(f"{part}/*.bin")]
        for part in parts
    }
    empty = [
        part
        for part in parts
        if part in PARTS_WITH_WEIGHTS and not any(file.exists() for file in files[part])
    ]
    return (
        f"is a folder that lacks the weights of its {empty[0]}"
        if empty
        else _explain_unsupported_pipeline(index, only)
    )


def _explain_unsupported_pipeline(index: Mapping[str, object], only: str) -> str:
    kind = index.get("_class_name")
    return (
        ""
        if only or kind in SUPPORTED_PIPELINES
        else f"is a {kind}; only {' or '.join(SUPPORTED_PIPELINES)} works"
    )


def _locate_on_hub(model: str, revision: str, checker: bool, only: str) -> ModelLocation:
    from huggingface_hub import HfApi, errors

    problems = {
        errors.GatedRepoError: "is gated: accept its terms on its hub page, then set HF_TOKEN",
        errors.RepositoryNotFoundError: "is not on the hub, or is private: check its name, or set "
        "HF_TOKEN",
        errors.RevisionNotFoundError: f"has no revision {revision} on the hub",
        errors.HFValidationError: "is neither a folder nor a name on the hub",
        errors.OfflineModeIsEnabled: "is not in the cache, and HF_HUB_OFFLINE forbids calling the "
        "hub",
        errors.HfHubHTTPError: "is not in the cache, and the hub refuses to answer",
        errors.HTTPError: "is not in the cache, and the hub cannot be reached",
        OSError: "is not in the cache, and the hub cannot be reached",
    }
    try:
        # First, because from_pretrained retries for 23 s, then reports a missing file (0.42).
        info = HfApi().model_info(model, revision=revision or None, timeout=5, files_metadata=True)
    except tuple(problems) as error:
        problem = next(text for kind, text in problems.items() if isinstance(error, kind))
        return ModelLocation(available=False, status=problem)
    index = (info.config or {}).get("diffusers", {"_class_name": SUPPORTED_PIPELINES[0]})
    unsupported = _explain_unsupported_pipeline(index, only)
    if unsupported:
        return ModelLocation(available=False, status=unsupported)
    parts = [
        part
        for part in PARTS_WITH_WEIGHTS
        if part == (only or part) and (checker or part != "safety_checker")
    ]
    files = {file.rfilename: file.size or 0 for file in info.siblings}
    sizes = [_estimate_part_bytes(part, files) for part in parts]
    size = format_byte_count(sum(sizes))
    unfinished = _describe_unfinished_downloads(model)
    status = f"is not in the cache; the hub has it, about {size}{unfinished}"
    return ModelLocation(
        available=True,
        status=status,
        download_bytes=sum(sizes),
        pipeline=str(index.get("_class_name", "")),
    )


def _estimate_part_bytes(part: str, files: Mapping[str, int]) -> int:
    """Return the bytes of a part's largest variant; files that were split count together."""
    variants: dict[str, int] = {}
    for name, size in files.items():
        if name.startswith(f"{part}/"):
            variant = re.sub(r"-\d{5}-of-\d{5}", "", name)
            variants[variant] = variants.get(variant, 0) + size
    return max(variants.values(), default=0)


def _describe_unfinished_downloads(model: str) -> str:
    """Describe what interrupted downloads left in the cache.

    The hub's client does not resume them (huggingface_hub 2.4).
    """
    from huggingface_hub import constants

    blobs = Path(constants.HF_HUB_CACHE, f"models--{model.replace('/', '--')}", "blobs")
    sizes = [file.stat().st_size for file in blobs.glob("*.incomplete")]
    if not sizes:
        return ""
    size = format_byte_count(sum(sizes))
    return f"; {format_count(len(sizes), 'unfinished file')} ({size}) in {blobs} may be deleted"


def format_byte_count(count: float) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e8 else f"{count / 1e6:.0f} MB"
