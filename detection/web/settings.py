"""WebSettings: where the page listens, and what it judges with. The docstrings are the `--help`
texts."""

from dataclasses import dataclass
from pathlib import Path

from runtime import options

LOCAL_HOSTS = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True)
class WebSettings:
    """Open a page on this computer that judges pictures; it needs no network, and keeps and logs
    nothing of them.

    Exit code 3: the port is taken. 8: no detector, or an altered one. The page's own address for
    programs is /api/detect, and /api describes it.
    """

    model: Path | None = None
    """Folder or name of a saved detector; without it, the newest."""

    host: str = "127.0.0.1"
    """Address to listen on. Anything else than 127.0.0.1 lets other computers in, unencrypted and
    without a password."""

    port: int = 8420
    """Port to listen on; 0 for any that is free."""

    largest: int = 20
    """Megabytes that a picture may have."""

    generator: str = "stable-diffusion"
    """What draws faces on the page, as `python -m data_collection --generated` names it:
    `stable-diffusion@MODEL`, \
`reconstruction@MODEL`, `openai-images`, `dcgan`."""

    one_face: bool = False
    """Refuse pictures that do not show just one face, instead of judging whatever they show; a face
    detector looks first."""

    saved_models: Path = Path("saved_models")
    """Folder of all saved detectors."""

    @property
    def local(self) -> bool:
        """Whether nobody but this computer can ask."""
        return self.host in LOCAL_HOSTS

    def __post_init__(self) -> None:
        options.check_ranges(self, port=(0, 65_535), largest=(1, 200))
