"""A page of evidence in a real browser: nothing is fetched, nothing runs, nothing is too wide."""

from pathlib import Path

import pytest

from toys.accessibility import find_accessibility_faults
from toys.evidence import GROUP, draw


@pytest.fixture
def opened(browser, folder, write):
    """The page of a picture of three faces in a tab; anything that it fetches fails the test."""
    draw(*GROUP).save("three faces.png")
    write("three faces.png")
    context = browser.new_context(viewport={"width": 1200, "height": 900})
    tab, problems = context.new_page(), []
    address = (folder / "evidence.html").as_uri()
    tab.on(
        "request",
        lambda request: (
            None if request.url.startswith((address, "data:")) else problems.append(request.url)
        ),
    )
    tab.on("console", lambda message: problems.append(message.text))
    tab.goto(address)
    yield tab
    context.close()
    assert problems == []


def test_the_page_shows_picture_boxes_and_figures_without_a_network(opened):
    assert opened.locator("img").evaluate("image => image.complete && image.naturalWidth") == 400
    frame = opened.locator(".frame").bounding_box()
    for box, (x, y, _) in zip(
        sorted(opened.locator("rect").all(), key=lambda box: box.bounding_box()["x"]),
        sorted(GROUP),
        strict=True,
    ):
        place = box.bounding_box()
        assert place["x"] < frame["x"] + frame["width"] * x / 820 < place["x"] + place["width"]
        assert place["y"] < frame["y"] + frame["height"] * y / 500 < place["y"] + place["height"]
    assert opened.get_by_role("row").count() == 4
    assert opened.get_by_text("This page does not prove who made it").is_visible()


@pytest.mark.parametrize("width", [320, 1200])
def test_nothing_is_wider_than_the_screen(opened, width):
    opened.set_viewport_size({"width": width, "height": 800})
    assert opened.evaluate("document.documentElement.scrollWidth") <= width


def test_axe_finds_nothing_serious(opened):
    assert find_accessibility_faults(opened) == []


def test_a_planted_script_does_not_run_and_nothing_is_fetched(browser, write):
    write()
    page = Path("evidence.html")
    attack = (
        "<script>document.title='run'</script><img src=x onerror=\"document.title='run'\">"
        "<img src='https://evil.example/x.png'></main>"
    )
    page.write_text(page.read_text("utf-8").replace("</main>", attack), "utf-8")
    tab = browser.new_page()
    fetched = []
    tab.on("requestfinished", lambda request: fetched.append(request.url))
    tab.goto(page.absolute().as_uri())
    assert tab.title() != "run"
    assert [address for address in fetched if "evil" in address] == []
    tab.close()
