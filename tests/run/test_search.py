"""Searches and tuning as sources of tasks: scores are planted, so no trial is trained."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import pytest
from optuna.trial import FrozenTrial
from tiny_project import Tiny

from lab.plan.plan import Plan
from lab.records.record import Record
from lab.run.announcer import Announcer
from lab.run.claims import Claims
from lab.run.events import Said
from lab.run.opening import Desk, open_desk
from lab.run.optuna_storage import open_storage
from lab.run.tasks import Source, Task
from lab.spec.experiment import Experiment

Score = Callable[[Experiment, int], float]

RANGES = "factors:\n  model.width: {range: [4, 16]}\n  training.lr: {log: [1e-4, 1e-1]}\n"
TUNED = "nuisance: {training.lr: {log: [1e-4, 1e-1], trials: 6}}\n"


def by_rate(experiment: Experiment, seed: int) -> float:
    """Best at a rate of 0.01."""
    return 1.0 - abs(math.log10(experiment.training.lr) + 2) - 0.001 * seed


def desk_of(tiny: Tiny, plan: Plan, claims: Claims) -> Desk:
    heard = Announcer([tiny.heard.append])
    return open_desk(plan, tiny.store, claims=claims, announcer=heard, retry_failed=False)


def record_of(task: Task, plan: Plan, score: float, status: str = "done") -> Record:
    blank = vars(task.record(plan, origin=Record("", "", "", "done", 0).origin))
    history = {"valid.acc": (score,)} if math.isfinite(score) else {}
    return Record(**(blank | {"status": status, "history": history}))


def carry_out(tiny: Tiny, plan: Plan, score: Score, *, limit: int = 10_000, of: str = "") -> list[Task]:
    """Run a plan with planted scores, one trial at a time, like a coordinator would; `limit` interrupts it."""
    ran: list[Task] = []
    with Claims(tiny.root / "mlruns" / "claims") as claims:
        desk = desk_of(tiny, plan, claims)
        while len(ran) < limit:
            found = next(((source, task) for source in desk.sources if (task := source.next())), None)
            if found is None:
                break
            settle(desk, *found, score)
            if not of or found[1].role == of:
                ran.append(found[1])
        for source in desk.sources:
            source.leave()
    return ran


def settle(desk: Desk, source: Source, task: Task, score: Score) -> None:
    known = desk.store.read(task.id, study=desk.plan.name)
    if known is None:
        known = record_of(task, desk.plan, score(task.experiment, task.trial.seed))
        desk.store.write(known)
        desk.standing.add(known)
    source.ended(task, known)


def shown(tiny: Tiny, name: str) -> list[FrozenTrial]:
    storage = open_storage(tiny.root / "mlruns")
    return storage.get_all_trials(storage.get_study_id_from_name(name))


@pytest.mark.parametrize(
    "sampler",
    ["tpe", "random", "qmc", "nsga2", "cmaes", pytest.param("gp", marks=[pytest.mark.torch, pytest.mark.slow])],
)
def test_a_search_tries_as_many_settings_as_it_says_and_tells_their_means(tiny: Tiny, sampler: str) -> None:
    plan = tiny.study(RANGES + f"design: {{kind: search, trials: 12, sampler: {sampler}, pruner: none}}\nseeds: 2\n")
    ran = carry_out(tiny, plan, by_rate, of="search")
    settings = {task.trial.cell.id for task in ran}
    assert len(ran) == 24
    assert len(settings) == 12
    told = shown(tiny, "question/search")
    assert [trial.state.name for trial in told] == ["COMPLETE"] * 12
    for trial in told:
        rate = trial.params["training.lr"]
        assert trial.values == [pytest.approx(1.0 - abs(math.log10(rate) + 2) - 0.0005)]
        assert isinstance(trial.params["model.width"], int)
    assert all(task.trial.cell.levels["model.width"] == task.experiment.get("model.width") for task in ran)


def test_a_sampler_that_learns_does_better_than_chance(tiny: Tiny) -> None:
    plan = tiny.study(RANGES + "design: {kind: search, trials: 40, sampler: tpe, pruner: none}\nseeds: 1\n")
    ran = [by_rate(task.experiment, 0) for task in carry_out(tiny, plan, by_rate, of="search")]
    assert sum(ran[-15:]) / 15 > sum(ran[:15]) / 15


def test_an_interrupted_search_draws_what_an_uninterrupted_one_draws(tiny: Tiny) -> None:
    text = RANGES + "design: {kind: search, trials: 12, pruner: none}\nseeds: 1\n"
    plan = tiny.study(text)
    whole = [task.id for task in carry_out(tiny, plan, by_rate, of="search")]
    other = Tiny(tiny.root / "other")
    ids = [task.id for limit in (3, 4, 100) for task in carry_out(other, plan, by_rate, limit=limit, of="search")]
    assert ids == whole


def test_a_search_whose_journal_is_lost_knows_what_it_tried(tiny: Tiny) -> None:
    plan = tiny.study(RANGES + "design: {kind: search, trials: 8, pruner: none}\nseeds: 2\n")
    carry_out(
        tiny, plan, lambda experiment, seed: by_rate(experiment, seed) if experiment.training.lr < 0.05 else math.nan
    )
    (tiny.root / "mlruns" / "optuna.journal").unlink()
    assert carry_out(tiny, plan, by_rate, of="search") == []
    assert len(shown(tiny, "question/search")) == 8


def test_conditions_and_constraints_hold_in_a_search(tiny: Tiny) -> None:
    text = (
        "factors:\n  model.width: {range: [4, 16]}\n  model.mlp_norm: all\n"
        '  model.residual: {values: all, when: model.mlp_norm == "batch"}\n'
        'constraints: [{forbid: model.width > 10 and model.mlp_norm == "none"}]\n'
        "design: {kind: search, trials: 20, sampler: random, pruner: none}\nseeds: 1\n"
    )
    plan = tiny.study(text)
    ran = carry_out(tiny, plan, lambda experiment, seed: 0.5, of="search")
    assert len(ran) == 20
    for task in ran:
        levels = task.trial.cell.levels
        assert not (levels["model.width"] > 10 and levels["model.mlp_norm"] == "none")
        assert ("model.residual" in levels) == (levels["model.mlp_norm"] == "batch")
    told = shown(tiny, "question/search")
    forbidden = [trial for trial in told if trial.user_attrs["lab.status"] == "forbidden"]
    assert forbidden
    assert len(told) - len(forbidden) == 20
    assert {trial.state.name for trial in forbidden} == {"PRUNED"}


def test_a_search_that_is_forbidden_everywhere_ends_with_a_warning(tiny: Tiny) -> None:
    text = (
        "factors: {model.width: {range: [4, 16]}, model.mlp_norm: all}\n"
        "constraints: [{forbid: model.width >= 4 and model.width != 4}, {forbid: model.mlp_norm == 'none'}]\n"
        "design: {kind: search, trials: 30, sampler: random, pruner: none}\nseeds: 1\n"
    )
    plan = tiny.study(text)
    carry_out(tiny, plan, lambda experiment, seed: 0.5)
    assert "the constraints forbid nearly everything" in tiny.said


def test_several_objectives_are_told_together(tiny: Tiny) -> None:
    text = RANGES + (
        "design: {kind: search, trials: 6, sampler: nsga2, objectives: "
        "[{name: valid.acc, goal: max}, {name: cost.params, goal: min}]}\nseeds: 1\n"
    )
    plan = tiny.study(text)
    with Claims(tiny.root / "mlruns" / "claims") as claims:
        desk = desk_of(tiny, plan, claims)
        assert desk.search is not None
        while (task := desk.search.next()) is not None:
            assert not task.is_watched, "several objectives are never pruned"
            record = record_of(task, plan, 0.5)
            desk.search.ended(
                task, Record(**(vars(record) | {"scores": {"cost.params": task.experiment.get("model.width")}}))
            )
    told = shown(tiny, "question/search")
    assert [trial.values for trial in told] == [[0.5, trial.params["model.width"]] for trial in told]


def test_the_pruner_gives_up_on_the_first_seed_and_the_others_are_spared(tiny: Tiny) -> None:
    plan = tiny.study(RANGES + "design: {kind: search, trials: 12, sampler: random, pruner: median}\nseeds: 3\n")
    pruned = 0
    with Claims(tiny.root / "mlruns" / "claims") as claims:
        desk = desk_of(tiny, plan, claims)
        assert desk.search is not None
        while (task := desk.search.next()) is not None:
            score = by_rate(task.experiment, task.trial.seed)
            goes_on = not task.is_watched or all(
                desk.search.goes_on(task, epoch, {"valid.acc": score}) for epoch in (1, 2)
            )
            assert goes_on or task.trial.seed == 0
            pruned += not goes_on
            desk.search.ended(task, record_of(task, plan, score, "done" if goes_on else "pruned"))
        assert desk.search.is_over
    states = [trial.state.name for trial in shown(tiny, "question/search")]
    assert pruned == states.count("PRUNED") > 0
    assert len(states) == 12


def test_two_runs_share_a_search(tiny: Tiny) -> None:
    plan = tiny.study(RANGES + "design: {kind: search, trials: 10, pruner: none}\nseeds: 1\n")
    ids: list[str] = []
    with Claims(tiny.root / "mlruns" / "claims") as mine, Claims(tiny.root / "mlruns" / "claims") as theirs:
        desks = [desk_of(tiny, plan, claims) for claims in (mine, theirs)]
        while any(progress := [_step(desk, ids) for desk in desks]):
            assert progress
    assert len(ids) == len(set(ids)) == 10
    assert len(shown(tiny, "question/search")) == 10


def _step(desk: Desk, ids: list[str]) -> bool:
    assert desk.search is not None
    task = desk.search.next()
    if task is None:
        return False
    ids.append(task.id)
    settle(desk, desk.search, task, by_rate)
    return True


def test_every_cell_gets_the_same_tuning_and_is_compared_at_its_best(tiny: Tiny) -> None:
    plan = tiny.study("factors: {model.mlp_norm: all}\nseeds: 2\n" + TUNED)
    ran = carry_out(tiny, plan, by_rate)
    for cell in plan.cells:
        tried = shown(tiny, f"question/tune/{cell.id}")
        assert len(tried) == 6
        best = max(tried, key=lambda trial: trial.value or -math.inf).params["training.lr"]
        compared = [task for task in ran if task.role == "compare" and task.trial.cell.id == cell.id]
        assert [task.trial.seed for task in compared] == [0, 1]
        assert [dict(task.tuned) for task in compared] == [{"training.lr": best}] * 2
        assert all(task.experiment.training.lr == best for task in compared)
    tuning = [task for task in ran if task.role == "tune"]
    assert {task.trial.seed for task in tuning} == {100}
    assert len(tuning) == 12
    records = {record.trial: record for record in tiny.store.records(plan.name)}
    assert all(records[task.id].tuned for task in ran if task.role == "compare")


def test_interrupted_tuning_and_a_lost_journal_come_out_the_same(tiny: Tiny) -> None:
    plan = tiny.study("factors: {model.mlp_norm: all}\nseeds: 1\n" + TUNED)
    whole = [(task.id, task.role) for task in carry_out(tiny, plan, by_rate)]
    other = Tiny(tiny.root / "other")
    pieces = []
    for limit in (4, 5, 100):
        pieces += [(task.id, task.role) for task in carry_out(other, plan, by_rate, limit=limit)]
        (other.root / "mlruns" / "optuna.journal").unlink(missing_ok=True)
    compared = {each for each in whole if each[1] == "compare"}
    assert compared <= set(pieces)
    assert len(list(other.store.records(plan.name))) == len(whole)


def test_tuning_tells_the_mean_over_its_seeds(tiny: Tiny) -> None:
    text = "nuisance: {training.lr: {values: [1e-3, 1e-2], trials: 4, sampler: random, seeds: [100, 101]}}\n"
    plan = tiny.study("factors: {model.mlp_norm: all}\nseeds: 1\n" + text)
    carry_out(tiny, plan, by_rate)
    told = shown(tiny, f"question/tune/{plan.cells[0].id}")
    assert len(told) == 4
    for trial in told:
        expected = [
            by_rate(plan.reference.experiment.model_copy(update={"training": rate(trial)}), s) for s in (100, 101)
        ]
        assert trial.value == pytest.approx(sum(expected) / 2)


def rate(trial: FrozenTrial) -> object:
    from lab.spec.experiment import Training

    return Training(lr=trial.params["training.lr"])


def test_a_cell_whose_tuning_fails_keeps_the_base_and_says_so(tiny: Tiny) -> None:
    plan = tiny.study("factors: {model.mlp_norm: all}\nseeds: 1\n" + TUNED)
    ran = carry_out(tiny, plan, lambda experiment, seed: math.nan if seed == 100 else 0.5)
    assert [dict(task.tuned) for task in ran if task.role == "compare"] == [{}, {}]
    warnings = [event.text for event in tiny.heard if isinstance(event, Said)]
    assert len([text for text in warnings if "compared as the base has it" in text]) == 2


def test_a_cell_is_tuned_by_one_run_at_a_time(tiny: Tiny, tmp_path: Path) -> None:
    plan = tiny.study("factors: {model.mlp_norm: all}\nseeds: 1\n" + TUNED)
    with Claims(tmp_path / "mlruns" / "claims") as mine, Claims(tmp_path / "mlruns" / "claims") as theirs:
        here, there = (desk_of(tiny, plan, claims) for claims in (mine, theirs))
        first = [here.tuning.next(), here.tuning.next()]
        assert all(first)
        assert there.tuning.next() is None
        assert there.planned.next() is None
