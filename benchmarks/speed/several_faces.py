"""Measure how much longer a picture of five faces takes than one of one: `python -m
benchmarks.speed.several_faces saved_models/NAME FACE`.

Both have 12 megapixels and are judged in turns, decoded in a process of their own as any file.
"""

import io
import statistics
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro
from PIL import Image

from benchmarks.measuring import Measurement, measure_seconds, print_measurements
from data_collection.images import decode
from detection.predictor import Detector
from runtime import console

SIZE_PX, FACE_PX = (4000, 3000), 900
PLACES_PX = ((100, 100), (1500, 100), (2900, 100), (700, 1800), (2300, 1800))
TURNS = 9


def main(
    model: Annotated[Path, tyro.conf.Positional], face: Annotated[Path, tyro.conf.Positional]
) -> None:
    """Measure a detector.

    Args:
        model: folder of a saved detector.
        face: picture of one face, which is copied into both pictures.
    """
    detector, square = Detector.load(model), decode.decode_face(face.read_bytes()).square
    files = {count: paste_copies(square, count) for count in (1, len(PLACES_PX))}
    print_measurements(f"{model.name}, 12 megapixels", measure_ratio(detector, files))


def paste_copies(square: Image.Image, count: int) -> bytes:
    """Return a JPEG with so many copies of a face on grainy paper."""
    grain = np.random.default_rng(0).integers(110, 140, (SIZE_PX[1] // 4, SIZE_PX[0] // 4, 3))
    picture = Image.fromarray(grain.astype(np.uint8)).resize(SIZE_PX)
    for place in PLACES_PX[:count]:
        picture.paste(square.resize((FACE_PX, FACE_PX)), place)
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=92)
    return buffer.getvalue()


def measure_ratio(detector: Detector, files: dict[int, bytes]) -> list[Measurement]:
    """Return the seconds of both pictures, and how often one goes into the other.

    Raises:
        PlainError: not every copy of the face was found.
    """
    for count, data in files.items():
        found = detector.detect_batch([detector.decode_image(data, Path("warm"))])[0].faces or ()
        if len(found) != count:
            raise console.PlainError(f"{len(found)} of {count} faces found. Give another face.")
    seconds: dict[int, list[float]] = {count: [] for count in files}
    for _ in range(TURNS):
        for count, data in files.items():
            seconds[count].append(measure_seconds(lambda data=data: judge(detector, data)))
    one, several = (statistics.median(times) for times in seconds.values())
    return [
        Measurement("a picture of one face", one, "s", repetitions=tuple(seconds[1])),
        Measurement(f"a picture of {len(PLACES_PX)} faces", several, "s"),
        Measurement("that is so many times as long", several / one, promised_max=3),
    ]


def judge(detector: Detector, data: bytes) -> None:
    detector.detect_batch([detector.decode_image(data, Path("picture"))])


if __name__ == "__main__":
    console.run_command(lambda: tyro.cli(main, prog="python -m benchmarks.speed.several_faces"))
