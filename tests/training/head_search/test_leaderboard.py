"""The table of trials fits 80 columns, without broken words and without empty columns."""

from runtime import console
from toys.features import make_toy_spec
from training.head_search.head_spec import HeadTrial
from training.head_search.leaderboard import print_trials

SPEC = make_toy_spec(
    signals=("picture", "residual"), taps="late", sizes=(64,), layers=2, units=32, dropout=0.1
)


def test_columns_that_no_head_uses_are_left_out_and_no_word_is_broken(capsys, monkeypatch):
    monkeypatch.setattr(console.out, "width", 80)
    print_trials([HeadTrial(spec=SPEC, loss=0.6672, auc=0.6698, epochs=2)])
    table = capsys.readouterr().out
    assert not [line for line in table.splitlines() if len(line) > 80]
    assert "penalty" not in table and "decay" in table
    assert {"picture+residual", "mobilenet_v2", "0.6672", "0.6698"} <= set(table.split())
