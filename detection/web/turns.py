"""Let visitors take turns at decoding and judging, so that none waits long for another's images."""

import asyncio
import contextlib
import threading
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from data_collection.images.decoding_pool import DecodingProcess
from data_collection.images.errors import UnreadableImage

MAX_TURNS = 2
"""Images in turns at the same time: one of 25 megapixels needs 0.2 to 0.6 GB."""

SLOW_AFTER_S = 0.5
"""An image that takes longer goes on beside the turns, which others take meanwhile."""

MAX_SLOW_IMAGES = 3
"""Images beside the turns; of more, one of the visitor who used most time is ended."""

RETRY_S = 0.05
"""Time between two looks for a place beside the turns."""

USE_HALF_LIFE_S = 10
"""The time that a visitor used counts half after this."""

EXPECTED_S = 0.1
"""Use that is assumed of an image until it is known."""


class EndedForOthers(UnreadableImage):
    """An image was ended because it takes long and others wait."""

    def __init__(self, message: str = ""):
        super().__init__("it takes long to decode while others are waiting; try again later")


@dataclass(eq=False)
class Turn:
    """One image on its way."""

    visitor: str
    started: float = 0.0
    is_slow: bool = False
    timer: asyncio.TimerHandle | None = None
    _process: DecodingProcess | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def set_process(self, process: DecodingProcess | None) -> None:
        """Note which process decodes it, or that none does any more; called in its thread."""
        with self._lock:
            self._process = process

    def end(self) -> None:
        """End it if it is still being decoded."""
        with self._lock:
            if self._process:
                self._process.end(EndedForOthers)

    def let_others_by(self) -> None:
        """Let it go on as one of the slow ones."""
        self.is_slow = True
        with self._lock:
            if self._process:
                self._process.slow_down()


@dataclass
class Turns:
    """The turns of a page. The next one is of the visitor who used least time of late."""

    _running: list[Turn] = field(default_factory=list)
    _waiting: list[tuple[Turn, asyncio.Future]] = field(default_factory=list)
    _used: dict[str, tuple[float, float]] = field(default_factory=dict)  # seconds, when

    @contextlib.asynccontextmanager
    async def take(self, visitor: str) -> AsyncIterator[Turn]:
        """Wait for a turn, and hold it."""
        turn = Turn(visitor)
        await self._wait_for(turn)
        self._watch(turn, SLOW_AFTER_S)
        try:
            yield turn
        finally:
            turn.timer.cancel()
            self._running.remove(turn)
            self._add_use(visitor, time.monotonic() - turn.started)
            self._start_next()

    async def _wait_for(self, turn: Turn) -> None:
        ready = asyncio.get_running_loop().create_future()
        self._waiting.append((turn, ready))
        self._start_next()
        try:
            await ready
        except asyncio.CancelledError:
            if turn in self._running:
                self._running.remove(turn)
            else:
                self._waiting.remove((turn, ready))
            self._start_next()
            raise

    def _start_next(self) -> None:
        while self._waiting and sum(not turn.is_slow for turn in self._running) < MAX_TURNS:
            turn, ready = min(self._waiting, key=lambda row: self._estimate_use(row[0].visitor))
            self._waiting.remove((turn, ready))
            turn.started = time.monotonic()
            self._running.append(turn)
            if not ready.done():
                ready.set_result(None)

    def _watch(self, turn: Turn, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        turn.timer = loop.call_later(seconds, self._let_others_by, turn)

    def _let_others_by(self, turn: Turn) -> None:
        """Make way for another visitor; who waits for images of their own only waits."""
        slow = [other for other in self._running if other.is_slow]
        if not self._do_others_wait(turn.visitor):
            self._watch(turn, RETRY_S)
        elif len(slow) < MAX_SLOW_IMAGES:
            turn.let_others_by()
            self._start_next()
        else:
            heaviest = max([*slow, turn], key=lambda other: self._estimate_use(other.visitor))
            if self._do_others_wait(heaviest.visitor):
                heaviest.end()
            self._watch(turn, RETRY_S)  # one that is no longer being decoded ends by itself

    def _do_others_wait(self, visitor: str) -> bool:
        return any(turn.visitor != visitor for turn, _ in self._waiting)

    def _estimate_use(self, visitor: str) -> float:
        running = [turn for turn in self._running if turn.visitor == visitor]
        now = time.monotonic()
        return self._read_use(visitor) + sum(
            max(EXPECTED_S, now - turn.started) for turn in running
        )

    def _read_use(self, visitor: str) -> float:
        seconds, when = self._used.get(visitor, (0.0, 0.0))
        return seconds * 0.5 ** ((time.monotonic() - when) / USE_HALF_LIFE_S)

    def _add_use(self, visitor: str, seconds: float) -> None:
        self._used[visitor] = (self._read_use(visitor) + seconds, time.monotonic())
        if len(self._used) > 1000:
            self._used = {
                name: use for name, use in self._used.items() if self._read_use(name) > 0.01
            }
