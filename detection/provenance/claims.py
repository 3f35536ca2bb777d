"""Read what a file's metadata claims about its origin, separately from the detector's verdict.

No pixel is decoded, nothing is downloaded, and claims never influence a verdict.

Sources: IPTC's NewsCodes "Digital Source Type" (of 2024-10-23) and Photo Metadata Standard 2025.1
(AISystemUsed); for the rest see the other modules of this package.
"""

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from data_collection.metadata import generator_metadata
from data_collection.metadata.generator_metadata import GeneratorMetadata
from data_collection.metadata.iptc_source_types import (
    EDITED,
    GENERATED,
    PHOTOGRAPH,
    SOURCE_TYPE_FIELDS,
    ClaimedOrigin,
    get_source_type_meaning,
    get_source_type_term,
)
from data_collection.metadata.metadata_fields import MetadataFields, read_metadata_fields
from data_collection.metadata.software_names import (
    EDITING_SOFTWARE,
    GENERATOR_SOFTWARE,
    NAMING_FIELDS,
    PROGRAM_FIELDS,
    find_software_name,
)
from detection.provenance import content_credentials

CLAIMS_CAVEAT = (
    "Metadata is easily removed and easily forged: its absence proves nothing, a named generator "
    "may be invented, and a camera's EXIF does not prove that an image is a photograph."
)
"""Shown once, with the first claim."""

MAX_CLAIMS = 12
MAX_QUOTE_CHARS = 200


@dataclass(frozen=True)
class Claim:
    """One claim of a file about its origin.

    Attributes:
        kind: "content credentials", "declared source", "generator's metadata", "camera", "editing
            software", "software" or "description".
        text: one short sentence for people; untrusted text is in quotation marks.
        points_to: "generated", "photograph", "edited", or "" for none of these.
    """

    kind: str
    text: str
    points_to: ClaimedOrigin = ""


def read_claims(data: bytes) -> list[Claim]:
    """Read the claims of an image file, the strongest first; none for other formats than JPEG, PNG,
    WEBP, TIFF, AVIF and HEIC.

    Never raises: a damaged file is read as far as possible.
    """
    metadata = read_metadata_fields(data)
    generators = generator_metadata.find_generator_metadata(metadata)
    known_generators = {settings.generator for settings in generators}
    claims = [
        *_claim_credentials(metadata, data),
        *_claim_declared_sources(metadata),
        *_claim_generators(generators),
        *_claim_cameras(metadata),
    ]
    claims += [
        *_claim_software(metadata, known_generators),
        *_claim_mentions(metadata, known_generators),
    ]
    return list(dict.fromkeys(claims))[:MAX_CLAIMS]


def quote_text(text: str, max_chars: int = MAX_QUOTE_CHARS) -> str:
    """Quote untrusted text on one line, without control characters of terminals or of the text
    direction."""
    printable = "".join(c if c.isprintable() else " " for c in text[: 8 * max_chars])
    plain = " ".join(printable.split()).replace('"', "'")
    return f'"{plain if len(plain) <= max_chars else plain[: max_chars - 3] + "..."}"'


def _describe_source_type(source_type: str) -> tuple[str, ClaimedOrigin]:
    """Describe a source type, given as a URI or as its last term alone."""
    meaning = get_source_type_meaning(source_type)
    term = get_source_type_term(source_type)
    return meaning or (f"of the source type {quote_text(term, 60)}", "")


SIGNATURE_STATE_SENTENCES = {
    "Trusted": "The signature fits the file, and the signer is on a list of trusted signers",
    "Valid": "The signature fits the file; the identity of the signer was not checked",
    "Invalid": "But the signature does not fit: the file was changed since, or the credentials are "
    "forged",
}


def _claim_credentials(metadata: MetadataFields, data: bytes) -> Iterator[Claim]:
    kind = "content credentials"
    if metadata.has_credentials:
        try:
            yield Claim(kind, *_describe_credentials(content_credentials.verify_credentials(data)))
        except content_credentials.CredentialsCheckError as error:
            yield Claim(kind, f"It carries content credentials (C2PA), {error}.")
    for _, address in metadata.iterate_values("xmp:provenance"):
        yield Claim(
            kind,
            "It refers to content credentials (C2PA) stored elsewhere, which were not downloaded: "
            f"{quote_text(address)}.",
        )


def _describe_credentials(credentials: content_credentials.ContentCredentials) -> tuple[str, str]:
    """Return the sentence and what it points to; an invalid signature points to nothing."""
    meanings = [_describe_source_type(source_type) for source_type in credentials.source_types[:3]]
    history = (
        f", which say that it was {', then '.join(words for words, _ in meanings)}"
        if meanings
        else ""
    )
    program = f" by {quote_text(credentials.program, 60)}" if credentials.program else ""
    state = SIGNATURE_STATE_SENTENCES.get(credentials.state, SIGNATURE_STATE_SENTENCES["Invalid"])
    origins = [origin for _, origin in meanings]
    points_to = next(
        (origin for origin in (GENERATED, EDITED, PHOTOGRAPH) if origin in origins), ""
    )
    text = (
        f"It carries content credentials (C2PA){program}, signed in the name of "
        f"{quote_text(credentials.signer, 60)}{history}. {state}."
    )
    return text, "" if state == SIGNATURE_STATE_SENTENCES["Invalid"] else points_to


def _claim_declared_sources(metadata: MetadataFields) -> Iterator[Claim]:
    for _, value in metadata.iterate_values(*SOURCE_TYPE_FIELDS):
        words, points_to = _describe_source_type(value)
        yield Claim("declared source", f"Its metadata declares that it was {words}.", points_to)
    for _, value in metadata.iterate_values("xmp:AISystemUsed"):
        yield Claim(
            "declared source",
            f"Its metadata names the AI system that made it: {quote_text(value, 60)}.",
            GENERATED,
        )


def _claim_generators(generators: Iterable[GeneratorMetadata]) -> Iterator[Claim]:
    for settings in generators:
        details = [f"prompt {quote_text(settings.prompt)}"] if settings.prompt else []
        if re.fullmatch("-?[0-9]{1,20}", settings.seed):
            details.append(f"seed {settings.seed}")
        details += [f"model {quote_text(settings.model, 60)}"] if settings.model else []
        separator = ": " if details else ""
        text = f"Its metadata names {settings.generator}{separator}{', '.join(details)}."
        yield Claim("generator's metadata", text, GENERATED)


def _claim_cameras(metadata: MetadataFields) -> Iterator[Claim]:
    """Yield the camera; ComfyUI writes its graph into Make and Model, other generators their
    names."""
    make, model = (
        next((value for _, value in metadata.iterate_values(f"exif:{name}")), "")
        for name in ("Make", "Model")
    )
    name = model if model.casefold().startswith(make.casefold()) else f"{make} {model}".strip()
    if find_software_name(GENERATOR_SOFTWARE, name):
        yield Claim(
            "generator's metadata",
            f"Its metadata names a generator as its camera: {quote_text(name, 80)}.",
            GENERATED,
        )
    elif name and "{" not in name:
        yield Claim("camera", f"Its metadata names a camera: {quote_text(name, 80)}.", PHOTOGRAPH)


DESCRIPTION_FIELDS = (
    "exif:ImageDescription",
    "exif:UserComment",
    "xmp:description",
    "iptc:Caption",
    "text:Description",
    "text:Comment",
    "text:Title",
    "text:Author",
    "exif:Artist",
    "iptc:By-line",
)


def _claim_software(metadata: MetadataFields, known_generators: Collection[str]) -> Iterator[Claim]:
    """Yield generators without settings, editors, and other programs unless a camera wrote the
    file; each once."""
    listed, has_camera = set(known_generators), "exif:Make" in metadata.fields
    for field, value in metadata.iterate_values(*NAMING_FIELDS):
        generator = find_software_name(GENERATOR_SOFTWARE, value)
        editor = find_software_name(EDITING_SOFTWARE, value)
        program = generator or editor
        if not program and field in PROGRAM_FIELDS and not has_camera:
            program = f"the program {quote_text(value, 80)}"
        if not program or program in listed:
            continue
        listed.add(program)
        if generator:
            yield Claim(
                "generator's metadata",
                f"Its metadata names {generator}: {quote_text(value, 80)}.",
                GENERATED,
            )
        elif editor:
            yield Claim(
                "editing software", f"Its metadata names {editor}: {quote_text(value, 80)}.", EDITED
            )
        else:
            yield Claim("software", f"Its metadata names {program}.")


def _claim_mentions(metadata: MetadataFields, known_generators: Collection[str]) -> Iterator[Claim]:
    """Yield generators that a description mentions: it may be about a generator, not by one."""
    for _, value in metadata.iterate_values(*DESCRIPTION_FIELDS):
        generator = find_software_name(GENERATOR_SOFTWARE, value)
        if generator and generator not in known_generators:
            yield Claim(
                "description", f"Its description mentions {generator}: {quote_text(value)}."
            )
