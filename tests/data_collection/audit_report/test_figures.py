"""The faces that are shown follow the seed; the hold-out changes no figure."""

from dataclasses import replace

from data_collection.audit_report import faces, figures, files
from data_collection.dataset import manifest
from toys.face_records import write_toy_record, write_toy_records


def test_the_same_seed_draws_the_same_pictures_and_another_seed_other_faces(tmp_path):
    records = write_toy_records(tmp_path, 24)
    photographs = [r for r in manifest.select_accepted(records, "train") if r.label == "real"]
    first, again, other = (
        [r.id for r in figures.sample_records(photographs, 8, seed)] for seed in (0, 0, 1)
    )
    assert first == again != other and len(set(first)) == 8
    grids = [faces.render_face_grid(tmp_path, "real", photographs[:8]) for _ in range(2)]
    assert grids[0] == grids[1]


def test_facts_of_the_hold_out_change_no_figure(tmp_path):
    held = write_toy_record(tmp_path, 0, "generated", "hold-out")
    shown = write_toy_record(tmp_path, 1, "generated", "train")
    pngs = {
        figure.name: figure.png
        for figure in figures.render_figures(tmp_path, [replace(held, width=5000), shown])
    }
    assert all(pngs[figure.name] == figure.png for figure in files.render_file_figures([shown]))
