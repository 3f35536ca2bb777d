"""Values that an option does not take are answered in words that say what to give."""

import re
from dataclasses import dataclass, field
from typing import Annotated, Literal

import pytest
import tyro

from runtime import console
from runtime.command_lines import parsing
from runtime.command_lines.option_groups import Metavar


@dataclass(frozen=True)
class InnerSettings:
    steps: int = 25
    """Steps."""


@dataclass(frozen=True)
class ToySettings:
    """Toy."""

    trials: int = 30
    """Trials."""

    sizes: tuple[int, ...] = (224,)
    """Sizes."""

    share: float = 0.05
    """Share."""

    cut: float | None = None
    """Cut."""

    bases: tuple[Literal["mobilenet", "xception"], ...] = ("xception",)
    """Bases."""

    label: Literal["real", "generated"] | None = None
    """Label."""

    name: str = ""
    """Name."""

    inner: tyro.conf.OmitArgPrefixes[InnerSettings] = field(default_factory=InnerSettings)

    verbose: bool = False
    """Verbose."""

    def __post_init__(self) -> None:
        if self.trials < 1:
            raise ValueError(f"--trials is {self.trials}; choose 1 to 10000.")


@dataclass(frozen=True)
class CopySettings:
    """Toy."""

    file: tyro.conf.Positional[str]
    """File."""

    to: Annotated[str, Metavar("PLACE")]
    """Place."""

    check: bool = True
    """Check."""


def parse(words: str) -> ToySettings:
    return parsing.parse_settings(ToySettings, "toy", words.split())


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        ("--trials abc", "--trials is 'abc'; give a whole number, such as 30."),
        ("--trials=3.5", "--trials is '3.5'; give a whole number, such as 30."),
        ("--sizes 96,128", "--sizes is '96,128'; separate the values by spaces: --sizes 96 128."),
        ("--sizes 96 12x", "--sizes is '12x'; give a whole number, such as 224."),
        ("--share 5%", "--share is '5%'; give a number, such as 0.05."),
        ("--cut half", "--cut is 'half'; give a number."),
        ("--bases mobilnet", "did you mean mobilenet? Choose mobilenet or xception."),
        ("--bases xception,mobilenet", "by spaces: --bases xception mobilenet."),
        ("--label photo", "--label is 'photo'; choose real or generated."),
        ("--trials 0", "--trials is 0; choose 1 to 10000."),
        ("--steps x", "--steps is 'x'; give a whole number, such as 25."),
        ("--trails 3", "There is no option --trails; did you mean --trials?"),
        ("-trials 3", "There is no option -trials; did you mean --trials?"),
        ("-v", "There is no option -v; --help lists the options."),
        ("--zzz", "There is no option --zzz; --help lists the options."),
        ("--trials", "--trials has no value; give --trials N: a whole number, such as 30."),
        ("--name --trials 3", "--name has no value; give --name NAME."),
        ("--label", "--label has no value; give --label NAME: real or generated."),
        (
            "--trials 3 4",
            "4 is no option and no value of one; `python -m toy --help` lists the options.",
        ),
        (
            "--verbose yes",
            "yes is no option and no value of one; `python -m toy --help` lists the options.",
        ),
    ],
)
def test_a_wrong_value_is_answered_without_the_words_of_the_parser(words, answer):
    with pytest.raises(console.PlainError) as raised:
        parse(words)
    assert str(raised.value).endswith(answer)
    assert "pars" not in str(raised.value) and "literal" not in str(raised.value)


def test_right_values_are_parsed():
    settings = parse(
        "--sizes 96 128 --cut -0.5 --bases mobilenet --label real --name a,b --steps 3"
    )
    assert settings == ToySettings(
        sizes=(96, 128),
        cut=-0.5,
        bases=("mobilenet",),
        label="real",
        name="a,b",
        inner=InnerSettings(3),
    )


def test_words_that_must_be_given_are_named():
    for words, answer in (
        ("", "FILE is missing; give it: python -m toy [OPTIONS] FILE --to PLACE"),
        ("a.png", "--to is missing; give it: python -m toy [OPTIONS] FILE --to PLACE"),
    ):
        with pytest.raises(console.PlainError, match=re.escape(answer)):
            parsing.parse_settings(CopySettings, "toy", words.split())
    settings = parsing.parse_settings(CopySettings, "toy", ["a.png", "--to", "b", "--no-check"])
    assert settings == CopySettings("a.png", "b", check=False)


def test_help_wins_over_mistakes(capsys):
    with pytest.raises(SystemExit) as ended:
        parse("--trails 3 --help")
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith("usage: python -m toy [OPTIONS]\n\nToy.\n")


def test_a_file_that_looks_like_an_option_is_told_how_to_be_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "-a.png").touch()
    with pytest.raises(console.PlainError, match="There is no option -a.png; write ./-a.png for"):
        parsing.parse_settings(CopySettings, "toy", ["-a.png", "--to", "b"])
