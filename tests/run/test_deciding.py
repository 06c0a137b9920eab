"""Further seeds go to undecided claims only, look by look, and what earlier runs added is never forgotten."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import pytest
from small_study import small_record

from lab.errors import LabError
from lab.plan.designs import expand
from lab.plan.plan import Plan, Trial
from lab.records.record import Record
from lab.records.store import Store
from lab.run.deciding import decide, further, resumed, undecided, until_decided
from lab.run.execute import Result
from lab.spec.experiment import Experiment
from lab.spec.files import StudyFile
from lab.spec.study import Study

BASE = Experiment.model_validate({"dataset": {"kind": "pattern"}, "model": {"kind": "gin"}, "training": {"epochs": 1}})
CLAIMS = {"clear": "model.mlp_norm: batch > none", "open": "model.between_norm: batch > none"}
GAPS = {("batch", "none"): 0.0, ("none", "batch"): -0.5}


def planned(**said: object) -> Plan:
    """Three cells: the base, and each of its norms taken out; taking out the one costs 0.5, the other nothing."""
    factors = {"model.mlp_norm": ["batch", "none"], "model.between_norm": ["batch", "none"]}
    keys = {"question": "?", "base": "b", "score": "valid.acc", "factors": factors, "design": "one_out", "seeds": 4}
    test = {"method": "paired_t"}
    study = Study.model_validate(keys | {"claims": CLAIMS, "test": test} | said)
    return expand(StudyFile(study, BASE, "decided"))


def scored(trial: Trial, study: str) -> Record:
    noise = np.random.default_rng([trial.seed, len(trial.cell.label)]).normal(0, 0.01)
    value = 0.8 + noise + GAPS.get((trial.cell.levels["model.mlp_norm"], trial.cell.levels["model.between_norm"]), 0)
    return replace(small_record(trial, study), history={"valid.acc": (float(value),), "test.acc": (float(value),)})


class Runner:
    """Carries plans out by writing the scores they were made up to have."""

    def __init__(self, store: Store, fails: Callable[[Trial], bool] = lambda trial: False) -> None:
        self.store, self.fails = store, fails
        self.batches: list[list[str]] = []

    def __call__(self, plan: Plan, says: str) -> Result:
        self.store.write_plan(plan.outline())
        todo = [trial for trial in plan.all_trials if self.store.read(trial.id) is None]
        self.batches.append([f"{self.label(trial)} {trial.seed}" for trial in todo])
        for trial in todo:
            record = scored(trial, plan.name)
            self.store.write(replace(record, status="diverged") if self.fails(trial) else record)
        return Result(done=len(todo), failed=0, pruned=0, reused=0, pending=0)

    @staticmethod
    def label(trial: Trial) -> str:
        words: Mapping[tuple[object, object], str] = {("batch", "batch"): "base", ("none", "batch"): "no mlp"}
        return words.get((trial.cell.levels["model.mlp_norm"], trial.cell.levels["model.between_norm"]), "no between")


@pytest.fixture
def store(tmp_path) -> Store:
    return Store(tmp_path)


def test_only_the_cells_of_undecided_claims_get_seeds_and_only_up_to_the_most(store):
    runner = Runner(store)
    plan = until_decided(planned(), store, 8)
    decide(plan, store, runner)
    assert len(runner.batches[0]) == 12
    assert runner.batches[1:] == [
        ["base 4", "no between 4", "base 5", "no between 5"],
        ["base 6", "no between 6", "base 7", "no between 7"],
    ]
    assert [verdict.name for verdict in undecided(plan, store)] == ["open"]


def test_nothing_is_added_once_every_claim_is_decided(store):
    runner = Runner(store)
    decide(until_decided(planned(claims={"clear": CLAIMS["clear"]}), store, 12), store, runner)
    assert len(runner.batches) == 1


def test_the_file_may_say_so_by_itself(store):
    runner = Runner(store)
    decide(resumed(planned(seeds={"values": 4, "extend": {"max": 6}}), store), store, runner)
    assert [len(batch) for batch in runner.batches] == [12, 4]


def test_a_claim_with_a_failed_trial_is_not_waited_for(store):
    runner = Runner(store, fails=lambda trial: Runner.label(trial) == "no between" and trial.seed == 2)
    plan = until_decided(planned(), store, 8)
    decide(plan, store, runner)
    assert len(runner.batches) == 1
    assert undecided(plan, store) == []


def test_what_is_stopped_is_not_gone_on_with(store):
    def stopped(plan: Plan, says: str) -> Result:
        Runner(store)(plan, says)
        return Result(done=1, failed=0, pruned=0, reused=0, pending=0, stopped="the budget is spent")

    assert decide(until_decided(planned(), store, 8), store, stopped).stopped


def test_a_later_run_knows_the_seeds_and_looks_of_an_earlier_one(store):
    decide(until_decided(planned(), store, 8), store, Runner(store))
    again = resumed(planned(), store)
    assert [trial.seed for trial in again.extra] == [4, 4, 5, 5, 6, 6, 7, 7]
    assert again.asking.looks == (4, 6, 8)
    runner = Runner(store)
    assert runner(again, "").done == 0
    assert store.read_plan("decided")["claims"]["extra"] == [trial.id for trial in again.extra]
    assert until_decided(resumed(planned(), store), store, None).asking.looks == (4, 6, 8)


def test_seeds_that_become_planned_ones_are_not_run_twice(store):
    decide(until_decided(planned(), store, 8), store, Runner(store))
    more = resumed(planned(seeds=6), store)
    assert {trial.seed for trial in more.extra} == {6, 7}
    assert len({trial.id for trial in more.all_trials}) == len(more.all_trials)


def test_a_rule_that_stands_before_the_first_trial_costs_nothing(store):
    plan = resumed(until_decided(planned(), store, 8), store)
    assert (plan.asking.rounds, plan.asking.rate) == (1, 0.05)
    decide(plan, store, Runner(store))
    assert resumed(planned(), store).asking.rounds == 1


def test_a_rule_that_comes_after_verdicts_could_be_seen_costs_its_alpha_again(store):
    Runner(store)(planned(), "")
    late = resumed(until_decided(planned(), store, 8), store)
    assert (late.asking.rounds, late.asking.rate) == (2, 0.1)
    decide(late, store, Runner(store))
    later = resumed(until_decided(planned(), store, 10), store)
    assert later.asking.rounds == 3
    assert resumed(planned(), store).asking.rounds == 2


def test_a_rule_that_changes_before_any_verdict_could_be_seen_costs_nothing(store):
    plan = planned()
    store.write_plan(plan.outline())
    for trial in plan.all_trials[:7]:
        store.write(scored(trial, plan.name))
    assert resumed(until_decided(planned(), store, 8), store).asking.rounds == 1


def test_no_rule_is_added_where_all_is_decided(store):
    plan = planned(claims={"clear": CLAIMS["clear"]})
    Runner(store)(plan, "")
    assert until_decided(plan, store, 8) == plan


def test_more_planned_seeds_after_a_look_are_a_second_look(store):
    Runner(store)(planned(), "")
    assert resumed(planned(seeds=6), store).asking.rounds == 2


def test_a_hopeless_claim_gets_no_more_seeds(store):
    plan = until_decided(planned(), store, 8)
    Runner(store)(plan, "")
    open_ones = undecided(plan, store)
    assert further(plan, open_ones)
    assert further(plan, []) == ()
    assert further(planned(), open_ones) == ()


def test_wrong_wishes_are_told(store):
    with pytest.raises(LabError, match="no claim to decide"):
        until_decided(planned(claims={}), store, None)
    with pytest.raises(LabError, match="4 seeds are planned already"):
        until_decided(planned(), store, 4)
    assert until_decided(planned(), store, None).asking.looks == (4, 6, 8)


def test_cells_of_claims_are_never_given_up(store):
    from lab.run.giving_up import hopeless
    from lab.run.standing import Standing

    for keep, spared in ((["reference"], 0), (["reference", "claims"], 1)):
        claims = {"clear": CLAIMS["clear"]}
        plan = planned(prune={"after_seeds": 3, "worse_by": 0.01, "keep": keep}, claims=claims)
        standing = Standing(plan)
        for trial in plan.all_trials:
            standing.add(scored(trial, plan.name))
        worst = next(cell for cell in plan.cells if cell.levels["model.mlp_norm"] == "none")
        assert len(hopeless(plan, standing, worst.id)) == 1 - spared
