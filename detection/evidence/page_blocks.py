"""Read the texts of a page of evidence in their order, to draw them."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser

BLOCK_TAGS = ("h1", "h2", "strong", "p", "li", "dt", "dd", "tr", "pre", "title")
PICTURE_CLASS = "frame"
CELL_SEPARATOR = " | "


@dataclass(frozen=True)
class Block:
    """A text of the page with the tag of its element; "picture" is where the thumbnail stands."""

    tag: str
    text: str = ""


@dataclass
class _BlockParser(HTMLParser):
    blocks: list[Block] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._open: list[tuple[str, list[str]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in BLOCK_TAGS:
            self._open.append((tag, []))
        elif tag in ("td", "th") and self._open and self._open[-1][1]:
            self._open[-1][1].append(CELL_SEPARATOR)
        elif dict(attrs).get("class") == PICTURE_CLASS:
            self.blocks.append(Block("picture"))

    def handle_data(self, data: str) -> None:
        if self._open and (data.strip() or self._open[-1][0] != "tr"):
            self._open[-1][1].append(data)

    def handle_endtag(self, tag: str) -> None:
        if self._open and self._open[-1][0] == tag:
            text = "".join(self._open.pop()[1])
            lines = [" ".join(line.split(" ")) for line in text.strip().splitlines()]
            self.blocks.append(Block(tag, "\n".join(lines)))


def read_blocks(html: str) -> Iterator[Block]:
    """Yield the texts of a page."""
    parser = _BlockParser()
    parser.feed(html)
    return iter(parser.blocks)
