"""The page keeps a wrongly judged picture if it was started so, and for nobody else."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from detection.feedback.keep import PictureRefused
from detection.feedback.page_feedback import FeedbackIsFull, PageFeedback
from detection.predictor import Detector
from detection.web.settings import WebSettings
from toys.face_detector import draw_photograph
from toys.images import encode_image, make_image
from toys.page_server import post_image, send_get
from training.detectors import ready_detectors
from validation.regression_set.stored_pictures import RegressionSet, SetLimits

DETECTOR = Detector.load(ready_detectors.find_ready_detectors()[0])


def build_form(data: bytes, **fields: str) -> tuple[bytes, dict[str, str]]:
    parts = [f'name="{name}"\r\n\r\n{value}'.encode() for name, value in fields.items()]
    parts.append(b'name="file"; filename="secret.png"\r\n\r\n' + data)
    body = b"".join(b"--x\r\nContent-Disposition: form-data; " + part + b"\r\n" for part in parts)
    return body + b"--x--\r\n", {"Content-Type": "multipart/form-data; boundary=x"}


def keep(feedback: PageFeedback, data: bytes, truth: str) -> dict[str, object]:
    return feedback.keep(DETECTOR, DETECTOR.decode_image(data, Path()), data, {"truth": truth})


@pytest.fixture
def kept(workplace) -> Iterator[RegressionSet]:
    """The pictures that a page in the workplace keeps."""
    yield RegressionSet(workplace / "data" / "feedback")
    shutil.rmtree(workplace / "data" / "feedback", ignore_errors=True)


def test_a_wrong_answer_is_kept_with_its_truth_and_the_answer(serve, kept):
    data = encode_image(make_image(77))
    with serve("--keep-feedback") as page:
        described = json.loads(send_get(page, "/api/detector")[2])
        assert described["keeps_feedback"] is True
        answer = post_image(page, data)[1]
        body, headers = build_form(data, truth="generated", kind="Night")
        status, first = post_image(page, body, "/api/feedback", headers)
        assert (status, first["kept"], first["truth"], first["kind"]) == (
            *(200, True),
            *("generated", "night"),
        )
        assert post_image(page, body, "/api/feedback", headers)[1]["kept"] is False
        other = post_image(page, *_address(build_form(data, truth="real")))
        assert other[0] == 422 and "is kept already as generated" in other[1]["error"]
        assert post_image(page, *_address(build_form(data, truth="unsure")))[0] == 422
        assert post_image(page, *_address(build_form(b"", truth="real")))[0] == 422
        headers["Origin"] = "http://elsewhere.example"
        assert post_image(page, body, "/api/feedback", headers)[0] == 403
        log = page.log.read_text()
    (row,) = kept.read()
    assert (row.sha256, row.verdict) == (answer["sha256"], answer["verdict"])
    assert (row.name, row.detector) == ("", "toy")
    assert kept.read_picture(row) == data
    assert "secret" not in log


def _address(form: tuple[bytes, dict[str, str]]) -> tuple[bytes, str, dict[str, str]]:
    return form[0], "/api/feedback", form[1]


def test_a_page_that_was_not_asked_to_keeps_nothing(served, kept):
    assert json.loads(send_get(served, "/api/detector")[2])["keeps_feedback"] is False
    form = _address(build_form(encode_image(make_image(78)), truth="real"))
    assert post_image(served, *form)[0] == 404
    assert not kept.folder.exists()


def test_it_is_not_offered_to_strangers():
    assert WebSettings(keep_feedback=True).keep_feedback
    with pytest.raises(ValueError, match=r"everybody who can reach 0\.0\.0\.0 could fill"):
        WebSettings(keep_feedback=True, host="0.0.0.0")


def test_a_full_set_is_told(tmp_path):
    limits = SetLimits(max_pictures=1, max_bytes=1_000_000)
    feedback = PageFeedback(RegressionSet(tmp_path, limits))
    first, second = (encode_image(draw_photograph(number)) for number in (1, 2))
    assert keep(feedback, first, "real")["kept"]
    with pytest.raises(FeedbackIsFull, match="keeps 1 pictures .* remove some on its computer"):
        keep(feedback, second, "real")
    with pytest.raises(PictureRefused, match="give one of real, generated"):
        keep(feedback, second, "photo")
    assert len(feedback.kept.read()) == 1


def test_a_picture_that_was_not_judged_is_not_kept(tmp_path):
    with pytest.raises(PictureRefused, match="no face was found"):
        keep(PageFeedback(RegressionSet(tmp_path)), encode_image(make_image(1, 200)), "real")


def test_the_button_says_that_the_picture_is_kept_and_keeps_it(browser, serve, kept):
    with serve("--keep-feedback") as page:
        tab = browser.new_page()
        tab.goto(f"http://127.0.0.1:{page.port}/")
        tab.get_by_text("Judged by toy").wait_for()
        data = encode_image(make_image(79))
        tab.set_input_files("#file", {"name": "face.png", "mimeType": "image/png", "buffer": data})
        tab.get_by_text("This is wrong").click()
        said = tab.locator("#feedback-part").inner_text()
        assert "kept on the disk of the computer that runs this page" in said
        tab.fill("#feedback-kind", "press")
        tab.get_by_role("button", name="It is real: keep it").click()
        tab.get_by_text("Kept as real.").wait_for()
        tab.close()
    (row,) = kept.read()
    assert (row.truth, row.kind, kept.read_picture(row)) == ("real", "press", data)
