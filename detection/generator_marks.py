"""Generators by the settings they leave in a file: prompt, seed and model in a notation of their own.

Sources: the programs themselves (AUTOMATIC1111's `parameters`; ComfyUI's `prompt` and `workflow`, in WEBP as
EXIF Model and Make; InvokeAI's `Dream`, `sd-metadata`, `invokeai_metadata` by age; Fooocus's `fooocus_scheme`; SwarmUI's
`sui_image_params`; NovelAI's `Comment`; Draw Things' and Easy Diffusion's JSON), as the readers stable-diffusion-prompt-reader
and sd-metadata take them, and Midjourney's "Job ID" behind the prompt in Description.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from data_collection import checked_json
from detection.file_facts import Facts

WEBUI = "Stable Diffusion WebUI"


@dataclass(frozen=True)
class Mark:
    """What one generator left; strangers' words, empty where there are none."""

    generator: str
    prompt: str = ""
    seed: str = ""
    model: str = ""


def marks(facts: Facts) -> list[Mark]:
    """One mark of each generator, the one that tells most."""
    best: dict[str, Mark] = {}
    for find in (_in_json, _webui, _comfyui, _midjourney, _by_name):
        for mark in _sound(find, facts):
            known = best.setdefault(mark.generator, mark)
            if bool(mark.prompt) > bool(known.prompt):
                best[mark.generator] = mark
    if "Fooocus" in best and WEBUI in best:  # whose notation it can be told to write
        best["Fooocus"] = replace(best.pop(WEBUI), generator="Fooocus")
    return list(best.values())


def _sound(find: Callable[[Facts], Iterator[Mark]], facts: Facts) -> list[Mark]:
    try:
        return list(find(facts))
    except Exception:  # whatever shape the JSON of a stranger has
        return []


@dataclass(frozen=True)
class Notation:
    """JSON of one generator: where it stands, the entry that no other has, and the ways to what is told.

    A way leads through objects: "model.name".
    """

    generator: str
    places: tuple[str, ...]
    own: str
    prompt: str
    seed: str
    model: str


SETTINGS = ("text:parameters", "exif:UserComment", "text:Comment", "text:generation_data")

NOTATIONS = (
    Notation("Fooocus", SETTINGS, "base_model", "prompt", "seed", "base_model"),
    Notation("SwarmUI", SETTINGS, "sui_image_params", *(f"sui_image_params.{name}" for name in ("prompt", "seed", "model"))),
    Notation("Easy Diffusion", SETTINGS, "use_stable_diffusion_model", "prompt", "seed", "use_stable_diffusion_model"),
    Notation("NovelAI", SETTINGS, "uc", "prompt", "seed", "model"),
    Notation("InvokeAI", ("text:invokeai_metadata",), "positive_prompt", "positive_prompt", "seed", "model.name"),
    Notation("InvokeAI", ("text:invokeai_metadata",), "model.model_name", "positive_prompt", "seed", "model.model_name"),
    Notation("InvokeAI", ("text:sd-metadata",), "image", "image.prompt", "image.seed", "model_weights"),
    Notation("Draw Things", ("xmp:UserComment",), "c", "c", "seed", "model"),
)


def _in_json(facts: Facts) -> Iterator[Mark]:
    for notation in NOTATIONS:
        for _, text in facts.each(*notation.places):
            tree = _json(text)
            if _at(tree, notation.own) is not None:
                told = (_words(_at(tree, way)) for way in (notation.prompt, notation.seed, notation.model))
                yield Mark(notation.generator, *told)


def _json(text: str) -> object:
    """What a text says in JSON; nothing if it does not, or is nested deeper than Python follows."""
    if not text.startswith(("{", "[")):
        return None
    try:
        return checked_json.parsed(text)
    except ValueError:
        return None


def _at(tree: object, way: str) -> object:
    for name in way.split("."):
        tree = tree[0] if isinstance(tree, list) and tree else tree
        tree = tree.get(name) if isinstance(tree, Mapping) else None
    return tree


def _words(value: object) -> str:
    if isinstance(value, list):  # old InvokeAI weighs several prompts
        value = _at(value, "prompt") or (value[0] if value else "")
    return str(value) if isinstance(value, str | int | float) else ""


def _webui(facts: Facts) -> Iterator[Mark]:
    """Prompt, then "Negative prompt: ...", then "Steps: 20, Sampler: Euler a, ..., Seed: 42, ..., Model: name"."""
    for _, text in facts.each(*SETTINGS):
        head, found, settings = ("\n" + text).rpartition("\nSteps: ")
        if found and re.search(r"\b(Sampler|CFG scale|Seed): ", settings):
            seed, model = (re.search(rf"\b{name}: ([^,\n]{{1,200}})", settings) for name in ("Seed", "Model"))
            prompt = head.partition("\nNegative prompt:")[0].strip()
            yield Mark(WEBUI, prompt, seed[1] if seed else "", model[1] if model else "")


def _comfyui(facts: Facts) -> Iterator[Mark]:
    """A graph of nodes, each with a class_type and inputs; `workflow` is the same as the person drew it."""
    for _, text in facts.each("text:prompt", "exif:Model", "exif:Make"):
        nodes = _json(text.removeprefix("prompt:"))
        if isinstance(nodes, Mapping) and any(_at(node, "class_type") for node in nodes.values()):
            seed = next((found for name in ("seed", "noise_seed") if (found := _input(nodes, name))), "")
            model = next((found for name in ("ckpt_name", "unet_name") if (found := _input(nodes, name))), "")
            yield Mark("ComfyUI", _positive(nodes), seed, model)
    for _, text in facts.each("text:workflow", "exif:Make", "exif:ImageDescription"):
        if _at(_json(text.removeprefix("workflow:")), "nodes") is not None:
            yield Mark("ComfyUI")


def _input(nodes: Mapping, name: str) -> str:
    values = (_at(node, f"inputs.{name}") for node in nodes.values())
    return next((str(value) for value in values if isinstance(value, str | int)), "")


def _positive(nodes: Mapping) -> str:
    """The text that leads to a sampler's `positive`; a link is [number of a node, number of its output]."""
    start = next((link for node in nodes.values() if isinstance(link := _at(node, "inputs.positive"), list) and link), None)
    node = nodes.get(str(start[0])) if start else None
    for _ in range(8):
        inputs = _at(node, "inputs")
        if not isinstance(inputs, Mapping) or isinstance(inputs.get("text"), str):
            break
        link = next((value for value in inputs.values() if isinstance(value, list) and value), [""])
        node = nodes.get(str(link[0]))
    return _words(_at(node, "inputs.text")) or _input(nodes, "text")


def _midjourney(facts: Facts) -> Iterator[Mark]:
    for _, text in facts.each("text:Description", "xmp:description", "exif:ImageDescription", "iptc:Caption"):
        prompt, found, job = text.rpartition("Job ID: ")
        if found and re.match(r"[0-9a-f]{8}-[0-9a-f]{4}-", job):
            yield Mark("Midjourney", prompt.strip())


OWN_FIELDS = {
    "text:fooocus_scheme": "Fooocus",
    "text:invokeai_metadata": "InvokeAI",
    "text:invokeai_graph": "InvokeAI",
    "text:sd-metadata": "InvokeAI",
    "text:Dream": "InvokeAI",
    "text:use_stable_diffusion_model": "Easy Diffusion",
    "text:Stable Diffusion model": "Easy Diffusion",
}


def _by_name(facts: Facts) -> Iterator[Mark]:
    """Fields that only one generator writes; the oldest InvokeAI's is a command line: "prompt" -s 50 -S 42."""
    for name, text in facts.each(*OWN_FIELDS):
        typed = re.match(r'"(.{1,2000}?)" -.{0,200}?-S ?(\d+)', text) if name == "text:Dream" else None
        yield Mark(OWN_FIELDS[name], *(typed.groups() if typed else ()))
