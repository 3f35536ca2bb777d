"""Take docs/page.png, report.png, audit.png and tensorboard.png: `python -m
benchmarks.document_pictures`, after `make demo` and with requirements-dev.txt.

The page shows a face by the sample's generator, the report, the audit and TensorBoard figures only:
nobody's picture is in them.
"""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import measuring
from runtime import console
from training.detectors import saved_models

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

WIDTH_PX = 1000
FIRST_SCREEN_PX = {"report": 930, "audit": 1370}
SEED = "12"
"""The seed of the face on the page."""

SAMPLE = Path("data/sample")

TENSORBOARD_SIZE_PX = {"width": 1500, "height": 820}
SHOWN_IN_TENSORBOARD = (
    *("base", "layers", "learning_rate", "statistics", "taps"),
    *("val_loss", "val_auc"),  # the first of these gives the lines their colour
)
HIDDEN_IN_TENSORBOARD = ("dropout", "l2_penalty", "signals", "sizes", "units", "weight_decay")
"""They would crowd the axes of the others."""


def take_pictures(docs: Path = measuring.REPOSITORY_ROOT / "docs") -> None:
    """Write the pictures into `docs`.

    Raises:
        PlainError: the sample's detector, its report, or Chromium is missing.
    """
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if not chromium:
        raise console.PlainError("There is no Chromium here; install it to take pictures.")
    folder = saved_models.find_detector(Path("saved_models"), SAMPLE)
    pages = {"report": folder / "report" / "index.html", "audit": SAMPLE / "audit.html"}
    for path in pages.values():
        if not path.is_file():
            raise console.PlainError(f"{path} is not there; run make demo first.")
    with sync_playwright() as session:
        browser = session.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for name, path in pages.items():
            tab = browser.new_page(viewport={"width": WIDTH_PX, "height": FIRST_SCREEN_PX[name]})
            tab.goto(path.resolve().as_uri())
            tab.screenshot(path=docs / f"{name}.png")
        with _serve_page(folder) as address:
            tab = browser.new_page(viewport={"width": WIDTH_PX, "height": 900})
            tab.goto(address)
            _generate_face(tab)
            tab.screenshot(path=docs / "page.png", full_page=True)
        take_tensorboard(browser, Path("logs"), docs / "tensorboard.png")
    console.print_message(f"{docs}: page.png, report.png, audit.png and tensorboard.png.")


def take_tensorboard(browser: "Browser", logs: Path, path: Path) -> None:
    """Write a picture of the trials in TensorBoard's parallel coordinates."""
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", str(logs), "--port", "0"]
    with _serve([*command, "--host", "127.0.0.1"]) as address:
        tab = browser.new_page(viewport=TENSORBOARD_SIZE_PX)
        tab.goto(f"{address}/#hparams")
        tab.get_by_text("Parallel Coordinates View").click(timeout=120_000)
        for name in (*SHOWN_IN_TENSORBOARD, *HIDDEN_IN_TENSORBOARD):
            box = tab.locator("paper-checkbox").filter(has_text=re.compile(rf"^\s*{name}\s*$"))
            is_shown = str(name in SHOWN_IN_TENSORBOARD).lower()
            if box.count() and box.first.get_attribute("aria-checked") != is_shown:
                box.first.click()
        tab.wait_for_timeout(3_000)  # the lines move to their places
        tab.screenshot(path=path)


def _generate_face(tab: "Page") -> None:
    tab.locator("#tab-generate").click()
    tab.locator("#seed").fill(SEED)
    tab.get_by_role("button", name="Generate and judge").click()
    tab.locator("#result").wait_for(timeout=300_000)
    tab.wait_for_function("[...document.images].every(image => image.complete)")


def _serve_page(folder: Path) -> AbstractContextManager[str]:
    """Serve the page with a detector and the sample's generator."""
    words = ["--model", folder, "--generator", "dcgan", "--port", "0"]
    return _serve([sys.executable, "-m", "detection", "web", *map(str, words)])


@contextmanager
def _serve(command: Sequence[str]) -> Iterator[str]:
    """Run a server until the end of the block; yield the address that it prints."""
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            for line in process.stdout:
                if address := re.search(r"http://127\.0\.0\.1:\d+", line):
                    yield address[0]
                    return
            raise console.PlainError(f"{command[2]} did not start.")
        finally:
            process.terminate()


if __name__ == "__main__":
    console.run_command(take_pictures)
