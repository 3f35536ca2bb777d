"""A connection that reads nothing is closed; one that reads has its whole answer."""

import asyncio
import socket
import threading
import time

import pytest
import uvicorn

from detection.web import http_protocol
from detection.web.server import bind_socket
from detection.web.settings import WebSettings

BODY = bytes(30_000_000)
"""More than the system keeps of an answer that nobody reads."""

ASK = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"


async def answer_at_length(scope, receive, send) -> None:
    headers = [(b"content-length", str(len(BODY)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": BODY})


@pytest.fixture
def page(monkeypatch):
    """Serve a long answer with the page's protocol, which waits for a second only; yield its port
    and the connections that are open."""
    monkeypatch.setattr(http_protocol, "READER_TIMEOUT_S", 1)
    protocol = http_protocol.make_http_protocol(10)
    config = uvicorn.Config(
        answer_at_length, http=protocol, ws="none", lifespan="off", log_level="critical"
    )
    server, listening = uvicorn.Server(config), bind_socket(WebSettings(port=0))
    thread = threading.Thread(target=asyncio.run, args=[server.serve([listening])])
    thread.start()
    yield listening.getsockname()[1], protocol.open_connections._by_visitor
    server.should_exit = True
    thread.join()


def connect(port: int) -> socket.socket:
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.settimeout(30)
    connection.connect(("127.0.0.1", port))
    connection.sendall(ASK)
    return connection


def read_to_end(connection: socket.socket) -> int:
    """Return how many bytes come until the connection is closed or reset."""
    n_bytes = 0
    try:
        while part := connection.recv(1 << 20):
            n_bytes += len(part)
    except ConnectionResetError:
        pass
    return n_bytes


def wait_until(is_so) -> None:
    end = time.monotonic() + 30
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_connections_that_never_read_are_closed(page):
    port, open_connections = page
    silent = [connect(port) for _ in range(5)]
    wait_until(lambda: sum(map(len, open_connections.values())) == 5)
    wait_until(lambda: not open_connections)
    for connection in silent:
        assert read_to_end(connection) < len(BODY)
        connection.close()


def test_an_answer_that_is_read_comes_whole(page):
    port, open_connections = page
    with connect(port) as connection:
        assert read_to_end(connection) > len(BODY)
    wait_until(lambda: not open_connections)
