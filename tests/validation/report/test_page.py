"""The page escapes what strangers wrote, loads nothing, and covers useless detectors, too."""

import dataclasses
import json
import re
from pathlib import Path

import numpy as np
import pytest

from data_collection.audit.audit import SizeAudit
from data_collection.dataset.manifest import FaceRecord
from toys.accessibility import find_accessibility_faults
from training.detectors import card as detector_card
from validation.data.evaluation_set import EvaluationSet, TrainingOverlap
from validation.explanations.explain import Explanations
from validation.explanations.heat_maps import HeatMapChecks
from validation.explanations.image_panels import ImagePanel
from validation.explanations.negative_controls import SourcePairControl
from validation.metrics import abstention, breakdowns
from validation.metrics.comparison import DetectorResult, compare_detectors
from validation.metrics.estimates import estimate_metrics
from validation.metrics.scored_images import ScoredImages
from validation.report import figures, model_card, report_files, summary
from validation.report import page as report_page
from validation.report.report import ValidationReport

EVIL = '<script>alert("x")</script>'


@pytest.fixture
def card(workplace) -> detector_card.Card:
    return detector_card.read_card(workplace / "saved_models" / "toy")


def make_report(card, probabilities: np.ndarray, labels: np.ndarray, **more) -> ValidationReport:
    scored = ScoredImages(
        probabilities, labels, np.arange(len(labels)), 0.5, card.calibration.point
    )
    results = [DetectorResult(card.name, scored, estimate_metrics(scored, replicates=20))]
    data = EvaluationSet(
        name="photos",
        folder=Path("."),
        records=[],
        rejected=[(f"{EVIL}.jpg", "not an image")],
        overlap=TrainingOverlap(compared=5, files=[], groups=[], near_duplicates=[]),
    )
    abstentions = abstention.compute_abstention_statistics(scored)
    fields = {
        "summary": summary.summarise_validation(data, results[0], [], abstentions, None, None),
        "comparisons": [],
        "breakdowns": [],
        "abstentions": abstentions,
        "most_wrong": {},
        "explanations": Explanations(unavailable="It was left out."),
        "source_pairs": [],
        "limits": [EVIL],
        "command": f"python -m validation --data {EVIL}",
        "figures": figures.plot_report_figures(results[:1], card.calibration),
    }
    return ValidationReport(card=card, data=data, results=results, **{**fields, **more})


HALF = np.arange(40) % 2
NOISE = np.random.default_rng(0).random(40)


def test_page_and_model_card_name_every_base(card):
    more = dataclasses.replace(card.base, name="clip_vit_b16", note="rounded to int8")
    report = make_report(dataclasses.replace(card, more_bases=(more,)), NOISE, HALF)
    text = model_card.render_model_card(report)
    assert 'base_model: ["mobilenet_v2", "clip_vit_b16"]' in text
    assert "- Base: clip_vit_b16, rounded to int8." in text
    page = report_page.render_report_page(report)
    assert "<dd>mobilenet_v2: " in page and "<dd>clip_vit_b16: rounded to int8</dd>" in page
    assert 'base_model: "mobilenet_v2"\n' in model_card.render_model_card(
        make_report(card, NOISE, HALF)
    )


def test_nothing_that_strangers_wrote_becomes_part_of_the_page(card):
    panel = ImagePanel(
        id="0" * 64,
        label="real",
        source=EVIL,
        file=EVIL,
        probability=0.9,
        verdict="generated",
        wrong=True,
        jpeg=b"jpeg",
    )
    report = make_report(
        dataclasses.replace(
            card, name=EVIL, banner=EVIL, base=dataclasses.replace(card.base, note=EVIL)
        ),
        NOISE,
        HALF,
        most_wrong={"real": [panel]},
        source_pairs=[
            SourcePairControl(
                EVIL,
                EVIL,
                estimate_metrics(ScoredImages(NOISE, HALF, np.arange(40), 0.5), ["ROC AUC"], 20)[
                    "ROC AUC"
                ],
            )
        ],
        audit=SizeAudit(
            size=224,
            status="GREEN",
            sentence=EVIL,
            as_trained=[],
            placebo=[],
            confirmations=[],
        ),
    )
    page = report_page.render_report_page(report)
    assert "<script" not in page and page.count("&lt;script&gt;") >= 8
    assert re.findall(r'(?:src|href)="(?!data:|#)', page) == []
    assert "default-src 'none'" in page


@pytest.mark.parametrize(
    ("probabilities", "labels", "sentence"),
    [
        (np.full(40, 0.3), HALF, "the same probability"),
        (NOISE, np.zeros(40, int), "nothing about this class can be said"),
        (NOISE, np.ones(40, int), "nothing about this class can be said"),
        (HALF.astype(float), HALF, "(no interval: resampling would add"),
    ],
    ids=["constant", "photographs alone", "generated alone", "perfect"],
)
def test_a_page_and_its_numbers_can_be_written_for_any_detector(
    card, tmp_path, probabilities, labels, sentence
):
    report = make_report(card, probabilities, labels)
    page = report_page.write_report(report, tmp_path).read_text()
    assert sentence in page and "nan" not in re.sub(r"base64,[^\"]*", "", page)
    numbers = json.loads((tmp_path / "metrics.json").read_text())
    assert sum(numbers["detectors"][card.name]["confusion"].values()) == 40
    assert numbers["evaluation_set"]["rejected"] == [
        {"file": f"{EVIL}.jpg", "reason": "not an image"}
    ]


def test_maps_that_fail_a_check_are_not_shown_and_the_page_says_why(card):
    page = report_page.render_report_page(
        make_report(
            card, NOISE, HALF, explanations=Explanations(checks=HeatMapChecks(64, 0.5, 0.1))
        )
    )
    assert "Heat maps: not shown" in page and "none is shown" in page and "50.0%" in page


def test_a_detector_that_sees_where_a_photograph_is_from_is_reported(card):
    scored = ScoredImages(
        np.r_[NOISE[:20] / 2, NOISE[20:] / 2 + 0.5], np.repeat([0, 1], 20), np.arange(40), 0.5
    )
    auc = estimate_metrics(scored, ["ROC AUC"], 50)["ROC AUC"]
    page = report_page.render_report_page(
        make_report(card, NOISE, HALF, source_pairs=[SourcePairControl("kaggle", "own", auc)])
    )
    assert "not chance level" in page


def test_no_figure_of_a_report_contradicts_another(card, tmp_path):
    """One false alarm among 29 photographs allows an FPR of .18, so of balanced accuracy .91."""
    labels = np.repeat([0, 1], 29)
    probabilities = labels * 0.9 + 0.05
    probabilities[0] = 0.9
    report = make_report(card, probabilities, labels)
    report_page.write_report(report, tmp_path)
    numbers = json.loads((tmp_path / "metrics.json").read_text())
    metrics = numbers["detectors"][card.name]["metrics"]
    tpr, fpr, balanced = (metrics[name] for name in ("TPR", "FPR", "balanced accuracy"))
    worst, best = (tpr["low"] + 1 - fpr["high"]) / 2, (tpr["high"] + 1 - fpr["low"]) / 2
    assert worst <= balanced["low"] <= (1 + 1 - fpr["high"]) / 2 and balanced["high"] < best + 1e-5
    row = f"| balanced accuracy | {report.estimates['balanced accuracy']} |"
    assert row in model_card.render_model_card(report)
    assert f"({balanced['low']:.3f} to {balanced['high']:.3f})" in row


def test_a_report_of_few_groups_says_why_a_figure_has_no_interval(card, tmp_path):
    labels = np.repeat([0, 1], [19, 40])
    report = make_report(card, labels * 0.9 + 0.05, labels)
    page = report_page.write_report(report, tmp_path).read_text()
    reason = "no interval: 19 groups of photographs, 20 needed"
    assert reason in page and reason in model_card.render_model_card(report)
    metrics = json.loads((tmp_path / "metrics.json").read_text())["detectors"][card.name]["metrics"]
    assert metrics["FPR"]["high"] < 0.2 and metrics["MCC"]["low"] is None
    assert metrics["MCC"]["reason"] == "19 groups of photographs, 20 needed"


def make_report_with_breakdowns(card) -> ValidationReport:
    records = [
        FaceRecord(
            id=str(number),
            label="generated" if label else "real",
            source=("rare" if number > 195 else "sd" if number % 4 == 1 else "gan")
            if label
            else "<i>kaggle",
            file="",
            status="accepted",
            format="PNG",
            width=512,
            height=512,
        )
        for number, label in enumerate(np.arange(200) % 2)
    ]
    labels = np.arange(200) % 2
    scored = ScoredImages(np.random.default_rng(0).random(200), labels, np.arange(200), 0.5)
    shown = breakdowns.compute_breakdowns(records, scored)
    return make_report(card, scored.probabilities, labels, breakdowns=shown)


def test_a_breakdown_shows_large_subgroups_and_counts_small_ones(card):
    page = report_page.render_report_page(make_report_with_breakdowns(card))
    assert "By source: worst is" in page and "&lt;i&gt;kaggle" in page
    assert "1 more subgroup with 2 images in all is too small." in page


def test_axe_finds_nothing_serious_on_the_page_and_the_figures_come_first(card, browser, tmp_path):
    path = report_page.write_report(make_report_with_breakdowns(card), tmp_path)
    tab = browser.new_page(viewport={"width": 390, "height": 844})
    tab.goto(path.as_uri())
    tab.locator("details").evaluate_all("all => all.forEach(each => each.open = true)")
    assert find_accessibility_faults(tab) == []
    tiles = [tile.split("\n")[0] for tile in tab.locator(".tiles li").all_inner_texts()]
    assert len(tiles) == 4 and all(re.fullmatch(r"[0-9.]+%?", tile) for tile in tiles)
    assert tab.evaluate("document.documentElement.scrollWidth") <= 390
    tab.close()


def test_a_comparison_is_described_in_words(card):
    first, second = (
        ScoredImages(probabilities, HALF, np.arange(40), 0.5)
        for probabilities in (NOISE, 0.3 * NOISE + 0.7 * HALF)
    )
    page = report_page.render_report_page(
        make_report(
            card, NOISE, HALF, comparison=compare_detectors(("toy", "other"), first, second, 50)
        )
    )
    assert "toy is worse than other by" in page and "Exact McNemar test: p = " in page


def test_limits_are_read_back_from_the_file_that_holds_them(card, tmp_path):
    assert report_files.load_limits(tmp_path) == []
    report = make_report(card, NOISE, HALF)
    report_page.write_report(report, tmp_path / report_files.REPORT_FOLDER)
    assert report_files.load_limits(tmp_path) == [EVIL]


def test_nothing_of_a_strangers_card_becomes_markup_of_the_model_card(card):
    evil = f"{EVIL} [click](javascript:x) ![a](http://h/p.png)\n# a `b` | c"
    strange = dataclasses.replace(
        card, name=evil, banner=evil, base=dataclasses.replace(card.base, note=evil)
    )
    report = make_report(strange, np.linspace(0, 1, 8), np.tile([0, 1], 4))
    text = model_card.render_model_card(dataclasses.replace(report, limits=[evil]))
    body = text.partition("---\n")[2].partition("---\n")[2]
    assert "<" not in body and body.count("&lt;script&gt;") >= 4
    assert not re.search(r"(?<!\\)\](\(|:)", body) and "\n# a" not in body
    assert f"- {model_card.escape_markdown(evil)}" in body


def test_the_model_card_is_yaml_in_front_and_holds_no_picture(card):
    import yaml

    text = model_card.render_model_card(
        make_report(dataclasses.replace(card, name='a "name": {x}'), NOISE, HALF)
    )
    _, front, body = text.split("---\n", 2)
    metadata = yaml.safe_load(front)
    assert metadata["model-index"][0]["name"] == 'a "name": {x}'
    values = {
        metric["type"]: metric["value"]
        for metric in metadata["model-index"][0]["results"][0]["metrics"]
    }
    assert 0 <= values["roc_auc"] <= 1
    assert "## Do not use it for" in body and "![" not in body and "data:" not in body
