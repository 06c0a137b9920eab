"""Pages of forecasts: errors by step over what is known of each, and coverage as it was said and seen."""

from __future__ import annotations

from pathlib import Path

import pytest
from planted import Planted
from planted_page import full_study, origin

from lab.errors import LabError
from lab.records.store import Store
from lab.report.gallery import Gallery
from lab.report.page import page
from lab.report.report import study_report

SCORE = {"name": "valid.mae", "goal": "min", "at": "best_epoch", "final": "test.mae"}
LINES = {
    "test.mae: last value": 2.0,
    "test.mae_1: last value": 1.5,
    "test.mae_3: last value": 2.5,
    "valid.mae_2: last value": 9.0,
}


def forecasts(root: Path, *, is_sure: bool = True) -> Planted:
    """Two cells of three steps: the second one's errors are half as large; both too sure in the last epoch only."""
    study = Planted(Store(root), {"model.rule": ["last", "linear"]}, seeds=3, score=SCORE)
    for place, cell in enumerate(study.ids):
        for seed in range(3):
            size = (2.0, 1.0)[place] + 0.1 * seed
            history = {"epoch": (1.0, 2.0), "valid.mae": (size, size + 1), "test.mae": (size, size + 1)}
            for step in (1, 2, 3):
                history[f"test.mae_{step}"] = (size * step, 99.0)
            for bin_ in range(1, 21) if is_sure else ():
                history[f"test.pit_{bin_}"] = (0.05, 0.5 * (bin_ in (1, 20)))
            study.score(cell, seed, size, history=history, origin=origin(data_lines=LINES))
    return study


def test_errors_by_step_are_means_over_seeds_at_the_epoch_that_counts(tmp_path: Path) -> None:
    study = forecasts(tmp_path)
    figure = Gallery(study.store, study_report(study.store, "planted")).steps()
    lines = {trace.name: trace for trace in figure.data if trace.fill is None and trace.name}
    assert len(lines) == 2
    assert sorted(tuple(trace.y) for trace in lines.values()) == [
        pytest.approx((1.1, 2.2, 3.3)),
        pytest.approx((2.1, 4.2, 6.3)),
    ]


def test_known_scores_of_single_steps_are_drawn_where_they_are_known(tmp_path: Path) -> None:
    study = forecasts(tmp_path)
    figure = Gallery(study.store, study_report(study.store, "planted")).steps()
    (known,) = [trace for trace in figure.data if trace.text]
    assert (list(known.x), list(known.y), known.text[-1]) == ([1, 3], [1.5, 2.5], "last value")


def test_even_shares_lie_on_the_diagonal_of_the_calibration(tmp_path: Path) -> None:
    study = forecasts(tmp_path)
    figure = Gallery(study.store, study_report(study.store, "planted")).calibration()
    diagonal, *traces = figure.data
    assert list(diagonal.x) == list(diagonal.y) == [0, 1]
    for trace in (each for each in traces if each.fill is None):
        assert list(trace.y) == pytest.approx(list(trace.x))
        assert list(trace.x) == pytest.approx([0.1 * place for place in range(1, 10)])


def test_the_page_has_a_section_only_for_what_was_told(tmp_path: Path) -> None:
    said = {}
    for name, is_sure in (("sure", True), ("plain", False)):
        study = forecasts(tmp_path / name, is_sure=is_sure)
        said[name] = page(study.store, [study_report(study.store, "planted")])
    assert all("Errors by step" in each for each in said.values())
    assert "Calibration" in said["sure"]
    assert "Calibration" not in said["plain"]
    other = full_study(tmp_path / "other", seeds=2)
    classes = page(other.store, [study_report(other.store, "planted")])
    assert "Errors by step" not in classes
    assert "Calibration" not in classes


def test_figures_of_forecasts_say_that_other_studies_have_none(tmp_path: Path) -> None:
    study = full_study(tmp_path, seeds=2)
    gallery = Gallery(study.store, study_report(study.store, "planted"))
    with pytest.raises(LabError, match="step by step"):
        gallery.steps()
    with pytest.raises(LabError, match="how sure"):
        gallery.calibration()
