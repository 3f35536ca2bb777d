"""Give every file the facts of the rows that mean it; refuse rows that are ambiguous or disagree.

A file that gets another's person or prompt lets one person or prompt into several splits, and a
detector is then measured on what it was trained on.
"""

from collections.abc import Mapping, Sequence

from data_collection.facts.facts_csv import FactRow
from data_collection.facts.path_index import IndexedFile, PathIndex, PathMatches
from runtime import console
from runtime.terminal.counting import choose_verb, format_count


def match_facts(
    rows: Sequence[FactRow], files: Sequence[IndexedFile]
) -> dict[str, Mapping[str, object]]:
    """Return the facts of the files, by `whole`; warn of rows that mean no file.

    The row with the longest common end has a file; a shorter one means the files that are left.

    Raises:
        PlainError: a row means several files, or two rows say different things about one.
    """
    index = PathIndex(files)
    matches = [index.find(row.file) for row in rows]
    longest: dict[int, int] = {}
    for match in matches:
        if len(match.files) == 1:
            longest[match.files[0]] = max(match.length, longest.get(match.files[0], 0))
    facts: dict[str, dict[str, object]] = {}
    row_by_fact: dict[tuple[str, str], FactRow] = {}
    unmatched = []
    for row, match in zip(rows, matches, strict=True):
        meant = _select_meant_files(match, longest)
        if len(meant) > 1:
            raise _build_ambiguity_error(row, [files[file].below for file in meant])
        if meant:
            _add_facts(row, files[meant[0]], facts, row_by_fact)
        else:
            unmatched.append(row)
    if unmatched:
        console.print_warning(
            f"{format_count(len(unmatched), 'row')} of --facts "
            f"{choose_verb(len(unmatched), 'matches', 'match')} no file, for example "
            f"{unmatched[0].file} ({unmatched[0].origin}); write paths as they are below the "
            "folder."
        )
    return facts


def _select_meant_files(match: PathMatches, longest: Mapping[int, int]) -> list[int]:
    """Return the files of a match without those that a row with a longer common end has."""
    if match.complete and len(match.files) == 1:
        return list(match.files)
    return [file for file in match.files if longest.get(file, 0) <= match.length]


def _add_facts(
    row: FactRow,
    file: IndexedFile,
    facts: dict[str, dict[str, object]],
    row_by_fact: dict[tuple[str, str], FactRow],
) -> None:
    """Add a row to the facts of its file; rows may complete each other.

    Raises:
        PlainError: another row says something else.
    """
    known = facts.setdefault(file.whole, {})
    for name, value in row.facts.items():
        other = row_by_fact.setdefault((file.whole, name), row)
        if known.setdefault(name, value) != value:
            raise console.PlainError(
                f"--facts: {other.origin} and {row.origin} say different things about "
                f"{file.below}: {name} {known[name]} and {value}; keep the right one."
            )


def _build_ambiguity_error(row: FactRow, names: Sequence[str]) -> console.PlainError:
    more = f" and {len(names) - 2} more" if len(names) > 2 else ""
    return console.PlainError(
        f"--facts: {row.file} ({row.origin}) means {len(names)} files, {names[0]}, {names[1]}"
        f"{more}; write more of the path."
    )
