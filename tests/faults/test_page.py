"""Whatever strangers send to the page, it answers or refuses, and neither memory nor disk fills."""

import concurrent.futures
import dataclasses
import os
import platform
import random
import shutil
import time
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from detection.models.choice import write_choice
from faults import fuzzing, soak
from runtime import hashing
from toys.commands import run_command
from toys.images import encode_image, make_image
from toys.page_server import post_image, run_page_server, send_raw
from training.detectors import card as detector_card
from training.detectors import saved_models

REFUSALS = {400, 403, 404, 405, 408, 411, 413, 415, 422, 431, 501, 503}
EDITS = st.lists(
    st.tuples(st.floats(0, 1), st.sampled_from(fuzzing.EDITS), st.binary(min_size=1, max_size=40)),
    max_size=6,
)
FORM = (
    b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n'
    b"Content-Type: image/png\r\n\r\n%s\r\n"
    b'--x\r\nContent-Disposition: form-data; name="prompt"\r\n\r\na face\r\n--x--\r\n'
)
REQUEST = (
    b"POST /api/detect?explain=1 HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    b"Content-Length: %d\r\n%sConnection: close\r\n\r\n%s"
)
MULTIPART = b"Content-Type: multipart/form-data; boundary=x\r\n"


@pytest.mark.parametrize("examples", [100, pytest.param(1500, marks=pytest.mark.slow)])
def test_altered_uploads_and_forms_are_answered_or_refused(served, examples):
    bodies = [
        *fuzzing.list_seeds("image"),
        *(FORM % data for data in fuzzing.list_seeds("image")[:3]),
    ]

    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.sampled_from(bodies), EDITS)
    def answered(body, edits):
        headers = (
            {"Content-Type": "multipart/form-data; boundary=x"} if body.startswith(b"--x") else {}
        )
        status, answer = post_image(served, fuzzing.apply_edits(body, edits), headers=headers)
        assert status in {200, *REFUSALS}
        assert ("verdict" in answer) if status == 200 else list(answer) == ["error"]

    answered()
    assert is_quiet(served)


@pytest.mark.parametrize("examples", [100, pytest.param(1500, marks=pytest.mark.slow)])
def test_altered_requests_are_answered_refused_or_hung_up_on(served, examples):
    picture = fuzzing.list_seeds("image")[1]
    requests = [
        REQUEST % (len(picture), b"", picture),
        REQUEST % (len(FORM % picture), MULTIPART, FORM % picture),
        b"GET /openapi.json HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n",
    ]

    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.sampled_from(requests), EDITS)
    def answered(request, edits):
        answer = send_raw(served, fuzzing.apply_edits(request, edits), ended=True)
        assert not answer or int(answer.split()[1]) in {200, *REFUSALS}, answer[:200]

    answered()
    assert is_quiet(served)


def is_quiet(served) -> bool:
    """Return whether the page runs, has reported no failure, and has left no temporary file."""
    log = served.log.read_text()
    assert served.process.poll() is None and "Traceback" not in log and "failed" not in log, log
    return not list((served.log.parent / "tmp").iterdir())


def send_large_images(served) -> None:
    """Send sixteen images of 25 megapixels, eight at a time."""
    png = fuzzing.make_traps()["png of 4,999 x 4,999, all there"]
    jpeg = encode_image(make_image(5, 4990), "JPEG", quality=30)
    with concurrent.futures.ThreadPoolExecutor(8) as clients:
        list(clients.map(lambda large: post_image(served, large), [png, jpeg] * 8))


@pytest.mark.slow
@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="set for glibc alone")
def test_the_memory_of_large_images_is_given_back(workplace, tmp_path):
    with run_page_server(workplace, tmp_path) as served:
        post_image(served, encode_image(make_image(1, 200), "JPEG"))
        before = soak.measure_memory(served.process.pid)
        send_large_images(served)
        after = soak.measure_memory(served.process.pid)
    print(f"{before / 1e6:.0f} MB before, {after / 1e6:.0f} MB after")
    assert after < before + 150e6


@pytest.mark.slow
def test_a_minute_of_good_and_bad_uploads_leaves_the_page_as_it_was(served):
    """`python tests/faults/soak.py` does the same for any time."""
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    send_large_images(served)  # each thread keeps a little memory for images of its own
    result = soak.run_soak(served.port, served.process.pid, seconds=60, rate=20, seed=seed)
    print(result)
    assert sum(result.statuses.values()) == 60 * 20
    assert set(result.statuses) <= {200, 400, 413, 415, 422, 503} and result.statuses[200] > 100
    assert result.growth < 50e6
    assert max(result.files) <= 7 + 64  # one for each request that may be under way
    assert is_quiet(served)


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="no /proc here")
def test_clients_that_hang_up_leave_nothing(served):
    def count_files() -> int:
        return len(os.listdir(f"/proc/{served.process.pid}/fd"))

    post_image(served, fuzzing.list_seeds("image")[0])
    before = count_files()
    picture = fuzzing.list_seeds("image")[1]
    for number in range(200):
        part = (REQUEST % (len(picture), b"", picture))[: 30 + number * 8]
        send_raw(served, part, wait=0)
    until = time.monotonic() + 60
    while count_files() > before + 2:  # the page closes them in its own time
        assert time.monotonic() < until
        time.sleep(0.05)
    assert post_image(served, picture)[0] != 500 and is_quiet(served)


def replace_by_nan_model(folder: Path) -> None:
    """Replace the model of a saved detector by one that answers nothing but NaN."""
    side = detector_card.read_card(folder).image_size
    pixels = onnx.helper.make_tensor_value_info(
        "pixels", onnx.TensorProto.FLOAT, ["n", side, side, 3]
    )
    answer = onnx.helper.make_tensor_value_info("probability", onnx.TensorProto.FLOAT, ["n", 1])
    constants = [
        onnx.numpy_helper.from_array(np.array(value), name)
        for name, value in (("axes", [1, 2, 3]), ("shape", [-1, 1]))
    ]
    constants.append(onnx.numpy_helper.from_array(np.float32("nan"), "nan"))
    nodes = [
        onnx.helper.make_node("ReduceMean", ["pixels", "axes"], ["mean"], keepdims=0),
        onnx.helper.make_node("Mul", ["mean", "nan"], ["product"]),
        onnx.helper.make_node("Reshape", ["product", "shape"], ["probability"]),
    ]
    graph = onnx.helper.make_graph(nodes, "nan", [pixels], [answer], constants)
    model = onnx.helper.make_model(
        graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=9
    )
    onnx.save(model, folder / saved_models.ONNX_FILE)
    card = detector_card.read_card(folder)
    digest = hashing.hash_file(folder / saved_models.ONNX_FILE)
    detector_card.write_card(
        folder, dataclasses.replace(card, sha256=card.sha256 | {saved_models.ONNX_FILE: digest})
    )


def test_a_detector_that_gives_no_number_gives_no_verdict(workplace, tmp_path):
    folder = tmp_path / "nan"
    shutil.copytree(workplace / "saved_models" / "toy", folder / "saved_models" / "toy")
    write_choice(folder / "saved_models", "toy")
    replace_by_nan_model(folder / "saved_models" / "toy")
    (folder / "face.png").write_bytes(encode_image(make_image(1)))
    done = run_command("detection", "face.png", "--any-picture", "--json", cwd=folder)
    assert done.returncode == 1 and "the detector gave no number for it" in done.stdout, done.stderr
    with run_page_server(folder, tmp_path) as page:
        status, answer = post_image(page, encode_image(make_image(1)))
        assert (status, list(answer)) == (500, ["error"])
        number = answer["error"].rpartition(" ")[2].strip(".")
        log = page.log.read_text()
    assert number in log and "Traceback" not in log and str(folder) not in log.partition("\n")[2]


@pytest.mark.slow
def test_a_hundred_pictures_of_25_megapixels_at_once_are_judged_or_asked_to_come_back(served):
    data = encode_image(make_image(5, 4990), "JPEG", quality=30)
    assert len(data) < 2_000_000
    with concurrent.futures.ThreadPoolExecutor(100) as clients:
        waiting = [clients.submit(post_image, served, data) for _ in range(100)]
        peak = 0
        while not all(future.done() for future in waiting):
            peak = max(peak, soak.measure_memory(served.process.pid))
        statuses = [future.result()[0] for future in waiting]
    assert set(statuses) <= {200, 503} and statuses.count(200) >= 32
    assert peak < 2e9
    assert is_quiet(served)
