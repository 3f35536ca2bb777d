"""What strangers send to the page, for as long as they like: an answer or a refusal, and nothing grows."""

import os
import random
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import fuzzing
import soak
from toy_page import ask, raw

REFUSALS = {400, 403, 404, 405, 408, 411, 413, 415, 422, 431, 501, 503}
EDITS = st.lists(st.tuples(st.floats(0, 1), st.sampled_from(fuzzing.EDITS), st.binary(min_size=1, max_size=40)), max_size=6)
FORM = (
    b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\nContent-Type: image/png\r\n\r\n%s\r\n'
    b'--x\r\nContent-Disposition: form-data; name="prompt"\r\n\r\na face\r\n--x--\r\n'
)
REQUEST = b"POST /api/detect?explain=1 HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %d\r\n%sConnection: close\r\n\r\n%s"
MULTIPART = b"Content-Type: multipart/form-data; boundary=x\r\n"


@pytest.mark.parametrize("examples", [100, pytest.param(1500, marks=pytest.mark.slow)])
def test_altered_uploads_and_forms_are_answered_or_refused(served, examples):
    bodies = [*fuzzing.seeds("image"), *(FORM % data for data in fuzzing.seeds("image")[:3])]

    @settings(max_examples=examples, deadline=None, database=None, print_blob=True, suppress_health_check=list(HealthCheck))
    @given(st.sampled_from(bodies), EDITS)
    def answered(body, edits):
        headers = {"Content-Type": "multipart/form-data; boundary=x"} if body.startswith(b"--x") else {}
        status, answer = ask(served, fuzzing.altered(body, edits), headers=headers)
        assert status in {200, *REFUSALS}
        assert ("verdict" in answer) if status == 200 else list(answer) == ["error"]

    answered()
    assert quiet(served)


@pytest.mark.parametrize("examples", [100, pytest.param(1500, marks=pytest.mark.slow)])
def test_altered_requests_are_answered_refused_or_hung_up_on(served, examples):
    picture = fuzzing.seeds("image")[1]
    requests = [
        REQUEST % (len(picture), b"", picture),
        REQUEST % (len(FORM % picture), MULTIPART, FORM % picture),
        b"GET /openapi.json HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n",
    ]

    @settings(max_examples=examples, deadline=None, database=None, print_blob=True, suppress_health_check=list(HealthCheck))
    @given(st.sampled_from(requests), EDITS)
    def answered(request, edits):
        answer = raw(served, fuzzing.altered(request, edits), ended=True)
        assert not answer or int(answer.split()[1]) in {200, *REFUSALS}, answer[:200]

    answered()
    assert quiet(served)


def quiet(served) -> bool:
    """Whether the page runs and has said nothing but where it is, and left no file of what was sent."""
    log = served.log.read_text()
    assert served.process.poll() is None and "Traceback" not in log and "failed" not in log, log
    return not list((served.log.parent / "tmp").iterdir())


@pytest.mark.slow
def test_a_minute_of_good_and_bad_uploads_leaves_the_page_as_it_was(served):
    """`python tests/faults/soak.py` is the same for as long as wanted."""
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    found = soak.soaked(served.port, served.process.pid, seconds=60, rate=20, seed=seed)
    print(found)
    assert found.requests >= 60 * 20 * 0.9
    assert set(found.statuses) <= {200, 400, 413, 415, 422, 503} and found.statuses[200] > 100
    assert found.memory_after - found.memory_before < 50e6
    assert found.files_after <= found.files_before + 2
    assert quiet(served)


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="no /proc here")
def test_clients_that_hang_up_leave_nothing(served):
    def files() -> int:
        return len(os.listdir(f"/proc/{served.process.pid}/fd"))

    ask(served, fuzzing.seeds("image")[0])
    before = files()
    picture = fuzzing.seeds("image")[1]
    for number in range(200):
        part = (REQUEST % (len(picture), b"", picture))[: 30 + number * 8]
        raw(served, part, wait=0)
    ask(served, picture)
    assert files() <= before + 2 and quiet(served)
