"""Find the generator that a file's metadata names as its maker."""

from data_collection.metadata.generator_metadata import find_generator_metadata
from data_collection.metadata.iptc_source_types import (
    GENERATED,
    SOURCE_TYPE_FIELDS,
    get_source_type_meaning,
)
from data_collection.metadata.metadata_fields import MetadataFields, read_metadata_fields
from data_collection.metadata.software_names import (
    GENERATOR_SOFTWARE,
    NAMING_FIELDS,
    find_software_name,
)

CAMERA_FIELDS = ("exif:Make", "exif:Model")


def find_named_generator(data: bytes) -> str:
    """Return the name of the generator, or "a generator"; empty if none is named as the maker.

    A description that mentions a generator does not count, it may be about one. Content credentials
    are not verified here. Never raises.
    """
    metadata = read_metadata_fields(data)
    settings = find_generator_metadata(metadata)
    if settings:
        return settings[0].generator
    for _, value in metadata.iterate_values(*NAMING_FIELDS, *CAMERA_FIELDS):
        if name := find_software_name(GENERATOR_SOFTWARE, value):
            return name
    return "a generator" if _declares_generator(metadata) else ""


def _declares_generator(metadata: MetadataFields) -> bool:
    source_types = (value for _, value in metadata.iterate_values(*SOURCE_TYPE_FIELDS))
    return "xmp:AISystemUsed" in metadata.fields or any(
        meaning[1] == GENERATED for meaning in map(get_source_type_meaning, source_types) if meaning
    )
