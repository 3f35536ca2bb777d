"""finetune(): a saved detector -> search over depth -> the best depth with several seeds -> a new detector, or the old one."""

import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from data_collection import audit, console, manifest
from finetuning import depth_search, parent, unfreezing
from finetuning.depth_search import DepthHyperModel, Tuned
from finetuning.parent import Parent
from finetuning.settings import FinetuningSettings
from training import costs, dataset, detector, leaderboard, onnx_files, run_logs, saved_models
from training.calibration import calibrate, sigmoid, temperature
from training.dataset import Dataset
from training.heads import LABEL_SMOOTHING


def finetune(settings: FinetuningSettings) -> None:
    """Searches how deep to fine-tune, and saves a new detector if that helps; the hold-out is not read.

    Raises:
        PlainError: no such detector, another data set than its own, no block of that name, or a search that fails.
    """
    start = parent.read(parent.find(settings.saved_models, settings.model))
    data = read_data(start, settings)
    banner = audit.refuse(data.folder, data.records, settings.accept_shortcuts)
    if banner:
        console.warn(banner)
    found = unfreezing.blocks(start.base, start.card.base["name"])
    deepest = unfreezing.deepest(settings.deepest, found)
    name = saved_models.free_name(settings.saved_models, settings.name, f"{start.card.name}-tuned")
    names = [block.name for block in found[:deepest]]
    console.say(f"{start.card.name}: {start.card.base['name']}, from the top: {', '.join(names)}.")

    console.heading("Search")
    hypermodel = DepthHyperModel(start, data, found, deepest, settings)
    before = hypermodel.as_it_was()
    logs = settings.logs / "finetuning"
    trials = depth_search.search(hypermodel, data.folder / "searches", logs / f"{data.folder.name}-search")

    console.heading("Winner")
    repeats = depth_search.repeat(hypermodel, trials[0], logs / name)
    images = len(data.train) + len(data.validation)
    console.say(
        f"{hypermodel.passes} forward passes through frozen blocks ({images} images x {settings.views} views, each depth)."
    )
    show(before, trials, [tuned for tuned, _ in repeats], found)
    gain, spread = gained(before, [tuned for tuned, _ in repeats])
    if gain <= spread:
        console.say(
            f"Fine-tuning does not help: the loss changes by {-gain:+.4f}, seeds differ by {spread:.4f}, so this is noise or a "
            f"loss. {start.folder} stays as it is."
        )
        return
    best, weights = min(repeats, key=lambda pair: pair[0].loss)
    start.restore(weights)
    save(name, start, best, before, [tuned for tuned, _ in repeats], trials, hypermodel, banner)
    console.say(
        f"Fine-tuning helps: the loss falls by {gain:.4f}, seeds differ by {spread:.4f}. Saved {settings.saved_models / name}. "
        f"Judge it beside its parent: python -m validation --model {name}. Curves: tensorboard --logdir {settings.logs}"
    )


def read_data(start: Parent, settings: FinetuningSettings) -> Dataset:
    """The detector's own data set, or the one named.

    Raises:
        PlainError: it is not the one that the detector was trained on, and that is not accepted.
    """
    own = Path(start.card.dataset["folder"])
    data = dataset.read(settings.data, settings.dataset or own)
    same = manifest.fingerprint(data.records) == start.card.dataset["fingerprint"]
    if not same and not settings.accept_other_data:
        raise console.PlainError(
            f"{data.folder} is not the data set that {start.card.name} was trained on, or has changed since: what one holds "
            "out, the other may have trained on. Train on it first, or give --accept-other-data.",
            console.LEAK,
        )
    if data.train[0].crop != start.card.crop:
        raise console.PlainError(f"{data.folder} has --crop {data.train[0].crop}, {start.card.name} takes {start.card.crop}.")
    return data


def gained(before: Tuned, repeats: Sequence[Tuned]) -> tuple[float, float]:
    """By how much the mean loss of the repeats lies under the old one, and their standard deviation; 0 for a single one."""
    losses = [tuned.loss for tuned in repeats]
    spread = float(np.std(losses, ddof=1)) if len(losses) > 1 else 0.0
    return before.loss - float(np.mean(losses)), spread


def show(before: Tuned, trials: Sequence[Tuned], repeats: Sequence[Tuned], found: Sequence[unfreezing.Block]) -> None:
    """Prints depth 0, every trial, and the repeats' mean and spread, ranked by validation loss."""
    rows = [(before.loss, ["0: as it was", "", "", "", "", "", "", "0", f"{before.auc:.4f}", f"{before.loss:.4f}"])]
    for tuned in trials:
        values = tuned.values
        rows.append(
            (
                tuned.loss,
                [
                    f"{tuned.depth}: down to {found[tuned.depth - 1].name}",
                    f"{values['learning_rate']:.1e}",
                    values["schedule"],
                    f"{values['weight_decay']:.0e}",
                    str(values["batch_size"]),
                    f"{values['label_smoothing']:g}",
                    values["augmentation"],
                    f"{tuned.trainable:,}",
                    f"{tuned.auc:.4f}",
                    f"{tuned.loss:.4f}",
                ],
            )
        )
    columns = ["depth", "rate", "schedule", "decay", "batch", "smoothing", "augmentation", "trained numbers", "val AUC"]
    title = f"Leaderboard: depth of fine-tuning, validation loss (smoothing {LABEL_SMOOTHING})"
    console.table(title, [*columns, "val loss"], [cells for _, cells in sorted(rows, key=lambda row: row[0])])
    losses, aucs = [tuned.loss for tuned in repeats], [tuned.auc for tuned in repeats]
    console.say(
        f"The best trial with {len(repeats)} seeds: loss {np.mean(losses):.4f} (standard deviation {_spread(losses)}), "
        f"AUC {np.mean(aucs):.4f} ({_spread(aucs)})."
    )
    moved = ", ".join(f"{one.block} by {one.largest:.1e}" for one in repeats[0].moved)
    console.say(f"Largest change of a weight in each opened block: {moved}. Nothing else of the base has moved.")


def _spread(values: Sequence[float]) -> str:
    return f"{np.std(values, ddof=1):.4f}" if len(values) > 1 else "n/a with one seed"


def save(
    name: str,
    start: Parent,
    best: Tuned,
    before: Tuned,
    repeats: Sequence[Tuned],
    trials: Sequence[Tuned],
    hypermodel: DepthHyperModel,
    banner: str,
) -> None:
    """Writes the fine-tuned detector; its card names its parent, which is kept beside it as a baseline."""
    settings, data, card = hypermodel.settings, hypermodel.data, start.card
    labels = data.labels(data.validation)
    logits = hypermodel.logits(best.depth)
    heat = temperature(logits, labels)
    probabilities = sigmoid(logits / heat)
    members = [replace(member, weight=member.weight / heat) for member in start.members]
    model = detector.join(start.base, card.base["name"], card.image_size, members)
    with saved_models.being_written(settings.saved_models, name) as folder:
        model.save(folder / saved_models.KERAS_FILE)
        with console.err.status("exporting detector.onnx"):
            onnx_files.export(model, folder / saved_models.ONNX_FILE)
        parity = onnx_files.parity(model, folder / saved_models.ONNX_FILE)
        console.say(f"detector.keras and detector.onnx differ by {parity:.1e} at most.")
        if parity > onnx_files.PARITY:
            raise console.PlainError(f"detector.onnx differs from detector.keras by {parity:.1e}; it is not saved.")
        compared = _keep_baselines(start, folder)
        rows = [json.dumps({"depth": 0, "val_loss": before.loss, "val_auc": before.auc})]
        rows += [
            json.dumps({**tuned.values, "val_loss": tuned.loss, "val_auc": tuned.auc, "epochs": tuned.epochs})
            for tuned in trials
        ]
        manifest.write_whole(folder / "leaderboard.jsonl", ("\n".join(rows) + "\n").encode())
        files = sorted(path for path in folder.rglob("*") if path.suffix in (".keras", ".onnx"))
        opened = [block.name for block in hypermodel.found[: best.depth]]
        written = replace(
            card,
            name=name,
            created=saved_models.now(),
            base={**card.base, "note": f"{card.base['note']}; {', '.join(opened)} fine-tuned"},
            search={
                **card.search,
                "weights": [member.weight for member in members],
                "parent": card.name,
                "finetuning": {
                    "depth": best.depth,
                    "blocks": opened,
                    "values": best.values,
                    "repeats": [{"loss": tuned.loss, "auc": tuned.auc} for tuned in repeats],
                    "moved": [asdict(moved) for moved in best.moved],
                },
            },
            calibration=calibrate(probabilities, labels, card.calibration.target_fpr, heat),
            metrics=leaderboard.metrics(probabilities, labels),
            baselines=compared,
            parity=parity,
            cost=asdict(costs.measure(folder / saved_models.ONNX_FILE)),
            sha256={path.relative_to(folder).as_posix(): onnx_files.sha256(path) for path in files},
            settings={**card.settings, "finetuning": json.loads(json.dumps(asdict(settings), default=str))},
            banner=banner or card.banner,
        )
        saved_models.write_card(folder, written)
    with run_logs.opened(settings.logs / "finetuning" / name) as run:
        run.pr_curve("validation/precision_recall", labels, probabilities)
        run.scalars({f"validation/{key}": value for key, value in written.metrics.items()})


def _keep_baselines(start: Parent, folder: Path) -> dict[str, dict]:
    """The parent's baselines and the parent itself, so that the hold-out report shows before and after side by side."""
    shutil.copytree(start.folder / "baselines", folder / "baselines", dirs_exist_ok=True)
    file = "baselines/parent.onnx"
    shutil.copyfile(start.folder / saved_models.ONNX_FILE, folder / file)
    own = {"metrics": start.card.metrics, "file": file, "calibration": asdict(start.card.calibration)}
    own |= {"cost": start.card.cost} if start.card.cost else {}
    return {f"before fine-tuning: {start.card.name}": own, **start.card.baselines}
