"""Print headings, tables, progress and errors on the terminal, and end with an exit code."""

import errno
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable
from typing import TypeVar

import rich.console
import rich.progress
import rich.text

import runtime.telemetry  # noqa: F401  (before any library that reports its use)
from runtime.commands import missing_packages, names
from runtime.terminal import secret_masking, tables
from runtime.terminal.time_left import TimeLeft

Item = TypeVar("Item")

# Tables and results go to standard output, all else to standard error. A pipe or a file has no
# width; rich's 80 columns would cut the figures.
out = rich.console.Console(
    highlight=False, width=None if sys.stdout and sys.stdout.isatty() else 160
)
err = rich.console.Console(highlight=False, stderr=True, soft_wrap=True)

# Exit codes, the same for every command; 0 is success, and 1 means that some inputs failed.
EXIT_USAGE = 2
EXIT_BUSY = 3
EXIT_SHORTCUT = 4
EXIT_LEAK = 5
EXIT_DISK = 6
EXIT_REMOTE = 7
EXIT_BAD_MODEL = 8
EXIT_INTERRUPTED = 130

EXIT_SECONDS = 1
"""Seconds that threads have to end after an interruption."""


ERRNO_ADVICE = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT, errno.EFBIG), "make room"),
    **dict.fromkeys((errno.EROFS, errno.EACCES, errno.EPERM), "allow writing there"),
    **dict.fromkeys(
        (errno.ENOTDIR, errno.EEXIST, errno.EISDIR, errno.ENOTEMPTY, errno.ENAMETOOLONG),
        "give another path",
    ),
}
"""Advice for each failure of the file system."""

KERNEL_FOLDERS = ("/proc/", "/sys/", "/dev/")
"""Whoever creates something there is told that it does not exist; anywhere else that is a missing
input, which no advice about an output would explain."""

ERRNOS_MATCHED_BY_MESSAGE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
"""Failures that native code (TensorFlow, HDF5) raises in types of its own, with the system's
message in the text."""


LOADER_MEMORY_MESSAGES = ("failed to map segment", "cannot allocate memory")
"""Texts of the loader, in lower case, for a library that does not fit into memory."""

NATIVE_MEMORY_MESSAGES = ("std::bad_alloc", "Failed to allocate memory", "OOM when allocating")
"""Texts of native libraries (ONNX Runtime, TensorFlow), in types of their own."""


class PlainError(Exception):
    """An error that the user can fix; printed as one sentence, without a traceback.

    Args:
        sentence: what happened, then what to do.
        exit_code: one of the codes above.
    """

    def __init__(self, sentence: str, exit_code: int = EXIT_USAGE):
        super().__init__(sentence)
        self.exit_code = exit_code


def print_heading(text: str) -> None:
    err.print(f"\n{sanitise_text(text)}", style="bold", markup=False)


def print_message(text: str) -> None:
    err.print(format_message(text), markup=False)


def print_warning(text: str) -> None:
    err.print(f"warning: {format_message(text)}", style="yellow", markup=False)


def sanitise_text(text: str) -> str:
    """Replace characters that control a terminal; file names come from strangers."""
    return "".join(c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in text)


def format_message(text: str) -> str:
    """Return a message as the terminal shows it: commands as the user calls them, no secrets."""
    return sanitise_text(secret_masking.mask_secrets(names.translate_commands(text)))


def sanitise_line(text: str) -> str:
    """Replace line breaks too, in text that must stay on one line."""
    return sanitise_text(text).replace("\n", "\N{REPLACEMENT CHARACTER}")


def print_table(title: str, columns: Iterable[str], rows: Iterable[Iterable[object]]) -> None:
    """Print a table that fits the terminal; see `tables.build_table`."""
    texts = [[sanitise_text(str(cell)) for cell in row] for row in rows]
    headings = list(map(sanitise_text, columns))
    out.print(tables.build_table(sanitise_text(title), headings, texts, out.width))


class _SpeedColumn(rich.progress.ProgressColumn):
    def render(self, task: rich.progress.Task) -> rich.text.Text:
        return rich.text.Text(f"{task.speed:.3g}/s" if task.speed else "")


def track_progress(items: Iterable[Item], description: str, total: int) -> Iterable[Item]:
    """Yield the items while a bar on standard error shows how many of `total` are done, the
    speed, and the time left. Without a terminal, lines say the time left now and then."""
    time_left = TimeLeft(total)
    columns = (
        rich.progress.TextColumn("{task.description}", markup=False),
        rich.progress.BarColumn(),
        rich.progress.MofNCompleteColumn(),
        _SpeedColumn(),
        rich.progress.TimeRemainingColumn(),
    )
    with rich.progress.Progress(*columns, console=err) as bar:
        tracked = bar.track(items, total=total, description=sanitise_text(description))
        for n_done, item in enumerate(tracked, 1):
            yield item
            if not err.is_terminal and (sentence := time_left.describe(n_done)):
                print_message(f"{description}: {sentence}")


INTERRUPTED_SENTENCE = "Interrupted. Finished work is saved; run the same command to continue."


def run_command(command: Callable[[], int | None]) -> None:
    """Run a command's main function and turn expected errors into one sentence and an exit code.

    SIGTERM, as schedulers send it, is treated like Ctrl+C.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    secret_masking.mask_everywhere()
    _harden_output_streams()
    try:
        code = command() or 0
        sys.stdout.flush()  # raises BrokenPipeError here, where it is handled
        sys.exit(code)
    except PlainError as error:
        if error.exit_code == EXIT_INTERRUPTED:
            _limit_exit_time(EXIT_INTERRUPTED)
        _exit_with_error(str(error), error.exit_code)
    except KeyboardInterrupt:
        # CPython notes an interrupt that leaves exec() and ends with SIGINT instead of our exit
        # code; another exec() clears the note.
        exec("")
        _limit_exit_time(EXIT_INTERRUPTED)
        _exit_with_error(INTERRUPTED_SENTENCE, EXIT_INTERRUPTED)
    except BrokenPipeError:
        # The reader of the pipe, such as `head`, has closed it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(EXIT_DISK)
    except ModuleNotFoundError as error:
        _exit_with_error(missing_packages.explain_missing_package(error), EXIT_USAGE)
    except Exception as error:
        if _is_out_of_memory(error):
            _exit_with_error(
                "Out of memory. Finished work is saved; close other programs or reduce the task, "
                "then run the command again.",
                EXIT_DISK,
            )
        plain = explain_os_error_or_raise(error)
        _exit_with_error(str(plain), plain.exit_code)


def _is_out_of_memory(error: Exception) -> bool:
    """Return whether memory ran out; libraries and the loader say so in texts of their own."""
    text = str(error)
    return (
        isinstance(error, MemoryError)
        or getattr(error, "errno", None) == errno.ENOMEM
        or any(words in text for words in NATIVE_MEMORY_MESSAGES)
        or isinstance(error, ImportError)
        and any(words in text.lower() for words in LOADER_MEMORY_MESSAGES)
    )


def _limit_exit_time(exit_code: int) -> None:
    """End the process after EXIT_SECONDS even if threads are still at work: Python waits for them,
    and every file that they write is complete or absent at any moment."""
    timer = threading.Timer(EXIT_SECONDS, os._exit, [exit_code])
    timer.daemon = True
    timer.start()


def _harden_output_streams() -> None:
    """Keep running when the terminal cannot show a character or an output is closed."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_WRONLY), "w"))
        getattr(sys, name).reconfigure(errors="backslashreplace")


def explain_os_error_or_raise(error: Exception) -> PlainError:
    """Return a PlainError for a file system error; raise any other error again."""
    plain = explain_os_error(error)
    if plain is None:
        raise error
    return plain


def explain_os_error(error: Exception) -> PlainError | None:
    """Return a PlainError that says what to do about a file system error; None for any other."""
    code = error.errno if isinstance(error, OSError) else None
    if code == errno.ENOENT and str(error.filename).startswith(KERNEL_FOLDERS):
        return _explain_disk_error(error, code, "give another path")
    if code not in ERRNO_ADVICE:
        code = next(
            (code for code in ERRNOS_MATCHED_BY_MESSAGE if os.strerror(code) in str(error)), None
        )
    if code is None:
        return None
    return _explain_disk_error(error, code, ERRNO_ADVICE[code])


def _explain_disk_error(error: Exception, code: int, advice: str) -> PlainError:
    path = f" ({error.filename})" if getattr(error, "filename", None) else ""
    return PlainError(
        f"{os.strerror(code)}{path}. Finished work is saved; {advice}, then run the command again.",
        EXIT_DISK,
    )


def _exit_with_error(sentence: str, exit_code: int) -> None:
    err.print(f"error: {format_message(sentence)}", style="bold red", markup=False)
    sys.exit(exit_code)
