"""The work on an upload that takes long, in threads beside the event loop: judge it, keep it, write
evidence about it, generate from it."""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from data_collection.images.decoding_pool import DecodingProcess
from detection.detections import PreparedImage
from detection.feedback.keep import PictureRefused
from detection.feedback.page_feedback import FeedbackIsFull, PageFeedback
from detection.generate.generate import PageGenerator
from detection.web import error_responses
from detection.web.answers import HTTP_STATUS_BY_ERROR, PageAnswers
from detection.web.uploads import RequestRefused, Upload
from runtime import console, html_pages

UNNAMED_FILE = "picture"

Announce = Callable[[DecodingProcess | None], None]
"""Called with the process that decodes an image, and with None when it has done so."""


def _announce_nothing(process: DecodingProcess | None) -> None:
    pass


@dataclass(frozen=True)
class BlockingWork:
    """Answers to uploads; each method raises RequestRefused for one that it cannot answer.

    Attributes:
        answers, generator, feedback: as those of WebApp.
    """

    answers: PageAnswers
    generator: PageGenerator
    feedback: PageFeedback | None

    def detect(
        self,
        upload: Upload,
        explain: bool,
        any_picture: bool,
        thumbnail: bool = False,
        announce: Announce = _announce_nothing,
    ) -> dict[str, Any]:
        """Return the answer to an image."""
        _refuse_nothing(upload.image)
        drawn: list[bytes] = []
        image = self.answers.decode_image(
            upload.image, any_picture, announce, drawn if thumbnail else None
        )
        shown = {"thumbnail": html_pages.encode_data_uri(drawn[0])} if drawn else {}
        _refuse_rejected(image, shown)
        return self.answers.build_answer(image, explain) | shown

    def keep_picture(self, upload: Upload, any_picture: bool, announce: Announce) -> dict[str, Any]:
        """Keep a wrongly judged picture with its true label."""
        image = self.answers.decode_image(upload.image, any_picture, announce)
        try:
            return self.feedback.keep(self.answers.detector, image, upload.image, upload.fields)
        except PictureRefused as refusal:
            raise RequestRefused(422, f"The picture was not kept: {refusal}.") from None
        except FeedbackIsFull as error:
            raise RequestRefused(507, str(error)) from None

    def write_evidence(self, upload: Upload, any_picture: bool, announce: Announce) -> bytes:
        """Return the page of evidence about an image."""
        _refuse_nothing(upload.image)
        name = upload.name or UNNAMED_FILE
        image, page = self.answers.build_evidence(upload.image, name, any_picture, announce)
        _refuse_rejected(image)
        return page

    def generate(self, upload: Upload) -> dict[str, Any]:
        """Generate a face, and return the answer to it."""
        try:
            seed = int(upload.fields.get("seed") or secrets.randbelow(2**31))
            face = self.generator.generate(
                upload.fields.get("prompt", ""), upload.image or None, seed
            )
        except ValueError:
            raise RequestRefused(422, "The seed is not a whole number.") from None
        except console.PlainError as error:
            if error.exit_code == console.EXIT_DISK:
                raise error_responses.make_disk_refusal(error) from None
            raise RequestRefused(
                503 if error.exit_code == console.EXIT_BUSY else 422, str(error)
            ) from None
        # whoever asked for it sees what it shows
        answer = self.detect(Upload(face.png), explain=True, any_picture=True)
        return {"generated_with": face.description, **answer}


def _refuse_nothing(data: bytes) -> None:
    if not data:
        raise RequestRefused(
            400, "Nothing was sent; send one image as the body, or in the form's field `file`."
        )


def _refuse_rejected(image: PreparedImage, details: Mapping[str, object] | None = None) -> None:
    """Raise RequestRefused for an image that cannot be judged."""
    if image.rejection:
        message, faces = image.detection.error, image.detection.faces
        raise RequestRefused(
            HTTP_STATUS_BY_ERROR[image.rejection],
            f"{message[0].upper()}{message[1:]}.",
            ({} if faces is None else {"faces": list(faces)}) | dict(details or {}),
        )
