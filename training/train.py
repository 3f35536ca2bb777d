"""train(): features of frozen bases -> baselines -> search -> winner trained -> one saved model with its card."""

from collections.abc import Mapping
from dataclasses import replace

from data_collection import audit, console, manifest
from training import (
    base_weights,
    baselines,
    costs,
    dataset,
    feature_cache,
    head_search,
    leaderboard,
    run_logs,
    saved_models,
    scratch_training,
    seeds,
    winner,
)
from training.baselines import Baseline
from training.calibration import sigmoid
from training.dataset import Dataset
from training.feature_cache import Extractor
from training.heads import TrainingFaces
from training.settings import TrainingSettings
from training.winner import Winner


def train(settings: TrainingSettings) -> None:
    """Searches, trains and saves a detector from a collected data set; the hold-out is not read.

    Raises:
        PlainError: no data set, one whose audit is RED, altered images, or weights that cannot be had.
    """
    data = dataset.read(settings.data, settings.dataset)
    name = saved_models.free_name(settings.saved_models, settings.name, data.folder.name)
    banner = audit.refuse(data.folder, data.records, settings.accept_shortcuts)
    if banner:
        console.warn(banner)

    console.heading("Features of the frozen bases")
    extractors, faces = extract(data, settings)

    console.heading("Search")
    rivals = compare(data, faces, settings)
    key = [manifest.fingerprint(data.records), settings.views, [extractor.name for extractor in extractors.values()]]
    trials = head_search.search(
        faces,
        key,
        data.folder / "searches",
        settings.logs / "training" / f"{data.folder.name}-search",
        settings.tuner,
        settings.trials,
        settings.epochs,
        settings.batch_size,
        settings.seed,
        one_by_one=settings.search == "one-by-one",
    )

    if not trials:
        console.say("This worker is done; the chief goes on.")
        return

    if settings.models:
        console.heading("Models from scratch")
        side = extractors[settings.bases[0]].side
        rivals += scratch_training.baselines(data, side, settings, settings.logs / "training" / name)

    console.heading("Winner")
    labels, logs = data.labels(data.validation), settings.logs / "training" / name
    best, *others = [
        winner.fit(trials, faces, labels, settings.seed + number, settings, logs / f"seed{number}" if number else logs)
        for number in range(settings.repeats)
    ]
    if others:
        best = replace(best, repeats=seeds.show([best, *others], rivals, labels))
    winner.save(name, best, trials, rivals, data, extractors, settings, banner)
    log(name, best, data, settings)
    leaderboard.show(trials, rivals, labels)
    card = saved_models.read_card(settings.saved_models / name)
    costs.show(card)
    useless = leaderboard.useless(sigmoid(best.logits / card.calibration.temperature), labels, card.calibration.threshold)
    if useless:
        console.warn(f"{name} {useless} Look at its pictures and labels, or take more of them, other --bases or --trials.")
    console.say(
        f"Saved {settings.saved_models / name}. Judge it: python -m validation. Use it: python -m detection PHOTO. "
        f"Curves: tensorboard --logdir {settings.logs}"
    )


def extract(data: Dataset, settings: TrainingSettings) -> tuple[dict[str, Extractor], dict[str, TrainingFaces]]:
    """Features of train and validation images for every base, and the count of forward passes."""
    # A picture smaller than the input size is enlarged inside the model, alike for both classes.
    side = min(max(settings.sizes), data.image_size)
    extractors, faces = {}, {}
    for base in settings.bases:
        weights = base_weights.find(base, settings.weights)
        console.say(f"{base}: {weights.note}.")
        extractors[base] = Extractor(weights, settings.sizes, side, settings.engine, settings.signals)
        table = feature_cache.features(data.folder, data.train + data.validation, extractors[base], settings.views)
        images = len(data.train) + len(data.validation)
        console.say(
            f"{base}: {table.forward_passes} forward passes ({images} images x {settings.views} views = "
            f"{images * settings.views}, {images * settings.views - table.forward_passes} of them cached), "
            f"{table.values.shape[2]} features an image."
        )
        held = len(data.train)
        faces[base] = TrainingFaces(
            table.columns,
            table.values[:held],
            table.values[held:],
            data.labels(data.train),
            data.labels(data.validation),
            [record.source for record in data.train],
            [record.source for record in data.validation],
        )
    generators = next(iter(faces.values())).generators
    if generators:
        console.say(f"Every head has a voice for each generated source ({', '.join(generators)}); the surest rules.")
    return extractors, faces


def compare(data: Dataset, faces: Mapping[str, TrainingFaces], settings: TrainingSettings) -> list[Baseline]:
    """The baselines, on the same split: for logistic regression the first base at its first size."""
    labels = data.labels(data.train)
    base, size = settings.bases[0], settings.sizes[0]
    return [
        baselines.majority(labels, len(data.validation)),
        baselines.metadata_only(data.train, data.validation, labels),
        baselines.logistic("logistic regression, top layer", base, faces[base], "top", "mean", size),
        baselines.logistic("logistic regression, all taps", base, faces[base], "all", "mean+std", size),
    ]


def log(name: str, best: Winner, data: Dataset, settings: TrainingSettings) -> None:
    """Sample faces as training sees them, a row per view, and the winner's precision-recall curve on the validation split."""
    card = saved_models.read_card(settings.saved_models / name)
    probabilities = sigmoid(best.logits / card.calibration.temperature)
    with run_logs.opened(settings.logs / "training" / name) as run:
        for label in manifest.LABELS:
            some = [record for record in data.train if record.label == label][:8]
            views = range(min(settings.views, 3))
            pictures = [feature_cache.canonical(data.folder, r, card.image_size, view) for view in views for r in some]
            run.picture(f"faces/{label}", run_logs.grid(pictures, len(some)))
        run.picture("accuracy_and_latency", run_logs.decoded((settings.saved_models / name / costs.PICTURE).read_bytes()))
        run.pr_curve("validation/precision_recall", data.labels(data.validation), probabilities)
        run.scalars({f"validation/{key}": value for key, value in card.metrics.items()})
        run.text("card", "```json\n" + (settings.saved_models / name / saved_models.CARD).read_text() + "\n```")
