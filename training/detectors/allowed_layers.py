"""Classes that a detector's config.json may name: those that Telltale's detectors are made of, and
nothing else.

The table was read off the configs of every row of BASE_MODELS joined with heads, and of every row
of SCRATCH_MODELS, as Keras 3.15 writes them; tests read it off again. Keras turns a name into an
import and a call, so a name is looked up here first.
"""

from collections.abc import Iterator
from typing import Any

ALLOWED_CLASSES: dict[str | None, frozenset[str]] = {
    "keras": frozenset({"DTypePolicy", "Sequential"}),
    "keras.initializers": frozenset(
        {"GlorotUniform", "Ones", "RandomNormal", "VarianceScaling", "Zeros"}
    ),
    "keras.layers": frozenset(
        {
            *(
                "Activation",
                "Add",
                "AveragePooling2D",
                "BatchNormalization",
                "Concatenate",
                "Conv2D",
                "Dense",
            ),
            *(
                "DepthwiseConv2D",
                "Dropout",
                "EinsumDense",
                "Flatten",
                "GlobalAveragePooling2D",
                "InputLayer",
            ),
            *(
                "LayerNormalization",
                "MaxPooling2D",
                "Multiply",
                "Normalization",
                "Permute",
                "ReLU",
                "Rescaling",
            ),
            *("Reshape", "SeparableConv2D", "ZeroPadding2D"),
        }
    ),
    # Heads are saved as they were compiled, and Keras compiles what lies inside another model even
    # with compile=False.
    "keras.losses": frozenset({"BinaryCrossentropy"}),
    "keras.metrics": frozenset({"AUC"}),
    "keras.optimizers": frozenset({"AdamW"}),
    "keras.src.applications.convnext": frozenset({"LayerScale"}),
    "keras.src.models.functional": frozenset({"Functional"}),
    "keras.src.ops.core": frozenset({"Cast"}),
    "keras.src.ops.math": frozenset({"Logsumexp"}),
    "keras.src.ops.numpy": frozenset({"Add", "GetItem", "Multiply", "Sqrt", "Stack", "Var"}),
    None: frozenset({"__ellipsis__", "__keras_tensor__", "__slice__"}),
}
"""By module; None for what is no class but a value in disguise."""

CLASS_NAME_KEYS = ("module", "class_name", "registered_name")

MAX_CONFIG_DEPTH = 40
"""Levels of a config; those of our detectors have 14."""

MAX_CONFIG_NUMBER = 2**24
"""The largest number of a config: a side, a width, a count of units. The widest features have
200,000 columns."""

UNBOUNDED_NUMBER_KEYS = ("seed", "shared_object_id")


def find_config_fault(config: Any) -> str:
    """Return what is wrong with a parsed config.json, as the end of a sentence; else empty."""
    for value, depth, key in _walk_config(config):
        if depth > MAX_CONFIG_DEPTH:
            return f"has a config.json of more than {MAX_CONFIG_DEPTH} levels"
        if (
            isinstance(value, int)
            and abs(value) > MAX_CONFIG_NUMBER
            and key not in UNBOUNDED_NUMBER_KEYS
        ):
            return f"asks for {key} of {value:,}"
        if (
            isinstance(value, dict)
            and not value.keys().isdisjoint(CLASS_NAME_KEYS)
            and not _is_allowed_class(value)
        ):
            named = ".".join(
                str(value[part])[:80]
                for part in ("module", "class_name")
                if value.get(part) is not None
            )
            return f"names {named or 'something without a name'}, which no detector of Telltale is made of"
    return ""


def _is_allowed_class(value: dict[str, Any]) -> bool:
    module, name, registered = (value.get(part) for part in CLASS_NAME_KEYS)
    if not isinstance(name, str) or not isinstance(module, str | None):
        return False
    # Keras looks for a registered name before it looks for the class, whatever the class is.
    return name in ALLOWED_CLASSES.get(module, ()) and registered in (None, name)


def _walk_config(config: Any) -> Iterator[tuple[Any, int, str]]:
    """Every value with its depth and its key, without recursion: the file decides how deep it
    goes."""
    waiting: list[tuple[Any, int, str]] = [(config, 0, "a number")]
    while waiting:
        value, depth, key = waiting.pop()
        yield value, depth, key
        if isinstance(value, dict):
            waiting.extend((inner, depth + 1, name) for name, inner in value.items())
        elif isinstance(value, list):
            waiting.extend((inner, depth + 1, key) for inner in value)


def strip_compile_config(config: Any) -> Any:
    """The config without what its models were compiled with."""
    if isinstance(config, dict):
        return {
            key: strip_compile_config(value)
            for key, value in config.items()
            if key != "compile_config"
        }
    return [strip_compile_config(value) for value in config] if isinstance(config, list) else config
