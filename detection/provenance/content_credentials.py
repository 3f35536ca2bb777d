"""Check content credentials (C2PA), a signed history in the file, with the optional c2pa-python.

The package has no list of trusted signers, so a valid signature proves that nothing was changed
since, not who signed: anybody can create a certificate in any name. Nothing is downloaded: neither
manifests stored elsewhere nor revocations.

Sources: C2PA specification 2.2; c2pa-python 0.38.1 for the JSON.
"""

import importlib.util
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

C2PA_PACKAGE = "c2pa"
C2PA_INSTALL_COMMAND = "pip install -r requirements-c2pa.txt"

C2PA_OFFLINE_SETTINGS = {"verify": {"remote_manifest_fetch": False, "ocsp_fetch": False}}

MAX_HISTORY_MANIFESTS = 20


@dataclass(frozen=True)
class ContentCredentials:
    """The content of content credentials; untrusted text.

    Attributes:
        state: "Trusted", "Valid" (the signature fits, the signer is not vouched for) or "Invalid".
        signer: the organisation in the certificate.
        program: the program that wrote the credentials.
        source_types: IPTC's digital source types in the actions of the image's own history; if
            there are none, those of its ingredients.
    """

    state: str
    signer: str
    program: str
    source_types: tuple[str, ...]


class CredentialsCheckError(Exception):
    """The credentials could not be checked; the message is the reason."""


def verify_credentials(data: bytes) -> ContentCredentials:
    """Read and check the content credentials of a file that has some.

    Raises:
        CredentialsCheckError: the package is missing or cannot be loaded, or the credentials are
            damaged.
    """
    if importlib.util.find_spec(C2PA_PACKAGE) is None:
        raise CredentialsCheckError(f"not checked; {C2PA_INSTALL_COMMAND}")
    try:
        import c2pa
    except Exception as error:  # its own library in C may not fit this machine
        raise CredentialsCheckError(
            f"not checked: {C2PA_PACKAGE} cannot be loaded, {type(error).__name__}"
        ) from None
    try:
        with (
            c2pa.Context.from_dict(C2PA_OFFLINE_SETTINGS) as context,
            c2pa.Reader(None, io.BytesIO(data), context=context) as reader,
        ):
            return _summarize_manifests(json.loads(reader.json()))
    except Exception as error:  # C2paError, and anything that unexpected JSON makes Python raise
        raise CredentialsCheckError(
            f"which cannot be read: {type(error).__name__.removeprefix('_C2pa')}"
        ) from None


def _summarize_manifests(store: Mapping) -> ContentCredentials:
    manifests = store["manifests"]
    active = manifests[store["active_manifest"]]
    own_history = list(_iterate_parent_manifests(active, manifests))
    types = [*_iterate_source_types(own_history)] or [*_iterate_source_types(manifests.values())]
    programs = active.get("claim_generator_info") or [{"name": active.get("claim_generator", "")}]
    signer = active.get("signature_info") or {}
    return ContentCredentials(
        str(store.get("validation_state", "Invalid")),
        str(signer.get("issuer") or signer.get("common_name") or ""),
        str(programs[0].get("name") or ""),
        tuple(dict.fromkeys(types)),
    )


def _iterate_parent_manifests(
    manifest: Mapping | None, manifests: Mapping[str, Mapping]
) -> Iterator[Mapping]:
    """Yield a manifest, the manifest of the image it was made from, and so on."""
    for _ in range(MAX_HISTORY_MANIFESTS):
        if manifest is None:
            return
        yield manifest
        parents = (
            ingredient
            for ingredient in manifest.get("ingredients", ())
            if ingredient.get("relationship") == "parentOf"
        )
        manifest = manifests.get(next(parents, {}).get("active_manifest"))


def _iterate_source_types(manifests: Iterable[Mapping]) -> Iterator[str]:
    for manifest in manifests:
        for assertion in manifest.get("assertions", ()):
            if str(assertion.get("label", "")).startswith("c2pa.actions"):
                for action in assertion["data"]["actions"]:
                    if "digitalSourceType" in action:
                        yield str(action["digitalSourceType"])
