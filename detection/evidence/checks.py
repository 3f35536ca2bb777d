"""Compare a page of evidence with its own record, and the record with the answer given again."""

import html
import itertools
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from detection.evidence.page import RECORD_START, compute_layout_hash, render_page
from detection.evidence.read import EvidencePage
from detection.evidence.record import DetectorRecord, EvidenceRecord
from detection.evidence.thumbnail import (
    MAX_LEVEL_DIFFERENCE,
    MAX_MEAN_DIFFERENCE,
    measure_difference,
)
from detection.output.faces import describe_box

MAX_PROBABILITY_DIFFERENCE = 1e-4
"""Between processors; on one machine the same file has the same probability, bit for bit."""

MAX_SHOWN_CHARS, SHOWN_HASH_CHARS = 60, 16

TAG = re.compile("<[^<>]*>")

State = Literal["holds", "differs", "not checked"]


@dataclass(frozen=True)
class Check:
    """One line of the check: what the page said, and what was found."""

    name: str
    said: str
    found: str
    state: State


def check_page(page: EvidencePage) -> Iterator[Check]:
    """Yield whether a page is what its record makes, and has the hashes that it says."""
    is_first = page.has_first_record
    yield Check(
        "record",
        page.record_sha256[:SHOWN_HASH_CHARS],
        page.record.sha256[:SHOWN_HASH_CHARS],
        "holds" if is_first else "differs",
    )
    if page.record.layout != compute_layout_hash():
        state = "not checked" if page.has_first_text else "differs"
        version = page.record.versions.get("Telltale", "?")
        yield Check("shown text", f"of Telltale {version}", "not made by this version", state)
        return
    expected = render_page(page.record)
    if expected == page.data:
        yield Check("shown text", "as its record", "the same", "holds")
    else:
        shown = expected.decode().partition(RECORD_START)[0]
        yield Check("shown text", *find_difference(page.html, shown), "differs")


def find_difference(said: str, expected: str) -> tuple[str, str]:
    """Return the first text that differs between two pages, each as it is shown.

    The first may be anything, so it is not given to a parser: Python's takes quadratic time.
    """
    for lines in itertools.zip_longest(said.split("\n"), expected.split("\n"), fillvalue=""):
        texts = [" ".join(html.unescape(TAG.sub(" ", line)).split()) for line in lines]
        if texts[0] != texts[1]:
            return shorten_pair(*texts)
    return "other markup, style or picture", "as its record"


def shorten_pair(said: str, found: str) -> tuple[str, str]:
    """Return two texts from shortly before the place where they part."""
    same = next(
        (
            index
            for index, (one, other) in enumerate(zip(said, found, strict=False))
            if one != other
        ),
        min(len(said), len(found)),
    )
    start = 0 if same < MAX_SHOWN_CHARS // 2 else same - MAX_SHOWN_CHARS // 3
    return tuple(
        ("..." if start else "")
        + text[start : start + MAX_SHOWN_CHARS]
        + ("..." if len(text) > start + MAX_SHOWN_CHARS else "")
        for text in (said, found)
    )


def check_picture(said: EvidenceRecord, sha256: str) -> Check:
    """Check that the file is the one that the page is about."""
    hashes = said.picture.sha256, sha256
    return _compare_exactly("picture", *hashes, show=_shorten_hash)


def check_detector(said: DetectorRecord, found: DetectorRecord | None) -> Iterator[Check]:
    """Yield whether the detector that is here is the one that judged."""
    if found is None:
        yield Check("detector", said.name, "not here", "not checked")
        return
    yield _compare_exactly("detector", said.name, found.name)
    for name, field in (("its model", "model_sha256"), ("its card", "card_sha256")):
        hashes = getattr(said, field), getattr(found, field)
        yield _compare_exactly(name, *hashes, show=_shorten_hash)


def check_answer(said: EvidenceRecord, found: EvidenceRecord) -> Iterator[Check]:
    """Yield whether the answer that was given again is that of the page."""
    yield _compare_exactly("file", *map(_describe_file, (said, found)))
    yield _compare_thumbnails(said, found)
    yield _compare_exactly("verdict", said.answer.verdict, found.answer.verdict)
    yield _compare_probabilities(said, found)
    if said.options.calibration:
        hashes = said.options.calibration_sha256, found.options.calibration_sha256
        yield _compare_exactly("calibration", *hashes, show=_shorten_hash)
    for name, list_sentences in SENTENCES.items():
        yield _compare_sentences(name, list_sentences(said), list_sentences(found))
    yield _compare_all_values(said, found)


def _list_faces(record: EvidenceRecord) -> list[str]:
    answer = record.answer
    passed_over = [f"{answer.passed_over} passed over"] if answer.passed_over else []
    return [f"{face.verdict}, {describe_box(face.box)}" for face in answer.faces] + passed_over


SENTENCES: dict[str, Callable[[EvidenceRecord], Sequence[str]]] = {
    "faces": _list_faces,
    "cuts": lambda record: [record.worth.cuts],
    "worth": lambda record: [
        *([record.worth.banner] if record.worth.banner else []),
        *record.worth.promise,
        *record.worth.strangers,
    ],
    "warnings": lambda record: record.answer.warnings,
    "claims": lambda record: [f"{claim.kind}: {claim.text}" for claim in record.claims],
    "limits": lambda record: record.limits,
}


def _compare_exactly(name: str, said: str, found: str, show: Callable[[str], str] = str) -> Check:
    return Check(name, show(said), show(found), "holds" if said == found else "differs")


def _shorten_hash(sha256: str) -> str:
    return sha256[:SHOWN_HASH_CHARS] or "none"


def _compare_thumbnails(said: EvidenceRecord, found: EvidenceRecord) -> Check:
    """One version of Pillow makes the same bytes; of others it is enough that nothing shows."""
    jpegs = said.picture.thumbnail_jpeg, found.picture.thumbnail_jpeg
    if jpegs[0] == jpegs[1]:
        return Check("thumbnail", "of the picture", "the same", "holds")
    largest, mean = measure_difference(*jpegs)
    is_other_version = said.versions.get("Pillow") != found.versions["Pillow"]
    holds = is_other_version and largest <= MAX_LEVEL_DIFFERENCE
    shown = "nearly the same" if mean <= MAX_MEAN_DIFFERENCE else "another"
    return Check("thumbnail", "of the picture", shown, "holds" if holds else "differs")


def _describe_file(record: EvidenceRecord) -> str:
    picture = record.picture
    return f"{picture.size_bytes:,} bytes, {picture.format}, {picture.width:,} x {picture.height:,}"


def _compare_probabilities(said: EvidenceRecord, found: EvidenceRecord) -> Check:
    pairs = list(itertools.zip_longest(_list_probabilities(said), _list_probabilities(found)))
    differences = [
        0.0 if one == other else 1.0 if None in (one, other) else abs(one - other)
        for one, other in pairs
    ]
    largest = max(differences)
    shown = f"{found.answer.probability:.6f}"
    if largest:
        shown += f" (up to {largest:.1g} apart)"
    state = "holds" if largest <= MAX_PROBABILITY_DIFFERENCE else "differs"
    return Check("probability", f"{said.answer.probability:.6f}", shown, state)


def _list_probabilities(record: EvidenceRecord) -> list[float | None]:
    answer = record.answer
    parts = (answer, *answer.faces)
    return [
        answer.at_prevalence,
        *(number for part in parts for number in (part.probability, part.low, part.high)),
    ]


def _compare_sentences(name: str, said: Sequence[str], found: Sequence[str]) -> Check:
    if tuple(said) == tuple(found):
        shown = (
            shorten_pair(said[0], "")[0] if len(said) == 1 else f"{len(said)}" if said else "none"
        )
        return Check(name, shown, "the same", "holds")
    pairs = itertools.zip_longest(said, found, fillvalue="(nothing)")
    one, other = next(pair for pair in pairs if pair[0] != pair[1])
    return Check(name, *shorten_pair(one, other), "differs")


UNCHECKED_VALUES = ("layout", "created", "versions", "picture.name", "picture.thumbnail")
"""Values of a record that cannot be found again, or are compared in another way."""


def _compare_all_values(said: EvidenceRecord, found: EvidenceRecord) -> Check:
    """Compare what has no line of its own, too."""
    values = [dict(_list_values(json.loads(record.encode()))) for record in (said, found)]
    differing = [
        path
        for path in values[0] | values[1]
        if not path.startswith(UNCHECKED_VALUES)
        and not _is_close(values[0].get(path), values[1].get(path))
    ]
    shown = f"{len(values[0])}"
    if not differing:
        return Check("all values", shown, "the same", "holds")
    more = f" and {len(differing) - 1} more" if len(differing) > 1 else ""
    return Check("all values", shown, f"others: {differing[0]}{more}", "differs")


def _list_values(content: object, path: str = "") -> Iterator[tuple[str, object]]:
    """Yield every value within parsed JSON, with its path."""
    if isinstance(content, dict | list):
        yield path, len(content)
        items = content.items() if isinstance(content, dict) else enumerate(content)
        for name, value in items:
            yield from _list_values(value, f"{path}.{name}".removeprefix("."))
    else:
        yield path, content


def _is_close(one: object, other: object) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return abs(one - other) <= MAX_PROBABILITY_DIFFERENCE
    return one == other
