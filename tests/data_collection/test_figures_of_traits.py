"""The classes are compared pair by pair."""

from data_collection import figures_of_traits


def test_more_often_is_the_share_of_pairs_and_a_tie_is_half():
    assert figures_of_traits.more_often([1, 2], [3, 4]) == 1
    assert figures_of_traits.more_often([1, 2], [2, 0]) == 3 / 8
    assert figures_of_traits.more_often([5, 5], [5]) == 0.5
