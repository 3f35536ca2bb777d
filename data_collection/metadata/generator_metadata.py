"""Recognise generators by the settings they write into a file: prompt, seed and model.

Sources: the programs themselves (AUTOMATIC1111's `parameters`; ComfyUI's `prompt` and `workflow`,
in WEBP as EXIF Model and Make; InvokeAI's `Dream`, `sd-metadata`, `invokeai_metadata` by age;
Fooocus's `fooocus_scheme`; SwarmUI's `sui_image_params`; NovelAI's `Comment`; Draw Things' and Easy
Diffusion's JSON), as read by stable-diffusion-prompt-reader and sd-metadata, and
Midjourney's "Job ID" behind the prompt in Description.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from data_collection.metadata.json_notations import JSON_NOTATIONS, SETTINGS_FIELDS
from data_collection.metadata.metadata_fields import MetadataFields
from runtime import checked_json

WEBUI_NAME = "Stable Diffusion WebUI"


@dataclass(frozen=True)
class GeneratorMetadata:
    """Settings that a generator wrote into the file; untrusted text, empty if missing."""

    generator: str
    prompt: str = ""
    seed: str = ""
    model: str = ""


def find_generator_metadata(metadata: MetadataFields) -> list[GeneratorMetadata]:
    """Return one entry per generator, the most complete one."""
    best: dict[str, GeneratorMetadata] = {}
    for find in (_find_in_json, _find_webui, _find_comfyui, _find_midjourney, _find_by_field):
        for settings in _read_or_ignore(find, metadata):
            earlier = best.setdefault(settings.generator, settings)
            if settings.prompt and not earlier.prompt:
                best[settings.generator] = settings
    if "Fooocus" in best and WEBUI_NAME in best:  # Fooocus can write this notation, too
        best["Fooocus"] = replace(best.pop(WEBUI_NAME), generator="Fooocus")
    return list(best.values())


def _read_or_ignore(
    find: Callable[[MetadataFields], Iterator[GeneratorMetadata]], metadata: MetadataFields
) -> list[GeneratorMetadata]:
    try:
        return list(find(metadata))
    except Exception:  # untrusted JSON may have any shape
        return []


def _find_in_json(metadata: MetadataFields) -> Iterator[GeneratorMetadata]:
    for notation in JSON_NOTATIONS:
        for _, text in metadata.iterate_values(*notation.fields):
            tree = _parse_json_text(text)
            if _get_nested_value(tree, notation.unique_key) is not None:
                prompt, seed, model = (
                    _convert_to_text(_get_nested_value(tree, path))
                    for path in (notation.prompt, notation.seed, notation.model)
                )
                yield GeneratorMetadata(notation.generator, prompt, seed, model)


def _parse_json_text(text: str) -> object:
    """Parse JSON; return None if the text is not JSON or is nested too deeply."""
    if not text.startswith(("{", "[")):
        return None
    try:
        return checked_json.parse_json(text)
    except ValueError:
        return None


def _get_nested_value(tree: object, path: str) -> object:
    for name in path.split("."):
        tree = tree[0] if isinstance(tree, list) and tree else tree
        tree = tree.get(name) if isinstance(tree, Mapping) else None
    return tree


def _convert_to_text(value: object) -> str:
    if isinstance(value, list):  # old versions of InvokeAI weight several prompts
        value = _get_nested_value(value, "prompt") or (value[0] if value else "")
    return str(value) if isinstance(value, str | int | float) else ""


def _find_webui(metadata: MetadataFields) -> Iterator[GeneratorMetadata]:
    """Find the prompt, then "Negative prompt: ...", then "Steps: 20, Sampler: Euler a, ..., Seed:
    42, ..., Model: name"."""
    for _, text in metadata.iterate_values(*SETTINGS_FIELDS):
        head, separator, settings = ("\n" + text).rpartition("\nSteps: ")
        if separator and re.search(r"\b(Sampler|CFG scale|Seed): ", settings):
            seed, model = (
                re.search(rf"\b{name}: ([^,\n]{{1,200}})", settings) for name in ("Seed", "Model")
            )
            prompt = head.partition("\nNegative prompt:")[0].strip()
            yield GeneratorMetadata(
                WEBUI_NAME, prompt, seed[1] if seed else "", model[1] if model else ""
            )


def _find_comfyui(metadata: MetadataFields) -> Iterator[GeneratorMetadata]:
    """Find a graph of nodes, each with a class_type and inputs; `workflow` is the graph as
    edited."""
    for _, text in metadata.iterate_values("text:prompt", "exif:Model", "exif:Make"):
        nodes = _parse_json_text(text.removeprefix("prompt:"))
        if isinstance(nodes, Mapping) and any(
            _get_nested_value(node, "class_type") for node in nodes.values()
        ):
            seed = _find_node_input(nodes, "seed") or _find_node_input(nodes, "noise_seed")
            model = _find_node_input(nodes, "ckpt_name") or _find_node_input(nodes, "unet_name")
            yield GeneratorMetadata("ComfyUI", _find_positive_prompt(nodes), seed, model)
    for _, text in metadata.iterate_values("text:workflow", "exif:Make", "exif:ImageDescription"):
        if _get_nested_value(_parse_json_text(text.removeprefix("workflow:")), "nodes") is not None:
            yield GeneratorMetadata("ComfyUI")


def _find_node_input(nodes: Mapping, name: str) -> str:
    values = (_get_nested_value(node, f"inputs.{name}") for node in nodes.values())
    return next((str(value) for value in values if isinstance(value, str | int)), "")


def _find_positive_prompt(nodes: Mapping) -> str:
    """Return the text linked to a sampler's `positive`; a link is [number of a node, number of its
    output]."""
    start = next(
        (
            link
            for node in nodes.values()
            if isinstance(link := _get_nested_value(node, "inputs.positive"), list) and link
        ),
        None,
    )
    node = nodes.get(str(start[0])) if start else None
    for _ in range(8):
        inputs = _get_nested_value(node, "inputs")
        if not isinstance(inputs, Mapping) or isinstance(inputs.get("text"), str):
            break
        link = next((value for value in inputs.values() if isinstance(value, list) and value), [""])
        node = nodes.get(str(link[0]))
    return _convert_to_text(_get_nested_value(node, "inputs.text")) or _find_node_input(
        nodes, "text"
    )


def _find_midjourney(metadata: MetadataFields) -> Iterator[GeneratorMetadata]:
    for _, text in metadata.iterate_values(
        "text:Description", "xmp:description", "exif:ImageDescription", "iptc:Caption"
    ):
        prompt, separator, job = text.rpartition("Job ID: ")
        if separator and re.match(r"[0-9a-f]{8}-[0-9a-f]{4}-", job):
            yield GeneratorMetadata("Midjourney", prompt.strip())


GENERATOR_BY_FIELD = {
    "text:fooocus_scheme": "Fooocus",
    "text:invokeai_metadata": "InvokeAI",
    "text:invokeai_graph": "InvokeAI",
    "text:sd-metadata": "InvokeAI",
    "text:Dream": "InvokeAI",
    "text:use_stable_diffusion_model": "Easy Diffusion",
    "text:Stable Diffusion model": "Easy Diffusion",
}


def _find_by_field(metadata: MetadataFields) -> Iterator[GeneratorMetadata]:
    """Find fields that only one generator writes; the oldest InvokeAI's is a command line: "prompt"
    -s 50 -S 42."""
    for name, text in metadata.iterate_values(*GENERATOR_BY_FIELD):
        command = (
            re.match(r'"(.{1,2000}?)" -.{0,200}?-S ?(\d+)', text) if name == "text:Dream" else None
        )
        yield GeneratorMetadata(GENERATOR_BY_FIELD[name], *(command.groups() if command else ()))
