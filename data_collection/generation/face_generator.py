"""FaceGenerator: the interface of all generators, used by the collection and by the web page."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from PIL import Image


@dataclass(frozen=True)
class GeneratorInput:
    """The input of one generated face; a generator ignores what it does not use.

    Attributes:
        prompt: a description of the face.
        seed: of the random numbers; None if the generator takes none.
        load_photo: returns the square photograph to start from; called when its batch is generated,
            so that only one batch of photographs is in memory.
        mask: of the photograph's size, brighter the more a pixel is to change; None if all may.
    """

    prompt: str = ""
    seed: int | None = None
    load_photo: Callable[[], Image.Image] | None = None
    mask: Image.Image | None = None


class FaceGenerator(Protocol):
    """A generator of faces with one model and one set of settings.

    Creating one is cheap: models are loaded at the first image, and cached.
    """

    def check(self) -> None:
        """Raise PlainError if the settings cannot work; load nothing."""

    def generate(self, inputs: Sequence[GeneratorInput]) -> Iterator[bytes]:
        """Yield one PNG file per input, in order, a batch at a time.

        Raises:
            PlainError: the model is not available, or one image does not fit into memory.
            UnavailableImage: a service refuses this input.
        """

    @property
    def environment(self) -> Mapping[str, object]:
        """Return the part of `drawn_with` beside the settings: revision, dtype, device, versions.

        Loads the model if it is not loaded yet.
        """
