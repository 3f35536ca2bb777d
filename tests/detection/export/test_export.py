"""Every exported file gives the detector's probabilities and contains its threshold; no other file
is overwritten."""

import dataclasses
import json
import os
import shutil
import sys
import typing
import zipfile
from pathlib import Path

import keras
import numpy as np
import onnxruntime
import pytest

from data_collection.dataset import manifest, splits
from data_collection.images import canonical
from detection.export import formats as export_formats
from detection.export import output_folder, readers, reference_images, writers
from detection.export.export import MAX_PROBABILITY_DIFFERENCE, export_detector
from detection.export.exported_detector import ExportSource
from detection.export.formats import EXPORT_FORMATS
from detection.export.settings import ExportSettings, FormatName
from runtime import atomic_files, console, hashing
from toys import face_records
from training.bases.base_models import build_base
from training.bases.loaded_base import LoadedBase
from training.calibration import Scores
from training.cuts.cut import Cut
from training.cuts.operating_point import Calibration
from training.detectors import assembly, ready_detectors, saved_models
from training.detectors import card as detector_card
from training.detectors.card import Card
from training.detectors.card_fields import BaseDescription, DatasetDescription, SearchDescription
from training.features import layout
from training.onnx_files import onnx_export, onnx_models

SIDE, SIZE = 96, 64
FILES = saved_models.KERAS_FILE, saved_models.ONNX_FILE
INSTALLED = [
    name for name, row in EXPORT_FORMATS.items() if export_formats.is_format_installed(row)
]


def save_detector(folder: Path, name: str, seed: int, dataset: Path) -> Card:
    """Save a detector on the first two taps of a base, with a card, as training does."""
    keras.utils.set_random_seed(seed)
    base = LoadedBase.from_model(build_base("mobilenet_v2"))
    columns = [
        column for column in layout.list_columns(base, (SIZE,)) if column.tap in ("stem", "block0")
    ]
    width = sum(column.stop - column.start for column in columns)
    head = keras.Sequential([keras.Input((width,)), keras.layers.Dense(1)], name="head1")
    model = assembly.build_detector_model(
        base, SIDE, [assembly.EnsembleMember(columns, head, 10.0)]
    )
    with saved_models.create_model_folder(folder, name) as model_folder:
        model.save(model_folder / saved_models.KERAS_FILE)
        parity = onnx_export.export_checked_onnx(model, model_folder / saved_models.ONNX_FILE)
        card = Card(
            name=name,
            created=detector_card.make_timestamp(),
            image_size=SIDE,
            canonicaliser=canonical.CANONICALISER_VERSION,
            dataset=DatasetDescription(
                folder=str(dataset),
                fingerprint="",
                hold_out_sha256="",
                images=dict.fromkeys(splits.SPLITS, {"real": 1, "generated": 1}),
            ),
            base=BaseDescription(
                name="mobilenet_v2",
                origin="random",
                sha256="",
                note="",
                sizes=(SIZE,),
                signals=("picture",),
            ),
            search=SearchDescription(tuner="random", trials=0, heads=(), weights=()),
            calibration=Calibration(
                temperature=1.25,
                threshold=0.5,
                false_alarms=0.05,
                misses=0.05,
                false_alarm_cuts=(Cut(target=0.05, limit=0.6, groups=20),),
                miss_cuts=(Cut(target=0.05, limit=0.4, groups=20),),
                origin="folds",
            ),
            metrics=Scores(auc=0.5, log_loss=0.7),
            baselines={},
            parity=parity,
            sha256=hash_models(model_folder),
            versions={},
            banner="Trained on toys.",
        )
        detector_card.write_card(model_folder, card)
    return card


def hash_models(folder: Path) -> dict[str, str]:
    return {
        name: hashing.hash_file(folder / name)
        for name in (saved_models.KERAS_FILE, saved_models.ONNX_FILE)
    }


@pytest.fixture(scope="module")
def shelf(tmp_path_factory) -> Path:
    """A folder with two saved detectors; the data set of the first has a few validation images."""
    folder = tmp_path_factory.mktemp("shelf")
    records = face_records.write_toy_records(folder / "data" / "faces", 12)
    manifest.replace_records(folder / "data" / "faces", records)
    save_detector(folder, "first", 0, folder / "data" / "faces")
    save_detector(folder, "second", 1, folder / "nowhere")
    return folder


@pytest.fixture(scope="module")
def out(shelf) -> Path:
    """The first detector, exported to every format whose package is installed."""
    export_detector(ExportSettings(Path("first"), tuple(INSTALLED), None, shelf))
    return shelf / "first" / "export"


def settings(shelf: Path, to: Path, *formats: str, model: str = "first") -> ExportSettings:
    return ExportSettings(Path(model), formats or ("onnx",), to, shelf)


def skip_without(name: str) -> None:
    if name not in INSTALLED:
        pytest.skip(f"{name} needs requirements-export.txt")


def test_the_command_offers_what_the_table_holds():
    assert set(typing.get_args(FormatName)) == set(EXPORT_FORMATS)
    for wrong in ((), ("onnx", "onnx")):
        with pytest.raises(ValueError, match="name each format once"):
            ExportSettings(to=wrong)


@pytest.mark.parametrize("name", EXPORT_FORMATS)
def test_a_file_says_what_the_detector_says_for_any_number_of_pictures(name, shelf, out):
    skip_without(name)
    pixels = np.stack(
        [reference_images.render_shapes(900 + number, SIDE) for number in range(5)]
    ).astype(np.float32)
    expected = keras.saving.load_model(shelf / "first" / "detector.keras").predict_on_batch(pixels)
    run = EXPORT_FORMATS[name].read(out / EXPORT_FORMATS[name].file)
    assert np.ptp(expected) > 0.01
    for count in (5, 1, 3):
        probabilities = run(pixels[:count])
        assert (probabilities.shape, probabilities.dtype) == ((count, 1), np.float32)
        assert np.abs(probabilities - expected[:count]).max() <= MAX_PROBABILITY_DIFFERENCE


def read_metadata(out: Path, name: str) -> dict:
    """Read the metadata of an exported model as another program would."""
    if name == "onnx":
        session = onnxruntime.InferenceSession(
            out / "detector.onnx", providers=["CPUExecutionProvider"]
        )
        return session.get_modelmeta().custom_metadata_map
    if name == "litert":
        return json.loads(zipfile.ZipFile(out / "detector.tflite").read("telltale.json"))
    if name == "openvino":
        model = readers.import_openvino().Core().read_model(out / "detector.xml")
        return {
            key: model.get_rt_info(["telltale", key]).astype(str)
            for key in ("model", "classes", "threshold", "banner")
        }
    file = {"savedmodel": "savedmodel/assets.extra/telltale.json", "keras": "detector.json"}[name]
    return json.loads((out / file).read_bytes())


@pytest.mark.parametrize("name", EXPORT_FORMATS)
def test_classes_threshold_and_banner_travel_with_the_model(name, shelf, out):
    skip_without(name)
    metadata = read_metadata(out, name)
    assert (metadata["model"], metadata["banner"]) == ("first", "Trained on toys.")
    assert metadata["classes"] in (["real", "generated"], '["real", "generated"]')
    assert float(metadata["threshold"]) == 0.5
    if name != "openvino":
        assert [
            float(metadata[key]) for key in ("real_below", "generated_above", "temperature")
        ] == [
            0.4,
            0.6,
            1.25,
        ]
        assert (
            metadata["sha256_of_detector_keras"] == hash_models(shelf / "first")["detector.keras"]
        )
        assert (int(metadata["image_size"]), int(metadata["canonicaliser"])) == (
            SIDE,
            canonical.CANONICALISER_VERSION,
        )


def test_a_saved_model_holds_every_weight_once(shelf, out):
    weights = (out / "savedmodel" / "variables" / "variables.data-00000-of-00001").stat().st_size
    count = keras.saving.load_model(shelf / "first" / "detector.keras").count_params()
    assert 4 * count <= weights < 6 * count


def test_export_json_lists_every_file_that_is_there(out):
    index = json.loads((out / "export.json").read_bytes())
    files = {
        path: digest
        for entry in index["formats"].values()
        for path, digest in entry["files"].items()
    }
    existing = {
        path.relative_to(out).as_posix(): path
        for path in out.rglob("*")
        if path.is_file() and path.name != "export.json"
    }
    assert files == {name: hashing.hash_file(path) for name, path in existing.items()}
    assert (index["model"], list(index["formats"])) == ("first", INSTALLED)
    for entry in index["formats"].values():
        assert 0 <= entry["difference"] <= MAX_PROBABILITY_DIFFERENCE
        assert entry["milliseconds"] > 0
        assert entry["megabytes"] == pytest.approx(
            sum(existing[path].stat().st_size for path in entry["files"]) / 1e6
        )
        assert entry["checked_on"].startswith("4 validation images of the data set faces")
        assert entry["checked_on"].endswith(" and 60 images made of noise and shapes")


def test_the_table_names_format_file_size_difference_and_time(shelf, tmp_path, capsys):
    export_detector(settings(shelf, tmp_path / "out", "keras", model="second"))
    output = capsys.readouterr()
    assert all(
        word in output.out for word in ("keras", "detector.keras", "MB", "0.0e+00", "ms an image")
    )
    assert "checked on 64 images made of noise and shapes" in output.err


def test_earlier_exports_are_replaced_and_other_formats_and_files_stay(shelf, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    export_detector(settings(shelf, tmp_path, "onnx", "savedmodel"))
    first_inode = (tmp_path / "savedmodel" / "saved_model.pb").stat().st_ino
    export_detector(settings(shelf, tmp_path, "savedmodel", "keras"))
    assert (tmp_path / "savedmodel" / "saved_model.pb").stat().st_ino != first_inode
    assert list(json.loads((tmp_path / "export.json").read_bytes())["formats"]) == [
        "onnx",
        "savedmodel",
        "keras",
    ]
    expected = [
        "detector.json",
        "detector.keras",
        "detector.onnx",
        "export.json",
        "notes.txt",
        "savedmodel",
    ]
    assert sorted(os.listdir(tmp_path)) == expected


@pytest.mark.parametrize(
    ("existing", "name"),
    [("detector.onnx", "onnx"), ("detector.json", "keras"), ("savedmodel/mine.txt", "savedmodel")],
)
def test_a_file_that_is_no_export_is_not_overwritten(existing, name, shelf, tmp_path):
    atomic_files.write_atomically(tmp_path / existing, b"mine")
    with pytest.raises(
        console.PlainError,
        match=f"{existing} is not an export listed in export.json. Move it away",
    ):
        export_detector(settings(shelf, tmp_path, name))
    assert (tmp_path / existing).read_bytes() == b"mine"
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [tmp_path / existing]


def test_an_export_that_was_changed_since_is_not_overwritten(out):
    card = detector_card.read_card(out.parent)
    index = output_folder.read_export_index(out, card)
    for export_format in (EXPORT_FORMATS[name] for name in INSTALLED):
        output_folder.check_no_foreign_files(out, export_format, index)
    index["savedmodel"]["files"].pop("savedmodel/fingerprint.pb")
    with pytest.raises(console.PlainError, match=r"fingerprint\.pb is not an export"):
        output_folder.check_no_foreign_files(out, EXPORT_FORMATS["savedmodel"], index)


@pytest.mark.parametrize(
    "content",
    [b"{}", b"not json", b"[]", b'{"formats": [1]}', b'{"formats": {"onnx": 1}}'],
    ids=lambda content: content.decode(),
)
def test_an_export_json_of_somebody_else_stops_the_command(content, shelf, tmp_path):
    (tmp_path / "export.json").write_bytes(content)
    with pytest.raises(
        console.PlainError, match="was not written by this command. Name another folder with --out"
    ):
        export_detector(settings(shelf, tmp_path))


def test_the_exports_of_another_detector_are_not_mixed_with_these(shelf, out):
    with pytest.raises(console.PlainError, match="contains exports of another detector"):
        export_detector(settings(shelf, out, model="second"))


def test_a_missing_package_is_named_with_the_command_that_installs_it(monkeypatch, tmp_path):
    for name, module in (("litert", "ai_edge_litert"), ("openvino", "openvino")):
        monkeypatch.setitem(sys.modules, module, None)
        with pytest.raises(
            console.PlainError,
            match=f"^--to {name} needs .*Run pip install -r requirements-export.txt",
        ):
            export_detector(ExportSettings(to=("onnx", name), saved_models=tmp_path))


def copy_detector(shelf: Path, folder: Path, **changes: object) -> Card:
    """Copy the first detector and change its card."""
    card = dataclasses.replace(
        detector_card.read_card(shelf / "first"), name=folder.name, **changes
    )
    folder.mkdir(parents=True)
    for name in card.sha256:
        (folder / name).write_bytes((shelf / "first" / name).read_bytes())
    detector_card.write_card(folder, card)
    return card


def test_without_a_detector_or_with_an_altered_one_nothing_is_written(shelf, tmp_path, monkeypatch):
    monkeypatch.setattr(ready_detectors, "READY_FOLDER", tmp_path / "none")
    with pytest.raises(console.PlainError, match="holds no detector") as caught:
        export_detector(ExportSettings(saved_models=tmp_path))
    assert caught.value.exit_code == console.EXIT_BAD_MODEL
    for file in hash_models(shelf / "first"):
        folder = tmp_path / f"altered-{file}"
        copy_detector(shelf, folder)
        with (folder / file).open("r+b") as stream:
            stream.write(b"x")
        with pytest.raises(console.PlainError, match="was altered since it was saved") as caught:
            export_detector(settings(shelf, tmp_path / "out", model=str(folder)))
        assert caught.value.exit_code == console.EXIT_BAD_MODEL
    assert not (tmp_path / "out").exists()


def test_a_file_that_differs_from_the_detector_is_not_written(shelf, tmp_path):
    """The detector's own two files differ, and its card does not reveal it."""
    folder = tmp_path / "torn"
    card = copy_detector(shelf, folder)
    (folder / saved_models.ONNX_FILE).write_bytes(
        (shelf / "second" / saved_models.ONNX_FILE).read_bytes()
    )
    detector_card.write_card(folder, dataclasses.replace(card, sha256=hash_models(folder)))
    for name in ("onnx", "keras"):
        with pytest.raises(
            console.PlainError, match="differs from detector.keras by .* the limit is 0.0001"
        ) as caught:
            export_detector(settings(shelf, folder / "export", name, model=str(folder)))
        assert caught.value.exit_code == console.EXIT_BAD_MODEL
    assert not (folder / "export").exists()


def test_what_was_exported_before_a_failure_is_kept_and_shown(shelf, tmp_path, monkeypatch, capsys):
    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setitem(
        EXPORT_FORMATS, "keras", dataclasses.replace(EXPORT_FORMATS["keras"], write=fail)
    )
    with pytest.raises(OSError, match="No space left"):
        export_detector(settings(shelf, tmp_path, "onnx", "keras"))
    assert "detector.onnx" in capsys.readouterr().out
    assert sorted(os.listdir(tmp_path)) == ["detector.onnx", "export.json"]
    assert list(json.loads((tmp_path / "export.json").read_bytes())["formats"]) == ["onnx"]


def test_an_interrupted_export_leaves_what_was_there(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    for folder in (tmp_path, tmp_path / "new" / "out"):
        with (
            pytest.raises(KeyboardInterrupt),
            output_folder.open_staging_folder(folder) as temporary,
        ):
            (temporary / "half").write_text("half")
            raise KeyboardInterrupt
    assert sorted(os.listdir(tmp_path)) == ["mine.txt", "new"]
    assert os.listdir(tmp_path / "new") == []


def test_pictures_are_those_of_the_validation_split_then_shapes_and_always_the_same(shelf):
    card = detector_card.read_card(shelf / "first")
    images, again = (
        reference_images.load_reference_images(card),
        reference_images.load_reference_images(card),
    )
    assert images.pixels.shape == (64, SIDE, SIDE, 3) and images.pixels.dtype == np.uint8
    assert np.array_equal(images.pixels, again.pixels)
    assert len({picture.tobytes() for picture in images.pixels}) == 64
    missing = dataclasses.replace(card, dataset=dataclasses.replace(card.dataset, folder=""))
    assert np.array_equal(
        reference_images.load_reference_images(missing).pixels[:60], images.pixels[4:]
    )


def test_a_broken_picture_of_the_data_set_is_passed_over(shelf, tmp_path):
    records = face_records.write_toy_records(tmp_path, 12)
    manifest.replace_records(tmp_path, records)
    (lost, *_) = manifest.select_accepted(records, "validation")
    (tmp_path / lost.original).unlink()
    card = detector_card.read_card(shelf / "first")
    card = dataclasses.replace(
        card, dataset=dataclasses.replace(card.dataset, folder=str(tmp_path))
    )
    assert reference_images.load_reference_images(card).origin.startswith("3 validation images")
    manifest.manifest_path(tmp_path).write_text("{}\n")
    assert (
        reference_images.load_reference_images(card).origin == "64 images made of noise and shapes"
    )


def test_files_that_are_exchanged_after_the_check_are_not_exported(shelf, tmp_path):
    folder = shutil.copytree(shelf / "first", tmp_path / "first")
    checked = {name: (folder / name).read_bytes() for name in FILES}
    source = ExportSource.open(folder, detector_card.read_card(folder))
    for name in FILES:
        (folder / name).write_bytes((shelf / "second" / name).read_bytes())
    writers.write_keras(source, tmp_path / "out.keras")
    assert (tmp_path / "out.keras").read_bytes() == checked[saved_models.KERAS_FILE]
    writers.write_onnx(source, tmp_path / "out.onnx")
    pixels = np.random.default_rng(0).uniform(0, 255, (1, SIDE, SIDE, 3)).astype(np.float32)
    expected, written = (
        onnx_models.open_onnx(model)(pixels)
        for model in (checked[saved_models.ONNX_FILE], (tmp_path / "out.onnx").read_bytes())
    )
    assert np.array_equal(expected, written)
