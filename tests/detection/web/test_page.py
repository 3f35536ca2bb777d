"""The page in a real browser: dropped, pasted and chosen images, the keyboard, a phone's width,
no network."""

import base64
import html

import pytest
from PIL import Image

from toys.accessibility import find_accessibility_faults
from toys.commands import run_command
from toys.diffusion import save_pipeline
from toys.face_detector import BACKGROUND_RGB, draw_schematic_face
from toys.images import encode_image, make_image
from training.cuts.verdicts import VERDICTS
from training.detectors.card import read_card
from training.final_detector.next_steps import find_next_steps


@pytest.fixture
def page(browser, served):
    """The page in a tab; a request to another host or an error of a script fails the test."""
    context = browser.new_context(
        viewport={"width": 390, "height": 844}, permissions=["clipboard-read", "clipboard-write"]
    )
    problems: list[str] = []
    address = f"http://127.0.0.1:{served.port}/"
    context.on(
        "request",
        lambda request: (
            None
            if request.url.startswith((address, "data:", "blob:"))
            else problems.append(request.url)
        ),
    )
    tab = context.new_page()
    tab.on("pageerror", lambda error: problems.append(str(error)))
    tab.goto(address)
    tab.get_by_text("Judged by toy").wait_for()
    yield tab
    context.close()
    assert problems == []


def file(seed: int = 1, generated: bool = False, **more) -> dict:
    return {
        "name": "face.png",
        "mimeType": "image/png",
        "buffer": encode_image(make_image(seed, generated=generated)),
        **more,
    }


def headline(page) -> str:
    page.locator("#result").wait_for()
    return page.locator("#headline").inner_text()


def test_a_chosen_picture_is_judged_with_map_and_similar_faces(page):
    page.set_input_files("#file", file())
    assert headline(page) in [words.headline for words in VERDICTS.values()]
    assert "probability of “generated”" in page.locator("#probability-text").inner_text()
    assert page.locator("#map").evaluate("image => image.complete && image.naturalWidth") == 448
    assert page.locator("#similar li").count() == 6
    assert page.evaluate("document.activeElement.id") == "verdict"  # a screen reader goes on here


def test_what_to_do_next_stands_on_the_page_in_the_words_of_training(page, workplace):
    steps = find_next_steps(read_card(workplace / "saved_models" / "toy"))
    page.get_by_role("heading", name="What to do next").wait_for()
    assert page.locator("#next li").all_inner_texts() == list(map(str, steps))
    assert page.locator("#next li code").all_inner_texts() == [step.command for step in steps]


def test_a_dropped_and_a_pasted_picture_are_judged(page):
    data = base64.b64encode(encode_image(make_image(2))).decode()
    for kind in ("drop", "paste"):
        page.evaluate(
            """([data, kind]) => {
                const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
                const transfer = new DataTransfer();
                transfer.items.add(new File([bytes], "face.png", {type: "image/png"}));
                const event = kind === "drop"
                    ? new DragEvent(
                        "drop", {dataTransfer: transfer, bubbles: true, cancelable: true})
                    : new ClipboardEvent("paste", {clipboardData: transfer, bubbles: true});
                document.getElementById("result").hidden = true;
                document.body.dispatchEvent(event);
            }""",
            [data, kind],
        )
        assert headline(page)


def test_what_is_no_picture_is_told_in_a_sentence_and_the_next_one_is_judged(page):
    page.set_input_files("#file", file(buffer=b"hello"))
    page.locator("#error").wait_for()
    assert "Not an image of a known format" in page.locator("#error").inner_text()
    assert page.locator("#result").is_hidden()
    page.set_input_files("#file", file(buffer=b"x" * 3_000_000))
    page.get_by_text("more than 2 MB").wait_for()
    page.set_input_files("#file", file())
    assert headline(page)
    assert page.locator("#error").is_hidden()


def test_an_image_without_a_face_is_judged_after_a_click(browser, serve):
    with serve("--no-any-picture") as server:
        page = browser.new_page()
        page.goto(f"http://127.0.0.1:{server.port}/")
        button = page.get_by_role("button", name="Judge it anyway")
        page.set_input_files("#file", file(buffer=b"hello"))
        page.get_by_text("Not an image of a known format").wait_for()
        assert button.is_hidden()
        page.set_input_files("#file", file())
        page.get_by_text("No face was found, so it was not judged.").wait_for()
        assert page.locator("#result").is_hidden() and button.is_visible()
        button.click()
        assert headline(page)
        assert button.is_hidden() and page.locator("#error").is_hidden()
        assert "No face was found in it" in page.locator("#warnings").inner_text()
        page.close()


def test_a_claim_of_the_file_is_shown_as_text_and_apart_from_the_verdict(page):
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    info.add_text(
        "parameters",
        "<img src=x onerror=alert(1)>\nSteps: 20, Sampler: Euler a, Seed: 42, Model: toy",
    )
    page.set_input_files("#file", file(buffer=encode_image(make_image(3), pnginfo=info)))
    assert headline(page)
    assert "<img src=x" in page.locator("#claims").inner_text()
    assert page.locator("#claims img").count() == 0


def test_everything_can_be_reached_with_the_keyboard(page):
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "tab-judge"
    page.keyboard.press("ArrowRight")
    assert page.locator("#generate").is_visible() and page.locator("#judge").is_hidden()
    page.get_by_text("Generates with dcgan").wait_for()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "file"


@pytest.mark.parametrize("width", [320, 390, 1280])
def test_nothing_is_wider_than_the_screen(page, width):
    page.set_viewport_size({"width": width, "height": 800})
    page.set_input_files("#file", file())
    headline(page)
    for part in page.locator("details").all():
        part.evaluate("details => { details.open = true; }")
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_stand_out_from_the_paper(page, scheme):
    """WCAG AA asks for a contrast of 4.5 for text."""
    page.emulate_media(color_scheme=scheme)
    page.set_input_files("#file", file())
    headline(page)
    for part in ("#headline", "#sentence", ".quiet", "footer a", "figcaption"):
        assert page.locator(part).first.evaluate(CONTRAST) >= 4.5, part


CONTRAST = """element => {
    const light = (colour) => {
        const [red, green, blue] = colour.match(/[\\d.]+/g).map((value) => value / 255)
            .map((value) => value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
    };
    let paper = element;
    while (getComputedStyle(paper).backgroundColor === "rgba(0, 0, 0, 0)")
        paper = paper.parentElement;
    const ink = light(getComputedStyle(element).color);
    const ground = light(getComputedStyle(paper).backgroundColor);
    return (Math.max(ink, ground) + 0.05) / (Math.min(ink, ground) + 0.05);
}"""


def test_the_page_for_programs_opens(page, served):
    page.goto(f"http://127.0.0.1:{served.port}/api")
    assert page.get_by_role("heading", name="POST /api/detect").is_visible()


@pytest.mark.slow
def test_a_face_is_generated_from_a_prompt_and_judged(browser, serve, tmp_path):
    with serve("--generator", f"stable-diffusion@{save_pipeline(tmp_path / 'tiny')}") as server:
        page = browser.new_page()
        page.goto(f"http://127.0.0.1:{server.port}/")
        page.get_by_text("Judged by toy").wait_for()
        page.get_by_role("tab", name="Generate a face").click()
        page.get_by_label("Prompt").fill("a photo of the face of an old fisherman")
        page.get_by_label("Seed").fill("7")
        page.get_by_role("button", name="Generate and judge").click()
        page.locator("#result").wait_for(timeout=240_000)
        assert "seed 7" in page.locator("#picture-caption").inner_text()
        assert page.locator("#picture").evaluate("image => image.naturalWidth") == 448
        page.close()


def test_axe_finds_nothing_serious_on_the_page_before_and_after_an_answer(page):
    assert find_accessibility_faults(page) == []
    page.set_input_files("#file", file())
    headline(page)
    assert find_accessibility_faults(page) == []
    page.locator("#tab-generate").click()
    assert find_accessibility_faults(page) == []
    page.goto(page.url.rstrip("/") + "/api")
    assert find_accessibility_faults(page) == []


def draw_group() -> bytes:
    picture = Image.new("RGB", (820, 420), BACKGROUND_RGB)
    for place in ((150, 220, 100), (430, 200, 80), (680, 240, 90)):
        picture = draw_schematic_face(picture, *place)
    return encode_image(picture)


def test_every_face_is_marked_in_the_picture_and_listed_for_the_keyboard(page):
    page.set_input_files("#file", file(buffer=draw_group()))
    assert headline(page)
    assert page.get_by_role("heading", name="3 faces were judged").is_visible()
    names = page.locator("#face-list button").all_inner_texts()
    assert [name.split(":")[0] for name in names] == ["Face 1", "Face 2", "Face 3"]
    assert all(any(f": {verdict}," in name for verdict in VERDICTS) for name in names)
    marks = page.locator("#boxes .box")
    for index, name in enumerate(names):
        assert marks.nth(index).inner_text().split()[0] == str(index + 1)
        assert any(verdict in marks.nth(index).text_content() for verdict in VERDICTS), name
    frame, first = page.locator(".frame").bounding_box(), marks.first.bounding_box()
    assert abs((first["x"] + first["width"] / 2 - frame["x"]) / frame["width"] - 150 / 820) < 0.04
    page.locator("#verdict").focus()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent").startswith("Face 1")
    assert "selected" in marks.first.get_attribute("class")
    marks.nth(1).click()
    assert page.evaluate("document.activeElement.textContent").startswith("Face 2")
    assert "selected" not in marks.first.get_attribute("class")
    assert "face" in page.locator("#sentence").inner_text()
    assert "Of pictures of 3 faces" in page.locator("#worth").inner_text() or (
        "picture of" in page.locator("#worth").inner_text()
    )


def test_a_picture_of_one_face_has_no_list_of_faces(page):
    page.set_input_files("#file", file(buffer=draw_group()))
    headline(page)
    page.set_input_files("#file", file())
    page.locator("#faces-part").wait_for(state="hidden")
    assert headline(page) and page.locator("#face-list button").count() == 0


def test_several_faces_fit_a_phone_and_pass_the_checks_of_axe(page):
    page.set_viewport_size({"width": 320, "height": 800})
    page.set_input_files("#file", file(buffer=draw_group()))
    headline(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    assert find_accessibility_faults(page) == []


def test_the_answer_is_saved_as_evidence_that_holds(page, workplace, tmp_path):
    data = encode_image(make_image(11))
    (tmp_path / "face.png").write_bytes(data)
    page.set_input_files("#file", file(buffer=data))
    shown = headline(page)
    with page.expect_download() as download:
        page.get_by_role("button", name="Save evidence").click()
    assert download.value.suggested_filename == "evidence.html"
    download.value.save_as(tmp_path / "evidence.html")
    page.get_by_text("Saved. Check it with").wait_for()
    text = (tmp_path / "evidence.html").read_text("utf-8")
    assert shown in html.unescape(text) and "face.png" in text
    words = (tmp_path / "face.png", "--verify", tmp_path / "evidence.html")
    done = run_command("detection", *words, cwd=workplace)
    assert done.returncode == 0, done.stdout + done.stderr
    assert find_accessibility_faults(page) == []


def test_evidence_is_written_of_an_image_that_was_judged_anyway(browser, serve):
    with serve("--no-any-picture") as server:
        page = browser.new_page()
        page.goto(f"http://127.0.0.1:{server.port}/")
        page.set_input_files("#file", file())
        page.get_by_role("button", name="Judge it anyway").click()
        headline(page)
        with page.expect_download() as download:
            page.get_by_role("button", name="Save evidence").click()
        assert "none found" in download.value.path().read_text("utf-8")
        page.close()
