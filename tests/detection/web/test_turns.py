"""No visitor waits long for another's images, and whoever has most gives way."""

import asyncio
import contextlib
from collections import Counter

import pytest

from detection.web import turns as page_turns
from detection.web.admission import (
    MAX_ADMITTED_BYTES,
    MAX_ADMITTED_REQUESTS,
    Admissions,
    name_visitor,
)
from detection.web.turns import MAX_SLOW_IMAGES, MAX_TURNS, EndedForOthers, Turns
from detection.web.uploads import RequestRefused


class FakeProcess:
    """A decoding process that decodes until it is ended."""

    def __init__(self):
        self.ended_by, self.is_slowed = None, False

    def end(self, error: type[Exception]) -> None:
        self.ended_by = error

    def slow_down(self) -> None:
        self.is_slowed = True


async def decode_until_ended(turns: Turns, visitor: str, started: list[str]) -> None:
    process = FakeProcess()
    async with turns.take(visitor) as turn:
        started.append(visitor)
        turn.set_process(process)
        while not process.ended_by:
            await asyncio.sleep(0.001)
        assert process.ended_by is EndedForOthers and process.is_slowed in (True, False)


@pytest.fixture
def patient(monkeypatch):
    """Call an image slow at once: these tests are about order, not about seconds."""
    monkeypatch.setattr(page_turns, "SLOW_AFTER_S", 0.01)
    monkeypatch.setattr(page_turns, "RETRY_S", 0.001)


def test_a_visitor_passes_by_the_endless_images_of_another(patient):
    async def visit() -> list[str]:
        turns, started = Turns(), []
        attacks = [
            asyncio.create_task(decode_until_ended(turns, "attacker", started)) for _ in range(30)
        ]
        while len(started) < MAX_TURNS:
            await asyncio.sleep(0)
        for _ in range(3):
            async with turns.take("visitor"):
                started.append("visitor")
        for task in attacks:
            task.cancel()
        await asyncio.gather(*attacks, return_exceptions=True)
        return started

    started = asyncio.run(asyncio.wait_for(visit(), 60))
    assert started.count("visitor") == 3 and started.count("attacker") < 30
    assert started.index("visitor") <= MAX_TURNS + 1


def test_no_more_images_than_planned_are_decoded_at_once(patient):
    async def watch() -> int:
        turns, started, most = Turns(), [], 0
        names = [f"visitor {number}" for number in range(20)]
        tasks = [asyncio.create_task(decode_until_ended(turns, name, started)) for name in names]
        while len(started) < len(names):
            most = max(most, len(turns._running))
            await asyncio.sleep(0.001)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert not turns._running and not turns._waiting
        return most

    assert asyncio.run(asyncio.wait_for(watch(), 60)) <= MAX_TURNS + MAX_SLOW_IMAGES


def test_a_visitor_is_admitted_although_another_has_filled_all_places():
    async def fill() -> Counter:
        admissions, outcomes = Admissions(), Counter()

        async def upload(visitor: str, seconds: float) -> None:
            try:
                with admissions.admit(visitor):
                    await asyncio.sleep(seconds)
                    outcomes[visitor] += 1
            except RequestRefused as refusal:
                outcomes[f"{visitor} {refusal.status}"] += 1

        attacks = [
            asyncio.create_task(upload("attacker", 60)) for _ in range(MAX_ADMITTED_REQUESTS + 5)
        ]
        await asyncio.sleep(0)
        await asyncio.gather(*(upload("visitor", 0.01) for _ in range(3)))
        for task in attacks:
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*attacks)
        return outcomes

    outcomes = asyncio.run(fill())
    assert outcomes["visitor"] == 3 and "visitor 503" not in outcomes
    assert outcomes["attacker 503"] == 5 + 3


def test_only_bytes_that_have_arrived_count():
    async def fill() -> None:
        admissions = Admissions()
        with admissions.admit("a") as first, admissions.admit("b") as second:
            admissions.add_bytes(first, MAX_ADMITTED_BYTES // 3)
            admissions.add_bytes(second, MAX_ADMITTED_BYTES // 3)
            with pytest.raises(RequestRefused):
                admissions.add_bytes(first, MAX_ADMITTED_BYTES)

    asyncio.run(fill())


def test_a_visitor_has_one_name_whatever_the_address():
    assert name_visitor("2001:db8:1:2::1") == name_visitor("2001:db8:1:2:ffff::9")
    assert name_visitor("2001:db8:1:2::1") != name_visitor("2001:db8:1:3::1")
    assert name_visitor("::ffff:192.0.2.7") == name_visitor("192.0.2.7")
    assert name_visitor("fe80::1%eth0") == name_visitor("fe80::2")
    assert name_visitor(None) == name_visitor("")
