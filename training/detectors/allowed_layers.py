"""Check a detector's config.json: it may only name the classes that Telltale's detectors contain.

The table was collected from the configs of every row of BASE_MODELS joined with heads, and of every
row of SCRATCH_MODELS, as Keras 3.15 writes them; a test collects it again. Keras turns a name into
an import and a call, so look it up here first.
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
            *("Reshape", "SeparableConv2D", "Softmax", "ZeroPadding1D", "ZeroPadding2D"),
        }
    ),
    # Heads are saved compiled, and Keras compiles a model inside another one even with
    # compile=False.
    "keras.losses": frozenset({"BinaryCrossentropy"}),
    "keras.metrics": frozenset({"AUC"}),
    "keras.optimizers": frozenset({"AdamW"}),
    "keras.src.applications.convnext": frozenset({"LayerScale"}),
    "keras.src.models.functional": frozenset({"Functional"}),
    "keras.src.ops.core": frozenset({"Cast"}),
    "keras.src.ops.math": frozenset({"Logsumexp"}),
    "keras.src.ops.numpy": frozenset(
        {"Add", "GetItem", "Matmul", "Multiply", "Sqrt", "Stack", "Var"}
    ),
    None: frozenset({"__ellipsis__", "__keras_tensor__", "__slice__"}),
}
"""By module; None for values that Keras writes like classes."""

CLASS_NAME_KEYS = ("module", "class_name", "registered_name")

MAX_CONFIG_DEPTH = 40
"""Nesting levels of a config; Telltale's detectors have 14."""

MAX_CONFIG_NUMBER = 2**24
"""Largest number in a config, such as a side, a width, or units. The widest features have 200,000
columns."""

UNBOUNDED_NUMBER_KEYS = ("seed", "shared_object_id")


def find_config_fault(config: Any) -> str:
    """Return what is wrong with a parsed config.json, as the end of a sentence, or ""."""
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
            name = ".".join(
                str(value[part])[:80]
                for part in ("module", "class_name")
                if value.get(part) is not None
            )
            return f"names {name or 'an unnamed class'}, which Telltale's detectors do not contain"
    return ""


def _is_allowed_class(value: dict[str, Any]) -> bool:
    module, name, registered = (value.get(part) for part in CLASS_NAME_KEYS)
    if not isinstance(name, str) or not isinstance(module, str | None):
        return False
    # Keras looks up a registered name before the class, whatever the class is.
    return name in ALLOWED_CLASSES.get(module, ()) and registered in (None, name)


def _walk_config(config: Any) -> Iterator[tuple[Any, int, str]]:
    """Yield every value with its depth and key, without recursion, as files may nest deeply."""
    pending: list[tuple[Any, int, str]] = [(config, 0, "a number")]
    while pending:
        value, depth, key = pending.pop()
        yield value, depth, key
        if isinstance(value, dict):
            pending.extend((inner, depth + 1, name) for name, inner in value.items())
        elif isinstance(value, list):
            pending.extend((inner, depth + 1, key) for inner in value)


def strip_compile_config(config: Any) -> Any:
    """Return the config without the settings that its models were compiled with."""
    if isinstance(config, dict):
        return {
            key: strip_compile_config(value)
            for key, value in config.items()
            if key != "compile_config"
        }
    return [strip_compile_config(value) for value in config] if isinstance(config, list) else config
