"""A whole analysis: from records alone, unfinished runs kept out, and blind to what does not matter."""

import json
import random
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from grids import full, noisy, outline_of, rows_of
from hypothesis import given, settings
from hypothesis import strategies as st
from planted import Planted

from lab.analysis.findings import Analysis, analyse, analysis_of
from lab.records.store import Store

LEVELS = {"model.norm": ["none", "batch", "layer"], "model.gate": [False, True]}
CELLS = full(a=["p", "q", "r"], b=[0, 1])


def planted(folder: Path, seeds: int = 6) -> Planted:
    study = Planted(Store(folder), LEVELS, seeds=seeds)
    generator = np.random.default_rng(0)
    luck = generator.normal(0, 0.05, seeds)
    for cell, levels in study.cells.items():
        for seed in range(seeds):
            value = 0.7 + 0.1 * (levels["model.norm"] == "batch") + luck[seed] + generator.normal(0, 0.01)
            study.score(cell, seed, value)
    return study


def mean(cell: dict[str, object]) -> float:
    return (cell["a"] == "q") + 0.5 * (cell["a"] == "r" and cell["b"] == 1)


def analysis(scores: np.ndarray, cells: list[dict[str, object]] | None = None, goal: str = "max") -> Analysis:
    return analysis_of(rows_of(cells or CELLS, scores), outline_of(cells or CELLS, goal=goal))


def test_everything_is_worked_out_from_the_records(tmp_path: Path) -> None:
    study = planted(tmp_path)
    found = analyse(study.store, "planted")
    assert len(found.frame) == 36
    assert len(found.cells) == 6
    assert [effect.factor for effect in found.effects] == ["model.norm", "model.norm", "model.gate"]
    assert found.effects[0].difference.mean == pytest.approx(0.1, abs=0.01)
    assert found.effects[0].told_apart
    assert len(found.interactions) == 2
    assert found.anova is not None
    assert found.anova.term("model.norm").p < 1e-6  # type: ignore[union-attr]
    assert found.anova.shares.seed_share < 0.8
    assert found.mixed is not None
    assert found.mixed.converged
    assert [each.factor for each in found.leave_one_out].count("model.norm") == 2
    assert {each.factor for each in found.aggregates} == {"model.norm", "model.gate"}
    assert found.importances == ()
    assert found.holes.is_complete


@pytest.mark.parametrize("status", ["pruned", "diverged", "killed", "timed_out", "stopped", "bug", "out_of_memory"])
def test_a_trial_that_did_not_finish_never_enters_however_good_it_looks(tmp_path: Path, status: str) -> None:
    study = planted(tmp_path)
    study.store.set_aside(f"{study.ids[2]}-0")
    without = analyse(study.store, "planted")
    study.score(study.ids[2], 0, 1e6, status=status)
    found = analyse(study.store, "planted")
    for name in ("effects", "interactions", "anova", "leave_one_out", "aggregates"):
        assert repr(getattr(found, name)) == repr(getattr(without, name))
    assert found.holes.missing == 0
    assert without.holes.banner.startswith("Unfinished: 1 of 36")
    assert any("failed" in each or "pruned" in each for each in found.holes.sentences)


def test_a_study_without_a_record_says_that_nothing_is_in(tmp_path: Path) -> None:
    study = Planted(Store(tmp_path), LEVELS, seeds=2)
    found = analyse(study.store, "planted")
    assert found.holes.missing == found.holes.planned == 12
    assert all(effect.difference.n == 0 for effect in found.effects)
    assert found.anova is None
    assert found.mixed is None
    assert found.aggregates == ()


def test_one_seed_gives_means_and_not_one_interval(tmp_path: Path) -> None:
    found = analyse(planted(tmp_path, seeds=1).store, "planted")
    assert all(effect.difference.n == 1 and not effect.difference.has_interval for effect in found.effects)
    assert not any(effect.told_apart or effect.evidence.bootstrap.is_known for effect in found.effects)
    assert found.anova is None


def numbers(found: Analysis) -> dict[str, list[float]]:
    """All that has a sign and a size, and all that has not, by what it is."""
    effects = [*found.effects, *found.interactions]
    ends = [(each.difference.mean, each.difference.low, each.difference.high) for each in effects]
    boots = [(each.evidence.bootstrap.low, each.evidence.bootstrap.high) for each in effects]
    assert found.anova is not None
    assert found.mixed is not None
    lines = (*found.anova.terms, found.anova.seed)
    chances = [(each.difference.p, each.evidence.permutation, each.evidence.adjusted) for each in effects]
    chances += [(line.p, line.partial_eta, line.share) for line in lines]
    return {
        "sizes": [value for row in (*ends, *boots) for value in row] + [each.mean for each in found.mixed.effects],
        "chances": [value for row in chances for value in row] + [each.improvement for each in found.aggregates],
        "places": [each.iqm for each in found.aggregates],
    }


def assert_close(these: list[float], those: list[float]) -> None:
    assert np.array(these) == pytest.approx(np.array(those), rel=1e-4, abs=1e-6, nan_ok=True)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 1000), st.sampled_from([-3.0, 0.5, 1000.0]))
def test_adding_a_constant_to_every_score_changes_no_effect(seed: int, constant: float) -> None:
    scores = noisy(CELLS, 6, mean, seed=seed)
    before, after = numbers(analysis(scores)), numbers(analysis(scores + constant))
    assert_close(before["sizes"], after["sizes"])
    assert_close(before["chances"], after["chances"])
    assert_close([value + constant for value in before["places"]], after["places"])


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 1000), st.sampled_from([0.01, 3.0, 1e6]))
def test_scaling_the_scores_scales_the_effects_and_leaves_the_chances(seed: int, scale: float) -> None:
    scores = noisy(CELLS, 6, mean, seed=seed)
    before, after = numbers(analysis(scores)), numbers(analysis(scores * scale))
    assert_close([value * scale for value in before["sizes"]], after["sizes"])
    assert_close(before["chances"], after["chances"])


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 1000))
def test_the_order_of_rows_and_of_cells_changes_nothing(seed: int) -> None:
    scores = noisy(CELLS, 5, mean, seed=seed)
    scores[np.random.default_rng(seed).random(scores.shape) < 0.1] = np.nan
    rows, outline = rows_of(CELLS, scores), outline_of(CELLS)
    names = list(outline.cells)
    shuffled = [names[0], *random.Random(seed).sample(names[1:], len(names) - 1)]
    turned = replace(outline, cells={name: outline.cells[name] for name in shuffled})
    before = analysis_of(rows, outline)
    after = analysis_of(random.Random(seed).sample(rows, len(rows)), turned)
    by_level = [
        {
            (effect.factor, effect.level): (effect.difference.mean, effect.difference.p, effect.pairs)
            for effect in found.effects
        }
        for found in (before, after)
    ]
    assert by_level[0].keys() == by_level[1].keys()
    for key, values in by_level[0].items():
        assert values == pytest.approx(by_level[1][key], nan_ok=True)
    assert before.anova is not None
    assert after.anova is not None
    for line in before.anova.terms:
        assert line.squares == pytest.approx(after.anova.term(*line.factors).squares)  # type: ignore[union-attr]


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 1000))
def test_other_names_for_levels_and_seeds_change_nothing(seed: int) -> None:
    scores = noisy(CELLS, 5, mean, seed=seed)
    names = {"p": [0, 1], "q": "zero", "r": None, 0: True, 1: False}
    renamed = [{key: names[level] for key, level in cell.items()} for cell in CELLS]  # type: ignore[index]
    before, after = analysis(scores), analysis(scores, renamed)  # type: ignore[arg-type]
    for key, values in numbers(before).items():
        assert_close(values, numbers(after)[key])
    turned = analysis(scores[:, ::-1])
    assert_close(numbers(before)["chances"], numbers(turned)["chances"])


def test_another_base_only_turns_the_signs() -> None:
    cells = full(a=[0, 1], b=[0, 1])
    scores = noisy(cells, 6, lambda cell: 0.4 * float(str(cell["a"])), seed=5)
    turned = [cells[2], cells[3], cells[0], cells[1]]
    before = {effect.factor: effect for effect in analysis(scores, cells).effects}
    after = {effect.factor: effect for effect in analysis(scores[[2, 3, 0, 1]], turned).effects}
    assert after["a"].difference.mean == pytest.approx(-before["a"].difference.mean)
    assert (after["a"].difference.low, after["a"].difference.p) == pytest.approx(
        (-before["a"].difference.high, before["a"].difference.p)
    )
    assert after["a"].evidence.bootstrap.low == pytest.approx(-before["a"].evidence.bootstrap.high)
    assert after["b"].difference.mean == pytest.approx(before["b"].difference.mean)


def test_less_is_better_turns_costs_and_chances_and_leaves_differences() -> None:
    scores = noisy(CELLS, 6, mean, seed=1)
    up, down = analysis(scores), analysis(scores, goal="min")
    assert [each.difference for each in up.effects] == [each.difference for each in down.effects]
    costs = [{each.cell: each.cost.mean for each in found.leave_one_out} for found in (up, down)]
    assert costs[0] == pytest.approx({cell: -cost for cell, cost in costs[1].items()})
    assert all(a.cost.mean >= b.cost.mean for a, b in pairwise(up.leave_one_out))
    chances = [(a.improvement, b.improvement) for a, b in zip(up.aggregates, down.aggregates, strict=True) if a.pairs]
    assert all(one + other == pytest.approx(1.0) for one, other in chances)


def test_the_whole_analysis_loads_none_of_the_heavy_libraries(tmp_path: Path) -> None:
    planted(tmp_path)
    code = (
        "import sys, json; from lab.records.store import Store; from lab.analysis.findings import analyse\n"
        "early = 'statsmodels' in sys.modules; analyse(Store(sys.argv[1]), 'planted').frame\n"
        "print(json.dumps([early, [m for m in ('torch', 'mlflow', 'optuna', 'torch_geometric') if m in sys.modules]]))"
    )
    ended = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    assert json.loads(ended.stdout) == [False, []]
