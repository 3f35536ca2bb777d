"""Read the table of a page of `--html`."""

import base64
import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path

CSV_LINK = re.compile(r'href="data:text/csv;charset=utf-8;base64,([^"]*)"')


@dataclass
class ShownPage:
    """The content of a page of `--html`.

    Attributes:
        rows: the cells of each row: picture, file, verdict, probability, notes.
        pictures: the thumbnail of each row; empty without one.
        text: everything that is not in the table.
        tags: names of all elements.
        csv: the file that it offers.
    """

    rows: list[list[str]] = field(default_factory=list)
    pictures: list[bytes] = field(default_factory=list)
    text: str = ""
    tags: list[str] = field(default_factory=list)
    csv: str = ""


class _Parser(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.page, self._is_body = ShownPage(), False

    def handle_starttag(self, tag, attrs) -> None:
        self.page.tags.append(tag)
        if tag == "tbody":
            self._is_body = True
        elif tag == "tr" and self._is_body:
            self.page.rows.append([])
            self.page.pictures.append(b"")
        elif tag in ("td", "th") and self._is_body:
            self.page.rows[-1].append("")
        elif tag == "img":
            data = dict(attrs)["src"].removeprefix("data:image/jpeg;base64,")
            self.page.pictures[-1] = base64.b64decode(data, validate=True)

    def handle_endtag(self, tag) -> None:
        if tag == "tbody":
            self._is_body = False

    def handle_data(self, data) -> None:
        if self._is_body and self.page.rows and self.page.rows[-1]:
            self.page.rows[-1][-1] += data.strip("\n")
        else:
            self.page.text += data


def read_page(path: Path) -> ShownPage:
    """Read a page of `--html`."""
    html = path.read_text(encoding="utf-8")
    parser = _Parser()
    parser.feed(html)
    (link,) = CSV_LINK.findall(html)
    parser.page.csv = base64.b64decode(link, validate=True).decode(errors="surrogateescape")
    return parser.page
