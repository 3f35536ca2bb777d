"""The command `telltale`: every command of the rooms under one name, and `telltale doctor`."""

import importlib
import sys
from collections.abc import Sequence

import runtime.commands.interpreter  # noqa: F401  (before all others)
from runtime import console
from runtime.commands import suggestions
from runtime.commands.names import MODULE_COMMANDS, show_as_telltale

OVERVIEW = """usage: telltale COMMAND [OPTIONS]; telltale COMMAND --help lists the options

  collect            collect photographs and generated faces into a data set
  audit              test whether anything but the face gives the label away
  verify             check that no file of a data set has changed
  regenerate         generate one image again
  remove             remove a source from a data set
  pregenerate        generate on several GPUs before a collection
  pregenerate-on-ray the same on a Ray cluster
  upload, download   copy a data set to an object store and back

  train              search heads on pretrained bases and save a detector
  finetune           search how deep to fine-tune it
  validate           test it on the hold-out and write the report
  cross-generator    train on one generator, test on every other
  leave-source-out   train without each source, test on it

  detect             judge images
  web                judge images on a page
  models             list the detectors, or choose which one answers
  calibrate          set the cut with photographs of your own
  export             write the detector for other runtimes
  publish            upload it to the Hugging Face Hub

  doctor             what is installed, what is fetched, what is free

  telltale --version prints the version.
"""


def main() -> None:
    """Run the command that the words of the command line name."""
    show_as_telltale()
    console.run_command(lambda: run_words(sys.argv[1:]))


def run_words(words: Sequence[str]) -> int | None:
    """Run a command of `telltale` and return its exit code.

    Raises:
        PlainError: there is no such command.
    """
    name, *arguments = words or ["--help"]
    if name in ("--help", "-h", "help"):
        console.out.print(OVERVIEW, markup=False, end="")
        return 0
    if name == "--version":
        from telltale.version import read_version

        console.out.print(f"telltale {read_version()}", markup=False)
        return 0
    if name == "doctor":
        from telltale.doctor import run_doctor_command

        return run_doctor_command(arguments)
    if name not in MODULE_COMMANDS:
        close = suggestions.find_close_names(name, [*MODULE_COMMANDS, "doctor"])
        meant = f"did you mean `telltale {close[0]}`?" if close else "`telltale` lists all."
        raise console.PlainError(f"There is no command {name}; {meant}")
    module, *sub_command = MODULE_COMMANDS[name].split()
    sys.argv[1:] = [*sub_command, *arguments]
    return importlib.import_module(f"{module}.__main__").main()
