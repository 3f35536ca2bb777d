"""The parts of the session's toy detector, with the saved weights for every test; its data set."""

from collections.abc import Iterator

import pytest

from finetuning.unfreezing import Block, split_into_blocks
from training import dataset
from training.dataset import Dataset
from training.detectors import detector_parts
from training.detectors.detector_parts import DetectorParts


@pytest.fixture(scope="session")
def session_parts(workplace) -> DetectorParts:
    return detector_parts.load_detector_parts(workplace / "saved_models" / "toy")


@pytest.fixture
def toy(session_parts) -> Iterator[DetectorParts]:
    session_parts.restore_weights()
    yield session_parts
    session_parts.restore_weights()


@pytest.fixture
def toy_blocks(toy) -> list[Block]:
    return split_into_blocks(toy.base)


@pytest.fixture(scope="session")
def data(workplace) -> Dataset:
    return dataset.load_dataset(workplace / "data", workplace / "data" / "faces")
