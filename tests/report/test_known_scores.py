"""Known scores of the data stand beside the score they speak of, and beside no other."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from planted import Planted

from lab.records.record import Origin
from lab.records.store import Store
from lab.report.contents import cells_sheet
from lab.report.report import Report, study_report
from lab.report.tables import cells_table
from lab.report.text import facts
from lab.spec.tasks import line_beside

LINES = {"chance": 0.5, "degree": 0.8, "best known": 0.87, "plain_acc: largest class": 0.83}


@pytest.fixture
def report(tmp_path: Path) -> Report:
    study = Planted(Store(tmp_path), {"model.mlp_norm": ["none", "batch"]}, seeds=4)
    for cell, mean in zip(study.ids, (0.85, 0.6), strict=True):
        for seed in range(4):
            study.score(cell, seed, mean + 0.001 * seed, origin=Origin(data_lines=LINES))
    return study_report(study.store, "planted")


@pytest.mark.parametrize(
    ("line", "score", "shown"),
    [
        ("chance", "valid.acc", "chance"),
        ("chance", "test.acc_batches", "chance"),
        ("saying 0", "test.mae", "saying 0"),
        ("chance", "valid.loss", ""),
        ("chance", "valid.acc_1", ""),
        ("chance", "cost.seconds", ""),
        ("plain_acc: largest class", "valid.plain_acc", "largest class"),
        ("plain_acc: largest class", "valid.acc", ""),
        ("test.acc: always no", "test.acc", "always no"),
        ("test.acc: always no", "valid.acc", ""),
    ],
)
def test_a_line_stands_beside_the_score_it_speaks_of(line: str, score: str, shown: str) -> None:
    assert line_beside(line, score) == shown


def test_a_report_has_the_lines_of_its_own_score_only(report: Report) -> None:
    assert dict(report.lines) == {"chance": 0.5, "degree": 0.8, "best known": 0.87}
    other = Report(replace(report.outline, score="valid.plain_acc"), report.rows)
    assert dict(other.lines) == {"largest class": 0.83}


def test_the_score_beside_it_has_the_lines_of_its_own_split(tmp_path: Path) -> None:
    score = {"name": "valid.acc", "goal": "max", "at": "best_epoch", "final": "test.acc"}
    lines = {"chance": 0.5, "valid.acc: copy last": 0.7, "test.acc: copy last": 0.6}
    study = Planted(Store(tmp_path), {"model.mlp_norm": ["none", "batch"]}, seeds=2, score=score)
    for cell in study.ids:
        for seed in (0, 1):
            study.score(cell, seed, 0.65, origin=Origin(data_lines=lines))
    report = study_report(study.store, "planted")
    assert (dict(report.lines), report.passed(0.65)) == ({"chance": 0.5, "copy last": 0.7}, "chance")
    assert dict(report.final_lines) == {"chance": 0.5, "copy last": 0.6}
    told = dict(facts(report))["data"]
    assert told == "known scores of it: chance 0.5, copy last 0.7; of test.acc: chance 0.5, copy last 0.6"


def test_a_score_is_told_with_the_strongest_line_that_it_passes(report: Report) -> None:
    assert [report.passed(mean) for mean in (0.9, 0.85, 0.6, 0.5)] == ["best known", "degree", "chance", ""]
    falling = Report(replace(report.outline, goal="min"), report.rows)
    assert [falling.passed(mean) for mean in (0.4, 0.6, 0.9)] == ["chance", "degree", ""]


def test_every_cell_is_told_with_it_on_the_page_and_in_the_terminal(report: Report) -> None:
    sheet = cells_sheet(report)
    place = [head.text for head in sheet.heads].index("better than")
    assert [row[place].text for row in sheet.rows] == ["degree", "chance"]
    group = cells_table(report, width=100)
    assert [str(head.header) for head in group.renderables[0].columns][-1] == "better than"
