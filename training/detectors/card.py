"""Read and write card.json, everything that a reader of a saved detector must know."""

import dataclasses
import datetime
import json
import math
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from data_collection.images import canonical, decode
from runtime import atomic_files, checked_json, console
from training.attribution.attribution import GeneratorAttribution
from training.calibration import Scores
from training.cuts.left_out import LeftOutSource
from training.cuts.operating_point import Calibration, OperatingPoint
from training.cuts.statement import DEFAULT_PREVALENCE, DetectorStatement, make_statement
from training.detectors import card_values
from training.detectors.card_fields import (
    BaseDescription,
    BaselineDescription,
    DatasetDescription,
    InferenceCost,
    SearchDescription,
)

CARD_FILE = "card.json"

CARD_VERSION = 4
"""Raise it with every change to the fields of a card that makes older cards useless."""


@dataclass(frozen=True, kw_only=True)
class Card:
    """Everything that a reader of a saved detector must know.

    Attributes:
        name: name of the detector's folder.
        created: UTC, ISO 8601.
        image_size: side in pixels of the square that the detector takes.
        canonicaliser: version of the canonicaliser that prepared its training images.
        metrics: scores on the validation split.
        baselines: every baseline by name.
        parity: largest difference between detector.keras and detector.onnx.
        more_bases: those of a detector on several bases after its first.
        sha256: hash of every model file, by its path inside the folder.
        versions: version of every library involved in the training.
        settings: of the command, for documentation only.
        banner: first sentence of every report on the detector; empty if there is nothing to
            warn of.
        practice: whether it was trained on the sample data set, so that its verdicts mean nothing.
        audit_status: of the data set at this image size when it was trained; empty if not known.
        crop: how images are cropped, in training and before a verdict: "centre" or "face".
        qualities: JPEG qualities at which an image is judged; all must agree on an answer.
        left_out: sources, scored by heads not trained on them; none for a fine-tuned detector.
        attribution: how it names the generator of an image; None for a detector that names none.
        cost: of detector.onnx.
    """

    name: str
    created: str
    image_size: int
    canonicaliser: int
    dataset: DatasetDescription
    base: BaseDescription
    search: SearchDescription
    calibration: Calibration
    metrics: Scores
    baselines: dict[str, BaselineDescription]
    parity: float
    sha256: dict[str, str]
    versions: dict[str, str]
    settings: dict[str, Any] = field(default_factory=dict)
    banner: str = ""
    practice: bool = False
    audit_status: str = ""
    crop: str = "centre"
    qualities: tuple[int, ...] = canonical.JUDGEMENT_QUALITIES
    left_out: tuple[LeftOutSource, ...] = ()
    attribution: GeneratorAttribution | None = None
    cost: InferenceCost | None = None
    more_bases: tuple[BaseDescription, ...] = ()
    card_version: int = CARD_VERSION

    @property
    def created_at(self) -> datetime.datetime:
        """The time of `created`."""
        moment = datetime.datetime.fromisoformat(self.created)
        return moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)

    @property
    def bases(self) -> tuple[BaseDescription, ...]:
        """Every base of the detector."""
        return self.base, *self.more_bases

    @property
    def base_names(self) -> str:
        """The names of its bases, in words."""
        return " and ".join(base.name for base in self.bases)

    def make_statement(
        self, point: OperatingPoint | None = None, prevalence: float = DEFAULT_PREVALENCE
    ) -> DetectorStatement:
        """Return what must stand beside every answer at this point, by default its own.

        Args:
            prevalence: share of generated images for which the worth of an alarm is stated.
        """
        point = point or self.calibration.point
        statement = make_statement(
            self.name,
            self.calibration,
            point,
            self.left_out,
            self.banner,
            prevalence,
        )
        if self.attribution is None or point.generated_above is None:
            return statement
        return dataclasses.replace(statement, generator_means=self.attribution.describe_worth())

    def to_public(self, files: Collection[str]) -> dict[str, Any]:
        """Return what may be published, with the hashes of these files alone.

        Baselines lose their files: validation opens every one that has a file.
        """
        content = json.loads(_encode_card(self))
        content["sha256"] = {file: self.sha256[file] for file in files}
        for baseline in content["baselines"].values():
            baseline.pop("file")
        return content


def make_timestamp() -> str:
    """Return the current time for Card.created."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="microseconds")


def write_card(folder: Path, card: Card) -> None:
    """Write card.json into a detector's folder."""
    atomic_files.write_atomically(folder / CARD_FILE, (_encode_card(card) + "\n").encode())


def _encode_card(card: Card) -> str:
    return json.dumps(dataclasses.asdict(card), indent=1, default=str)


def read_card(folder: Path) -> Card:
    """Read card.json; the card has the name of the folder.

    Raises:
        PlainError: it is damaged, or of another version.
    """
    path = folder / CARD_FILE
    try:
        content = checked_json.parse_json(path.read_bytes())
        version = content.get("card_version"), content.get("canonicaliser")
        if version != (CARD_VERSION, canonical.CANONICALISER_VERSION):
            _refuse_other_version(path, version)
        card = checked_json.convert_to(content, Card)
        _validate_card(card)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise console.PlainError(
            f"{path} is damaged. Restore it, or train the detector again.", console.EXIT_BAD_MODEL
        ) from None
    # A folder may be a stranger's or may have been renamed; the name in its card decides nothing.
    return dataclasses.replace(card, name=folder.absolute().name)


def _refuse_other_version(path: Path, version: tuple[object, object]) -> None:
    """Raise PlainError if both versions are numbers, else ValueError: the card is damaged."""
    if not all(isinstance(number, int) for number in version):
        raise ValueError
    raise console.PlainError(
        f"{path} was written by another version of Telltale. Train the detector again.",
        console.EXIT_BAD_MODEL,
    )


def _validate_card(card: Card) -> None:
    """Raise ValueError or KeyError for values that would cause unexplained errors later."""
    calibrations = [card.calibration, *(row.calibration for row in card.baselines.values())]
    scores = [card.metrics, *(row.metrics for row in card.baselines.values())]
    if not (
        card.created_at
        and card_values.are_image_counts(card.dataset.images)
        and all(card_values.is_calibration(row) for row in calibrations if row is not None)
        and card.calibration.point
        and all(map(card_values.are_scores, scores))
        and all(map(card_values.is_left_out_source, card.left_out))
        and (card.attribution is None or card_values.is_attribution(card.attribution, card.search))
        and 0 <= card.parity < math.inf
        and card.qualities
        and all(1 <= quality <= 100 for quality in card.qualities)
        and 16 <= card.image_size <= 4096
        and card.crop in decode.CROPS
        and all(map(str.isalnum, card.sha256.values()))
    ):
        raise ValueError
