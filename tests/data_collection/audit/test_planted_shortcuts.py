"""Shortcuts planted in one class of toys are found, named, and given the right colour."""

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, ImageFilter

from benchmarks.studies import planted_shortcuts
from data_collection.audit import audit, conclusions
from data_collection.audit.probes import HISTORY_TIER, ProbeResult
from toys.datasets import write_originals
from toys.images import encode_image, make_image

COUNT, FILE_SIDE_PX, SIZE = 24, 128, 64


def audit_toys(folder, treat: Callable[[Image.Image], Image.Image]) -> list[ProbeResult]:
    """Audit toys of one kind, of which the second half is treated."""
    images = [make_image(number, FILE_SIDE_PX) for number in range(2 * COUNT)]
    images = images[:COUNT] + [treat(image) for image in images[COUNT:]]
    labels = ["real"] * COUNT + ["generated"] * COUNT
    rows = write_originals(
        folder, [(label, encode_image(i)) for label, i in zip(labels, images, strict=True)]
    )
    measurements = audit.measure_size(folder, rows, SIZE)
    as_trained, placebo = audit.evaluate_size(folder, rows, measurements, SIZE, seed=0)
    return as_trained + placebo


def treat_with(treatment: planted_shortcuts.Treatment) -> Callable[[Image.Image], Image.Image]:
    random = np.random.default_rng(0)
    return lambda image: treatment(image, random)


@pytest.mark.parametrize(
    ("treat", "name", "probe_status"),
    [
        (lambda i: i.filter(ImageFilter.UnsharpMask(3, 300, 0)), "sharpening or", "AMBER"),
        (lambda i: i.filter(ImageFilter.GaussianBlur(2)), "sharpening or", "AMBER"),
        (treat_with(planted_shortcuts.add_vignette), "vignette", "AMBER"),
        (treat_with(planted_shortcuts.add_black_border), "border", "AMBER"),
    ],
)
def test_processing_of_one_class_is_named_and_never_green(tmp_path, treat, name, probe_status):
    probes = audit_toys(tmp_path, treat)
    found = [probe for probe in probes if probe.name.startswith(name)]
    assert [probe.status for probe in found] == [probe_status]
    counts = {"real": COUNT, "generated": COUNT}
    assert found[0].name in conclusions.explain_audit_status([], probes, counts, counts)
    assert conclusions.decide_audit_status(probes) != "GREEN"


def put_on_white(image: Image.Image) -> Image.Image:
    page = Image.new("RGB", image.size, "white")
    page.paste(image.resize((72, 72)), (28, 28))
    return page


@pytest.mark.parametrize(
    ("treat", "name"),
    [
        (treat_with(planted_shortcuts.take_colour_away), "colour"),
        (treat_with(planted_shortcuts.add_black_border), "border"),
        (put_on_white, "thumbnail"),
    ],
)
def test_one_property_that_nearly_decides_the_label_is_in_the_first_sentence(tmp_path, treat, name):
    # As if there were enough images for a verdict: without it nothing is GREEN anyway.
    probes = [
        dataclasses.replace(probe, status="GREEN") if probe.tier == HISTORY_TIER else probe
        for probe in audit_toys(tmp_path, treat)
    ]
    assert conclusions.decide_audit_status(probes) == "AMBER"
    counts = {"real": 335, "generated": 367}
    first, *_ = conclusions.explain_audit_status([], probes, counts, counts).split(". ")
    assert first.startswith("One simple property nearly decides the label")
    assert f"{name} (AUC 1.00" in first


def test_a_class_that_is_grey_throughout_is_told_in_a_sentence_of_its_own(tmp_path):
    images = [make_image(number, FILE_SIDE_PX) for number in range(8)]
    for n_grey, rest in ((0, "none"), (1, "1 of 4"), (4, "")):
        folder = tmp_path / str(n_grey)
        folder.mkdir()
        rows = write_originals(
            folder,
            [
                *(("real", encode_image(image.convert("L"))) for image in images[:4]),
                *(
                    ("generated", encode_image(image.convert("L" if number < n_grey else "RGB")))
                    for number, image in enumerate(images[4:])
                ),
            ],
        )
        told = audit.audit_files(folder, rows, rows, 0).file_differences
        sentence = f"All 4 photographs are grey, {rest} of the generated images"
        assert told[:1] and told[0].startswith(sentence) if rest else "grey" not in str(told)


def test_a_class_without_colour_is_red_by_the_placebo(tmp_path):
    probes = audit_toys(tmp_path, treat_with(planted_shortcuts.take_colour_away))
    assert conclusions.decide_audit_status(probes) == "RED"
    red = [probe.name for probe in probes if probe.status == "RED"]
    assert red == ["photographs, one history or the other"]
    counts = {"real": COUNT, "generated": COUNT}
    sentence = conclusions.explain_audit_status([], probes, counts, counts)
    assert sentence.startswith("One simple property") and "colour (AUC 1.00" in sentence


def test_labels_by_coin_find_nothing_and_turn_nothing_red(tmp_path):
    probes = audit_toys(tmp_path, lambda image: image)
    assert [probe.name for probe in probes if probe.status in ("RED", "AMBER", "WARN")] == []


def test_every_planted_shortcut_changes_an_image_and_keeps_its_form():
    random = np.random.default_rng(0)
    image = make_image(1, planted_shortcuts.FILE_SIDE_PX)
    for shortcut in planted_shortcuts.SHORTCUTS:
        treated = shortcut.treat(image, random)
        other = (shortcut.prepare_others or (lambda image, random: image))(image, random)
        assert treated.mode == "RGB" and treated.size == other.size, shortcut.name
        assert treated.tobytes() != other.tobytes(), shortcut.name
