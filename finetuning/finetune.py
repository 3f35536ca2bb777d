"""finetune(): a saved detector -> search over depth -> the best depth with several seeds -> a new detector, or the old one."""

from pathlib import Path

from data_collection import audit, console, manifest
from finetuning import depth_search, depth_table, parent, tuned_detector, unfreezing
from finetuning.depth_model import DepthHyperModel
from finetuning.depth_search import Outcome
from finetuning.parent import Parent
from finetuning.settings import FinetuningSettings
from training import dataset, saved_models
from training.dataset import Dataset


def finetune(settings: FinetuningSettings) -> None:
    """Searches how deep to fine-tune, and saves a new detector if that helps; the hold-out is not read.

    Raises:
        PlainError: no such detector, another data set than its own, no block of that name, or a search that fails.
    """
    start = parent.read(parent.find(settings.saved_models, settings.model))
    data = read_data(start, settings)
    found = unfreezing.blocks(start.base, start.card.base["name"])
    deepest = unfreezing.deepest(settings.deepest, found)
    banner = start.card.banner
    for more in (audit.refuse(data.folder, data.records, settings.accept_shortcuts), foreign(start, data)):
        if more not in banner:
            banner = f"{banner} {more}".strip()
    if banner:
        console.warn(banner)
    name = saved_models.free_name(settings.saved_models, settings.name, f"{start.card.name}-tuned")
    names = [block.name for block in found[:deepest]]
    console.say(f"{start.card.name}: {start.card.base['name']}, from the top: {', '.join(names)}.")

    console.heading("Search")
    hypermodel = DepthHyperModel(start, data, found, deepest, settings)
    before = hypermodel.as_it_was()
    logs = settings.logs / "finetuning"
    trials = depth_search.search(hypermodel, data.folder / "searches", logs / f"{data.folder.name}-search")

    console.heading("Winner")
    outcome = Outcome(before, trials, depth_search.repeat(hypermodel, trials[0], logs / name))
    images = len(data.train) + len(data.validation)
    console.say(
        f"{hypermodel.passes} forward passes through frozen blocks ({images} images x {settings.views} views, each depth)."
    )
    depth_table.show(outcome, found)
    if outcome.gain <= outcome.loss.deviation:
        console.say(
            f"Fine-tuning does not help: the loss changes by {-outcome.gain:+.4f}, seeds differ by "
            f"{outcome.loss.deviation:.4f}, so this is noise or a loss. {start.folder} stays as it is."
        )
        return
    tuned_detector.save(name, outcome, hypermodel, banner)
    console.say(
        f"Fine-tuning helps: the loss falls by {outcome.gain:.4f}, seeds differ by {outcome.loss.deviation:.4f}. "
        f"Saved {settings.saved_models / name}. Judge it beside its parent: python -m validation --model {name}. "
        f"Curves: tensorboard --logdir {settings.logs}"
    )


def read_data(start: Parent, settings: FinetuningSettings) -> Dataset:
    """The detector's own data set, or the one named.

    Raises:
        PlainError: it is not the one that the detector was trained on, and that is not accepted.
    """
    data = dataset.read(settings.data, settings.dataset or Path(start.card.dataset["folder"]))
    if foreign(start, data) and not settings.accept_other_data:
        raise console.PlainError(
            f"{data.folder} is not the data set that {start.card.name} was trained on, or has changed since: what one holds "
            "out, the other may have trained on. Train on it first, or give --accept-other-data.",
            console.LEAK,
        )
    if data.train[0].crop != start.card.crop:
        raise console.PlainError(f"{data.folder} has --crop {data.train[0].crop}, {start.card.name} takes {start.card.crop}.")
    return data


def foreign(start: Parent, data: Dataset) -> str:
    """What every report must say first because the detector was trained on another data set; empty if it was not."""
    if manifest.fingerprint(data.records) == start.card.dataset["fingerprint"]:
        return ""
    return (
        f"{start.card.name} was trained on other data ({start.card.dataset['folder']}) and may have seen images that are held "
        "out here."
    )
