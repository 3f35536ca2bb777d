"""Plant shortcuts in images of one pool, and see whether audit and detector notice.

Run `python -m benchmarks.studies.planted_shortcuts FOLDER ...`. Images of all folders are mixed,
shrunk to one size and given labels by coin, so nothing tells the classes apart; then one class is
sharpened, vignetted and so on. A row holds if a linear head on the base's features stays at chance,
or if the audit is not GREEN and names the shortcut. Last come labels by coin alone, of which one
audit in twenty may be RED. It takes some twenty minutes of processor time.
"""

import io
import tempfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro
from PIL import Image, ImageDraw, ImageFilter

from data_collection.audit import audit, conclusions, scores
from data_collection.audit.audit import ImageMeasurement
from data_collection.audit.probes import ProbeResult
from data_collection.command_settings import DEFAULT_TRAINING_SIZES
from data_collection.dataset.manifest import LABELS, FaceRecord
from data_collection.images import canonical, decode
from data_collection.images.errors import UnreadableImage
from runtime import console, hashing
from training.bases import weights
from training.features.extractor import Extractor

BASE_NAME, IMAGE_SIDE_PX = "mobilenet_v2", DEFAULT_TRAINING_SIZES[0]
FILE_SIDE_PX, SMALL_FILE_SIDE_PX = 512, 384
"""Sides of the files; the second where kernels that shrink are compared."""

MAX_RED_SHARE = 1 / 20
FEATURE_BATCH_IMAGES = 16

P3_FROM_SRGB = np.array([[0.8225, 0.1774, 0.0], [0.0332, 0.9669, 0.0], [0.0171, 0.0724, 0.9108]])
"""Linear light of sRGB in the primaries of Display P3; both have the white D65."""

Treatment = Callable[[Image.Image, np.random.Generator], Image.Image]


@dataclass(frozen=True)
class Shortcut:
    """A shortcut planted in one class.

    Attributes:
        treat: makes an image of the treated class.
        probes: names of the audit's probes that count as naming it.
        prepare_others: makes an image of the other class.
    """

    name: str
    treat: Treatment
    probes: tuple[str, ...]
    prepare_others: Treatment | None = None


def sharpen(image: Image.Image, random: np.random.Generator) -> Image.Image:
    return image.filter(ImageFilter.UnsharpMask(1.5, 80, 0))


def smooth(image: Image.Image, random: np.random.Generator) -> Image.Image:
    return image.filter(ImageFilter.GaussianBlur(0.8))


def add_camera_noise(image: Image.Image, random: np.random.Generator) -> Image.Image:
    pixels = np.asarray(image, dtype=np.float32)
    return _to_image(pixels + random.normal(0, 4, pixels.shape))


def add_vignette(image: Image.Image, random: np.random.Generator) -> Image.Image:
    side = image.width
    positions = (np.arange(side) + 0.5) * 2 / side - 1
    radius = np.hypot(positions[:, None], positions[None, :]) / np.sqrt(2)
    return _to_image(np.asarray(image) * (1 - 0.35 * radius[..., None] ** 2))


def add_caption(image: Image.Image, random: np.random.Generator) -> Image.Image:
    captioned = image.copy()
    corner = (image.width - 70, image.height - 14)
    ImageDraw.Draw(captioned).text(corner, "telltale.org", fill="white", font_size=11)
    return captioned


def save_as_jpeg(image: Image.Image, random: np.random.Generator) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=75)
    return Image.open(buffer).convert("RGB")


def lose_p3_profile(image: Image.Image, random: np.random.Generator) -> Image.Image:
    encoded = np.asarray(image) / 255
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    linear = (linear @ P3_FROM_SRGB.T).clip(0, 1)
    encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return _to_image(255 * encoded)


def enlarge(image: Image.Image, random: np.random.Generator) -> Image.Image:
    small = image.resize((round(image.width / 1.5),) * 2, Image.Resampling.LANCZOS)
    return small.resize(image.size, Image.Resampling.BICUBIC)


def subsample_chroma(image: Image.Image, random: np.random.Generator) -> Image.Image:
    luma, *chroma = image.convert("YCbCr").split()
    half = (image.width // 2, image.height // 2)
    chroma = [
        plane.resize(half, Image.Resampling.BOX).resize(image.size, Image.Resampling.BILINEAR)
        for plane in chroma
    ]
    return Image.merge("YCbCr", (luma, *chroma)).convert("RGB")


def add_black_border(image: Image.Image, random: np.random.Generator) -> Image.Image:
    framed = image.copy()
    width = round(image.width * 0.02)
    ImageDraw.Draw(framed).rectangle((0, 0, *np.array(image.size) - 1), outline=0, width=width)
    return framed


def shrink_by(kernel: Image.Resampling) -> Treatment:
    return lambda image, random: image.resize((SMALL_FILE_SIDE_PX,) * 2, kernel)


def take_colour_away(image: Image.Image, random: np.random.Generator) -> Image.Image:
    return image.convert("L").convert("RGB")


def _to_image(pixels: np.ndarray) -> Image.Image:
    return Image.fromarray(pixels.round().clip(0, 255).astype(np.uint8))


SHARPNESS, HISTORY = "sharpening or smoothing", "processing history"
SHORTCUTS = (
    Shortcut("sharpening, unsharp 1.5 px 80%", sharpen, (SHARPNESS,)),
    Shortcut("smoothing, Gauss .8 px", smooth, (SHARPNESS,)),
    Shortcut("camera noise, sigma 4", add_camera_noise, ("noise",)),
    Shortcut("vignette, 35% in the corners", add_vignette, ("vignette",)),
    Shortcut("caption in the corner", add_caption, ("border", "caption or frame")),
    Shortcut("black border, 2% wide", add_black_border, ("border", "caption or frame")),
    Shortcut("JPEG 75", save_as_jpeg, (HISTORY, "chroma detail")),
    Shortcut("chroma 4:2:0", subsample_chroma, ("chroma detail",)),
    Shortcut("P3 pixels, profile lost", lose_p3_profile, ("colour profile",)),
    Shortcut("enlarged 1.5 times", enlarge, (HISTORY, SHARPNESS, "resize kernel")),
    Shortcut(
        "shrunk by nearest neighbour, not LANCZOS",
        shrink_by(Image.Resampling.NEAREST),
        (HISTORY, "resize kernel"),
        shrink_by(Image.Resampling.LANCZOS),
    ),
    Shortcut("all grey", take_colour_away, ("colour", "one history or the other")),
)


def main(
    folders: Annotated[tuple[Path, ...], tyro.conf.Positional],
    images: int = 400,
    coins: int = 20,
    shortcuts: tuple[str, ...] = (),
    seed: int = 0,
) -> None:
    """Print what audit and linear head make of each planted shortcut, and of labels by coin.

    Args:
        folders: folders with images, at least 512 pixels wide and high.
        images: in the pool; half of them are treated.
        coins: labellings by coin without a shortcut.
        shortcuts: beginnings of the names of those to plant; all without it.
        seed: of the choice of images, of the coins and of the noise.
    """
    pool = load_pool(folders, images, seed)
    chosen = [s for s in SHORTCUTS if not shortcuts or s.name.startswith(shortcuts)]
    with tempfile.TemporaryDirectory(prefix="planted-") as work:
        bench = PlantingBench(pool, Path(work), seed)
        rows = [bench.plant(shortcut) for shortcut in chosen]
        console.print_table(
            f"{images // 2} + {images // 2} images, labels by coin, one class treated",
            ("planted", "linear head, AUC", "audit", "found", "holds"),
            rows,
        )
        statuses = [bench.audit_coin(number) for number in range(coins)]
    if statuses:
        counts = {status: statuses.count(status) for status in sorted(set(statuses))}
        verdict = "holds" if counts.get("RED", 0) <= MAX_RED_SHARE * coins else "FAILS"
        console.print_message(f"{coins} labellings by coin: {counts}; {verdict}.")


def load_pool(folders: Sequence[Path], count: int, seed: int) -> list[Image.Image]:
    """Return `count` different images of the folders, squares of FILE_SIDE_PX.

    Raises:
        PlainError: there are fewer that are large enough.
    """
    paths = [path for folder in folders for path in sorted(folder.rglob("*")) if path.is_file()]
    pool: dict[int, Image.Image] = {}
    for number in np.random.default_rng(seed).permutation(len(paths)):
        try:
            square = decode.decode_face(paths[number].read_bytes()).square
        except UnreadableImage:
            continue
        if square.width < FILE_SIDE_PX or np.ptp(np.asarray(square)) == 0:
            continue
        image = square.resize((FILE_SIDE_PX,) * 2, Image.Resampling.LANCZOS)
        pool[zlib.crc32(image.tobytes())] = image
        if len(pool) == count:
            return list(pool.values())
    raise console.PlainError(
        f"The folders hold {len(pool)} different images of at least {FILE_SIDE_PX} px; give more "
        f"folders, or --images {len(pool)}."
    )


class PlantingBench:
    """A pool of images with labels by coin, written as data sets and audited.

    Args:
        work: folder for the files.
    """

    def __init__(self, pool: Sequence[Image.Image], work: Path, seed: int):
        self.pool = pool
        self.work = work
        self.seed = seed
        self.is_treated = self._toss(seed)
        self._features: dict[str, np.ndarray] = {}
        self._measured: dict[str, ImageMeasurement] = {}
        self._extractor = Extractor(
            weights.find_base_weights(BASE_NAME, "auto"), (IMAGE_SIDE_PX,), IMAGE_SIDE_PX
        )

    def _toss(self, seed: int) -> np.ndarray:
        """Return which half of the images is treated, bool (images,)."""
        return np.random.default_rng(seed).permutation(len(self.pool)) < len(self.pool) // 2

    def plant(self, shortcut: Shortcut) -> list[str]:
        """Return the row of one shortcut in the table."""
        random = np.random.default_rng(self.seed)
        images = []
        for image, is_treated in zip(self.pool, self.is_treated, strict=True):
            treat = shortcut.treat if is_treated else shortcut.prepare_others
            images.append(treat(image, random) if treat else image)
        records = self.write_records(images, self.is_treated)
        probes = self.audit(records)
        status = conclusions.decide_audit_status(probes)
        auc, low, high = self.evaluate_linear_head(records)
        found = find_named_probes(probes)
        is_named = any(name.endswith(shortcut.probes) for name, _ in found)
        holds = low <= 0.5 or (status != "GREEN" and is_named)
        row = [
            shortcut.name,
            f"{auc:.2f} ({low:.2f} to {high:.2f})",
            status,
            ", ".join(f"{name} {value:.2f}" for name, value in found),
            "yes" if holds else "NO",
        ]
        console.print_message(" | ".join(row))
        return row

    def audit_coin(self, number: int) -> str:
        """Return the audit's status for labels by another coin, nothing treated."""
        records = self.write_records(self.pool, self._toss(self.seed + 1 + number))
        status = conclusions.decide_audit_status(self.audit(records))
        console.print_message(f"coin {number + 1}: {status}")
        return status

    def write_records(
        self, images: Sequence[Image.Image], is_treated: np.ndarray
    ) -> list[FaceRecord]:
        """Write the images as PNG files, alike for both classes; return their rows."""
        records = []
        for image, treated in zip(images, is_treated, strict=True):
            data = encode_quickly(image)
            name = hashing.hash_bytes(data)
            (self.work / name).write_bytes(data)
            records.append(
                FaceRecord(
                    id=name,
                    label=LABELS[int(treated)],
                    source="pool",
                    file=name,
                    status="accepted",
                    group=name,
                    split="train",
                    original=name,
                    format="PNG",
                    mode="RGB",
                    width=image.width,
                    height=image.height,
                    bytes=len(data),
                )
            )
        return records

    def audit(self, records: list[FaceRecord]) -> list[ProbeResult]:
        """Return what the audit finds in what training sees."""
        missing = [record for record in records if record.id not in self._measured]
        measured = audit.measure_size(self.work, missing, IMAGE_SIDE_PX)
        self._measured |= zip([record.id for record in missing], measured, strict=True)
        as_trained, placebo = audit.evaluate_size(
            self.work,
            records,
            [self._measured[record.id] for record in records],
            IMAGE_SIDE_PX,
            self.seed,
        )
        return as_trained + placebo

    def evaluate_linear_head(self, records: list[FaceRecord]) -> tuple[float, float, float]:
        """Return the AUC of logistic regression on all taps, with its interval."""
        self._compute_features(records)
        table = np.stack([self._features[record.id] for record in records])
        groups = np.array([record.group for record in records])
        (score,) = scores.compute_out_of_fold_scores(
            table, self.is_treated, groups, self.seed, with_tree=False
        )
        low, high = scores.compute_auc_interval(score, self.is_treated, groups, self.seed)
        return scores.compute_auc(score, self.is_treated), low, high

    def _compute_features(self, records: list[FaceRecord]) -> None:
        missing = [record for record in records if record.id not in self._features]
        for start in range(0, len(missing), FEATURE_BATCH_IMAGES):
            batch = missing[start : start + FEATURE_BATCH_IMAGES]
            pixels = [
                canonical.compute_canonical_pixels(
                    decode.decode_face((self.work / record.id).read_bytes()),
                    record.id,
                    IMAGE_SIDE_PX,
                )
                for record in batch
            ]
            features = self._extractor.run(np.stack(pixels).astype(np.float32))
            self._features |= dict(
                zip([record.id for record in batch], np.asarray(features), strict=True)
            )


def encode_quickly(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def find_named_probes(probes: Sequence[ProbeResult]) -> list[tuple[str, float]]:
    """Return names and AUCs of the probes that the audit names as found, the best first."""
    found = [p for p in probes if p.status in ("RED", "AMBER", "WARN")]
    return sorted(((probe.name, probe.auc) for probe in found), key=lambda pair: -pair[1])


if __name__ == "__main__":
    console.run_command(lambda: tyro.cli(main))
