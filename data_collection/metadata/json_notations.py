"""JSON_NOTATIONS: the JSON that generators write into a file, one row per notation."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class JsonNotation:
    """JSON that one generator writes.

    Attributes:
        fields: metadata fields that may hold it.
        unique_key: an entry that only this generator writes.
        prompt, seed, model: paths of these entries, such as "model.name".
    """

    generator: str
    fields: tuple[str, ...]
    unique_key: str
    prompt: str
    seed: str
    model: str


SETTINGS_FIELDS = ("text:parameters", "exif:UserComment", "text:Comment", "text:generation_data")

JSON_NOTATIONS = (
    JsonNotation(
        generator="Fooocus",
        fields=SETTINGS_FIELDS,
        unique_key="base_model",
        prompt="prompt",
        seed="seed",
        model="base_model",
    ),
    JsonNotation(
        generator="SwarmUI",
        fields=SETTINGS_FIELDS,
        unique_key="sui_image_params",
        prompt="sui_image_params.prompt",
        seed="sui_image_params.seed",
        model="sui_image_params.model",
    ),
    JsonNotation(
        generator="Easy Diffusion",
        fields=SETTINGS_FIELDS,
        unique_key="use_stable_diffusion_model",
        prompt="prompt",
        seed="seed",
        model="use_stable_diffusion_model",
    ),
    JsonNotation(
        generator="NovelAI",
        fields=SETTINGS_FIELDS,
        unique_key="uc",
        prompt="prompt",
        seed="seed",
        model="model",
    ),
    JsonNotation(
        generator="InvokeAI",
        fields=("text:invokeai_metadata",),
        unique_key="positive_prompt",
        prompt="positive_prompt",
        seed="seed",
        model="model.name",
    ),
    JsonNotation(
        generator="InvokeAI",
        fields=("text:invokeai_metadata",),
        unique_key="model.model_name",
        prompt="positive_prompt",
        seed="seed",
        model="model.model_name",
    ),
    JsonNotation(
        generator="InvokeAI",
        fields=("text:sd-metadata",),
        unique_key="image",
        prompt="image.prompt",
        seed="image.seed",
        model="model_weights",
    ),
    JsonNotation(
        generator="Draw Things",
        fields=("xmp:UserComment",),
        unique_key="c",
        prompt="c",
        seed="seed",
        model="model",
    ),
)
