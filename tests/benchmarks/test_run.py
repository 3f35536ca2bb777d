"""A run of the benchmarks keeps every figure that it measured, whatever fails or ends it."""

import functools
import json
from pathlib import Path

import pytest

from benchmarks import measuring, results_page, run
from benchmarks.measuring import Measurement
from benchmarks.run import BenchmarkPart
from runtime import console


def measure(folder: Path) -> list[Measurement]:
    return [Measurement("seconds", 2.5, "s", promised_max=3, repetitions=(2.5, 2.6))]


def fail(folder: Path) -> list[Measurement]:
    raise console.PlainError("The network is away. Try again.")


def interrupt(folder: Path) -> list[Measurement]:
    raise KeyboardInterrupt


@pytest.fixture
def files(tmp_path, monkeypatch) -> Path:
    monkeypatch.setattr(results_page, "RESULTS_FILE", tmp_path / "results.json")
    monkeypatch.setattr(results_page, "RESULTS_PAGE", tmp_path / "RESULTS.md")
    monkeypatch.setattr(run, "QUICK_PARTS", (BenchmarkPart("First", measure),))
    set_last_part(monkeypatch, fail)
    monkeypatch.setattr(run, "MAX_SPEED_DRIFT", 1000)
    measure_speed = functools.partial(measuring.measure_sgemm_gflops, side=64)
    monkeypatch.setattr(run, "measure_sgemm_gflops", measure_speed)
    return tmp_path


def set_last_part(monkeypatch, work) -> None:
    parts = (BenchmarkPart("Away", work), BenchmarkPart("Last", measure))
    monkeypatch.setattr(run, "FULL_PARTS", parts)


def read_figures(folder: Path) -> dict:
    return json.loads((folder / "results.json").read_text())["figures"]


def test_a_part_that_fails_is_named_and_the_others_are_measured(files, capsys):
    assert run.main(full=True) == 1
    assert "Away: failed, The network is away. Try again." in " ".join(
        capsys.readouterr().err.split()
    )
    assert list(read_figures(files)) == ["First", "Last"]
    page = (files / "RESULTS.md").read_text()
    assert "Not measured: Away (The network is away. Try again)." in page
    assert page.count("| seconds | 2.5 s | at most 3 | yes |") == 2


def test_a_part_that_failed_is_measured_alone_and_the_rest_is_kept(files, monkeypatch):
    run.main(full=True)
    set_last_part(monkeypatch, measure)
    assert run.main(again="Away") == 0
    assert sorted(read_figures(files)) == ["Away", "First", "Last"]
    page = (files / "RESULTS.md").read_text()
    assert "Not measured" not in page and "Measured again, alone (`--again`): Away" in page
    set_last_part(monkeypatch, fail)
    assert run.main(again="Away") == 1
    assert sorted(read_figures(files)) == ["Away", "First", "Last"]


def test_figures_before_an_interruption_are_kept(files, monkeypatch):
    set_last_part(monkeypatch, interrupt)
    with pytest.raises(KeyboardInterrupt):
        run.main(full=True)
    assert list(read_figures(files)) == ["First"]
    assert not (files / "RESULTS.md").exists()
    with pytest.raises(console.PlainError, match="no figures of --full of this version"):
        run.main(again="Last")


def test_a_run_that_was_interrupted_after_its_last_part_is_not_updated(files, monkeypatch):
    run.main(full=True)
    saved = json.loads((files / "results.json").read_text())
    (files / "results.json").write_text(json.dumps(saved | {"sgemm_gflops": {}}))
    with pytest.raises(console.PlainError, match="Run --full first"):
        run.main(again="Last")


def test_a_machine_whose_speed_changed_keeps_its_figures_from_the_page(files, monkeypatch, capsys):
    monkeypatch.setattr(run, "MAX_SPEED_DRIFT", -1)
    assert run.main(full=True) == console.EXIT_USAGE
    assert "its figures are in benchmarks/results.json only" in " ".join(
        capsys.readouterr().err.split()
    )
    assert list(read_figures(files)) == ["First", "Last"]
    assert not (files / "RESULTS.md").exists()


def test_the_page_says_on_what_machine_under_what_load_with_what_versions(files):
    run.main(full=True)
    line = (files / "RESULTS.md").read_text().splitlines()[4]
    machine = json.loads((files / "results.json").read_text())["machine"]
    assert line.startswith(f"{machine['processor']}, {machine['cores']} cores, ")
    assert f"a load of {machine['load']:.1f} before the run. tensorflow " in line
    assert "A float32 matrix product of " in line
