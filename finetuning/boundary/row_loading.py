"""Load the boundary of every depth and its rows, computed once from the saved weights."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass

from data_collection.images import canonical
from finetuning.boundary import row_cache, split_models
from finetuning.boundary.row_cache import BoundaryRows
from finetuning.boundary.split_models import Boundary
from finetuning.settings import FinetuningSettings
from finetuning.unfreezing import Block
from runtime import console
from training.dataset import Dataset
from training.detectors.detector_parts import DetectorParts


@dataclass(frozen=True)
class BoundaryData:
    """The boundary of one depth, and its rows of both splits.

    Attributes:
        judged: of the validation images, in the views in which images are judged.
    """

    boundary: Boundary
    train: BoundaryRows
    validation: BoundaryRows
    judged: BoundaryRows


class BoundaryLoader:
    """Boundaries by depth; each is loaded or computed on first use.

    Args:
        blocks: all blocks of the base, from the top down.

    Attributes:
        forward_passes: number of forward passes through frozen blocks so far.
    """

    def __init__(
        self,
        parts: DetectorParts,
        data: Dataset,
        blocks: Sequence[Block],
        settings: FinetuningSettings,
    ):
        self.forward_passes = 0
        self._parts, self._data, self._blocks, self._settings = parts, data, blocks, settings
        self._by_depth: dict[int, BoundaryData] = {}

    def load(self, depth: int) -> BoundaryData:
        """Return the boundary's rows at a depth; base and heads keep their current weights."""
        if depth not in self._by_depth:
            current_weights = self._parts.copy_weights()
            self._parts.restore_weights()
            self._by_depth[depth] = self._compute(depth)
            self._parts.restore_weights(current_weights)
        return self._by_depth[depth]

    def _compute(self, depth: int) -> BoundaryData:
        data, views = self._data, self._settings.views
        n_rows = (len(data.train) + len(data.validation)) * views
        boundary = split_models.choose_boundary(
            self._parts, self._blocks[:depth], n_rows, self._settings.disk
        )
        if boundary.pixels_reason:
            reason = f"{boundary.pixels_reason[0].upper()}{boundary.pixels_reason[1:]}"
            console.print_warning(f"{reason}; depth {depth} starts from the pixels.")
        # one model for all rows: TensorFlow traces each for seconds
        get_front = functools.cache(lambda: split_models.build_front(self._parts, boundary.tap))
        splits = []
        for records, numbers in (
            (data.train, range(views)),
            (data.validation, range(views)),
            (data.validation, canonical.list_judgement_views()),
        ):
            rows, forward_passes = row_cache.load_or_compute_rows(
                self._parts, boundary, data.folder, records, numbers, get_front
            )
            self.forward_passes += forward_passes if boundary.tap else 0
            splits.append(rows)
        return BoundaryData(boundary, *splits)
