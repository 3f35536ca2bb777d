"""Render docs/generalisation-tables.md for `python -m benchmarks.studies.generalisation`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks import measuring
from validation.cross_generator.plan import NOTHING_LEFT_OUT

INTRODUCTION_TEXT = """# Unseen generators: the tables

[The page](generalisation.md) says in short what they show.

    {command}

wrote this page; `python -m validation cross-generator --leave-one-source-out` measures any single
recipe on your own data set. Each head is trained on cached features of a frozen base without the
source that it is tested on, and is linear unless the table says otherwise. AUC with its 95%
interval by bootstrap over groups: .5 is chance level; below .5 the head rates generated images as
more real than photographs. Photographs of known sources are those of the hold-out. The threshold
is for 5% false alarms, set on training and validation images by heads that were not trained on
them (five folds). The face crops are a data set of their own, without images that show no single
face or only a small one, so rows of different crops also differ in their test images and splits.
"""

COMBINED_TEXT = """## Combined changes

Face crops, balanced sources, the strong penalty and one output per generator, except where the
name says otherwise.
"""

SEARCH_TEXT = """## Heads from training's search

`python -m training --bases mobilenet_v2`: heads searched on the known generators, with one output
per generator, ensembles of five, two views of every training image; the last row is the default.
Its threshold is set on the validation images alone, so its false alarms vary more.
"""

UNFROZEN_TEXT = """## Unfrozen blocks

MobileNetV2 from block 14 upwards, trained together with one linear head on all taps that starts
from ridge regression; the epoch with the lowest validation loss counts. Threshold as in the search.
"""

SMALL_IMAGES_TEXT = """## Another GAN, at 64 px

All sources again at 64 px, the size of the sample's DCGAN faces; the laboratory photographs that
come with them are a third real source. Without reconstructions.
"""

CHOICES_TEXT = """## Chosen without the generator that tests it

The chosen recipe has the best mean of two values: the AUC on each *other* generator when that was
left out as well, and the AUC on the known ones; both on training and validation images only. The
last column shows whether this criterion works: the rank correlation (Spearman), over all recipes,
of that mean with the AUC on the generator left out.
"""

REAL_SOURCES_TEXT = """## A real source left out, too

AUC against photographs of an unseen source, and the share of those that is called generated.
"""

HISTORY_TEXT = """## The same faces in other files

Test images are given the size and JPEG quality of the other class's sources. The table shows the
largest change, over all heads of a recipe, in the share that is called generated.
"""

ABSTENTION_TEXT = """## Out-of-distribution images

Images of the generator left out that are called real outside the abstention band, before and after
out-of-distribution images get *can't tell*; and the share of the hold-out's known photographs that
get no verdict as a result.
"""


@dataclass(frozen=True)
class PageSections:
    """Names of the recipes in every section of the page."""

    single_changes: Sequence[str]
    combined: Sequence[str]
    search: Sequence[str]
    unfrozen: Sequence[str]


def render_generalisation_page(
    command: str,
    rows: Mapping[str, dict],
    sections: PageSections,
    small_rows: Mapping[str, dict],
    choices: Mapping[str, str],
) -> str:
    """Render all tables as Markdown.

    Args:
        rows: figures of every recipe, by its name.
        small_rows: figures of the recipes for small images; empty to leave the section out.
        choices: the chosen recipe for every generator left out.
    """
    start = sections.single_changes[0]
    generators = list(rows[start]["inner"])
    compared = [start, *dict.fromkeys(choices.values())]
    parts = [
        INTRODUCTION_TEXT.format(command=command),
        _describe_sources(rows[start]),
        "## One change at a time\n",
        _render_aucs({name: rows[name] for name in sections.single_changes}, generators),
        COMBINED_TEXT,
        _render_aucs({name: rows[name] for name in sections.combined}, generators),
        SEARCH_TEXT,
        _render_aucs({name: rows[name] for name in sections.search}, generators),
        UNFROZEN_TEXT,
        _render_aucs({name: rows[name] for name in sections.unfrozen}, generators),
        *_render_small_images(small_rows),
        CHOICES_TEXT,
        _render_choices(rows, choices, start),
        REAL_SOURCES_TEXT,
        _render_real_sources(rows, compared),
        HISTORY_TEXT,
        _render_history(rows),
        ABSTENTION_TEXT,
        _render_abstention(rows, compared, generators),
    ]
    return "\n".join(parts)


def _render_small_images(rows: Mapping[str, dict]) -> list[str]:
    if not rows:
        return []
    first = next(iter(rows.values()))
    cells = find_outcome(first, NOTHING_LEFT_OUT)["cells"]
    generators = [cell["tested_on"][0] for cell in cells]
    return [SMALL_IMAGES_TEXT, _describe_sources(first), _render_aucs(rows, generators)]


def find_outcome(row: dict, name: str) -> dict:
    return next(outcome for outcome in row["outcomes"] if outcome["name"] == name)


def format_number(value: float | None, digits: int = 3) -> str:
    return "n/a" if value is None else f"{value:.{digits}f}".replace("0.", ".", 1)


def format_estimate(estimate: dict, digits: int = 3) -> str:
    if estimate["value"] is None or estimate["low"] is None:
        return format_number(estimate["value"], digits)
    low, high = format_number(estimate["low"], 2), format_number(estimate["high"], 2)
    return f"{format_number(estimate['value'], digits)} ({low} to {high})"


def _describe_sources(row: dict) -> str:
    known, counts = find_outcome(row, NOTHING_LEFT_OUT), []
    for cell in known["cells"]:
        left_out = find_outcome(row, cell["tested_on"][0])["cells"][0]
        counts.append(f"{left_out['images']} of {cell['tested_on'][0]}")
    photographs = known["cells"][0]["photographs"]
    return f"Left out, {', '.join(counts)} are tested against {photographs} photographs.\n"


def _render_aucs(rows: Mapping[str, dict], generators: Sequence[str]) -> str:
    first = next(iter(rows.values()))
    real_sources = [alarms["source"] for alarms in first["outcomes"][0]["false_alarms"]]
    headings = [
        "recipe",
        *(f"{generator} left out" for generator in generators),
        "known, in this order",
        *(f"false alarms, {source} left out" for source in real_sources),
    ]
    lines = []
    for name, row in rows.items():
        known_cells = find_outcome(row, NOTHING_LEFT_OUT)["cells"]
        aucs = [find_outcome(row, generator)["cells"][0]["auc"] for generator in generators]
        false_positive_rates = [
            next(
                alarms["fpr"]
                for alarms in find_outcome(row, source)["false_alarms"]
                if alarms["source"] == source
            )
            for source in real_sources
        ]
        lines.append(
            [
                name,
                *map(format_estimate, aucs),
                " ".join(format_number(cell["auc"]["value"]) for cell in known_cells),
                *(format_estimate(rate, 2) for rate in false_positive_rates),
            ]
        )
    return measuring.render_markdown_table(headings, lines)


def _render_choices(rows: Mapping[str, dict], choices: Mapping[str, str], start: str) -> str:
    lines = []
    for generator, name in choices.items():
        start_cell, chosen_cell = (
            find_outcome(rows[recipe], generator)["cells"][0] for recipe in (start, name)
        )
        lines.append(
            [
                generator,
                name,
                format_estimate(start_cell["auc"]),
                format_estimate(chosen_cell["auc"]),
                format_estimate(chosen_cell["tpr"], 2),
                f"{compute_rank_correlation(rows, generator):+.2f}",
            ]
        )
    headings = [
        "left out",
        "chosen",
        f"{start}: AUC",
        "chosen: AUC",
        "detected at the threshold",
        "rank correlation",
    ]
    return (
        measuring.render_markdown_table(headings, lines)
        + f"\nBest for all of them together: {find_best_recipe(rows)}.\n"
    )


def compute_rank_correlation(rows: Mapping[str, dict], generator: str) -> float:
    """Return the rank correlation, over recipes, of the score without a generator and the AUC on
    it."""
    from scipy.stats import spearmanr

    pairs = [
        (row["inner"][generator], find_outcome(row, generator)["cells"][0]["auc"]["value"])
        for row in rows.values()
        if row["inner"]
    ]
    return float(spearmanr(*zip(*pairs, strict=True)).statistic)


def find_best_recipe(rows: Mapping[str, dict]) -> str:
    """Return the recipe with the best mean score over all generators."""
    return max(rows, key=lambda name: sum(rows[name]["inner"].values()))


def _render_real_sources(rows: Mapping[str, dict], names: Sequence[str]) -> str:
    lines = []
    for name in names:
        for outcome in rows[name]["outcomes"]:
            alarms = [alarms for alarms in outcome["false_alarms"] if not alarms["seen"]]
            if not alarms or len(outcome["cells"]) != 1:
                continue
            (cell,) = outcome["cells"]
            if not cell["seen"] and len(cell["tested_on"]) == 1:
                rates = format_estimate(cell["tpr"], 2), format_estimate(alarms[0]["fpr"], 2)
                lines.append([name, outcome["name"], format_estimate(cell["auc"]), *rates])
    return measuring.render_markdown_table(
        ["recipe", "left out", "AUC", "detected", "false alarms"], lines
    )


def _render_history(rows: Mapping[str, dict]) -> str:
    lines = []
    for name, row in rows.items():
        reprocessed_sources = [
            (outcome, reprocessed)
            for outcome in row["outcomes"]
            for reprocessed in outcome["reprocessed"]
            if reprocessed["change"]["low"] is not None
        ]
        outcome, reprocessed = max(
            reprocessed_sources, key=lambda pair: abs(pair[1]["change"]["value"])
        )
        images = "photographs" if reprocessed["label"] == "generated" else "generated images"
        change = reprocessed["change"]
        lines.append(
            [
                name,
                outcome["name"],
                f"{images}, as {reprocessed['source']} ({reprocessed['processing']})",
                f"{change['value']:+.2f} ({change['low']:+.2f} to {change['high']:+.2f})",
            ]
        )
    return measuring.render_markdown_table(
        ["recipe", "left out", "reprocessed images", "change"], lines
    )


def _render_abstention(
    rows: Mapping[str, dict], names: Sequence[str], generators: Sequence[str]
) -> str:
    lines = []
    for name in names:
        known = find_outcome(rows[name], NOTHING_LEFT_OUT)["false_alarms"]
        photographs = ", ".join(
            f"{alarms['source']} "
            f"{format_estimate(alarms['confident_errors']['out_of_distribution'], 2)}"
            for alarms in known
        )
        for generator in generators:
            errors = find_outcome(rows[name], generator)["cells"][0]["confident_errors"]
            lines.append(
                [
                    name,
                    generator,
                    format_estimate(errors["wrong"], 2),
                    format_estimate(errors["wrong_in_distribution"], 2),
                    photographs,
                ]
            )
    return measuring.render_markdown_table(
        [
            "recipe",
            "left out",
            "called real",
            "called real, in distribution",
            "photographs out of distribution",
        ],
        lines,
    )
