"""A command line that is written into a report can be given again."""

import shlex

import tyro

from runtime import options
from validation.leave_source_out.settings import LeaveSourceOutSettings


def test_a_formatted_command_line_gives_the_same_settings():
    settings = LeaveSourceOutSettings(
        bases=("mobilenet_v2", "xception"), sizes=(128, 224), heads="networks", false_alarms=0.01
    )
    line = options.format_command_line("python -m validation leave-source-out", settings)
    assert "--sizes 128 224" in line
    words = shlex.split(line)[4:]
    assert tyro.cli(LeaveSourceOutSettings, args=words) == settings
