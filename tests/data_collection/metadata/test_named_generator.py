"""A generator is named by a file's settings or declared source, not by a description of it."""

import pytest

from data_collection.metadata.named_generator import find_named_generator
from toys.images import encode_image
from toys.metadata_files import (
    GENERATORS,
    OLDER,
    TOY,
    declared,
    exif,
)


@pytest.mark.parametrize("generator", GENERATORS)
def test_a_generators_settings_name_it(generator):
    assert find_named_generator(GENERATORS[generator]) == generator


@pytest.mark.parametrize("name", OLDER)
def test_older_and_other_ways_of_naming_one_are_read(name):
    assert find_named_generator(OLDER[name][0])


@pytest.mark.parametrize(
    ("term", "named"),
    [
        ("trainedAlgorithmicMedia", "a generator"),
        ("compositeWithTrainedAlgorithmicMedia", ""),
        ("digitalCapture", ""),
        ("somethingNew", ""),
    ],
)
@pytest.mark.parametrize("format", ["JPEG", "WEBP", "AVIF"])
def test_a_declared_source_counts_if_all_of_the_image_is_generated(format, term, named):
    assert find_named_generator(encode_image(TOY, format, xmp=declared(term))) == named


def test_a_plain_image_and_one_that_speaks_of_a_generator_name_none():
    for format in ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF", "AVIF"):
        assert find_named_generator(encode_image(TOY, format)) == ""
    tags = exif(ImageDescription="The founder of Midjourney at a fair", Make="Canon")
    assert find_named_generator(encode_image(TOY, "JPEG", exif=tags)) == ""
