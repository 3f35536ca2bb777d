"""Stable Diffusion with random weights: faces record their settings, and are repeatable."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from data_collection.dataset import manifest
from data_collection.diffusion import pipeline_loader
from data_collection.settings import CollectionSettings
from data_collection.sources import stable_diffusion
from data_collection.sources.stable_diffusion import STABLE_DIFFUSION
from runtime import console
from toys.diffusion import (
    GENERATED_SIDE_PX,
    GENERATION_MARKS,
    decode_pixels,
    generate_faces,
    make_request,
)

pytestmark = GENERATION_MARKS


def test_the_faces_take_the_prompts_in_turn_and_count_their_seeds(tmp_path, model):
    faces = STABLE_DIFFUSION.list_candidates(make_request(tmp_path, model))
    assert [face.seed for face in faces] == [7, 8, 9, 10, 11]
    assert [face.file for face in faces[:2]] == ["00000007.png", "00000008.png"]
    assert len({face.prompt for face in faces[:3]}) == 3 and faces[3].prompt == faces[0].prompt
    assert faces[0].attributes and faces[0].stable and faces[0].generator == "tiny"
    assert len({face.load_many for face in faces}) == 1  # ingesting groups the faces by it


def test_a_face_generated_alone_from_its_row_is_the_one_of_its_batch(tmp_path, model):
    faces = generate_faces(make_request(tmp_path, model))
    assert len(faces) == 5 and all(
        decode_pixels(data).shape == (GENERATED_SIDE_PX, GENERATED_SIDE_PX, 3) for _, data in faces
    )
    face, data = faces[3]
    row = manifest.FaceRecord(
        id="0",
        label="generated",
        source="tiny",
        file=face.file,
        status="accepted",
        prompt=face.prompt,
        seed=face.seed,
    )
    row = replace(row, drawn_with=json.loads(json.dumps(dict(face.drawn_with))))
    assert (
        np.abs(
            decode_pixels(stable_diffusion.regenerate_from_prompt(row)) - decode_pixels(data)
        ).max()
        <= 1
    )
    assert np.abs(decode_pixels(face.load()) - decode_pixels(data)).max() <= 1
    other = replace(row, seed=face.seed + 1)
    assert (
        np.abs(
            decode_pixels(stable_diffusion.regenerate_from_prompt(other)) - decode_pixels(data)
        ).max()
        > 20
    )
    with pytest.raises(console.PlainError, match="does not say how"):
        stable_diffusion.regenerate_from_prompt(replace(row, drawn_with={}))


def test_prompts_longer_than_clip_reads_are_told(tmp_path, model, capsys):
    faces = STABLE_DIFFUSION.list_candidates(make_request(tmp_path, model, 3))
    # The toy's vocabulary is letters: "a face" has 5 tokens, and two stand around it.
    texts = ("a face", "x" * 75, "x" * 76)
    faces = [replace(face, prompt=text) for face, text in zip(faces, texts, strict=True)]
    list(faces[0].load_many(faces))
    text = " ".join(capsys.readouterr().err.split())
    assert "1 of 3 prompts is longer than CLIP reads; the end is not drawn" in text


def test_a_face_records_the_settings_it_was_generated_with(tmp_path, model):
    face, _ = generate_faces(make_request(tmp_path, model, 1, negative_prompt="hat"))[0]
    recorded = dict(face.drawn_with)
    assert {
        name: recorded[name]
        for name in ("model", "steps", "size", "negative_prompt", "scheduler", "safety_checker")
    } == {
        "model": str(model),
        "steps": 2,
        "size": GENERATED_SIDE_PX,
        "negative_prompt": "hat",
        "scheduler": "dpm++",
        "safety_checker": True,
    }
    assert (
        recorded["torch"] == torch.__version__
        and recorded["dtype"]
        and recorded["device"]
        and {"diffusers", "transformers"} <= recorded.keys()
    )


def collect_rows(settings: CollectionSettings) -> list[manifest.FaceRecord]:
    from data_collection import collect

    settings.folder.mkdir(parents=True, exist_ok=True)
    path = manifest.manifest_path(settings.folder)
    return collect.collect_sources(
        collect.parse_requested_sources(settings),
        manifest.read_manifest(settings.folder) if path.exists() else [],
        settings,
    )[0]


def make_settings(folder, model, count=3, **changes) -> CollectionSettings:
    settings = make_request(folder, model).settings
    (folder / "none").mkdir(exist_ok=True)
    sources = {"real": (f"folder:{folder / 'none'}",), "generated": (f"stable-diffusion:{count}",)}
    return replace(settings, **sources, min_side=32, image_size=32, keep_upscaled=True, **changes)


def test_a_collection_generates_only_what_its_manifest_lacks(tmp_path, model):
    assert [row.seed for row in collect_rows(make_settings(tmp_path, model, 2))] == [7, 8]
    generation = make_settings(tmp_path, model).generation
    decoded = []
    hook = pipeline_loader.load_pipeline(generation).pipeline.vae.decoder.register_forward_hook(
        lambda *_: decoded.append(1)
    )
    rows = collect_rows(make_settings(tmp_path, model, 4))
    hook.remove()
    assert [row.seed for row in rows] == [7, 8, 9, 10] and len(decoded) == 2
    assert all(row.accepted and row.drawn_with["torch"] for row in rows)


def test_a_face_that_the_safety_checker_blacks_out_is_generated_again_with_five_seeds(
    tmp_path, checked
):
    rows = collect_rows(make_settings(tmp_path, checked, 2))
    assert {row.reason for row in rows} == {"single colour"}
    assert sorted(row.seed for row in rows if row.seed % 1_000_000 == 7) == [
        7 + 1_000_000 * attempt for attempt in range(6)
    ]
    assert len({row.file for row in rows}) == len(rows) == 12
    assert collect_rows(make_settings(tmp_path, checked, 2)) == rows
