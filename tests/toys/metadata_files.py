"""Images with metadata, as programs and cameras write it."""

import json
import struct
import zlib

from PIL import Image, PngImagePlugin

from toys.images import encode_image, make_image

TOY = make_image(1, 32)
SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/"
WEBUI = (
    'a portrait of a "tall" woman\nNegative prompt: hat\n'
    "Steps: 20, Sampler: Euler a, CFG scale: 7, Seed: 42, Size: 512x512, Model hash: 0c1d, "
    "Model: some_v14, Version: v1.10.1"
)
COMFY = {
    "3": {
        "class_type": "KSampler",
        "inputs": {"seed": 42, "positive": ["7", 0], "negative": ["8", 0], "model": ["4", 0]},
    },
    "4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "some_v14.safetensors"}},
    "7": {"class_type": "FluxGuidance", "inputs": {"guidance": 3.5, "conditioning": ["6", 0]}},
    "8": {
        "class_type": "CLIPTextEncode",
        "inputs": {"text": "a hat, and a long list of other things", "clip": ["4", 1]},
    },
    "6": {"class_type": "CLIPTextEncode", "inputs": {"text": "a portrait", "clip": ["4", 1]}},
}
JOB = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"
SETTINGS_TEXT = 'prompt "a portrait", seed 42, model "some_v14"'


def png(**texts: str) -> bytes:
    info = PngImagePlugin.PngInfo()
    for name, text in texts.items():
        info.add_text(name.replace("__", "-"), text)
    return encode_image(TOY, "PNG", pnginfo=info)


def exif(**tags: object) -> Image.Exif:
    names = {"ImageDescription": 0x010E, "Make": 0x010F, "Model": 0x0110, "Software": 0x0131}
    block = Image.Exif()
    for name, value in tags.items():
        if name == "UserComment":
            block.get_ifd(0x8769)[0x9286] = value
        else:
            block[names[name]] = value
    return block


def xmp(attributes: str = "", elements: str = "") -> bytes:
    spaces = {
        "Iptc4xmpExt": "http://iptc.org/std/Iptc4xmpExt/2008-02-29/",
        "xmp": "http://ns.adobe.com/xap/1.0/",
        "photoshop": "http://ns.adobe.com/photoshop/1.0/",
        "dc": "http://purl.org/dc/elements/1.1/",
        "dcterms": "http://purl.org/dc/terms/",
        "exif": "http://ns.adobe.com/exif/1.0/",
    }
    prefixes = " ".join(f'xmlns:{prefix}="{address}"' for prefix, address in spaces.items())
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
        '<x:xmpmeta xmlns:x="adobe:ns:meta/">'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        f'<rdf:Description rdf:about="" {prefixes} {attributes}>{elements}</rdf:Description>'
        "</rdf:RDF></x:xmpmeta>"
        '<?xpacket end="w"?>'
    ).encode()


def declared(term: str) -> bytes:
    return xmp(f'Iptc4xmpExt:DigitalSourceType="{SOURCE_TYPE}{term}"')


def box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", 8 + len(content)) + kind + content


JUMBF = box(
    b"jumb",
    box(b"jumd", bytes.fromhex("63327061001100108000 00AA00389B71") + b"\x03c2pa\0")
    + box(b"cbor", b"\xa0"),
)


def with_segment(marker: int, content: bytes) -> bytes:
    data = encode_image(TOY, "JPEG")
    return (
        data[:2] + bytes([0xFF, marker]) + struct.pack(">H", len(content) + 2) + content + data[2:]
    )


def chunk(kind: bytes, content: bytes) -> bytes:
    return (
        struct.pack(">I", len(content))
        + kind
        + content
        + struct.pack(">I", zlib.crc32(kind + content))
    )


def with_chunk(kind: bytes, content: bytes, at_end: bool = False) -> bytes:
    data = encode_image(TOY)
    position = len(data) - 12 if at_end else 33
    return data[:position] + chunk(kind, content) + data[position:]


def iptc(**records: str) -> bytes:
    numbers = {"program": 65, "credit": 110}
    dataset = b"".join(
        b"\x1c\x02" + struct.pack(">BH", numbers[name], len(text)) + text.encode()
        for name, text in records.items()
    )
    return (
        b"Photoshop 3.0\0"
        + b"8BIM\x04\x04\0\0"
        + struct.pack(">I", len(dataset))
        + dataset
        + b"\0" * (len(dataset) % 2)
    )


GENERATORS = {
    "Stable Diffusion WebUI": png(parameters=WEBUI),
    "ComfyUI": png(
        prompt=json.dumps(COMFY), workflow=json.dumps({"nodes": [{"id": 1}], "links": []})
    ),
    "InvokeAI": png(
        invokeai_metadata=json.dumps(
            {"positive_prompt": "a portrait", "seed": 42, "model": {"name": "some_v14"}}
        ),
        invokeai_graph="{}",
    ),
    "NovelAI": png(
        Software="NovelAI",
        Source="NovelAI Diffusion V4",
        Comment=json.dumps({"prompt": "a portrait", "seed": 42, "uc": "hat", "model": "some_v14"}),
    ),
    "Fooocus": png(
        fooocus_scheme="fooocus",
        parameters=json.dumps({"prompt": "a portrait", "seed": 42, "base_model": "some_v14"}),
    ),
    "SwarmUI": png(
        parameters=json.dumps(
            {"sui_image_params": {"prompt": "a portrait", "seed": 42, "model": "some_v14"}}
        ),
    ),
    "Easy Diffusion": encode_image(
        TOY,
        "JPEG",
        exif=exif(
            UserComment=b"ASCII\0\0\0"
            + json.dumps(
                {"prompt": "a portrait", "seed": 42, "use_stable_diffusion_model": "some_v14"}
            ).encode()
        ),
    ),
    "Draw Things": encode_image(
        TOY,
        "JPEG",
        xmp=xmp(
            'xmp:CreatorTool="Draw Things"',
            "<exif:UserComment><rdf:Alt><rdf:li>"
            + json.dumps({"c": "a portrait", "seed": 42, "model": "some_v14"})
            + "</rdf:li></rdf:Alt></exif:UserComment>",
        ),
    ),
}
"""Files by the generator that their settings name."""

OLDER = {
    "InvokeAI's command line": (
        png(Dream='"a portrait" -s 50 -S 42 -W512 -H512 -C7.5 -A k_lms'),
        'InvokeAI: prompt "a portrait"',
    ),
    "InvokeAI's first JSON": (
        png(
            **{
                "sd__metadata": json.dumps(
                    {"image": {"prompt": [{"prompt": "a portrait"}], "seed": 42}}
                )
            }
        ),
        'InvokeAI: prompt "a portrait", seed 42',
    ),
    "Fooocus in the notation of others": (
        png(fooocus_scheme="a1111", parameters=WEBUI.replace("v1.10.1", "Fooocus v2.5.0")),
        "Its metadata names Fooocus: prompt \"a portrait of a 'tall' woman\", seed 42",
    ),
    "ComfyUI in WEBP": (
        encode_image(
            TOY,
            "WEBP",
            exif=exif(Make='workflow:{"nodes": []}', Model="prompt:" + json.dumps(COMFY)),
        ),
        'ComfyUI: prompt "a portrait", seed 42',
    ),
    "WebUI in JPEG, big-endian": (
        encode_image(TOY, "JPEG", exif=exif(UserComment=b"UNICODE\0" + WEBUI.encode("utf-16-be"))),
        "Stable Diffusion WebUI: prompt \"a portrait of a 'tall' woman\"",
    ),
    "WebUI in WEBP, little-endian": (
        encode_image(TOY, "WEBP", exif=exif(UserComment=b"UNICODE\0" + WEBUI.encode("utf-16-le"))),
        "seed 42",
    ),
    "Midjourney": (
        png(Description=f"a portrait --v 6.1 Job ID: {JOB}", Author="somebody"),
        'Midjourney: prompt "a portrait --v',
    ),
    "Midjourney in XMP": (
        encode_image(
            TOY,
            "JPEG",
            xmp=xmp(
                "",
                f"<dc:description><rdf:Alt><rdf:li>a face Job ID: {JOB}</rdf:li></rdf:Alt>"
                "</dc:description>",
            ),
        ),
        'Midjourney: prompt "a face"',
    ),
    "Flux": (
        encode_image(
            TOY,
            "JPEG",
            exif=exif(
                Software="AI generated;txt2img;flux", Make="Black Forest Labs", Model="flux-dev"
            ),
        ),
        'Its metadata names a generator as its camera: "Black Forest Labs flux-dev"',
    ),
    "Google": (
        encode_image(TOY, "JPEG", xmp=xmp('photoshop:Credit="Made with Google AI"')),
        "an image model of Google",
    ),
    "Firefly": (
        encode_image(TOY, "WEBP", xmp=xmp('xmp:CreatorTool="Adobe Firefly 3"')),
        "names Adobe Firefly",
    ),
    "an AI system": (
        encode_image(TOY, "JPEG", xmp=xmp('Iptc4xmpExt:AISystemUsed="Some Model 2"')),
        'made it: "Some Model 2"',
    ),
}
"""Files in other ways of naming a generator, with a part of the claim that follows from each."""
