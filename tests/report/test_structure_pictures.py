"""The pictures of exact structure show what the exact counts say."""

from __future__ import annotations

from lab.exact.lattices import pyramid
from lab.exact.look_up import look_up, nearest
from lab.exact.walk_classes import rows
from lab.report.structure import looked_up, multiplied, reached, view
from lab.report.structure_page import closest


def test_each_step_of_the_slider_shows_the_graph_and_one_field() -> None:
    drawn = view(6, 5)
    (slider,) = drawn.layout.sliders
    assert [step.label for step in slider.steps] == [str(field) for field in range(6)]
    for field, step in enumerate(slider.steps):
        shown = step.args[1]
        assert len(shown) == len(drawn.data) == 7
        assert shown[0]
        assert [at for at, on in enumerate(shown[1:]) if on] == [field]


def test_a_node_out_of_reach_has_its_own_sign_and_one_within_does_not() -> None:
    drawn = view(10, 4)
    first, last = drawn.data[1].marker.symbol, drawn.data[-1].marker.symbol
    assert first.count("x-thin-open") == 54
    assert last.count("x-thin-open") < 20
    assert "star" in last
    assert len(last) == pyramid(10).nodes


def test_curves_hold_the_rows_of_the_table() -> None:
    exact, trap = ([*rows(5, range(4), float32=it), *rows(6, range(4), float32=it)] for it in (False, True))
    counts = multiplied(exact, trap)
    assert [list(trace.y) for trace in counts.data[:2]] == [
        [row.kinds for row in exact if row.base == base] for base in (5, 6)
    ]
    assert len(counts.data) == 4
    assert list(reached(exact).data[1].y) == [row.share for row in exact if row.base == 6]


def test_the_curves_of_looking_up_are_those_of_the_table() -> None:
    learnt, right, known = looked_up(6).data
    told = look_up([pyramid(6)], [pyramid(7)], 5)
    assert (learnt.y[4], right.y[4], known.y[4]) == (told.learnt, told.found, told.known)


def test_the_closest_vectors_are_listed_with_their_distance() -> None:
    sheet = closest(10, 5)
    close = nearest(pyramid(10), 5, 1)[0]
    assert sheet.rows[0][2].text == f"{close.squared**0.5:.6f}"
    assert len(sheet.rows) == 12
