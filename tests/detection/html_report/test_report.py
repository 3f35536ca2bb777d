"""The page of `--html`: every image with what is said about it, and nothing that a name can do; an
interrupted run resumes."""

import csv
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import filelock
import pytest
from PIL import Image

from detection.html_report.thumbnails import THUMBNAIL_SIDE_PX, ThumbnailFile, draw_thumbnail
from detection.html_report.unfinished_run import name_unfinished_folder
from runtime import console
from toys.accessibility import find_accessibility_faults
from toys.commands import build_environment, run_command
from toys.face_detector import BACKGROUND_RGB, draw_schematic_face
from toys.images import encode_image, make_image
from toys.pages import ShownPage, read_page
from training.cuts.verdicts import VERDICTS

HOSTILE_NAMES = (
    "<img src=x onerror=alert(1)>.png",
    '"><script>alert(2)<',
    "a\x1b[31m\nred.png",
    "\u202egnp.exe",
    "=1+1;=2.png",
    "{{ 7 * 7 }}.png",
)


def fill_folder(folder: Path) -> Path:
    """Write 12 images of noise, one of two faces, a flat one, a text and an empty file."""
    (folder / "deep").mkdir(parents=True)
    for number in range(12):
        name = f"{'deep/' * (number % 2)}{number:02}.png"
        image = make_image(number, generated=number % 3 == 0)
        (folder / name).write_bytes(encode_image(image))
    picture = draw_schematic_face(Image.new("RGB", (820, 420), BACKGROUND_RGB), 150, 220, 100)
    picture = draw_schematic_face(picture, 500, 200, 90)
    (folder / "group.png").write_bytes(encode_image(picture))
    (folder / "flat.png").write_bytes(encode_image(Image.new("RGB", (99, 99), "red")))
    (folder / "notes.txt").write_text("of the holidays")
    (folder / "empty.jpg").touch()
    return folder


WORDS = ("detection", "--model", "telltale-faces", "--any-picture")


def write_report(folder: Path, *words: object) -> tuple[ShownPage, subprocess.CompletedProcess]:
    """Judge a folder; return its page and the process."""
    page = folder.parent / "report.html"
    process = run_command(*WORDS, folder, "--html", page, *words, cwd=folder.parent)
    assert "Traceback" not in process.stderr and page.exists(), process.stderr
    return read_page(page), process


@pytest.fixture(scope="module")
def report(tmp_path_factory) -> tuple[Path, ShownPage, list[dict]]:
    """Judge a folder; return its page's path, the page, and the answers as JSON."""
    folder = fill_folder(tmp_path_factory.mktemp("report") / "pictures")
    page, process = write_report(folder, "--json")
    return folder.parent / "report.html", page, json.loads(process.stdout)


def test_every_image_is_a_row_and_the_most_suspicious_one_is_first(report):
    _, page, answers = report
    by_name = {answer["path"].partition("pictures/")[2]: answer for answer in answers}
    assert [row[1] for row in page.rows] != sorted(by_name)
    assert sorted(row[1] for row in page.rows) == sorted(by_name)
    order = ("generated", "can't tell", "real", "not judged")
    ranks = [(order.index(row[2]), -by_name[row[1]].get("probability", 0.0)) for row in page.rows]
    assert ranks == sorted(ranks)
    for _, name, verdict, probability, _ in page.rows:
        assert verdict == by_name[name].get("verdict", "not judged")
        if verdict != "not judged" and 0.001 < by_name[name]["probability"] < 0.999:
            assert probability.startswith(f"{by_name[name]['probability']:.3f}")


def test_a_row_says_what_json_says_and_why_an_image_was_not_judged(report):
    _, page, answers = report
    notes = {row[1]: row[4] for row in page.rows}
    for answer in answers:
        text = notes[answer["path"].partition("pictures/")[2]]
        said = [*answer.get("warnings", ()), answer.get("error", "")]
        said += [claim["text"] for claim in answer.get("claims", ())]
        assert [sentence for sentence in said if sentence not in text] == []
    assert "empty file" in notes["empty.jpg"] and "flat colour" in notes["flat.png"]
    assert "face 2: " in notes["group.png"]


def test_the_summary_says_what_the_answers_are_worth(report):
    _, page, answers = report
    several = next(answer for answer in answers if len(answer.get("faces", ())) == 2)
    for answer in (answers[0], several):
        for sentence in (*answer["promise"], *answer["strangers"], answer["real_means"]):
            assert sentence in page.text
    assert "Judged by telltale-faces" in page.text and "opinion, not proof" in page.text
    for verdict in (*VERDICTS, ""):
        count = sum(answer.get("verdict", "") == verdict for answer in answers)
        assert f"{count} {verdict or 'not judged'}" in page.text


def test_its_csv_is_that_of_the_command(report):
    path, page, _ = report
    process = run_command(*WORDS, path.parent / "pictures", "--csv", cwd=path.parent)
    expected = {
        row.pop("path").partition("pictures/")[2]: row
        for row in csv.DictReader(io.StringIO(process.stdout, newline=""))
    }
    rows = list(csv.DictReader(io.StringIO(page.csv, newline="")))
    assert [row["path"] for row in rows] == [row[1] for row in page.rows]
    assert {row.pop("path"): row for row in rows} == expected


def test_thumbnails_are_small_and_say_nothing_about_the_file(report):
    _, page, _ = report
    drawn = {row[1]: jpeg for row, jpeg in zip(page.rows, page.pictures, strict=True)}
    assert not drawn["empty.jpg"] and not drawn["notes.txt"]
    for name in ("00.png", "group.png", "flat.png"):
        image = Image.open(io.BytesIO(drawn[name]))
        assert (image.format, max(image.size)) == ("JPEG", min(THUMBNAIL_SIDE_PX, max(image.size)))
        assert not image.getexif() and len(drawn[name]) < 7_000
    photo = Image.new("RGB", (4000, 30), "blue")
    photo.info["exif"] = b"Exif\0\0secret"
    assert b"secret" not in draw_thumbnail(photo)


def test_names_of_files_are_text_and_the_page_has_no_path_above_the_folder(tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    for name in HOSTILE_NAMES:
        (folder / name).write_bytes(encode_image(make_image(len(name))))
    shutil.copyfile(folder / HOSTILE_NAMES[0], os.fsencode(folder) + b"/not \xff text.png")
    page, _ = write_report(folder)
    shown = [row[1] for row in page.rows]
    assert sorted(shown) == sorted(
        [*map(console.sanitise_line, HOSTILE_NAMES), "not \N{REPLACEMENT CHARACTER} text.png"]
    )
    assert page.tags.count("script") == 1 and page.tags.count("img") == len(shown)
    cells = [row["path"] for row in csv.DictReader(io.StringIO(page.csv, newline=""))]
    assert "./=1+1;'=2.png" in cells  # no spreadsheet calculates it
    text = (tmp_path / "report.html").read_text() + page.csv
    assert str(tmp_path) not in text


@pytest.fixture
def tab(browser, report):
    """The page in a tab; a request or an error of a script fails the test."""
    problems: list[str] = []
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda message: problems.append(message.text))
    page.on(
        "request",
        lambda request: request.url.startswith(("file:", "data:")) or problems.append(request.url),
    )
    page.goto(f"file://{report[0]}")
    yield page
    page.close()
    assert problems == []


def test_the_table_is_filtered_by_verdict_with_the_keyboard(tab, report):
    rows = tab.locator("#pictures tbody tr")
    assert rows.count() == len(report[1].rows)
    tab.get_by_role("radio", name="all").focus()
    tab.keyboard.press("ArrowUp")  # around to the last one
    hidden = [row.is_hidden() for row in rows.all()]
    assert hidden == [row[2] != "not judged" for row in report[1].rows]
    assert tab.get_by_role("status").inner_text() == f"3 of {len(hidden)} pictures are shown."
    tab.keyboard.press("ArrowDown")
    assert not any(row.is_hidden() for row in rows.all())


def test_the_csv_file_is_downloaded_without_a_network(tab, report, tmp_path):
    with tab.expect_download() as download:
        tab.get_by_role("link", name="Download as CSV").click()
    assert download.value.suggested_filename == "report.csv"
    download.value.save_as(tmp_path / "got.csv")
    assert (tmp_path / "got.csv").read_bytes().decode() == report[1].csv


def test_without_script_the_table_is_whole(browser, report):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"file://{report[0]}")
    assert page.locator("#filter").is_hidden()
    visible = [row.is_visible() for row in page.locator("#pictures tbody tr").all()]
    assert visible == [True] * len(report[1].rows)
    assert page.locator("#pictures img").first.evaluate("image => image.naturalWidth") > 0
    context.close()


@pytest.mark.parametrize("width", [320, 390, 1280])
def test_the_page_fits_the_screen_and_axe_finds_nothing_serious(tab, width):
    tab.set_viewport_size({"width": width, "height": 800})
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    assert find_accessibility_faults(tab) == []


SLOW_IMAGES = 30


def write_slow_images(folder: Path, count: int) -> Path:
    """Write images that take longer to decode than to write down, all of them different."""
    folder.mkdir()
    data = encode_image(make_image(7, side=2000), "JPEG", quality=90)
    for number in range(count):
        (folder / f"{number:03}.jpg").write_bytes(data + bytes([number]))
    return folder


def interrupt(words: list[object], folder: Path, signal_number: int) -> str:
    """Start a run, interrupt it after its first answers, and return what it printed."""
    process = subprocess.Popen(
        [sys.executable, "-m", *map(str, words)],
        cwd=folder,
        env=build_environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    unfinished = name_unfinished_folder(folder / "report.html")
    while not any(log.read_text().count("\n") > 3 for log in unfinished.glob("answers-*.jsonl")):
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.02)
    process.send_signal(signal_number)
    return process.communicate()[1]


@pytest.mark.parametrize("signal_number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_resumes_and_judges_only_the_rest(tmp_path, signal_number):
    folder = write_slow_images(tmp_path / "pictures", SLOW_IMAGES)
    words = [*WORDS, folder, "--html", "report.html"]
    printed = interrupt(words, tmp_path, signal_number)
    if signal_number != signal.SIGKILL:
        assert "The same command resumes" in printed and "report.html.unfinished" in printed
    assert not (tmp_path / "report.html").exists()
    (log,) = name_unfinished_folder(tmp_path / "report.html").glob("answers-*.jsonl")
    header, *lines = log.read_text().splitlines(keepends=True)
    rows = [json.loads(line) for line in lines if line.endswith("\n")]
    assert 3 <= len(rows) < SLOW_IMAGES
    for row in rows:
        row["probabilities"] = [{"value": 0.4321, "low": 0.4321, "high": 0.4321}]
    log.write_text(header + "".join(json.dumps(row) + "\n" for row in rows) + '{"sha256": "tor')
    process = run_command(*words, cwd=tmp_path)
    assert process.returncode == 0, process.stderr
    assert f"Resuming: {len(rows)} images were judged" in process.stderr
    page = read_page(tmp_path / "report.html")
    assert len(page.rows) == SLOW_IMAGES and all(page.pictures)
    assert sum(row[3] == "0.432" for row in page.rows) == len(rows)
    assert [path.name for path in tmp_path.iterdir() if "report" in path.name] == ["report.html"]


def test_answers_of_other_options_are_not_taken_over(tmp_path):
    folder = write_slow_images(tmp_path / "pictures", SLOW_IMAGES)
    words = [*WORDS, folder, "--html", "report.html"]
    interrupt(words, tmp_path, signal.SIGKILL)
    words.remove("--any-picture")
    process = run_command(*words, cwd=tmp_path)
    assert process.returncode == 1 and "Resuming" not in process.stderr
    assert {row[2] for row in read_page(tmp_path / "report.html").rows} == {"not judged"}


def test_saved_answers_get_thumbnails_without_being_judged_again(tmp_path):
    folder = fill_folder(tmp_path / "pictures")
    keep = tmp_path / "answers.jsonl"
    assert run_command(*WORDS, folder, "--keep", keep, cwd=tmp_path).returncode == 1
    before = keep.read_text()
    keep.write_text(re.sub(r'"value": [0-9.e-]+', '"value": 0.25', before))
    page, _ = write_report(folder, "--keep", keep)
    judged = [number for number, row in enumerate(page.rows) if row[2] != "not judged"]
    assert len(judged) == 13 and all(page.pictures[number] for number in judged)
    assert {page.rows[number][3].split()[0] for number in judged} == {"0.250"}


def test_a_page_in_the_judged_folder_is_not_judged_nor_are_its_unfinished_files(tmp_path):
    folder = write_slow_images(tmp_path / "pictures", SLOW_IMAGES)
    words = [*WORDS, ".", "--html", "report.html"]
    interrupt(words, folder, signal.SIGKILL)
    for _ in range(2):
        assert run_command(*words, cwd=folder).returncode == 0
        assert len(read_page(folder / "report.html").rows) == SLOW_IMAGES


def test_a_file_that_is_no_page_is_not_replaced(tmp_path):
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(data := encode_image(make_image(1), "JPEG"))
    for path, sentence in ((photo, "is not a web page"), (tmp_path, "is a folder")):
        process = run_command(*WORDS, photo, "--html", path, cwd=tmp_path)
        assert (process.returncode, sentence in process.stderr) == (2, True), process.stderr
    assert photo.read_bytes() == data and list(tmp_path.iterdir()) == [photo]


def test_of_two_runs_for_one_page_the_second_is_turned_away(tmp_path):
    (tmp_path / "a.png").write_bytes(encode_image(make_image(1)))
    unfinished = name_unfinished_folder(tmp_path / "report.html")
    unfinished.mkdir()
    with filelock.FileLock(unfinished / ".lock"):
        process = run_command(*WORDS, "a.png", "--html", "report.html", cwd=tmp_path)
    assert process.returncode == console.EXIT_BUSY and "Another command" in process.stderr


def test_a_folder_of_somebody_else_is_not_emptied(tmp_path):
    (tmp_path / "a.png").write_bytes(encode_image(make_image(1)))
    mine = tmp_path / "report.html.unfinished" / "mine.txt"
    mine.parent.mkdir()
    mine.write_text("my notes")
    assert run_command(*WORDS, "a.png", "--html", "report.html", cwd=tmp_path).returncode == 0
    assert [path.name for path in mine.parent.iterdir()] == ["mine.txt"]


def test_a_torn_or_altered_line_of_thumbnails_is_dropped(tmp_path):
    path = tmp_path / "thumbnails.txt"
    file = ThumbnailFile(path)
    file.add("a" * 64, b"one")
    file.add("a" * 64, b"other")
    file.close()
    bad = f'{"b" * 64} "><script>\n'.encode()
    path.write_bytes(path.read_bytes() + bad + b"c" * 64 + b" AAA")
    file = ThumbnailFile(path)
    file.add("d" * 64, b"two")
    read = {letter: file.read_base64(letter * 64) for letter in "abcd"}
    file.close()
    assert read == {"a": "b25l", "b": "", "c": "", "d": "dHdv"}


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["a.png", "--explain"], "--html skips judged ones"),
        (["-"], "Name a file or a folder instead of -."),
    ],
)
def test_options_that_do_not_go_together_are_refused(tmp_path, words, sentence):
    process = run_command(*WORDS, *words, "--html", "report.html", cwd=tmp_path)
    assert process.returncode == 2 and sentence in process.stderr
    assert list(tmp_path.iterdir()) == []
