"""PRINTERS: one row per output format."""

from collections.abc import Callable, Iterable, Iterator

from detection.detections import Detection
from detection.image_paths import ImageListing
from detection.output.csv_rows import print_csv
from detection.output.json_answers import print_json
from detection.output.table import print_table
from training.cuts.statement import DetectorStatement

Printer = Callable[[Iterable[Detection], ImageListing, DetectorStatement], Iterator[Detection]]

PRINTERS: dict[str, Printer] = {
    "json": print_json,
    "csv": print_csv,
    "table": print_table,
}
