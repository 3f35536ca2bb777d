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
from toys.commands import TRAIN_WORDS, build_collect_words, run_command
from toys.diffusion import save_pipeline
from toys.images import write_face_folders
from toys.openai_server import API_KEY, serve_openai
from training import keras_startup
from training.detectors import card, detector_parts
from validation import predictions
from validation.explanations import explainer_export, heat_maps
from validation.explanations.tapped_detector import TappedDetector

keras_startup.start_keras()

if (
    signal.getsignal(signal.SIGINT) is signal.SIG_IGN
):  # as in a job that a script put into the background
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory) -> Path:
    """Exported graphs are kept for the session and never touch the person's own cache."""
    folder = tmp_path_factory.mktemp("cache")
    os.environ["TELLTALE_CACHE"] = str(folder)
    return folder


@pytest.fixture(scope="module")
def browser() -> Iterator:
    """For one file: Playwright's event loop counts as running until it is closed, and other files
    start loops of their own."""
    browsers = pytest.importorskip("playwright.sync_api")
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if not chromium:
        pytest.skip("no Chromium here")
    with browsers.sync_playwright() as play:
        opened = play.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def one_thread():
    """Two threads that wait for each other on a busy machine made a step of the toy take
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
    """Serves another page, with other options."""
    return functools.partial(page_server.run_page_server, workplace, tmp_path)


@pytest.fixture(scope="session")
def workplace(tmp_path_factory) -> Path:
    """A folder with a collected data set and a trained detector named `toy`, made by the commands
    themselves.

    Tests run in two processes; the first that comes here makes it, and each has a copy of its own.
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
    _write_explainer(folder)


def _write_explainer(folder: Path) -> None:
    """What validation would leave beside the detector, had it had enough images to check heat maps
    on."""
    toy = folder / "saved_models" / "toy"
    opened, scorer = (
        TappedDetector(detector_parts.load_detector_parts(toy)),
        predictions.load_scorers(toy, card.read_card(toy))[0],
    )
    learnt = manifest.select_accepted(manifest.read_manifest(folder / "data" / "faces"), "train")
    features = opened.compute_features(
        heat_maps.load_canonical_pixels(folder / "data" / "faces", learnt, scorer)
    )
    known = explainer_export.TrainingImageFeatures(Path("data/faces"), learnt, features)
    explainer_export.write_explainer(
        toy, card.read_card(toy), lambda: opened, heat_maps.HeatMapChecks(30, 0.9, 0.1), known
    )
