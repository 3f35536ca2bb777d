"""Training audits the pictures that it sees, and lets the base itself confirm a suspicion."""

import dataclasses

import numpy as np
import pytest
from PIL import ImageDraw

from data_collection import audit_dataset
from data_collection.audit import audit_file
from data_collection.dataset import frozen_settings, manifest
from data_collection.dataset.frozen_settings import FrozenSettings
from data_collection.images import canonical, decode
from runtime import atomic_files, console
from toys.datasets import write_originals
from toys.images import encode_image, make_image
from training import audit_gate
from training.audit_gate import TrainingPictures
from training.bases import weights as base_weights
from training.dataset import Dataset
from training.features.extractor import Extractor

COUNT, IMAGE_SIZE = 24, 64


def write_dataset(folder, framed: bool) -> Dataset:
    """Write a data set of toys, one class with a black frame or none, audited at IMAGE_SIZE."""
    faces = []
    for number in range(2 * COUNT):
        image = make_image(number, 96)
        if framed and number >= COUNT:
            ImageDraw.Draw(image).rectangle((0, 0, 95, 95), outline=0, width=4)
        faces.append(("generated" if number >= COUNT else "real", encode_image(image)))
    rows = []
    for row in write_originals(folder, faces):
        face = decode.decode_face((folder / row.original).read_bytes())
        picture = canonical.encode_canonical_jpeg(face, row.id, IMAGE_SIZE)
        image = f"images/{row.label}/{row.id[:2]}/{row.id}.jpg"
        atomic_files.write_atomically(folder / image, picture)
        hashes = {"phash": row.id[:16], "phash_mirrored": row.id[16:32]}
        rows.append(dataclasses.replace(row, image=image, **hashes))
    manifest.append_records(folder, rows)
    frozen = FrozenSettings(
        image_size=IMAGE_SIZE,
        crop="centre",
        min_side=32,
        min_quality=60,
        keep_upscaled=False,
        validation_share=0.15,
        hold_out_share=0.15,
    )
    frozen_settings.write_frozen_settings(folder, frozen)
    audit_dataset.audit_dataset(folder, folder / "logs")
    return Dataset(folder=folder, image_size=IMAGE_SIZE, records=rows, train=rows, validation=[])


@pytest.fixture(scope="module")
def plain(tmp_path_factory) -> Dataset:
    return write_dataset(tmp_path_factory.mktemp("plain"), framed=False)


@pytest.fixture(scope="module")
def framed(tmp_path_factory) -> Dataset:
    return write_dataset(tmp_path_factory.mktemp("framed"), framed=True)


def open_extractor() -> Extractor:
    weights = base_weights.find_base_weights("mobilenet_v2", "random")
    return Extractor(weights, (IMAGE_SIZE,), IMAGE_SIZE, engine="keras")


def refuse_to_open() -> Extractor:
    raise AssertionError("the base was opened though nothing has to be confirmed")


def check(data: Dataset, accept_shortcuts: bool = False, **pictures: object) -> str:
    of_run = TrainingPictures(**{"side": IMAGE_SIZE, **pictures})
    return audit_gate.check_audit(data, of_run, data.folder / "logs", accept_shortcuts)


def test_a_size_that_the_audit_has_not_seen_is_audited_once(plain):
    assert check(plain, side=48, open_extractor=refuse_to_open) == ""
    audit = audit_file.read_audit(plain.folder)
    assert [of_size.size for of_size in audit.sizes] == [48, IMAGE_SIZE]
    written = audit_file.audit_path(plain.folder).stat().st_mtime_ns
    assert check(plain, side=48) == ""
    assert audit_file.audit_path(plain.folder).stat().st_mtime_ns == written


def test_a_data_set_that_was_never_audited_is_not_audited_behind_the_users_back(tmp_path, plain):
    unaudited = dataclasses.replace(plain, folder=tmp_path)
    assert "has not been audited" in check(unaudited)
    assert not audit_file.audit_path(tmp_path).exists()


def test_a_nuisance_that_the_bases_own_features_of_the_border_confirm_is_red(framed):
    (before,) = audit_file.read_audit(framed.folder).sizes
    assert before.status == "too few" and before.confirmations == []
    with pytest.raises(console.PlainError, match="is RED at 64 px: features of the base") as caught:
        check(framed, open_extractor=open_extractor)
    assert caught.value.exit_code == console.EXIT_SHORTCUT
    (after,) = audit_file.read_audit(framed.folder).sizes
    assert after.status == "RED"
    assert after.sentence.index("border (AUC") < after.sentence.index(audit_gate.BACKGROUND_PROBE)
    assert audit_gate.BACKGROUND_PROBE in (framed.folder / "audit.html").read_text()
    note = check(framed, accept_shortcuts=True, open_extractor=refuse_to_open)
    assert "may measure a shortcut" in note


def test_only_a_strip_along_the_edges_is_left_to_see():
    pixels = np.random.default_rng(0).integers(1, 255, (2, 64, 64, 3), dtype=np.uint8)
    hidden = audit_gate.hide_centre(pixels)
    assert (hidden[:, 8:56, 8:56] == audit_gate.MASK_GREY).all()
    for strip in (np.s_[:, :8], np.s_[:, 56:], np.s_[:, :, :8], np.s_[:, :, 56:]):
        assert (hidden[strip] == pixels[strip]).all()
