"""README.md beside a saved detector: a model card for the Hugging Face hub, without pictures."""

import html
import json
import re

from data_collection.dataset.manifest import LABELS
from training.detectors.card import Card
from validation.data.evaluation_set import EvaluationSet
from validation.metrics.metrics import FALSE_ALARMS, FOUND
from validation.report.report import ValidationReport
from validation.sharing.sentences import describe_sharing

MODEL_CARD_METRICS = (
    FALSE_ALARMS,
    FOUND,
    "ROC AUC",
    "balanced accuracy",
    "TPR",
    "FPR",
    "average precision",
    "EER",
    "ECE",
)
HUB_METRIC_NAMES = {
    "ROC AUC": "roc_auc",
    "balanced accuracy": "balanced_accuracy",
    "average precision": "average_precision",
}


_MARKUP = re.compile(r"[\\`\[\]|]|[&<>]|\s+")


def render_model_card(report: ValidationReport) -> str:
    """Render README.md, the model card of the Hugging Face hub."""
    card = report.card
    lines = [
        *_render_front_matter(report),
        f"# {escape_markdown(card.name)}",
        "",
        *([f"> **{escape_markdown(card.banner)}**", ""] if card.banner else []),
        "Tells AI-generated faces from photographs. Made with Telltale.",
        "",
        *_render_performance(report),
        "## Do not use it for",
        "",
        *(f"- {escape_markdown(limit)}" for limit in report.limits),
        "",
        *_render_usage(report),
        *_render_provenance(report),
    ]
    return "\n".join(lines)


def escape_markdown(text: str) -> str:
    """Return text of a card for one line of Markdown: no HTML, link, code, column or line break.

    A card may be a stranger's, and the page is published.
    """

    def escape(match: re.Match[str]) -> str:
        character = match[0]
        if character.isspace():
            return " "
        return html.escape(character) if character in "&<>" else f"\\{character}"

    return _MARKUP.sub(escape, text)


def _render_performance(report: ValidationReport) -> list[str]:
    # A card goes without the sentences that an outside detector's figures need beside them.
    outside = report.outside and report.outside.result
    results = [result for result in report.results if result is not outside]
    names = " | ".join(escape_markdown(result.name) for result in results)
    rows = (
        f"| {name} | {' | '.join(str(result.estimates[name]) for result in results)} |"
        for name in MODEL_CARD_METRICS
    )
    shared = describe_sharing(report.sharing) if report.sharing else []
    sentences = (*report.summary, *shared, *report.statement.list_sentences())
    return [
        "## What it can do",
        "",
        *(f"{escape_markdown(sentence)}\n" for sentence in sentences),
        f"| metric on {escape_markdown(report.data.name)}, 95% interval | {names} |",
        "|---|" + "---|" * len(results),
        *rows,
        "",
    ]


def _render_usage(report: ValidationReport) -> list[str]:
    card = report.card
    qualities, side = len(card.qualities), card.image_size
    return [
        "## How to use it",
        "",
        f"Pixels of 0 to 255, {side} px square, in; the probability of "
        f"*generated* out, if half of all images were. An image is judged at the JPEG qualities "
        f"{', '.join(map(str, card.qualities))}, and has an answer if all agree on it: "
        f"{card.calibration.point.describe()}",
        "",
        "The model scales pixels, and does nothing else to an image. Cut, resized and compressed "
        "in another way than `prepare` does it, an image gets another answer. `prepare` is part of "
        "Telltale (`pip install .` in its repository) and needs no TensorFlow; in this folder:",
        "",
        "```python",
        "import keras",
        "from scipy.special import expit, logit",
        "from telltale import prepare",
        "",
        f'pixels = prepare("photo.jpg", ".")  # float32 ({qualities}, {side}, {side}, 3), 0 to 255',
        'answers = keras.saving.load_model("detector.keras").predict(pixels)',
        'print(expit(logit(answers.clip(1e-7, 1 - 1e-7)).mean()))  # probability of "generated"',
        "```",
        "",
    ]


def _render_provenance(report: ValidationReport) -> list[str]:
    card = report.card
    counts = ", ".join(
        f"{part}: {' and '.join(f'{images[label]:,} {label}' for label in LABELS)}"
        for part, images in card.dataset.images.items()
    )
    return [
        "## How it was made",
        "",
        *(f"- Base: {base.name}, {escape_markdown(base.note)}." for base in card.bases),
        f"- Search: {card.search.trials} trials of {escape_markdown(card.search.tuner)}.",
        f"- Images: {counts}. Fingerprint of the data set: `{card.dataset.fingerprint[:16]}`.",
        *_describe_hold_out(report.data),
        f"- Libraries: {escape_markdown(', '.join(map(' '.join, card.versions.items())))}.",
        "",
    ]


def _describe_hold_out(data: EvaluationSet) -> list[str]:
    if not data.hold_out_openings:
        return []
    separation = (
        "near-duplicates that were found, and prompts, persons and seeds where they are known, "
        "never cross a split"
    )
    return [f"- Hold-out: opened {data.hold_out_openings[0]} times; {separation}."]


def _render_front_matter(report: ValidationReport) -> list[str]:
    """Render the hub's metadata in YAML. JSON strings are valid YAML strings for any name."""
    results = [(HUB_METRIC_NAMES[name], report.estimates[name].value) for name in HUB_METRIC_NAMES]
    return [
        "---",
        "library_name: keras",
        "pipeline_tag: image-classification",
        "tags: [deepfake-detection, ai-generated-image-detection, faces, telltale]",
        f"base_model: {_render_base_names(report.card)}",
        "model-index:",
        f"- name: {json.dumps(report.card.name)}",
        "  results:",
        "  - task: {type: image-classification}",
        f"    dataset: {{type: image-folder, name: {json.dumps(report.data.name)}}}",
        "    metrics:",
        *(
            f"    - {{type: {name}, value: {value:.4f}}}"
            for name, value in results
            if value == value
        ),
        "---",
        "",
    ]


def _render_base_names(card: Card) -> str:
    names = [base.name for base in card.bases]
    return json.dumps(names if card.more_bases else names[0])
