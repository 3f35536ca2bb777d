"""Many pictures on the page, in a real browser: a table that fills while they are judged, whatever
happens to one of them."""

import base64
import csv
import hashlib
import io
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from detection.html_report.thumbnails import THUMBNAIL_SIDE_PX
from toys.accessibility import find_accessibility_faults
from toys.commands import REPOSITORY_ROOT, run_command
from toys.face_detector import BACKGROUND_RGB, draw_schematic_face
from toys.images import encode_image, make_image
from toys.page_server import ServedPage, post_image, run_page_server

NAMES = ("a.png", "b.png", "c.jpg", "=1+1;=2.png", "x,\"y\" 'z'.png", "<b>bold.png", "notes.txt")

WATCH_REQUESTS = """
window.inFlight = 0;
window.mostInFlight = 0;
window.refusals = 0;
const realFetch = window.fetch;
window.fetch = async (address, options) => {
  if (!String(address).startsWith("api/detect?")) return realFetch(address, options);
  if (window.isGone) throw new TypeError("Failed to fetch");
  if (window.refusals > 0) {
    window.refusals -= 1;
    return new Response(JSON.stringify({error: "Too many images"}), {status: 503});
  }
  window.inFlight += 1;
  window.mostInFlight = Math.max(window.mostInFlight, window.inFlight);
  try {
    while (window.isHeld && !options.signal.aborted) await new Promise((go) => setTimeout(go, 20));
    return await realFetch(address, options);
  } finally {
    window.inFlight -= 1;
  }
};
"""


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("many") / "pictures"
    folder.mkdir()
    for number, name in enumerate(NAMES[:-1]):
        kind = "JPEG" if name.endswith("jpg") else "PNG"
        image = make_image(40 + number, 300, generated=bool(number % 2))
        (folder / name).write_bytes(encode_image(image, kind))
    (folder / "notes.txt").write_text("of the holidays")
    picture = draw_schematic_face(Image.new("RGB", (820, 420), BACKGROUND_RGB), 150, 220, 100)
    picture = draw_schematic_face(picture, 500, 200, 90)
    (folder / "group.png").write_bytes(encode_image(picture))
    return folder


@pytest.fixture(scope="module")
def ready(tmp_path_factory) -> Iterator[ServedPage]:
    """Serve the page with the detector that is ready."""
    workplace = tmp_path_factory.mktemp("ready")
    model = REPOSITORY_ROOT / "saved_models" / "telltale-faces"
    shutil.copytree(model, workplace / "saved_models" / "toy")
    with run_page_server(workplace, workplace, "--max-upload-mb", 1) as page:
        yield page


@pytest.fixture
def page(browser, ready):
    """The page in a tab; a request to another host or an error of a script fails the test."""
    address, problems = f"http://127.0.0.1:{ready.port}/", []
    tab = browser.new_page(viewport={"width": 1280, "height": 900})
    tab.on("pageerror", lambda error: problems.append(str(error)))
    tab.on(
        "request",
        lambda request: (
            request.url.startswith((address, "data:", "blob:")) or problems.append(request.url)
        ),
    )
    tab.add_init_script(WATCH_REQUESTS)
    tab.goto(address)
    tab.get_by_text("Judged by toy").wait_for()
    yield tab
    tab.close()
    assert problems == []


def choose(page, pictures: Path, *names: str) -> None:
    paths = [pictures / name for name in names] if names else sorted(pictures.iterdir())
    page.set_input_files("#file", paths)


def wait_until_done(page) -> list[list[str]]:
    page.get_by_text("all are done").wait_for()
    return read_rows(page)


def read_rows(page) -> list[list[str]]:
    """Return name, verdict, probability and notes of every row."""
    rows = page.locator("#pictures tbody tr").all()
    # rows outside the screen are not laid out, and have no inner text
    return [[cell.text_content() for cell in row.locator("th, td").all()][1:] for row in rows]


def test_many_files_become_a_table_with_the_most_suspicious_one_first(page, ready, pictures):
    choose(page, pictures)
    rows = wait_until_done(page)
    answers = {path.name: post_image(ready, path.read_bytes()) for path in pictures.iterdir()}
    assert sorted(row[0] for row in rows) == sorted(answers)
    order = ("generated", "can't tell", "real", "not judged")
    ranks = []
    for name, verdict, probability, notes in rows:
        status, answer = answers[name]
        assert verdict == answer.get("verdict", "not judged")
        ranks.append((order.index(verdict), -answer.get("probability", 0.0)))
        for sentence in answer.get("warnings", [answer.get("error")]):
            assert sentence in notes
        if status == 200 and 0.001 < answer["probability"] < 0.999:
            assert float(probability.split()[0]) == pytest.approx(answer["probability"], abs=6e-4)
    assert ranks == sorted(ranks)
    assert "Not an image of a known format" in next(row[3] for row in rows if row[1] == order[3])
    worth = page.locator("#many-worth").inner_text()
    group = answers["group.png"][1]
    assert len(group["faces"]) == 2
    assert [
        text for text in (*group["worth"], *answers["a.png"][1]["worth"]) if text not in worth
    ] == []


def test_no_more_than_two_are_in_flight_and_only_small_pictures_are_kept(page, pictures):
    choose(page, pictures)
    wait_until_done(page)
    assert page.evaluate("window.mostInFlight") == 2
    images = page.locator("#pictures img")
    sides = [
        image.evaluate("i => Math.max(i.naturalWidth, i.naturalHeight)") for image in images.all()
    ]
    assert len(sides) == len(NAMES) and max(sides) <= THUMBNAIL_SIDE_PX


def test_the_csv_file_is_that_of_the_command(page, pictures, tmp_path):
    choose(page, pictures)
    rows = wait_until_done(page)
    with page.expect_download() as download:
        page.get_by_role("button", name="Download as CSV").click()
    download.value.save_as(tmp_path / "page.csv")
    text = (tmp_path / "page.csv").read_bytes().decode()
    words = (
        "detection",
        "--any-picture",
        "--csv",
        *sorted(path.name for path in pictures.iterdir()),
    )
    model = ("--model", REPOSITORY_ROOT / "saved_models" / "telltale-faces")
    process = run_command(*words, *model, cwd=pictures)
    got, expected = (
        list(csv.DictReader(io.StringIO(each, newline=""))) for each in (text, process.stdout)
    )
    assert list(got[0]) == list(expected[0])
    assert [row["path"] for row in got].index("./=1+1;'=2.png") == [row[0] for row in rows].index(
        "=1+1;=2.png"
    )  # no spreadsheet calculates it
    by_path = {row["path"]: row for row in expected}
    assert {row["path"] for row in got} == by_path.keys()
    for row in got:
        other = by_path[row["path"]]
        for column in row.keys() - {"sha256", "detector", "detector_reason"}:
            if row[column] and column in ("probability", "low", "high"):
                assert float(row[column]) == pytest.approx(float(other[column]), abs=1e-5)
            elif column == "error":
                assert row[column].lower().rstrip(".") == other[column].lower()
            else:
                assert re.sub(r"0\.\d{6}", "", row[column]) == re.sub(
                    r"0\.\d{6}", "", other[column]
                ), column


def test_the_table_is_filtered_by_verdict_with_the_keyboard(page, pictures):
    choose(page, pictures)
    rows = wait_until_done(page)
    page.get_by_role("radio", name="all").focus()
    page.keyboard.press("ArrowUp")  # around to the last one
    hidden = [row.is_hidden() for row in page.locator("#pictures tbody tr").all()]
    assert hidden == [row[1] != "not judged" for row in rows]
    assert page.locator("#shown").inner_text() == f"1 of {len(rows)} pictures are shown."


def test_a_row_opens_its_whole_answer_and_the_way_back_leads_to_it(page, pictures):
    choose(page, pictures)
    wait_until_done(page)
    button = page.get_by_role("button", name="b.png")
    button.focus()
    page.keyboard.press("Enter")
    page.locator("#result").wait_for()
    assert page.locator("#many-table").is_hidden()
    sha256 = hashlib.sha256((pictures / "b.png").read_bytes()).hexdigest()
    assert page.locator("#sha256").text_content() == sha256
    page.get_by_role("button", name="Back to all pictures").click()
    assert page.locator("#result").is_hidden() and page.locator("#many-table").is_visible()
    assert page.evaluate("document.activeElement.textContent") == "b.png"
    page.get_by_text("notes.txt").click()
    page.locator("#error").get_by_text("Not an image of a known format").wait_for()


def test_judging_is_stopped_and_goes_on_without_judging_again(page, pictures):
    choose(page, pictures, *NAMES[:3])
    wait_until_done(page)
    page.evaluate("window.isHeld = true")
    choose(page, pictures, *NAMES[3:])
    page.get_by_text(f"3 of {len(NAMES)} pictures").wait_for()
    page.get_by_role("button", name="Stop").click()
    page.get_by_text("Stopped; 4 pictures are not judged yet.").wait_for()
    assert len(read_rows(page)) == 3
    page.evaluate("window.isHeld = false")
    page.get_by_role("button", name="Go on").click()
    assert sorted(row[0] for row in wait_until_done(page)) == sorted(NAMES)
    page.get_by_role("button", name="Clear the table").click()
    assert page.locator("#many").is_hidden()


def test_a_busy_program_is_asked_again(page, pictures):
    page.evaluate("window.refusals = 3")
    choose(page, pictures, "a.png", "b.png")
    assert [row[1] != "not judged" for row in wait_until_done(page)] == [True, True]
    assert page.evaluate("window.refusals") == 0


def test_a_program_that_is_gone_stops_the_rest_and_loses_nothing(page, pictures):
    page.evaluate("window.isGone = true")
    page.route("**/api/detector", lambda route: route.abort())
    choose(page, pictures, *NAMES[:3])
    page.get_by_text("Stopped; 3 pictures are not judged yet.").wait_for()
    assert "does not answer" in page.locator("#error").inner_text()
    page.evaluate("window.isGone = false")
    page.get_by_role("button", name="Go on").click()
    assert len(wait_until_done(page)) == 3


def test_a_file_that_is_gone_or_too_large_does_not_end_the_rest(page, pictures, tmp_path):
    shutil.copyfile(pictures / "a.png", tmp_path / "gone.png")
    (tmp_path / "large.png").write_bytes(b"x" * 1_100_000)
    shutil.copyfile(pictures / "b.png", tmp_path / "there.png")
    page.evaluate("window.isHeld = true")
    page.set_input_files("#file", sorted(tmp_path.iterdir()))
    page.get_by_text("of 3 pictures").wait_for()
    (tmp_path / "gone.png").unlink()
    page.evaluate("window.isHeld = false")
    notes = {row[0]: row[3] for row in wait_until_done(page)}
    assert "cannot be read" in notes["gone.png"] and "more than 1 MB" in notes["large.png"]
    assert notes["there.png"].startswith("No face was found in it")


def test_a_folder_is_judged_with_its_folders_but_without_hidden_files(page, pictures, tmp_path):
    (tmp_path / "deep").mkdir()
    for name in ("a.png", "deep/a.png", ".hidden.png", "Thumbs.db"):
        shutil.copyfile(pictures / "a.png", tmp_path / name)
    page.set_input_files("#folder", tmp_path)
    assert sorted(row[0] for row in wait_until_done(page)) == ["a.png", "deep/a.png"]


def test_several_dropped_files_become_a_table_and_a_name_is_text(page, pictures):
    data = base64.b64encode((pictures / "a.png").read_bytes()).decode()
    page.evaluate(
        """([data, names]) => {
            const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
            const transfer = new DataTransfer();
            for (const name of names)
                transfer.items.add(new File([bytes], name, {type: "image/png"}));
            document.body.dispatchEvent(new DragEvent(
                "drop", {dataTransfer: transfer, bubbles: true, cancelable: true}));
        }""",
        [data, ["<img src=x onerror=alert(1)>.png", "\u202egnp.exe", "a b.png"]],
    )
    names = {row[0] for row in wait_until_done(page)}
    assert names == {"<img src=x onerror=alert(1)>.png", "\ufffdgnp.exe", "a b.png"}
    assert page.locator("#pictures img[src=x]").count() == 0


@pytest.mark.parametrize("width", [320, 1280])
def test_the_table_fits_the_screen_and_axe_finds_nothing_serious(page, pictures, width):
    page.set_viewport_size({"width": width, "height": 800})
    choose(page, pictures)
    wait_until_done(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert find_accessibility_faults(page) == []


def read_thumbnail(answer: dict) -> Image.Image:
    data = answer["thumbnail"].removeprefix("data:image/jpeg;base64,")
    return Image.open(io.BytesIO(base64.b64decode(data)))


def test_programs_get_a_thumbnail_of_the_whole_picture_where_there_is_one(ready, pictures):
    group = (pictures / "group.png").read_bytes()
    flat = encode_image(Image.new("RGB", (400, 200), "red"))
    assert "thumbnail" not in post_image(ready, group)[1]
    for data, status, size in ((group, 200, (128, 66)), (flat, 422, (128, 64))):
        got, answer = post_image(ready, data, "/api/detect?thumbnail=1")
        assert (got, read_thumbnail(answer).size) == (status, size)
        assert not read_thumbnail(answer).getexif()
    assert "thumbnail" not in post_image(ready, b"no image", "/api/detect?thumbnail=1")[1]
