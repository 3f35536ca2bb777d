"""The study of copies counts what is missed, and what is tied to a picture that is no copy."""

import numpy as np

from benchmarks.studies import copies
from data_collection.dataset import near_duplicates
from toys.images import draw_face

RECORDS = [copies.make_record(str(seed), "faces", str(seed), draw_face(seed)) for seed in range(6)]


def test_a_copy_that_is_found_is_neither_missed_nor_misled():
    cropped = [
        copies.make_record(str(seed), "copies", "", copies.crop_sides(draw_face(seed), 0.05))
        for seed in (4, 2)
    ]
    finds = copies.look_for_copies(
        near_duplicates.find_near_duplicates_between, cropped, RECORDS, [4, 2], set()
    )
    assert (finds.missed, finds.misled) == (0, 0)


def test_a_copy_is_misled_unless_its_original_has_that_near_duplicate():
    def find(made, pictures):
        return np.array([[0, 4], [0, 1], [1, 3]])

    def look(known_pairs):
        return copies.look_for_copies(find, RECORDS[:2], RECORDS, [4, 2], known_pairs)

    assert look(set()) == copies.Finds(missed=0.5, misled=1.0)
    assert look({(1, 4)}) == copies.Finds(missed=0.5, misled=0.5)


def test_both_passes_are_timed_on_as_many_pictures_as_asked_for(capsys):
    copies.time_passes(RECORDS, 5, 0)
    assert "for 5 blends of two pictures" in capsys.readouterr().err
