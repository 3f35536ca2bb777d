"""The audit finds what is not the face: a format, enlarging, a caption; and nothing where there is
nothing."""

import dataclasses
import io

import numpy as np
import pytest
from PIL import Image, ImageDraw

from data_collection.audit import audit, audit_file, conclusions, file_features, placebo, scores
from data_collection.audit import probes as audit_probes
from data_collection.audit.placebo import FileHistory
from data_collection.dataset import manifest
from data_collection.dataset.manifest import FaceRecord
from data_collection.images import decode
from runtime import console
from toys.datasets import write_originals
from toys.images import encode_image, make_image

COUNT = 24


def jpeg_and_png(quality: int, count: int = COUNT) -> list[tuple[str, bytes]]:
    photographs = [
        ("real", encode_image(make_image(number, 128), "JPEG", quality=quality))
        for number in range(count)
    ]
    return photographs + [
        ("generated", encode_image(make_image(number, 128))) for number in range(1000, 1000 + count)
    ]


@pytest.fixture(scope="module")
def audited(tmp_path_factory):
    """Audit images of one kind, JPEG against PNG, shrunk to half; two rows of the hold-out have no
    files."""
    folder = tmp_path_factory.mktemp("data set")
    rows = write_originals(folder, jpeg_and_png(85))
    rows += [
        dataclasses.replace(row, id=row.id[::-1], original="nowhere", split="hold-out")
        for row in rows[:2]
    ]
    return folder, rows, audit.run_audit(folder, rows, (64,))


def find_probe(probes, name: str) -> audit_probes.ProbeResult:
    return next(probe for probe in probes if probe.name == name)


def evaluate_alone(folder, rows, name: str, size: int) -> audit_probes.ProbeResult:
    """Evaluate one probe of the images as trained."""
    measurements = audit.measure_size(folder, rows, size)
    numbers = [{name: measured.features[name]} for measured in measurements]
    return audit.evaluate_probes(numbers, rows, seed=0)[0]


def run_placebo_test(folder, rows, label: str, size: int) -> audit_probes.ProbeResult:
    measurements = audit.measure_size(folder, rows, size)
    histories = [(row, of_row.history) for row, of_row in zip(rows, measurements, strict=True)]
    return placebo.run_placebo_test(folder, histories, label, size, seed=0)


def make_red_probe(**changes) -> audit_probes.ProbeResult:
    return dataclasses.replace(
        audit_probes.ProbeResult(
            name="processing history",
            tier=1,
            auc=0.8,
            low=0.7,
            high=0.9,
            best_single="a number",
            status="RED",
        ),
        **changes,
    )


def test_a_format_for_each_class_is_found_as_collected(audited):
    _, _, result = audited
    container = find_probe(result.as_collected, "container")
    assert (container.status, container.auc) == ("RED", 1)
    assert find_probe(result.as_collected, "processing history").status == "RED"
    assert (
        "100% of the generated images are PNG files, 0% of the photographs."
        in result.file_differences
    )


def test_the_canonicaliser_removes_the_format_and_the_sentence_says_both(audited):
    _, _, result = audited
    (of_size,) = result.sizes
    assert "container" not in [probe.name for probe in of_size.gate_probes]
    assert [probe.status for probe in of_size.gate_probes if probe.tier == 1] == ["too few"] * 3
    assert result.status == "too few"
    assert "24 images in 24 groups" in of_size.sentence
    assert "container (AUC 1.00" in of_size.sentence


def test_the_hold_out_is_never_opened(audited):
    _, rows, result = audited
    assert len(rows) == 2 * COUNT + 2
    assert result.images == result.groups == {"real": COUNT, "generated": COUNT}


def test_the_same_images_give_the_same_audit(audited):
    folder, rows, result = audited
    assert audit.run_audit(folder, rows[::-1], (64,)) == result


def test_an_altered_original_stops_the_audit(tmp_path):
    rows = write_originals(tmp_path, jpeg_and_png(85, 2))
    (tmp_path / rows[1].original).write_bytes(b"something else")
    with pytest.raises(console.PlainError, match="was altered"):
        audit.run_audit(tmp_path, rows, (48,))


def test_a_class_that_is_missing_is_too_few_and_no_crash(tmp_path):
    rows = write_originals(tmp_path, jpeg_and_png(85, 3))
    photographs = [row for row in rows if row.label == "real"]
    assert audit.run_audit(tmp_path, photographs, (48,)).status == "too few"
    assert audit.run_audit(tmp_path, [], (48,)).status == "too few"


def test_a_further_size_is_added_and_the_first_stays_as_it_was(audited):
    folder, rows, result = audited
    both = audit.run_audit(folder, rows, (32,), earlier=result)
    assert [of_size.size for of_size in both.sizes] == [32, 64]
    assert both.find_size(64) == result.sizes[0] and both.find_size(48) is None
    assert both.as_collected == result.as_collected


def test_an_enlarged_class_is_red_as_trained(tmp_path):
    faces = [("real", encode_image(make_image(number, 160))) for number in range(COUNT)]
    for number in range(1000, 1000 + COUNT):
        faces.append(
            (
                "generated",
                encode_image(make_image(number, 80).resize((160, 160), Image.Resampling.BICUBIC)),
            )
        )
    rows = write_originals(tmp_path, faces)
    probe = evaluate_alone(tmp_path, rows, "processing history", 144)
    assert probe.status == "RED" and "periodic detail" in probe.best_single


def test_the_placebo_finds_a_history_that_the_canonicaliser_leaves(tmp_path):
    rows = write_originals(tmp_path, jpeg_and_png(60))
    assert run_placebo_test(tmp_path, rows, "generated", 128).status == "RED"
    assert run_placebo_test(tmp_path, rows, "generated", 32).status == "too few"


def test_the_placebo_finds_nothing_where_both_classes_have_one_history(tmp_path):
    faces = [("real", encode_image(make_image(n, 128), "JPEG", quality=80)) for n in range(COUNT)]
    faces += [
        ("generated", encode_image(make_image(n, 128), "JPEG", quality=80))
        for n in range(1000, 1000 + COUNT)
    ]
    probe = run_placebo_test(tmp_path, write_originals(tmp_path, faces), "real", 128)
    assert (probe.auc, probe.low, probe.high, probe.status) == (0.5, 0.5, 0.5, "too few")


def test_a_history_never_enlarges():
    face = decode.decode_face(encode_image(make_image(1, 96)))
    history = FileHistory(side=480, format="JPEG", quality=75)
    assert placebo.apply_history(face, history).square.size == (96, 96)
    smaller = dataclasses.replace(history, side=64)
    assert placebo.apply_history(face, smaller).square.size == (64, 64)


def test_the_history_of_a_file_knows_its_chroma_sampling_and_that_it_is_grey(tmp_path):
    grey = make_image(1).convert("L").convert("RGB")
    coloured = encode_image(make_image(2), "JPEG", quality=80, subsampling="4:2:0")
    rows = write_originals(tmp_path, [("real", encode_image(grey)), ("generated", coloured)])
    of_grey, of_coloured = (m.history for m in audit.measure_size(tmp_path, rows, 64))
    assert of_grey == FileHistory(side=96, format="PNG", is_grey=True)
    assert of_coloured == FileHistory(side=96, format="JPEG", quality=80, sampling=2)
    face = decode.decode_face(coloured)
    red, green, _ = placebo.apply_history(face, of_grey).square.split()
    assert red.tobytes() == green.tobytes()


def test_a_caption_burnt_into_a_corner_is_found_at_the_border(tmp_path):
    faces = [("real", encode_image(make_image(number, 256))) for number in range(COUNT)]
    for number in range(1000, 1000 + COUNT):
        captioned = make_image(number, 256)
        ImageDraw.Draw(captioned).text((225, 246), "telltale", fill="black", font_size=8)
        faces.append(("generated", encode_image(captioned)))
    rows = write_originals(tmp_path, faces)
    probe = evaluate_alone(tmp_path, rows, "border", 128)
    assert (probe.tier, probe.status) == (audit_probes.NUISANCE_TIER, "WARN")
    corner = (
        "fine contrast at the bottom, piece 1 of 8 from the right: more",
        "fine contrast at the right, piece 8 of 8",
    )
    assert probe.best_single.startswith(corner)


def test_labels_dealt_to_people_by_chance_are_not_given_away():
    generator = np.random.default_rng(0)
    people = np.repeat(np.arange(80), 5)
    values = generator.normal(0, 5, (80, 6))[people] + generator.normal(0, 1, (400, 6))
    labels = (generator.permutation(80) % 2 == 0)[people]
    numbers = [dict(zip("abcdef", map(float, row), strict=True)) for row in values]
    grouped = audit_probes.evaluate_probe(
        "processing history", numbers, labels, people.astype(str), "x", seed=0
    )
    ungrouped = audit_probes.evaluate_probe(
        "processing history", numbers, labels, np.arange(400).astype(str), "x", seed=0
    )
    assert grouped.status != "RED" and grouped.auc < 0.65
    assert ungrouped.status == "RED" and ungrouped.auc > 0.9, (
        "without groups the same labels look like a finding"
    )


@pytest.mark.parametrize(
    ("groups", "images", "status"),
    [(20, 200, "GREEN"), (19, 200, "too few"), (20, 199, "too few")],
)
def test_nothing_is_green_under_the_limits(groups, images, status):
    positive = np.repeat([False, True], [200, images])
    names = np.array(
        [f"{side} {number % (groups if side else 40)}" for number, side in enumerate(positive)]
    )
    numbers = [{"the same for all": 1.0}] * len(positive)
    assert (
        audit_probes.evaluate_probe(
            "processing history", numbers, positive, names, "x", seed=0
        ).status
        == status
    )


@pytest.mark.parametrize(
    ("tier", "low", "high", "status"),
    [
        (1, 0.61, 0.9, "RED"),
        (1, 0.5, 0.61, "AMBER"),
        (1, 0.4, 0.6, "GREEN"),
        (2, 0.56, 0.9, "AMBER"),
        (2, 0.55, 0.9, "reported"),
        (3, 0.95, 1, "AMBER"),
        (3, 0.71, 1, "WARN"),
        (3, 0.7, 1, "reported"),
        (4, 0.99, 1, "reported"),
    ],
)
def test_the_interval_decides_and_not_the_auc(tier, low, high, status):
    assert audit_probes.decide_probe_status(tier, low, high, enough_data=True) == status


def test_the_auc_averages_ties_and_counts_weights():
    positive = np.array([False, False, True, True])
    assert scores.compute_auc(np.array([1, 2, 2, 3]), positive) == 0.875
    assert scores.compute_auc(np.zeros(4), positive) == 0.5
    assert scores.compute_auc(np.array([1, 4, 2, 3]), positive, np.array([3, 1, 1, 1])) == 0.75
    assert scores.compute_auc(np.array([1, 2, 3, 4]), positive, np.array([1, 1, 0, 0])) == 0.5


def test_file_facts_are_read_from_the_header():
    buffer = io.BytesIO()
    exif = Image.Exif()
    exif[0x0131] = "a camera"
    make_image(1).save(buffer, "JPEG", progressive=True, exif=exif, subsampling="4:2:0")
    row = FaceRecord(
        id="",
        label="real",
        source="",
        file="",
        status="accepted",
        format="JPEG",
        mode="RGB",
        width=96,
        height=96,
        quality=75,
    )
    facts = file_features.measure_container(buffer.getvalue(), row)
    assert (facts["exif"], facts["progressive"], facts["icc"], facts["sampling"]) == (
        "yes",
        "yes",
        "no",
        "2x2",
    )
    plain = file_features.measure_container(encode_image(make_image(1)), row)
    assert (plain["exif"], plain["progressive"], plain["table"]) == ("no", "no", "none")


def test_an_audit_comes_back_as_it_was_written(audited, tmp_path):
    _, rows, result = audited
    assert audit_file.read_audit(tmp_path) is None
    audit_file.write_audit(tmp_path, result)
    assert audit_file.read_audit(tmp_path) == result
    assert result.fingerprint == manifest.compute_fingerprint(rows)


@pytest.mark.parametrize(
    "damage",
    [b"", b"{}", b"[1]", b"\0\0", b'{"status": "GREEN"}', b'{"status": "GREEN", "tells": []}'],
)
def test_a_damaged_audit_stops_instead_of_opening_the_gate(tmp_path, damage):
    audit_file.audit_path(tmp_path).write_bytes(damage)
    with pytest.raises(
        console.PlainError, match="is damaged, or was written by an older version. Delete it"
    ):
        audit_file.check_audit_gate(tmp_path, [], 64, accept_shortcuts=True)


def test_training_is_refused_on_red_unless_shortcuts_are_accepted(audited, tmp_path):
    _, rows, result = audited
    red = dataclasses.replace(result.sizes[0], status="RED", as_trained=[make_red_probe()])
    audit_file.write_audit(tmp_path, dataclasses.replace(result, sizes=[red]))
    with pytest.raises(
        console.PlainError, match="processing history .AUC 0.80, 0.70 to 0.90.*--accept-shortcuts"
    ) as caught:
        audit_file.check_audit_gate(tmp_path, rows, 64, accept_shortcuts=False)
    assert caught.value.exit_code == 4
    assert "RED" in audit_file.check_audit_gate(tmp_path, rows, 64, accept_shortcuts=True)


def test_training_notes_a_missing_or_outdated_audit_and_nothing_else(audited, tmp_path):
    _, rows, result = audited
    assert "has not been audited" in audit_file.check_audit_gate(
        tmp_path, rows, 64, accept_shortcuts=False
    )
    audit_file.write_audit(tmp_path, result)
    assert audit_file.check_audit_gate(tmp_path, rows, 64, accept_shortcuts=False) == ""
    assert "is out of date" in audit_file.check_audit_gate(
        tmp_path, rows[1:], 64, accept_shortcuts=False
    )


def test_a_size_that_was_not_audited_is_noted_with_the_command(audited, tmp_path):
    _, rows, result = audited
    audit_file.write_audit(tmp_path, result)
    note = audit_file.check_audit_gate(tmp_path, rows, 96, accept_shortcuts=False)
    assert "did not measure images of 96 px" in note and "--sizes 96" in note


COUNTS = {"real": 300, "generated": 300}


def test_only_what_training_sees_decides_the_status():
    green = make_red_probe(status="GREEN", auc=0.5)
    warning = make_red_probe(name="colour", tier=3, status="WARN")
    probes = [green, warning]
    assert conclusions.decide_audit_status(probes) == "GREEN"
    assert conclusions.decide_audit_status([green, make_red_probe(name="placebo")]) == "RED"
    sentence = conclusions.explain_audit_status(
        [make_red_probe(name="container")], probes, COUNTS, COUNTS
    )
    assert "container" in sentence
    assert "a detector has to beat" in sentence and "colour" in sentence


def test_green_says_what_was_tested_and_no_more():
    green = make_red_probe(status="GREEN", auc=0.5)
    quiet = [
        make_red_probe(name=name, tier=audit_probes.PROBE_TIERS[name], status="reported")
        for name in ("noise", "spectrum")
    ]
    sentence = conclusions.explain_audit_status([], [green, *quiet], COUNTS, COUNTS)
    assert "Tested were processing history, noise, on 300 images" in sentence
    assert "may still tell the label" in sentence and "Nothing but" not in sentence


def test_the_gravest_finding_is_named_first():
    probes = [
        make_red_probe(name="processing history", status="GREEN", auc=0.5),
        make_red_probe(name="noise", tier=2, status="AMBER"),
        make_red_probe(name="thumbnail", tier=3, status="WARN"),
        make_red_probe(name="border", tier=3, status="AMBER", auc=0.98),
        make_red_probe(name="colour", tier=3, status="AMBER", auc=0.99),
    ]
    assert conclusions.decide_audit_status(probes) == "AMBER"
    sentence = conclusions.explain_audit_status([], probes, COUNTS, COUNTS)
    places = [sentence.index(name) for name in ("colour", "border", "noise", "thumbnail")]
    assert places == sorted(places) and sentence.startswith("One simple property nearly decides")
