"""Search how deep to fine-tune a saved detector, and save a new detector if that helps."""

from pathlib import Path

from data_collection.dataset import manifest
from data_collection.sources import sample
from finetuning import depth_leaderboard, depth_search, save_detector, unfreezing
from finetuning.depth_search import DepthSearchResult
from finetuning.depth_trials import DepthHyperModel
from finetuning.settings import FinetuningSettings
from finetuning.source_detector import choose_source, find_dataset
from runtime import console
from training import audit_gate, dataset
from training.dataset import Dataset
from training.detectors import saved_models
from training.detectors.detector_parts import DetectorParts, load_detector_parts
from training.run_folders import RunFolders


def finetune_detector(settings: FinetuningSettings) -> Path | None:
    """Run all steps of fine-tuning without reading the hold-out.

    Returns:
        The new detector's folder; None if fine-tuning did not help, so that none was saved.

    Raises:
        PlainError: there is no such detector or block, the base does not take a tuning method, the
            data set is not the detector's own, or the search failed.
    """
    folder, settings = choose_source(settings)
    parts = load_detector_parts(folder)
    data = load_detector_dataset(parts, settings)
    blocks = unfreezing.split_into_blocks(parts.base)
    max_depth = unfreezing.parse_max_depth(settings.max_depth, blocks)
    hypermodel = DepthHyperModel(parts, data, blocks, max_depth, settings)
    banner = _make_banner(parts, data, settings)
    name = saved_models.choose_free_name(
        settings.saved_models, settings.name, f"{parts.card.name}-tuned"
    )
    block_names = ", ".join(block.name for block in blocks[:max_depth])
    console.print_message(
        f"{parts.card.name}: {parts.base.spec.name}, from the top: {block_names}. "
        f"Tuned by: {', '.join(hypermodel.methods)}."
    )
    folders = RunFolders(data.folder, settings.logs / "finetuning", settings.saved_models)
    result = _search(hypermodel, folders, name)
    depth_leaderboard.print_depth_leaderboard(result, blocks)
    if not result.gain.is_gain:
        console.print_message(
            f"Fine-tuning did not help: {result.gain.describe()}. Keeping {parts.folder}."
        )
        return None
    save_detector.save_finetuned_detector(name, result, hypermodel, banner)
    console.print_message(
        f"Fine-tuning helped: {result.gain.describe()}. Saved {folders.detector(name)}, of the "
        "first fresh seed. Compare it with its source detector: "
        f"python -m validation --model {name}. "
        f"Curves: tensorboard --logdir {settings.logs}"
    )
    return folders.detector(name)


def _make_banner(parts: DetectorParts, data: Dataset, settings: FinetuningSettings) -> str:
    """Return and print the new detector's banner: its source's, and the warnings of this run."""
    banner = parts.card.banner
    practice = sample.is_practice_data(data.records)
    pictures = audit_gate.TrainingPictures(side=parts.card.image_size)
    accept_shortcuts = settings.accept_shortcuts or practice
    for warning in (
        sample.PRACTICE_BANNER if practice else "",
        audit_gate.check_audit(data, pictures, settings.logs, accept_shortcuts),
        describe_other_data(parts, data),
    ):
        if warning not in banner:
            banner = f"{banner} {warning}".strip()
    if banner:
        console.print_warning(banner)
    return banner


def _search(hypermodel: DepthHyperModel, folders: RunFolders, name: str) -> DepthSearchResult:
    """Search over depth, then train the best trial with fresh seeds."""
    console.print_heading("Search")
    source = hypermodel.evaluate_source()
    trials = depth_search.search_depths(hypermodel, folders.searches, folders.search_logs)
    console.print_heading("Best trial")
    repeats, gain = depth_search.train_with_seeds(hypermodel, trials[0], folders.run_logs(name))
    n_images = len(hypermodel.data.train) + len(hypermodel.data.validation)
    console.print_message(
        f"{hypermodel.boundaries.forward_passes} forward passes through frozen blocks "
        f"({n_images} images x {hypermodel.settings.views} views, and the validation images as "
        "judged, each depth)."
    )
    return DepthSearchResult(source, trials, repeats, gain)


def load_detector_dataset(parts: DetectorParts, settings: FinetuningSettings) -> Dataset:
    """Load the detector's own data set, or the named one.

    Raises:
        PlainError: the detector was trained on another data set, and that is not accepted.
    """
    card = parts.card
    data = dataset.load_dataset(settings.data, find_dataset(settings, card))
    if describe_other_data(parts, data) and not settings.accept_other_data:
        raise console.PlainError(
            f"{data.folder} is not the data set that {card.name} was trained on, or has changed "
            f"since. {card.name} may have been trained on images that are held out here. "
            "Train a detector on it first, or give --accept-other-data.",
            console.EXIT_LEAK,
        )
    if data.train[0].crop != card.crop:
        raise console.PlainError(
            f"{data.folder} has --crop {data.train[0].crop}, but {card.name} needs --crop "
            f"{card.crop}. Collect one with --crop {card.crop}, or name another with --dataset."
        )
    return data


def describe_other_data(parts: DetectorParts, data: Dataset) -> str:
    """Return the warning that the detector was trained on another data set; empty if it was not."""
    card = parts.card
    if manifest.compute_fingerprint(data.records) == card.dataset.fingerprint:
        return ""
    return (
        f"{card.name} was trained on other data ({card.dataset.folder}) and may have seen images "
        "that are held out here."
    )
