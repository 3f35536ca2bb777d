"""The validation command scores the hold-out or other images, counts openings, and writes one
page."""

import json
import re
import shutil

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from data_collection.dataset import manifest, splits
from runtime import console
from toys.commands import run_command
from toys.images import encode_image, make_image
from toys.validations import QUICK, list_openings, new_faces, read_report
from training.detectors.card import read_card
from validation.report.report_files import has_report


def test_the_whole_report_says_what_a_reader_needs_and_a_second_run_uses_the_cache(workspace):
    shutil.copytree(workspace / "saved_models" / "toy", workspace / "others" / "toy")
    done = run_command(
        "validation", "--model", "toy", "--distorted", 12, "--against", "others/toy", cwd=workspace
    )
    assert done.returncode == 0, done.stderr
    page, metrics = read_report(workspace)
    printed = " ".join(done.stderr.split())
    state = "toy: red. The warning above decides what the figures are worth."
    assert printed.index("has not been audited") < printed.index(state)
    card = json.loads((workspace / "saved_models" / "toy" / "card.json").read_text())
    toy_folder = workspace / "saved_models" / "toy"
    assert has_report(toy_folder, read_card(toy_folder))

    baselines = ["logistic regression, top layer", "logistic regression, all taps"]
    assert list(metrics["detectors"]) == [
        "toy",
        *baselines,
        "others/toy",  # a name that is taken becomes a path
    ]
    toy = metrics["detectors"]["toy"]
    assert toy["threshold"] == pytest.approx(card["calibration"]["threshold"], abs=1e-6)
    # Even random weights see the grid of the toy's generated images.
    # The hold-out has too few groups for an interval of an AUC; its shares have one.
    assert toy["metrics"]["ROC AUC"]["value"] > 0.9
    assert toy["metrics"]["TPR"]["low"] > 0.5 > toy["metrics"]["FPR"]["high"]
    assert sum(toy["confusion"].values()) == 12
    assert metrics["evaluation_set"]["images"] == {"real": 6, "generated": 6}
    assert metrics["evaluation_set"]["overlap_with_training"]["compared"] == 68
    assert len(metrics["robustness"]["conditions"]) > 40
    chains = metrics["sharing"]["chains"]
    assert len(chains) == 8 and all(chain["name"] in page for chain in chains)
    assert all(chain["shrunk"] == 0 <= chain["changes"]["any"]["high"] for chain in chains)
    card_text = (toy_folder / "README.md").read_text()
    for text in (printed, card_text):
        assert "Passed on, 12 images" in text or "None of 8 ways of passing pictures on" in text
    # Six groups of a class are too few.
    assert metrics["negative_controls"]["shuffled_labels"] is None
    assert (
        metrics["command"] == "python -m validation --model saved_models/toy --against others/toy "
        "--distorted 12"
    )
    assert all(
        "do not differ at all" in difference["sentence"]
        for difference in metrics["comparison"]["differences"]
    )

    for heading in (
        "Metrics",
        "Robustness",
        "Errors",
        "Explanations",
        "Negative controls",
        "Do not use it for",
        "Reproduce",
    ):
        assert re.search(f"<h2[^>]*>{heading}", page), heading
    assert "It has been opened <b>1</b> time, by 1 name of detectors" in " ".join(page.split())
    assert "RANDOM weights" in page and card["dataset"]["hold_out_sha256"][:16] in page
    assert re.findall(r'(?:src|href)="(?!data:|#)', page) == []  # complete in itself
    assert "<script" not in page

    text = (workspace / "saved_models" / "toy" / "README.md").read_text()
    assert text.startswith("---\nlibrary_name: keras") and "## Do not use it for" in text
    events = EventAccumulator(str(workspace / "logs" / "validation" / "toy" / "hold-out")).Reload()
    assert "hold-out/ROC_AUC" in events.Tags()["scalars"]
    assert "hold-out/precision_recall" in events.summary_metadata
    assert {"hold-out/roc", "hold-out/most_wrong__real"} <= set(events.Tags()["images"])
    assert (
        workspace / "logs" / "validation" / "toy" / "hold-out" / "projector_config.pbtxt"
    ).is_file()

    again = run_command(
        "validation",
        "--model",
        "toy",
        "--distorted",
        12,
        "--against",
        "others/toy",
        cwd=workspace,
        TELLTALE_CACHE="/nowhere",
    )
    assert again.returncode == 0, again.stderr
    _, second = read_report(workspace)
    assert second["evaluation_set"].pop("hold_out_openings") == {"times": 2, "detectors": 1}
    assert metrics["evaluation_set"].pop("hold_out_openings") == {"times": 1, "detectors": 1}
    assert second == metrics


def test_every_opening_is_counted_and_other_images_open_nothing(workspace, validated):
    validated(*QUICK, "--model", "toy")
    assert list_openings(workspace) == ["toy"]
    assert validated(*QUICK, "--data", new_faces(workspace / "new")).returncode == 0
    assert list_openings(workspace) == ["toy"]


def test_no_hold_out_is_looked_at_uncounted(workspace, validated):
    """Neither the detector's own, by --data, nor that of another data set."""
    done = validated(*QUICK, "--data", "data/faces", "--drop-known")
    assert (done.returncode, "was trained on data/faces. Leave out --data" in done.stderr) == (
        5,
        True,
    )
    other = workspace / "data" / "other"
    shutil.copytree(workspace / "data" / "faces", other)
    manifest.replace_records(
        other, [row for row in manifest.read_manifest(other) if row.split == "hold-out"]
    )
    done = validated(*QUICK, "--data", other)
    assert done.returncode == 0, done.stderr
    assert (
        list_openings(workspace),
        [entry["model"] for entry in splits.read_splits(other).hold_out_opened],
    ) == ([], ["toy"])


def test_a_hold_out_that_training_did_not_know_is_refused(workspace, validated):
    folder = workspace / "data" / "faces"
    records = manifest.read_manifest(folder)
    dropped = next(record for record in records if record.split == "hold-out")
    manifest.replace_records(folder, [record for record in records if record is not dropped])
    done = validated(*QUICK)
    assert (done.returncode, "is not the one" in done.stderr) == (5, True)

    frozen = splits.read_splits(folder)
    splits.seal_hold_out(manifest.read_manifest(folder), frozen)
    splits.write_splits(folder, frozen)
    done = validated(*QUICK)
    assert (done.returncode, "was trained without" in done.stderr) == (5, True)
    assert list_openings(workspace) == []


def test_a_hold_out_picture_that_was_altered_is_named(workspace, validated):
    folder = workspace / "data" / "faces"
    record = next(record for record in manifest.read_manifest(folder) if record.split == "hold-out")
    (folder / record.original).write_bytes(encode_image(make_image(77)))
    done = validated(*QUICK)
    assert (done.returncode, "was altered since it was collected" in done.stderr) == (6, True)


def test_an_altered_model_scores_nothing_and_opens_nothing(workspace, validated):
    with (workspace / "saved_models" / "toy" / "detector.onnx").open("ab") as file:
        file.write(b"x")
    done = validated(*QUICK)
    assert (done.returncode, "was altered since it was saved" in done.stderr) == (8, True)
    assert list_openings(workspace) == []


def test_a_folder_of_strangers_pictures_is_scored_and_what_cannot_be_is_named(workspace, validated):
    folder = new_faces(workspace / "new")
    (folder / "real" / "<b>not an image.jpg").write_text("hello")
    (folder / "real" / "copy.png").write_bytes((folder / "real" / "0.png").read_bytes())
    (folder / "fake" / "by a gan").mkdir()
    (folder / "fake" / "by a gan" / "1.png").write_bytes(
        encode_image(make_image(10_900, generated=True))
    )
    for name in ("real/both.png", "fake/both.png", "elsewhere/1.png", "loose.png"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(encode_image(make_image(900)))
    done = validated(*QUICK, "--data", folder)
    assert done.returncode == 0, done.stderr
    assert "6 files could not be scored" in done.stderr
    page, metrics = read_report(workspace, "report-new")
    assert metrics["evaluation_set"]["images"] == {"real": 6, "generated": 7}
    reasons = {row["file"]: row["reason"] for row in metrics["evaluation_set"]["rejected"]}
    assert reasons["real/copy.png"] == "the same file as real/0.png"
    assert all("the other class" in reasons[name] for name in ("real/both.png", "fake/both.png"))
    assert (
        reasons["loose.png"] == reasons["elsewhere/1.png"] == "no folder above it gives its class"
    )
    assert reasons["real/<b>not an image.jpg"].startswith("not an image")
    assert "&lt;b&gt;not an image.jpg" in page and "<b>not" not in page
    assert "by a gan/fake/by a gan/1.png" in page  # its source, and its file
    # The model card is about the hold-out only.
    assert not (workspace / "saved_models" / "toy" / "README.md").exists()


def test_training_images_are_refused_or_left_out(workspace, validated):
    folder = new_faces(workspace / "new")
    known = next(
        record
        for record in manifest.read_manifest(workspace / "data" / "faces")
        if (record.split, record.label) == ("train", "real")
    )
    shutil.copy(workspace / "data" / "faces" / known.original, folder / "real" / "known.jpg")
    done = validated(*QUICK, "--data", folder)
    assert (done.returncode, "real/known.jpg is" in done.stderr) == (5, True)
    done = validated(*QUICK, "--data", folder, "--drop-known")
    assert done.returncode == 0, done.stderr
    page, metrics = read_report(workspace, "report-new")
    assert (
        metrics["evaluation_set"]["overlap_with_training"]["dropped"],
        "<b>1 left out</b>" in page,
    ) == (1, True)


@pytest.mark.parametrize("label", ["real", "generated"])
def test_one_class_alone_has_its_own_rate(workspace, validated, label):
    folder = new_faces(workspace / "new") / ("real" if label == "real" else "fake")
    done = validated(*QUICK, "--data", folder, "--label", label)
    assert done.returncode == 0, done.stderr
    page, metrics = read_report(workspace, f"report-{folder.name}")
    toy = metrics["detectors"]["toy"]["metrics"]
    assert (toy["TPR"]["value"] is None, toy["FPR"]["value"] is None) == (
        label == "real",
        label == "generated",
    )
    assert toy["ROC AUC"]["value"] is None
    assert "Only one class is present" in page and "nothing about this class can be said" in page


@pytest.mark.slow
def test_three_images_are_scored_and_called_too_few(workspace, validated):
    done = validated(
        "--distorted", 3, "--explained", 3, "--data", new_faces(workspace / "new", 2, 1)
    )
    assert done.returncode == 0, done.stderr
    page, _ = read_report(workspace, "report-new")
    assert (
        "too little to say much: 1 independent image in a class" in page
        and "Heat maps: not shown" in page
    )


def test_a_detector_whose_training_is_not_here_may_know_the_images_and_the_report_says_so(
    workspace, validated
):
    folder = new_faces(workspace / "new")
    (workspace / "data").rename(workspace / "elsewhere")
    done = validated(*QUICK, "--data", folder)
    assert done.returncode == 0, done.stderr
    page, _ = read_report(workspace, "report-new")
    assert (
        "it may have been trained on some of these images" in done.stderr
        and "which it may have been trained on" in page
    )


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["--data", "nowhere"], 2, "nowhere is not a folder"),
        (["--data", "unsaid"], 2, "--label real"),
        (
            ["--data", "unsaid", "--label", "real"],
            2,
            "holds no usable image (x.jpg: not an image",
        ),
        (["--label", "real"], 2, "Give --data, too"),
        (["--distorted", "-1"], 2, "--distorted is -1"),
        (["--against", "ty"], 8, "ty is not a saved detector. Did you mean"),
        (["--against", "toy"], 2, "must name a different detector"),
        (
            ["--data", "faces", "--label", "real"],
            2,
            "has a subfolder `generated`, but --label is real",
        ),
    ],
)
def test_a_mistake_gets_one_sentence_and_opens_nothing(workspace, words, code, sentence):
    (workspace / "unsaid").mkdir()
    (workspace / "faces" / "generated").mkdir(parents=True)
    (workspace / "unsaid" / "x.jpg").write_text("hello")
    done = run_command("validation", *words, cwd=workspace)
    assert (done.returncode, "Traceback" in done.stderr) == (code, False), done.stderr
    assert sentence in " ".join(re.sub(r"[│╭╮╰╯─]", " ", done.stderr).split())
    assert list_openings(workspace) == []


def find_pictures(workspace) -> list[str]:
    """Return every trace of a picture of the data set that a validation of the toy has left: its
    panels, its map of thumbnails, files of images, sprites for TensorBoard, file names."""
    toy, logs = workspace / "saved_models" / "toy", workspace / "logs" / "validation" / "toy"
    page, _ = read_report(workspace)
    found = re.findall(r'class="face"|src="data:image/jpeg|id="map-pictures"', page)
    written = [path for part in ("report", "explainer") for path in (toy / part).rglob("*.*")]
    written += [toy / "README.md", *logs.rglob("*.*")]
    found += [path.name for path in written if path.suffix in (".png", ".jpg", ".jpeg")]
    events = EventAccumulator(str(logs / "hold-out")).Reload()
    found += [tag for tag in events.Tags()["images"] if "wrong" in tag or "pictures" in tag]
    records = manifest.read_manifest(workspace / "data" / "faces")
    names = {name for record in records for name in (record.file, record.id)}
    texts = [path.read_text() for path in written if path.suffix in (".html", ".json", ".md")]
    return found + [name for name in names if any(name in text for text in texts)]


def test_a_report_without_pictures_shows_no_image_and_names_no_file(validated, workspace):
    words = ("--model", "toy", "--distorted", 0, "--explained", 12)
    assert validated(*words).returncode == 0
    shown = find_pictures(workspace)
    assert {'class="face"', 'id="map-pictures"', "hold-out/map-pictures"} <= set(shown)
    page, metrics = read_report(workspace)
    # Twelve images are too few to check heat maps; similar training faces do not depend on these.
    assert "Heat maps: not shown" in page
    assert page.count('aria-label="Most similar training faces"') == 12
    for panel in (*metrics["most_wrong"]["real"], *metrics["most_wrong"]["generated"]):
        assert len(panel["similar_training_faces"]) == 3
    assert [name for name in shown if name.startswith("face 0")]
    assert validated(*words, "--no-pictures").returncode == 0
    assert find_pictures(workspace) == []
    page, metrics = read_report(workspace)
    assert "ost similar training faces" not in page and metrics["most_wrong"] == {}
    assert "this report was written without pictures of the data set" in page
    assert 'id="map-label"' in page and 'id="roc"' in page  # charts stay
    assert metrics["command"].endswith("--explained 12 --no-pictures")


def test_a_report_without_pictures_counts_files_that_could_not_be_scored(validated, workspace):
    photos = new_faces(workspace / "photos")
    (photos / "real" / "ann smith.png").write_bytes(b"no image")
    words = ("--model", "toy", "--data", "photos", *QUICK)
    assert validated(*words).returncode == 0
    assert "ann smith" in read_report(workspace, "report-photos")[0]
    assert validated(*words, "--no-pictures").returncode == 0
    page, metrics = read_report(workspace, "report-photos")
    assert "ann smith" not in page and "<b>1</b> file could not be scored" in page
    assert [entry["file"] for entry in metrics["evaluation_set"]["rejected"]] == ["a file"]


def test_without_the_data_set_of_the_training_a_sentence_names_what_can_be_tested(
    validated, workspace
):
    (workspace / "data").rename(workspace / "elsewhere")
    refused = validated("--model", "toy", *QUICK)
    assert refused.returncode == console.EXIT_USAGE
    assert "which toy was trained on, is not here. Name it with --dataset" in refused.stderr
    new_faces(workspace / "photos")
    tested = validated("--model", "toy", "--data", "photos", *QUICK)
    assert tested.returncode == 0 and "may have been trained on some" in tested.stderr
