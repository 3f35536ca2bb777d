"""Does anything but the face give the label away? audit(), the probes behind its verdict, and what training makes of it.

The rows of train and validation are looked at, and nothing of the hold-out, not even its file facts: whole groups were
dealt to it by hash inside each source, so what is true of the rest is true of it, and nobody can have looked.
"""

import concurrent.futures
import dataclasses
import json
import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data_collection import audit_features, console, face_images, manifest
from data_collection.audit_features import Numbers
from data_collection.manifest import FaceRecord

SEVERITY = ("RED", "too few", "AMBER", "GREEN")

CHANCE, WARNING = 0.60, 0.70
"""A Tier 1 AUC must not surely lie above the first; with 80 groups of 10 images and labels dealt at random, 95% of the
AUCs lie under .558. Above the second, Tier 2 is worth a warning."""

FEWEST_GROUPS, FEWEST_IMAGES = 20, 200
"""Of each class; with less, nothing is ever GREEN."""

FOLDS, RESAMPLES = 5, 300
PLACEBO_IMAGES = 300
"""Of each class, at most, in the placebo test; each is looked at twice."""

TIERS = {"container": 1, "processing history": 1, "file size": 2, "colour": 2, "thumbnail": 2, "border": 2}
"""Tier of each probe: 1 can be no evidence of anything, 2 is a matter of what was collected, 3 (all others) may be a trace."""

FACTS = {
    "format": "are {} files",
    "mode": "have the colour mode {}",
    "pixels": "measure {} pixels",
    "table": "have the JPEG quantisation table {}",
    "sampling": "have the JPEG chroma sampling {}",
    "progressive": "are coded progressively",
    "exif": "carry EXIF data",
    "icc": "carry a colour profile",
    "xmp": "carry XMP data",
    "c2pa": "carry content credentials (C2PA)",
    "text": "carry text",
    "frames": "have several frames",
}
"""What `audit_features.container` knows as categories, as a sentence goes on."""

NOTHING = ("no", "none")
CLEAR, ONLY = 0.5, 0.05
"""A fact is told if its shares in the two classes differ by the first, or if one class alone has more than the second."""

BATCH = 32
PLURAL = {"real": "photographs", "generated": "generated images"}
WHOSE = "the generated images"

REMEDY = (
    "Collect both classes alike (same sizes, same formats, nothing enlarged; originals at least twice as large as the "
    "pictures trained on erase most of it), or train anyway with --accept-shortcuts, which every report will say."
)
SENTENCES = {
    "RED": "What training sees still gives the label away without any look at the face: {found}. " + REMEDY,
    "AMBER": "Nothing is surely given away, but chance is not shown either: {found}. More images would tell.",
    "GREEN": "Nothing but the picture itself tells the classes apart in what training sees ({found}).",
    "too few": "Nothing is surely given away, but that shows little: a class has {images} images in {groups} groups, and "
    f"{FEWEST_IMAGES} in {FEWEST_GROUPS} are needed. Collect more.",
}
REMOVED = (
    " As collected, the files do give the label away ({found}); the preparation that both classes share takes that out of "
    "what training sees, as far as these probes can tell."
)
CONTENT = " The pictures differ in plain things too, which a detector has to beat to have learnt anything more: {found}."


@dataclass(frozen=True)
class Probe:
    """One group of numbers and how well it tells the classes apart, in 5-fold cross-validation with groups kept whole.

    Attributes:
        name: of the group of numbers.
        tier: 1, 2 or 3, see TIERS.
        auc: the larger of logistic regression's and of a small gradient-boosted tree's.
        low, high: its 95% interval, by a bootstrap of groups within class.
        best_single: the number that separates best by itself, with its direction, in words.
        verdict: "GREEN", "AMBER", "RED", "WARN", "reported" or "too few".
    """

    name: str
    tier: int
    auc: float
    low: float
    high: float
    best_single: str
    verdict: str


@dataclass(frozen=True)
class Audit:
    """Content of audit.json.

    Attributes:
        verdict: the worst of Tier 1 "as trained" and of the placebo: "RED", "too few", "AMBER" or "GREEN".
        sentence: the verdict in words, with what to do.
        as_collected: probes of the original files.
        as_trained: probes of view 0, the pixels that training sees; files have no say in them.
        placebo: one probe per class: its images with a history of their own class against the same images with a
            history of the other. The content is the same, so whatever is found is history that the canonicaliser has left.
        tells: single facts of the files that differ between the classes, as sentences.
        images, groups: how many were looked at, by label.
        fingerprint: of the data set, see `manifest.fingerprint`.
    """

    verdict: str
    sentence: str
    as_collected: list[Probe]
    as_trained: list[Probe]
    placebo: list[Probe]
    tells: list[str]
    images: dict[str, int]
    groups: dict[str, int]
    fingerprint: str


def audit(folder: Path, records: Sequence[FaceRecord], image_size: int, seed: int = 0) -> Audit:
    """Looks at every accepted image of train and validation, as collected and as training will see it.

    Args:
        image_size: side of the pictures that training sees, in pixels.

    Raises:
        PlainError: an original is missing or was altered.
    """
    rows = manifest.accepted(records, "train", "validation")
    seen = list(_each(rows, lambda row: measure(folder, row, image_size), "looking for shortcuts"))
    as_collected = judge_all([one for one, _ in seen], rows, seed)
    as_trained = judge_all([one for _, one in seen], rows, seed)
    placebo = [placebo_test(folder, rows, label, image_size, seed) for label in manifest.LABELS]
    images = {label: sum(row.label == label for row in rows) for label in manifest.LABELS}
    groups = {label: len({row.group for row in rows if row.label == label}) for label in manifest.LABELS}
    verdict, sentence = conclude(as_collected, [*as_trained, *placebo], images, groups)
    tells = find_tells([one["container"] for one, _ in seen], rows)
    return Audit(verdict, sentence, as_collected, as_trained, placebo, tells, images, groups, manifest.fingerprint(records))


def conclude(
    as_collected: Sequence[Probe], gate: Sequence[Probe], images: dict[str, int], groups: dict[str, int]
) -> tuple[str, str]:
    """The verdict on what training sees, and its sentence."""
    history = [probe for probe in gate if probe.tier == 1]
    verdict = next((one for one in SEVERITY if any(probe.verdict == one for probe in history)), "too few")
    found = _named([probe for probe in history if probe.verdict == verdict])
    sentence = SENTENCES[verdict].format(found=found, images=min(images.values()), groups=min(groups.values()))
    files = [probe for probe in as_collected if probe.verdict == "RED"]
    content = [probe for probe in gate if probe.verdict == "WARN"]
    if files and verdict != "RED":
        sentence += REMOVED.format(found=_named(files))
    return verdict, sentence + (CONTENT.format(found=_named(content)) if content else "")


def _named(probes: Sequence[Probe]) -> str:
    return ", ".join(f"{probe.name} AUC {probe.auc:.2f}, {probe.low:.2f} to {probe.high:.2f}" for probe in probes)


def _each(rows: Sequence[FaceRecord], work: Callable[[FaceRecord], object], what: str) -> Iterator:
    """Works on all cores, a batch at a time: only numbers stay in memory, never pixels."""
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        batches = (rows[start : start + BATCH] for start in range(0, len(rows), BATCH))
        done = (result for batch in batches for result in pool.map(work, batch))
        yield from console.progress(done, what, len(rows))


def measure(folder: Path, row: FaceRecord, image_size: int) -> tuple[dict[str, Numbers], dict[str, Numbers]]:
    """Numbers of one image as collected and as trained, by probe."""
    data = manifest.read_original(folder, row)
    face = face_images.decode(data, row.crop)
    return audit_features.of_original(data, face, row), audit_features.of_canonical(face, row, image_size)


def judge_all(numbers: Sequence[dict[str, Numbers]], rows: Sequence[FaceRecord], seed: int) -> list[Probe]:
    """Judges each group of numbers by how well it tells the labels of the rows."""
    generated = np.array([row.label == "generated" for row in rows])
    groups = np.array([row.group for row in rows])
    names = sorted(numbers[0], key=lambda name: TIERS.get(name, 3)) if numbers else ()
    return [judge(name, [one[name] for one in numbers], generated, groups, WHOSE, seed) for name in names]


def placebo_test(folder: Path, rows: Sequence[FaceRecord], label: str, image_size: int, seed: int) -> Probe:
    """Gives the images of one class the histories of both; whatever still tells the two apart is not content."""
    own = [row for row in rows if row.label == label]
    others = [row for row in rows if row.label != label] or own
    draw = np.random.default_rng(seed)
    chosen = [own[i] for i in draw.permutation(len(own))[:PLACEBO_IMAGES]]
    # Both copies get a drawn history: if only one did, one encoding more would tell them apart in any data set.
    drawn = {row.id: (own[draw.integers(len(own))], others[draw.integers(len(others))]) for row in chosen}

    def twice(row: FaceRecord) -> list[Numbers]:
        face = face_images.decode(manifest.read_original(folder, row), row.crop)
        return [audit_features.of_history(face, row, history, image_size) for history in drawn[row.id]]

    numbers = [one for pair in _each(chosen, twice, f"placebo test, {PLURAL[label]}") for one in pair]
    given = np.tile([False, True], len(chosen))
    groups = np.repeat([row.group for row in chosen], 2)
    return judge(f"{PLURAL[label]}, one history or the other", numbers, given, groups, "copies with the other history", seed)


def judge(name: str, numbers: Sequence[Numbers], positive: np.ndarray, groups: np.ndarray, whose: str, seed: int) -> Probe:
    """Judges one group of numbers; `positive` (bool) and `groups` have shape (images,)."""
    tier = 1 if name not in TIERS and "history" in name else TIERS.get(name, 3)
    fewest = min((len(set(groups[positive == side])) for side in (False, True)), default=0)
    if fewest < 2 * FOLDS:
        return Probe(name, tier, 0.5, 0.0, 1.0, "", "too few" if tier == 1 else "reported")
    table, columns = as_table(numbers)
    scores = out_of_fold_scores(table, positive, groups, seed)
    counts = resampled(groups, positive, seed)
    best = max(scores, key=lambda score: auc(score, positive))
    low, high = np.percentile([auc(best, positive, weights) for weights in counts], (2.5, 97.5))
    enough = fewest >= FEWEST_GROUPS and min(positive.sum(), (~positive).sum()) >= FEWEST_IMAGES
    return Probe(
        name,
        tier,
        round(auc(best, positive), 4),
        round(float(low), 4),
        round(float(high), 4),
        best_single(table, columns, positive, whose),
        verdict_of(tier, low, high, enough),
    )


def verdict_of(tier: int, low: float, high: float, enough: bool) -> str:
    """Little data can show that something is wrong, never that nothing is."""
    if tier > 1:
        return "WARN" if tier == 2 and low > WARNING else "reported"
    if low > CHANCE:
        return "RED"
    return "too few" if not enough else "GREEN" if high <= CHANCE else "AMBER"


def as_table(numbers: Sequence[Numbers]) -> tuple[np.ndarray, list[str]]:
    """float64, shape (images, columns), and what the columns mean; categories become one column per value."""
    columns: dict[str, list[float]] = {}
    for name in numbers[0]:
        values = [one[name] for one in numbers]
        if isinstance(values[0], str):
            for value in sorted(v for v, n in Counter(values).items() if v not in NOTHING and n > ONLY / 2 * len(values)):
                columns[f"files that {FACTS[name].format(value)}"] = [float(v == value) for v in values]
        else:
            columns[name] = values
    columns = {name: values for name, values in columns.items() if min(values) != max(values)}
    return np.array(list(columns.values()), dtype=np.float64).reshape(len(columns), len(numbers)).T, list(columns)


def out_of_fold_scores(table: np.ndarray, positive: np.ndarray, groups: np.ndarray, seed: int) -> list[np.ndarray]:
    """Scores of both classifiers, each image's from models that saw nothing of its group; each of shape (images,)."""
    import threadpoolctl
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedGroupKFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    if not table.shape[1]:
        return [np.zeros(len(positive))]
    models = (
        make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000)),
        HistGradientBoostingClassifier(max_iter=60, max_leaf_nodes=7, early_stopping=False, random_state=seed),
    )
    scores = [np.zeros(len(positive)) for _ in models]
    folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=seed)
    with threadpoolctl.threadpool_limits(1):  # on tables this small a second thread only waits for the first
        for train, test in folds.split(table, positive, groups):
            # A fold with more of one class is scored by models that saw less of it; without the models' base rate taken
            # out, chance would lie under .5. (Class weights do it too, but make the tree's binning twenty times slower.)
            seen = positive[train].mean()
            for score, model in zip(scores, models, strict=True):
                score[test] = model.fit(table[train], positive[train]).decision_function(table[test]) - np.log(
                    seen / (1 - seen)
                )
    return scores


def auc(score: np.ndarray, positive: np.ndarray, weights: np.ndarray | None = None) -> float:
    """Area under the ROC curve, ties averaged; .5 where a class has no weight."""
    weights = np.ones(len(score)) if weights is None else weights
    _, place = np.unique(score, return_inverse=True)
    above, below = (np.bincount(place, weights * side, minlength=place.max() + 1) for side in (positive, ~positive))
    pairs = above.sum() * below.sum()
    return float(above @ (np.cumsum(below) - below / 2) / pairs) if pairs else 0.5


def resampled(groups: np.ndarray, positive: np.ndarray, seed: int) -> list[np.ndarray]:
    """RESAMPLES draws of whole groups, with replacement, within real, generated and mixed ones: a weight per image."""
    _, place = np.unique(groups, return_inverse=True)
    has = [np.bincount(place, side) > 0 for side in (positive, ~positive)]
    strata = [np.flatnonzero(part) for part in (has[0] & has[1], has[0] & ~has[1], ~has[0] & has[1])]
    draw, drawn = np.random.default_rng(seed), []
    for _ in range(RESAMPLES):
        count = np.zeros(len(has[0]))
        for members in strata:
            if len(members):
                count[members] = draw.multinomial(len(members), np.full(len(members), 1 / len(members)))
        drawn.append(count[place])
    return drawn


def best_single(table: np.ndarray, columns: Sequence[str], positive: np.ndarray, whose: str) -> str:
    """The column that separates best by itself, in words."""
    if not columns:
        return "no number differs between any two images"
    alone = [auc(column, positive) for column in table.T]
    best = max(range(len(alone)), key=lambda i: abs(alone[i] - 0.5))
    direction = "more" if alone[best] > 0.5 else "less"
    return f"{columns[best]}: {direction} in {whose} (AUC {max(alone[best], 1 - alone[best]):.2f})"


def find_tells(containers: Sequence[Numbers], rows: Sequence[FaceRecord]) -> list[str]:
    """Facts of the files that one class has and the other has not, or hardly, as sentences; the clearest first."""
    count: dict[tuple[str, str], Counter] = defaultdict(Counter)
    total = Counter(row.label for row in rows)
    for facts, row in zip(containers, rows, strict=True):
        for name, value in facts.items():
            if isinstance(value, str) and value not in NOTHING:
                count[name, value][row.label] += 1
    told = []
    for (name, value), found in count.items():
        share = {label: found[label] / max(total[label], 1) for label in manifest.LABELS}
        more, less = sorted(manifest.LABELS, key=share.get, reverse=True)
        if share[more] - share[less] >= CLEAR or (share[more] > ONLY and not share[less]):
            told.append((share[less] - share[more], name, value, more, less, share))
    return [
        f"{share[more]:.0%} of the {PLURAL[more]} {FACTS[name].format(value)}, {share[less]:.0%} of the {PLURAL[less]}."
        for _, name, value, more, less, share in sorted(told, key=lambda tell: tell[:3])
    ]


def audit_path(folder: Path) -> Path:
    return folder / "audit.json"


def write(folder: Path, audit: Audit) -> None:
    manifest.write_whole(audit_path(folder), (json.dumps(dataclasses.asdict(audit), indent=1) + "\n").encode())


def read(folder: Path) -> Audit | None:
    """The audit of a data set; None if there is none.

    Raises:
        PlainError: the file is damaged. To pass over it would open the gate that it is.
    """
    path = audit_path(folder)
    try:
        row = json.loads(path.read_bytes())
        lists = {name: [Probe(**probe) for probe in row.pop(name)] for name in ("as_collected", "as_trained", "placebo")}
        audit = Audit(**row, **lists)
        if audit.verdict not in SEVERITY:
            raise ValueError
        return audit
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, KeyError, AttributeError):
        raise console.PlainError(
            f"{path} is damaged; delete it and run python -m data_collection again, which audits anew.", console.DISK
        ) from None


def refuse(folder: Path, records: Sequence[FaceRecord], accept_shortcuts: bool) -> str:
    """What every report of a training on this data set has to say first; empty if there is nothing to say.

    Raises:
        PlainError: with exit code 4, if the audit is RED and shortcuts are not accepted.
    """
    found = read(folder)
    if found is None:
        return f"{folder} has not been audited: nobody knows whether something other than the face gives the label away."
    if found.fingerprint != manifest.fingerprint(records):
        return f"The audit of {folder} is of another state of the data set: images, groups or splits have changed since."
    if found.verdict != "RED":
        return ""
    red = _named([probe for probe in (*found.as_trained, *found.placebo) if probe.verdict == "RED"])
    if not accept_shortcuts:
        raise console.PlainError(f"The audit of {folder} is RED: {red}. {REMEDY}", console.SHORTCUT)
    return f"Trained on a data set whose audit is RED, so its figures may measure a shortcut: {red}."
