"""Recognise videos by their first bytes: people give them where images are expected."""

import re

VIDEO_KINDS = {
    "an MP4 video": rb".{4}ftyp(?:iso\w|mp4\d|mp41|avc1|dash|M4V |M4VH|M4VP|MSNV|f4v |mmp4)",
    "a QuickTime video": rb".{4}(?:ftypqt  |moov|mdat|wide|(?:free|skip).{0,64}?mdat)",
    "a 3GP video": rb".{4}ftyp3g",
    "a WebM video": rb"\x1aE\xdf\xa3.{0,64}?webm",
    "a Matroska video": rb"\x1aE\xdf\xa3",
    "an AVI video": rb"RIFF.{4}AVI ",
    "a Windows Media video": rb"0&\xb2u\x8ef\xcf\x11",
    "a Flash video": rb"FLV\x01",
    "an MPEG video": rb"\0\0\x01[\xba\xb3]|G.{187}G.{187}G",
    "an Ogg video": rb"OggS",
    "a GIF animation": rb"GIF8.{0,900}?NETSCAPE2\.0",
}
"""Patterns of the first bytes."""


def explain_video(head: bytes) -> str:
    """Return that a file with these first bytes is a video, and what to do; else ""."""
    for name, pattern in VIDEO_KINDS.items():
        if re.match(pattern, head, re.DOTALL):
            return f"{name}, not an image; save a frame of it as PNG"
    return ""
