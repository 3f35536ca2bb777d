"""Judge collages of hold-out faces: `python -m benchmarks.studies.faces_in_collages --model
saved_models/telltale-faces --dataset data/telltale-faces`.

Each hold-out picture is cut to a square around its face, with some of what surrounds it, and shrunk
to at most `--tile` pixels. Collages of real beside generated faces give the answers face by face,
beside those to the same pictures alone; collages of real faces only give the false alarms of
pictures. It prints Markdown tables with 95% intervals.
"""

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import tyro
from PIL import Image

from benchmarks.measuring import render_markdown_table
from data_collection.dataset import manifest, splits, stored_images
from data_collection.dataset.manifest import FaceRecord
from data_collection.images import decode, face_detector
from detection.detections import Detection
from detection.predictor import Detector
from runtime import console
from training.cuts.verdicts import GENERATED, VERDICTS
from training.detectors.card import Card
from validation.metrics.intervals import CONFIDENCE_LEVEL
from validation.metrics.shares import compute_exact_interval, compute_share_interval

TILE_SIDE_PER_FACE_SIDE = 1.7
NOT_FOUND = "not found"


@dataclass(frozen=True, kw_only=True)
class StudySettings:
    """Judge collages of hold-out faces."""

    model: Path
    """Folder of a saved detector."""

    dataset: Path
    """The data set that it was trained on."""

    collages: int = 200
    """Collages of each kind."""

    faces: int = 4
    """Faces of each collage; half of them generated where both kinds are mixed."""

    tile: int = 320
    """Largest side in pixels of the square around each face."""

    cuts_alone: bool = False
    """Take the answers of the cuts alone, also real ones on faces too small to be called so."""

    seed: int = 0
    """Seed of the choice of faces."""


@dataclass(frozen=True)
class Tile:
    """A hold-out picture, cut to a square around its face."""

    record: FaceRecord
    picture: Image.Image


@dataclass(frozen=True)
class FaceAnswer:
    """The answer to a face of a collage, a verdict or NOT_FOUND."""

    record: FaceRecord
    answer: str


def main(settings: StudySettings) -> None:
    detector = Detector.load(settings.model)
    records = list_hold_out(settings.dataset, detector.card)
    tiles = list(make_tiles(settings.dataset, records, settings.tile))
    random = np.random.default_rng(settings.seed)
    mixed = judge_collages(detector, settings, draw_mixed(tiles, settings, random))
    alone = [
        FaceAnswer(record, judge(detector, record, settings.dataset).verdict or NOT_FOUND)
        for record in records
    ]
    rows = [*render_rows("alone, as collected", alone)]
    rows += render_rows("in a collage", [face for _, faces in mixed for face in faces])
    columns = ("faces", *VERDICTS, NOT_FOUND)
    print(render_markdown_table(columns, rows))
    photographs = [tile for tile in tiles if tile.record.label == "real"]
    real = judge_collages(detector, settings, draw_disjoint(photographs, settings, random))
    print(describe_false_alarms(detector, real))


def list_hold_out(folder: Path, card: Card) -> list[FaceRecord]:
    """Return the hold-out's pictures, and record that they were looked at.

    Raises:
        PlainError: it is another hold-out than the detector's.
    """
    records = manifest.read_manifest(folder)
    if splits.compute_hold_out_sha256(records) != card.dataset.hold_out_sha256:
        raise console.PlainError(
            f"{card.name} was not trained on {folder}: the hold-outs differ. Name its own."
        )
    splits.record_hold_out_opening(folder, "faces in collages")
    return manifest.select_accepted(records, "hold-out")


def make_tiles(folder: Path, records: Sequence[FaceRecord], side: int) -> Iterator[Tile]:
    """Cut hold-out pictures to their only face; the few without one are left out."""
    for record in console.track_progress(records, "cutting out", len(records)):
        picture = decode.decode_whole(stored_images.read_original(folder, record)).square
        faces = face_detector.find_large_faces(picture)
        if len(faces) == 1:
            wide = _widen(faces[0], TILE_SIDE_PER_FACE_SIDE)
            tile = picture.crop(face_detector.place_crop(wide, picture.size))
            tile.thumbnail((side, side), Image.Resampling.LANCZOS)
            yield Tile(record, tile)


def _widen(face: face_detector.FaceBox, factor: float) -> face_detector.FaceBox:
    more = (factor - 1) * face.side / 2
    return replace(face, left=face.left - more, top=face.top - more, side=factor * face.side)


def draw_mixed(
    tiles: Sequence[Tile], settings: StudySettings, random: np.random.Generator
) -> Iterator[list[Tile]]:
    """Yield collages of real beside generated faces, each face as often as the others."""
    by_label = [[t for t in tiles if t.record.label == name] for name in ("real", "generated")]
    counts = settings.faces - settings.faces // 2, settings.faces // 2
    endless = [_draw_endlessly(group, random) for group in by_label]
    for _ in range(settings.collages):
        chosen = [
            next(group) for group, count in zip(endless, counts, strict=True) for _ in range(count)
        ]
        yield [chosen[index] for index in random.permutation(len(chosen))]


def draw_disjoint(
    tiles: Sequence[Tile], settings: StudySettings, random: np.random.Generator
) -> Iterator[list[Tile]]:
    """Yield collages of real faces only; a face comes again once all others have come."""
    endless = _draw_endlessly(tiles, random)
    for _ in range(settings.collages):
        yield [next(endless) for _ in range(settings.faces)]


def _draw_endlessly(tiles: Sequence[Tile], random: np.random.Generator) -> Iterator[Tile]:
    while True:
        yield from (tiles[index] for index in random.permutation(len(tiles)))


def judge_collages(
    detector: Detector, settings: StudySettings, collages: Iterator[list[Tile]]
) -> list[tuple[Detection, list[FaceAnswer]]]:
    """Judge collages; return each with the answers to its faces, from left to right."""
    answers = []
    for tiles in console.track_progress(collages, "collages", settings.collages):
        picture, starts = paste_beside_each_other([tile.picture for tile in tiles], settings.tile)
        buffer = io.BytesIO()
        picture.save(buffer, "PNG")
        image = detector.decode_image(buffer.getvalue(), Path("collage"), any_picture=True)
        detection = detector.detect_batch([image])[0]
        if settings.cuts_alone:
            detection = apply_cuts(detector, detection)
        verdicts = [
            find_verdict(detection, start, start + tile.picture.width)
            for start, tile in zip(starts, tiles, strict=True)
        ]
        faces = [
            FaceAnswer(tile.record, verdict) for tile, verdict in zip(tiles, verdicts, strict=True)
        ]
        answers.append((detection, faces))
    return answers


def apply_cuts(detector: Detector, detection: Detection) -> Detection:
    """Return the detection with the verdicts that its cuts alone give."""
    faces = detection.faces or ()
    point = detector.rule.find_point(len(faces))
    verdicts = [point.decide(face.probability, face.low, face.high) for face in faces]
    judged = [replace(face, verdict=word) for face, word in zip(faces, verdicts, strict=True)]
    return replace(detection, faces=tuple(judged))


def paste_beside_each_other(
    pictures: Sequence[Image.Image], height: int
) -> tuple[Image.Image, list[int]]:
    """Return the pictures in a row, and where each begins."""
    starts = np.cumsum([0, *(picture.width for picture in pictures)]).tolist()
    row = Image.new("RGB", (starts[-1], height), (128, 128, 128))
    for picture, start in zip(pictures, starts, strict=False):
        row.paste(picture, (start, 0))
    return row, starts[:-1]


def find_verdict(detection: Detection, left: int, right: int) -> str:
    """Return the verdict on the largest face whose centre lies between two columns."""
    for face in detection.faces or ():
        if face.verdict and left <= face.box.left + face.box.width / 2 < right:
            return face.verdict
    return NOT_FOUND


def judge(detector: Detector, record: FaceRecord, folder: Path) -> Detection:
    data = stored_images.read_original(folder, record)
    return detector.detect_batch([detector.decode_image(data, Path(record.file))])[0]


def render_rows(name: str, answers: Sequence[FaceAnswer]) -> list[list[str]]:
    """Return a row of shares with intervals for photographs, and one for generated faces."""
    rows = []
    for label, images in (("real", "photographs"), ("generated", "generated")):
        chosen = [answer for answer in answers if answer.record.label == label]
        groups = np.array([answer.record.group for answer in chosen])
        cells = []
        for verdict in (*VERDICTS, NOT_FOUND):
            hits = np.array([answer.answer == verdict for answer in chosen])
            low, high = compute_share_interval(hits, groups, CONFIDENCE_LEVEL)
            cells.append(f"{hits.mean():.1%} ({low:.1%} to {high:.1%})")
        rows.append([f"{len(chosen)} {images} {name}", *cells])
    return rows


def describe_false_alarms(
    detector: Detector, pictures: Sequence[tuple[Detection, list[FaceAnswer]]]
) -> str:
    """Return the share of pictures of photographed faces that are called generated: with the cut
    for their number, and with that of one face."""
    n_faces = len(pictures[0][1])
    groups = {face.record.group for _, faces in pictures for face in faces}
    shares = {
        "the cut for their number": np.mean(
            [answer.verdict == GENERATED for answer, _ in pictures]
        ),
        "the cut for one face": np.mean([_is_alarm(detector, answer) for answer, _ in pictures]),
    }
    sentences = []
    for name, share in shares.items():
        # only so many pictures have faces that no other has
        low, high = compute_exact_interval(share, len(groups) / n_faces, CONFIDENCE_LEVEL)
        sentences.append(
            f"Of {len(pictures)} pictures of {n_faces} photographed faces, {share:.1%} ({low:.1%} "
            f"to {high:.1%}) are called generated at {name}."
        )
    return "\n".join(sentences)


def _is_alarm(detector: Detector, detection: Detection) -> bool:
    """Return whether the cut of one face would call a picture generated."""
    return any(
        detector.point.decide(face.probability, face.low, face.high) == GENERATED
        for face in detection.faces or ()
        if face.verdict
    )


if __name__ == "__main__":
    settings = tyro.cli(StudySettings, prog="python -m benchmarks.studies.faces_in_collages")
    console.run_command(lambda: main(settings))
