"""Settings of `python -m detection web`; the docstrings are the `--help` texts."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TypeVar

from runtime import options
from runtime.command_lines.option_groups import Basic, Folders, Metavar, OptionGroup, Verdict
from runtime.commands import workspace

Value = TypeVar("Value")
Server = Annotated[Value, OptionGroup("Server")]

LOCAL_HOSTS = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, kw_only=True)
class WebSettings:
    """Serve a page on this computer that judges images. It needs no network and neither saves nor
    logs the images, unless --keep-feedback is given and somebody asks it to.

    Exit code 3: the port is in use. 8: the detector is missing or was altered. Programs use
    /api/detect, which /api describes.

    Examples:
        python -m detection web
        python -m detection web --model faces-1 --port 8000
    """

    model: Basic[Path | None] = None
    """Name or folder of a saved detector, or of a data set for the newest detector trained on it; \
default: the one that `python -m detection models` says answers."""

    false_alarms: Verdict[float | None] = None
    """Largest share of photographs that may be called generated, one that the detector has a cut \
for, such as 0.01; default: its own."""

    misses: Verdict[float | None] = None
    """Largest share of generated images that may be called real, in the same way."""

    calibration: Verdict[str] = ""
    """Name of a calibration that `python -m detection calibrate` has made of your photographs; \
its false-alarm cut replaces the detector's own."""

    host: Server[Annotated[str, Metavar("ADDRESS")]] = "127.0.0.1"
    """Address to listen on. Any other than 127.0.0.1 lets other computers use the page, \
unencrypted and without a password."""

    port: Server[int] = 8420
    """Port to listen on; 0 for any free port."""

    max_upload_mb: Server[int] = 20
    """Size limit of an image, in megabytes."""

    generator: Basic[str] = "stable-diffusion"
    """Generator of faces on the page, as `python -m data_collection --generated` names it: \
`stable-diffusion@MODEL`, `reconstruction@MODEL`, `openai-images`, `dcgan`."""

    pay_for_visitors: Server[bool] = False
    """Offer a generator that costs money, such as openai-images, to everybody who can reach the \
page. With a --host that other computers reach, it is refused otherwise."""

    keep_feedback: Server[bool] = False
    """Offer a button that keeps a wrongly judged picture with its true label, as `python -m \
detection feedback` does: on this computer's disk, 1,000 at most. Not with a --host that other \
computers reach."""

    any_picture: Basic[bool] = False
    """Judge images without a face, too. Otherwise the page asks before it does."""

    saved_models: Folders[Path] = workspace.SAVED_MODELS_FOLDER
    """Folder of all saved detectors."""

    @property
    def local(self) -> bool:
        """Whether only this computer can reach the page."""
        return self.host in LOCAL_HOSTS

    def __post_init__(self) -> None:
        options.check_ranges(self, port=(0, 65_535), max_upload_mb=(1, 200))
        if self.keep_feedback and not self.local:
            raise ValueError(
                f"With --keep-feedback everybody who can reach {self.host} could fill this "
                "computer's disk; leave out one of the two."
            )
