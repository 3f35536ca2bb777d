"""Each source is scored by a detector that was not trained on any image of its groups."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from data_collection.dataset.manifest import FaceRecord
from runtime import atomic_files, console, hashing
from toys import face_records
from toys.datasets import collect_records
from toys.extractor import ToyExtractor
from toys.images import encode_image
from toys.source_records import SOURCES, make_source_records
from training import dataset, run_features
from validation.cross_generator.plan import ImageSource
from validation.leave_source_out import evaluate, plan
from validation.leave_source_out.evaluate import evaluate_left_out_sources
from validation.leave_source_out.plan import SourcePlan
from validation.leave_source_out.results import read_scores
from validation.leave_source_out.settings import LeaveSourceOutSettings

SIDE = face_records.RECORD_SIDE_PX


@pytest.fixture(scope="module", autouse=True)
def quick():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run_features, "Extractor", ToyExtractor)
        yield


MANY_SOURCES = {f"camera{n}": "real" for n in range(5)} | {f"gan{n}": "generated" for n in range(5)}


def make_settings(folder: Path, **changes: object) -> LeaveSourceOutSettings:
    values = {"bases": ("mobilenet_v2",), "sizes": (SIDE,), "signals": ("picture",), "trials": 4}
    common = {"dataset": folder, "weights": "random", "epochs": 8, "ensemble": 2}
    return LeaveSourceOutSettings(**{**common, **values, **changes})


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "many"
    collect_records(folder, make_source_records(folder))
    evaluate_left_out_sources(make_settings(folder))
    return folder


def read_report(folder: Path) -> dict:
    return json.loads((folder / "leave_source_out" / "leave_source_out.json").read_bytes())


def test_a_generator_that_resembles_photographs_is_told_from_one_that_does_not(evaluated):
    rows = {row["source"]: row for row in read_report(evaluated)["sources"]}
    assert list(rows) == list(SOURCES)
    # Without the gan, all that is left to learn from are images that look like photographs.
    assert rows["net"]["auc"]["value"] < 0.8
    assert rows["net"]["known_auc"]["value"] > 0.9 > rows["gan"]["known_auc"]["value"]
    assert all(row["images"] == row["groups"] == 24 for row in rows.values())


def test_shares_are_those_of_the_answers_at_the_cuts_of_training(evaluated):
    report = read_report(evaluated)
    for path in sorted((evaluated / "leave_source_out").glob("*.json")):
        if path.name == "leave_source_out.json":
            continue
        scores = read_scores(path)
        row = next(row for row in report["sources"] if row["source"] == scores.source)
        point = scores.calibration.select_point(false_alarms=0.05)
        probabilities = 1 / (1 + np.exp(-np.array(scores.unseen_logits)))
        expected = np.mean(probabilities.min(axis=1) >= point.generated_above)
        assert row["generated_shares"][0]["value"] == pytest.approx(expected, abs=1e-6)
        # 24 photographs of known sources at most are too few for the cut of 1%.
        assert row["generated_shares"][1]["value"] is None


@pytest.mark.parametrize("heads", ["logistic", "linear", "networks"])
def test_heads_are_linear_or_logistic_regressions_where_asked_for(tmp_path, heads):
    folder = tmp_path / "many"
    collect_records(folder, make_source_records(folder, sources=MANY_SOURCES))
    evaluate_left_out_sources(make_settings(folder, heads=heads, sources=("camera0", "gan0")))
    report = read_report(folder)
    described = [head for of_source in report["heads"].values() for head in of_source]
    is_logistic = ["logistic regression" in head for head in described]
    assert is_logistic == ([True, True] if heads == "logistic" else [False] * 4)
    assert all(head.endswith(", linear") for head in described) or heads != "linear"
    for path in folder.glob("leave_source_out/[0-9a-f]*.json"):
        scores = read_scores(path)
        limit = scores.calibration.select_point(false_alarms=0.05).generated_above
        probabilities = 1 / (1 + np.exp(-np.array(scores.hold_out_logits).min(axis=1)))
        known_photographs = probabilities[np.array(scores.hold_out_labels) == 0]
        # The cut is on the scale of the head that answers.
        assert scores.calibration.origin == "sources left out"
        assert np.mean(known_photographs >= limit) <= 0.2


def test_a_detector_that_spans_bases_answers_with_their_mean(tmp_path):
    """The toy's features are the same on every base, so the mean is what each says alone."""
    folder = tmp_path / "many"
    collect_records(folder, make_source_records(folder, sources=MANY_SOURCES))
    common = {"heads": "logistic", "sources": ("gan0",)}
    evaluate_left_out_sources(make_settings(folder, **common))
    (path,) = folder.glob("leave_source_out/[0-9a-f]*.json")
    alone = read_scores(path)
    bases = ("mobilenet_v2", "resnet50")
    evaluate_left_out_sources(make_settings(folder, **common, bases=bases, span_bases=True))
    (other,) = set(folder.glob("leave_source_out/[0-9a-f]*.json")) - {path}
    both = read_scores(other)
    assert both.base == "mobilenet_v2 and resnet50" and len(both.heads) == 2 * len(alone.heads)
    for name in ("unseen_logits", "hold_out_logits"):
        assert np.allclose(getattr(both, name), getattr(alone, name), rtol=0.05, atol=0.05)
    limits = [
        scores.calibration.select_point(false_alarms=0.05).generated_above
        for scores in (alone, both)
    ]
    assert limits[0] == pytest.approx(limits[1], abs=0.02)


def test_a_new_setting_at_its_default_leaves_the_names_of_stored_scores(monkeypatch):
    """Give it a row in LATER_SETTINGS; other scores would have to be measured again."""
    for name in ("RESULT_VERSION", "HEAD_SPACE_VERSION"):
        monkeypatch.setattr(evaluate, name, 1)
    source_plan = SourcePlan(
        source=ImageSource("real", "camera"),
        data=SimpleNamespace(records=[]),
        unseen=[],
        hold_out=[],
    )
    files = [
        evaluate._name_file(LeaveSourceOutSettings(seed=3, span_bases=spans), source_plan, None)
        for spans in (False, True)
    ]
    assert files[0] == "be357bb6bc665f8b.json" != files[1]


def test_no_group_of_the_source_left_out_is_trained_on_or_in_the_known_hold_out(tmp_path):
    folder = tmp_path / "many"
    records = make_source_records(folder)
    # The net's images are reconstructions of the camera's photographs.
    records = [
        replace(record, group=records[number % 24].group) if record.source == "net" else record
        for number, record in enumerate(records)
    ]
    collect_records(folder, records)
    data = dataset.load_dataset(tmp_path, folder)
    for source_plan in plan.plan_sources(data, ()):
        groups = {record.group for record in source_plan.unseen}
        used = [*source_plan.data.train, *source_plan.data.validation, *source_plan.hold_out]
        assert len(source_plan.unseen) == 24
        assert used and not groups & {record.group for record in used}


def test_an_interrupted_run_goes_on_where_it_stopped_with_the_same_figures(
    evaluated, tmp_path, monkeypatch, capsys
):
    folder = tmp_path / "many"
    collect_records(folder, make_source_records(folder))
    trained = []

    def count(settings, source_plan, *others):
        trained.append(source_plan.source.name)
        if len(trained) == 3:
            raise KeyboardInterrupt
        return score_source(settings, source_plan, *others)

    score_source = evaluate.score_source
    monkeypatch.setattr(evaluate, "score_source", count)
    with pytest.raises(KeyboardInterrupt):
        evaluate_left_out_sources(make_settings(folder))
    evaluate_left_out_sources(make_settings(folder))
    assert trained == ["camera", "scanner", "gan", "gan", "net"]
    assert read_report(folder)["sources"] == read_report(evaluated)["sources"]
    evaluate_left_out_sources(make_settings(folder))
    assert len(trained) == 5
    assert "On generators left out, the mean AUC is" in capsys.readouterr().err


def test_a_source_of_one_image_has_a_share_of_which_the_interval_says_nothing(tmp_path):
    folder = tmp_path / "many"
    records = make_source_records(folder)
    records = [record for record in records if record.source != "net"] + [
        record for record in records if record.source == "net" and record.split == "hold-out"
    ][:1]
    collect_records(folder, records)
    evaluate_left_out_sources(make_settings(folder, sources=("net",)))
    (row,) = read_report(folder)["sources"]
    assert (row["images"], row["groups"]) == (1, 1)
    assert row["auc"]["low"] is None
    assert row["auc"]["reason"] == "1 group of generated images, 20 needed"
    share = row["generated_shares"][0]
    assert share["high"] - share["low"] > 0.97


def replace_picture(folder: Path, record: FaceRecord) -> FaceRecord:
    """Return the record with another picture: grey, and noise if it is generated."""
    generator = np.random.default_rng(int(record.id[:8], 16))
    pixels = generator.normal(generator.uniform(100, 150), 2, (96, 96, 3))
    if record.label == "generated":
        pixels += generator.normal(0, 40, pixels.shape)
    data = encode_image(Image.fromarray(pixels.clip(0, 255).astype(np.uint8)))
    name = hashing.hash_bytes(data)
    original = f"originals/{record.label}/{name[:2]}/{name}.png"
    atomic_files.write_atomically(folder / original, data)
    return replace(record, id=name, group=name, original=original, image="", bytes=len(data))


@pytest.mark.parametrize(("side", "is_seen"), [(96, True), (16, False)])
def test_the_history_control_gives_a_source_the_processing_of_the_other_class(
    tmp_path, side, is_seen, capsys
):
    """Where files of photographs are small, their processing takes the noise away."""
    folder = tmp_path / "many"
    sources = {"camera": "real", "scanner": "real", "net1": "generated", "net2": "generated"}
    records = [
        replace_picture(folder, replace(record, width=side, height=side))
        for record in make_source_records(folder, sources=sources)
    ]
    collect_records(folder, records)
    evaluate_left_out_sources(make_settings(folder, sources=("net1",), history_control=True))
    report = read_report(folder)
    (row,) = report["sources"]
    assert row["auc"]["value"] > 0.9
    assert (row["reprocessed_auc"]["value"] > 0.9) == is_seen
    assert report["summary"]["reprocessed_auc"] == row["reprocessed_auc"]["value"]
    table = (folder / "leave_source_out" / "leave_source_out.md").read_text()
    assert "| AUC with the other class's history |" in table
    assert "With the sizes and JPEG qualities of photographs' files" in capsys.readouterr().err


def test_scores_without_the_history_control_are_not_mixed_with_those_that_have_it(evaluated):
    assert all(row["reprocessed_auc"]["value"] is None for row in read_report(evaluated)["sources"])
    plans = plan.plan_sources(dataset.load_dataset(evaluated.parent, evaluated), ())
    with_control, without = (
        evaluate._name_file(make_settings(evaluated, **changes), plans[0], None)
        for changes in ({"history_control": True}, {})
    )
    stored = {path.name for path in (evaluated / "leave_source_out").iterdir()}
    assert without in stored and with_control not in stored


def test_some_sources_can_be_named(evaluated):
    evaluate_left_out_sources(make_settings(evaluated, sources=("camera",)))
    assert [row["source"] for row in read_report(evaluated)["sources"]] == ["camera"]
    with pytest.raises(console.PlainError, match="no source phone. Its sources: camera, gan"):
        evaluate_left_out_sources(make_settings(evaluated, sources=("phone",)))


def test_a_data_set_of_two_sources_has_none_to_leave_out(tmp_path):
    folder = tmp_path / "few"
    records = [
        record for record in make_source_records(folder) if record.source in ("camera", "gan")
    ]
    collect_records(folder, records)
    with pytest.raises(console.PlainError, match="a class needs two sources"):
        evaluate_left_out_sources(make_settings(folder))


def test_too_few_sources_for_logistic_heads_are_refused_in_one_sentence(evaluated):
    with pytest.raises(console.PlainError, match="needs 4 sources .* Use --heads networks"):
        evaluate_left_out_sources(make_settings(evaluated, heads="logistic"))
