"""The classes are compared pair by pair."""

from data_collection.audit_report import histograms


def test_more_often_is_the_share_of_pairs_and_a_tie_is_half():
    assert histograms.compute_probability_of_superiority([1, 2], [3, 4]) == 1
    assert histograms.compute_probability_of_superiority([1, 2], [2, 0]) == 3 / 8
    assert histograms.compute_probability_of_superiority([5, 5], [5]) == 0.5
