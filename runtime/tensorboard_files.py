"""Write TensorBoard event files in the caller's thread, so that a full disk raises there.

tensorboardX writes them in a thread of its own, which a full disk ends without any error in the
waiting program.
"""

import contextlib
import socket
import struct
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import tensorboardX


class SynchronousEventWriter:
    """The interface of tensorboardX's FileWriter; the file is open only while an event is added."""

    def __init__(
        self, folder: str, max_queue_size: int = 0, flush_secs: int = 0, filename_suffix: str = ""
    ):
        from tensorboardX.proto import event_pb2

        self._path = (
            Path(folder)
            / f"events.out.tfevents.{int(time.time())}.{socket.gethostname()}{filename_suffix}"
        )
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self.add_event(event_pb2.Event(wall_time=time.time(), file_version="brain.Event:2"))

    def get_logdir(self) -> str:
        return str(self._path.parent)

    def add_event(self, event) -> None:
        """Append a TFRecord: length, its checksum, data, its checksum."""
        from tensorboardX.record_writer import masked_crc32c

        data = event.SerializeToString()
        length = struct.pack("<Q", len(data))
        checksums = [struct.pack("<I", masked_crc32c(part)) for part in (length, data)]
        with self._path.open("ab") as file:
            file.write(b"".join((length, checksums[0], data, checksums[1])))

    def flush(self) -> None: ...

    def close(self) -> None: ...

    def reopen(self) -> None: ...


UNUSED_PACKAGES = ("torch", "boto3")
"""Packages that tensorboardX imports if they are installed, for tensors and storage that it is not
given here: torch alone takes two seconds and 190 MB."""


@contextlib.contextmanager
def _hide_unused_packages() -> Iterator[None]:
    hidden = [name for name in UNUSED_PACKAGES if name not in sys.modules]
    sys.modules |= dict.fromkeys(hidden)
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


def open_summary_writer(folder: Path) -> "tensorboardX.SummaryWriter":
    """Open a writer for one TensorBoard run.

    Raises:
        OSError: writing fails; all methods of the writer raise it too.
    """
    with _hide_unused_packages():
        import tensorboardX.writer

    tensorboardX.writer.EventFileWriter = SynchronousEventWriter
    return tensorboardX.SummaryWriter(str(folder))
