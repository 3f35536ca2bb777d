"""Near-duplicates are shown side by side, those of the hold-out never."""

import io
from dataclasses import replace

from PIL import Image

from data_collection.audit_report import duplicates, image_statistics
from toys.face_records import write_toy_records


def test_near_duplicates_are_shown_in_strips_but_none_of_the_hold_out(tmp_path):
    records = [
        replace(r, phash="ffff0000ffff0000", phash_mirrored="0f0f0f0f0f0f0f0f")
        for r in write_toy_records(tmp_path, 6)
    ]
    groups = duplicates.find_near_duplicate_groups(records)
    assert [len(group) for group in groups] == [10] and all(
        record.split != "hold-out" for record in groups[0]
    )
    (strip,) = duplicates.render_near_duplicates(tmp_path, records)
    step = image_statistics.THUMBNAIL_SIDE_PX + 4
    image = Image.open(io.BytesIO(strip.png)).convert("RGBA")
    assert image.size == (6 * step - 4, step - 4) and image.getpixel((step - 2, 5))[3] == 0
    bars = {image.getpixel((index * step + 50, step - 6))[:3] for index in range(6)}
    assert bars <= {(0, 114, 178), (213, 94, 0)} and len(bars) == 2
