"""One cache, one toy data set and one trained detector for the whole session."""

import functools
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import filelock
import pytest

from data_collection.dataset import manifest
from toys import page_server
from toys.commands import ONE_THREAD, TRAIN_WORDS, build_collect_words, run_command
from toys.diffusion import save_pipeline
from toys.images import write_face_folders
from toys.openai_server import API_KEY, serve_openai
from training import keras_startup
from training.detectors import card, detector_parts
from validation import predictions
from validation.explanations import explainer_export, heat_maps
from validation.explanations.similar_faces import TrainingFaces, TrainingImageFeatures
from validation.explanations.tapped_detector import TappedDetector

LONG_FILES = (
    *("test_finetune.py", "test_base_models.py", "test_validate.py", "test_leave_source_out.py"),
    *("test_train.py", "test_search.py", "test_ready_detector.py", "test_tutorial.py"),
)
"""Files that take minutes: begun last, one of them would leave a process without work."""

# The test processes start after this.
os.environ.update({**dict.fromkeys(ONE_THREAD, "1"), "TF_CPP_MIN_LOG_LEVEL": "3"})


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput") and config.getoption("numprocesses", None):
        return  # this process starts those that test
    keras_startup.start_keras()
    import tensorflow as tf

    # Optimising a graph takes longer than the toys' few batches save.
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.path.name not in LONG_FILES)


# A script's background job ignores SIGINT.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory) -> Path:
    """Keep exported graphs for the session, apart from the user's own cache."""
    folder = tmp_path_factory.mktemp("cache")
    os.environ["TELLTALE_CACHE"] = str(folder)
    return folder


@pytest.fixture(scope="session", autouse=True)
def no_flushing() -> Iterator[None]:
    """Do not wait for the disk in this process: no test survives a power cut."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: None)
        yield


@pytest.fixture(scope="module")
def browser() -> Iterator:
    """Start a browser for one test file: Playwright's event loop runs until it is closed, and other
    files start loops of their own."""
    playwright = pytest.importorskip("playwright.sync_api")
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if not chromium:
        pytest.skip("no Chromium here")
    with playwright.sync_playwright() as session:
        browser = session.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def one_thread():
    """Use one torch thread: on a busy machine two wait for each other, and a step of the toy takes
    seconds."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return save_pipeline(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture
def service(monkeypatch):
    with serve_openai() as service:
        monkeypatch.setenv("OPENAI_BASE_URL", service.url)
        monkeypatch.setenv("OPENAI_API_KEY", API_KEY)
        yield service


@pytest.fixture
def faces(tmp_path) -> Path:
    return write_face_folders(tmp_path / "faces")


@pytest.fixture(scope="session")
def served(workplace, tmp_path_factory) -> Iterator[page_server.ServedPage]:
    with page_server.run_page_server(
        workplace, tmp_path_factory.mktemp("served"), "--generator", "dcgan", "--max-upload-mb", 2
    ) as page:
        yield page


@pytest.fixture
def serve(workplace, tmp_path) -> Callable:
    """Return a function that serves another page, with other options."""
    return functools.partial(page_server.run_page_server, workplace, tmp_path)


@pytest.fixture(scope="session")
def workplace(tmp_path_factory) -> Path:
    """Create a folder with a collected data set and a trained detector named `toy`, by commands.

    Tests run in two processes; the first one here creates it, and each gets a copy of its own.
    """
    folder = tmp_path_factory.mktemp("workplace")
    shared = (
        tmp_path_factory.getbasetemp().parent
        / f"workplace-{os.environ.get('PYTEST_XDIST_TESTRUNUID', os.getpid())}"
    )
    with filelock.FileLock(f"{shared}.lock"):
        if not shared.exists():
            _fill_workplace(folder)
            shutil.copytree(folder, shared)
    return shutil.copytree(shared, folder, dirs_exist_ok=True)


def _fill_workplace(folder: Path) -> None:
    write_face_folders(folder / "faces")
    collected = run_command(*build_collect_words(folder / "faces"), cwd=folder)
    assert collected.returncode == 0, collected.stderr
    trained = run_command(*TRAIN_WORDS, "--trials", 4, "--epochs", 6, "--name", "toy", cwd=folder)
    assert trained.returncode == 0, trained.stderr
    (folder / "training.txt").write_text(trained.stdout + trained.stderr)
    chosen = run_command("detection", "models", "use", "toy", cwd=folder)  # it is not validated
    assert chosen.returncode == 0, chosen.stderr
    _write_explainer(folder)


def _write_explainer(folder: Path) -> None:
    """Write what validation would write beside the detector if there were enough images to check
    heat maps."""
    toy = folder / "saved_models" / "toy"
    detector = TappedDetector(detector_parts.load_detector_parts(toy))
    scorer = predictions.load_scorers(toy, card.read_card(toy))[0]
    records = manifest.select_accepted(manifest.read_manifest(folder / "data" / "faces"), "train")
    features = detector.compute_features(
        heat_maps.load_canonical_pixels(folder / "data" / "faces", records, scorer)
    )
    training_images = TrainingImageFeatures(Path("data/faces"), records, features)
    explainer_export.write_explainer(
        toy,
        card.read_card(toy),
        lambda: detector,
        heat_maps.HeatMapChecks(30, 0.9, 0.1),
        TrainingFaces.fit(training_images),
    )
