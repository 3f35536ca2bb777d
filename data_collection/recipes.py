"""Read and write recipes: the options of a collection as a TOML file, to repeat the run."""

import argparse
import dataclasses
import json
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from data_collection.settings import CollectionSettings
from runtime import atomic_files, console
from runtime.command_lines import parsing
from runtime.commands.suggestions import find_close_names

RECIPES_FOLDER = Path(__file__).parent / "recipes"
"""Recipes that come with the project, by name."""

FOLDER_OPTIONS = ("data", "logs")
"""Options of folders that are written to. A recipe may be a stranger's, so these are told."""

OMITTED_OPTIONS = ("recipe", *FOLDER_OPTIONS, "audit")
"""Options that say where a recipe is run, not what it collects."""


def parse_collection_settings(
    arguments: Sequence[str], command: str = "data_collection", about: str | None = None
) -> CollectionSettings:
    """Parse a command line; options of its --recipe come first, so that typed ones override or
    extend them.

    Args:
        arguments: the words of the command line.
        command, about: name and description for --help; the latter is that of the settings
            without it.
    """
    finder = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    finder.add_argument("--recipe")
    recipe = finder.parse_known_args(arguments)[0].recipe
    values = read_recipe(recipe) if recipe else {}
    words = [*_format_options(values, recipe), *arguments]
    settings = parsing.parse_settings(CollectionSettings, command, words, about)
    if not values.keys().isdisjoint(FOLDER_OPTIONS) or "/" in str(values.get("dataset", "")):
        console.print_warning(
            f"{recipe} says where to write: to {settings.folder}, logs to {settings.logs}. Give "
            "--dataset, --data and --logs for other folders."
        )
    return settings


def read_recipe(recipe: str) -> dict[str, Any]:
    """Return the values of a recipe, given by name or by path.

    Raises:
        PlainError: there is no such recipe, or it is not valid TOML.
    """
    path = (
        RECIPES_FOLDER / f"{recipe}.toml"
        if (RECIPES_FOLDER / f"{recipe}.toml").is_file()
        else Path(recipe).expanduser()
    )
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError:
        names = sorted(path.stem for path in RECIPES_FOLDER.glob("*.toml"))
        files = (file.name for file in path.parent.glob("*.toml"))
        close = find_close_names(path.name, [*names, *files])
        advice = f"did you mean {close[0]}? Give" if close else "give"
        raise console.PlainError(
            f"There is no recipe {recipe}; {advice} {', '.join(names)}, or the path of a TOML file."
        ) from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise console.PlainError(f"{path} is not a TOML file: {error}.") from None


def read_recipe_note(recipe: str | None) -> str:
    """Return the recipe's note about its data set."""
    return str(read_recipe(recipe).get("note", "")) if recipe else ""


def _format_options(values: dict[str, Any], recipe: str) -> list[str]:
    options: list[str] = []
    for name, value in values.items():
        option = "--" + name.replace("_", "-")
        if isinstance(value, bool):
            options.append(option if value else "--no-" + option.removeprefix("--"))
        elif isinstance(value, dict):
            raise console.PlainError(
                f"{recipe} has a section [{name}]; write plain lines, such as seed = 0."
            )
        elif name != "note":
            for item in value if isinstance(value, list) else [value]:
                options.append(f"{option}={item}")
    return options


def write_recipe(settings: CollectionSettings, something_new: bool = True) -> None:
    """Write the options of this run to DATA/DATASET/recipe.toml; later runs that add images write
    recipe-2.toml and so on."""
    # A JSON string, number, boolean or list of strings is TOML, too.
    lines = (
        f"{name} = {json.dumps(value, ensure_ascii=False)}\n"
        for name, value in (_flatten_settings(settings) | {"dataset": settings.folder.name}).items()
    )
    text = "".join(lines).encode(errors="replace")
    paths = list(settings.folder.glob("recipe*.toml"))
    if not paths or something_new and text not in [path.read_bytes() for path in paths]:
        name = f"recipe-{len(paths) + 1}.toml" if paths else "recipe.toml"
        atomic_files.write_atomically(settings.folder / name, text)


def _flatten_settings(settings: object) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for field in dataclasses.fields(settings):
        value = getattr(settings, field.name)
        if dataclasses.is_dataclass(value):
            values |= _flatten_settings(value)
        elif field.name not in OMITTED_OPTIONS:
            values[field.name] = (
                [str(item) for item in value] if isinstance(value, tuple) else value
            )
    return values
