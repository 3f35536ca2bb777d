"""README.md beside a saved detector: a model card as the Hugging Face hub shows it, without any
picture."""

import json

from data_collection.dataset.manifest import LABELS
from validation.data.evaluation_set import EvaluationSet
from validation.report.report import ValidationReport

MODEL_CARD_METRICS = (
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


def render_model_card(report: ValidationReport) -> str:
    card, data, band = report.card, report.data, report.card.calibration
    counts = ", ".join(
        f"{part}: {' and '.join(f'{images[label]:,} {label}' for label in LABELS)}"
        for part, images in card.dataset.images.items()
    )
    lines = [
        *_render_front_matter(report),
        f"# {card.name}",
        "",
        *([f"> **{card.banner}**", ""] if card.banner else []),
        "Tells AI-generated faces from photographs. Made with Telltale.",
        "",
        "## What it can do",
        "",
        *(f"{sentence}\n" for sentence in report.verdict),
        f"| metric on {data.name}, 95% interval | "
        + " | ".join(each.name for each in report.verdicts)
        + " |",
        "|---|" + "---|" * len(report.verdicts),
        *(
            f"| {name} | "
            + " | ".join(str(each.estimates[name]) for each in report.verdicts)
            + " |"
            for name in MODEL_CARD_METRICS
        ),
        "",
        "## Do not use it for",
        "",
        *(f"- {limit}" for limit in report.limits),
        "",
        "## How to use it",
        "",
        f"Pixels of 0 to 255, {card.image_size} px square, in; the probability of *generated* out. Under {band.real_below:.3f} "
        f"the answer is real, from {band.generated_above:.3f} on generated, and “can't tell” between.",
        "",
        "```python",
        "import keras",
        'detector = keras.saving.load_model("detector.keras")',
        "```",
        "",
        "## How it was made",
        "",
        f"- Base: {card.base.name}, {card.base.note}.",
        f"- Search: {card.search.trials} trials of {card.search.tuner}.",
        f"- Images: {counts}. Fingerprint of the data set: `{card.dataset.fingerprint[:16]}`.",
        *_describe_hold_out(data),
        f"- Libraries: {', '.join(map(' '.join, card.versions.items()))}.",
        "",
    ]
    return "\n".join(lines)


def _describe_hold_out(data: EvaluationSet) -> list[str]:
    if not data.opened:
        return []
    kept = (
        "near-duplicates, and prompts, persons and seeds where they are known, never cross a split"
    )
    return [f"- Hold-out: opened {data.opened[0]} times; {kept}."]


def _render_front_matter(report: ValidationReport) -> list[str]:
    """The hub's metadata in YAML; JSON strings are YAML strings, whatever a name holds."""
    results = [(HUB_METRIC_NAMES[name], report.estimates[name].value) for name in HUB_METRIC_NAMES]
    return [
        "---",
        "library_name: keras",
        "pipeline_tag: image-classification",
        "tags: [deepfake-detection, ai-generated-image-detection, faces, telltale]",
        f"base_model: {json.dumps(report.card.base.name)}",
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
