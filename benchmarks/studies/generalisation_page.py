"""docs/generalisation.md: the tables of `python -m benchmarks.studies.generalisation`."""

from collections.abc import Mapping, Sequence

from benchmarks import measuring
from validation.cross_generator.plan import NOTHING_LEFT_OUT

INTRODUCTION_TEXT = """# Generators that nobody trained on

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

COMBINED_TEXT = """## Together

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

ABSTENTION_TEXT = """## Knowing what it does not know

Images of the generator left out that are called real outside the abstention band, before and after
out-of-distribution images get *can't tell*; and the share of the hold-out's known photographs that
get no verdict as a result.
"""


def render_generalisation_page(
    command: str,
    rows: Mapping[str, dict],
    alone: Sequence[str],
    together: Sequence[str],
    searched: Sequence[str],
    tuned: Sequence[str],
    small: Mapping[str, dict],
    choices: Mapping[str, str],
) -> str:
    """All tables, in Markdown."""
    first = rows[alone[0]]
    generators = list(first["inner"])
    chosen = [alone[0], *dict.fromkeys(choices.values())]
    parts = [
        INTRODUCTION_TEXT.format(command=command),
        _describe_sources(first),
        "## One lever at a time\n",
        _render_aucs({name: rows[name] for name in alone}, generators),
        COMBINED_TEXT,
        _render_aucs({name: rows[name] for name in together}, generators),
        SEARCH_TEXT,
        _render_aucs({name: rows[name] for name in searched}, generators),
        UNFROZEN_TEXT,
        _render_aucs({name: rows[name] for name in tuned}, generators),
        *_render_small_images(small),
        CHOICES_TEXT,
        _render_choices(rows, choices, alone[0]),
        REAL_SOURCES_TEXT,
        _render_real_sources(rows, chosen),
        HISTORY_TEXT,
        _render_history(rows),
        ABSTENTION_TEXT,
        _render_abstention(rows, chosen, generators),
    ]
    return "\n".join(parts)


def _render_small_images(rows: Mapping[str, dict]) -> list[str]:
    if not rows:
        return []
    first = next(iter(rows.values()))
    return [
        SMALL_IMAGES_TEXT,
        _describe_sources(first),
        _render_aucs(
            rows, [cell["tested_on"][0] for cell in find_outcome(first, NOTHING_LEFT_OUT)["cells"]]
        ),
    ]


def find_outcome(row: dict, name: str) -> dict:
    return next(each for each in row["outcomes"] if each["name"] == name)


def format_number(value: float | None, digits: int = 3) -> str:
    return "n/a" if value is None else f"{value:.{digits}f}".replace("0.", ".", 1)


def format_estimate(given: dict, digits: int = 3) -> str:
    if given["value"] is None or given["low"] is None:
        return format_number(given["value"], digits)
    low, high = format_number(given["low"], 2), format_number(given["high"], 2)
    return f"{format_number(given['value'], digits)} ({low} to {high})"


def _describe_sources(row: dict) -> str:
    known, counts = find_outcome(row, NOTHING_LEFT_OUT), []
    for cell in known["cells"]:
        left_out = find_outcome(row, cell["tested_on"][0])["cells"][0]
        counts.append(f"{left_out['images']} of {cell['tested_on'][0]}")
    photographs = known["cells"][0]["photographs"]
    return f"Left out, {', '.join(counts)} are tested against {photographs} photographs.\n"


def _render_aucs(rows: Mapping[str, dict], generators: Sequence[str]) -> str:
    reals = [each["source"] for each in next(iter(rows.values()))["outcomes"][0]["false_alarms"]]
    head = [
        "recipe",
        *(f"{name} left out" for name in generators),
        "known, in this order",
        *(f"false alarms, {name} left out" for name in reals),
    ]
    lines = []
    for name, row in rows.items():
        known = [cell["auc"]["value"] for cell in find_outcome(row, NOTHING_LEFT_OUT)["cells"]]
        alarms = [
            next(a for a in find_outcome(row, real)["false_alarms"] if a["source"] == real)["fpr"]
            for real in reals
        ]
        lines.append(
            [
                name,
                *(
                    format_estimate(find_outcome(row, each)["cells"][0]["auc"])
                    for each in generators
                ),
                " ".join(map(format_number, known)),
                *(format_estimate(each, 2) for each in alarms),
            ]
        )
    return measuring.render_markdown_table(head, lines)


def _render_choices(rows: Mapping[str, dict], choices: Mapping[str, str], start: str) -> str:
    lines = []
    for generator, name in choices.items():
        before, after = (find_outcome(rows[each], generator)["cells"][0] for each in (start, name))
        aucs = [format_estimate(each["auc"]) for each in (before, after)]
        lines.append(
            [
                generator,
                name,
                *aucs,
                format_estimate(after["tpr"], 2),
                f"{compute_rank_correlation(rows, generator):+.2f}",
            ]
        )
    head = [
        "left out",
        "chosen",
        f"{start}: AUC",
        "chosen: AUC",
        "detected at the threshold",
        "rank correlation",
    ]
    return (
        measuring.render_markdown_table(head, lines)
        + f"\nBest for all of them together: {find_best_recipe(rows)}.\n"
    )


def compute_rank_correlation(rows: Mapping[str, dict], generator: str) -> float:
    """Rank correlation over recipes: what each is worth without the generator, and its AUC on
    it."""
    from scipy.stats import spearmanr

    judged = [row for row in rows.values() if row["inner"]]
    pairs = [
        (row["inner"][generator], find_outcome(row, generator)["cells"][0]["auc"]["value"])
        for row in judged
    ]
    return float(spearmanr(*zip(*pairs, strict=True)).statistic)


def find_best_recipe(rows: Mapping[str, dict]) -> str:
    """The recipe that is worth most on average, whichever generator it is chosen for."""
    return max(rows, key=lambda name: sum(rows[name]["inner"].values()))


def _render_real_sources(rows: Mapping[str, dict], names: Sequence[str]) -> str:
    lines = []
    for name in names:
        for each in rows[name]["outcomes"]:
            alarms = [alarm for alarm in each["false_alarms"] if not alarm["seen"]]
            if (
                alarms
                and len(each["cells"]) == 1
                and not each["cells"][0]["seen"]
                and len(each["cells"][0]["tested_on"]) == 1
            ):
                cell = each["cells"][0]
                calls = format_estimate(cell["tpr"], 2), format_estimate(alarms[0]["fpr"], 2)
                lines.append([name, each["name"], format_estimate(cell["auc"]), *calls])
    return measuring.render_markdown_table(
        ["recipe", "left out", "AUC", "detected", "false alarms"], lines
    )


def _render_history(rows: Mapping[str, dict]) -> str:
    lines = []
    for name, row in rows.items():
        changes = [
            (each, other)
            for each in row["outcomes"]
            for other in each["reprocessed"]
            if other["change"]["low"] is not None
        ]
        outcome, largest = max(changes, key=lambda pair: abs(pair[1]["change"]["value"]))
        what = "photographs" if largest["label"] == "generated" else "generated images"
        change = largest["change"]
        change_text = f"{change['value']:+.2f} ({change['low']:+.2f} to {change['high']:+.2f})"
        lines.append(
            [
                name,
                outcome["name"],
                f"{what}, as {largest['source']} ({largest['processing']})",
                change_text,
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
        costs = ", ".join(
            f"{alarms['source']} "
            f"{format_estimate(alarms['confident_errors']['out_of_distribution'], 2)}"
            for alarms in known
        )
        for generator in generators:
            sure = find_outcome(rows[name], generator)["cells"][0]["confident_errors"]
            lines.append(
                [
                    name,
                    generator,
                    format_estimate(sure["wrong"], 2),
                    format_estimate(sure["wrong_in_distribution"], 2),
                    costs,
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
