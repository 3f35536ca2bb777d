"""Kills, full disks and damage: a search resumes to the trials asked for, or says what to do."""

import concurrent.futures
import json
import random
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import keras
import keras_tuner
import pytest

from faults import kills
from faults.victims import TRIALS
from runtime import console
from toys.commands import mount_small_disk
from toys.features import make_toy_features
from training.head_search import resume, search, tuner_runs
from training.head_search.search import LoggedRandomSearch
from training.head_search.tuner_runs import TrialLog
from training.run_folders import RunFolders
from training.settings import SearchConfig

KILLS = 2


@pytest.fixture
def generator() -> random.Random:
    """Draw the moments of kills; pytest shows the seed if a test fails."""
    seed = random.randrange(10**6)
    print("seed", seed)
    return random.Random(seed)


@pytest.fixture
def small(tmp_path) -> Iterator[Path]:
    """Mount a disk of 60 kB and return its folder."""
    folder = tmp_path / "small"
    with mount_small_disk(folder, "60k"):
        yield folder


def run(folder: Path, tuner: str = "random") -> list:
    config = SearchConfig(tuner=tuner, trials=TRIALS[tuner], epochs=3, batch_size=16, seed=0)
    features = {"mobilenet_v2": make_toy_features()}
    return search.search_heads(features, config, "", RunFolders(folder, folder / "logs", folder))


@pytest.mark.parametrize("where", ["searches", "logs"])
def test_a_full_disk_is_one_sentence_and_the_search_carries_on(small, tmp_path, capsys, where):
    (tmp_path / where).symlink_to(small)
    with pytest.raises(SystemExit) as end:
        console.run_command(lambda: run(tmp_path))
    output = capsys.readouterr().err
    assert (
        end.value.code == console.EXIT_DISK
        and output.count("No space left on device") == 1
        and "make room" in output
    )
    subprocess.run(["mount", "-o", "remount,size=20m", small], check=True)
    assert len(run(tmp_path)) == TRIALS["random"]


@pytest.mark.slow
def test_a_process_whose_disk_is_full_ends_with_one_sentence(small):
    with kills.start_work("search", small) as process:
        output, _ = process.communicate(timeout=200)
    assert process.returncode == console.EXIT_DISK
    assert (
        output.count("No space left on device") == 1
        and "Traceback" not in output
        and "Exception" not in output
    )


def test_a_disk_that_is_full_within_a_trial_fails_no_trial(tmp_path):
    class Full(keras_tuner.HyperModel):
        def build(self, hp):
            hp.Float("rate", 0, 1)
            return keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])

        def fit(self, hp, model, *args, **kwargs):
            with open("/dev/full", "w") as file:
                file.write("x")

    def make() -> keras_tuner.Tuner:
        return LoggedRandomSearch(
            Full(),
            trial_log=TrialLog(3, tmp_path / "logs", str),
            objective=keras_tuner.Objective("loss", "min"),
            max_trials=3,
            directory=tmp_path,
            project_name="search",
        )

    with (
        pytest.raises(console.PlainError, match="No space left on device") as caught,
        tuner_runs.hold_search(tmp_path / "search"),
    ):
        tuner_runs.run_tuner(tuner_runs.start_tuner(make, 3), tmp_path / "search")
    assert caught.value.exit_code == console.EXIT_DISK
    assert json.loads((tmp_path / "search" / "oracle.json").read_text())["end_order"] == []


def test_a_failure_that_native_code_tells_in_words_is_the_same_sentence():
    error = RuntimeError("searches/a/oracle.json; No space left on device")
    assert "make room" in str(console.explain_os_error(error))
    assert console.explain_os_error(RuntimeError("OOM when allocating tensor")) is None


def test_whoever_reads_a_search_at_any_moment_finds_whole_files(tmp_path):
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        searching, read = pool.submit(run, tmp_path), 0
        while not searching.done():
            for path in tmp_path.glob("searches/*/oracle.json"):
                json.loads(path.read_text())
                read += 1
    assert len(searching.result()) == TRIALS["random"] and read > 10


def test_what_a_kill_left_half_written_goes_with_the_next_run(tmp_path):
    run(tmp_path)
    (project,) = tmp_path.glob("searches/*/")
    left = [
        folder / f".{name}.1.tmp"
        for folder, name in ((project, "oracle.json"), (project / "trial_00", "trial.json"))
    ]
    for path in left:
        path.write_bytes(b"{")
    run(tmp_path)
    assert not any(path.exists() for path in left)


@pytest.mark.parametrize(
    "tuner", ["random", "hyperband", pytest.param("bayesian", marks=pytest.mark.slow)]
)
def test_a_trial_that_was_written_down_just_before_the_end_is_run(tmp_path, monkeypatch, tuner):
    trials = TRIALS[tuner]
    save_json_atomically = resume.save_json_atomically

    def dies_before_the_oracle_knows_the_last_trial_but_one(path, content):
        if Path(path).name == "oracle.json" and len(content["start_order"]) == trials - 1:
            raise KeyboardInterrupt
        return save_json_atomically(path, content)

    with monkeypatch.context() as patch:
        patch.setattr(
            resume,
            "save_json_atomically",
            dies_before_the_oracle_knows_the_last_trial_but_one,
        )
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path, tuner=tuner)
    (project,) = (tmp_path / "searches").iterdir()
    known = json.loads((project / "oracle.json").read_text())["start_order"]
    assert len(list(project.glob("trial_*/trial.json"))) == len(known) + 1 == trials - 1
    repeated = run(tmp_path, tuner=tuner)
    assert len(repeated) == trials
    if tuner != "bayesian":  # which proposes from what it has seen so far
        assert repeated == run(tmp_path / "whole", tuner=tuner)


@pytest.mark.slow
def test_killed_at_random_moments_every_tuner_completes_the_trials_asked_for(
    workplace, tmp_path, generator
):
    assert kills.kill_search(workplace, tmp_path, KILLS, generator) > 0


@pytest.fixture(scope="module")
def half(tmp_path_factory) -> Path:
    """Run a search that is interrupted in its second batch of trials."""
    folder = tmp_path_factory.mktemp("half")
    with pytest.MonkeyPatch.context() as patch:
        save_json_atomically = resume.save_json_atomically

        def dies(path, content):
            if (
                Path(path).name == "oracle.json"
                and len(content["end_order"]) == TRIALS["hyperband"] - 1
            ):
                raise KeyboardInterrupt
            return save_json_atomically(path, content)

        patch.setattr(resume, "save_json_atomically", dies)
        with pytest.raises(KeyboardInterrupt):
            run(folder, tuner="hyperband")
    return folder


def edited(file: str, **changes):
    """Return a function that changes values and leaves valid JSON."""

    def damage(project: Path) -> None:
        (project / file).write_text(
            json.dumps({**json.loads((project / file).read_text()), **changes})
        )

    return damage


FIRST, LAST = "trial_00", f"trial_{TRIALS['hyperband'] - 1}"
DAMAGES = {
    "oracle {}": lambda project: (project / "oracle.json").write_text("{}"),
    "oracle null": lambda project: (project / "oracle.json").write_text("null"),
    "oracle empty": lambda project: (project / "oracle.json").write_text(""),
    "oracle torn": lambda project: (project / "oracle.json").write_text(
        (project / "oracle.json").read_text()[:80]
    ),
    "oracle missing": lambda project: (project / "oracle.json").unlink(),
    "oracle a folder": lambda project: (
        (project / "oracle.json").unlink(),
        (project / "oracle.json").mkdir(),
    ),
    "a list of numbers": edited("oracle.json", start_order=[1, 2]),
    "no brackets": edited("oracle.json", brackets=[{}]),
    "a bracket of strangers": edited(
        "oracle.json", brackets=[{"bracket_num": 1, "rounds": [[{"past_id": None, "id": "x"}]]}]
    ),
    "a finished trial missing": lambda project: shutil.rmtree(project / FIRST),
    "an unfinished trial missing": lambda project: shutil.rmtree(project / LAST),
    "trial null": lambda project: (project / FIRST / "trial.json").write_text("null"),
    "trial {}": lambda project: (project / FIRST / "trial.json").write_text("{}"),
    "trial torn": lambda project: (project / FIRST / "trial.json").write_text("{"),
    "trial not UTF-8": lambda project: (project / FIRST / "trial.json").write_bytes(b"\xff\xfe"),
    "no score": edited(f"{FIRST}/trial.json", score=None),
    "a score in words": edited(f"{FIRST}/trial.json", score="good"),
    "no metrics": edited(f"{FIRST}/trial.json", metrics={"metrics": {}}),
    "not completed": edited(f"{FIRST}/trial.json", status="RUNNING"),
    "tuner empty": lambda project: (project / "tuner0.json").write_text(""),
}


@pytest.mark.parametrize("damage", list(DAMAGES))
def test_a_damaged_search_is_named_and_nothing_else_happens(half, tmp_path, damage):
    folder = shutil.copytree(half, tmp_path / "half")
    (project,) = (folder / "searches").iterdir()
    DAMAGES[damage](project)
    with pytest.raises(
        console.PlainError,
        match=rf"^The search in .*{project.name} is damaged \(.+\)\. Delete that",
    ) as caught:
        run(folder, tuner="hyperband")
    assert caught.value.exit_code == console.EXIT_DISK and "\n" not in str(caught.value)


def test_the_search_that_was_damaged_above_carries_on_without_damage(half, tmp_path):
    assert (
        len(run(shutil.copytree(half, tmp_path / "half"), tuner="hyperband")) == TRIALS["hyperband"]
    )


@pytest.mark.slow
def test_a_killed_fine_tuning_ends_with_the_losses_and_weights_of_an_uninterrupted_one(
    workplace, tmp_path, generator
):
    assert kills.kill_finetuning(workplace, tmp_path, 1, generator) > 0
