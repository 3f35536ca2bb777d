"""LeaveSourceOutSettings; the attribute docstrings are the `--help` texts."""

from dataclasses import dataclass
from typing import Annotated

import tyro

from runtime.command_lines.option_groups import Advanced, Basic
from training.settings import ScratchModelName, TrainingSettings


@dataclass(frozen=True, kw_only=True)
class LeaveSourceOutSettings(TrainingSettings):
    """Train a detector without each source in turn, photographs included, and test it on that
    source: what will it do on generators and photographs that it was not trained on?

    Every detector is searched, trained and given its cuts as `python -m training` does it with the
    same options, on the same cached features; none is saved. An interrupted run resumes when the
    same command is given again. It opens the hold-out, and counts it.

    Examples:
        python -m validation leave-source-out --dataset data/faces
        python -m validation leave-source-out --sources kaggle sd-turbo
    """

    sources: Basic[tuple[str, ...]] = ()
    """Names of the sources to leave out. Default: all."""

    history_control: Advanced[bool] = False
    """Also score every source as if the other class had published it, with the usual sizes and \
JPEG qualities of its sources: a detector that goes by a file's history then ranks it otherwise."""

    name: Annotated[str, tyro.conf.Suppress] = ""
    models: Annotated[tuple[ScratchModelName, ...], tyro.conf.Suppress] = ()
    repeats: Annotated[int, tyro.conf.Suppress] = 1
    accept_shortcuts: Annotated[bool, tyro.conf.Suppress] = False
