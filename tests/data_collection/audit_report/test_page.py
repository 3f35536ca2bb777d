"""One page that needs nothing but itself, shows both classes, escapes what strangers wrote, and
never touches the hold-out."""

import base64
import html.parser
import io
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from data_collection.audit.audit import Audit, SizeAudit
from data_collection.audit.probes import ProbeResult
from data_collection.audit_report import figures, tables
from data_collection.audit_report.page import build_probe_tiers, write_audit_page
from data_collection.dataset import manifest
from data_collection.dataset.manifest import FaceRecord
from runtime import console
from runtime.plotting import ReportFigure
from toys.accessibility import find_accessibility_faults
from toys.face_records import write_toy_record, write_toy_records

HOSTILE = "<script>alert(1)</script>"
PROMPT = 'a "face" & <b>smile</b> \N{GRINNING FACE}'


def probe(name: str, tier: int = 1, auc: float = 0.75, status: str = "RED") -> ProbeResult:
    return ProbeResult(
        name=name,
        tier=tier,
        auc=auc,
        low=auc - 0.05,
        high=auc + 0.05,
        best_single="bytes: more in the generated images (AUC 0.70)",
        status=status,
    )


def audit(file_differences: list[str] | None = None, **changes: object) -> Audit:
    """Return a toy audit of one size; `changes` are of its SizeAudit, but for `as_collected`."""
    collected = [probe("container", auc=0.95), probe("colour", 3, status="WARN")]
    collected = changes.pop("as_collected", collected)
    of_size = SizeAudit(
        size=64,
        status="AMBER",
        sentence="Chance is not shown.",
        as_trained=[probe("colour", 3, 0.65, "reported"), probe("spectrum", 4, 0.85, "reported")],
        placebo=[probe("photographs, one history or the other", auc=0.52, status="GREEN")],
        confirmations=[],
    )
    if file_differences is None:
        file_differences = ["100% of the generated images are PNG files, 0% of the photographs."]
    return Audit(
        sizes=[replace(of_size, **changes)],
        as_collected=collected,
        file_differences=file_differences,
        images={"real": 30, "generated": 30},
        groups={"real": 29, "generated": 28},
        fingerprint="0123abcd" * 8,
    )


class Page(html.parser.HTMLParser):
    """A parsed page: its elements, the rows of its tables, and its text."""

    def __init__(self, path: Path):
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.rows: list[str] = []
        self.text = ""
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag == "tr":
            self.rows.append("")

    def handle_data(self, data):
        words = "".join(f"{word} " for word in data.split())
        self.text += words
        if self.rows:
            self.rows[-1] += words

    @property
    def tags(self) -> set[str]:
        return {tag for tag, _ in self.elements}

    @property
    def pngs(self) -> dict[str, bytes]:
        figures = [attributes["id"] for tag, attributes in self.elements if tag == "figure"]
        sources = [attributes["src"] for tag, attributes in self.elements if tag == "img"]
        return {
            name: base64.b64decode(source.partition(",")[2])
            for name, source in zip(figures, sources, strict=True)
        }

    def find_row(self, start: str) -> str:
        return next(row for row in self.rows if row.startswith(start))


@pytest.fixture(scope="module")
def dataset(tmp_path_factory) -> tuple[Path, list[FaceRecord]]:
    folder = tmp_path_factory.mktemp("data") / "toys"
    return folder, write_toy_records(folder, 48)


@pytest.fixture(scope="module")
def report_figures(dataset) -> list[ReportFigure]:
    return figures.render_figures(*dataset)


@pytest.fixture(scope="module")
def page_path(dataset, report_figures) -> Path:
    return write_audit_page(*dataset, audit(), report_figures)


def write_without_figures(folder: Path, records: Sequence[FaceRecord], **changes: object) -> Page:
    return Page(write_audit_page(folder, records, audit(**changes), []))


def test_the_page_asks_for_nothing_from_outside(page_path):
    page = Page(page_path)
    assert not page.tags & {"script", "link", "iframe", "object", "embed", "form", "base"}
    targets = [
        value
        for _, attributes in page.elements
        for name, value in attributes.items()
        if name in ("src", "href")
    ]
    assert targets and all(target.startswith(("data:image/png;base64,", "#")) for target in targets)
    style = re.search(r"<style>(.*)</style>", page_path.read_text(), re.DOTALL)[1]
    assert "url(" not in style and "@import" not in style
    assert "default-src 'none'" in next(
        a["content"] for t, a in page.elements if t == "meta" and "http-equiv" in a
    )


def test_a_browser_shows_every_picture_and_a_phone_needs_no_sideways_scrolling(page_path, browser):
    tab = browser.new_page(viewport={"width": 360, "height": 700}, java_script_enabled=True)
    urls, messages = [], []
    tab.on("request", lambda request: urls.append(request.url[:40]))
    tab.on("console", lambda message: messages.append(message.text))
    tab.goto(page_path.as_uri())
    widths = tab.evaluate("[...document.images].map(image => image.naturalWidth)")
    page_width = tab.evaluate("document.documentElement.scrollWidth")
    assert find_accessibility_faults(tab) == []
    tab.close()
    assert len(widths) == len(Page(page_path).pngs) and min(widths) > 0
    assert page_width <= 360 and messages == []
    assert all(url.startswith(("file:", "data:")) for url in urls)


def test_every_figure_is_a_png_with_a_title_and_a_caption_and_stands_on_the_page(
    report_figures, page_path
):
    page = Page(page_path)
    assert {figure.name: figure.png for figure in report_figures} == page.pngs
    for figure in report_figures:
        assert figure.title in page.text and " ".join(figure.caption.split()) in page.text
        assert len(figure.caption) > 40
        assert Image.open(io.BytesIO(figure.png)).format == "PNG"


def test_the_page_stays_under_five_megabytes(page_path):
    assert page_path.stat().st_size < 5_000_000


def test_no_file_of_the_hold_out_is_opened(tmp_path):
    records = write_toy_records(tmp_path, 12)
    for record in manifest.select_accepted(records, "hold-out"):
        (tmp_path / record.original).unlink()
        (tmp_path / record.image).unlink()
    page = Page(write_audit_page(tmp_path, records, audit()))
    assert {"faces-real", "faces-generated", "spectrum-difference", "sizes"} <= page.pngs.keys()
    assert (
        "near-duplicates" not in page.pngs and "No two images of train and validation" in page.text
    )


def test_facts_of_the_hold_out_are_not_shown(tmp_path):
    held = write_toy_record(
        tmp_path,
        0,
        "generated",
        "hold-out",
        prompt="a secret",
        attributes={"age": "99"},
        drawn_with={"steps": 77},
    )
    shown = write_toy_record(
        tmp_path,
        1,
        "generated",
        "train",
        prompt="a known face",
        attributes={"age": "24"},
        drawn_with={"steps": 25},
    )
    page = write_without_figures(tmp_path, [held, shown])
    assert "a known face" in page.text and "24" in page.text and "steps 25" in page.text
    assert "secret" not in page.text and "99" not in page.text and "77" not in page.text


def test_a_missing_original_of_train_is_reported_in_one_sentence(tmp_path):
    record = write_toy_record(tmp_path, 0, "real", "train")
    (tmp_path / record.original).unlink()
    with pytest.raises(console.PlainError, match="is missing; restore it"):
        write_audit_page(tmp_path, [record], audit())


def test_a_missing_canonical_picture_is_reported_in_one_sentence(tmp_path):
    record = write_toy_record(tmp_path, 0, "real", "train")
    (tmp_path / record.image).unlink()
    with pytest.raises(console.PlainError, match="is missing or damaged; restore it"):
        write_audit_page(tmp_path, [record], audit())


def test_one_class_without_a_picture_leaves_a_page_without_its_grid(tmp_path):
    records = [write_toy_record(tmp_path, number, "real", "train") for number in range(3)]
    page = Page(write_audit_page(tmp_path, records, audit()))
    assert "faces-real" in page.pngs and "faces-generated" not in page.pngs
    assert "No generated image is in train or validation." in page.text


def test_an_empty_data_set_still_has_a_page(tmp_path):
    assert (
        "What this page cannot tell"
        in Page(write_audit_page(tmp_path, [], audit(placebo=[], file_differences=[]))).text
    )


def test_what_strangers_wrote_is_shown_as_they_wrote_it_and_never_as_markup(tmp_path):
    facts = {
        "source": HOSTILE,
        "prompt": PROMPT,
        "attributes": {HOSTILE: PROMPT},
        "drawn_with": {HOSTILE: PROMPT},
    }
    accepted = replace(write_toy_record(tmp_path, 0, "generated", "train"), **facts)
    rejected = FaceRecord(
        id="0" * 64,
        label="real",
        source=HOSTILE,
        file="x",
        status="rejected",
        reason=f"{HOSTILE}: unreadable",
    )
    page = write_without_figures(
        tmp_path / HOSTILE.replace("/", "|"),
        [accepted, rejected],
        sentence=HOSTILE,
        file_differences=[PROMPT],
    )
    assert "script" not in page.tags
    assert all("alert" not in str(attributes) for _, attributes in page.elements)
    assert page.text.count(HOSTILE) >= 6
    assert page.text.count(PROMPT) >= 4


def test_a_name_that_is_no_utf8_does_not_stop_the_page(tmp_path):
    record = replace(write_toy_record(tmp_path, 0, "generated", "train"), source="caf\udce9")
    assert "caf?" in write_without_figures(tmp_path, [record]).text


def test_data_without_attributes_prompts_or_settings_says_so(tmp_path):
    page = write_without_figures(tmp_path, write_toy_records(tmp_path, 6))
    assert "Nothing is recorded about what the prompts ask for" in page.text
    assert "Nothing is recorded about how these were generated." in page.text


def test_attributes_are_counted_and_rare_values_summed_up(tmp_path):
    ages = [str(20 + number) for number in range(15)] + ["20"] * 3
    records = [
        replace(write_toy_record(tmp_path, n, "generated", "train"), attributes={"age": age})
        for n, age in enumerate(ages)
    ]
    tally = tables.tally_attributes(records)[0]
    assert tally.name == "age" and tally.values[0] == ("20", 4)
    assert len(tally.values) == tables.MAX_ATTRIBUTE_VALUES and tally.n_omitted == 3
    assert "and 3 rarer values" in write_without_figures(tmp_path, records).text


def test_settings_that_differ_between_images_are_summarised_by_their_number(tmp_path):
    records = [
        replace(
            write_toy_record(tmp_path, n, "generated", "train"),
            seed=n,
            drawn_with={"steps": 25, "versions": {"torch": "2.13"}},
        )
        for n in range(5)
    ]
    assert dict(tables.describe_generation(records)[0].facts) == {
        "seed": "5 different values",
        "steps": "25",
        "versions.torch": "2.13",
    }


def test_the_table_of_sources_counts_refusals_by_reason_and_images_by_split(tmp_path):
    records = write_toy_records(tmp_path, 6)
    copies = [
        FaceRecord(
            id="0" * 64,
            label="real",
            source="a folder",
            file=f"copy {n}",
            status="rejected",
            reason=f"duplicate of {n}.jpg",
        )
        for n in range(2)
    ]
    row = tables.build_source_rows([*records, *copies])[0]
    assert (row.n_found, row.n_accepted, row.n_groups) == (8, 6, 6)
    assert row.rejections == [("duplicate", 2)]
    assert row.n_by_split == {"train": 4, "validation": 1, "hold-out": 1}
    page = write_without_figures(tmp_path, [*records, *copies])
    assert "a folder real 8 6 2 duplicate 6 4 1 1" in page.find_row("a folder real")
    assert "exact copies, left out 2" in page.text


def test_groups_are_counted_by_split_class_and_size(tmp_path):
    records = write_toy_records(tmp_path, 6)
    joined = [
        replace(record, group="one")
        if record.label == "real" and record.split == "train"
        else record
        for record in records
    ]
    assert tables.count_split_members(joined)[:2] == [
        ("train", "real", 1, 4),
        ("train", "generated", 4, 4),
    ]
    assert tables.count_group_sizes(joined) == [
        ("1 image", 8, 8),
        ("2 to 4", 1, 4),
        ("5 to 19", 0, 0),
        ("20 and more", 0, 0),
    ]


def test_a_quarantine_has_its_own_column_if_there_is_one(tmp_path):
    records = write_toy_records(tmp_path, 6)
    assert write_without_figures(tmp_path, records).rows[0].endswith("train validation hold-out ")
    assert (
        write_without_figures(tmp_path, [replace(records[0], split="quarantine"), *records[1:]])
        .rows[0]
        .endswith("hold-out quarantine ")
    )


def test_groups_of_near_duplicates_that_hold_both_classes_are_counted(tmp_path):
    records = [
        replace(r, phash="ffff0000ffff0000", phash_mirrored="0f0f0f0f0f0f0f0f")
        for r in write_toy_records(tmp_path, 6)
    ]
    assert "groups that hold both classes 1" in write_without_figures(tmp_path, records).text


def test_a_probe_as_collected_stands_beside_itself_as_trained(tmp_path):
    page = write_without_figures(tmp_path, [])
    assert page.find_row("colour").startswith("colour 0.75 (0.70 to 0.80) WARN")
    assert "0.65 (0.60 to 0.70) reported" in page.find_row("colour")
    assert page.find_row("container").endswith("gone: training sees no file ")
    assert "measured after preparation only" in page.find_row("spectrum")
    assert [tier.number for tier in build_probe_tiers(audit())] == [1, 3, 4]


def test_every_size_has_a_banner_and_a_column(tmp_path):
    (small,) = audit().sizes
    large = replace(small, size=128, status="RED", as_trained=[probe("colour", 3, 0.99, "AMBER")])
    both = replace(audit(), sizes=[small, large])
    page = Page(write_audit_page(tmp_path, [], both, []))
    assert "as trained, 64 px" in page.text and "as trained, 128 px" in page.text
    assert "AMBER at 64 px" in page.text and "RED at 128 px" in page.text
    assert "0.65" in page.find_row("colour") and "0.99" in page.find_row("colour")


def test_the_interval_is_drawn_on_an_axis_from_a_half_to_one(tmp_path):
    lost = replace(probe("container", auc=0.45, status="too few"), low=0.2, high=1.0)
    page = write_without_figures(
        tmp_path, [], as_collected=[probe("container")], as_trained=[lost], placebo=[]
    )
    dots = [attributes["cx"] for tag, attributes in page.elements if tag == "circle"]
    lines = [
        attributes["d"] for tag, attributes in page.elements if attributes.get("class") == "range"
    ]
    limits = {
        attributes["d"] for tag, attributes in page.elements if attributes.get("class") == "limit"
    }
    assert dots == ["60.0", "6.0"] and limits == {"M27.6 1V19"}
    assert lines == ["M49.2 10H70.8", "M6.0 10H114.0"]


@pytest.mark.parametrize(
    ("status", "tone"),
    [("GREEN", "good"), ("AMBER", "doubt"), ("RED", "bad"), ("too few", "unknown")],
)
def test_the_banner_has_the_status_its_colour_and_the_sentence(tmp_path, status, tone):
    page = write_without_figures(tmp_path, [], status=status, sentence="What was found.")
    assert {"class": f"banner {tone}", "role": "status"} in [
        attributes for _, attributes in page.elements
    ]
    assert f"{status} at 64 px What was found." in page.text
