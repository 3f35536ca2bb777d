"""Photographs redrawn with strengths of their own, by a tiny pipeline of random weights."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from data_collection.dataset import grouping
from data_collection.diffusion import pipeline_cache
from data_collection.settings import CollectionSettings
from data_collection.sources import image_to_image, reconstruction
from data_collection.sources.image_to_image import IMAGE_TO_IMAGE
from runtime import console
from toys.diffusion import GENERATION_MARKS, decode_pixels
from toys.images import make_image
from toys.redrawn import build_row, make_redrawn_request, redraw

pytestmark = GENERATION_MARKS


def make_request(folder, model, count=6, **options):
    return make_redrawn_request(
        folder, model, [make_image(number) for number in range(count)], **options
    )


def test_strengths_range_from_a_tenth_to_six_tenths_and_depend_on_photograph_and_seed():
    drawn = Counter(image_to_image.choose_strength(f"{number:064x}", 0) for number in range(2000))
    assert sorted(drawn) == [0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6]
    assert min(drawn.values()) > 100
    first, other = (
        [image_to_image.choose_strength(f"{number:064x}", seed) for number in range(50)]
        for seed in (0, 1)
    )
    assert first != other


def test_every_photograph_is_redrawn_with_its_strength_by_one_pipeline(tmp_path, model):
    request = make_request(tmp_path, model)
    results = redraw(IMAGE_TO_IMAGE, request)
    assert len(pipeline_cache.PIPELINE_CACHE) == 1
    (loaded,) = pipeline_cache.PIPELINE_CACHE._pipelines.values()
    assert {face.source_image for face, _ in results} == {
        record.id for record in request.photographs
    }
    strengths = {face.drawn_with["strength"] for face, _ in results}
    assert len(strengths) > 2 and all(0.1 <= strength <= 0.6 for strength in strengths)
    for face, data in results:
        assert decode_pixels(data).shape == (64, 64, 3)
        assert face.drawn_with["strength"] == image_to_image.choose_strength(face.source_image, 3)
        assert face.drawn_with["device"] and face.drawn_with["steps"] == 10
        assert not face.prompt and face.generator == "tiny-redrawn"
    again = redraw(IMAGE_TO_IMAGE, replace(request, argument="1"))
    assert list(pipeline_cache.PIPELINE_CACHE._pipelines.values()) == [loaded]
    assert again[0][1] == next(data for face, data in results if face.seed == 3)


def test_a_redrawn_picture_is_regenerated_alone_from_its_row(tmp_path, model):
    request = make_request(tmp_path, model, 2)
    face, data = redraw(IMAGE_TO_IMAGE, request)[0]
    record = next(row for row in request.photographs if row.id == face.source_image)
    again = reconstruction.regenerate_reconstruction(
        build_row(face), (request.settings.folder / record.original).read_bytes()
    )
    assert np.abs(decode_pixels(again) - decode_pixels(data)).max() <= 1


def test_a_redrawn_picture_belongs_to_the_group_of_its_photograph(tmp_path, model):
    request = make_request(tmp_path, model, 3)
    rows = [
        replace(row, phash=f"{number:x}" * 16, phash_mirrored=f"{8 + number:x}" * 16)
        for number, row in enumerate(request.photographs)
    ]
    drawn = [
        replace(build_row(face), id=str(number), phash=f"{5 + number:x}" * 16)
        for number, face in enumerate(IMAGE_TO_IMAGE.list_candidates(request))
    ]
    related = grouping.label_components(6, grouping.find_related_pairs([*rows, *drawn]))
    assert list(related[:3]) == list(related[3:]) and len(set(related)) == 3


def test_too_few_steps_for_the_weakest_strength_are_refused(tmp_path, model):
    with pytest.raises(console.PlainError, match="give --steps 10 or more"):
        IMAGE_TO_IMAGE.check_request(make_request(tmp_path, model, steps=9), [])
    IMAGE_TO_IMAGE.check_request(make_request(tmp_path, model, steps=10), [])


def test_a_source_keeps_to_one_number_of_steps(tmp_path, model):
    request = make_request(tmp_path, model, 1)
    known = [build_row(face) for face in IMAGE_TO_IMAGE.list_candidates(request)]
    IMAGE_TO_IMAGE.check_request(request, known)
    with pytest.raises(console.PlainError, match="was generated with --steps 10, not 20"):
        IMAGE_TO_IMAGE.check_request(make_request(tmp_path, model, 1, steps=20), known)


def test_what_it_needs_is_the_whole_model_and_its_name_is_its_own(tmp_path, model):
    request = make_request(tmp_path, model, 1)
    names = [requirement.name for requirement in IMAGE_TO_IMAGE.list_requirements(request)]
    assert names == [f"the model {model}", "a GPU", "disk for the images"]
    assert (
        IMAGE_TO_IMAGE.make_name("300@stabilityai/sd-turbo", CollectionSettings())
        == "stabilityai/sd-turbo-image-to-image"
    )
