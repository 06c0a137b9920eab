"""Figures show the numbers of the analysis, and nothing else."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from planted_page import BLOCKS, HOSTILE, full_study

from lab.errors import LabError
from lab.report.gallery import Gallery
from lab.report.report import Report, study_report
from lab.report.theme import broken, faded, words


@pytest.fixture
def drawn(tmp_path: Path) -> tuple[Gallery, Report]:
    study = full_study(tmp_path)
    report = study_report(study.store, "planted")
    return Gallery(study.store, report), report


def interval(trace) -> tuple[float, float, float]:
    return trace.x[0] - trace.error_x.arrayminus[0], trace.x[0], trace.x[0] + trace.error_x.array[0]


def test_the_forest_shows_every_effect_with_its_interval(drawn):
    gallery, report = drawn
    figure = gallery.forest()
    told = [(each.difference.low, each.difference.mean, each.difference.high) for each in report.effects]
    assert [interval(trace) for trace in figure.data] == [pytest.approx(each) for each in told]
    assert [trace.marker.symbol == "circle" for trace in figure.data] == [each.told_apart for each in report.effects]
    low, high = figure.layout.xaxis.range
    assert low < 0 < high


def test_cells_stand_best_first_with_their_intervals(drawn):
    gallery, report = drawn
    figure = gallery.cells()
    told = [(cell.score.low, cell.score.mean, cell.score.high) for cell in report.ranking.scored]
    assert [interval(trace) for trace in figure.data] == [pytest.approx(each) for each in told]
    assert [trace.y[0] for trace in figure.data] == list(range(len(told)))
    assert [note.text for note in figure.layout.annotations] == ["degree"]


def test_interactions_show_the_mean_at_each_combination(drawn):
    gallery, report = drawn
    figure = gallery.interactions("model.norm", "model.depth")
    means = {trace.name: list(trace.y) for trace in figure.data}
    frame = {(cell.levels["model.norm"], cell.levels["model.depth"]): cell.score.mean for cell in report.ranking.cells}
    for depth in (2, 4, 8):
        assert means[f"depth = {depth}"] == pytest.approx([frame["none", depth], frame["batch", depth]])


def test_curves_end_at_the_mean_of_their_last_epoch(drawn):
    gallery, report = drawn
    cell = report.ranking.cells[0]
    line = [trace for trace in gallery.curves(cell.cell).data if trace.fill is None]
    assert line[0].y[-1] == pytest.approx(cell.score.mean)
    assert len(line[0].x) == 12


def test_the_map_shows_a_thousandth_everywhere(drawn):
    gallery, _ = drawn
    (trace,) = gallery.health().data
    assert list(trace.y) == [name.removesuffix(".weight") for name in BLOCKS]
    assert all(value == pytest.approx(-3.0, abs=1e-4) for row in trace.z for value in row)


def test_the_front_is_what_no_other_cell_beats(drawn):
    gallery, report = drawn
    figure = gallery.costs()
    front = next(trace for trace in figure.data if trace.name == "beaten by none")
    assert list(front.x) == sorted(front.x)
    assert list(front.y) == sorted(front.y)
    assert max(front.y) == pytest.approx(report.ranking.scored[0].score.mean)


def test_lines_differ_in_more_than_colour(drawn):
    gallery, _ = drawn
    told = gallery.interactions("model.norm", "model.depth").data
    assert len({(trace.line.dash, trace.marker.symbol) for trace in told}) == len(told)


def test_what_is_not_there_is_told(drawn):
    gallery, _ = drawn
    for ask in (
        lambda: gallery.health("nobody"),
        lambda: gallery.costs("cost.nothing"),
        lambda: gallery.interactions("model.norm", "model.dept"),
    ):
        with pytest.raises(LabError):
            ask()


def test_texts_are_broken_and_never_markup():
    assert broken("one, two, three", 9) == "one, two,<br>three"
    assert "<img" not in broken(HOSTILE)
    assert words("<b>&") == "&lt;b&gt;&amp;"
    assert faded("#0072b2", 0.5) == "rgba(0,114,178,0.5)"


def test_numbers_that_are_not_known_are_not_drawn(tmp_path):
    study = full_study(tmp_path, trials=7)
    report = study_report(study.store, "planted")
    gallery = Gallery(study.store, report)
    for figure in gallery.main().values():
        for trace in figure.data:
            ends = [*(trace.error_x.array or ()), *(trace.error_y.array or ())] if hasattr(trace, "error_x") else []
            assert all(map(math.isfinite, ends))
