"""Save the final detector of a training: model files, baselines, leaderboard and card."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from data_collection.audit.audit_file import read_audit_status
from data_collection.images import canonical
from runtime import console, library_versions
from training import calibration
from training.attribution.attribution import GeneratorAttribution
from training.baselines.linear import Baseline
from training.bases import loaded_base
from training.calibration import sigmoid
from training.detectors import assembly, costs, detector_files, saved_models
from training.detectors import card as detector_card
from training.detectors.assembly import DetectorPart, EnsembleMember
from training.detectors.card import Card
from training.detectors.card_fields import BaseDescription, SearchDescription
from training.detectors.detector_files import LEADERBOARD_FILE
from training.features.extractor import Extractor
from training.final_detector import output_tensors
from training.final_detector.final_detector import BaseEnsemble, FinalDetector
from training.head_search import leaderboard
from training.head_search.head_spec import HeadTrial
from training.head_search.search import choose_method
from training.refits.refit_cuts import RefitCuts
from training.run_folders import TrainingRun
from training.settings import TrainingSettings


def save_final_detector(
    run: TrainingRun,
    extractors: Mapping[str, Extractor],
    detector: FinalDetector,
    trials: Sequence[HeadTrial],
    baselines: Sequence[Baseline],
    cuts: RefitCuts,
) -> Card:
    """Save both model files, the baselines, the leaderboard, and the card, which it returns."""
    first, *others = (extractors[ensemble.base] for ensemble in detector.ensembles)
    parts = _make_parts(detector, extractors)
    model = assembly.build_joint_model(parts, first.side)
    with saved_models.create_model_folder(run.folders.saved_models, run.name) as folder:
        parity = detector_files.write_model_files(model, folder)
        baseline_rows = detector_files.write_baseline_files(
            baselines, extractors, run.data.validation, run.cut_targets, folder
        )
        leaderboard.write_leaderboard(folder / LEADERBOARD_FILE, trials)
        card = Card(
            name=run.name,
            created=detector_card.make_timestamp(),
            image_size=first.side,
            canonicaliser=canonical.CANONICALISER_VERSION,
            dataset=detector_files.describe_dataset(run.data.folder, run.data.records),
            base=_describe_base(first),
            more_bases=tuple(map(_describe_base, others)),
            search=_describe_search(run.settings, detector, parts, len(trials)),
            qualities=canonical.JUDGEMENT_QUALITIES,
            calibration=cuts.calibration,
            left_out=cuts.left_out,
            attribution=_locate_outputs(cuts.attribution, parts, first.side, folder),
            metrics=calibration.compute_scores(sigmoid(detector.logits), run.validation_labels),
            baselines=baseline_rows,
            parity=parity,
            sha256=detector_files.hash_model_files(folder),
            versions=library_versions.get_library_versions(),
            settings=json.loads(json.dumps(dataclasses.asdict(run.settings), default=str)),
            banner=run.banner,
            practice=run.practice,
            audit_status=read_audit_status(run.data.folder, first.side),
            crop=run.data.train[0].crop,
            cost=costs.measure_cost(folder / saved_models.ONNX_FILE),
        )
        detector_files.write_card_and_figure(folder, card)
    return card


def _locate_outputs(
    attribution: GeneratorAttribution | None,
    parts: list[DetectorPart],
    side: int,
    folder: Path,
) -> GeneratorAttribution | None:
    """Return the attribution with the tensors of detector.onnx that it reads."""
    if attribution is None:
        return None
    try:
        model = (folder / saved_models.ONNX_FILE).read_bytes()
        return replace(attribution, tensors=output_tensors.find_output_tensors(parts, side, model))
    except ValueError:
        console.print_warning(
            f"{saved_models.ONNX_FILE} does not compute the heads' outputs for each generator, so "
            "this detector names none."
        )
        return None


def _make_parts(detector: FinalDetector, extractors: Mapping[str, Extractor]) -> list[DetectorPart]:
    return [
        DetectorPart(
            loaded_base.load_base(extractors[ensemble.base].weights),
            _make_ensemble_members(detector, ensemble),
        )
        for ensemble in detector.ensembles
    ]


def _make_ensemble_members(detector: FinalDetector, ensemble: BaseEnsemble) -> list[EnsembleMember]:
    """Return a base's heads with the weights of their logits, which contain all temperatures."""
    divisor = detector.temperature * ensemble.temperature
    divisor *= len(ensemble.heads) * len(detector.ensembles)
    return [
        EnsembleMember(head.columns, head.model, 1 / (head.temperature * divisor))
        for head in ensemble.heads
    ]


def _describe_search(
    settings: TrainingSettings,
    detector: FinalDetector,
    parts: Sequence[DetectorPart],
    n_trials: int,
) -> SearchDescription:
    return SearchDescription(
        tuner=choose_method(settings.tuner, is_logistic=detector.heads[0].spec.is_logistic),
        trials=n_trials,
        heads=tuple(head.spec for head in detector.heads),
        weights=tuple(member.weight for part in parts for member in part.members),
        generators=tuple(detector.generators),
        repeats=tuple(detector.repeats),
    )


def _describe_base(extractor: Extractor) -> BaseDescription:
    weights = extractor.weights
    return BaseDescription(
        name=weights.base,
        origin=weights.origin,
        sha256=weights.sha256,
        note=weights.note,
        sizes=extractor.sizes,
        signals=extractor.signals,
    )
