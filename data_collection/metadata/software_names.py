"""Names that programs write into the images they save; the lists cannot be complete.

Sources: files saved by the programs. Google's Credit is in MediaInfoLib's pull request 2275, "AI
generated;txt2img;flux" in Black Forest Labs' reference code.
"""

import re
from collections.abc import Mapping


def _map_to_themselves(names: str) -> dict[str, str]:
    return {name: name for name in names.split(", ")}


GENERATOR_SOFTWARE = {
    **_map_to_themselves(
        "Midjourney, NovelAI, ComfyUI, InvokeAI, Fooocus, SwarmUI, "
        "Easy Diffusion, Draw Things, Stable Diffusion"
    ),
    **_map_to_themselves(
        "Black Forest Labs, Stability AI, DreamStudio, Ideogram, Leonardo.Ai, "
        "Recraft, NightCafe, Craiyon"
    ),
    **_map_to_themselves("Adobe Firefly, Bing Image Creator, Microsoft Designer"),
    **dict.fromkeys(
        ("DALL-E", "DALL·E", "OpenAI", "ChatGPT", "gpt-image"), "an image model of OpenAI"
    ),
    **dict.fromkeys(
        ("Made with Google AI", "Google Gemini", "Google Imagen"), "an image model of Google"
    ),
    "AI generated": "a generator",
}
"""Text in a field, in any case -> name of the program."""

EDITING_SOFTWARE = {
    **_map_to_themselves(
        "Lightroom, GIMP, Affinity Photo, Pixelmator, Capture One, darktable, "
        "RawTherapee, Snapseed, PicsArt"
    ),
    **_map_to_themselves(
        "FaceApp, Facetune, Meitu, BeautyPlus, VSCO, Remini, Luminar, Topaz, "
        "Canva, Picasa, PhotoScape, Paint.NET"
    ),
    **_map_to_themselves("Krita, PaintShop, Fotor, Polarr"),
    "Photoshop": "Adobe Photoshop",
    "Edited with Google AI": "an AI editor of Google",
}


PROGRAM_FIELDS = (
    "exif:Software",
    "exif:ProcessingSoftware",
    "xmp:CreatorTool",
    "iptc:Program",
    "text:Software",
)
NAMING_FIELDS = (*PROGRAM_FIELDS, "xmp:softwareAgent", "xmp:Credit", "iptc:Credit", "text:Source")
"""Fields in which a program names itself or its maker; the first are of programs alone."""


def find_software_name(table: Mapping[str, str], text: str) -> str:
    """Return the first program of a table whose name is in the first 2,000 characters of a text, as
    whole words; empty if none is."""
    folded = text[:2000].casefold()
    matches = (
        program
        for name, program in table.items()
        if re.search(rf"(?<!\w){re.escape(name.casefold())}(?!\w)", folded)
    )
    return next(matches, "")
