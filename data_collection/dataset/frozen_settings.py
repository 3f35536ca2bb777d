"""settings.json: the settings that decide pixels, rejections and splits, fixed by the first run."""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

from data_collection.images import canonical
from runtime import atomic_files, checked_json, console


@dataclass(frozen=True, kw_only=True)
class FrozenSettings:
    """Settings that stay the same for the whole life of a data set, as in `CollectionSettings`."""

    image_size: int
    crop: str
    min_side: int
    min_quality: int
    keep_upscaled: bool
    validation_share: float
    hold_out_share: float

    @classmethod
    def from_settings(cls, settings: object) -> "FrozenSettings":
        """Take the fields of the same names; `object`, so that this package imports no settings."""
        return cls(
            **{field.name: getattr(settings, field.name) for field in dataclasses.fields(cls)}
        )

    def find_difference(self, other: "FrozenSettings") -> str | None:
        """Return the name of the first field that differs, or None."""
        names = (field.name for field in dataclasses.fields(self))
        return next((name for name in names if getattr(self, name) != getattr(other, name)), None)


@dataclass(frozen=True, kw_only=True)
class SettingsFile:
    """Content of settings.json."""

    frozen: FrozenSettings
    canonicaliser: int


def settings_path(folder: Path) -> Path:
    return folder / "settings.json"


def read_frozen_settings(folder: Path) -> FrozenSettings:
    """Read the frozen settings of a data set.

    Raises:
        PlainError: settings.json is missing or damaged.
    """
    path = settings_path(folder)
    try:
        return checked_json.parse_json_as(path.read_bytes(), SettingsFile).frozen
    except FileNotFoundError:
        message = f"{path} is missing; restore it from a copy."
        raise console.PlainError(message, console.EXIT_DISK) from None
    except (OSError, ValueError):
        message = f"{path} is damaged; restore it from a copy."
        raise console.PlainError(message, console.EXIT_DISK) from None


def write_frozen_settings(folder: Path, frozen: FrozenSettings) -> None:
    content = SettingsFile(frozen=frozen, canonicaliser=canonical.CANONICALISER_VERSION)
    text = json.dumps(dataclasses.asdict(content), indent=1) + "\n"
    atomic_files.write_atomically(settings_path(folder), text.encode())
