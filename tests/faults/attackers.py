"""Attackers of the page, one of each kind, each from an address of its own on this computer."""

import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable

from faults import fuzzing
from toys.images import encode_image, make_image

POST = b"POST /api/detect?any_picture=1&explain=1 HTTP/1.1\r\nHost: 127.0.0.1\r\n"
GET = b"GET /page.js HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
MANY_CONNECTIONS = 300


class Attacker:
    """One attacker: `act` is called again and again until the end.

    Args:
        number: of its address, 127.0.1.NUMBER.
    """

    def __init__(self, port: int, number: int):
        self.port, self.address = port, f"127.0.1.{number}"
        self.ended = threading.Event()

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), 10, (self.address, 0))

    def post(self, data: bytes) -> None:
        """Send an image and wait for the answer."""
        with self.connect() as connection:
            connection.settimeout(60)
            connection.sendall(POST + b"Content-Length: %d\r\n\r\n" % len(data) + data)
            connection.recv(4000)

    def run(self, act: Callable[["Attacker"], None]) -> None:
        # its own computer would do this work
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 19)
        while not self.ended.is_set():
            with contextlib.suppress(OSError):
                act(self)
            self.ended.wait(0.01)


def _post_many(attacker: Attacker, data: bytes, count: int = 20) -> None:
    threads = [threading.Thread(target=_post_quietly, args=(attacker, data)) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _post_quietly(attacker: Attacker, data: bytes) -> None:
    with contextlib.suppress(OSError):
        attacker.post(data)


def post_comments(attacker: Attacker) -> None:
    """Send PPMs of comments, which Pillow reads in quadratic time."""
    _post_many(attacker, b"P3 300 300 255\n" + b"#\n" * 500_000 + b"1 2 3 " * 100)


def post_odd_depths(attacker: Attacker) -> None:
    """Send PGMs of odd depth, which Pillow decodes in Python."""
    _post_many(attacker, b"P5 3000 3000 300\n" + bytes(18_000_000), 4)


def post_large_images(attacker: Attacker) -> None:
    """Send images of 25 megapixels."""
    _post_many(attacker, fuzzing.make_traps()["png of 4,999 x 4,999, all there"])


def send_slowly(attacker: Attacker) -> None:
    """Announce uploads of 19 MB and send one byte a second."""
    with contextlib.ExitStack() as stack:
        connections = [stack.enter_context(attacker.connect()) for _ in range(40)]
        for connection in connections:
            connection.sendall(POST + b"Content-Length: 19000000\r\n\r\n")
        for _ in range(20):
            for connection in connections:
                connection.sendall(b"x")
            if attacker.ended.wait(1):
                return


def hold_connections(attacker: Attacker) -> None:
    """Open connections and say nothing."""
    with contextlib.ExitStack() as stack:
        for _ in range(MANY_CONNECTIONS):
            stack.enter_context(attacker.connect())
        attacker.ended.wait(9)


def never_read(attacker: Attacker) -> None:
    """Ask and never read the answers."""
    with contextlib.ExitStack() as stack:
        for _ in range(100):
            connection = stack.enter_context(attacker.connect())
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.sendall(GET * 50)
        attacker.ended.wait(20)


def flood(attacker: Attacker) -> None:
    """Send small images as fast as they are answered."""
    _post_many(attacker, encode_image(make_image(1), "JPEG"), 10)


def hang_up(attacker: Attacker) -> None:
    """Begin requests and hang up."""
    with attacker.connect() as connection:
        connection.sendall(POST + b"Content-Length: 1000000\r\n\r\n" + b"x" * 10_000)
    time.sleep(0.01)


ATTACKS = (
    post_comments,
    post_odd_depths,
    post_large_images,
    send_slowly,
    hold_connections,
    never_read,
    flood,
    hang_up,
)


@contextlib.contextmanager
def attack(port: int):
    """Let one attacker of each kind attack the page meanwhile."""
    attackers = [Attacker(port, number) for number in range(1, len(ATTACKS) + 1)]
    threads = [
        threading.Thread(target=attacker.run, args=(act,), daemon=True)
        for attacker, act in zip(attackers, ATTACKS, strict=True)
    ]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        for attacker in attackers:
            attacker.ended.set()
