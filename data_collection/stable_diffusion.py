"""Faces that Stable Diffusion draws from prompts: one seed each, so that any of them can be drawn again, alone."""

import functools
import io
import itertools
import json
import os
import shutil
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import filelock

from data_collection import console, manifest
from data_collection.found_faces import FoundFace, Need, Request, Source, count_of
from data_collection.manifest import FaceRecord
from data_collection.settings import CollectionSettings, DrawingSettings

if TYPE_CHECKING:
    from accelerate import PartialState

COUNT = 700
ATTEMPTS = 5
NEXT_SEED = 1_000_000
"""From a face that came out black to the one drawn in its place; also the most faces that one source draws."""

SCHEDULERS = {
    "dpm++": "DPMSolverMultistepScheduler",
    "unipc": "UniPCMultistepScheduler",
    "euler-a": "EulerAncestralDiscreteScheduler",
    "ddim": "DDIMScheduler",
    "lcm": "LCMScheduler",
    "tcd": "TCDScheduler",
    "own": None,
}

# What `encode_prompt` of a pipeline returns, by the name under which drawing takes it.
EMBEDDINGS = ("prompt_embeds", "negative_prompt_embeds", "pooled_prompt_embeds", "negative_pooled_prompt_embeds")
PIPELINES = ("StableDiffusionPipeline", "StableDiffusionXLPipeline")

# What of the settings decides a picture: its name in `drawn_with`, and in DrawingSettings.
DECISIVE = {name: name for name in ("model", "scheduler", "steps", "guidance", "negative_prompt", "safety_checker")}
DECISIVE |= {"size": "draw_size"}

PACKAGES = ("torch", "diffusers", "transformers", "safetensors", "accelerate")
HEAVY_PARTS = ("unet", "vae", "text_encoder", "text_encoder_2", "safety_checker")
INSTEAD = "--generated folder:PATH, or --model FOLDER"

# On the GPU half precision, and its smaller download where the model has one; elsewhere that one only where no other is.
DTYPES = {"cuda": "float16", "mps": "float32", "cpu": "float32"}
VARIANTS = {"float16": ("fp16", None), "float32": (None, "fp16")}

# One image of 512 x 512 in half precision takes under this, drawing with guidance and decoding one by one.
BYTES_PER_IMAGE = 1_000_000_000
LARGEST_BATCH = 32
CPU_BATCH = 2

# One pass of Stable Diffusion 1.5's UNet at 512 x 512 took 5.9 s on two cores that multiply matrices at 195 GFLOP/s; on a GPU
# the estimate is less sure. Its decoder costs about as much as three passes.
PASS_FLOP = 1.15e12
DECODER_PASSES = 3

PICTURE_BYTES_PER_PIXEL = 3
"""Of an original and its canonical copy, with room to spare; PNG files of photographs take under two."""


@dataclass
class Artist:
    """A loaded model.

    Attributes:
        pipe: of diffusers.
        device: "cuda:0", "mps", "cpu".
        facts: what `drawn_with` learns only now: revision, dtype, device, versions.
        batch: as many images as are drawn at a time; halved when they do not fit.
        encode: embeddings of a prompt, by the name under which `pipe` takes them; kept.
    """

    pipe: object
    device: str
    facts: Mapping[str, object]
    batch: int
    encode: Callable[[str], Mapping[str, object]] | None = None


@dataclass(frozen=True)
class Whereabouts:
    """Where a model is.

    Attributes:
        there: whether it can be had.
        found: in words, to follow the model's name.
        folder: where it lies; None if it has to be downloaded.
        bytes: to download, about.
    """

    there: bool
    found: str
    folder: Path | None = None
    bytes: int = 0

    @property
    def revision(self) -> str:
        """The commit on the hub; empty for a folder of one's own."""
        return self.folder.name if self.folder and self.folder.parent.name == "snapshots" else ""


# ---------------------------------------------------------------- the row


def drawing_of(argument: str, settings: CollectionSettings) -> DrawingSettings:
    """The settings with the model of COUNT@MODEL, if there is one."""
    return replace(settings.drawing, model=argument.partition("@")[2] or settings.drawing.model)


def name(argument: str, settings: CollectionSettings) -> str:
    """The last part of the model's name or path."""
    model = Path(drawing_of(argument, settings).model).expanduser()
    return model.resolve().name if model.is_dir() else model.name


def check(kind: str, request: Request) -> int:
    """How many faces are asked for.

    Raises:
        PlainError: no count, too many, or a scheduler that is none.
    """
    count, scheduler = count_of(kind, request.argument, COUNT), request.settings.drawing.scheduler
    if scheduler not in SCHEDULERS:
        raise console.PlainError(f"--scheduler is {scheduler!r}; choose one of {', '.join(SCHEDULERS)}.")
    if count > NEXT_SEED:
        raise console.PlainError(f"{kind}:{request.argument} asks for {count} faces; give at most {NEXT_SEED}.")
    return count


def find(request: Request) -> list[FoundFace]:
    """One face for every seed from settings.seed on, the prompts in turn; nothing is drawn yet, but prompts are written."""
    from data_collection import prompts

    count, settings = check("stable-diffusion", request), request.settings
    drawing = drawing_of(request.argument, settings)
    written = itertools.cycle(prompts.write(settings.folder, settings.prompting, settings.seed))
    together = functools.partial(draw_all, drawing=drawing, folder=settings.folder)

    def slot(prompt, first: int, attempt: int = 0) -> FoundFace:
        seed = first + NEXT_SEED * attempt
        return FoundFace(
            "generated",
            request.source,
            f"{seed:08}.png",
            lambda: draw_one(load(drawing), drawing, prompt.text, seed),
            lasting=True,
            prompt=prompt.text,
            seed=seed,
            generator=name(request.argument, settings),
            attributes=prompt.attributes,
            drawn_with={key: getattr(drawing, setting) for key, setting in DECISIVE.items()},
            together=together,
            again=functools.partial(slot, prompt, first, attempt + 1) if attempt < ATTEMPTS else None,
        )

    return [slot(next(written), settings.seed + number) for number in range(count)]


def needs(request: Request) -> list[Need]:
    from data_collection import prompts

    drawing = drawing_of(request.argument, request.settings)
    passes = drawing.steps * (2 if drawing.guidance > 1 else 1) + DECODER_PASSES
    return [
        *prompts.needs(request.settings.prompting, request.settings.folder),
        *model_needs("stable-diffusion", request, drawing, passes),
    ]


def model_needs(kind: str, request: Request, drawing: DrawingSettings, passes: float, only: str = "") -> list[Need]:
    """Packages, model, GPU and disk, for as many images as are asked for; `passes` counts the UNet's, for one image."""
    missing = [package for package in PACKAGES if not find_spec(package)]
    if missing:
        return [Need("the drawing packages", False, f"no {', '.join(missing)}; pip install -r requirements.txt", INSTEAD)]
    from huggingface_hub import constants

    pixels = count_of(kind, request.argument, COUNT) * drawing.draw_size**2
    where = whereabouts(drawing.model, "", drawing.safety_checker, only)
    needed = [Need(f"the model {drawing.model}", where.there, where.found, "" if where.there else INSTEAD)]
    needed.append(_gpu_need(passes * pixels / 512**2))
    pictures = pixels * PICTURE_BYTES_PER_PIXEL
    if where.bytes:
        needed.append(_disk_need("the model", Path(constants.HF_HUB_CACHE), where.bytes + pictures))
    needed.append(_disk_need("the pictures", request.settings.folder, pictures))
    return needed


def _gpu_need(passes: float) -> Need:
    import torch

    device = _device()
    expected = f"very roughly {_duration(passes * PASS_FLOP / _speed(device))}"
    if device.startswith("cuda"):
        free = torch.cuda.mem_get_info(device)[0]
        return Need("a GPU", True, f"{torch.cuda.get_device_name(device)}, {free / 1e9:.0f} GB free; {expected}")
    if device == "mps":
        return Need("a GPU", True, f"Apple GPU; {expected}")
    return Need("a GPU", True, f"no GPU; {expected} on this CPU", INSTEAD.partition(",")[0])


def _speed(device: str, side: int = 2048) -> float:
    """What a device makes of one matrix product, in floating-point operations per second; takes a tenth of a second."""
    import torch

    dtype = getattr(torch, DTYPES[device.partition(":")[0]])
    matrix = torch.randn(side, side, device=device).to(dtype)
    float((matrix @ matrix)[0, 0])  # what the first one loads, and the wait for it, are not measured
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        for _ in range(3):
            product = matrix @ matrix
        float(product[0, 0])
        seconds.append(time.perf_counter() - start)
    return 3 * 2 * side**3 / min(seconds)


def _duration(seconds: float) -> str:
    return f"{seconds / 3600:.0f} hours" if seconds > 5400 else f"{max(seconds / 60, 1):.0f} min"


def _disk_need(what: str, folder: Path, wanted: float) -> Need:
    existing = next(place for place in (folder.absolute(), *folder.absolute().parents) if place.exists())
    free = shutil.disk_usage(existing).free
    found = f"{_size(free)} free, {_size(wanted)} wanted"
    return Need(f"disk for {what}", free > wanted, found, "a smaller COUNT")


def _size(count: float) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e8 else f"{count / 1e6:.0f} MB"


# ---------------------------------------------------------------- where the model is


def whereabouts(model: str, revision: str = "", checker: bool = True, only: str = "") -> Whereabouts:
    """Looks for a model in a folder, in the hub's cache, then (5 seconds at most) on the hub; never raises for a missing one.

    Args:
        model: a folder in the layout of diffusers, or a name on the hub.
        checker: whether the safety checker is wanted.
        only: the one part that is wanted ("vae"), if not all.
    """
    from huggingface_hub import try_to_load_from_cache

    own = Path(model).expanduser()
    if own.is_dir():
        wrong = _wrong(own, checker, only)
        return Whereabouts(not wrong, wrong or "is a folder", own)
    if own.is_file() or model.count("/") > 1 or model.startswith((".", "/", "~")):
        return Whereabouts(False, "is no folder; give a folder in the layout of diffusers, or a name on the hub")
    try:
        index = try_to_load_from_cache(model, f"{only}/config.json" if only else "model_index.json", revision=revision or None)
    except ValueError:
        return Whereabouts(False, "is neither a folder nor a name on the hub")
    folder = Path(index).parents[1 if only else 0] if isinstance(index, str) else None
    if folder and not _wrong(folder, checker, only):
        return Whereabouts(True, "is in the cache", folder)
    return _on_hub(model, revision, checker, only)


def _wrong(folder: Path, checker: bool, only: str) -> str:
    """Why a folder cannot be drawn with, in words; empty if it can. An interrupted download lacks weights."""
    try:
        index = {only: [only]} if only else json.loads((folder / "model_index.json").read_bytes())
    except (OSError, ValueError):
        return "is a folder without a readable model_index.json; give one in the layout of diffusers"
    parts = [part for part in HEAVY_PARTS if (index.get(part) or [None])[0] and (checker or part != "safety_checker")]
    files = {part: [*folder.glob(f"{part}/*.safetensors"), *folder.glob(f"{part}/*.bin")] for part in parts}
    empty = [part for part in parts if not any(file.exists() for file in files[part])]
    return f"is a folder that lacks the weights of its {empty[0]}" if empty else _other_kind(index, only)


def _other_kind(index: Mapping[str, object], only: str) -> str:
    kind = index.get("_class_name")
    return "" if only or kind in PIPELINES else f"is a {kind}; this draws with {' or '.join(PIPELINES)}"


def _on_hub(model: str, revision: str, checker: bool, only: str) -> Whereabouts:
    from huggingface_hub import HfApi, errors

    answers = {
        errors.GatedRepoError: "is gated: accept its terms on its page on the hub, then set HF_TOKEN",
        errors.RepositoryNotFoundError: "is not on the hub, or is private: check its name, or set HF_TOKEN",
        errors.RevisionNotFoundError: f"has no revision {revision} on the hub",
        errors.HFValidationError: "is neither a folder nor a name on the hub",
        errors.OfflineModeIsEnabled: "is not in the cache, and HF_HUB_OFFLINE forbids to ask the hub",
        errors.HfHubHTTPError: "is not in the cache, and the hub refuses to answer",
        errors.HTTPError: "is not in the cache, and the hub cannot be reached",
        OSError: "is not in the cache, and the hub cannot be reached",
    }
    try:
        # Asked first because from_pretrained tries for 23 s and then speaks of a missing file (diffusers 0.42).
        told = HfApi().model_info(model, revision=revision or None, timeout=5, files_metadata=True)
    except tuple(answers) as error:
        return Whereabouts(False, next(words for kind, words in answers.items() if isinstance(error, kind)))
    other = _other_kind((told.config or {}).get("diffusers", {"_class_name": PIPELINES[0]}), only)
    if other:
        return Whereabouts(False, other)
    parts = [part for part in HEAVY_PARTS if part == (only or part) and (checker or part != "safety_checker")]
    sizes = [
        max([file.size or 0 for file in told.siblings if file.rfilename.startswith(f"{part}/")], default=0) for part in parts
    ]
    found = f"is not in the cache; the hub has it, about {_size(sum(sizes))}{_left_over(model)}"
    return Whereabouts(True, found, bytes=sum(sizes))


def _left_over(model: str) -> str:
    """What broken downloads have left in the cache; the hub's client does not resume them (huggingface_hub 2.4)."""
    from huggingface_hub import constants

    blobs = Path(constants.HF_HUB_CACHE, f"models--{model.replace('/', '--')}", "blobs")
    sizes = [file.stat().st_size for file in blobs.glob("*.incomplete")]
    return f"; {len(sizes)} unfinished files ({_size(sum(sizes))}) in {blobs} may be deleted" if sizes else ""


# ---------------------------------------------------------------- loading

_loaded: dict[object, Artist] = {}


def kept(key: object, make: Callable[[], Artist]) -> Artist:
    """The artist under a key, made at its first use; only one at a time, because two may not fit."""
    if key not in _loaded:
        _loaded.clear()
        _loaded[key] = make()
    return _loaded[key]


def load(drawing: DrawingSettings, revision: str = "") -> Artist:
    """The model, ready to draw; downloaded if it has to be, kept until another is loaded.

    Raises:
        PlainError: it cannot be had, is damaged, is none of PIPELINES, or does not fit into memory.
    """
    return kept((drawing, revision), lambda: _load(drawing, revision))


def _load(drawing: DrawingSettings, revision: str) -> Artist:
    quieten()
    import diffusers

    without = {} if drawing.safety_checker else {"safety_checker": None, "requires_safety_checker": False}
    artist = fetch(diffusers.AutoPipelineForText2Image, drawing, revision, DTYPES[_device().partition(":")[0]], without)
    pipe = artist.pipe
    if drawing.draw_size % pipe.vae_scale_factor:
        raise console.PlainError(
            f"--draw-size is {drawing.draw_size}; {drawing.model} draws multiples of {pipe.vae_scale_factor} pixels."
        )
    pipe.set_progress_bar_config(disable=True)
    if SCHEDULERS[drawing.scheduler]:
        pipe.scheduler = getattr(diffusers, SCHEDULERS[drawing.scheduler]).from_config(pipe.scheduler.config)
    pipe.vae.enable_slicing()  # decoding the whole batch would need more memory than drawing it
    artist.encode = functools.lru_cache(1024)(functools.partial(_encode, pipe, drawing))
    return artist


def quieten() -> None:
    """No chatter of the libraries; the hub's own bars stay, because a download takes long."""
    import transformers  # before diffusers, whose import makes it speak

    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    import diffusers
    import huggingface_hub

    diffusers.utils.logging.set_verbosity(diffusers.utils.logging.CRITICAL)
    diffusers.utils.logging.disable_progress_bar()
    huggingface_hub.utils.logging.set_verbosity_error()


def fetch(
    kind: type, drawing: DrawingSettings, revision: str, dtype: str, options: Mapping[str, object], only: str = ""
) -> Artist:
    """Loads what `kind` of diffusers makes of the model, onto the best device; `only` one part of it.

    Raises:
        PlainError: it cannot be had, is damaged, or does not fit into memory.
    """
    import torch

    model, checker = drawing.model, "safety_checker" not in options
    where = whereabouts(model, revision, checker, only)
    if not where.there:
        raise console.PlainError(
            f"{model} {where.found}. Instead, give --model FOLDER, or --generated folder:PATH.", console.REMOTE
        )
    options = {**options, "dtype": getattr(torch, dtype)} | ({"subfolder": only} if only else {})
    if not where.folder:
        console.say(f"Downloading {model} from the hub, about {_size(where.bytes)}.")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecations between the libraries
        pipe = _from_pretrained(kind, model, where, options | ({"revision": revision} if revision else {}), VARIANTS[dtype])
    where = where if where.folder else whereabouts(model, revision, checker, only)
    device = _device()
    try:
        pipe = pipe.to(device)
    except (RuntimeError, MemoryError) as error:
        if _lacks_memory(error):
            raise console.PlainError(f"{model} does not fit into the memory of {device}; end what else runs there.") from None
        raise
    return Artist(pipe, device, _facts(where, dtype, device), _first_batch(device, drawing.draw_size))


def _from_pretrained(kind: type, model: str, where: Whereabouts, options: Mapping, variants: Sequence[str | None]):
    """Loads from the folder alone if the model is there, so that nothing asks the hub; damaged files become one sentence."""
    import safetensors

    for variant in variants:
        try:
            return kind.from_pretrained(str(where.folder or model), variant=variant, **options)
        except (OSError, ValueError, RuntimeError, KeyError, safetensors.SafetensorError) as error:
            if _lacks_memory(error):
                raise console.PlainError(f"{model} does not fit into memory; end what else runs there.") from None
            if getattr(error, "errno", None) in console.MENDABLE:
                raise
            last = error
            if not any(words in str(error) for words in ("no such modeling files", "no file named")):
                break
    if not where.folder:
        code, advice = console.REMOTE, "The download broke off; run again, and what is complete is not fetched twice"
    else:
        code, advice = console.BAD_MODEL, "A file is damaged or of another kind; restore it, or give another --model"
    why = " ".join(str(last).split())[:150]
    raise console.PlainError(f"Cannot load {model}: {why}. {advice}.", code) from None


def _device() -> str:
    """The GPU of this process, as accelerate and torchrun number them; else the CPU."""
    import torch

    if torch.cuda.is_available():
        return f"cuda:{int(os.environ.get('LOCAL_RANK', 0)) % torch.cuda.device_count()}"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def _facts(where: Whereabouts, dtype: str, device: str) -> dict[str, object]:
    import diffusers
    import torch
    import transformers

    versions = {library.__name__: library.__version__ for library in (diffusers, torch, transformers)}
    return {"revision": where.revision, "dtype": dtype, "device": device.partition(":")[0], **versions}


def _first_batch(device: str, size: int) -> int:
    import torch

    if not device.startswith("cuda"):
        return CPU_BATCH
    fitting = torch.cuda.mem_get_info(device)[0] / (BYTES_PER_IMAGE * (size / 512) ** 2)
    return int(min(max(fitting, 1), LARGEST_BATCH))


def _encode(pipe, drawing: DrawingSettings, text: str) -> dict[str, object]:
    """Embeddings of one prompt and of the negative prompt; shapes (1, 77, width) and, with SDXL, (1, width)."""
    import torch

    guided = drawing.guidance > 1 and pipe.unet.config.time_cond_proj_dim is None
    # None and "" differ for SDXL, which was trained with zeros for no prompt.
    words = {"prompt": text, "negative_prompt": drawing.negative_prompt or None}
    with torch.inference_mode():
        found = pipe.encode_prompt(**words, device=pipe.device, num_images_per_prompt=1, do_classifier_free_guidance=guided)
    return {key: value for key, value in zip(EMBEDDINGS, found, strict=False) if value is not None}


# ---------------------------------------------------------------- drawing


def draw_all(faces: Sequence[FoundFace], drawing: DrawingSettings, folder: Path) -> Iterator[tuple[FoundFace, bytes]]:
    """Yields every face with its PNG: first those of draw_share, then the others, a batch at a time.

    Raises:
        PlainError: the model cannot be had, or one image does not fit into memory.
    """
    waiting = []
    for face in faces:
        there = _drawn(folder, face)
        if there:
            yield there
        else:
            waiting.append(face)
    if waiting:
        artist = load(drawing)
        yield from in_batches(
            waiting,
            artist,
            lambda batch: paint(artist, drawing, [face.prompt for face in batch], [face.seed for face in batch]),
        )


def in_batches(
    faces: Sequence[FoundFace], artist: Artist, draw: Callable[[Sequence[FoundFace]], list[bytes]]
) -> Iterator[tuple[FoundFace, bytes]]:
    """Draws as many at a time as fit; yields each face, now knowing all of `drawn_with`.

    Raises:
        PlainError: not even one fits into memory.
    """
    start = 0
    while start < len(faces):
        batch = faces[start : start + artist.batch]
        pictures = _if_it_fits(draw, batch)
        if pictures is not None:
            start += len(batch)
            for face, picture in zip(batch, pictures, strict=True):
                yield replace(face, drawn_with={**face.drawn_with, **artist.facts}), picture
        elif len(batch) == 1:
            raise console.PlainError(
                f"One picture does not fit into the memory of {artist.device}; give a smaller --draw-size, or end what else "
                "runs there."
            )
        else:
            artist.batch = len(batch) // 2


def _if_it_fits(draw: Callable[[Sequence[FoundFace]], list[bytes]], batch: Sequence[FoundFace]) -> list[bytes] | None:
    import torch

    try:
        return draw(batch)
    except (RuntimeError, MemoryError) as error:
        if not _lacks_memory(error):
            raise
    # Only here, when the error and with it the frames that hold its tensors are gone, can memory be given back.
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    return None


def _lacks_memory(error: BaseException) -> bool:
    words = ("out of memory", "not enough memory", "can't allocate memory")
    return isinstance(error, MemoryError) or any(each in str(error).lower() for each in words)


def paint(artist: Artist, drawing: DrawingSettings, prompts: Sequence[str], seeds: Sequence[int], **more) -> list[bytes]:
    """Draws one picture for every pair of prompt and seed; returns PNG files.

    An image does not depend on the others of its batch: drawn alone it differs by one grey level at most (measured in
    single precision on a CPU), because each has a generator of its own; on the CPU, so that a seed means the same everywhere.
    `more` goes to the pipeline; it may name another one as `pipe`.
    """
    import numpy as np
    import torch

    pipe = more.pop("pipe", artist.pipe)
    encoded = [artist.encode(text) for text in prompts]
    words = {key: torch.cat([each[key] for each in encoded]) for key in encoded[0]}
    generators = [torch.Generator("cpu").manual_seed(seed) for seed in seeds]
    # Half precision may end in NaN; those pixels become black, which the walk looks for.
    with torch.inference_mode(), np.errstate(invalid="ignore"):
        steps = {"num_inference_steps": drawing.steps, "guidance_scale": drawing.guidance}
        return to_png(pipe(**words, generator=generators, **steps, **(more or _sides(drawing))).images)


def _sides(drawing: DrawingSettings) -> dict[str, int]:
    return {"height": drawing.draw_size, "width": drawing.draw_size}


def to_png(pictures: Sequence) -> list[bytes]:
    def encoded(picture) -> bytes:
        buffer = io.BytesIO()
        picture.save(buffer, "PNG")
        return buffer.getvalue()

    with ThreadPoolExecutor() as pool:
        return list(pool.map(encoded, pictures))


def draw_one(artist: Artist, drawing: DrawingSettings, prompt: str, seed: int) -> bytes:
    return paint(artist, drawing, [prompt], [seed])[0]


def redraw(record: FaceRecord) -> bytes:
    """Draws one image again, alone, from its row; returns a PNG file. On another device or version it may differ.

    Raises:
        PlainError: the row is not of Stable Diffusion, or its model cannot be had.
    """
    drawing = recorded(record)
    if drawing is None or not record.prompt or record.seed is None:
        raise console.PlainError(f"{record.file} was not drawn from a prompt by Stable Diffusion; its row does not say how.")
    return draw_one(load(drawing, str(record.drawn_with.get("revision", ""))), drawing, record.prompt, record.seed)


def recorded(record: FaceRecord, **more) -> DrawingSettings | None:
    """The settings that a row was drawn with; None if it does not tell them."""
    if not DECISIVE.keys() <= record.drawn_with.keys():
        return None
    return DrawingSettings(**{setting: record.drawn_with[key] for key, setting in DECISIVE.items()}, **more)


# ---------------------------------------------------------------- several processes


def draw_share(request: Request, state: "PartialState") -> int:
    """Draws this process's share of the faces into DATA/DATASET/drawn, for the next collection to take in.

    Several processes, one for each GPU, may do this at the same time; the manifest is not written. A face does not depend
    on how many they are, because its seed does not. Returns how many were drawn.

    Raises:
        PlainError: as drawing raises it.
    """
    folder = request.settings.folder
    folder.mkdir(parents=True, exist_ok=True)
    with filelock.FileLock(folder / ".prompts.lock"):  # one process writes the prompts, the others read them
        faces = find(request)
    records = manifest.read(folder) if manifest.manifest_path(folder).exists() else []
    known = {(record.source, record.file) for record in records}
    with state.split_between_processes(faces) as share:
        mine = [face for face in share if (face.source, face.file) not in known and not _drawn(folder, face)]
    for face, picture in draw_all(mine, drawing_of(request.argument, request.settings), folder):
        told = {"prompt": face.prompt, "seed": face.seed, "drawn_with": dict(face.drawn_with)}
        path = _drawn_path(folder, face)
        manifest.write_whole(path.with_suffix(".json"), json.dumps(told).encode())
        manifest.write_whole(path, picture)
    return len(mine)


def _drawn_path(folder: Path, face: FoundFace) -> Path:
    return folder / "drawn" / face.source / face.file


def _drawn(folder: Path, face: FoundFace) -> tuple[FoundFace, bytes] | None:
    """The face as draw_share left it, if it was drawn with the same prompt, seed and settings."""
    path = _drawn_path(folder, face)
    try:
        told, picture = json.loads(path.with_suffix(".json").read_bytes()), path.read_bytes()
    except (OSError, ValueError):
        return None
    same = (told["prompt"], told["seed"]) == (face.prompt, face.seed)
    if not same or any(told["drawn_with"].get(key) != value for key, value in face.drawn_with.items()):
        return None
    return replace(face, drawn_with=told["drawn_with"]), picture


STABLE_DIFFUSION = Source(find, "stable-diffusion:COUNT", needs, name)
