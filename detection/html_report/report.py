"""Write the page of `--html`."""

import base64
import contextlib
import datetime
import hashlib
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

from detection import answer_log
from detection.detections import Detection, KnownAnswer, PreparedImage
from detection.html_report.rows import RowSpool
from detection.html_report.thumbnails import ThumbnailReader
from detection.html_report.unfinished_run import UnfinishedRun, open_unfinished_run
from detection.image_paths import ImageListing, LocatedImage
from detection.output import summary
from detection.predictor import Detector
from detection.provenance import claims
from runtime import atomic_files, console, hashing, html_pages

PAGE_BEGINNING = b"<!doctype html>"


class HtmlReport:
    """A page about many images.

    Args:
        path: of the page, which is written at the end.
        run: what has been done for it so far.
        spool: an empty temporary file.
    """

    def __init__(
        self,
        path: Path,
        run: UnfinishedRun,
        detector: Detector,
        listing: ImageListing,
        spool: BinaryIO,
    ):
        self.path, self.run, self.detector, self.listing = path, run, detector, listing
        self._reader = ThumbnailReader(detector, run.thumbnails)
        self._rows = RowSpool(spool, listing, detector.statement)
        self._has_claims = False

    @property
    def answers_path(self) -> Path:
        """File for the answers of this run; another detector's lie in another one."""
        header = answer_log.make_header(self.detector.card, self.detector.any_picture)
        key = hashing.hash_bytes(repr(sorted(header.items())).encode())[:16]
        return self.run.place_answers(key)

    def read_image(self, image: LocatedImage, known: Mapping[str, KnownAnswer]) -> PreparedImage:
        """Read an image, and keep its thumbnail; called in several threads."""
        return self._reader.read_image(image, known)

    def add(self, detection: Detection) -> None:
        """Add the row of an image."""
        self._rows.add(detection, self.run.thumbnails.read_base64(detection.sha256))
        self._has_claims = self._has_claims or bool(detection.claims)

    def write(self, totals: summary.Totals) -> None:
        """Write the page, whole or not at all."""
        temporary = self.run.page
        with temporary.open("w", encoding="utf-8", errors="replace") as file:
            file.writelines(self._render(totals))
        atomic_files.flush_to_disk(temporary)
        os.replace(temporary, self.path)

    def _render(self, totals: summary.Totals) -> Iterator[str]:
        folder, statement = Path(__file__).parent, self.detector.statement
        script = (folder / "picture_filter.js").read_text()
        total = totals.verdicts.total()
        hint = totals.without_face and not self.detector.any_picture
        return html_pages.load_template(folder, "report.html.jinja").generate(
            title=f"{total:,} {'picture' if total == 1 else 'pictures'} judged by Telltale",
            banner=self.detector.card.banner,
            counts=summary.list_counts(totals.verdicts),
            total=total,
            detector=summary.describe_detector(statement),
            worth=list(
                dict.fromkeys(
                    sentence
                    for each in (statement, *totals.list_statements_on_faces())
                    for sentence in each.list_sentences()
                )
            ),
            hint=summary.describe_any_picture_hint(totals.without_face) if hint else "",
            caveat=claims.CLAIMS_CAVEAT if self._has_claims else "",
            folder=console.sanitise_line(Path(self.listing.folder).name),
            date=f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d %H:%M} UTC",
            csv_name=f"{self.path.stem}.csv",
            csv=self._rows.iterate_csv(),
            rows=self._rows.iterate_html(),
            script=script,
            script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        )


@contextlib.contextmanager
def open_report(
    path: Path | None, detector: Detector, listing: ImageListing
) -> Iterator[HtmlReport | None]:
    """Open the page of a run, and go on with what an interrupted run has done; without a path
    there is none.

    Raises:
        PlainError: the path is that of something else, or another run is writing the same page.
    """
    if path is None:
        yield None
        return
    _check_path(path)
    with open_unfinished_run(path) as run, tempfile.TemporaryFile(dir=run.folder) as spool:
        yield HtmlReport(path, run, detector, listing, spool)


def _check_path(path: Path) -> None:
    if path.is_dir():
        raise console.PlainError(f"{path} is a folder. Give --html the name of a file.")
    if path.exists():
        with path.open("rb") as file:
            if file.read(len(PAGE_BEGINNING)).lower() not in (PAGE_BEGINNING, b""):
                raise console.PlainError(
                    f"{path} exists and is not a web page. Give --html another name."
                )
