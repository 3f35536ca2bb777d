"""Define HeadSpec, the hyperparameters of one head, and HeadTrial, the result of its training.

Only this file reads and writes KerasTuner's values.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from training.features.column_selection import select_columns
from training.features.layout import Column

ADAMW_VALUES = ("dropout", "weight_decay", "learning_rate")
"""KerasTuner's values of heads that AdamW trains; logistic regression has an L2 penalty instead."""


@dataclass(frozen=True, kw_only=True)
class HeadSpec:
    """Hyperparameters of one head: which features it uses, how it is built, how it is trained.

    Attributes:
        base: name in BASE_MODELS.
        taps: name in TAP_SETS; which layers that means depends on the base.
        sizes: input sizes in pixels.
        layers, units: number of hidden layers and their width; a linear head has 0 of both.
        dropout, weight_decay, learning_rate: of training by AdamW; 0 for logistic regression.
        l2_penalty: times the number of features, of logistic regression fitted to the end; 0 for a
            head that AdamW trains.
    """

    base: str
    signals: tuple[str, ...]
    taps: str
    sizes: tuple[int, ...]
    statistics: tuple[str, ...]
    layers: int
    units: int
    dropout: float
    weight_decay: float
    learning_rate: float
    l2_penalty: float = 0.0

    @property
    def is_logistic(self) -> bool:
        """Whether the head is logistic regression, which has neither epochs nor a seed."""
        return self.l2_penalty > 0

    @classmethod
    def from_hp(cls, values: Mapping[str, Any]) -> "HeadSpec":
        """Read KerasTuner's values, in which sizes, signals and statistics are joined by "+"."""
        layers = values["layers"]
        return cls(
            base=values["base"],
            signals=tuple(values["signals"].split("+")),
            taps=values["taps"],
            sizes=tuple(int(size) for size in values["sizes"].split("+")),
            statistics=tuple(values["statistics"].split("+")),
            layers=layers,
            units=values.get("units", 0) if layers else 0,
            dropout=values.get("dropout", 0.0),
            weight_decay=values.get("weight_decay", 0.0),
            learning_rate=values.get("learning_rate", 0.0),
            l2_penalty=values.get("l2_penalty", 0.0),
        )

    def to_hp(self) -> dict[str, Any]:
        """Return KerasTuner's values, which lack those that the head does not have."""
        unused = ADAMW_VALUES if self.is_logistic else ("l2_penalty",)
        unused = unused if self.layers else (*unused, "units")
        return {name: value for name, value in self.to_hparams().items() if name not in unused}

    def to_hparams(self) -> dict[str, str | float]:
        """Return one text or number per hyperparameter, for TensorBoard's HParams tab."""
        return {
            "base": self.base,
            "signals": "+".join(self.signals),
            "taps": self.taps,
            "sizes": "+".join(map(str, self.sizes)),
            "statistics": "+".join(self.statistics),
            "layers": self.layers,
            "units": self.units,
            "dropout": self.dropout,
            "weight_decay": self.weight_decay,
            "learning_rate": self.learning_rate,
            "l2_penalty": self.l2_penalty,
        }

    def describe(self) -> str:
        """Return the features and the shape of the head in a few words."""
        values = self.to_hparams()
        linear = "logistic regression" if self.is_logistic else "linear"
        shape = f"{self.layers} x {self.units}" if self.layers else linear
        signals = "" if self.signals == ("picture",) else f"{values['signals']} "
        features = f"{self.base} {signals}{self.taps} {values['statistics']} at {values['sizes']}"
        return f"{features}, {shape}"

    def select_columns(self, columns: Sequence[Column]) -> list[Column]:
        """Return those of a base's columns that this head uses.

        Raises:
            ValueError: they lack one of its sizes, signals or statistics.
        """
        return select_columns(
            columns,
            taps=self.taps,
            statistics=self.statistics,
            sizes=self.sizes,
            signals=self.signals,
        )


@dataclass(frozen=True, kw_only=True)
class HeadTrial:
    """One row of the leaderboard.

    Attributes:
        loss, auc: on the validation split, after the best epoch.
        epochs: up to and including the best one.
        hyperband: KerasTuner's own "tuner/..." values of a Hyperband trial.
    """

    spec: HeadSpec
    loss: float
    auc: float
    epochs: int
    hyperband: dict[str, Any] = field(default_factory=dict)

    def to_row(self) -> dict[str, Any]:
        """Return one line of leaderboard.jsonl."""
        scores = {"val_loss": self.loss, "val_auc": self.auc, "epochs": self.epochs}
        return {**self.spec.to_hp(), **self.hyperband, **scores}


def describe_hp_values(values: Mapping[str, Any]) -> str:
    """Describe KerasTuner's values of one trial."""
    return HeadSpec.from_hp(values).describe()
