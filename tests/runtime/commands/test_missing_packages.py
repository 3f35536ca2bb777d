"""A missing package is told with the file of requirements that has it."""

import pytest

from runtime.commands.missing_packages import (
    EXTRA_OF_PACKAGE,
    REPOSITORY_ROOT,
    explain_missing_package,
    require_packages,
)


@pytest.mark.parametrize(
    ("package", "advice"),
    [
        ("tensorflow.keras", "run `pip install -r requirements.txt`, or `pip install '.[train"),
        ("scipy.stats", "run `pip install -r requirements-calibrate.txt`, or `pip install '.[cal"),
        (
            "playwright",
            "playwright is not installed, and this command needs it. Run `pip install -r"
            " requirements-dev.txt`.",
        ),
    ],
)
def test_the_advice_names_a_file_that_brings_the_package(package, advice):
    assert advice in explain_missing_package(ModuleNotFoundError(name=package))


def test_each_package_with_an_extra_of_its_own_is_in_the_file_of_that_extra():
    for package, extra in EXTRA_OF_PACKAGE.items():
        lines = (REPOSITORY_ROOT / f"requirements-{extra}.txt").read_text().splitlines()
        assert any(line.startswith(f"{package}>=") for line in lines)


def test_a_package_that_will_be_needed_is_missed_before_the_work():
    require_packages("pytest")
    with pytest.raises(ModuleNotFoundError) as caught:
        require_packages("pytest", "nowhere_to_be_found")
    assert "nowhere_to_be_found is not installed" in explain_missing_package(caught.value)


def test_a_module_of_ours_that_is_missing_is_a_fault_and_no_package():
    with pytest.raises(ModuleNotFoundError):
        explain_missing_package(ModuleNotFoundError(name="training.nowhere"))
