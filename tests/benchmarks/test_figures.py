"""Figures: the two sides of a comparison in turn, and what a target makes of them."""

import math

import pytest

from benchmarks.figures import (
    Figure,
    amount,
    at_least,
    at_most,
    compared,
    side_by_side,
    single,
    under,
)


def taking(values, order, name):
    """A side that yields these values and notes when it was measured."""
    rest = iter(values)

    def measure():
        order.append(name)
        return next(rest)

    return measure


def test_two_sides_are_measured_in_turn():
    order = []

    side_by_side(taking([1, 1], order, "A"), taking([1, 1], order, "B"), 2, lambda text: None)

    assert order == ["A", "B", "A", "B"]


def test_the_ratio_is_the_median_of_the_pairs():
    # The second pair met a busy machine; the ratio of the medians would be 0.4.
    found = side_by_side(taking([60, 20, 40], [], "A"), taking([100, 100, 50], [], "B"), 3, lambda text: None)

    assert (found.value, found.other) == (40, 100)
    assert found.ratio == 0.6
    assert (found.low, found.high) == (0.2, 0.8)
    assert found.spread == "ratio 0.2 to 0.8 in 3 rounds"


def test_each_round_is_told():
    told = []

    side_by_side(taking([612], [], "A"), taking([1000], [], "B"), 1, told.append)

    assert told == ["round 1 of 1: 612 against 1000"]


@pytest.mark.parametrize(
    ("target", "reached", "met", "missed_by"),
    [
        (at_least(0.6), 0.6, True, ""),
        (at_least(0.6), 0.45, False, "0.15 (25%)"),
        (at_most(1.2), 1.2, True, ""),
        (at_most(1.2), 1.5, False, "0.3 (25%)"),
        (under(5, "ms"), 5, False, "0 ms (0%)"),
        (under(5, "ms"), 12, False, "7 ms (140%)"),
        (under(5, "ms"), 4.9, True, ""),
        (under(5, "ms"), math.inf, False, "any measure"),
    ],
)
def test_a_target_says_whether_it_is_met_and_by_how_much_it_is_missed(target, reached, met, missed_by):
    assert target.met_by(reached) is met
    assert target.missed_by(reached) == missed_by


def test_a_target_reads_as_a_sentence():
    assert [str(one) for one in (at_least(0.6), at_most(300, "MB"), under(5, "ms"))] == [
        "at least 0.6",
        "at most 300 MB",
        "under 5 ms",
    ]


def test_a_comparison_is_held_to_its_ratio():
    sides = side_by_side(taking([450], [], "A"), taking([1000], [], "B"), 1, lambda text: None)

    line = compared("relay", "requests/s", "bare", sides, at_least(0.6), "a note")

    assert line == Figure(
        "relay", 450, "requests/s", "bare", 1000, 0.45, "at least 0.6", False,
        "ratio 0.45 to 0.45 in 1 rounds; a note", "0.15 (25%)",
    )  # fmt: skip


def test_a_single_value_is_held_to_itself():
    line = single("total", 3.2, "ms", under(5, "ms"))

    assert (line.ratio, line.target, line.met, line.missed_by) == (None, "under 5 ms", True, "")


def test_what_has_no_target_is_only_reported():
    assert single("by offset", 340, "ms").met is None


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1234.6, "1235"),
        (99.96, "100"),
        (56.78, "56.8"),
        (0.6123, "0.612"),
        (1.0, "1"),
        (0, "0"),
        (20.0, "20"),
        (math.inf, "∞"),
    ],
)
def test_amounts_show_the_digits_that_count(value, text):
    assert amount(value) == text
