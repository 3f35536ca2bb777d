"""Related images form groups: near-duplicates, mirror images, shared prompts, people, seeds,
originals."""

import io

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageOps

from data_collection.dataset import grouping, near_duplicates
from data_collection.dataset.manifest import FaceRecord
from toys.images import encode_image, make_image


def record(number: int, image: Image.Image | None = None, **facts) -> FaceRecord:
    fingerprints = near_duplicates.compute_fingerprints(image or make_image(1000 + number))
    source = facts.pop("source", "source")
    name = f"{number:064x}"
    return FaceRecord(
        id=name,
        label=facts.pop("label", "real"),
        source=source,
        file=facts.pop("file", str(number)),
        status="accepted",
        **fingerprints,
        **facts,
    )


@pytest.mark.parametrize(
    "change",
    [
        lambda image: Image.open(io.BytesIO(encode_image(image, "JPEG", quality=40))),
        lambda image: image.resize((48, 48)),
        lambda image: ImageEnhance.Brightness(image).enhance(1.2),
        ImageOps.mirror,
    ],
    ids=["JPEG 40", "half size", "brighter", "mirrored"],
)
def test_a_changed_copy_joins_its_original(change):
    records = [record(1, make_image(1, 192)), record(2), record(3, change(make_image(1, 192)))]
    assert sorted(map(sorted, grouping.group_records(records))) == [[0, 2], [1]]


def test_different_pictures_stay_apart():
    assert len(grouping.group_records([record(number) for number in range(60)])) == 60


@pytest.mark.parametrize(
    "ties",
    [
        ({"prompt": "a face"}, {"prompt": "a face"}),
        ({"person": "s1"}, {"person": "s1"}),
        ({"seed": 0, "generator": "g"}, {"seed": 0, "generator": "g"}),
        ({"source_image": f"{9:064x}"}, {"source_image": f"{9:064x}"}),
        ({"source_image": f"{2:064x}"}, {}),
        ({"source_image": "2"}, {}),
        ({"source_image": "C:\\pictures\\n1\\2.jpg"}, {"file": "n1/2.jpg"}),
        ({"person": "s1", "source": "one"}, {"person": "s1", "source": "other"}),
    ],
)
def test_a_shared_fact_ties_two_images(ties):
    records = [record(1, **ties[0]), record(2, **ties[1]), record(3)]
    assert sorted(map(sorted, grouping.group_records(records))) == [[0, 1], [2]]


def test_of_photographs_with_one_name_in_several_folders_the_one_at_the_path_is_the_original():
    records = [
        record(1, file="n1/1.jpg"),
        record(2, file="n2/1.jpg"),
        record(3, label="generated", file="a.png", source_image="n2/1.jpg"),
        record(4, label="generated", file="1.jpg", source_image="persons/n1/1.jpg"),
    ]
    assert sorted(map(sorted, grouping.group_records(records))) == [[0, 3], [1, 2]]


def test_facts_of_different_kinds_do_not_tie():
    records = [
        record(1, prompt="x", seed=1, generator="a"),
        record(2, person="x", seed=1, generator="b"),
        record(3),
    ]
    assert len(grouping.group_records(records)) == 3


def test_ties_form_chains():
    records = [
        record(1, prompt="a", person="p"),
        record(2, prompt="b"),
        record(3, prompt="b", person="p"),
    ]
    assert len(grouping.group_records(records)) == 1


def test_components_of_nothing_and_of_no_pairs():
    assert len(grouping.label_components(0, [])) == 0
    assert len(np.unique(grouping.label_components(4, []))) == 4
