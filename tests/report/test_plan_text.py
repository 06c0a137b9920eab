"""`lab plan` says what a run would do before it does it."""

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from lab.plan.plan import Cell, Plan
from lab.plan.power import smallest_effect
from lab.records.record import Record
from lab.records.store import Store
from lab.records.timings import Timing
from lab.report.plan_text import plan_data, plan_text
from lab.report.preview import Preview, preview
from lab.spec.datasets import Pattern
from lab.spec.design import Block, Score
from lab.spec.experiment import Experiment
from lab.spec.models.gin import Gin
from lab.spec.study import Budget, Seeds, Study, Tuned


def cell(width: int, **said: object) -> Cell:
    return Cell({"model.width": width}, Experiment(dataset=Pattern(), model=Gin(width=width)), **said)  # type: ignore[arg-type]


def plan(cells: list[Cell], seeds: int = 4, **said: object) -> Plan:
    study = Study(
        question="How wide?",
        base="experiments/x.yaml",
        score=Score(name="valid.acc"),
        factors={"model.width": {"values": [each.levels["model.width"] for each in cells]}},  # type: ignore[dict-item]
        seeds=Seeds(values=tuple(range(seeds)), noise_floor=1),
        budget=Budget(hours=1.0),
    )
    return Plan("widths", study, tuple(cells), cells[0], **said)  # type: ignore[arg-type]


def record(cell: Cell, seed: int, value: float, study: str = "widths", status: str = "done") -> Record:
    return Record(f"{cell.id}-{seed}", cell.id, study, status, seed, history={"valid.acc": (value,)}, seconds=60.0)  # type: ignore[arg-type]


def text(told: Preview, width: int = 160) -> str:
    out = io.StringIO()
    Console(file=out, width=width, highlight=False).print(plan_text(told))
    return out.getvalue()


def test_runs_add_up(tmp_path: Path) -> None:
    shown = text(preview(plan([cell(8), cell(16), cell(32)]), Store(tmp_path), {}))
    assert "13 = 3 cells x 4 seeds + 1 of the base again (noise floor)" in shown
    assert "none of them is in yet; 13 trials to run" in shown
    assert "not known: no cell was run or timed here yet" in shown
    assert "(base)" in shown


def test_what_other_studies_ran_is_reused_and_failures_are_told(tmp_path: Path) -> None:
    store, cells = Store(tmp_path), [cell(8), cell(16)]
    store.write(record(cells[0], 0, 0.5))
    store.write(record(cells[0], 1, 0.5, study="earlier"))
    store.write(record(cells[1], 1, 0.5, study="earlier", status="bug"))
    store.write(record(cells[1], 2, 0.5, status="diverged"))
    told = preview(plan(cells), store, {})
    assert (len(told.known), len(told.reused), len(told.failed), told.cost.trials) == (3, 1, 1, 6)
    shown = text(told)
    assert "3 in already (1 from earlier), 1 of them failed" in shown
    assert "6 trials to run" in shown


def test_cost_is_held_against_the_budget(tmp_path: Path) -> None:
    cells = [cell(8), cell(16)]
    timings = {(cells[0].id, "cpu"): Timing(seconds=600.0, trials=1)}
    shown = text(preview(plan(cells), Store(tmp_path), timings))
    assert "about 1.5 h one trial at a time, of a budget of 1 h - more than it allows" in shown
    assert "the cells of 5 trials timed" in shown


def test_the_smallest_effect_is_in_the_scores_own_unit_once_pairs_are_in(tmp_path: Path) -> None:
    store, cells = Store(tmp_path), [cell(8), cell(16)]
    before = preview(plan(cells), store, {})
    assert before.smallest_effect == pytest.approx(smallest_effect(4))
    assert "sd of a paired difference" in text(before)
    for seed, gap in enumerate([0.01, 0.02, 0.03, 0.04]):
        store.write(record(cells[0], seed, 0.5))
        store.write(record(cells[1], seed, 0.5 + gap))
    after = preview(plan(cells), store, {})
    assert after.spread is not None
    assert after.spread.sd == pytest.approx(0.012909944)
    assert after.smallest_effect == pytest.approx(smallest_effect(4) * 0.012909944)
    assert "differences of valid.acc above" in text(after)


def test_tuning_and_search_are_counted(tmp_path: Path) -> None:
    tuned = {
        "training.lr": Tuned(log=(1e-4, 1e-2), trials=6, seeds=(100, 101)),
        "training.clip": Tuned(range=(1, 2), trials=3),
    }
    cells = [cell(8, tuned=tuned), cell(16, tuned=tuned)]
    searched = plan(cells, search=Block(kind="search", trials=10))
    told = preview(searched, Store(tmp_path), {})
    assert (told.tuning, told.searching) == (24, 40)
    assert told.cost.trials == 9 + 24 + 40
    assert "73 = 2 cells x 4 seeds + 1 of the base again (noise floor) + 24 tuning + 40 search" in text(told)


def test_a_long_list_of_cells_is_cut(tmp_path: Path) -> None:
    shown = text(preview(plan([cell(width) for width in range(1, 61)], seeds=1), Store(tmp_path), {}))
    assert "... and 20 more" in shown
    assert "nothing with one seed" in shown


def test_warnings_are_shown(tmp_path: Path) -> None:
    told = preview(plan([cell(8)]), Store(tmp_path), {}, warnings=["model.width changes nothing"])
    assert "warning: model.width changes nothing" in text(told)


def test_the_data_say_the_same(tmp_path: Path) -> None:
    data = plan_data(preview(plan([cell(8), cell(16)], seeds=1), Store(tmp_path), {}))
    read = json.loads(json.dumps(data, allow_nan=False))
    assert (read["trials"], read["to_run"], read["seconds"], read["smallest_effect"]) == (3, 3, None, None)
    assert [each["is_reference"] for each in read["cells"]] == [True, False]
