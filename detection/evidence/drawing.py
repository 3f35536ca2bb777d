"""Draw a page of evidence as a PNG; it shows what the page shows, and cannot be checked itself."""

import functools
import io
from collections.abc import Iterator
from dataclasses import dataclass, field

from PIL import Image, ImageDraw, ImageFont, PngImagePlugin

from detection.evidence.page import render_shown_part
from detection.evidence.page_blocks import CELL_SEPARATOR, Block, read_blocks
from detection.evidence.record import EvidenceRecord
from training.cuts.verdicts import VERDICTS

PNG_MARK = b"Telltale evidence"

WIDTH_PX, MARGIN_PX, GAP_PX, LABEL_WIDTH_PX = 1240, 80, 12, 240

COLUMNS_PX = (0, 80, 280, 580)
"""Where the cells of a row of the table of faces begin."""

INK, QUIET, PAPER, SHADE = "#1d2126", "#56606a", "#ffffff", "#f4f6f8"
TONES = {"generated": "#d55e00", "real": "#0072b2", "abstain": "#f0b429"}

FONT_FILES = ("DejaVuSans.ttf", "NotoSans-Regular.ttf", "Arial.ttf", "LiberationSans-Regular.ttf")
"""Fonts with most letters, on one system or another; Pillow's own has those of English alone."""

UNCHECKED_NOTE = "This picture of the page cannot be checked; the page itself can."


@dataclass(frozen=True)
class TextStyle:
    """How the texts of one tag are drawn.

    Attributes:
        above_px: room above them.
        indent_px: from the margin.
    """

    size_px: int
    colour: str = INK
    above_px: int = 8
    indent_px: int = 0
    prefix: str = ""


STYLES = {
    "h1": TextStyle(38),
    "h2": TextStyle(28, above_px=34),
    "strong": TextStyle(38, above_px=30, indent_px=34),
    "p": TextStyle(22),
    "li": TextStyle(22, indent_px=24, prefix="- "),
    "dt": TextStyle(20, QUIET),
    "dd": TextStyle(20),
    "tr": TextStyle(20),
    "pre": TextStyle(20, above_px=14, indent_px=24),
}


@functools.cache
def load_font(size_px: int) -> ImageFont.FreeTypeFont:
    """Return a font for text of this size."""
    for name in FONT_FILES:
        try:
            return ImageFont.truetype(name, size_px)
        except OSError:
            continue
    return ImageFont.load_default(size_px)


def render_png(record: EvidenceRecord) -> bytes:
    """Return the page of a record as a PNG."""
    blocks = [block for block in read_blocks(render_shown_part(record)) if block.tag != "title"]
    sheet = Sheet(record)
    for block in [*blocks, Block("p", UNCHECKED_NOTE)]:
        sheet.add(block)
    info = PngImagePlugin.PngInfo()
    info.add_text("Software", PNG_MARK.decode())
    buffer = io.BytesIO()
    sheet.finish().save(buffer, "PNG", pnginfo=info)
    return buffer.getvalue()


@dataclass
class Sheet:
    """A picture of text that grows downwards."""

    record: EvidenceRecord
    image: Image.Image = field(default_factory=lambda: Image.new("RGB", (WIDTH_PX, 400), PAPER))
    y: int = MARGIN_PX
    _label_top: int = 0

    def add(self, block: Block) -> None:
        """Draw a block below what is there; the value of a label stands beside it."""
        if block.tag == "picture":
            self._paste_thumbnail()
            return
        style = STYLES[block.tag]
        left, width = MARGIN_PX + style.indent_px, WIDTH_PX - 2 * MARGIN_PX - style.indent_px
        if block.tag == "dt":
            self._label_top, width = self.y, LABEL_WIDTH_PX
        label_end = self.y
        if block.tag == "dd":
            left, width = left + LABEL_WIDTH_PX + GAP_PX, width - LABEL_WIDTH_PX - GAP_PX
            self.y = self._label_top
        start = self.y
        if block.tag == "tr":
            self._draw_row(block.text.split(CELL_SEPARATOR), style)
            return
        self._draw_text(style.prefix + block.text, style, left, width)
        if block.tag == "strong":
            tone = TONES[VERDICTS[self.record.answer.verdict].tone]
            ImageDraw.Draw(self.image).rectangle(
                (MARGIN_PX, start + style.above_px, MARGIN_PX + 14, self.y), fill=tone
            )
        self.y = max(self.y, label_end)

    def _draw_row(self, cells: list[str], style: TextStyle) -> None:
        top = self.y
        for cell, left in zip(cells, COLUMNS_PX, strict=False):
            self.y = top
            self._draw_text(cell, style, MARGIN_PX + left, WIDTH_PX)

    def _draw_text(self, text: str, style: TextStyle, left: int, width: int) -> None:
        font = load_font(style.size_px)
        self.y += style.above_px
        height = round(1.35 * style.size_px)
        for line in wrap_text(text, font, width):
            self._make_room(height)
            ImageDraw.Draw(self.image).text((left, self.y), line, style.colour, font)
            self.y += height

    def _paste_thumbnail(self) -> None:
        shown = draw_boxes(self.record)
        self.y += GAP_PX
        self._make_room(shown.height)
        self.image.paste(shown, (MARGIN_PX, self.y))
        self.y += shown.height + GAP_PX

    def _make_room(self, height: int) -> None:
        needed = self.y + height + MARGIN_PX
        if needed > self.image.height:
            taller = Image.new("RGB", (WIDTH_PX, needed + 1000), PAPER)
            taller.paste(self.image)
            self.image = taller

    def finish(self) -> Image.Image:
        """Return the picture without what is empty below."""
        return self.image.crop((0, 0, WIDTH_PX, self.y + MARGIN_PX))


def draw_boxes(record: EvidenceRecord) -> Image.Image:
    """Return the thumbnail with a box around every judged face."""
    picture = record.picture
    shown = Image.open(io.BytesIO(picture.thumbnail_jpeg)).convert("RGB")
    scale, font = shown.width / picture.width, load_font(18)
    pencil = ImageDraw.Draw(shown)
    for number, face in enumerate(record.answer.faces, 1):
        left, top, side = (scale * edge for edge in (face.box.left, face.box.top, face.box.width))
        colour = TONES[VERDICTS[face.verdict].tone] if face.verdict else QUIET
        pencil.rectangle((left, top, left + side, top + scale * face.box.height), None, colour, 3)
        if len(record.answer.faces) > 1:
            pencil.text(
                (left + 6, top + 4), f"{number}", INK, font, stroke_width=3, stroke_fill=PAPER
            )
    return shown


def wrap_text(text: str, font: ImageFont.FreeTypeFont, width: int) -> Iterator[str]:
    """Yield lines of at most `width` pixels; words that are wider are broken."""
    for paragraph in text.splitlines():
        line = ""
        for word in paragraph.split(" "):
            longer = f"{line} {word}" if line else word
            if font.getlength(longer) <= width:
                line = longer
                continue
            if line:
                yield line
            while font.getlength(word) > width:
                end = next(n for n in range(len(word), 0, -1) if font.getlength(word[:n]) <= width)
                yield word[:end]
                word = word[end:]
            line = word
        yield line
