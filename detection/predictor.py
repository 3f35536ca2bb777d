"""Judge images with a saved detector, one at a time or in folders: ONNX Runtime, no TensorFlow."""

import collections
import concurrent.futures
import functools
import itertools
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from data_collection.images import decode as image_decode
from data_collection.images.decode import DecodedFace
from data_collection.images.decoding_pool import COMMAND_POOL, open_decoding_threads
from data_collection.source_types import UnavailableImage
from data_collection.sources import local_folder
from detection import network, own_calibration
from detection.decision import DecisionRule
from detection.detections import (
    NO_KNOWN_ANSWERS,
    Detection,
    FaceDetection,
    JudgedSquare,
    KnownAnswer,
    PreparedImage,
)
from detection.image_paths import LocatedImage
from detection.network import NetworkRunner
from detection.prepare import prepare_image
from detection.provenance import claims as provenance
from runtime import hashing
from runtime.commands import workspace
from training.cuts.operating_point import Calibration, OperatingPoint
from training.cuts.statement import DetectorStatement
from training.cuts.verdicts import GENERATED
from training.detectors import card as detector_card
from training.detectors import saved_models
from training.detectors.card import Card
from training.onnx_files import onnx_models

ImageReader = Callable[[LocatedImage, Mapping[str, KnownAnswer]], PreparedImage]


class Detector:
    """A loaded detector.

    The verdict depends on the decoded pixels alone: the same JPEG qualities for every image, whose
    logits are averaged.

    Attributes:
        rule: the cuts that decide.

    Example:
        >>> Detector.load("telltale-faces").predict("photo.jpg").verdict
    """

    def __init__(
        self,
        folder: Path,
        card: Card,
        any_picture: bool = False,
        point: OperatingPoint | None = None,
        prevalence: float | None = None,
        calibration: Calibration | None = None,
    ):
        self.folder, self.card, self.any_picture = folder, card, any_picture
        calibration = calibration or card.calibration
        self.rule = DecisionRule(card, calibration, point or calibration.point, prevalence)
        self._network = network.read_network(folder, card)

    @classmethod
    def load(
        cls,
        folder: str | Path,
        any_picture: bool = False,
        false_alarms: float | None = None,
        misses: float | None = None,
        prevalence: float | None = None,
        calibration: str = "",
    ) -> "Detector":
        """Open a saved detector.

        Args:
            folder: of the detector; or its name, or that of a data set, as `--model` takes it.
            any_picture: whether to judge images without a face, too.
            false_alarms, misses: largest shares of photographs called generated, and of generated
                images called real, that its cuts were set for; None for its own.
            prevalence: share of generated images where it is used; every Detection then has the
                probability at that prevalence, too.
            calibration: name of an own calibration, whose false-alarm cuts replace its own.

        Raises:
            PlainError: the detector is missing or was altered since it was saved, or has no such
                cut or calibration.
        """
        folder = saved_models.find_detector(workspace.SAVED_MODELS_FOLDER, Path(folder))
        card = detector_card.read_card(folder)
        shipped = card.calibration
        if calibration:
            own = own_calibration.read_own_calibration(folder, card, calibration)
            shipped = replace(shipped, false_alarm_cuts=own.make_cuts())
        point = shipped.select_point(false_alarms, misses)
        return cls(folder, card, any_picture, point, prevalence, shipped)

    @property
    def point(self) -> OperatingPoint:
        """The cuts for an image of one face."""
        return self.rule.point

    @property
    def statement(self) -> DetectorStatement:
        """The worth of answers to images of one face."""
        return self.rule.find_statement()

    def give_reason(self, reason: str) -> None:
        """State in every answer why this detector was taken, in words."""
        self.rule.detector_reason = reason

    def predict(self, path: str | Path) -> Detection:
        """Judge one file; if it cannot be read, the Detection says why."""
        return self.detect_batch([self.read_image(LocatedImage(Path(path)))])[0]

    def predict_all(
        self, paths: Iterable[Path], known: Mapping[str, KnownAnswer] = NO_KNOWN_ANSWERS
    ) -> Iterator[Detection]:
        """Judge files as `predict` does, many at a time; see `predict_located`."""
        return self.predict_located(map(LocatedImage, paths), known)

    def predict_located(
        self,
        images: Iterable[LocatedImage],
        known: Mapping[str, KnownAnswer] = NO_KNOWN_ANSWERS,
        read_image: ImageReader | None = None,
    ) -> Iterator[Detection]:
        """Judge files in order, a few per core at a time; only these are in memory.

        Args:
            known: answers by sha256 of the file; these files are not decoded.
            read_image: replaces the method of that name; called in several threads.
        """
        single_core_runner = network.open_network(self.folder, self._network, threads=1)
        read_image = read_image or self.read_image
        cores, images = os.cpu_count() or 1, iter(images)

        def detect_files(batch: Sequence[LocatedImage]) -> list[Detection]:
            # Drop the decoded images: four of 25 megapixels on every core are gigabytes.
            return self.detect_batch(
                [replace(read_image(image, known), face=None) for image in batch],
                single_core_runner,
            )

        pending: collections.deque[concurrent.futures.Future] = collections.deque()
        with open_decoding_threads() as threads:
            while batch := list(itertools.islice(images, onnx_models.IMAGES_PER_CORE)):
                pending.append(threads.submit(detect_files, batch))
                if len(pending) > 2 * cores:
                    yield from pending.popleft().result()
            while pending:
                yield from pending.popleft().result()

    @functools.cached_property
    def _all_cores_runner(self) -> NetworkRunner:
        """All cores share a batch."""
        return network.open_network(self.folder, self._network)

    def read_image(
        self,
        image: LocatedImage,
        known: Mapping[str, KnownAnswer] = NO_KNOWN_ANSWERS,
        decode_whole: Callable[[bytes], DecodedFace] = COMMAND_POOL.decode_whole,
    ) -> PreparedImage:
        """Read a file and decode it as in training; if it cannot be judged, its Detection has an
        error."""
        try:
            return self.decode_image(image.read(), image.path, known, decode_whole=decode_whole)
        except UnavailableImage as error:
            return PreparedImage(Detection(path=image.path, error=str(error)))
        except OSError as error:
            reason = f"cannot be read: {error.strerror}"
            return PreparedImage(Detection(path=image.path, error=reason))

    def decode_image(
        self,
        data: bytes,
        path: Path,
        known: Mapping[str, KnownAnswer] = NO_KNOWN_ANSWERS,
        any_picture: bool = False,
        decode_whole: Callable[[bytes], DecodedFace] = COMMAND_POOL.decode_whole,
    ) -> PreparedImage:
        """Decode the bytes of an image as in training; see `read_image`.

        Args:
            decode_whole: decodes within a limit of time.
            any_picture: whether to accept this image without a face, as the detector's own
                `any_picture` does with every image.
        """
        if len(data) > image_decode.MAX_IMAGE_BYTES:
            return PreparedImage(Detection(path=path, error=local_folder.TOO_LARGE_MESSAGE))
        detection = Detection(
            path=path, sha256=hashing.hash_bytes(data), claims=tuple(provenance.read_claims(data))
        )
        if answer := known.get(detection.sha256):
            known_detection = self._decide_known(detection, answer)
            if known_detection:
                return PreparedImage(known_detection)
        accepts_any = any_picture or self.any_picture
        return prepare_image(data, detection, self.card, accepts_any, decode_whole)

    def _decide_known(self, detection: Detection, answer: KnownAnswer) -> Detection | None:
        """Return the result for an image that was judged before; None if it would lack the
        generator of a face."""
        faces = tuple(FaceDetection(box=box) for box in answer.boxes)
        detection = replace(
            detection, faces=faces, passed_over=answer.passed_over, warnings=answer.warnings
        )
        nearest = answer.generators or [None] * len(answer.probabilities)
        squares = list(map(JudgedSquare, answer.probabilities, nearest))
        decided = self.rule.decide(detection, squares)
        is_complete = self.card.attribution is None or all(
            row.generator is not None
            for row in decided.faces or (decided,)
            if row.verdict == GENERATED
        )
        return decided if is_complete else None

    def detect_batch(
        self, images: Sequence[PreparedImage], run: NetworkRunner | None = None
    ) -> list[Detection]:
        """Judge images together; `run` replaces the runner that uses all cores."""
        pixels = [image.pixels for image in images if image.pixels.size]
        squares = iter(network.judge_squares(self.card, pixels, run or self._all_cores_runner))
        return [
            self.rule.decide(
                image.detection, list(itertools.islice(squares, max(1, len(image.squares))))
            )
            if image.pixels.size
            else image.detection
            for image in images
        ]
