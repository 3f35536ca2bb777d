"""A data set is loaded whole, with a warning about sources that may be one."""

from dataclasses import replace

from toys.datasets import collect_records
from toys.source_records import make_source_records
from training import dataset


def load_with_names(tmp_path, renamed):
    folder = tmp_path / "many"
    records = [
        replace(record, source=renamed.get(record.source, record.source))
        for record in make_source_records(folder)
    ]
    collect_records(folder, records)
    dataset.load_dataset(tmp_path, folder)


def test_two_names_of_one_source_are_told(tmp_path, capsys):
    load_with_names(tmp_path, {"gan": "StyleGAN-2", "net": "stylegan2", "camera": "Stylegan 2"})
    error = " ".join(capsys.readouterr().err.split())
    assert "StyleGAN-2 and stylegan2 count as different sources. If they are one, collect" in error
    assert "Stylegan 2 and" not in error  # photographs


def test_different_names_are_not_told(tmp_path, capsys):
    load_with_names(tmp_path, {"gan": "stylegan2", "net": "stylegan3"})
    assert "count as different sources" not in capsys.readouterr().err
