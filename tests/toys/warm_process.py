"""Run commands in forks of a process that has imported libraries, and nothing of this project.

Keras and TensorFlow take eight seconds of a core to import, in every command that trains; those of
data collection take two. A fork is a process of its own, with the words, folder, environment and
streams that it is given, and it ends as Python does.
"""

import importlib
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

FIXED_VARIABLES = (
    *("HOME", "LANG", "LC_", "TZ"),
    *("PYTHON", "LD_", "OMP_", "OPENBLAS_"),
    *("TF_", "KERAS_", "CUDA_", "XLA_", "JAX_"),
)
"""Beginnings of variables that are read while Python starts or a library is imported."""

MAX_REQUEST_BYTES = 2**17


class WarmProcess:
    """The process that forks; it ends with the one that started it.

    Args:
        environment: of this process.
        libraries: the modules that it imports.
    """

    def __init__(self, environment: Mapping[str, str], libraries: Sequence[str]):
        self._fixed_variables = _select_fixed_variables(environment)
        self._requests, far_end = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with far_end:
            self._process = subprocess.Popen(
                [sys.executable, __file__, str(far_end.fileno()), *libraries],
                pass_fds=[far_end.fileno()],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )

    def takes(self, environment: Mapping[str, str]) -> bool:
        """Return whether a fork can have this environment."""
        return _select_fixed_variables(environment) == self._fixed_variables

    def run(
        self, words: Sequence[str], cwd: Path, environment: Mapping[str, str], timeout_s: float
    ) -> subprocess.CompletedProcess:
        """Run `python -m WORDS`; return its exit code and what it printed.

        Raises:
            TimeoutExpired: it ran for longer, and was killed.
        """
        request = json.dumps([list(words), str(cwd), dict(environment)]).encode()
        answers, far_end = socket.socketpair()
        with tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr, answers:
            with far_end:
                streams = [far_end.fileno(), stdout.fileno(), stderr.fileno()]
                socket.send_fds(self._requests, [request], streams)
            code = _read_exit_code(answers, words, timeout_s)
            texts = [_read_text(stream) for stream in (stdout, stderr)]
        return subprocess.CompletedProcess(list(words), code, *texts)


def _select_fixed_variables(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: text for name, text in environment.items() if name.startswith(FIXED_VARIABLES)}


def _read_exit_code(answers: socket.socket, words: Sequence[str], timeout_s: float) -> int:
    lines = answers.makefile()
    pid = int(lines.readline())
    answers.settimeout(timeout_s)
    try:
        return int(lines.readline())
    except TimeoutError:
        os.kill(pid, signal.SIGKILL)
        raise subprocess.TimeoutExpired(list(words), timeout_s) from None


def _read_text(stream: IO[bytes]) -> str:
    stream.seek(0)
    return stream.read().decode()


def _run_requests(requests: socket.socket, libraries: Sequence[str]) -> None:
    """Fork for every request until the other end is closed; return in the forks only, ready for the
    command of sys.argv."""
    imported = {**os.environ}
    for library in libraries:
        importlib.import_module(library)
    set_by_libraries = {
        name: text for name, text in os.environ.items() if imported.get(name) != text
    }
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the first fork
    while True:
        request, descriptors, _, _ = socket.recv_fds(requests, MAX_REQUEST_BYTES, 3)
        if not request:
            os._exit(0)
        if not os.fork():
            break
        for descriptor in descriptors:
            os.close(descriptor)
    requests.close()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    _fork_and_answer(socket.socket(fileno=descriptors[0]))
    words, cwd, environment = json.loads(request)
    os.environ.clear()
    os.environ.update(environment | set_by_libraries)
    os.chdir(cwd)
    for stream, descriptor in enumerate(descriptors[1:], start=1):
        os.dup2(descriptor, stream)
        os.close(descriptor)
    sys.argv = words
    sys.path[0] = cwd


def _fork_and_answer(answers: socket.socket) -> None:
    """Fork, and return in the fork; answer its number, wait for it, answer its exit code, exit."""
    child = os.fork()
    if not child:
        answers.close()
        return
    answers.sendall(f"{child}\n".encode())
    _, status = os.waitpid(child, 0)
    answers.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())
    os._exit(0)


if __name__ == "__main__":
    _run_requests(socket.socket(fileno=int(sys.argv[1])), sys.argv[2:])
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
