"""Self-contained HTML pages: one style, images as data URIs, no script, no network access."""

import base64
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import jinja2


def load_template(folder: Path, name: str, **filters: Callable) -> "jinja2.Template":
    """Load the template `name` from `folder`; it may include page.css.jinja, and all values are
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
    """Encode a PNG or JPEG file as a data URI."""
    file_format = "png" if picture.startswith(b"\x89PNG") else "jpeg"
    return f"data:image/{file_format};base64,{base64.b64encode(picture).decode()}"
