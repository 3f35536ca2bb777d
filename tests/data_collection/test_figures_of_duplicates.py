"""Near-duplicates are shown side by side, those of the hold-out never."""

import io
from dataclasses import replace

from PIL import Image

from data_collection import data_looks, figures_of_duplicates
from toy_records import faces


def test_near_duplicates_are_shown_in_strips_but_none_of_the_hold_out(tmp_path):
    records = [replace(r, phash="ffff0000ffff0000", phash_mirrored="0f0f0f0f0f0f0f0f") for r in faces(tmp_path, 6)]
    groups = figures_of_duplicates.near_groups(records)
    assert [len(group) for group in groups] == [10] and all(record.split != "hold-out" for record in groups[0])
    (strip,) = figures_of_duplicates.near_duplicates(tmp_path, records)
    step = data_looks.FACE_SIDE + 4
    image = Image.open(io.BytesIO(strip.png)).convert("RGBA")
    assert image.size == (6 * step - 4, step - 4) and image.getpixel((step - 2, 5))[3] == 0
    bars = {image.getpixel((place * step + 50, step - 6))[:3] for place in range(6)}
    assert bars <= {(0, 114, 178), (213, 94, 0)} and len(bars) == 2
