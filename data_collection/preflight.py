"""Check what every source needs, and print it as one table before anything starts."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from data_collection.dataset.manifest import FaceRecord
from data_collection.source_types import RequestedSource, SourceArgument
from runtime import console


def check_requirements(
    requested_sources: Sequence[RequestedSource], known: Sequence[FaceRecord], folder: Path
) -> None:
    """Print the table of requirements, unless no source has any or all were collected before.

    Raises:
        PlainError: a requirement is not met; nothing was started.
    """
    known_counts = Counter((record.label, record.source) for record in known)
    requirements = [
        (requested.request.source_name, requirement)
        for requested in requested_sources
        if not _is_complete(requested, known_counts)
        for requirement in requested.source.list_requirements(requested.request)
    ]
    if not requirements:
        return
    rows = [
        [
            source_name,
            requirement.name,
            requirement.status,
            "" if requirement.met else requirement.alternative,
        ]
        for source_name, requirement in requirements
    ]
    headings = ["source", "requirement", "status", "alternative"]
    console.print_table(f"Requirements of {folder}", headings, rows)
    missing = [requirement.name for _, requirement in requirements if not requirement.met]
    if missing:
        raise console.PlainError(
            f"Missing: {', '.join(dict.fromkeys(missing))}. Nothing was started; the last column "
            "of the table names an alternative."
        )


def _is_complete(requested: RequestedSource, known_counts: Counter) -> bool:
    """Return whether a source has already given as many images as the request asks for."""
    count = SourceArgument.parse(requested.request.argument).count_text
    known_count = known_counts[requested.label, requested.request.source_name]
    return count.isdigit() and len(count) < 10 and known_count >= int(count)
