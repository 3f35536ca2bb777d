"""`python tests/faults/soak.py --process PID --minutes 30`: send good and bad uploads to a page,
and measure their effect on it.

`--attack` lets one attacker of each kind (attackers.py) attack it instead, each from an address of
its own, and measures how long an honest visitor waits beside them."""

import argparse
import collections
import concurrent.futures
import http.client
import os
import random
import statistics
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parents[1])]

from faults import attackers, fuzzing
from toys.images import encode_image, make_image


def format_statuses(statuses: collections.Counter) -> str:
    return ", ".join(f"{count} x {status}" for status, count in sorted(statuses.items()))


@dataclass
class SoakResult:
    """Answers by status, seconds of the slowest, and the page's memory (bytes) and open files in
    every second."""

    requests: int = 0
    statuses: collections.Counter = field(default_factory=collections.Counter)
    slowest: float = 0.0
    memory: list[int] = field(default_factory=list)
    files: list[int] = field(default_factory=list)

    @property
    def growth(self) -> float:
        """Return the median memory in the last quarter of the time minus that in the second."""
        quarter = len(self.memory) // 4
        return statistics.median(self.memory[-quarter:]) - statistics.median(
            self.memory[quarter : 2 * quarter]
        )

    def __str__(self) -> str:
        answers = format_statuses(self.statuses)
        return (
            f"{self.requests} requests: {answers}; slowest {self.slowest:.2f} s; "
            f"{min(self.memory) / 1e6:.0f} to {max(self.memory) / 1e6:.0f} MB, "
            f"growth {self.growth / 1e6:.1f} MB; {max(self.files)} files at most"
        )


def run_soak(port: int, process: int, seconds: float, rate: float, seed: int) -> SoakResult:
    """Send `rate` requests a second, as many as that makes in `seconds`, and longer where the
    machine is too busy; half of them are good images."""
    generator = random.Random(seed)
    good = [
        encode_image(make_image(number, 200), kind)
        for number in range(4)
        for kind in ("JPEG", "PNG")
    ]
    bad = [data for data in fuzzing.list_seeds("image") if len(data) < 1_000_000] + [
        b"y" * 3_000_000
    ]
    result, start = SoakResult(), time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(16) as senders:
        pending: collections.deque[concurrent.futures.Future] = collections.deque()
        while result.requests < seconds * rate:
            if time.monotonic() - start > len(result.memory):
                result.memory.append(measure_memory(process))
                result.files.append(count_open_files(process))
            data = generator.choice(good if generator.random() < 0.5 else bad)
            if generator.random() < 0.3:
                position, edit = generator.random(), generator.choice(fuzzing.EDITS)
                data = fuzzing.apply_edits(data, [(position, edit, generator.randbytes(9))])
            explain = generator.random() < 0.2
            pending.append(senders.submit(send_upload, port, data, explain))
            while len(pending) > 64:
                _count_answer(result, pending.popleft())
            result.requests += 1
            time.sleep(max(0.0, result.requests / rate - (time.monotonic() - start)))
        for answer in pending:
            _count_answer(result, answer)
    return result


def _count_answer(result: SoakResult, answer: concurrent.futures.Future) -> None:
    status, seconds = answer.result()
    result.statuses[status] += 1
    result.slowest = max(result.slowest, seconds)


def send_upload(port: int, data: bytes, explain: bool) -> tuple[int, float]:
    """Return status and seconds of the answer."""
    start = time.monotonic()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("POST", f"/api/detect?any_picture=1&explain={int(explain)}", data)
        response = connection.getresponse()
        response.read()
        return response.status, time.monotonic() - start
    except (BrokenPipeError, ConnectionResetError):
        return 413, time.monotonic() - start  # the page refused it before all was sent
    finally:
        connection.close()


@dataclass
class HonestVisits:
    """Answers to an honest visitor by status, and the seconds of each."""

    statuses: collections.Counter = field(default_factory=collections.Counter)
    seconds: list[float] = field(default_factory=list)

    def __str__(self) -> str:
        answers = format_statuses(self.statuses)
        return (
            f"honest visitor: {len(self.seconds)} images: {answers}; median "
            f"{statistics.median(self.seconds):.2f} s, slowest {max(self.seconds):.2f} s, "
            f"{sum(seconds > 1 for seconds in self.seconds)} over 1 s"
        )


def visit_honestly(port: int, seconds: float, pause: float = 1) -> HonestVisits:
    """Send one image after the other, with pauses, as a person does."""
    visits, end = HonestVisits(), time.monotonic() + seconds
    images = [encode_image(make_image(number, 400), "JPEG") for number in range(8)]
    while time.monotonic() < end:
        status, waited = send_upload(port, images[len(visits.seconds) % 8], explain=False)
        visits.statuses[status] += 1
        visits.seconds.append(waited)
        time.sleep(pause)
    return visits


def measure_memory(process: int) -> int:
    """Return the resident memory, in bytes."""
    pages = Path(f"/proc/{process}/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGESIZE")


def count_open_files(process: int) -> int:
    return len(os.listdir(f"/proc/{process}/fd"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=8420)
    parser.add_argument("--process", type=int, required=True, help="the page's process id")
    parser.add_argument("--minutes", type=float, help="30, or 10 with --attack")
    parser.add_argument("--rate", type=float, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--attack", action="store_true", help="measure an honest visitor's wait")
    options = parser.parse_args()
    seconds = 60 * (options.minutes or (10 if options.attack else 30))
    if options.attack:
        print("alone:", visit_honestly(options.port, min(30, seconds)))
        with attackers.attack(options.port):
            print("attacked:", visit_honestly(options.port, seconds))
        print(f"page: {measure_memory(options.process) / 1e6:.0f} MB afterwards")
        return
    print(run_soak(options.port, options.process, seconds, options.rate, options.seed))


if __name__ == "__main__":
    main()
