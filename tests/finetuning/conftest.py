"""The session's toy detector taken apart, and its data set; every test gets the saved weights."""

from collections.abc import Iterator

import pytest

from finetuning import parent
from finetuning.parent import Parent
from finetuning.unfreezing import Block, blocks
from training import dataset
from training.dataset import Dataset


@pytest.fixture(scope="session")
def read_once(workplace) -> Parent:
    return parent.read(workplace / "saved_models" / "toy")


@pytest.fixture
def toy(read_once) -> Iterator[Parent]:
    read_once.restore()
    yield read_once
    read_once.restore()


@pytest.fixture
def toy_blocks(toy) -> list[Block]:
    return blocks(toy.base, toy.card.base["name"])


@pytest.fixture(scope="session")
def data(workplace) -> Dataset:
    return dataset.read(workplace / "data", workplace / "data" / "faces")
