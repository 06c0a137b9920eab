"""The pictures of exact structure show what the exact counts say."""

from __future__ import annotations

from lab.exact.lattices import pyramid
from lab.exact.walk_classes import rows
from lab.report.structure import multiplied, reached, view


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
