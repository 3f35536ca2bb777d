"""finetune(): a saved detector -> search over depth -> the best depth with several seeds -> a new
detector, or the old one."""

from pathlib import Path

from data_collection.audit.audit_file import check_audit_gate
from data_collection.dataset import manifest
from finetuning import depth_leaderboard, depth_search, save_detector, unfreezing
from finetuning.depth_search import DepthSearchResult
from finetuning.depth_trials import DepthHyperModel
from finetuning.settings import FinetuningSettings
from runtime import console
from training import dataset
from training.dataset import Dataset
from training.detectors import detector_parts, saved_models
from training.detectors.detector_parts import DetectorParts


def finetune_detector(settings: FinetuningSettings) -> None:
    """Searches how deep to fine-tune, and saves a new detector if that helps; the hold-out is not
    read.

    Raises:
        PlainError: no such detector, another data set than its own, no block of that name, or a
            search that fails.
    """
    start = detector_parts.load_detector_parts(
        saved_models.find_best_detector(settings.saved_models, settings.model)
    )
    data = load_detector_dataset(start, settings)
    found = unfreezing.split_into_blocks(start.base)
    deepest = unfreezing.parse_max_depth(settings.deepest, found)
    banner = start.card.banner
    for more in (
        check_audit_gate(data.folder, data.records, settings.accept_shortcuts),
        describe_other_data(start, data),
    ):
        if more not in banner:
            banner = f"{banner} {more}".strip()
    if banner:
        console.print_warning(banner)
    name = saved_models.choose_free_name(
        settings.saved_models, settings.name, f"{start.card.name}-tuned"
    )
    names = [block.name for block in found[:deepest]]
    console.print_message(
        f"{start.card.name}: {start.base.spec.name}, from the top: {', '.join(names)}."
    )

    console.print_heading("Search")
    hypermodel = DepthHyperModel(start, data, found, deepest, settings)
    before = hypermodel.as_it_was()
    logs = settings.logs / "finetuning"
    trials = depth_search.search_depths(
        hypermodel, data.folder / "searches", logs / f"{data.folder.name}-search"
    )

    console.print_heading("Winner")
    outcome = DepthSearchResult(
        before, trials, depth_search.train_with_seeds(hypermodel, trials[0], logs / name)
    )
    images = len(data.train) + len(data.validation)
    console.print_message(
        f"{hypermodel.passes} forward passes through frozen blocks ({images} images x {settings.views} views, each depth)."
    )
    depth_leaderboard.print_depth_leaderboard(outcome, found)
    if outcome.gain <= outcome.loss.deviation:
        console.print_message(
            f"Fine-tuning does not help: the loss changes by {-outcome.gain:+.4f}, seeds differ by "
            f"{outcome.loss.deviation:.4f}, so this is noise or a loss. {start.folder} stays as it is."
        )
        return
    save_detector.save_finetuned_detector(name, outcome, hypermodel, banner)
    console.print_message(
        f"Fine-tuning helps: the loss falls by {outcome.gain:.4f}, seeds differ by {outcome.loss.deviation:.4f}. "
        f"Saved {settings.saved_models / name}. Judge it beside its parent: python -m validation --model {name}. "
        f"Curves: tensorboard --logdir {settings.logs}"
    )


def load_detector_dataset(start: DetectorParts, settings: FinetuningSettings) -> Dataset:
    """The detector's own data set, or the one named.

    Raises:
        PlainError: it is not the one that the detector was trained on, and that is not accepted.
    """
    data = dataset.load_dataset(settings.data, settings.dataset or Path(start.card.dataset.folder))
    if describe_other_data(start, data) and not settings.accept_other_data:
        raise console.PlainError(
            f"{data.folder} is not the data set that {start.card.name} was trained on, or has changed since: what one holds "
            "out, the other may have trained on. Train on it first, or give --accept-other-data.",
            console.EXIT_LEAK,
        )
    if data.train[0].crop != start.card.crop:
        raise console.PlainError(
            f"{data.folder} has --crop {data.train[0].crop}, {start.card.name} takes {start.card.crop}."
        )
    return data


def describe_other_data(start: DetectorParts, data: Dataset) -> str:
    """What every report must say first because the detector was trained on another data set; empty
    if it was not."""
    if manifest.compute_fingerprint(data.records) == start.card.dataset.fingerprint:
        return ""
    return (
        f"{start.card.name} was trained on other data ({start.card.dataset.folder}) and may have seen images that are held "
        "out here."
    )
