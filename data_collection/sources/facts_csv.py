"""Read the CSV files given with --facts: persons, prompts, seeds, generators and source images by file name."""

import csv
from collections.abc import Sequence
from pathlib import Path

from runtime import console

FACT_COLUMNS = ("person", "prompt", "seed", "generator", "source_image")


def read_facts(paths: Sequence[Path]) -> dict[str, dict[str, object]]:
    """Reads CSV files with a `file` column and any of KNOWN_FACTS; returns the facts by file name.

    Raises:
        PlainError: a file is missing, or lacks the columns.
    """
    facts: dict[str, dict[str, object]] = {}
    for path in paths:
        try:
            with path.open(newline="", encoding="utf-8-sig") as file:
                rows = csv.DictReader(file)
                known = [name for name in FACT_COLUMNS if name in (rows.fieldnames or ())]
                if "file" not in (rows.fieldnames or ()) or not known:
                    raise console.PlainError(
                        f"{path} has the columns {', '.join(rows.fieldnames or ()) or '(none)'}; it needs `file` and at "
                        f"least one of {', '.join(FACT_COLUMNS)}."
                    )
                for row in rows:
                    if row["file"]:
                        facts[Path(row["file"]).name] = {
                            name: _parse_fact(name, row[name], path) for name in known if row[name]
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
        raise console.PlainError(
            f"{path} gives the seed {text!r}; seeds are whole numbers."
        ) from None
