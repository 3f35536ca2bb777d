"""Choose the detector that fine-tuning starts from, and check that it can; nothing is loaded."""

from dataclasses import replace
from pathlib import Path

from finetuning.settings import FinetuningSettings
from runtime import console
from training import dataset
from training.detectors import ready_detectors, saved_models
from training.detectors.card import Card, read_card


def choose_source(settings: FinetuningSettings) -> tuple[Path, FinetuningSettings]:
    """Return the folder of the source detector, and the settings that it needs.

    Raises:
        PlainError: there is no such detector or data set, the detector is on several bases, or it
            comes with Telltale and no data set is named.
    """
    folder = saved_models.find_best_detector(settings.saved_models, settings.model)
    card = read_card(folder)
    if ready_detectors.is_ready_detector(folder):
        settings = _accept_own_data(settings, card)
    _check_single_base(card)
    find_dataset(settings, card)
    return folder, settings


def find_dataset(settings: FinetuningSettings, card: Card) -> Path:
    """Return the folder of the named data set, or of the one that the detector was trained on.

    Raises:
        PlainError: there is none.
    """
    return dataset.find_dataset(settings.data, settings.dataset or Path(card.dataset.folder))


def _accept_own_data(settings: FinetuningSettings, card: Card) -> FinetuningSettings:
    """Return the settings for a ready detector, which starts from pictures that are not here.

    Raises:
        PlainError: no data set is named.
    """
    if settings.dataset is None:
        collect = f"python -m data_collection --crop {card.crop} --dataset mine"
        raise console.PlainError(
            f"{card.name} comes with Telltale, without its pictures. Collect some of your own "
            f"({collect}), then name them: python -m finetuning --model {card.name} --dataset "
            "data/mine."
        )
    return replace(settings, accept_other_data=True)


def _check_single_base(card: Card) -> None:
    """Raise PlainError for a detector on several bases."""
    if card.more_bases:
        raise console.PlainError(
            f"{card.name} spans {card.base_names}; a detector on one base alone can be fine-tuned. "
            "Name one with --model, or train one without --span-bases."
        )
