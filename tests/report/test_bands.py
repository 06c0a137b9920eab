"""A line of means and its band: what is known is drawn, and nothing where it is not."""

from __future__ import annotations

import math

from lab.analysis.curves import Band
from lab.analysis.numbered import Numbered
from lab.report.bands import with_band

UNKNOWN = math.nan


def drawn(mean, low, high, *, dot=None):
    band = Band(mean, low, high, tuple(2 for _ in mean))
    told = Numbered("cell", tuple(map(float, range(len(mean)))), band)
    return list(with_band(told, 0, name="a name", hover="at %{x}", dot=dot))


def test_a_band_goes_up_one_way_and_down_the_other_past_what_is_unknown():
    band, line = drawn((1.0, 2.0, 3.0), (0.5, UNKNOWN, 2.5), (1.5, UNKNOWN, 3.5))
    assert band.x == (0.0, 2.0, 2.0, 0.0)
    assert band.y == (1.5, 3.5, 2.5, 0.5)
    assert line.y == (1.0, 2.0, 3.0)
    assert band.legendgroup == line.legendgroup == "cell"


def test_means_of_one_seed_have_no_band_and_an_unknown_mean_no_place():
    (line,) = drawn((1.0, UNKNOWN), (UNKNOWN, UNKNOWN), (UNKNOWN, UNKNOWN))
    assert line.y == (1.0, None)


def test_a_mean_that_stands_alone_is_marked_and_so_is_every_one_where_dots_are_asked_for():
    alone, many = drawn((1.0,), (UNKNOWN,), (UNKNOWN,)), drawn((1.0, 2.0), (UNKNOWN, UNKNOWN), (UNKNOWN, UNKNOWN))
    dotted = drawn((1.0, 2.0), (UNKNOWN, UNKNOWN), (UNKNOWN, UNKNOWN), dot=5)
    assert [each[0].mode for each in (alone, many, dotted)] == ["lines+markers", "lines", "lines+markers"]
    assert dotted[0].marker.size == 5
