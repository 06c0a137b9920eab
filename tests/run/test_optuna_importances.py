"""Importances of a search: the factor that matters leads, whichever way better is, and the reading side has them."""

from pathlib import Path

import optuna
import pytest
from tiny_project import Tiny

from lab.analysis.importance import LABEL, importances
from lab.records.store import Store
from lab.run.optuna_importances import importances_of, keep_importances
from lab.run.optuna_sampling import Sampling, Sought
from lab.run.optuna_storage import Choices, Interval
from lab.spec.design import Goal, Score

SPACE = {"model.width": Interval(0.0, 1.0), "model.depth": Interval(0.0, 1.0), "model.norm": Choices(("none", "batch"))}


def searched(goal: Goal, settings: int = 60) -> Sampling:
    """A search in which the width matters most, the norm little and the depth not at all."""
    storage = optuna.storages.InMemoryStorage()
    sign = 1 if goal == "max" else -1
    sought = Sought((Score(name="valid.acc", goal=goal),), SPACE, "random", settings, seed=3)
    sampling = Sampling(storage, "planted/search", sought)
    for _ in range(settings):
        setting = sampling.ask()
        width, norm = setting.suggest("model.width"), setting.suggest("model.norm")
        setting.suggest("model.depth")
        setting.finish([sign * (float(str(width)) ** 2 + 0.05 * (norm == "batch"))])
    return sampling


@pytest.mark.parametrize("goal", ["max", "min"])
def test_the_factor_that_matters_leads_by_both_methods(goal: Goal) -> None:
    told = importances_of(searched(goal).study, (Score(name="valid.acc", goal=goal),))
    assert [each["method"] for each in told] == ["PED-ANOVA", "fANOVA"]
    for each in told:
        shares = each["shares"]
        assert isinstance(shares, dict)
        assert max(shares, key=shares.__getitem__) == "model.width"
        assert sum(shares.values()) == pytest.approx(1.0)
        assert each["settings"] == 60


def test_both_directions_give_the_same_shares() -> None:
    up, down = (importances_of(searched(goal).study, (Score(name="valid.acc", goal=goal),)) for goal in ("max", "min"))
    for one, other in zip(up, down, strict=True):
        assert one["shares"] == pytest.approx(other["shares"])


def test_what_was_kept_is_read_back_with_its_warning(tmp_path: Path) -> None:
    store, said = Store(tmp_path), []
    keep_importances(store, "planted", searched("max"), warn=said.append)
    told = importances(store, "planted")
    assert said == []
    assert [(each.method, each.score, each.settings) for each in told] == [
        ("PED-ANOVA", "valid.acc", 60),
        ("fANOVA", "valid.acc", 60),
    ]
    assert next(iter(told[0].shares)) == "model.width"
    assert {each.label for each in told} == {LABEL}
    assert "not an effect size" in LABEL


def test_too_few_settings_tell_nothing_and_leave_no_file(tmp_path: Path) -> None:
    store = Store(tmp_path)
    keep_importances(store, "planted", searched("max", settings=3), warn=print)
    assert importances(store, "planted") == ()
    assert importances(store, "another") == ()


def test_a_broken_file_is_left_out(tmp_path: Path) -> None:
    store = Store(tmp_path)
    keep_importances(store, "planted", searched("max"), warn=print)
    (tmp_path / "records" / "planted" / "importances.json").write_text('{"importances"')
    assert importances(store, "planted") == ()


@pytest.mark.torch
def test_a_search_that_was_run_leaves_its_importances_beside_its_records(tiny: Tiny) -> None:
    ranges = "factors:\n  model.width: {range: [2, 8]}\n  training.lr: {log: [1e-4, 1e-1]}\n"
    plan = tiny.study(ranges + "design: {kind: search, trials: 6, sampler: random, pruner: none}\nseeds: 1\n")
    assert tiny.run(plan).done >= 6
    told = importances(tiny.store, plan.name)
    assert {each.method for each in told} == {"PED-ANOVA", "fANOVA"}
    assert set(told[0].shares) == {"model.width", "training.lr"}
    assert all(each.settings == 6 for each in told)
