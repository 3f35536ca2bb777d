"""Print results as one JSON array."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict

from detection.detections import Detection, FaceDetection
from detection.image_paths import ImageListing
from detection.output.progress import show_progress
from training.cuts.statement import DetectorStatement
from training.cuts.verdicts import REAL_EXPLANATION


def build_json_answer(detection: Detection, statement: DetectorStatement) -> dict[str, object]:
    """Return the path, either the verdict with all that it is worth or the error, and sha256,
    claims, the faces and similar training faces if known.

    Args:
        statement: on images of one face.
    """
    statement = detection.statement or statement
    details = {"sha256": detection.sha256, "claims": [asdict(claim) for claim in detection.claims]}
    return {
        "path": str(detection.path),
        **({"error": detection.error} if detection.error else _build_verdict(detection, statement)),
        **{name: value for name, value in details.items() if value},
        **({} if detection.faces is None else {"faces": list_faces(detection)}),
        **({"similar": _list_similar(detection)} if detection.similar else {}),
    }


def _list_similar(detection: Detection) -> list[dict[str, object]]:
    return [
        {
            "file": str(face.file),
            "label": face.label,
            "source": face.source,
            "distance": round(face.distance, 3),
        }
        for face in detection.similar
    ]


def list_faces(detection: Detection) -> list[dict[str, object]]:
    """Return the box, verdict and probabilities of every judged face."""
    return [
        {
            "box": asdict(face.box),
            **(
                {
                    "verdict": face.verdict,
                    **_round_probabilities(face),
                    **({"generator": build_generator_answer(face)} if face.generator else {}),
                }
                if face.verdict
                else {}
            ),
        }
        for face in detection.faces or ()
    ]


def build_generator_answer(answer: Detection | FaceDetection) -> dict[str, object] | None:
    """Return the closest generator, null for none of the known, and all known ones; None for what
    is not called generated."""
    generator = answer.generator
    if generator is None:
        return None
    probability = generator.probability
    return {
        "closest": generator.closest,
        "probability": None if probability is None else round(probability, 6),
        "known": list(generator.known),
    }


def _round_probabilities(answer: Detection | FaceDetection) -> dict[str, float]:
    return {name: round(getattr(answer, name) or 0, 6) for name in ("probability", "low", "high")}


def _build_verdict(detection: Detection, statement: DetectorStatement) -> dict[str, object]:
    return {
        "verdict": detection.verdict,
        **_round_probabilities(detection),
        **(
            {}
            if detection.at_prevalence is None
            else {"at_prevalence": round(detection.at_prevalence, 6)}
        ),
        **({"generator": build_generator_answer(detection)} if statement.generator_means else {}),
        "warnings": list(detection.warnings),
        "detector": statement.detector,
        "detector_reason": statement.detector_reason,
        "calibration": statement.calibration,
        "real_below": statement.real_below,
        "generated_above": statement.generated_above,
        "promise": list(statement.promise),
        "strangers": list(statement.strangers),
        **({"generator_means": statement.generator_means} if statement.generator_means else {}),
        "real_means": REAL_EXPLANATION,
        "banner": statement.banner,
    }


def print_json(
    detections: Iterable[Detection], listing: ImageListing, statement: DetectorStatement
) -> Iterator[Detection]:
    separator = "[\n"
    for detection in show_progress(detections, listing.total):
        answer = build_json_answer(detection, statement)
        print(separator + json.dumps(answer), end="", flush=True)
        separator = ",\n"
        yield detection
    print("\n]", flush=True)
