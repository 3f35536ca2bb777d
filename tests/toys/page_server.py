"""Serve the page by its command in a second process, and send requests to it."""

import http.client
import json
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from toys.commands import build_environment


@dataclass(frozen=True)
class ServedPage:
    """A running page."""

    port: int
    process: subprocess.Popen
    log: Path


@contextmanager
def run_page_server(workplace: Path, folder: Path, *words: object) -> Iterator[ServedPage]:
    """Run `python -m detection web` in a process with its own folder for temporary files; interrupt
    it at the end. Toy images show no face, so it judges any, unless --no-any-picture is given."""
    (folder / "tmp").mkdir()
    command = [
        sys.executable,
        "-m",
        "detection",
        "web",
        "--model",
        "toy",
        "--port",
        "0",
        "--any-picture",
        *map(str, words),
    ]
    with (folder / "log").open("w") as log:
        environment = build_environment(TMPDIR=str(folder / "tmp"))
        process = subprocess.Popen(command, cwd=workplace, env=environment, stdout=log, stderr=log)
    try:
        yield ServedPage(_wait_for_port(process, folder / "log"), process, folder / "log")
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0


def _wait_for_port(process: subprocess.Popen, log: Path) -> int:
    while process.poll() is None:
        if match := re.search(r"http://127\.0\.0\.1:(\d+)", log.read_text()):
            return int(match[1])
        time.sleep(0.02)
    raise AssertionError(log.read_text())


def post_image(
    served, data: bytes, path: str = "/api/detect", headers: dict | None = None
) -> tuple[int, dict]:
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=60)
    connection.request("POST", path, data, headers or {})
    response = connection.getresponse()
    answer = json.loads(response.read())
    connection.close()
    return response.status, answer


def send_get(served, path: str, **headers: str) -> tuple[int, http.client.HTTPMessage, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=60)
    connection.request("GET", path, headers=headers)
    response = connection.getresponse()
    body = response.read()
    connection.close()
    return response.status, response.headers, body


def build_form(data: bytes, name: str) -> tuple[bytes, dict[str, str]]:
    head = f'--x\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'.encode()
    return head + data + b"\r\n--x--\r\n", {"Content-Type": "multipart/form-data; boundary=x"}


def send_raw(served, *parts: bytes, wait: float = 60, ended: bool = False) -> bytes:
    """Send bytes that no library would send; return the beginning of the answer.

    Args:
        wait: seconds to wait for the answer; 0 to leave at once.
        ended: whether to close the sending direction.
    """
    with socket.create_connection(("127.0.0.1", served.port), timeout=60) as connection:
        try:
            for part in parts:
                connection.sendall(part)
            if ended:
                connection.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # the page has answered already and closed the connection
        connection.settimeout(wait or 60)
        try:
            return connection.recv(4000) if wait else b""
        except ConnectionResetError:
            return b""
