"""Every known way to tamper with a model file is refused in a sentence, and nothing in it runs."""

import copy
import io
import json
import resource
import stat
import zipfile
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest

from runtime import console
from toys import bases
from training.baselines import scratch_models
from training.bases.base_models import BASE_MODELS, build_base
from training.bases.loaded_base import LoadedBase
from training.detectors import allowed_layers, assembly, safe_keras
from training.detectors.safe_keras import CONFIG_MEMBER, MAX_MEMBER_BYTES, WEIGHTS_MEMBER
from training.features import layout as feature_layout
from training.head_search import heads

SIDE = 64


@pytest.fixture(scope="module")
def saved(tmp_path_factory) -> Path:
    """A detector of two heads on the first blocks of a base, compiled as training leaves them."""
    keras.utils.set_random_seed(0)
    path = tmp_path_factory.mktemp("saved") / "detector.keras"
    build_small_detector("mobilenet_v2", ("stem", "block0")).save(path)
    return path


def build_small_detector(name: str, taps: tuple[str, ...] = ()) -> keras.Model:
    base = LoadedBase.from_model(build_base(name))
    side = max(SIDE, base.spec.min_size_px)
    columns = [
        column
        for column in feature_layout.list_columns(base, (side,))
        if column.tap in taps or not taps
    ]
    width = sum(column.stop - column.start for column in columns)
    members = [
        assembly.EnsembleMember(columns, build_head(width, f"head{number}", number), 0.5)
        for number in (1, 2)
    ]
    return assembly.build_detector_model(base, side + 32, members)


def build_head(width: int, name: str, n_outputs: int) -> keras.Model:
    """Build a linear head for one output, and one with a hidden layer for several generators."""
    layers = [
        keras.Input((width,)),
        keras.layers.BatchNormalization(center=False, scale=False, trainable=False),
    ]
    hidden = [keras.layers.Dense(4, activation="relu"), keras.layers.Dropout(0.3)]
    layers += hidden * (n_outputs - 1)
    layers.append(keras.layers.Dense(n_outputs, kernel_initializer="zeros", name="logit"))
    if n_outputs > 1:
        return heads.combine_generator_outputs(
            keras.Sequential([*layers, keras.layers.Reshape((n_outputs, 1))], name=name)
        )
    model = keras.Sequential(layers, name=name)
    loss = keras.losses.BinaryCrossentropy(from_logits=True, label_smoothing=0.05)
    model.compile(
        keras.optimizers.AdamW(1e-3, weight_decay=1e-4),
        loss,
        metrics=[keras.metrics.AUC(from_logits=True)],
    )
    model.optimizer.build(model.trainable_variables)
    return model


def read_members(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def write_archive(
    path: Path, contents: dict[str, bytes], compression: int = zipfile.ZIP_STORED
) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in contents.items():
            archive.writestr(name, data)
    return path


def assert_refused(path: Path, reason: str) -> None:
    with pytest.raises(console.PlainError, match=reason) as caught:
        safe_keras.load_keras_model(path)
    assert caught.value.exit_code == console.EXIT_BAD_MODEL
    assert "It was not opened. Restore it, or train the detector again." in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_detector_opens_and_predicts_what_plain_keras_says(saved):
    pixels = (
        np.random.default_rng(0).uniform(0, 255, (3, SIDE + 32, SIDE + 32, 3)).astype(np.float32)
    )
    ours, plain = safe_keras.load_keras_model(saved), keras.saving.load_model(saved)
    assert not ours.compiled
    assert np.array_equal(ours.predict_on_batch(pixels), plain.predict_on_batch(pixels))


@pytest.mark.parametrize("name", scratch_models.SCRATCH_MODELS)
def test_a_baseline_that_was_trained_from_scratch_opens(name, tmp_path):
    for model in (
        scratch_models.build_scratch_model(name, 32),
        scratch_models.wrap_as_detector(scratch_models.build_scratch_model(name, 32), 64),
    ):
        model.save(tmp_path / "baseline.keras")
        assert (
            safe_keras.load_keras_model(tmp_path / "baseline.keras").input_shape
            == model.input_shape
        )


def collect_class_names(config) -> set[tuple[str | None, str]]:
    """Return module and name of every class that a config names."""
    if isinstance(config, dict):
        is_class = "class_name" in config
        own_name = {(config.get("module"), config["class_name"])} if is_class else set()
        return own_name.union(*map(collect_class_names, config.values()))
    return set().union(*map(collect_class_names, config)) if isinstance(config, list) else set()


@pytest.mark.slow
def test_the_table_is_exactly_what_all_our_models_are_made_of(monkeypatch):
    pytest.importorskip("keras_hub")
    bases.use_narrow_towers(monkeypatch)
    scratch = [
        scratch_models.wrap_as_detector(scratch_models.build_scratch_model(name, 32), 64)
        for name in scratch_models.SCRATCH_MODELS
    ]
    scratch += [
        scratch_models.build_scratch_model(name, 32) for name in scratch_models.SCRATCH_MODELS
    ]
    configs = [
        json.loads(json.dumps(keras.saving.serialize_keras_object(model)))
        for model in (*scratch, *map(build_small_detector, BASE_MODELS))
    ]
    assert [allowed_layers.find_config_fault(config) for config in configs] == [""] * len(configs)
    table = {
        (module, name) for module, names in allowed_layers.ALLOWED_CLASSES.items() for name in names
    }
    assert collect_class_names(configs) == table


# Replacements of the last layer's activation, which Keras looks up and calls when the model runs.
HOSTILE = {
    "module os": {"module": "os", "class_name": "system", "config": {}, "registered_name": None},
    "function of os": {
        "module": "os",
        "class_name": "function",
        "config": "system",
        "registered_name": "system",
    },
    "builtins": {
        "module": "builtins",
        "class_name": "function",
        "config": "exec",
        "registered_name": "exec",
    },
    "get_file": {
        "module": "keras.utils",
        "class_name": "function",
        "config": "get_file",
        "registered_name": "get_file",
    },
    "enable_unsafe_deserialization": {
        "module": "keras.config",
        "class_name": "function",
        "config": "enable_unsafe_deserialization",
        "registered_name": "enable_unsafe_deserialization",
    },
    "lambda": {"class_name": "__lambda__", "config": {"value": "4wEAAAA="}},
    "typespec": {
        "class_name": "__typespec__",
        "spec_name": "x",
        "module": "os",
        "registered_name": None,
        "config": [],
    },
    "another registered name": {
        "module": "keras.layers",
        "class_name": "ReLU",
        "config": {},
        "registered_name": "mine>Gadget",
    },
    "no module": {"class_name": "Dense", "config": {"units": 1}},
    "a module alone": {"module": "os"},
    "a name that is no name": {"module": "keras.layers", "class_name": ["Dense"], "config": {}},
    "a module that is no name": {"module": ["keras.layers"], "class_name": "Dense", "config": {}},
    "StringLookup": {
        "module": "keras.layers",
        "class_name": "StringLookup",
        "config": {"vocabulary": "/etc/passwd"},
        "registered_name": None,
    },
    "TorchModuleWrapper": {
        "module": "keras.layers",
        "class_name": "TorchModuleWrapper",
        "config": {},
        "registered_name": None,
    },
    "an internal of Keras": {
        "module": "keras.src.utils.file_utils",
        "class_name": "get_file",
        "config": {},
        "registered_name": None,
    },
}


@pytest.mark.parametrize("hostile", HOSTILE)
def test_a_name_that_is_not_on_the_list_is_refused_wherever_it_stands(hostile, saved, tmp_path):
    contents = read_members(saved)
    config = json.loads(contents[CONFIG_MEMBER])
    for key in ("activation", "compile_config"):
        altered = copy.deepcopy(config)
        last = altered["config"]["layers"][-1]
        (last["config"] if key == "activation" else last)[key] = HOSTILE[hostile]
        path = write_archive(
            tmp_path / "detector.keras", {**contents, CONFIG_MEMBER: json.dumps(altered).encode()}
        )
        assert_refused(path, "names .*, which Telltale's detectors do not contain")


def test_a_lambda_layer_does_not_run(tmp_path):
    canary = str(tmp_path / "canary")
    pixels = keras.Input((4, 4, 3))
    bad = keras.Model(
        pixels, keras.layers.Lambda(lambda x: (open(canary, "w").close(), x)[1])(pixels)
    )
    assert Path(canary).exists()  # it runs whenever the model is built
    bad.save(tmp_path / "detector.keras")
    Path(canary).unlink()
    assert_refused(tmp_path / "detector.keras", "names keras.layers.Lambda")
    assert not Path(canary).exists()


def test_a_saved_model_in_a_layer_is_refused(tmp_path):
    inner = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    archive = keras.export.ExportArchive()
    archive.track(inner)
    archive.add_endpoint("serve", inner.call, [keras.InputSpec(shape=(None, 4), dtype="float32")])
    archive.write_out(tmp_path / "inner", verbose=False)
    layer = keras.layers.TFSMLayer(str(tmp_path / "inner"), call_endpoint="serve")
    pixels = keras.Input((4,))
    keras.Model(pixels, layer(pixels)).save(tmp_path / "detector.keras")
    assert_refused(tmp_path / "detector.keras", "names keras.layers.TFSMLayer")


@pytest.mark.parametrize(
    "extra",
    [
        "assets/vocabulary.txt",
        "../../evil.py",
        "/root-file",
        "assets/",
        "model.weights.npz",
        "payload.pkl",
    ],
)
def test_a_member_that_keras_does_not_write_for_us_is_refused(extra, saved, tmp_path):
    path = write_archive(tmp_path / "detector.keras", {**read_members(saved), extra: b"x"})
    assert_refused(path, "must contain metadata.json, config.json, model.weights.h5 once each")


@pytest.mark.parametrize("name", MAX_MEMBER_BYTES)
def test_a_member_that_is_missing_or_there_twice_is_refused(name, saved, tmp_path):
    contents = read_members(saved)
    path = write_archive(
        tmp_path / "detector.keras", {key: data for key, data in contents.items() if key != name}
    )
    assert_refused(path, f"but {name} is missing, repeated or unknown")
    write_archive(path, contents)
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr(name, b"{}")
    assert_refused(path, f"but {name} is missing, repeated or unknown")


def test_a_zip_bomb_is_not_inflated(saved, tmp_path):
    for name in MAX_MEMBER_BYTES:
        contents = {**read_members(saved), name: b" " * 20_000_000}
        path = write_archive(tmp_path / "detector.keras", contents, zipfile.ZIP_DEFLATED)
        assert_refused(path, "has a compressed metadata.json, which Keras does not write")


def test_a_member_that_claims_to_be_longer_than_it_is_is_refused(saved, tmp_path):
    path = write_archive(tmp_path / "detector.keras", read_members(saved))
    data = bytearray(path.read_bytes())
    entry = data.rindex(b"PK\x01\x02")  # the last entry of the central directory
    data[entry + 24 : entry + 28] = (2**31).to_bytes(4, "little")
    path.write_bytes(data)
    assert_refused(path, "has a compressed model.weights.h5")


def test_a_large_config_is_refused(saved, tmp_path):
    contents = read_members(saved)
    path = write_archive(
        tmp_path / "detector.keras",
        {**contents, CONFIG_MEMBER: contents[CONFIG_MEMBER] + b" " * 5_000_000},
    )
    assert_refused(path, "has a config.json of 5 MB")


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        (b"{", "is damaged"),
        (b"\xff\xfe", "is damaged"),
        (b"[" * 200_000, "is damaged"),
        (b"[" * 100 + b"]" * 100, "more than 40 levels"),
        (b"{}", "cannot be built"),
        (b"null", "cannot be built|cannot be opened"),
        (
            b'{"units": 1e5, "batch_shape": [null, 100000000000]}',
            "asks for batch_shape of 100,000,000,000",
        ),
    ],
)
def test_a_config_that_is_none_is_refused(config, reason, saved, tmp_path):
    assert_refused(
        write_archive(tmp_path / "detector.keras", {**read_members(saved), CONFIG_MEMBER: config}),
        reason,
    )


def test_a_layer_of_a_terabyte_is_not_built(saved, tmp_path):
    contents = read_members(saved)
    config = json.loads(contents[CONFIG_MEMBER])
    first = next(layer for layer in config["config"]["layers"] if layer["name"] == "head2")
    dense = next(layer for layer in first["config"]["layers"] if layer["class_name"] == "Dense")
    dense["config"]["units"] = 10_000_000
    assert_refused(
        write_archive(
            tmp_path / "detector.keras", {**contents, CONFIG_MEMBER: json.dumps(config).encode()}
        ),
        "asks for [0-9,]+ weights and holds [0-9,]+ numbers|cannot be built",
    )
    # nor later, when Keras initialises what it had left uninitialised
    before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with keras.StatelessScope():
        pass
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < before_kb + 500_000


@pytest.mark.parametrize("padding", [8000, 2**22])
def test_a_layer_without_weights_that_asks_for_any_memory_is_refused(padding, tmp_path):
    pixels = keras.Input((SIDE, SIDE, 3))
    wide = keras.layers.ZeroPadding2D(padding)(pixels)
    means = keras.layers.GlobalAveragePooling2D()(wide)
    path = tmp_path / "detector.keras"
    keras.Model(pixels, keras.layers.Dense(1, activation="sigmoid")(means)).save(path)
    assert path.stat().st_size < 30_000
    contents = read_members(path)
    # the shapes in the file are the attacker's own words
    config = contents[CONFIG_MEMBER].replace(f"{SIDE + 2 * padding}".encode(), f"{SIDE}".encode())
    write_archive(path, {**contents, CONFIG_MEMBER: config})
    before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert_refused(path, "asks for the memory of [0-9,]+ numbers per image")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < before_kb + 500_000


def test_a_model_for_images_of_another_side_than_the_card_says_is_refused(saved):
    assert safe_keras.load_keras_bytes(saved.read_bytes(), saved, SIDE + 32)
    with pytest.raises(console.PlainError, match="does not take images of 64 x 64 x 3") as caught:
        safe_keras.load_keras_bytes(saved.read_bytes(), saved, SIDE)
    assert caught.value.exit_code == console.EXIT_BAD_MODEL


def test_a_file_that_is_exchanged_after_the_check_is_not_what_keras_opens(
    saved, tmp_path, monkeypatch
):
    path = tmp_path / "detector.keras"
    path.write_bytes(saved.read_bytes())
    find_fault, load_model, opened = (
        allowed_layers.find_config_fault,
        keras.saving.load_model,
        [],
    )

    def exchange(config) -> str:
        path.write_bytes(b"something else")
        return find_fault(config)

    def note_file(file, **options):
        opened.append((file, file.read_bytes(), stat.S_IMODE(file.parent.stat().st_mode)))
        return load_model(file, **options)

    monkeypatch.setattr(allowed_layers, "find_config_fault", exchange)
    monkeypatch.setattr(keras.saving, "load_model", note_file)
    safe_keras.load_keras_model(path)
    ((file, data, mode),) = opened
    assert data == saved.read_bytes() and path.read_bytes() == b"something else"
    assert mode == 0o700 and not file.parent.exists()


def first_dataset(file: h5py.File) -> str:
    names: list[str] = []
    file.visititems(
        lambda name, part: (
            names.append(name) if isinstance(part, h5py.Dataset) and part.ndim else None
        )
    )
    return names[0]


def _external_link(file, name):
    file[name] = h5py.ExternalLink("/etc/passwd", "/x")


def _soft_link(file, name):
    file[name] = h5py.SoftLink("/layers")


def _external_storage(file, name):
    file.create_dataset(name, (100,), "f4", external=[("/etc/passwd", 0, 400)])


def _virtual(file, name):
    layout = h5py.VirtualLayout((100,), "f4")
    layout[:] = h5py.VirtualSource("/etc/passwd", "x", (100,))
    file.create_virtual_dataset(name, layout)


def _shape_bomb(file, name):
    file.create_dataset(name, (100_000_000_000,), "f4", chunks=(1024,))


def _early_shape_bomb(file, name):
    created = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    created.set_alloc_time(h5py.h5d.ALLOC_TIME_LATE)
    space = h5py.h5s.create_simple((100_000_000_000,))
    h5py.h5d.create(file.id, name.encode(), h5py.h5t.NATIVE_FLOAT, space, created)


def _compressed(file, name):
    file.create_dataset(name, data=np.zeros(10_000_000, np.float32), compression="gzip")


def _objects(file, name):
    file.create_dataset(name, data=["x"], dtype=h5py.string_dtype())


def _nothing(file, name):
    file[name] = h5py.Empty("f4")


def _type(file, name):
    file[name] = np.dtype("f4")


def _not_finite(file, name):
    file[name] = np.array([1, np.nan], np.float32)


WEIGHT_FAULTS = {
    _external_link: "link elsewhere",
    _soft_link: "link elsewhere",
    _external_storage: "another file|does not hold",
    _virtual: "another file",
    _shape_bomb: "declares 400,000,000,000 bytes of weights that it does not hold",
    _early_shape_bomb: "declares 400,000,000,000 bytes of weights that it does not hold",
    _compressed: "declares 40,000,000 bytes",
    _objects: "not numbers",
    _nothing: "not numbers",
    _type: "not numbers",
    _not_finite: "not finite",
}


@pytest.mark.parametrize("fault", WEIGHT_FAULTS, ids=lambda fault: fault.__name__.strip("_"))
def test_weights_are_finite_numbers_within_the_file(fault, saved, tmp_path):
    contents = read_members(saved)
    buffer = io.BytesIO(contents[WEIGHTS_MEMBER])
    with h5py.File(buffer, "r+") as file:
        name = first_dataset(file)
        del file[name]
        fault(file, name)
    assert_refused(
        write_archive(tmp_path / "detector.keras", {**contents, WEIGHTS_MEMBER: buffer.getvalue()}),
        WEIGHT_FAULTS[fault],
    )


def test_weights_that_go_in_a_circle_or_do_not_fit_end_in_a_sentence(saved, tmp_path):
    contents = read_members(saved)
    buffer = io.BytesIO(contents[WEIGHTS_MEMBER])
    with h5py.File(buffer, "r+") as file:
        file["layers/again"] = file["layers"]
        name = first_dataset(file)
        shape = file[name].shape
        del file[name]
        file[name] = np.zeros((*shape, 2), np.float32)
    assert_refused(
        write_archive(tmp_path / "detector.keras", {**contents, WEIGHTS_MEMBER: buffer.getvalue()}),
        "cannot be opened by Keras|asks for",
    )


@pytest.mark.parametrize(
    "data",
    [b"", b"PK", b"\x89HDF\r\n\x1a\n" + b"\0" * 1000],
    ids=["empty", "short", "an old .h5 file"],
)
def test_what_is_no_archive_is_refused(data, tmp_path):
    path = tmp_path / "detector.keras"
    assert_refused(path, "is missing")
    path.write_bytes(data)
    assert_refused(path, "is not a .keras archive, or is truncated")


def test_torn_files_and_flipped_bytes_are_refused(saved, tmp_path):
    data = saved.read_bytes()
    path = tmp_path / "detector.keras"
    path.write_bytes(data[: len(data) // 2])
    assert_refused(path, "is not a .keras archive, or is truncated")
    with zipfile.ZipFile(saved) as archive:
        starts = {member.filename: member.header_offset + 100 for member in archive.infolist()}
    for offset in (
        starts[CONFIG_MEMBER],
        starts[WEIGHTS_MEMBER],
        (starts[WEIGHTS_MEMBER] + len(data)) // 2,
        len(data) - 300,
    ):
        damaged = bytearray(data)
        damaged[offset] ^= 0x10
        path.write_bytes(damaged)
        assert_refused(path, "is damaged|not a .keras archive|must contain|compressed")
