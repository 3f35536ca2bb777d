"""A Stable Diffusion pipeline of random weights, half a megabyte on disk, what it draws, and a hub that serves it."""

import io
import json
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from data_collection.found_faces import Request
from data_collection.settings import CollectionSettings, DrawingSettings, PromptSettings
from data_collection.stable_diffusion import STABLE_DIFFUSION

SIDE = 64
COMMIT = "0123456789abcdef0123456789abcdef01234567"
WEIGHTS = {
    "text_encoder": "model",
    "safety_checker": "model",
    "unet": "diffusion_pytorch_model",
    "vae": "diffusion_pytorch_model",
}
REFUSALS = {
    401: {"X-Error-Code": "RepoNotFound"},
    403: {"X-Error-Code": "GatedRepo"},
    404: {"X-Error-Code": "RepoNotFound"},
}
OLD_NAMES = {"model": "pytorch_model.bin", "diffusion_pytorch_model": "diffusion_pytorch_model.bin"}
DRAWING = {"steps": 2, "draw_size": SIDE}

DRAWS = [
    pytest.mark.usefixtures("one_thread"),
    # Raised inside diffusers' schedulers by numpy 2.
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]
"""Marks of modules whose tests draw."""


def asked(folder: Path, model: Path | str, count: int = 5, **drawing: object) -> Request:
    settings = CollectionSettings(
        data=folder,
        seed=7,
        prompting=PromptSettings(prompts="template", prompt_count=3),
        drawing=DrawingSettings(model=str(model), **{**DRAWING, **drawing}),
    )
    return Request(str(count), "tiny", settings)


def drawn(request: Request) -> list:
    found = STABLE_DIFFUSION.find(request)
    return list(found[0].together(found))


def pixels(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)), dtype=int)


def make_model(folder: Path, flagged: str = "") -> Path:
    """Saves a pipeline; with `flagged`, one with a safety checker that flags "none" or "all" of its pictures."""
    import torch
    from diffusers import PNDMScheduler, StableDiffusionPipeline

    torch.manual_seed(0)
    tokenizer, text_encoder = _text(folder)
    checker, extractor = _checker(flagged) if flagged else (None, None)
    noise = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "steps_offset": 1}
    StableDiffusionPipeline(
        vae=_autoencoder(),
        text_encoder=text_encoder,
        tokenizer=tokenizer,
        unet=_unet(),
        scheduler=PNDMScheduler(**noise, skip_prk_steps=True),
        safety_checker=checker,
        feature_extractor=extractor,
        requires_safety_checker=bool(checker),
    ).save_pretrained(folder)
    return folder


def _text(folder: Path):
    """A tokenizer that spells every word, and its encoder."""
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

    letters = [chr(code) for code in (*range(33, 127), *range(161, 173), *range(174, 256), *range(256, 324))]
    words = [*letters, *(letter + "</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    parts = folder / "parts"
    parts.mkdir(parents=True)
    (parts / "vocab.json").write_text(json.dumps({word: number for number, word in enumerate(words)}))
    (parts / "merges.txt").write_text("#version: 0.2\n")
    tokenizer = CLIPTokenizer(str(parts / "vocab.json"), str(parts / "merges.txt"), model_max_length=77)
    shutil.rmtree(parts)
    start, end = len(words) - 2, len(words) - 1
    layers = {"hidden_size": 16, "intermediate_size": 16, "num_attention_heads": 2, "num_hidden_layers": 1}
    config = CLIPTextConfig(vocab_size=len(words), bos_token_id=start, eos_token_id=end, pad_token_id=end, **layers)
    return tokenizer, CLIPTextModel(config)


def _unet():
    from diffusers import UNet2DConditionModel

    return UNet2DConditionModel(
        sample_size=SIDE // 8,
        block_out_channels=(16, 32),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=16,
        norm_num_groups=8,
        attention_head_dim=8,
    )


def _autoencoder():
    """Shrinks by eight as the real ones do; its last layer is louder than chance makes it, so that pictures have contrast."""
    import torch
    from diffusers import AutoencoderKL

    made = AutoencoderKL(
        block_out_channels=(8, 8, 8, 8),
        norm_num_groups=4,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        sample_size=SIDE,
    )
    with torch.no_grad():
        made.decoder.conv_out.weight *= 4
    return made


def _checker(flagged: str):
    """A real checker: a picture is flagged if its cosine with a concept exceeds the concept's threshold."""
    import torch
    from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker
    from transformers import CLIPConfig, CLIPImageProcessor

    layers = {"hidden_size": 16, "intermediate_size": 16, "num_attention_heads": 2, "num_hidden_layers": 1}
    vision = {**layers, "image_size": 32, "patch_size": 16}
    config = CLIPConfig(text_config={**layers, "vocab_size": 8}, vision_config=vision, projection_dim=16)
    checker = StableDiffusionSafetyChecker(config)
    threshold = {"none": 1.0, "all": -1.5}[flagged]
    with torch.no_grad():
        checker.concept_embeds_weights.fill_(threshold)
    return checker, CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})


def make_old(folder: Path) -> None:
    """Turns a saved pipeline into the layout of 2022: pickled weights."""
    import torch
    from safetensors.torch import load_file

    for part, stem in WEIGHTS.items():
        path = folder / part / f"{stem}.safetensors"
        if path.exists():
            torch.save(load_file(path), path.with_name(OLD_NAMES[stem]))
            path.unlink()


@contextmanager
def hub(models: dict[str, Path], refuse: Callable[[str], int | None] = lambda path: None) -> Iterator[str]:
    """Serves folders as models of a hub; yields its address. `refuse` may answer a path with a status of its own."""

    class Hub(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            status = refuse(path)
            name = next((name for name in models if f"/{name}/" in path + "/"), None)
            if status or name is None:
                return self._answer(status or 404, REFUSALS.get(status or 404, {}))
            folder = models[name]
            if "/api/models/" in path:
                return self._describe(name, folder)
            file = folder / path.partition("/resolve/")[2].partition("/")[2]
            if not file.is_file():
                return self._answer(404, {"X-Error-Code": "EntryNotFound"})
            self._answer(200, {"ETag": f'"{file.stat().st_size}-{file.name}"'}, file.read_bytes())

        do_HEAD = do_GET

        def _describe(self, name: str, folder: Path) -> None:
            files = [(str(file.relative_to(folder)), file) for file in sorted(folder.rglob("*")) if file.is_file()]
            if "/tree/" in self.path:
                answer = [{"type": "file", "path": path, "size": file.stat().st_size, "oid": "0"} for path, file in files]
            else:
                siblings = [{"rfilename": path, "size": file.stat().st_size} for path, file in files]
                answer = {"id": name, "sha": COMMIT, "siblings": siblings}
            self._answer(200, {"Content-Type": "application/json"}, json.dumps(answer).encode())

        def _answer(self, status: int, headers: dict[str, str], data: bytes = b"") -> None:
            self.send_response(status)
            for key, value in {"X-Repo-Commit": COMMIT, "Content-Length": str(len(data)), **headers}.items():
                self.send_header(key, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(data)

        def log_message(self, *words) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
