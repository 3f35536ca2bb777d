"""Read the CSV files of --facts: person, prompt, seed, generator, source image by file name."""

import csv
from collections.abc import Sequence
from pathlib import Path

from runtime import console

FACT_COLUMNS = ("person", "prompt", "seed", "generator", "source_image")


def read_facts(paths: Sequence[Path]) -> dict[str, dict[str, object]]:
    """Read CSV files with a column `file` and any of FACT_COLUMNS; return facts by file name.

    Raises:
        PlainError: a file cannot be read, lacks the columns, or holds a seed that is not a number.
    """
    facts: dict[str, dict[str, object]] = {}
    for path in paths:
        try:
            with path.open(newline="", encoding="utf-8-sig") as file:
                rows = csv.DictReader(file)
                header = rows.fieldnames or ()
                columns = [name for name in FACT_COLUMNS if name in header]
                if "file" not in header or not columns:
                    raise console.PlainError(
                        f"{path} has the columns {', '.join(header) or '(none)'}; it needs `file` "
                        f"and at least one of {', '.join(FACT_COLUMNS)}."
                    )
                for row in rows:
                    if row["file"]:
                        facts[Path(row["file"]).name] = {
                            name: _parse_fact(name, row[name], path)
                            for name in columns
                            if row[name]
                        }
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise console.PlainError(
                f"Cannot read {path}: {error}; give a CSV file in UTF-8."
            ) from None
    return facts


def _parse_fact(name: str, text: str, path: Path) -> object:
    if name != "seed":
        return text.strip()
    try:
        return int(text)
    except ValueError:
        raise console.PlainError(f"{path} has the seed {text!r}; give a whole number.") from None
