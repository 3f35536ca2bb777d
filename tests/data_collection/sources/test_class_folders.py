"""Names of folders give the class of images, in the layouts of public data sets."""

import pytest

from data_collection.sources.class_folders import classify_files, find_folder_class


@pytest.mark.parametrize(
    ("real", "generated"),
    [
        ("real", "fake"),
        ("REAL", "FAKE"),
        ("0_real", "1_fake"),
        ("nature", "ai"),
        ("training_real", "training_fake"),
        ("Human", "AiArtData"),
        ("human", "AI"),
        ("original", "Deepfake"),
        ("real_images", "ai-generated"),
        ("photos", "synthetic"),
    ],
)
def test_the_names_of_public_data_sets_are_understood(real, generated):
    assert (find_folder_class(real), find_folder_class(generated)) == ("real", "generated")


@pytest.mark.parametrize(
    "name",
    ["real_vs_fake", "real-vs-fake", "faces", "train", "ADM", "n000001", "Realtors", "", "2"],
)
def test_a_name_that_says_something_else_gives_no_class(name):
    assert find_folder_class(name) is None


def test_folders_above_folders_of_both_classes_do_not_count():
    found = classify_files(["photos/real/1.png", "photos/fake/1.png", "fake/nature/1.png", "1.png"])
    assert [(row.label, row.contradictory) for row in found.values()] == [
        ("real", False),
        ("generated", False),
        (None, True),
        (None, False),
    ]
