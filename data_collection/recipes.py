"""Recipes: options of `python -m data_collection` kept in a TOML file, so that a run can be repeated exactly."""

import argparse
import dataclasses
import json
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tyro

from data_collection import console, manifest
from data_collection.settings import CollectionSettings

READY = Path(__file__).parent / "recipes"
"""Recipes that come with the project, by name."""

# What a recipe is not about: where it is run.
LEFT_OUT = ("recipe", "data", "logs", "audit")


def parse(words: Sequence[str], more: str = "") -> CollectionSettings:
    """Reads the options of a command line; those of its --recipe come first, so that what is typed wins or adds to them.

    Args:
        more: shown in --help behind what the settings say of themselves.
    """
    finder = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    finder.add_argument("--recipe")
    recipe = finder.parse_known_args(words)[0].recipe
    ready = _options(read(recipe), recipe) if recipe else []
    about = f"{CollectionSettings.__doc__}\n\n{more}"
    return tyro.cli(CollectionSettings, prog="python -m data_collection", description=about, args=[*ready, *words])


def read(recipe: str) -> dict[str, Any]:
    """The values of a recipe, by name or by path.

    Raises:
        PlainError: there is no such recipe, or it is no TOML.
    """
    path = READY / f"{recipe}.toml" if (READY / f"{recipe}.toml").is_file() else Path(recipe).expanduser()
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError:
        names = ", ".join(sorted(path.stem for path in READY.glob("*.toml")))
        raise console.PlainError(f"There is no recipe {recipe}; give {names}, or the path of a TOML file.") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise console.PlainError(f"{path} is no TOML file: {error}.") from None


def note(recipe: str | None) -> str:
    """What the recipe says of the data set that it makes."""
    return str(read(recipe).get("note", "")) if recipe else ""


def _options(values: dict[str, Any], recipe: str) -> list[str]:
    words: list[str] = []
    for name, value in values.items():
        option = "--" + name.replace("_", "-")
        if isinstance(value, bool):
            words.append(option if value else "--no-" + option.removeprefix("--"))
        elif isinstance(value, dict):
            raise console.PlainError(f"{recipe} has a section [{name}]; write plain lines, such as seed = 0.")
        elif name != "note":
            for each in value if isinstance(value, list) else [value]:
                words.append(f"{option}={each}")
    return words


def keep(settings: CollectionSettings) -> None:
    """Writes DATA/DATASET/recipe.toml: this run's options, with the sources of earlier runs."""
    path = settings.folder / "recipe.toml"
    values = _flat(settings)
    if path.exists():
        before = read(str(path))
        for name in ("real", "generated", "facts"):
            values[name] = list(dict.fromkeys([*before.get(name, []), *values[name]]))
    # A JSON string, number, boolean or list of strings is TOML, too.
    lines = [f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in values.items()]
    manifest.write_whole(path, ("\n".join(lines) + "\n").encode(errors="replace"))


def _flat(settings: object) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for field in dataclasses.fields(settings):
        value = getattr(settings, field.name)
        if dataclasses.is_dataclass(value):
            values |= _flat(value)
        elif field.name not in LEFT_OUT:
            values[field.name] = [str(each) for each in value] if isinstance(value, tuple) else value
    return values
