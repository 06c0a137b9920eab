"""Numbers show what their spread leaves meaning to."""

import math

import pytest

from lab.analysis.estimate import Estimate, estimate
from lab.report.numbers import decimals, duration, interval, number, plain, with_reach


@pytest.mark.parametrize(
    ("half", "digits"), [(12.0, 0), (1.2, 1), (0.5, 2), (0.012, 3), (0.0049, 4), (1e-9, 6), (250.0, 0)]
)
def test_decimals_show_two_digits_of_the_spread(half: float, digits: int) -> None:
    assert decimals([Estimate(5, 100.0, 1.0, 100.0 - half, 100.0 + half)]) == digits


def test_without_a_spread_four_digits_are_shown() -> None:
    assert decimals([Estimate(1, 0.8123456)]) == 4
    assert decimals([Estimate(1, 140_000.0)]) == 0
    assert decimals([]) == 3
    assert decimals([estimate([7.0, 7.0])]) == 3


def test_a_number_that_is_not_known_is_a_dash() -> None:
    assert number(math.nan, 3) == "–"
    assert interval(Estimate(1, 0.5), 3) == "–"
    assert with_reach(Estimate(1, 0.5), 3) == "0.500"
    assert plain(math.inf) == "–"


def test_signs_are_told_where_they_matter() -> None:
    assert number(0.5, 2, signed=True) == "+0.50"
    assert number(-0.5, 2) == "\N{MINUS SIGN}0.50"
    assert with_reach(Estimate(3, -0.5, 0.1, -0.75, -0.25), 2, signed=True) == "\N{MINUS SIGN}0.50 ± 0.25"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, "?"),
        (math.nan, "?"),
        (0.21, "0.2 s"),
        (42.0, "42 s"),
        (200.0, "3.3 min"),
        (7200.0, "2.0 h"),
        (1e6, "11.6 days"),
    ],
)
def test_durations_are_told_as_a_person_says_them(seconds: float | None, words: str) -> None:
    assert duration(seconds) == words
