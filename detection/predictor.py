"""Judge images with a saved detector, one at a time or in folders: ONNX Runtime, no TensorFlow."""

import collections
import concurrent.futures
import functools
import itertools
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from data_collection.images import decode as image_decode
from data_collection.images.decode import DecodedFace
from data_collection.images.decoding_pool import COMMAND_POOL, open_decoding_threads
from data_collection.source_types import UnavailableImage
from data_collection.sources import local_folder
from detection import own_calibration
from detection.detections import (
    NO_KNOWN_ANSWERS,
    Detection,
    KnownAnswer,
    PreparedImage,
    ProbabilityRange,
)
from detection.image_paths import LocatedImage
from detection.prepare import prepare_image
from detection.provenance import claims as provenance
from runtime import hashing
from runtime.commands import workspace
from training import onnx_models
from training.calibration import combine_qualities, turn_to_prevalence
from training.cuts.operating_point import OperatingPoint
from training.cuts.statement import DEFAULT_PREVALENCE
from training.detectors import card as detector_card
from training.detectors import saved_models
from training.detectors.card import Card


class Detector:
    """A loaded detector.

    The verdict depends on the decoded pixels alone: the same JPEG qualities for every image, whose
    logits are averaged.

    Attributes:
        point: the cuts that decide.
        statement: what the answers are worth.

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
    ):
        self.folder, self.card, self.any_picture = folder, card, any_picture
        self.point, self.prevalence = point or card.calibration.point, prevalence
        self.statement = card.make_statement(self.point, prevalence or DEFAULT_PREVALENCE)
        # held in memory: the file may change meanwhile
        self._model = saved_models.read_verified_model(folder, card, saved_models.ONNX_FILE)

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
            any_picture: whether to judge images, too, that do not show exactly one face.
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
        return cls(folder, card, any_picture, point, prevalence)

    def give_reason(self, reason: str) -> None:
        """State in every answer why this detector was taken, in words."""
        self.statement = replace(self.statement, detector_reason=reason)

    def predict(self, path: str | Path) -> Detection:
        """Judge one file; if it cannot be read, the Detection says why."""
        return self.detect_batch([self.read_image(LocatedImage(Path(path)))])[0]

    def predict_all(
        self, paths: Iterable[Path], known: Mapping[str, KnownAnswer] = NO_KNOWN_ANSWERS
    ) -> Iterator[Detection]:
        """Judge files as `predict` does, many at a time; see `predict_located`."""
        return self.predict_located(map(LocatedImage, paths), known)

    def predict_located(
        self, images: Iterable[LocatedImage], known: Mapping[str, KnownAnswer] = NO_KNOWN_ANSWERS
    ) -> Iterator[Detection]:
        """Judge files in order, a few per core at a time; only these are in memory.

        Args:
            known: answers by sha256 of the file; these files are not decoded.
        """
        single_core_runner = onnx_models.open_onnx(self._model, threads=1)
        cores, images = os.cpu_count() or 1, iter(images)

        def detect_files(batch: Sequence[LocatedImage]) -> list[Detection]:
            # Drop the decoded images: four of 25 megapixels on every core are gigabytes.
            return self.detect_batch(
                [replace(self.read_image(image, known), face=None) for image in batch],
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
    def _all_cores_runner(self) -> onnx_models.OnnxRunner:
        """A function from pixels, float32 (n, side, side, 3), 0..255, to probabilities (n, 1); all
        cores share a batch."""
        return onnx_models.open_onnx(self._model)

    def read_image(
        self, image: LocatedImage, known: Mapping[str, KnownAnswer] = NO_KNOWN_ANSWERS
    ) -> PreparedImage:
        """Read a file and decode it as in training; if it cannot be judged, its Detection has an
        error."""
        try:
            return self.decode_image(image.read(), image.path, known)
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
            any_picture: whether to accept this image whatever it shows, as the detector's own
                `any_picture` does with every image.
        """
        if len(data) > image_decode.MAX_IMAGE_BYTES:
            return PreparedImage(Detection(path=path, error=local_folder.TOO_LARGE_MESSAGE))
        detection = Detection(
            path=path, sha256=hashing.hash_bytes(data), claims=tuple(provenance.read_claims(data))
        )
        if answer := known.get(detection.sha256):
            detection = replace(detection, warnings=answer.warnings)
            return PreparedImage(self._add_verdict(detection, answer.probability))
        accepts_any = any_picture or self.any_picture
        return prepare_image(data, detection, self.card, accepts_any, decode_whole)

    def detect_batch(
        self, images: Sequence[PreparedImage], run: onnx_models.OnnxRunner | None = None
    ) -> list[Detection]:
        """Judge images in one batch; `run` replaces the runner that uses all cores."""
        ranges = iter(
            self._compute_probabilities(
                [image.pixels for image in images if image.pixels.size],
                run or self._all_cores_runner,
            )
        )
        return [
            self._add_verdict(image.detection, next(ranges))
            if image.pixels.size
            else image.detection
            for image in images
        ]

    def _compute_probabilities(
        self, pixels: Sequence[np.ndarray], run: onnx_models.OnnxRunner
    ) -> list[ProbabilityRange]:
        if not pixels:
            return []
        batch = np.concatenate(pixels).astype(np.float32)
        outputs = onnx_models.select_probabilities(run(batch), len(batch))
        combined = combine_qualities(outputs.reshape(len(pixels), -1))
        return [ProbabilityRange(*map(float, row)) for row in zip(*combined, strict=True)]

    def _add_verdict(self, detection: Detection, probability: ProbabilityRange) -> Detection:
        value, low, high = probability.value, probability.low, probability.high
        if not np.isfinite([value, low, high]).all():
            return replace(detection, error="the detector gave no number for it")
        return replace(
            detection,
            verdict=self.point.decide(value, low, high),
            probability=value,
            low=low,
            high=high,
            at_prevalence=self.prevalence and turn_to_prevalence(value, self.prevalence),
        )
