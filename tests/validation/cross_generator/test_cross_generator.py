"""Cross-generator evaluation: no head is tested on groups that it was trained on, nothing is
computed twice, and every figure is reproducible."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from data_collection.dataset import manifest, splits
from data_collection.dataset.manifest import FaceRecord
from data_collection.images import canonical
from runtime import console
from toys import face_records
from toys.accessibility import find_accessibility_faults
from toys.commands import REPOSITORY_ROOT, run_command
from toys.datasets import collect_records
from toys.extractor import ToyExtractor
from toys.features import FEATURE_COLUMNS, FEATURE_WIDTH
from toys.source_records import make_source_records
from training import dataset
from training.bases import weights as base_weights
from training.cuts.choose_cuts import choose_threshold
from training.features import compute_features, feature_cache
from training.features.extractor import Extractor
from validation import plain_json
from validation.cross_generator import cross_generator, head_training, outcomes, results
from validation.cross_generator.cross_generator import evaluate_cross_generator
from validation.cross_generator.plan import (
    Experiment,
    SourceImages,
    plan_leave_one_source_out,
    plan_one_generator_each,
    select_evaluation_rows,
    select_source_images,
)
from validation.cross_generator.settings import CrossGeneratorSettings
from validation.cross_generator.task import BaseFeatures

SOURCES = {
    "camera": "real",
    "scanner": "real",
    "gan": "generated",
    "<i>net</i>": "generated",
    "twins": "generated",
}
SIDE = face_records.RECORD_SIDE_PX


def make_records(folder: Path, count: int = 24) -> list[FaceRecord]:
    """Five sources: the net's images look real, and the twins share groups with the camera's, as
    reconstructions do."""
    records = make_source_records(folder, count, SOURCES)
    return [
        replace(r, group=records[n % count].group) if r.source == "twins" else r
        for n, r in enumerate(records)
    ]


def settings(folder: Path, **more: object) -> CrossGeneratorSettings:
    values = {
        "dataset": folder,
        "weights": "random",
        "size": SIDE,
        "logs": folder.parent / "logs",
        **more,
    }
    return CrossGeneratorSettings(**values)


@pytest.fixture(scope="module", autouse=True)
def quick():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cross_generator, "Extractor", ToyExtractor)
        patch.setattr(outcomes, "BOOTSTRAP_REPLICATES", 100)
        yield


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory) -> Path:
    """The folder of a data set with its evaluation, sources left out included."""
    folder = tmp_path_factory.mktemp("data") / "many"
    collect_records(folder, make_records(folder))
    evaluate_cross_generator(settings(folder, leave_one_source_out=True))
    return folder


@pytest.fixture
def folder(evaluated, tmp_path) -> Path:
    """A copy that a test may change."""
    return shutil.copytree(evaluated, tmp_path / "many")


@pytest.fixture(scope="module")
def result(evaluated) -> dict:
    return json.loads((evaluated / "cross_generator" / "cross_generator.json").read_text())


@pytest.fixture(scope="module")
def plan(evaluated) -> tuple[SourceImages, list[Experiment]]:
    images = select_source_images(manifest.read_manifest(evaluated))
    return images, plan_one_generator_each(images) + plan_leave_one_source_out(images)


def list_openings(folder: Path) -> list[str]:
    return [entry["model"] for entry in splits.read_splits(folder).hold_out_opened]


def test_no_test_group_is_known_from_training_or_the_threshold(plan):
    images, experiments = plan
    assert len(experiments) == 3 + 1 + 3 + 2 + 6
    for experiment in experiments:
        sources = experiment.training_sources
        known = set(images.group[images.rows(sources, "train", "validation")])
        for source in images.sources:
            rows = select_evaluation_rows(images, source, sources).rows
            assert len(rows)
            assert not known & set(images.group[rows])
            assert source not in sources or set(images.split[rows]) == {"hold-out"}


def test_a_source_never_seen_is_tested_whole_but_for_known_groups(result):
    cells = {
        (row["name"], cell["tested_on"][0]): cell
        for row in result["one_generator_each"]
        for cell in row["cells"]
    }
    assert cells["gan", "<i>net</i>"]["images"] == 24
    assert (cells["gan", "gan"]["images"], cells["gan", "gan"]["seen"]) == (4, True)
    assert (cells["gan", "twins"]["images"], cells["gan", "twins"]["left_out"]) == (4, 20)
    without = {row["name"]: row for row in result["leave_one_source_out"]}
    assert (
        without["twins and camera"]["cells"][0]["images"] == 24
    )  # the camera's groups are unknown there


def test_a_head_does_not_depend_on_features_that_it_may_not_use(plan):
    images, experiments = plan
    values = (
        np.random.default_rng(0)
        .normal(size=(len(images.records), FEATURE_WIDTH))
        .astype(np.float32)
    )
    for experiment in experiments:
        spoilt = np.full_like(values, 1e6)
        allowed = images.rows(experiment.training_sources, "train", "validation")
        spoilt[allowed] = values[allowed]
        for kind in ("logistic", "ridge", "ridge-per-generator"):
            options = CrossGeneratorSettings(head=kind, folds=3)
            whole, blind = (
                head_training.fit_calibrated_head(
                    experiment, images, features(images, array), options
                )
                for array in (values, spoilt)
            )
            assert np.array_equal(whole.scorer.weights, blind.scorer.weights)
            assert np.array_equal(whole.scorer.bias, blind.scorer.bias)
            assert whole.calibration == blind.calibration
            assert (
                whole.training_distribution.max_distance == blind.training_distribution.max_distance
            )


def test_a_searched_head_does_not_either_and_finds_the_difference(plan, capsys):
    images, experiments = plan
    values = (
        np.random.default_rng(0)
        .normal(size=(len(images.records), FEATURE_WIDTH))
        .astype(np.float32)
    )
    values[:, :8] += 3 * images.label[:, None]
    experiment = experiments[-1]
    allowed = images.rows(experiment.training_sources, "train", "validation")
    spoilt = np.full_like(values, 1e6)
    spoilt[allowed] = values[allowed]
    whole, blind = (
        head_training.fit_calibrated_head(
            experiment, images, features(images, array), CrossGeneratorSettings(head="search")
        )
        for array in (values, spoilt)
    )
    probabilities = whole.probabilities(values[:, None])
    assert np.array_equal(probabilities, blind.probabilities(values[:, None]))
    assert whole.calibration == blind.calibration
    assert roc_auc_score(images.label, probabilities) > 0.9
    assert "trial" not in capsys.readouterr().err


def features(images: SourceImages, values: np.ndarray) -> BaseFeatures:
    return BaseFeatures(
        FEATURE_COLUMNS,
        values[:, None],
        values[images.rows(images.sources, "train")][:, None],
        {},
    )


def test_a_cell_is_what_an_independent_computation_gives(evaluated, result):
    records = [
        record
        for record in manifest.read_manifest(evaluated)
        if record.source in ("camera", "scanner", "gan", "<i>net</i>")
    ]
    extractor = ToyExtractor(
        base_weights.find_base_weights("mobilenet_v2", "random"), (SIDE,), SIDE
    )
    x, judged = (
        feature_cache.load_or_compute_features(evaluated, records, extractor, views).values.astype(
            np.float64
        )
        for views in ([0], canonical.list_judgement_views())
    )
    x = x[:, 0]
    y = np.array([record.label == "generated" for record in records])
    known = np.array([record.source != "<i>net</i>" for record in records])
    in_split = {
        name: known & np.array([record.split == name for record in records])
        for name in splits.SPLITS
    }
    mean, variance = x[in_split["train"]].mean(axis=0), x[in_split["train"]].var(axis=0)
    x, judged = ((values - mean) / np.sqrt(variance + 1e-6) for values in (x, judged))
    model = LogisticRegression(max_iter=500).fit(x[in_split["train"]], y[in_split["train"]])
    qualities = range(judged.shape[1])
    logits = np.mean([model.decision_function(judged[:, view]) for view in qualities], axis=0)
    scores = 1 / (1 + np.exp(-logits))
    threshold = choose_threshold(scores[in_split["validation"]], y[in_split["validation"]], 0.05)
    row = next(row for row in result["one_generator_each"] if row["name"] == "gan")
    cell = next(cell for cell in row["cells"] if cell["tested_on"] == ["<i>net</i>"])
    tested = ~known | (in_split["hold-out"] & ~y)
    assert row["threshold"] == pytest.approx(threshold, abs=1e-3)
    assert cell["auc"]["value"] == pytest.approx(roc_auc_score(y[tested], scores[tested]))
    assert cell["tpr"]["value"] == pytest.approx(np.mean(scores[~known] >= threshold), abs=1e-5)
    assert (cell["images"], cell["photographs"], row["training_images"]) == (
        24,
        8,
        {"real": 32, "generated": 16},
    )


def test_false_alarms_are_counted_for_every_real_source(result):
    without = {row["name"]: row for row in result["leave_one_source_out"]}
    alarms = {alarm["source"]: alarm for alarm in without["camera"]["false_alarms"]}
    assert (alarms["camera"]["seen"], alarms["camera"]["images"]) == (
        False,
        4,
    )  # the twins' groups are known
    assert (alarms["scanner"]["seen"], alarms["scanner"]["images"]) == (True, 4)
    photographs = {
        name: without[name]["cells"][0]["photographs"]
        for name in ("gan", "scanner", "gan and camera", "gan and scanner")
    }
    assert photographs == {"gan": 8, "scanner": 24, "gan and camera": 4, "gan and scanner": 24}
    assert without["gan"]["trained_on"] == ["camera", "scanner", "<i>net</i>", "twins"]
    assert {name for name in without if " and " in name} >= {"gan and camera", "twins and scanner"}


def test_a_second_run_computes_no_feature_and_gives_the_same(folder, result, capsys):
    evaluate_cross_generator(settings(folder, leave_one_source_out=True))
    assert "mobilenet_v2: 0 forward passes" in capsys.readouterr().err
    again = json.loads((folder / "cross_generator" / "cross_generator.json").read_text())
    assert {
        key: again[key] for key in ("one_generator_each", "leave_one_source_out", "summary")
    } == {key: result[key] for key in ("one_generator_each", "leave_one_source_out", "summary")}
    assert (again["hold_out_opened"], list_openings(folder)) == (
        2,
        ["cross-generator", "cross-generator"],
    )


def test_an_interrupted_run_opens_nothing_and_carries_on(folder, monkeypatch, capsys):
    shutil.rmtree(folder / "features")
    monkeypatch.setattr(compute_features, "VIEWS_PER_CHUNK", 8)
    batches, stack = [], feature_cache.np.stack

    def interrupted(arrays, *more, **options):
        batches.append(len(arrays))
        if len(batches) == 20:
            raise KeyboardInterrupt
        return stack(arrays, *more, **options)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(feature_cache.np, "stack", interrupted)
        evaluate_cross_generator(settings(folder))
    assert list_openings(folder) == ["cross-generator"]
    n_saved = sum(len(np.load(path)["ids"]) for path in folder.glob("features/*/*.npz"))
    evaluate_cross_generator(settings(folder))
    assert f"mobilenet_v2: {320 - n_saved} forward passes" in capsys.readouterr().err
    assert 0 < n_saved < 120


def test_the_features_are_those_of_the_frozen_base(folder, plan, monkeypatch):
    monkeypatch.setattr(cross_generator, "Extractor", Extractor)
    images, weights = plan[0], base_weights.find_base_weights("mobilenet_v2", "random")
    few = replace(
        images,
        records=images.records[:12],
        source=images.source[:12],
        split=images.split[:12],
        group=images.group[:12],
    )
    data = replace(dataset.load_dataset(Path("data"), folder), folder=folder)
    computed = cross_generator.compute_base_features(
        data, few, weights, settings(folder, size=32, engine="keras")
    )
    cached = feature_cache.load_or_compute_features(
        folder,
        few.records,
        Extractor(weights, (32,), 32, "keras"),
        canonical.list_judgement_views(),
    )
    assert cached.forward_passes == 0  # the cache that training reads
    assert np.array_equal(cached.values, computed.judged)
    averaged = cross_generator.compute_base_features(
        data, few, weights, settings(folder, size=32, engine="keras", test_views=3)
    )
    three = feature_cache.load_or_compute_features(
        folder, few.records, Extractor(weights, (32,), 32, "keras"), range(3)
    )
    assert three.forward_passes == 0 and np.array_equal(averaged.judged, three.values)
    assert np.array_equal(averaged.views, computed.views)


def test_every_view_of_a_training_image_trains_with_its_label(plan):
    images, (experiment, *_) = plan
    rng = np.random.default_rng(1)
    train = images.rows(images.sources, "train")
    plain = rng.normal(size=(len(images.records), FEATURE_WIDTH)).astype(np.float32)
    views = rng.normal(size=(len(train), 3, FEATURE_WIDTH)) + images.label[train][:, None, None]
    base_features = replace(features(images, plain), views=views.astype(np.float32))
    head = head_training.fit_calibrated_head(
        experiment, images, base_features, CrossGeneratorSettings()
    )
    mask = np.isin(
        images.source[train],
        [images.sources.index(source) for source in experiment.training_sources],
    )
    x = np.concatenate([views[mask][:, view] for view in range(3)])
    y = np.tile(images.label[train][mask], 3)
    columns = np.concatenate([np.arange(c.start, c.stop) for c in FEATURE_COLUMNS if c.size == 32])
    mean, scale = x[:, columns].mean(axis=0), np.sqrt(x[:, columns].var(axis=0) + 1e-6)
    model = LogisticRegression(max_iter=500).fit((x[:, columns] - mean) / scale, y)
    assert np.allclose(head.scorer.weights[columns, 0], model.coef_[0] / scale, atol=1e-2)
    assert roc_auc_score(y, head.probabilities(x[:, None])) > 0.95


def test_more_views_are_of_training_images_only(folder, capsys):
    evaluate_cross_generator(settings(folder, views=2))
    assert "mobilenet_v2: 80 forward passes" in capsys.readouterr().err


def test_the_page_is_complete_in_itself_and_escapes_what_strangers_wrote(evaluated, result):
    text = (evaluated / "cross_generator" / "cross_generator.html").read_text()
    assert "default-src 'none'; style-src 'unsafe-inline'" in text
    assert not [
        word for word in ("<script", "http://", "https://", "src=", "<i>net") if word in text
    ]
    assert "&lt;i&gt;net&lt;/i&gt;" in text
    for row in result["one_generator_each"] + result["leave_one_source_out"]:
        for cell in row["cells"]:
            assert f"{cell['auc']['value']:.3f}" in text
    assert result["base"]["sha256"] in text and result["fingerprint"] in text
    assert f"--dataset {evaluated} --leave-one-source-out --size 64" in text


def test_axe_finds_nothing_serious_on_the_page(evaluated, browser):
    tab = browser.new_page()
    tab.goto((evaluated / "cross_generator" / "cross_generator.html").as_uri())
    assert find_accessibility_faults(tab) == []
    tab.close()


def test_what_cannot_be_computed_reads_n_a(plan):
    images, experiments = plan
    one_group = replace(
        images, group=np.zeros(len(images.records), dtype=int)
    )  # every image is of one group
    values = (
        np.random.default_rng(0)
        .normal(size=(len(images.records), FEATURE_WIDTH))
        .astype(np.float32)
    )
    outcome = outcomes.evaluate_experiment(
        experiments[0], one_group, features(one_group, values), CrossGeneratorSettings()
    )
    unseen = next(cell for cell in outcome.cells if not cell.seen)
    assert (unseen.images, unseen.left_out, str(unseen.auc), str(unseen.tpr)) == (
        0,
        24,
        "n/a (no generated images)",
        "n/a (no generated images)",
    )
    assert plain_json.convert_to_plain({"auc": [unseen.auc.value]}) == {"auc": [None]}
    assert results.summarise_outcomes([replace(outcome, cells=[unseen])]).worst is None


def test_tensorboard_shows_the_heat_map(evaluated):
    events = EventAccumulator(
        str(evaluated.parent / "logs" / "validation" / "cross-generator-many")
    ).Reload()
    assert "cross_generator/AUC" in events.Tags()["images"]
    assert len(events.Tags()["scalars"]) == 2


def test_one_generated_source_is_an_error_of_one_sentence(folder):
    collect_records(
        folder,
        [record for record in manifest.read_manifest(folder) if record.source in ("camera", "gan")],
    )
    with pytest.raises(
        console.PlainError,
        match=r"^Cross-generator evaluation needs two generated sources with enough images; "
        r"[^.]+\.$",
    ):
        evaluate_cross_generator(settings(folder))
    assert list_openings(folder) == []


def test_a_source_with_too_few_images_is_named_and_left_out(folder, capsys):
    few = [
        record
        for record in manifest.read_manifest(folder)
        if record.source != "gan" or record.split != "train"
    ]
    collect_records(
        folder,
        few + [record for record in manifest.read_manifest(folder) if record.source == "gan"][:3],
    )
    evaluate_cross_generator(settings(folder, leave_one_source_out=True))
    assert (
        "gan (generated) is left out; it has too few images: 3 in train (at least 10)"
        in capsys.readouterr().err
    )
    again = json.loads((folder / "cross_generator" / "cross_generator.json").read_text())
    assert [row["name"] for row in again["one_generator_each"]] == ["<i>net</i>", "twins"]
    assert not any("gan" in row["trained_on"] for row in again["leave_one_source_out"])


def test_an_altered_hold_out_is_an_error_and_stays_sealed(folder):
    records = manifest.read_manifest(folder)
    manifest.replace_records(folder, [record for record in records if record is not records[5]])
    with pytest.raises(console.PlainError, match="The hold-out is not the one recorded") as error:
        evaluate_cross_generator(settings(folder))
    assert (error.value.exit_code, list_openings(folder)) == (
        console.EXIT_LEAK,
        ["cross-generator"],
    )


def test_images_in_quarantine_take_no_part(plan):
    images, _ = plan
    moved = [
        replace(record, split=splits.QUARANTINE) if n % 6 == 5 and n > 6 else record
        for n, record in enumerate(images.records)
    ]
    assert set(
        select_source_images(
            [*images.records, *[r for r in moved if r.split == splits.QUARANTINE]]
        ).split
    ) == set(splits.SPLITS)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--target-fpr", "0.7"], "--target-fpr is 0.7; choose a share"),
        (["--size", "33"], "--size is 33; mobilenet_v2 takes multiples of 32"),
        (["--base", "clip_vit_b16", "--size", "320"], "--size is 320; clip_vit_b16 takes 224 only"),
        (
            ["--base", "clip_vit_b16", "--signals", "picture", "residual"],
            "--signals has residual; clip_vit_b16 takes picture",
        ),
        (["--folds", "1"], "--folds is 1; take 0 for none"),
        (
            ["--history-control"],
            "--history-control needs heads that have not seen a source; add --leave-one-source-out",
        ),
        (
            ["--signals", "residual", "residual"],
            "--signals is residual residual; name each signal once",
        ),
        (["--strength", "0"], "--strength is 0.0; choose a number above 0"),
        (
            ["--head", "search", "--taps", "early"],
            "--head search chooses its taps itself; leave --taps out",
        ),
    ],
)
def test_mistakes_are_answered_in_one_sentence(words, sentence, tmp_path):
    completed = run_command("validation", "cross-generator", *words, cwd=tmp_path)
    assert completed.returncode == 2
    assert sentence in " ".join(completed.stderr.replace("│", " ").split())
    assert "Traceback" not in completed.stderr


def test_a_data_set_that_is_not_there_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    told = r"nowhere holds no data set\. data holds none; run python -m data_collection first"
    with pytest.raises(console.PlainError, match=told):
        evaluate_cross_generator(settings(tmp_path / "nowhere"))


def test_help_needs_no_heavy_library():
    program = (
        "import sys, validation.cross_generator.settings\n"
        "print([n for n in ('keras', 'torch', 'sklearn') if n in sys.modules])"
    )
    assert (
        subprocess.run(
            [sys.executable, "-c", program], cwd=REPOSITORY_ROOT, capture_output=True, text=True
        ).stdout
        == "[]\n"
    )


def test_the_history_control_gives_each_class_the_processing_of_the_other(folder, capsys):
    evaluate_cross_generator(settings(folder, leave_one_source_out=True, history_control=True))
    # 48 photographs as PNG files of two generators and as JPEGs of the third, 72 generated images
    # as JPEGs of both cameras
    assert f"mobilenet_v2: {2 * (48 + 48 + 72)} forward passes" in capsys.readouterr().err
    again = json.loads((folder / "cross_generator" / "cross_generator.json").read_text())
    rows = {row["name"]: row for row in again["leave_one_source_out"]}
    reprocessed = rows["nothing"]["reprocessed"]
    assert {(row["source"], row["label"]) for row in reprocessed} == set(SOURCES.items())
    for row in reprocessed:
        assert row["processing"].startswith("96 px")
        assert row["share_after"] - row["share_before"] == pytest.approx(row["change"]["value"])
    text = (folder / "cross_generator" / "cross_generator.html").read_text()
    assert "History control" in text and "96 px, JPEG" in text
    assert [line for line in text.splitlines() if line.startswith("<li>History control")]
    assert all(row["reprocessed"] == [] for row in again["one_generator_each"])


def test_nothing_left_out_is_tested_on_the_hold_out_alone(result):
    row = next(row for row in result["leave_one_source_out"] if row["name"] == "nothing")
    assert row["trained_on"] == ["camera", "scanner", "<i>net</i>", "gan", "twins"]
    assert all(cell["seen"] for cell in row["cells"])
