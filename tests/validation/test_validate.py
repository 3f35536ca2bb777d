"""The validation command: judges the hold-out or anything else, counts openings, and leaves one
page that says it all."""

import json
import re
import shutil
from types import SimpleNamespace

import pytest
import tyro
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from data_collection.dataset import manifest, splits
from runtime import console
from toys.commands import run_command
from toys.images import encode_image, make_image
from validation.settings import ValidationSettings
from validation.validate import validate_detector

QUICK = ("--distorted", 0, "--explained", 0)


@pytest.fixture
def place(workplace, tmp_path):
    for name in ("data", "saved_models"):
        shutil.copytree(workplace / name, tmp_path / name)
    return tmp_path


@pytest.fixture
def validated(place, monkeypatch, capsys):
    """Runs the command within this process, which spares its start, and returns what a second
    process would."""
    monkeypatch.chdir(place)

    def run(*words: object) -> SimpleNamespace:
        code, sentence = 0, ""
        try:
            validate_detector(tyro.cli(ValidationSettings, args=list(map(str, words))))
        except console.PlainError as error:
            code, sentence = error.exit_code, str(error)
        told = capsys.readouterr()
        return SimpleNamespace(returncode=code, stdout=told.out, stderr=told.err + sentence)

    return run


def new_faces(folder, real: int = 6, generated: int = 6, first: int = 500):
    """Pictures that the toy data set has not, in subfolders that say what they are."""
    for name, count in (("real", real), ("fake", generated)):
        for number in range(count):
            path = folder / name / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(
                encode_image(
                    make_image(first + number + 10_000 * (name == "fake"), generated=name == "fake")
                )
            )
    return folder


def found_in(place, report: str = "report") -> tuple[str, dict]:
    """The page and the numbers of the hold-out's report, or of the one whose name begins so; a few
    letters follow there."""
    folder = place / "saved_models" / "toy" / report
    (folder,) = [folder] if folder.is_dir() else folder.parent.glob(f"{report}-*")
    return (folder / "index.html").read_text(), json.loads((folder / "metrics.json").read_text())


def opened(place) -> list[str]:
    return [
        entry["model"] for entry in splits.read_splits(place / "data" / "faces").hold_out_opened
    ]


def test_the_whole_report_says_what_a_reader_needs_and_is_made_again_from_what_is_kept(place):
    shutil.copytree(place / "saved_models" / "toy", place / "saved_models" / "twin")
    done = run_command(
        "validation", "--model", "toy", "--distorted", 12, "--against", "twin", cwd=place
    )
    assert done.returncode == 0, done.stderr
    page, found = found_in(place)
    card = json.loads((place / "saved_models" / "toy" / "card.json").read_text())

    baselines = ["logistic regression, top layer", "logistic regression, all taps"]
    assert list(found["detectors"]) == [
        "toy",
        *baselines,
        "saved_models/twin",
    ]  # two of one name are told apart
    toy = found["detectors"]["toy"]
    assert toy["threshold"] == pytest.approx(card["calibration"]["threshold"], abs=1e-6)
    assert (
        toy["metrics"]["ROC AUC"]["low"] > 0.5
    )  # the toy's grid is plain to see, even for random weights
    assert sum(toy["confusion"].values()) == 12
    assert found["judged_on"]["images"] == {"real": 6, "generated": 6}
    assert found["judged_on"]["overlap_with_training"]["compared"] == 68
    assert len(found["robustness"]["conditions"]) > 40
    assert (
        found["negative_controls"]["shuffled_labels"] is None
    )  # six groups of a class are too few
    assert (
        found["command"]
        == "python -m validation --model saved_models/toy --against saved_models/twin "
        "--distorted 12"
    )
    assert all(
        "do not differ at all" in each["sentence"] for each in found["comparison"]["differences"]
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

    text = (place / "saved_models" / "toy" / "README.md").read_text()
    assert text.startswith("---\nlibrary_name: keras") and "## Do not use it for" in text
    events = EventAccumulator(str(place / "logs" / "validation" / "toy" / "hold-out")).Reload()
    assert "hold-out/ROC_AUC" in events.Tags()["scalars"]
    assert "hold-out/precision_recall" in events.summary_metadata
    assert {"hold-out/roc", "hold-out/most_wrong__real"} <= set(events.Tags()["images"])
    assert (place / "logs" / "validation" / "toy" / "hold-out" / "projector_config.pbtxt").is_file()

    again = run_command(
        "validation",
        "--model",
        "toy",
        "--distorted",
        12,
        "--against",
        "twin",
        cwd=place,
        TELLTALE_CACHE="/nowhere",
    )
    assert again.returncode == 0, again.stderr
    _, second = found_in(place)
    assert second["judged_on"].pop("opened") == {"times": 2, "detectors": 1}
    assert found["judged_on"].pop("opened") == {"times": 1, "detectors": 1}
    assert second == found


def test_every_opening_is_counted_and_other_images_open_nothing(place, validated):
    validated(*QUICK, "--model", "toy")
    assert opened(place) == ["toy"]
    assert validated(*QUICK, "--data", new_faces(place / "new")).returncode == 0
    assert opened(place) == ["toy"]


def test_no_hold_out_is_looked_at_uncounted(place, validated):
    """Neither the detector's own, by another door, nor that of another data set."""
    done = validated(*QUICK, "--data", "data/faces", "--drop-known")
    assert (done.returncode, "was trained on data/faces. Leave out --data" in done.stderr) == (
        5,
        True,
    )
    other = place / "data" / "other"
    shutil.copytree(place / "data" / "faces", other)
    manifest.replace_records(
        other, [row for row in manifest.read_manifest(other) if row.split == "hold-out"]
    )
    done = validated(*QUICK, "--data", other)
    assert done.returncode == 0, done.stderr
    assert (
        opened(place),
        [entry["model"] for entry in splits.read_splits(other).hold_out_opened],
    ) == ([], ["toy"])


def test_a_hold_out_that_training_did_not_know_is_refused(place, validated):
    folder = place / "data" / "faces"
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
    assert opened(place) == []


def test_a_hold_out_picture_that_was_altered_is_named(place, validated):
    folder = place / "data" / "faces"
    record = next(record for record in manifest.read_manifest(folder) if record.split == "hold-out")
    (folder / record.original).write_bytes(encode_image(make_image(77)))
    done = validated(*QUICK)
    assert (done.returncode, "was altered since it was collected" in done.stderr) == (6, True)


def test_an_altered_model_is_not_judged_and_opens_nothing(place, validated):
    with (place / "saved_models" / "toy" / "detector.onnx").open("ab") as file:
        file.write(b"x")
    done = validated(*QUICK)
    assert (done.returncode, "was altered since it was saved" in done.stderr) == (8, True)
    assert opened(place) == []


def test_a_folder_of_strangers_pictures_is_judged_and_what_cannot_be_is_named(place, validated):
    folder = new_faces(place / "new")
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
    page, found = found_in(place, "report-new")
    assert found["judged_on"]["images"] == {"real": 6, "generated": 7}
    reasons = {each["file"]: each["reason"] for each in found["judged_on"]["not_judged"]}
    assert reasons["real/copy.png"] == "the same file as real/0.png"
    assert all("the other class" in reasons[name] for name in ("real/both.png", "fake/both.png"))
    assert (
        reasons["loose.png"] == reasons["elsewhere/1.png"] == "no folder above it gives its class"
    )
    assert reasons["real/<b>not an image.jpg"].startswith("not an image")
    assert "&lt;b&gt;not an image.jpg" in page and "<b>not" not in page
    assert "by a gan/fake/by a gan/1.png" in page  # its source, and its file
    assert not (
        place / "saved_models" / "toy" / "README.md"
    ).exists()  # the card tells of the hold-out only


def test_images_that_were_learnt_from_are_refused_or_left_out(place, validated):
    folder = new_faces(place / "new")
    known = next(
        record
        for record in manifest.read_manifest(place / "data" / "faces")
        if (record.split, record.label) == ("train", "real")
    )
    shutil.copy(place / "data" / "faces" / known.original, folder / "real" / "known.jpg")
    done = validated(*QUICK, "--data", folder)
    assert (done.returncode, "real/known.jpg is" in done.stderr) == (5, True)
    done = validated(*QUICK, "--data", folder, "--drop-known")
    assert done.returncode == 0, done.stderr
    page, found = found_in(place, "report-new")
    assert (
        found["judged_on"]["overlap_with_training"]["dropped"],
        "<b>1 left out</b>" in page,
    ) == (1, True)


@pytest.mark.parametrize("label", ["real", "generated"])
def test_one_class_alone_is_judged_by_its_own_rate(place, validated, label):
    folder = new_faces(place / "new") / ("real" if label == "real" else "fake")
    done = validated(*QUICK, "--data", folder, "--label", label)
    assert done.returncode == 0, done.stderr
    page, found = found_in(place, f"report-{folder.name}")
    toy = found["detectors"]["toy"]["metrics"]
    assert (toy["TPR"]["value"] is None, toy["FPR"]["value"] is None) == (
        label == "real",
        label == "generated",
    )
    assert toy["ROC AUC"]["value"] is None
    assert "Only one class is present" in page and "nothing about this class can be said" in page


@pytest.mark.slow
def test_three_images_are_judged_and_called_too_few(place, validated):
    done = validated("--distorted", 3, "--explained", 3, "--data", new_faces(place / "new", 2, 1))
    assert done.returncode == 0, done.stderr
    page, _ = found_in(place, "report-new")
    assert (
        "too little to say much: 1 independent image in a class" in page
        and "Heat maps: not shown" in page
    )


def test_a_detector_whose_training_is_not_here_may_know_the_images_and_the_report_says_so(
    place, validated
):
    folder = new_faces(place / "new")
    (place / "data").rename(place / "elsewhere")
    done = validated(*QUICK, "--data", folder)
    assert done.returncode == 0, done.stderr
    page, _ = found_in(place, "report-new")
    assert (
        "it may have been trained on some of these images" in done.stderr
        and "which it may have learnt from" in page
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
def test_a_mistake_gets_one_sentence_and_opens_nothing(place, words, code, sentence):
    (place / "unsaid").mkdir()
    (place / "faces" / "generated").mkdir(parents=True)
    (place / "unsaid" / "x.jpg").write_text("hello")
    done = run_command("validation", *words, cwd=place)
    assert (done.returncode, "Traceback" in done.stderr) == (code, False), done.stderr
    assert sentence in " ".join(re.sub(r"[│╭╮╰╯─]", " ", done.stderr).split())
    assert opened(place) == []
