"""The faces that are shown follow the seed; the hold-out changes no figure."""

from dataclasses import replace

from data_collection import data_pictures, figures_of_faces, figures_of_files, manifest
from toy_records import face, faces


def test_the_same_seed_draws_the_same_pictures_and_another_seed_other_faces(tmp_path):
    records = faces(tmp_path, 24)
    mine = [r for r in manifest.accepted(records, "train") if r.label == "real"]
    first, again, other = ([r.id for r in data_pictures.sample(mine, 8, seed)] for seed in (0, 0, 1))
    assert first == again != other and len(set(first)) == 8
    assert figures_of_faces.faces(tmp_path, "real", mine[:8]) == figures_of_faces.faces(tmp_path, "real", mine[:8])


def test_facts_of_the_hold_out_change_no_figure(tmp_path):
    held = face(tmp_path, 0, "generated", "hold-out")
    shown = face(tmp_path, 1, "generated", "train")
    drawn = {each.name: each.png for each in data_pictures.pictures(tmp_path, [replace(held, width=5000), shown])}
    assert all(drawn[each.name] == each.png for each in figures_of_files.containers([shown]))
