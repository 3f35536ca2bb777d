"""A hold-out whose images were dropped or relabelled by hand is still scored, and the report says
so."""

import html
import re
import shlex

from data_collection.__main__ import run_correct_command
from data_collection.dataset import manifest
from toys.validations import QUICK, read_report


def test_a_corrected_hold_out_is_validated_and_every_report_says_so(validated, workspace):
    folder = workspace / "data" / "faces"
    records = manifest.read_manifest(folder)
    hold_out = manifest.select_accepted(records, "hold-out")
    training = manifest.select_accepted(records, "train")
    assert validated("--model", "toy", *QUICK).returncode == 0
    assert "dropped or relabelled" not in read_report(workspace)[0]
    words = ("--drop", "--because", "a painting")
    run_correct_command([str(folder), hold_out[0].id, *words, "--change-hold-out"])
    run_correct_command([str(folder), training[0].id, *words])
    for _ in range(2):
        done = validated("--model", "toy", *QUICK)
        assert done.returncode == 0, done.stderr
        page, metrics = read_report(workspace)
        (correction,) = metrics["evaluation_set"]["corrections"]
        assert (correction["file"], correction["openings_before"]) == (hold_out[0].file, 1)
        assert metrics["evaluation_set"]["images"] == {"real": 5, "generated": 6} or metrics[
            "evaluation_set"
        ]["images"] == {"real": 6, "generated": 5}
        for text in (page, done.stdout + done.stderr):
            assert (
                "1 hold-out image was dropped or relabelled by hand, 1 of them after"
                in " ".join(text.split())
            )
        assert "since then it was changed as the next line says" in page
        # The dropped training image is known all the same.
        overlap = metrics["evaluation_set"]["overlap_with_training"]
        assert overlap["compared"] == len(training) + len(
            manifest.select_accepted(records, "validation")
        )
    commands = re.findall(r"<code>(python -m data_collection correct [^<]*)</code>", page)
    drop = shlex.split(html.unescape(commands[0]))
    assert drop[4] == str(folder.relative_to(workspace)) and "--change-hold-out" in drop
    run_correct_command(drop[4:])
    assert validated("--model", "toy", *QUICK).returncode == 0
    assert "2 hold-out images were dropped or relabelled" in " ".join(
        read_report(workspace)[0].split()
    )
