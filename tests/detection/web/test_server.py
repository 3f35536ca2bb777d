"""The page's addresses: the same answers as the command line, clear refusals, and no trace of
uploads."""

import asyncio
import concurrent.futures
import errno
import http.client
import json
import os
import socket
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from starlette.requests import Request

from data_collection.dataset import manifest
from data_collection.images import errors
from data_collection.settings import GenerationSettings
from detection.detections import Detection, PreparedImage
from detection.generate.generate import PageGenerator
from detection.generate.generators import PAGE_GENERATORS
from detection.predictor import Detector
from detection.web import server, uploads
from detection.web.app import WebApp
from detection.web.settings import WebSettings
from runtime import console
from toys.commands import run_command
from toys.face_detector import BACKGROUND_RGB, draw_schematic_face
from toys.images import encode_image, make_image
from toys.page_server import build_form, post_image, send_get, send_raw

EVERYTHING = "/api/detect?explain=1&thumbnail=1"
START = b"POST /api/detect HTTP/1.1\r\nHost: 127.0.0.1\r\n"


def test_verdicts_are_the_command_lines(served, workplace, tmp_path):
    folder = workplace / "data" / "faces"
    originals = [
        folder / record.original
        for record in manifest.select_accepted(manifest.read_manifest(folder))[:30]
    ]
    detections = Detector.load(workplace / "saved_models" / "toy", any_picture=True).predict_all(
        originals
    )
    for detection in detections:
        for data, headers in (
            (detection.path.read_bytes(), {}),
            build_form(detection.path.read_bytes(), "a.png"),
        ):
            status, answer = post_image(served, data, headers=headers)
            assert (status, answer["verdict"], answer["sha256"]) == (
                200,
                detection.verdict,
                detection.sha256,
            )
            assert answer["probability"] == pytest.approx(detection.probability, abs=1e-6)


def test_an_avif_is_judged_and_one_that_lies_about_its_size_is_refused(served):
    data = encode_image(make_image(7, 300), "AVIF", quality=95)
    status, answer = post_image(served, data)
    assert status == 200 and answer["verdict"]
    at = data.index(b"ispe") + 8
    status, answer = post_image(served, data[:at] + b"\0\0\0\x09" * 2 + data[at + 8 :])
    assert status == 422 and "states another size" in answer["error"]


def test_an_explained_answer_brings_a_map_and_training_faces(served):
    status, answer = post_image(served, encode_image(make_image(7)), "/api/detect?explain=1")
    assert status == 200
    assert answer["heat_map"].startswith("data:image/jpeg;base64,") and answer["no_heat_map"] == ""
    assert len(answer["similar"]) == 6
    assert [face["distance"] for face in answer["similar"]] == sorted(
        face["distance"] for face in answer["similar"]
    )
    assert {face["label"] for face in answer["similar"]} <= {"real", "generated"}


def test_a_training_face_resembles_itself_most(served, workplace):
    folder = workplace / "data" / "faces"
    record = manifest.select_accepted(manifest.read_manifest(folder), "train")[3]
    _, answer = post_image(served, (folder / record.original).read_bytes(), "/api/detect?explain=1")
    assert answer["similar"][0]["label"] == record.label
    assert answer["similar"][0]["distance"] < 0.5 * answer["similar"][1]["distance"]


def test_answers_are_as_the_openapi_page_describes_them(served):
    schemas = json.loads(send_get(served, "/openapi.json")[2])["components"]["schemas"]
    answers = {
        "Detection": post_image(served, encode_image(make_image(8)), EVERYTHING)[1],
        "Detector": json.loads(send_get(served, "/api/detector")[2]),
        "Error": post_image(served, b"no")[1],
    }
    for name, answer in answers.items():
        assert set(schemas[name]["required"]) <= set(answer) <= set(schemas[name]["properties"]), (
            name
        )


def test_an_image_without_a_face_is_judged_only_if_any_picture_is_asked_for(serve):
    face = draw_schematic_face(Image.new("RGB", (320, 320), BACKGROUND_RGB), 160, 160, 100)
    with serve("--no-any-picture") as page:
        schemas = json.loads(send_get(page, "/openapi.json")[2])["components"]["schemas"]
        status, answer = post_image(page, encode_image(make_image(1)))
        assert (status, answer) == (
            422,
            {"error": "No face was found, so it was not judged.", "faces": []},
        )
        assert set(answer) <= set(schemas["Error"]["properties"])
        status, answer = post_image(page, encode_image(make_image(1)), "/api/detect?any_picture=1")
        assert (status, answer["faces"]) == (200, [])
        assert "No face was found in it" in answer["warnings"][0]
        status, answer = post_image(page, encode_image(face))
        assert (status, len(answer["faces"])) == (200, 1)
        assert "face" not in " ".join(answer["warnings"])


@pytest.mark.parametrize("data", [b"", b"<svg onload=alert(1)>", b"x" * 3_000_000])
def test_evidence_is_refused_as_a_verdict_is(served, data):
    refusals = [post_image(served, data, path) for path in ("/api/detect", "/api/evidence")]
    assert refusals[0] == refusals[1] and refusals[0][0] in (400, 413, 415)


def test_evidence_is_a_page_to_save_with_the_headers_that_keep_scripts_from_running(served):
    body, headers = build_form(encode_image(make_image(3)), "<b>face.png")
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=60)
    connection.request("POST", "/api/evidence", body, headers)
    response = connection.getresponse()
    page = response.read().decode()
    connection.close()
    assert response.status == 200 and response.headers["Content-Type"].startswith("text/html")
    assert response.headers["Content-Disposition"].startswith("attachment")
    assert "default-src" in response.headers["Content-Security-Policy"]
    assert "&lt;b&gt;face.png" in page and "<b>face.png" not in page


def make_strip() -> bytes:
    return encode_image(make_image(1).resize((2000, 40)))


def make_enormous_image() -> bytes:
    Image.MAX_IMAGE_PIXELS, before = None, Image.MAX_IMAGE_PIXELS
    try:
        return encode_image(Image.new("L", (10_000, 10_000)))
    finally:
        Image.MAX_IMAGE_PIXELS = before


@pytest.mark.parametrize(
    ("data", "status", "words"),
    [
        (b"", 400, "Nothing was sent"),
        (b"<svg onload=alert(1)>", 415, "Not an image of a known format"),
        (b"GIF89a", 415, "GIF is not opened"),
        (encode_image(make_image(1))[:3000], 422, "Damaged"),
        (make_strip(), 422, "a strip"),
        (make_enormous_image(), 422, "Larger than 25 megapixels"),
        (encode_image(Image.new("RGB", (90, 90))), 422, "one flat colour"),
        (b"x" * 3_000_000, 413, "more than 2 MB"),
    ],
    ids=["nothing", "svg", "gif", "damaged", "strip", "enormous", "flat", "too large"],
)
def test_what_cannot_be_judged_is_refused_in_a_sentence(served, data, status, words):
    answered, answer = post_image(served, data)
    assert (answered, list(answer)) == (status, ["error"])
    assert words in answer["error"] and answer["error"].endswith(".")


def test_an_endless_body_is_cut_off_while_it_comes(served):
    chunks = [b"100000\r\n" + b"y" * 0x100000 + b"\r\n"] * 40
    assert b" 413 " in send_raw(served, START + b"Transfer-Encoding: chunked\r\n\r\n", *chunks)
    assert b" 413 " in send_raw(served, START + b"Content-Length: 50000000\r\n\r\n", b"y" * 100_000)


@pytest.mark.parametrize(
    "name",
    [
        "../../etc/passwd",
        "a" * 300 + ".png",
        "<script>alert(1)</script>.png",
        "\u202egnp.exe",
        "nul\x00.png",
    ],
)
def test_the_name_of_a_file_means_nothing(served, name):
    body, headers = build_form(encode_image(make_image(3)), name)
    status, answer = post_image(served, body, headers=headers)
    assert status == 200 and name[:20] not in str(answer)


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/../detection/web/server.py", {}, 404),
        ("/page.css/..%2f..%2fserver.py", {}, 404),
        ("/saved_models/toy/card.json", {}, 404),
        ("/api/detect", {}, 405),
        ("/", {"Host": "evil.example"}, 400),
    ],
)
def test_nothing_else_can_be_asked_for(served, path, headers, status):
    assert send_get(served, path, **headers)[0] == status


def test_a_page_of_another_site_cannot_ask(served):
    assert (
        post_image(served, encode_image(make_image(3)), headers={"Origin": "https://evil.example"})[
            0
        ]
        == 403
    )
    assert (
        post_image(
            served,
            encode_image(make_image(3)),
            headers={"Origin": f"http://127.0.0.1:{served.port}"},
        )[0]
        == 200
    )


def test_the_generator_is_described_to_the_pages_own_scripts_only(served):
    own = f"http://127.0.0.1:{served.port}"
    for headers, status in (
        ({}, 200),
        ({"Origin": own, "Sec-Fetch-Site": "same-origin"}, 200),
        ({"Origin": "https://evil.example"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Origin": "null"}, 403),
        ({"Host": f"LOCALHOST:{served.port}"}, 200),
    ):
        assert send_get(served, "/api/generator", **headers)[0] == status, headers
    twice = f"Origin: {own}\r\nOrigin: https://evil.example\r\n".encode()
    request = b"GET /api/generator HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n%s\r\n"
    assert b" 403 " in send_raw(served, request % (served.port, twice))


def test_a_generator_that_costs_money_is_not_offered_to_strangers_unasked(workplace):
    words = ("detection", "web", "--port", 0, "--host", "0.0.0.0", "--generator", "openai-images")
    process = run_command(*words, cwd=workplace)
    assert process.returncode == console.EXIT_USAGE, process.stderr
    assert "at your expense. Give --pay-for-visitors" in " ".join(process.stderr.split())


@pytest.mark.parametrize("folder", ["/srv/me/private/model", "~/private/model", "C:\\me\\model"])
def test_of_a_generators_folder_only_the_name_is_told(folder):
    generator = PageGenerator.from_source(f"stable-diffusion@{folder}")
    assert generator.public_source == "stable-diffusion@model"
    told = generator.describe_obstacles()
    assert "private" not in told and "srv" not in told and "C:" not in told
    hub = PageGenerator.from_source("stable-diffusion@some/model")
    assert hub.public_source == "stable-diffusion@some/model"


class LittleMemory:
    """The page's answers on a computer that cannot hold the image."""

    def decode_image(self, *_):
        message = "opening it takes more memory than there is"
        return PreparedImage(
            Detection(path=Path(), error=message), rejection=errors.NotEnoughMemory
        )


def test_too_little_memory_is_not_the_fault_of_the_image():
    generator = PageGenerator.from_source("dcgan")
    app = WebApp(LittleMemory(), generator, max_upload_bytes=1_000_000, local=True)
    status, answer = post_to_app(app, "/api/detect", encode_image(make_image(3)))
    assert (status, answer["error"]) == (503, "Opening it takes more memory than there is.")


def test_a_broken_form_is_told_so(served):
    many = (
        b"".join(
            b'--x\r\nContent-Disposition: form-data; name="f"\r\n\r\nx\r\n' for _ in range(1000)
        )
        + b"--x--\r\n"
    )
    for body in (b"--x\r\nnonsense", many):
        status, answer = post_image(
            served, body, headers={"Content-Type": "multipart/form-data; boundary=x"}
        )
        assert status == 400, answer
    assert post_image(served, b"--x", headers={"Content-Type": "multipart/form-data"})[0] == 400


def test_a_hundred_at_once_get_their_own_answer_or_are_asked_to_come_back(served):
    images = [
        encode_image(make_image(3000 + number, generated=bool(number % 2))) for number in range(100)
    ]
    expected = [post_image(served, data)[1]["probability"] for data in images]
    with concurrent.futures.ThreadPoolExecutor(100) as pool:
        answers = list(pool.map(lambda data: post_image(served, data), images))
    assert {status for status, _ in answers} <= {200, 503}
    answered = [
        (answer["probability"], probability)
        for (status, answer), probability in zip(answers, expected, strict=True)
        if status == 200
    ]
    assert len(answered) >= 64
    assert np.allclose(*zip(*answered, strict=True), atol=1e-6)


def count_open_files(served) -> tuple[int, list[str]]:
    """Return the number of open files of the process, and the deleted ones, such as temporary
    files."""
    folder = Path(f"/proc/{served.process.pid}/fd")
    targets = [os.readlink(path) for path in folder.iterdir() if os.path.lexists(path)]
    return len(targets), [target for target in targets if "deleted" in target]


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="counts open files in /proc")
def test_dropped_connections_leave_nothing_behind(served, workplace):
    megabyte_image = encode_image(Image.effect_noise((1000, 1000), 100))
    assert (
        post_image(
            served, *build_form(megabyte_image, "a.png")[:1], headers=build_form(b"", "")[1]
        )[0]
        == 200
    )
    files, deleted = count_open_files(served)
    assert deleted == [] and os.listdir(served.log.parent / "tmp") == []
    for number in range(100):
        with socket.create_connection(("127.0.0.1", served.port)) as connection:
            body = megabyte_image if number % 5 == 0 else b"x"
            connection.sendall(START + b"Content-Length: %d\r\n\r\n" % len(megabyte_image) + body)
    deadline = time.monotonic() + 20
    while (
        (current := count_open_files(served))
        and (current[0] > files or current[1])
        and time.monotonic() < deadline
    ):
        time.sleep(0.1)
    assert current[0] <= files and current[1] == [] == os.listdir(served.log.parent / "tmp")


def test_a_form_of_megabytes_stays_in_memory(monkeypatch):
    def fail(file) -> None:
        raise AssertionError("a file on the disk")

    monkeypatch.setattr(tempfile.SpooledTemporaryFile, "rollover", fail)
    data = b"x" * 5_000_000
    body, headers = build_form(data, "a.png")

    async def receive() -> dict:
        return {"type": "http.request", "body": body, "more_body": False}

    raw_headers = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    request = Request({"type": "http", "method": "POST", "headers": raw_headers}, receive)
    assert asyncio.run(uploads.read_upload(request, 10_000_000)).image == data


def test_nothing_of_the_pictures_is_logged_or_stored(served, workplace):
    start = time.time()
    body, headers = build_form(encode_image(make_image(4)), "secret-name.png")
    assert post_image(served, body, "/api/detect?explain=1", headers)[0] == 200
    assert post_image(served, b"secret bytes")[0] == 415
    assert len(served.log.read_text().splitlines()) == 1  # the address, told at the start
    assert [
        path for path in workplace.rglob("*") if path.is_file() and path.stat().st_mtime > start
    ] == []


def test_answers_carry_headers_that_keep_strangers_scripts_out(served):
    _, headers, _ = send_get(served, "/")
    assert (
        "default-src 'none'" in headers["content-security-policy"]
        and "unsafe" not in headers["content-security-policy"]
    )
    assert (headers["x-content-type-options"], headers["cache-control"]) == ("nosniff", "no-store")


def post_to_app(app: WebApp, path: str, body: bytes) -> tuple[int, dict]:
    """Send a request to an application in this process; return status and answer."""
    sent: list[dict] = []

    async def receive() -> dict:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: dict) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": path,
        "query_string": b"",
        "headers": [(b"host", b"127.0.0.1")],
    }
    asyncio.run(app.asgi({"127.0.0.1"})(scope, receive, send))
    content = b"".join(message.get("body", b"") for message in sent)
    return sent[0]["status"], json.loads(content)


class FullDisk:
    """The page's answers and a FaceGenerator on a computer whose disk is full."""

    environment: dict[str, object] = {}

    def fail(self, *_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/private/cache")

    decode_image = generate = fail


@pytest.mark.parametrize("path", ["/api/detect", "/api/generate"])
def test_a_full_disk_is_one_sentence_without_a_path(path, capsys):
    spec = replace(PAGE_GENERATORS["dcgan"], make=lambda generation: FullDisk())
    generator = PageGenerator("dcgan", spec, GenerationSettings())
    app = WebApp(FullDisk(), generator, max_upload_bytes=1_000_000, local=True)
    status, answer = post_to_app(app, path, encode_image(make_image(3)))
    assert (status, list(answer)) == (507, ["error"])
    assert "disk" in answer["error"] and "make room" in answer["error"]
    assert "/private/cache" not in answer["error"]
    terminal = capsys.readouterr().err
    assert "No space left on device (/private/cache)" in terminal and "make room" in terminal


@pytest.mark.slow
def test_what_comes_too_slowly_is_given_up(served):
    start = time.monotonic()
    assert send_raw(served, b"GET / HT") == b""
    assert time.monotonic() - start < 15
    with socket.create_connection(("127.0.0.1", served.port), timeout=30) as connection:
        connection.sendall(
            b"GET /nothing HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\nG"
        )  # half of a second question
        while connection.recv(4000):
            pass
    assert b" 408 " in send_raw(served, START + b"Content-Length: 1000\r\n\r\nxx")


def test_a_taken_port_and_a_missing_detector_are_told_before_listening(workplace, tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        process = run_command("detection", "web", "--port", taken.getsockname()[1], cwd=workplace)
    assert (process.returncode, "is in use. Give another --port" in process.stderr) == (
        console.EXIT_BUSY,
        True,
    )
    process = run_command("detection", "web", "--port", 0, "--model", "none", cwd=tmp_path)
    assert (process.returncode, "none is not a saved detector" in process.stderr) == (
        console.EXIT_BAD_MODEL,
        True,
    )


def test_a_cut_that_the_detector_lacks_is_told_before_listening(workplace):
    words = ("--port", 0, "--false-alarms", 0.005)
    process = run_command("detection", "web", *words, cwd=workplace)
    assert process.returncode == console.EXIT_USAGE
    assert "no cut at 0.5%: 199 groups of photographs needed" in " ".join(process.stderr.split())


def test_a_second_page_cannot_take_the_first_ones_port():
    with (
        server.bind_socket(WebSettings(port=0)) as first,
        pytest.raises(console.PlainError, match="is in use"),
    ):
        server.bind_socket(WebSettings(port=first.getsockname()[1]))


def test_an_address_of_another_computer_cannot_be_listened_on():
    with pytest.raises(console.PlainError, match="is not available"):
        server.bind_socket(WebSettings(host="192.0.2.1", port=0))
