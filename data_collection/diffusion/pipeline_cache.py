"""A loaded pipeline, and the cache that keeps the one loaded last."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(kw_only=True)
class LoadedPipeline:
    """A loaded model.

    Attributes:
        pipeline: the pipeline of diffusers.
        device: "cuda:0", "mps" or "cpu".
        environment: the part of `drawn_with` known only after loading: revision, dtype, device,
            versions.
        batch_size: images generated at a time; halved when they do not fit into memory.
        encode_prompt: returns a prompt's embeddings by the keyword under which `pipeline` takes
            them, and caches them; None for an autoencoder alone.
    """

    pipeline: object
    device: str
    environment: Mapping[str, object]
    batch_size: int
    encode_prompt: Callable[[str], Mapping[str, object]] | None = None


class PipelineCache:
    """A cache of the pipeline loaded last; only one, because two may not fit into memory."""

    def __init__(self) -> None:
        self._pipelines: dict[object, LoadedPipeline] = {}

    def __len__(self) -> int:
        return len(self._pipelines)

    def get(self, key: object, load: Callable[[], LoadedPipeline]) -> LoadedPipeline:
        """Return the pipeline under `key`; if another one is cached, drop it first, then load."""
        if key not in self._pipelines:
            self._pipelines.clear()
            self._pipelines[key] = load()
        return self._pipelines[key]

    def clear(self) -> None:
        self._pipelines.clear()


PIPELINE_CACHE = PipelineCache()
