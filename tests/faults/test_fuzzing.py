"""Strangers' bytes are read or refused with a message at each door, and do nothing else."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from faults import fuzzing

EDITS = st.lists(
    st.tuples(st.floats(0, 1), st.sampled_from(fuzzing.EDITS), st.binary(min_size=1, max_size=40)),
    min_size=1,
    max_size=6,
)


@pytest.mark.parametrize("door", fuzzing.DOORS)
def test_every_known_trap_is_judged_or_refused(door):
    for data in fuzzing.list_seeds(door):
        fuzzing.DOORS[door](data)


@pytest.mark.parametrize("door", fuzzing.DOORS)
def test_a_few_altered_inputs_are_judged_or_refused(door):
    check_altered_seeds(door, 150)


@pytest.mark.slow
@pytest.mark.parametrize("door", fuzzing.DOORS)
def test_many_altered_inputs_are_judged_or_refused(door):
    check_altered_seeds(door, 3000)


def check_altered_seeds(door: str, examples: int) -> None:
    """Hypothesis prints a failure in its smallest form, and how to repeat it."""

    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.sampled_from(fuzzing.list_seeds(door)), EDITS)
    def judged_or_refused(data, edits):
        fuzzing.DOORS[door](fuzzing.apply_edits(data, edits))

    judged_or_refused()
