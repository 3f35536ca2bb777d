"""Keep pictures for the page's button "This is wrong", up to a limit."""

from dataclasses import dataclass

from detection.detections import PreparedImage
from detection.feedback.keep import PictureRefused, keep_judged_picture
from detection.feedback.opinion import Opinion
from detection.predictor import Detector
from validation.regression_set.stored_pictures import RegressionSet, SetIsFull, SetLimits

PAGE_LIMITS = SetLimits(max_pictures=1000, max_bytes=1_000_000_000)
"""Whoever is at the page may fill no disk; the command has no limit."""


class FeedbackIsFull(Exception):
    """The page may keep no more pictures; the message says what to do."""


@dataclass(frozen=True)
class PageFeedback:
    """The pictures that the page keeps, beside those of the command."""

    kept: RegressionSet = RegressionSet(limits=PAGE_LIMITS)

    def keep(
        self, detector: Detector, image: PreparedImage, data: bytes, fields: dict[str, str]
    ) -> dict[str, object]:
        """Judge a picture and keep it; return the answer of the page.

        Args:
            fields: `truth`, and perhaps `kind` and `note`.

        Raises:
            PictureRefused: it is not kept; the message says why.
            FeedbackIsFull: there are too many.
        """
        (detection,) = detector.detect_batch([image])
        try:
            opinion = Opinion(
                fields.get("truth", ""), fields.get("kind", ""), fields.get("note", "")
            )
            picture = keep_judged_picture(self.kept, detector.card, detection, data, opinion)
        except ValueError as error:
            raise PictureRefused(str(error).removesuffix(".")) from None
        except SetIsFull:
            limits = self.kept.limits
            raise FeedbackIsFull(
                f"The page keeps {limits.max_pictures:,} pictures and "
                f"{limits.max_bytes // 1_000_000:,} MB at most; remove some on its computer: "
                "python -m detection feedback --list"
            ) from None
        return {
            "kept": picture.is_new,
            "truth": picture.row.truth,
            "kind": picture.row.kind,
            "sha256": picture.row.sha256,
        }
