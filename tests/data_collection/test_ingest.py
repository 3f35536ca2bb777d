"""Known images are skipped, lost files come back, and contradictions stop the run."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image, PngImagePlugin

from data_collection import ingest
from data_collection.dataset import manifest
from data_collection.settings import CollectionSettings
from data_collection.source_types import CandidateFace
from data_collection.sources.local_folder import list_folder_candidates
from runtime import console
from toys.heif_files import write_heic
from toys.images import encode_image, make_image


@pytest.fixture
def settings(tmp_path) -> CollectionSettings:
    (tmp_path / "data" / "faces").mkdir(parents=True)
    return CollectionSettings(
        data=tmp_path / "data", image_size=64, min_side=48, keep_upscaled=True
    )


@pytest.fixture
def faces(tmp_path) -> Path:
    (tmp_path / "faces").mkdir()
    for number in range(3):
        (tmp_path / "faces" / f"{number}.png").write_bytes(encode_image(make_image(number)))
    return tmp_path / "faces"


def make_candidates(
    count: int, black: set[int], loaded: list[str], **settings: object
) -> list[CandidateFace]:
    """Return candidates of a generator; those in `black` are of a single colour.

    The names of loaded ones are appended to `loaded`.
    """

    def load_many(faces: Sequence[CandidateFace]) -> Iterator[tuple[CandidateFace, bytes]]:
        for face in faces:
            loaded.append(face.file)
            yield (
                face,
                encode_image(
                    Image.new("RGB", (96, 96)) if face.seed in black else make_image(face.seed)
                ),
            )

    face = CandidateFace(
        label="generated",
        source="toy",
        file="",
        load=bytes,
        stable=True,
        drawn_with=settings,
        load_many=load_many,
        retry=lambda: face,
    )
    return [replace(face, file=f"{seed}.png", seed=seed) for seed in range(count)]


def test_files_that_were_deleted_from_the_data_set_come_back_with_their_source(faces, settings):
    candidates = list_folder_candidates(faces, "real", "faces")
    rows = ingest.ingest_images(candidates, [], settings)
    lost = [settings.folder / rows[0].original, settings.folder / rows[1].image]
    before = [path.read_bytes() for path in lost]
    for path in lost:
        path.unlink()
    assert ingest.ingest_images(candidates, rows, settings) == []
    assert [path.read_bytes() for path in lost] == before
    assert manifest.read_manifest(settings.folder) == rows


def test_avif_and_heic_are_accepted_and_canonical(tmp_path, settings):
    pytest.importorskip("pi_heif")
    folder = tmp_path / "phone"
    folder.mkdir()
    (folder / "a.avif").write_bytes(encode_image(make_image(1), "AVIF", quality=95))
    (folder / "b.heic").write_bytes(write_heic())
    candidates = list_folder_candidates(folder, "real", "phone")
    rows = ingest.ingest_images(candidates, [], settings)
    assert [(row.status, row.format, row.width) for row in rows] == [
        ("accepted", "AVIF", 96),
        ("accepted", "HEIF", 64),
    ]
    assert [Path(row.original).suffix for row in rows] == [".avif", ".heif"]
    for row in rows:
        with Image.open(settings.folder / row.image) as image:
            assert (image.format, image.size) == ("JPEG", (64, 64))


@pytest.mark.parametrize("stable", [False, True])
def test_facts_that_come_too_late_are_refused_and_new_images_are_kept(faces, settings, stable):
    def list_candidates(facts: dict) -> list[CandidateFace]:
        return [
            replace(face, stable=stable, **facts.get(face.file, {}))
            for face in list_folder_candidates(faces, "generated", "faces")
        ]

    rows = ingest.ingest_images(list_candidates({"0.png": {"prompt": "a face"}}), [], settings)
    (faces / "9.png").write_bytes(encode_image(make_image(9)))
    same = {"0.png": {"prompt": "a face"}, "9.png": {"prompt": "another"}}
    with pytest.raises(
        console.PlainError,
        match="1 image of faces was collected before without the facts .* 1.png",
    ):
        ingest.ingest_images(
            list_candidates({**same, "1.png": {"person": "somebody"}}), rows, settings
        )
    rows = manifest.read_manifest(settings.folder)
    assert [(row.file, row.prompt) for row in rows] == [
        ("0.png", "a face"),
        ("1.png", ""),
        ("2.png", ""),
        ("9.png", "another"),
    ]
    assert (
        ingest.ingest_images(list_candidates(same), rows, settings)
        == ingest.ingest_images(list_candidates({}), rows, settings)
        == []
    )


def test_a_source_that_draws_black_pictures_only_is_stopped_early(settings):
    loaded: list[str] = []
    with pytest.raises(
        console.PlainError,
        match="first 16 images of toy came out in a single colour.*--no-safety-checker",
    ):
        ingest.ingest_images(make_candidates(100, set(range(100)), loaded), [], settings)
    assert len(loaded) < 20
    assert [row.reason for row in manifest.read_manifest(settings.folder)[:16]] == [
        "single colour"
    ] * 16
    assert len(ingest.ingest_images(make_candidates(20, set(range(1, 20)), []), [], settings)) == 20


def test_black_images_are_generated_again_with_other_settings_only(settings):
    loaded: list[str] = []
    rows = ingest.ingest_images(make_candidates(3, {1}, loaded, checker=True), [], settings)
    assert ingest.ingest_images(make_candidates(3, {1}, loaded, checker=True), rows, settings) == []
    assert loaded == ["0.png", "1.png", "2.png"]
    new = ingest.ingest_images(make_candidates(3, set(), loaded, checker=False), rows, settings)
    assert loaded[3:] == ["1.png"] and [(row.file, row.accepted) for row in new] == [
        ("1.png", True)
    ]
    assert (
        ingest.ingest_images(
            make_candidates(3, set(), loaded, checker=False), [*rows, *new], settings
        )
        == []
    )


def test_photographs_whose_metadata_names_a_generator_are_taken_and_told(
    tmp_path, settings, capsys
):
    (tmp_path / "photos").mkdir()
    for number in range(4):
        text = PngImagePlugin.PngInfo()
        if number:
            text.add_text("parameters", "a face\nSteps: 20, Sampler: Euler a, Seed: 42")
        make_image(number).save(tmp_path / "photos" / f"{number}.png", pnginfo=text)
    for label in ("real", "generated"):
        (tmp_path / "data" / label).mkdir()
        candidates = list_folder_candidates(tmp_path / "photos", label, "photos")
        rows = ingest.ingest_images(candidates, [], replace(settings, dataset=label))
        assert all(row.accepted for row in rows) and len(rows) == 4
    text = " ".join(capsys.readouterr().err.split())
    assert text.count("names a generator") == 1
    assert (
        "3 of 4 photographs of photos have metadata that names a generator: "
        "1.png (Stable Diffusion WebUI) and 3.png (Stable Diffusion WebUI)." in text
    )
