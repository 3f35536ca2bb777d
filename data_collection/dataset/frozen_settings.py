"""settings.json: the settings that decide a data set's pixels, rejections and splits, fixed by its first run."""

from pathlib import Path

from runtime import checked_json, console

# What decides the pixels and the refusals; one data set has one set of these.
FROZEN_FIELDS = (
    "image_size",
    "crop",
    "min_side",
    "min_quality",
    "keep_upscaled",
    "validation_share",
    "hold_out_share",
)


def _read_frozen_fields(path: Path) -> dict[str, object]:
    try:
        return dict(checked_json.parse_json(path.read_bytes())["frozen"].items())
    except (ValueError, KeyError, TypeError, AttributeError):
        raise console.PlainError(
            f"{path} is damaged; restore it from a copy.", console.EXIT_DISK
        ) from None


def _read_image_size(folder: Path) -> int:
    try:
        return int(
            checked_json.parse_json((folder / "settings.json").read_bytes())["frozen"]["image_size"]
        )
    except (OSError, ValueError, KeyError, TypeError):
        raise console.PlainError(
            f"{folder / 'settings.json'} is damaged; restore it from a copy.", console.EXIT_DISK
        ) from None
