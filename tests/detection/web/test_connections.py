"""Connections are limited by visitor, and too many are one sentence."""

import asyncio
import errno
import os
import resource

import pytest

from detection.web import connections
from detection.web.http_protocol import OpenConnections


class FakeConnection:
    """A connection of a visitor; it is its own transport."""

    def __init__(self, visitor: str, has_request: bool = False):
        self.visitor, self.has_request, self.is_aborted = visitor, has_request, False
        self.transport = self

    def abort(self) -> None:
        self.is_aborted = True


def test_of_too_many_connections_one_of_the_visitor_with_most_is_closed():
    everyone = OpenConnections(max_connections=10)
    attacks = [FakeConnection("attacker", has_request=number < 2) for number in range(10)]
    for connection in attacks:
        everyone.add(connection)
    visits = [FakeConnection("visitor") for _ in range(4)]
    for connection in visits:
        everyone.add(connection)
    assert not any(connection.is_aborted for connection in visits)
    closed = [number for number, connection in enumerate(attacks) if connection.is_aborted]
    assert closed == [2, 3, 4, 5]  # the oldest of those that ask for nothing
    latest = FakeConnection("attacker")
    everyone.add(latest)
    assert latest.is_aborted


@pytest.mark.parametrize(
    ("descriptors", "expected"), [(64, 16), (256, 156), (1024, 500), (resource.RLIM_INFINITY, 500)]
)
def test_connections_fit_into_the_descriptors(monkeypatch, descriptors, expected):
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (descriptors, descriptors))
    assert connections.choose_max_connections() == expected


def test_too_many_connections_are_one_sentence(capsys):
    async def fail() -> None:
        loop = asyncio.get_running_loop()
        connections.quieten_loop(loop)
        for _ in range(1000):
            error = OSError(errno.EMFILE, os.strerror(errno.EMFILE))
            loop.call_exception_handler({"message": "accept", "exception": error})

    asyncio.run(fail())
    assert capsys.readouterr().err.splitlines() == [
        "warning: Too many connections; new ones wait until others are closed."
    ]
