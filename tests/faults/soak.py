"""`python tests/faults/soak.py --process PID --minutes 30`: good and bad uploads to a page, and
what they do to it."""

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

from faults import fuzzing
from toys.images import encode_image, make_image


@dataclass
class Soaked:
    """What happened: answers by status, seconds of the slowest, and every second the page's memory
    (bytes) and open files."""

    requests: int = 0
    statuses: collections.Counter = field(default_factory=collections.Counter)
    slowest: float = 0.0
    memory: list[int] = field(default_factory=list)
    files: list[int] = field(default_factory=list)

    @property
    def growth(self) -> float:
        """Bytes of memory, from the median of the second quarter of the time to that of the
        last."""
        quarter = len(self.memory) // 4
        return statistics.median(self.memory[-quarter:]) - statistics.median(
            self.memory[quarter : 2 * quarter]
        )

    def __str__(self) -> str:
        answers = ", ".join(
            f"{count} x {status}" for status, count in sorted(self.statuses.items())
        )
        sizes = f"{min(self.memory) / 1e6:.0f} to {max(self.memory) / 1e6:.0f} MB, growth {self.growth / 1e6:.1f} MB"
        return f"{self.requests} requests: {answers}; slowest {self.slowest:.2f} s; {sizes}; {max(self.files)} files at most"


def soaked(port: int, process: int, seconds: float, rate: float, seed: int) -> Soaked:
    """Sends `rate` requests a second; half of them are good pictures."""
    draw = random.Random(seed)
    good = [
        encode_image(make_image(number, 200), kind)
        for number in range(4)
        for kind in ("JPEG", "PNG")
    ]
    bad = [data for data in fuzzing.seeds("image") if len(data) < 1_000_000] + [b"y" * 3_000_000]
    found, began = Soaked(), time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(16) as senders:
        under_way: collections.deque[concurrent.futures.Future] = collections.deque()
        while (now := time.monotonic() - began) < seconds:
            if now > len(found.memory):
                found.memory.append(memory(process))
                found.files.append(files(process))
            data = draw.choice(good if draw.random() < 0.5 else bad)
            if draw.random() < 0.3:
                data = fuzzing.altered(
                    data, [(draw.random(), draw.choice(fuzzing.EDITS), draw.randbytes(9))]
                )
            under_way.append(senders.submit(sent, port, data, draw.random() < 0.2))
            while len(under_way) > 64:
                _count(found, under_way.popleft())
            found.requests += 1
            time.sleep(max(0.0, found.requests / rate - (time.monotonic() - began)))
        for each in under_way:
            _count(found, each)
    return found


def _count(found: Soaked, answer: concurrent.futures.Future) -> None:
    status, seconds = answer.result()
    found.statuses[status] += 1
    found.slowest = max(found.slowest, seconds)


def sent(port: int, data: bytes, explain: bool) -> tuple[int, float]:
    began = time.monotonic()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("POST", f"/api/detect?explain={int(explain)}", data)
        response = connection.getresponse()
        response.read()
        return response.status, time.monotonic() - began
    except (BrokenPipeError, ConnectionResetError):
        return 413, time.monotonic() - began  # refused before it was sent, and hung up on
    finally:
        connection.close()


def memory(process: int) -> int:
    """Resident, in bytes."""
    pages = Path(f"/proc/{process}/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGESIZE")


def files(process: int) -> int:
    return len(os.listdir(f"/proc/{process}/fd"))


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--port", type=int, default=8420)
    asked.add_argument("--process", type=int, required=True, help="the page's process id")
    asked.add_argument("--minutes", type=float, default=30)
    asked.add_argument("--rate", type=float, default=20)
    asked.add_argument("--seed", type=int, default=0)
    wanted = asked.parse_args()
    print(soaked(wanted.port, wanted.process, 60 * wanted.minutes, wanted.rate, wanted.seed))


if __name__ == "__main__":
    main()
