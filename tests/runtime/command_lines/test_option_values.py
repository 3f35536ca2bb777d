"""Values that an option does not take are answered in words that say what to give."""

from dataclasses import dataclass, field
from typing import Literal

import pytest

from runtime import console
from runtime.command_lines import parsing


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

    inner: InnerSettings = field(default_factory=InnerSettings)

    def __post_init__(self) -> None:
        if self.trials < 1:
            raise ValueError(f"--trials is {self.trials}; choose 1 to 10000.")


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
    ],
)
def test_a_wrong_value_is_answered_without_the_words_of_the_parser(words, answer):
    with pytest.raises(console.PlainError) as raised:
        parse(words)
    assert str(raised.value).endswith(answer)
    assert "pars" not in str(raised.value) and "literal" not in str(raised.value)


def test_right_values_are_parsed():
    settings = parse(
        "--sizes 96 128 --cut -0.5 --bases mobilenet --label real --name a,b --inner.steps 3"
    )
    assert settings == ToySettings(
        sizes=(96, 128),
        cut=-0.5,
        bases=("mobilenet",),
        label="real",
        name="a,b",
        inner=InnerSettings(3),
    )


def test_help_and_unknown_options_are_left_to_the_parser(capsys):
    for words, code, text in (("--help", 0, "--trials INT"), ("--trails 3", 2, "--trials INT")):
        with pytest.raises(SystemExit) as ended:
            parse(words)
        printed = capsys.readouterr()
        assert ended.value.code == code and text in printed.out + printed.err
