"""The facts of a CSV file break metrics down, and gaps in false alarms are told with intervals."""

from toys.commands import run_command
from toys.validations import QUICK, list_openings, new_faces, read_report


def test_gaps_in_false_alarms_by_a_column_are_in_page_metrics_and_terminal(workspace):
    photos = new_faces(workspace / "photos", real=46, generated=2)
    rows = [
        f"real/{number}.png,{'' if number == 45 else 'dark' if number % 2 else 'light'},{number}"
        for number in range(46)
    ]
    (workspace / "facts.csv").write_text(
        "\n".join(["file,skin_tone,age", *rows, "x/nosuch.png,dark,1"])
    )
    words = ("--model", "toy", "--data", photos.name, "--facts", "facts.csv", *QUICK)
    done = run_command("validation", *words, cwd=workspace)
    assert done.returncode == 0, done.stderr
    printed = " ".join(done.stderr.split())
    assert "1 of 47 rows of facts.csv names no image of photos" in printed
    assert "False alarms by skin_tone: " in printed
    page, metrics = read_report(workspace, "report-photos")
    age, tone = metrics["false_alarm_gaps"]
    assert (tone["column"], tone["unknown"], tone["too_few"]) == ("skin_tone", 1, {})
    assert {gap["value"]: gap["images"] for gap in tone["gaps"]} == {"dark": 22, "light": 23}
    first, second = (gap["difference"] for gap in tone["gaps"])
    assert first["low"] <= first["value"] <= first["high"]
    assert first["value"] == -second["value"] and first["high"] == -second["low"]
    assert list(age["too_few"]) == ["0 to 11", "12 to 22", "23 to 33", "34 to 45"]
    assert '<h2 id="gaps">' in page and "By <bdi>skin_tone</bdi>" in page
    subgroups = {
        subgroup["name"] for each in metrics["breakdowns"] for subgroup in each["subgroups"]
    }
    assert {"skin_tone: dark", "skin_tone: light"} <= subgroups
    assert list_openings(workspace) == []


def test_a_facts_file_that_cannot_be_used_is_told_before_the_hold_out_is_opened(
    workspace, validated
):
    (workspace / "facts.csv").write_text("name,skin_tone\na.png,dark\n")
    done = validated("--facts", "facts.csv", *QUICK)
    assert done.returncode == 2 and "It needs one that names the images" in done.stderr
    assert list_openings(workspace) == []
