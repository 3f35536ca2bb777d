"""Check the requested classes and what every source needs, before anything starts."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from data_collection.dataset.manifest import LABELS, FaceRecord
from data_collection.generation import diffusion_requirements
from data_collection.requirement import Requirement
from data_collection.source_types import RequestedSource, SourceArgument
from runtime import console
from runtime.terminal.time_left import format_duration


def check_start(
    requested_sources: Sequence[RequestedSource], known: Sequence[FaceRecord], folder: Path
) -> None:
    """Check that a collection has both classes and that its sources can start.

    Raises:
        PlainError: a class has neither a source nor known images, a source cannot serve its
            request, or a requirement is not met; nothing was started.
    """
    _check_classes(requested_sources, known, folder)
    for requested in requested_sources:
        requested.source.check_request(requested.request, known)
    check_requirements(requested_sources, known, folder)


def _check_classes(
    requested_sources: Sequence[RequestedSource], known: Sequence[FaceRecord], folder: Path
) -> None:
    labels = {requested.label for requested in requested_sources}
    labels |= {record.label for record in known if record.accepted}
    for label in LABELS:
        if label not in labels:
            raise console.PlainError(
                f"{folder} has no {label} images, and no --{label} source is given. Nothing was "
                f"started; name one, as in --{label} folder:PATH."
            )


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
    # Two sources may share a model, which is downloaded once.
    downloads = {row.name: row.download_bytes for _, row in requirements if row.download_bytes}
    if len(downloads) > 1:
        together = diffusion_requirements.check_disk_for_models(sum(downloads.values()))
        requirements.append(("all", together))
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
    _print_duration([requirement for _, requirement in requirements])
    missing = [requirement.name for _, requirement in requirements if not requirement.met]
    if missing:
        raise console.PlainError(
            f"Missing: {', '.join(dict.fromkeys(missing))}. Nothing was started; the last column "
            "of the table names an alternative."
        )


def _print_duration(requirements: Sequence[Requirement]) -> None:
    """Print how long several sources generate together."""
    costly = [row for row in requirements if row.seconds is None or row.seconds > 0]
    if len(costly) < 2:
        return
    seconds = sum(row.seconds or 0 for row in costly)
    n_unknown = sum(row.seconds is None for row in costly)
    more = f", and the unknown time of {n_unknown} sources" if n_unknown else ""
    console.print_message(f"Together: very roughly {format_duration(seconds)} of generation{more}.")


def _is_complete(requested: RequestedSource, known_counts: Counter) -> bool:
    """Return whether a source has already given as many images as the request asks for."""
    count = SourceArgument.parse(requested.request.argument).count_text
    known_count = known_counts[requested.label, requested.request.source_name]
    return count.isdigit() and len(count) < 10 and known_count >= int(count)
