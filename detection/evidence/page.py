"""The HTML page of evidence: what is shown is made of the record, which stands at its end as JSON.

A page is whole if it is, byte for byte, what its own record makes. Whoever alters both makes
another page of evidence, whose figures then do not repeat.
"""

import functools
import json
import shlex
from pathlib import Path

from detection.evidence.record import EvidenceRecord
from detection.output.faces import describe_box
from detection.output.probability import describe_probability
from detection.provenance.claims import CLAIMS_CAVEAT
from runtime import hashing, html_pages
from training.cuts.verdicts import VERDICTS

TEMPLATE_FILE = "evidence.html.jinja"

RECORD_START = '<script type="application/json" id="telltale-evidence">\n'
RECORD_END, PAGE_END = "\n</script>", "\n</body>\n</html>\n"

EXAMPLE_PAGE_NAME = "evidence.html"
"""Name of the page in the commands that it shows: it may have been renamed since."""

TARGET_OPTIONS = {
    "false_alarms": "--false-alarms",
    "misses": "--misses",
    "prevalence": "--prevalence",
    "calibration": "--calibration",
}


@functools.cache
def compute_layout_hash() -> str:
    """Return the hash of the template: pages of one record and one template are the same."""
    return hashing.hash_file(Path(__file__).with_name(TEMPLATE_FILE))


def render_page(record: EvidenceRecord) -> bytes:
    """Return the page of a record."""
    shown = render_shown_part(record)
    content = {
        "record": json.loads(record.encode()),
        "record_sha256": record.sha256,
        "shown_sha256": hashing.hash_bytes(shown.encode()),
    }
    block = json.dumps(content, sort_keys=True, separators=(",", ":"))
    # nothing of it may end the script element, whatever a file claims
    for character in "<>&":
        block = block.replace(character, f"\\u{ord(character):04x}")
    return (shown + RECORD_START + block + RECORD_END + PAGE_END).encode()


def render_shown_part(record: EvidenceRecord) -> str:
    """Return the page up to the JSON: everything that is shown."""
    detection = record.answer.to_detection()
    template = html_pages.load_template(Path(__file__).parent, TEMPLATE_FILE, box=describe_box)
    return template.render(
        record=record,
        words=VERDICTS,
        sentence=describe_probability(detection),
        several=len(record.answer.faces) + record.answer.passed_over > 1,
        caveat=CLAIMS_CAVEAT,
        judge_command=write_judge_command(record),
        verify_command=write_verify_command(record),
    )


def write_judge_command(record: EvidenceRecord) -> str:
    """Return the command that gives the same answer."""
    options = [
        word
        for name, flag in TARGET_OPTIONS.items()
        if (value := getattr(record.options, name)) not in (None, "")
        for word in (flag, repr(value) if isinstance(value, float) else value)
    ]
    any_picture = ["--any-picture"] * record.options.any_picture
    words = ["detect", _name_file(record), "--model", record.detector.name, *options, *any_picture]
    return shlex.join(["telltale", *words])


def write_verify_command(record: EvidenceRecord) -> str:
    """Return the command that checks the page."""
    return shlex.join(["telltale", "detect", "--verify", EXAMPLE_PAGE_NAME, _name_file(record)])


def _name_file(record: EvidenceRecord) -> str:
    name = record.picture.name
    return f"./{name}" if name.startswith("-") else name
