"""Claims of files about their origin: files of every format, as programs write them, and hostile
ones."""

import datetime
import io
import random
import struct

import pytest
from PIL import Image, PngImagePlugin

from data_collection.metadata import metadata_blocks
from detection.provenance import claims as provenance
from detection.provenance import content_credentials
from detection.provenance.claims import Claim
from toys.heif_files import pack_box
from toys.images import encode_image
from toys.metadata_files import (
    GENERATORS,
    JUMBF,
    OLDER,
    SETTINGS_TEXT,
    SOURCE_TYPE,
    TOY,
    WEBUI,
    declared,
    exif,
    iptc,
    png,
    with_chunk,
    with_segment,
    xmp,
)

# ---------------------------------------------------------------- generators


@pytest.mark.parametrize("generator", GENERATORS)
def test_a_generators_settings_are_told_in_one_sentence(generator):
    settings = (
        SETTINGS_TEXT.replace("a portrait", "a portrait of a 'tall' woman")
        if generator == "Stable Diffusion WebUI"
        else SETTINGS_TEXT
    )
    settings = (
        settings.replace("some_v14", "some_v14.safetensors") if generator == "ComfyUI" else settings
    )
    assert provenance.read_claims(GENERATORS[generator]) == [
        Claim("generator's metadata", f"Its metadata names {generator}: {settings}.", "generated")
    ]


@pytest.mark.parametrize("name", OLDER)
def test_older_and_other_ways_of_saying_so_are_read(name):
    data, text = OLDER[name]
    claims = provenance.read_claims(data)
    assert any(text in claim.text and claim.points_to == "generated" for claim in claims), claims
    assert not any(claim.kind == "camera" for claim in claims)


def test_a_description_that_speaks_of_a_generator_points_to_nothing():
    data = encode_image(
        TOY,
        "JPEG",
        exif=exif(
            ImageDescription="The founder of Midjourney at a fair", Make="Canon", Model="EOS R5"
        ),
    )
    assert provenance.read_claims(data) == [
        Claim("camera", 'Its metadata names a camera: "Canon EOS R5".', "photograph"),
        Claim(
            "description",
            'Its description mentions Midjourney: "The founder of Midjourney at a fair".',
            "",
        ),
    ]


# ---------------------------------------------------------------- cameras, editors, declared
# sources


def test_cameras_editors_and_other_programs_are_told_apart():
    nikon = exif(Make="NIKON CORPORATION", Model="NIKON D5200", Software="Ver.1.01")
    edited = exif(Make="Canon", Model="Canon EOS 5D", Software="Adobe Photoshop CS5 Windows")
    claims = {
        name: provenance.read_claims(encode_image(TOY, name, exif=tags))
        for name, tags in (("JPEG", nikon), ("WEBP", edited))
    }
    assert claims["JPEG"] == [
        Claim(
            "camera", 'Its metadata names a camera: "NIKON CORPORATION NIKON D5200".', "photograph"
        )
    ]
    assert [(claim.kind, claim.points_to) for claim in claims["WEBP"]] == [
        ("camera", "photograph"),
        ("editing software", "edited"),
    ]
    assert '"Canon EOS 5D"' in claims["WEBP"][0].text
    assert provenance.read_claims(encode_image(TOY, "PNG", exif=exif(Software="Google"))) == [
        Claim("software", 'Its metadata names the program "Google".', "")
    ]
    assert (
        provenance.read_claims(
            with_segment(0xED, iptc(program="Adobe Photoshop", credit="Made with Google AI"))
        )[0].kind
        != "camera"
    )


@pytest.mark.parametrize(
    ("term", "points_to"),
    [
        ("trainedAlgorithmicMedia", "generated"),
        ("compositeWithTrainedAlgorithmicMedia", "edited"),
        ("digitalCapture", "photograph"),
        ("screenCapture", ""),
        ("somethingNew", ""),
    ],
)
def test_a_declared_source_is_read_in_every_container_and_both_ways_of_writing_it(term, points_to):
    element = xmp("", f'<Iptc4xmpExt:DigitalSourceType rdf:resource="{SOURCE_TYPE}{term}"/>')
    text = xmp(
        "", f"<Iptc4xmpExt:DigitalSourceType>digsrctype:{term}</Iptc4xmpExt:DigitalSourceType>"
    )
    info = PngImagePlugin.PngInfo()
    info.add_itxt("XML:com.adobe.xmp", declared(term).decode(), zip=True)
    files = [
        encode_image(TOY, "JPEG", xmp=declared(term)),
        encode_image(TOY, "JPEG", xmp=element),
        encode_image(TOY, "WEBP", xmp=text),
        encode_image(TOY, "TIFF", tiffinfo={700: declared(term)}),
        encode_image(TOY, "PNG", pnginfo=info),
    ]
    first, *others = (provenance.read_claims(data) for data in files)
    assert [(claim.kind, claim.points_to) for claim in first] == [("declared source", points_to)]
    assert others == [first] * 4


def test_plain_pictures_and_other_bytes_say_nothing():
    for format in ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF", "AVIF"):
        assert provenance.read_claims(encode_image(TOY, format)) == []
    for data in (b"", b"\xff\xd8\xff", b"RIFF", b"II*\0", b"no picture", b"\x89PNG\r\n\x1a\n"):
        assert provenance.read_claims(data) == []
    assert (
        "removed" in provenance.CLAIMS_CAVEAT
        and "forged" in provenance.CLAIMS_CAVEAT
        and "does not prove that an image is a photograph" in provenance.CLAIMS_CAVEAT
    )


# ---------------------------------------------------------------- content credentials


CARRYING = {
    "JPEG": with_segment(0xEB, b"JP\0\1" + struct.pack(">I", 1) + JUMBF),
    "PNG": with_chunk(b"caBX", JUMBF),
    "WEBP": (webp := encode_image(TOY, "WEBP"))[:4]
    + struct.pack("<I", len(webp) + len(JUMBF))
    + webp[8:]
    + b"C2PA"
    + struct.pack("<I", len(JUMBF))
    + JUMBF,
    "TIFF": encode_image(TOY, "TIFF", tiffinfo={0xCD41: JUMBF}),
    "AVIF": encode_image(TOY, "AVIF")
    + pack_box(
        b"uuid", metadata_blocks.C2PA_BOX_UUID + bytes(4) + b"manifest\0" + bytes(8) + JUMBF
    ),
}


@pytest.mark.parametrize("format", CARRYING)
def test_content_credentials_are_noticed_without_their_package(format, monkeypatch):
    monkeypatch.setattr(content_credentials, "C2PA_PACKAGE", "no_such_package")
    (claim,) = provenance.read_claims(CARRYING[format])
    assert (claim.kind, claim.points_to) == ("content credentials", "")
    assert "not checked; pip install -r requirements-c2pa.txt" in claim.text


def test_other_jumbf_boxes_are_no_content_credentials():
    assert (
        provenance.read_claims(
            with_segment(0xEB, b"JP\0\1" + struct.pack(">I", 1) + JUMBF.replace(b"c2pa", b"jp36"))
        )
        == []
    )


def test_credentials_kept_elsewhere_are_named_and_not_looked_up():
    (claim,) = provenance.read_claims(
        encode_image(TOY, "JPEG", xmp=xmp('dcterms:provenance="http://127.0.0.1:9/manifest.c2pa"'))
    )
    assert claim.kind == "content credentials" and "not downloaded" in claim.text


@pytest.fixture(scope="module")
def sign():
    """A function that signs an image in the name of an invented organisation, as anybody can."""
    c2pa = pytest.importorskip("c2pa")
    x509 = pytest.importorskip("cryptography.x509")
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    now, day = datetime.datetime.now(datetime.UTC), datetime.timedelta(days=1)
    usage = (
        "digital_signature",
        "content_commitment",
        "key_encipherment",
        "data_encipherment",
        "key_agreement",
    )
    usage += ("key_cert_sign", "crl_sign", "encipher_only", "decipher_only")

    def certificate(name: str, key, issuer: str, issuer_key, own: str) -> bytes:
        organisation = [
            x509.Name(
                [
                    x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, each),
                    x509.NameAttribute(x509.NameOID.COMMON_NAME, each),
                ]
            )
            for each in (name, issuer)
        ]
        builder = x509.CertificateBuilder(
            organisation[1], organisation[0], key.public_key(), 7, now - day, now + day
        )
        for extension, critical in (
            (x509.BasicConstraints(ca=own == "key_cert_sign", path_length=None), True),
            (x509.KeyUsage(**{each: each == own for each in usage}), True),
            (x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.EMAIL_PROTECTION]), False),
            (x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False),
            (x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), False),
        ):
            builder = builder.add_extension(extension, critical)
        return builder.sign(issuer_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    root, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    chain = certificate("Toy Studio", key, "Toy Root", root, "digital_signature")
    chain += certificate("Toy Root", root, "Toy Root", root, "key_cert_sign")
    plain = (
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )

    def sign(image: Image.Image, format: str, *actions: dict) -> bytes:
        signer = c2pa.Signer.from_info(
            c2pa.C2paSignerInfo(c2pa.C2paSigningAlg.ES256, chain, key.private_bytes(*plain), None)
        )
        manifest = {
            "claim_generator_info": [{"name": "Toy generator", "version": "1"}],
            "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": list(actions)}}],
        }
        signed = io.BytesIO()
        c2pa.Builder(manifest).sign(
            signer, f"image/{format.lower()}", io.BytesIO(encode_image(image, format)), signed
        )
        return signed.getvalue()

    return sign


CREATED = {"action": "c2pa.created", "digitalSourceType": SOURCE_TYPE + "trainedAlgorithmicMedia"}


@pytest.mark.parametrize("format", CARRYING)
def test_signed_credentials_tell_signer_program_source_and_that_nobody_vouches(sign, format):
    (claim,) = provenance.read_claims(sign(TOY, format, CREATED))
    assert (claim.kind, claim.points_to) == ("content credentials", "generated")
    for words in (
        'by "Toy generator"',
        'in the name of "Toy Studio"',
        "made by a generative model",
        "fits",
        "was not checked",
    ):
        assert words in claim.text


def test_credentials_of_a_file_that_was_changed_since_point_to_nothing(sign):
    data = bytearray(sign(TOY, "JPEG", CREATED))
    data[-20] ^= 1
    (claim,) = provenance.read_claims(bytes(data))
    assert claim.points_to == "" and "does not fit" in claim.text


def test_damaged_credentials_are_said_to_be_unreadable():
    pytest.importorskip("c2pa")
    for data in CARRYING.values():
        (claim,) = provenance.read_claims(data)
        assert "cannot be read" in claim.text and claim.points_to == ""


# ---------------------------------------------------------------- hostile files


def test_strangers_words_are_short_on_one_line_and_steer_nothing():
    text = "nice\x1b[31m\u202e face\"\n\ncan't" + "x" * 5000
    (claim,) = provenance.read_claims(png(parameters=WEBUI.replace('a "tall" woman', text)))
    assert len(claim.text) < 400 and claim.text.isprintable() and claim.text.count('"') == 4
    assert "[31m face'" in claim.text and "..." in claim.text
    assert (
        provenance.read_claims(png(parameters=WEBUI.replace("Seed: 42", "Seed: 42<b>")))[
            0
        ].text.count("42")
        == 0
    )


def test_a_file_full_of_claims_is_cut():
    history = "".join(f'<rdf:li xmp:softwareAgent="Adobe Photoshop {n}"/>' for n in range(500))
    history += "".join(f"<xmp:DigitalSourceType>{n}</xmp:DigitalSourceType>" for n in range(500))
    segments = [xmp("", history)] + [
        xmp(f'xmp:CreatorTool="Tool {n}" xmp:AISystemUsed="Model {n}"') for n in range(30)
    ]
    data = encode_image(TOY, "JPEG")
    for packet in segments:
        content = b"http://ns.adobe.com/xap/1.0/\0" + packet
        data = data[:2] + b"\xff\xe1" + struct.pack(">H", len(content) + 2) + content + data[2:]
    assert 1 < len(provenance.read_claims(data)) <= provenance.MAX_CLAIMS


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's, about damaged EXIF
@pytest.mark.parametrize("name", [*GENERATORS, *OLDER, *CARRYING])
def test_damaged_files_raise_nothing(name):
    data = GENERATORS.get(name) or CARRYING.get(name) or OLDER[name][0]
    rng = random.Random(name)
    for _ in range(80):
        broken = bytearray(data[: rng.randrange(1, len(data))] if rng.random() < 0.3 else data)
        for _ in range(rng.randrange(8)):
            broken[rng.randrange(min(600, len(broken)))] = rng.randrange(256)
        assert all(
            isinstance(claim, Claim) and claim.text.isprintable()
            for claim in provenance.read_claims(bytes(broken))
        )


def test_what_stands_before_the_damage_is_told():
    data = encode_image(
        TOY, "JPEG", exif=exif(Make="Canon", Model="Canon EOS 5D"), xmp=declared("digitalCapture")
    )
    assert len(provenance.read_claims(data)) == 2
    assert [
        claim.kind
        for claim in provenance.read_claims(data[: data.index(b"http://ns.adobe.com") + 20])
    ] == ["camera"]
    cut = xmp(
        f'xmp:CreatorTool="GIMP 3" Iptc4xmpExt:DigitalSourceType="{SOURCE_TYPE}composite"',
        "<dc:title>",
    )
    assert [
        claim.points_to for claim in provenance.read_claims(encode_image(TOY, "JPEG", xmp=cut))
    ] == ["edited", "edited"]
