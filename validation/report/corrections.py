"""Say what was dropped or relabelled of the hold-out, and how to correct its most wrong images."""

import shlex
from collections.abc import Iterable, Iterator, Sequence

from data_collection.dataset.manifest import LABELS, FaceRecord
from data_collection.stored_datasets.corrections import Correction
from runtime.terminal.counting import choose_verb, format_count
from validation.data.evaluation_set import EvaluationSet


def describe_corrections(corrections: Sequence[Correction]) -> str:
    """Return how many hold-out images were dropped or relabelled, and how many after a look."""
    count, opened = len(corrections), sum(row.hold_out_openings > 0 for row in corrections)
    return (
        f"{format_count(count, 'hold-out image')} {choose_verb(count, 'was', 'were')} dropped or "
        f"relabelled by hand, {opened:,} of them after the hold-out had been opened for a "
        "validation: figures on "
        "it may be better than on images that nobody chose."
    )


def list_correct_commands(data: EvaluationSet, ids: Iterable[str]) -> dict[str, list[str]]:
    """Return, by id, the commands that drop an image and that give it the other label; empty where
    the images are those of no data set.

    The second is left out where the image could join several sources of its new class, of which
    only a person knows the right one.
    """
    if not data.is_dataset:
        return {}
    records = {record.id: record for record in data.records}
    return {id: list(_list_commands(data, records[id])) for id in ids if id in records}


def _list_commands(data: EvaluationSet, record: FaceRecord) -> Iterator[str]:
    command = f"python -m data_collection correct {shlex.quote(str(data.folder))} {record.id[:12]}"
    confirmation = " --change-hold-out" if record.split == "hold-out" else ""
    yield f'{command} --drop --because "not a face"{confirmation}'
    label = next(label for label in LABELS if label != record.label)
    sources = {other.source for other in data.records if other.label == label}
    if record.source in sources:
        sources = {record.source}
    if len(sources) == 1:
        # a name may begin with a dash
        source = f"--source={shlex.quote(sources.pop())}"
        yield f'{command} --label {label} {source} --because "wrong label"{confirmation}'
