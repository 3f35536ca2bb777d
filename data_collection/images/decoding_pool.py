"""Decode images within a limit of seconds: whatever may take long is decoded in a process that can
be ended, is reused, and is replaced when it was ended."""

import atexit
import concurrent.futures
import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from PIL import Image

from data_collection.images import decode, errors
from data_collection.images.decode import DecodedFace
from data_collection.images.decoding_messages import read_message, write_message
from data_collection.images.quick_files import is_quick_to_decode

COMMAND_LIMIT_S = 15
"""Seconds of computing for one image in commands; the slowest honest ones, of 25 megapixels, take
two."""

WALL_SECONDS_PER_CPU_SECOND = 4
"""A decoding process is ended after so many times its limit on the clock, too: on a busy machine it
computes for a part of the time only."""

_PROGRAM = """
import sys
sys.path.insert(0, {root!r})
from data_collection.images.decoding_process import main
main()
"""


TIME_LIMIT_EXIT_CODE = -24
"""Exit code of a process that has computed for longer than it may: SIGXCPU, which Windows lacks."""

MEMORY_LIMIT_EXIT_CODE = -9
"""Exit code of a process that the system ended for its memory: SIGKILL."""


class TookTooLong(errors.UnreadableImage):
    """Decoding took longer than it may."""


class DecodingProcess:
    """One process; it decodes one image at a time.

    Attributes:
        ended_by: the error of the image that it decodes, once the process was ended.
        is_slowed: whether it computes only when nothing else does.
    """

    def __init__(self) -> None:
        self.ended_by: type[Exception] | None = None
        self.is_slowed = self._is_ready = False
        # Not multiprocessing: it would import the user's own program once more. Not fork: threads
        # and ONNX Runtime do not survive it. -P: the current folder may hold a stranger's PIL.py.
        program = _PROGRAM.format(root=str(Path(__file__).parents[2]))
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
        )

    def wait_until_ready(self) -> None:
        """Return once the process has started, which no image can help: on a busy machine it takes
        seconds.

        Raises:
            EOFError: it was ended meanwhile.
        """
        if not self._is_ready:
            read_message(self._process.stdout)
            self._is_ready = True

    def decode_whole(self, data: bytes, limit_s: float) -> DecodedFace:
        """Decode as `decode.decode_whole` does.

        Raises:
            UnreadableImage: as there.
            EOFError: the process has ended, or was ended.
        """
        try:
            write_message(self._process.stdin, {"limit_s": limit_s}, data)
            header, pixels = read_message(self._process.stdout)
        except OSError:
            raise EOFError from None
        if "error" in header:
            raise getattr(errors, header["error"])(header["message"])
        square = Image.frombuffer("RGB", tuple(header["size"]), pixels, "raw", "RGB", 0, 1)
        return DecodedFace(square=square, **header["facts"])

    def end(self, error: type[Exception] = TookTooLong) -> None:
        """End the process at once, whatever it does."""
        self.ended_by = self.ended_by or error
        with contextlib.suppress(OSError):
            self._process.kill()

    def slow_down(self) -> None:
        """Let it compute only when nothing else does, for as long as it lives."""
        self.is_slowed = True
        with contextlib.suppress(OSError, AttributeError):  # there is no such call on Windows
            os.setpriority(os.PRIO_PROCESS, self._process.pid, 19)

    def close(self) -> None:
        """End the process and free its pipes; nobody may be using it."""
        with contextlib.suppress(OSError):
            self._process.kill()
        self._process.wait()
        self._process.stdin.close()
        self._process.stdout.close()

    def explain_end(self, limit_s: float) -> Exception:
        """Return the error of the image with which the process ended."""
        if self.ended_by or self._process.wait() == TIME_LIMIT_EXIT_CODE:
            error_class = self.ended_by or TookTooLong
            return error_class(
                f"decoding it takes longer than {limit_s:g} seconds; save it again as JPEG"
            )
        if self._process.wait() == MEMORY_LIMIT_EXIT_CODE:
            return errors.NotEnoughMemory("opening it takes more memory than there is")
        return errors.UnreadableImage("damaged: it makes its decoder fail")


class DecodingPool:
    """Processes that decode images within a limit of seconds; each waiting thread has its own.

    Args:
        limit_s: seconds of computing for one image.
        is_decoded_here: tells of a file's bytes whether it is decoded in the thread that asks for
            it: without a limit, and without the time that sending its pixels takes.
    """

    def __init__(
        self,
        limit_s: float = COMMAND_LIMIT_S,
        is_decoded_here: Callable[[bytes], bool] = is_quick_to_decode,
    ):
        self.limit_s, self._is_decoded_here = limit_s, is_decoded_here
        self._lock = threading.Lock()
        self._idle: list[DecodingProcess] = []
        self._busy: set[DecodingProcess] = set()

    def start_ahead(self, count: int) -> None:
        """Start processes before the first image needs them."""
        self._idle += [DecodingProcess() for _ in range(count)]

    def decode_face(self, data: bytes, crop: str = "centre") -> DecodedFace:
        """Decode as `decode.decode_face` does, within the limit.

        Raises:
            UnreadableImage: as there; TookTooLong beyond the limit.
        """
        whole = self.decode_whole(data)
        return replace(whole, square=decode.CROPS[crop](whole.square))

    def decode_whole(
        self,
        data: bytes,
        announce: Callable[[DecodingProcess | None], None] = lambda process: None,
    ) -> DecodedFace:
        """Decode as `decode.decode_whole` does, within the limit.

        Args:
            announce: called with the process that decodes it, which may then be ended, and with
                None when it has.

        Raises:
            UnreadableImage: as there; TookTooLong beyond the limit.
            Exception: the one with which somebody ended the process.
        """
        if self._is_decoded_here(data):
            return decode.decode_whole(data)
        process = self._take()
        announce(process)
        timer = threading.Timer(WALL_SECONDS_PER_CPU_SECOND * self.limit_s, process.end)
        timer.daemon = True
        is_usable = False
        try:
            process.wait_until_ready()
            timer.start()
            whole = process.decode_whole(data, self.limit_s)
            is_usable = True
            return whole
        except errors.UnreadableImage:
            is_usable = True
            raise
        except EOFError:
            raise process.explain_end(self.limit_s) from None
        finally:
            timer.cancel()
            announce(None)
            self._give_back(process, is_usable)

    def end_all(self) -> None:
        """End all images that are being decoded; nobody waits for them any more."""
        with self._lock:
            processes = [*self._busy]
        for process in processes:
            process.end(concurrent.futures.CancelledError)

    def close(self) -> None:
        """End the idle processes."""
        with self._lock:
            processes, self._idle = self._idle, []
        for process in processes:
            process.close()

    def _take(self) -> DecodingProcess:
        with self._lock:
            process = self._idle.pop() if self._idle else DecodingProcess()
            self._busy.add(process)
            return process

    def _give_back(self, process: DecodingProcess, is_usable: bool) -> None:
        is_usable = is_usable and not (process.is_slowed or process.ended_by)
        with self._lock:
            self._busy.discard(process)
            if is_usable:
                self._idle.append(process)
        if not is_usable:
            process.close()


COMMAND_POOL = DecodingPool()
"""The pool of collection, validation and detection at the command line."""
atexit.register(COMMAND_POOL.close)


@contextlib.contextmanager
def open_decoding_threads() -> Iterator[concurrent.futures.ThreadPoolExecutor]:
    """Open a thread per core to decode in with COMMAND_POOL. After an interruption nothing waits
    for the images under way."""
    threads = concurrent.futures.ThreadPoolExecutor(os.cpu_count())
    try:
        yield threads
    except BaseException:
        threads.shutdown(wait=False, cancel_futures=True)
        COMMAND_POOL.end_all()
        raise
    threads.shutdown()
