"""Every family of models generates with a tiny pipeline of its class, and tells its terms first."""

import json
from dataclasses import replace

import numpy as np
import pytest

from data_collection import preflight, recipes
from data_collection.dataset.manifest import FaceRecord
from data_collection.diffusion import model_location, pipeline_cache, pipeline_loader
from data_collection.diffusion.model_families import MODEL_FAMILIES
from data_collection.generation import diffusion_request
from data_collection.settings import CollectionSettings
from data_collection.sources import image_to_image, requested_sources, stable_diffusion
from data_collection.sources.stable_diffusion import STABLE_DIFFUSION
from runtime import console
from toys.diffusion import GENERATION_MARKS, decode_pixels, generate_faces, make_request
from toys.images import make_image
from toys.model_families import FAMILY_TOYS
from toys.model_hub import serve_hub
from toys.redrawn import make_redrawn_request, redraw

pytestmark = GENERATION_MARKS

PIPELINES = {
    "stable-diffusion-1.5": "StableDiffusionPipeline",
    "stable-diffusion-2.1": "StableDiffusionPipeline",
    "sdxl-turbo": "StableDiffusionXLPipeline",
    "stable-diffusion-3.5": "StableDiffusion3Pipeline",
    "flux-schnell": "FluxPipeline",
    "pixart-sigma": "PixArtSigmaPipeline",
    "kandinsky-2.2": "KandinskyV22CombinedPipeline",
}


@pytest.fixture(scope="module")
def toys(tmp_path_factory):
    """Save the toys of all families; return their folders by name."""
    import torch

    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("families")
    return {name: save(folder / name) for name, save in FAMILY_TOYS.items()}


@pytest.mark.parametrize("name", MODEL_FAMILIES)
def test_every_family_generates_repeatable_faces_from_prompts(tmp_path, toys, name):
    request = make_request(tmp_path, toys[name], 3, scheduler="own")
    faces = generate_faces(request)
    loaded = pipeline_loader.load_pipeline(request.settings.generation)
    assert type(loaded.pipeline).__name__ == PIPELINES[name]
    pictures = [decode_pixels(data) for _, data in faces]
    assert [picture.shape for picture in pictures] == [(64, 64, 3)] * 3
    assert min(picture.std() for picture in pictures) > 5
    assert np.abs(pictures[0] - pictures[1]).max() > 20
    face = faces[2][0]
    row = FaceRecord(
        id="0",
        label="generated",
        source=face.source,
        file=face.file,
        status="accepted",
        prompt=face.prompt,
        seed=face.seed,
        drawn_with=json.loads(json.dumps(dict(face.drawn_with))),
    )
    again = decode_pixels(stable_diffusion.regenerate_from_prompt(row))
    assert np.abs(again - pictures[2]).max() <= 1
    other = decode_pixels(stable_diffusion.regenerate_from_prompt(replace(row, prompt="z" * 40)))
    assert np.abs(other - pictures[2]).max() > 1


def test_a_family_name_stands_for_its_model_and_settings():
    settings = CollectionSettings()
    generation = diffusion_request.parse_generation_settings("300@flux-schnell", settings)
    assert (generation.model, generation.steps, generation.guidance) == (
        "black-forest-labs/FLUX.1-schnell",
        4,
        0.0,
    )
    assert (generation.generation_size, generation.scheduler) == (1024, "own")
    name = STABLE_DIFFUSION.make_name("300@flux-schnell", settings)
    assert name == "black-forest-labs/FLUX.1-schnell"
    other = diffusion_request.parse_generation_settings("300@some/model", settings)
    assert other == replace(settings.generation, model="some/model")


def test_another_scheduler_and_redrawing_are_refused_where_they_do_not_work(tmp_path, toys):
    folder = toys["flux-schnell"]
    with pytest.raises(console.PlainError, match="FluxPipeline.*give --scheduler own"):
        generate_faces(make_request(tmp_path, folder, 1, scheduler="dpm++"))
    request = make_redrawn_request(tmp_path, folder, [make_image(1)], scheduler="own")
    with pytest.raises(console.PlainError, match="generates from prompts alone"):
        redraw(image_to_image.IMAGE_TO_IMAGE, request)


def test_files_that_were_split_are_added_and_the_largest_variant_counts():
    files = {
        "transformer/a-00001-of-00002.safetensors": 5,
        "transformer/a-00002-of-00002.safetensors": 4,
        "transformer/a.fp16.safetensors": 6,
        "vae/b.safetensors": 100,
    }
    assert model_location._estimate_part_bytes("transformer", files) == 9
    assert model_location._estimate_part_bytes("unet", files) == 0


def test_a_prior_of_the_hub_is_listed_and_fetched_with_its_decoder(tmp_path, toys, empty_cache):
    """The two lie in two repositories, joined by the README of one."""
    family = MODEL_FAMILIES["kandinsky-2.2"]
    decoder = toys["kandinsky-2.2"]
    prior = decoder.with_name(f"{decoder.name}-prior")
    readme = (decoder / "README.md").read_text()
    (decoder / "README.md").write_text(f"---\nprior:\n- {family.prior}\n---\n")
    try:
        with serve_hub({family.model: decoder, family.prior: prior}) as url:
            empty_cache(url)
            request = make_request(tmp_path, family.model, 1, scheduler="own")
            rows = {row.name: row for row in STABLE_DIFFUSION.list_requirements(request)}
            assert rows[f"the model {family.prior}"].download_bytes > 0
            assert "Apache-2.0; not gated" in rows[f"the licence of {family.model}"].status
            assert len(generate_faces(request)) == 1
    finally:
        (decoder / "README.md").write_text(readme)
        pipeline_cache.PIPELINE_CACHE.clear()


def parse_recipe(tmp_path) -> list:
    settings = recipes.parse_collection_settings(["--recipe", "many", "--data", str(tmp_path)])
    return requested_sources.parse_requested_sources(replace(settings, real=()))


def test_the_recipe_has_every_family_with_the_same_prompts_and_fakes_of_photographs(tmp_path):
    sources = parse_recipe(tmp_path)
    arguments = {source.request.argument for source in sources if source.source is STABLE_DIFFUSION}
    assert arguments == {f"300@{name}" for name in MODEL_FAMILIES}
    others = [source.request.source_name for source in sources[len(MODEL_FAMILIES) :]]
    assert others == ["stable-diffusion-v1-5/stable-diffusion-v1-5-reconstruction", "self-blend"]
    prompts = [
        [face.prompt for face in source.source.list_candidates(source.request)]
        for source in sources[:2]
    ]
    assert prompts[0] == prompts[1] and len(set(prompts[0])) == 100 and len(prompts[0]) == 300


def test_the_recipe_tells_licences_gigabytes_and_hours_before_anything_starts(
    tmp_path, toys, empty_cache, capsys
):
    models = {MODEL_FAMILIES[name].model: folder for name, folder in toys.items()}
    models[MODEL_FAMILIES["kandinsky-2.2"].prior] = toys["kandinsky-2.2"]
    gated = MODEL_FAMILIES["flux-schnell"].model
    sources = parse_recipe(tmp_path)
    with serve_hub(models, lambda path: 403 if gated in path else None) as url:
        empty_cache(url)
        with pytest.raises(console.PlainError, match=f"Missing: the model {gated}. Nothing was"):
            preflight.check_requirements(sources, [], tmp_path / "many")
        rows = [
            row
            for source in sources[:-1]
            for row in source.source.list_requirements(source.request)
        ]
    licences = {row.name: row.status for row in rows if "licence" in row.name}
    assert licences.keys() == {f"the licence of {model.model}" for model in MODEL_FAMILIES.values()}
    assert sum("gated: accept its terms" in status for status in licences.values()) == 2
    assert all("https://" in status for status in licences.values())
    printed = " ".join("".join(capsys.readouterr()).split())
    assert "disk for all models" in printed and "unknown time of 3 sources" in printed
    assert not (tmp_path / "many").exists()
