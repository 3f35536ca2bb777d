"""Pages that are complete in themselves: one look, pictures as data URIs, no script, nothing asked
for over the network."""

import base64
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import jinja2


def load_template(folder: Path, name: str, **filters: Callable) -> "jinja2.Template":
    """The template `name` in `folder`, which may include page.css.jinja; all that it is given is
    escaped."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([folder, Path(__file__).parent]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        data_uri=encode_data_uri, counted=lambda number: f"{number:,}", **filters
    )
    return environment.get_template(name)


def encode_data_uri(picture: bytes) -> str:
    """An encoded PNG or JPEG as an address that holds it."""
    kind = "png" if picture.startswith(b"\x89PNG") else "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(picture).decode()}"
