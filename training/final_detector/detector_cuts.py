"""Say which cuts the data allow, and set those of the final detector."""

from collections.abc import Mapping, Sequence

import numpy as np

from data_collection.dataset.manifest import FaceRecord
from data_collection.images import canonical
from runtime import console
from training.calibration import sigmoid
from training.cuts.choose_cuts import CutTargets, choose_threshold
from training.cuts.cut import Cut, count_needed_groups, format_share
from training.features import feature_cache
from training.features.extractor import Extractor
from training.features.training_features import TrainingFeatures
from training.final_detector.final_detector import FinalDetector
from training.refits.refit_cuts import RefitCuts, set_refit_cuts
from training.refits.refit_heads import RefitImages
from training.refits.refit_scores import average_scores, score_by_refits
from training.run_folders import TrainingRun


def announce_cuts(records: Sequence[FaceRecord], targets: CutTargets) -> None:
    """Print which cuts the train and validation images are enough for."""
    for label, images, shares in (
        ("real", "photographs", targets.list_false_alarms()),
        ("generated", "generated images", targets.list_misses()),
    ):
        n_groups = len({record.group for record in records if record.label == label})
        cuts = [Cut(target=share, groups=n_groups) for share in shares]
        within = [cut for cut in cuts if n_groups >= count_needed_groups(cut.target)]
        beyond = [cut.describe_missing(images) for cut in cuts if cut not in within]
        reached = ", ".join(format_share(cut.target) for cut in within) or "none"
        console.print_message(
            f"Cuts for {images}, of which so many at most get a wrong answer on average: "
            f"{'; '.join([reached, *beyond])}."
        )


def set_detector_cuts(
    run: TrainingRun,
    extractors: Mapping[str, Extractor],
    features: Mapping[str, TrainingFeatures],
    detector: FinalDetector,
) -> RefitCuts:
    """Train the heads again in folds and without each source, and set the detector's cuts.

    Args:
        extractors, features: by base.
    """
    scores = []
    for base, ensemble in detector.make_refit_ensembles(run.settings).items():
        images = _load_refit_images(run, extractors[base], features[base])
        scores.append(score_by_refits(images, ensemble))
    threshold = choose_threshold(
        sigmoid(detector.logits), run.validation_labels, run.settings.false_alarms
    )
    return set_refit_cuts(
        images,
        average_scores(scores),
        run.cut_targets,
        threshold,
        detector.temperature,
        detector.generators,
    )


def _load_refit_images(
    run: TrainingRun, extractor: Extractor, features: TrainingFeatures
) -> RefitImages:
    records, judged = run.data.train + run.data.validation, features.judged
    if judged is None:
        judged = feature_cache.load_or_compute_features(
            run.data.folder, records, extractor, canonical.list_judgement_views()
        ).values
    return RefitImages(
        columns=features.columns,
        values=features.values,
        judged=judged,
        labels=run.data.encode_labels(records),
        sources=np.array([record.source for record in records]),
        groups=np.array([record.group for record in records]),
    )
