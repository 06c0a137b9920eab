"""Every rule of the house fires on its fault, spares what is sound, and finds the same however readings are cut."""

import json
import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.records.chunk import TOTAL, Chunk
from lab.records.rules.facts import Facts
from lab.records.rules.health import Health
from lab.spec.rules import RuleSpec, house_rules
from lab.testing import check_rule

STEPS = 400
LN2 = math.log(2)
FACTS = Facts(
    classes=2,
    label_entropy=LN2,
    planned_steps=STEPS,
    lr=1e-3,
    blocks=("layers.0", "layers.1"),
    vectors=frozenset({"b"}),
)


def noisy(level: float, spread: float = 0.1, steps: int = STEPS, seed: int = 0) -> np.ndarray:
    return level * np.exp(spread * np.random.default_rng(seed).standard_normal(steps))


def series(values: np.ndarray) -> list[tuple[int, float]]:
    return list(enumerate(values.tolist()))


def flat(value: float, steps: int = STEPS) -> np.ndarray:
    return np.full(steps, value)


MOVING = ("grad_norm", "update_norm", "update_weight")
LEARNED = LN2 * np.linspace(1, 0.5, STEPS)
JUMPS = np.where(np.arange(STEPS) == 200, 30.0, 1.0)
SWINGS = 0.5 + 0.4 * (-1.0) ** np.arange(12)
CASES: dict[str, tuple[list[np.ndarray], list[np.ndarray]]] = {
    "nonfinite": ([flat(0.0)], [np.where(np.arange(STEPS) == 7, 1.0, 0.0)]),
    "masked_row": ([flat(0.0)], [flat(3.0)]),
    "attention_form": ([flat(1e-6)], [flat(0.3)]),
    "padding_leak": ([flat(1e-7)], [flat(0.02)]),
    "cross_graph": ([flat(1e-7)], [flat(0.02)]),
    "stale_grad": ([flat(0.0), np.where(np.arange(STEPS) < 9, 1.0, 0.0)], [np.arange(STEPS) % 2.0]),
    "double_softmax": ([flat(0.0)], [flat(1.0)]),
    "mode_and_input": ([flat(1.0)], [flat(0.0)]),
    "no_gradient": ([noisy(0.1)], []),
    "update_high": ([noisy(2e-3, 0.5), noisy(0.03)], [noisy(0.5), noisy(0.08)]),
    "update_low": ([noisy(1e-3), noisy(3e-5)], [noisy(1e-7)]),
    "grad_weight_band": ([noisy(1e-2, 0.5)], [noisy(1e-5), noisy(5.0)]),
    "grad_spike": ([noisy(1.0, 0.5), noisy(1.0, 0.01)], [JUMPS * noisy(1.0)]),
    "grad_growth": ([noisy(1.0) * np.linspace(1, 10, STEPS)], [noisy(1.0) * np.logspace(0, 2, STEPS)]),
    "vanishing": ([noisy(0.1)], [noisy(1e-9)]),
    "act_scale": ([noisy(2.0)], [noisy(1e3)]),
    "dead_units": ([noisy(0.3)], [flat(0.8)]),
    "saturation": ([noisy(0.1)], [flat(0.9)]),
    "initial_loss": ([LEARNED], [LEARNED * 50, -LEARNED]),
    "no_learning": ([LEARNED], [noisy(LN2, 0.01)]),
    "seesaw": ([np.linspace(0.5, 0.9, 120)], []),
    "divergence": ([LEARNED], [np.where(np.arange(STEPS) < 200, 0.3, 1.0)]),
}


def test_every_rule_of_the_house_has_a_case() -> None:
    assert CASES.keys() == house_rules().keys()
    assert [rule.number for rule in house_rules().values()] == [f"R{number}" for number in range(1, 23)]


@pytest.mark.parametrize("kind", CASES)
def test_a_rule_of_the_house_keeps_the_contract(kind: str) -> None:
    healthy, sick = CASES[kind]
    check_rule(
        RuleSpec.named(kind), healthy=[series(each) for each in healthy], sick=[series(s) for s in sick], facts=FACTS
    )


def test_a_parameter_without_a_gradient_is_named_and_a_declared_freeze_is_not() -> None:
    steps = np.arange(60)
    values = np.ones((60, 3, 3), dtype=np.float32)
    values[:, :, 0] = 0
    chunk = Chunk("gradients", steps, ("layers.0.w", "layers.1.w", "b"), MOVING, values)
    rule = RuleSpec.named("no_gradient")()
    assert [(each.scope, each.step) for each in findings([rule], [chunk])] == [("layers.0.w", 19)]
    for exempt in (Facts(frozen=frozenset({"layers.0.w"})), Facts(cancelled=frozenset({"layers.0.w"}))):
        assert findings([rule], [chunk], exempt) == []


def test_a_parameter_outside_the_optimizer_is_told_from_one_without_a_gradient() -> None:
    values = np.ones((60, 3, 2), dtype=np.float32)
    values[:, 1:, 0] = 0
    chunk = Chunk("gradients", np.arange(60), ("a.w", "b.w"), MOVING, values)
    (found,) = findings([RuleSpec.named("no_gradient")()], [chunk])
    assert found.scope == "a.w"
    assert "never moved" in found.says


def test_two_recalls_that_move_against_each_other_are_a_seesaw_and_two_that_rise_together_are_not() -> None:
    rule = RuleSpec.named("seesaw")()

    def recalls(first: np.ndarray, second: np.ndarray) -> Chunk:
        values = np.stack([first, second], axis=1)[:, None].astype(np.float32)
        return Chunk("evaluation", np.arange(len(first)) * 10, ("0", "1"), ("recall",), values)

    assert [each.scope for each in findings([rule], [recalls(SWINGS + 0.1, SWINGS[::-1] + 0.1)])] == ["recall"]
    assert findings([rule], [recalls(SWINGS + 0.1, SWINGS + 0.1)]) == []
    assert findings([rule], [recalls(SWINGS, SWINGS[::-1])]) == [], "a model at chance has nothing to lose"
    assert [each.step for each in findings([rule], [recalls(flat(1.0, 12), flat(0.0, 12))])] == [90]


def test_a_run_may_settle_before_its_loss_or_its_gradients_count_as_growing() -> None:
    dip = np.where(np.arange(STEPS) < 30, 1.0, 50.0).astype(np.float32)
    chunk = Chunk("gradients", np.arange(STEPS), (TOTAL,), ("total_norm",), dip[:, None, None])
    growth = RuleSpec.named("grad_growth")
    assert findings([growth()], [chunk]) == []
    assert [each.rule for each in findings([growth.model_validate({"after": 1})], [chunk])] == ["grad_growth"]
    bump = np.where((np.arange(STEPS) > 21) & (np.arange(STEPS) < 39), 3.0, 1.0) * LEARNED
    losses = Chunk("gradients", np.arange(STEPS), (TOTAL,), ("loss",), bump.astype(np.float32)[:, None, None])
    divergence = RuleSpec.named("divergence")
    assert findings([divergence()], [losses]) == []
    assert [each.rule for each in findings([divergence.model_validate({"after": 1})], [losses])] == ["divergence"]


def test_a_model_that_tells_classes_of_other_graphs_apart_has_learned_whatever_its_loss() -> None:
    rule = RuleSpec.named("no_learning")()
    stuck = Chunk("gradients", np.arange(STEPS), (TOTAL,), ("loss",), flat(LN2).astype(np.float32)[:, None, None])

    def recalls(value: float) -> Chunk:
        values = np.full((1, 1, 2), value, dtype=np.float32)
        return Chunk("evaluation", np.array([STEPS - 1]), ("0", "1"), ("recall",), values)

    assert [each.rule for each in findings([rule], [stuck, recalls(0.52)])] == ["no_learning"]
    assert findings([rule], [stuck, recalls(0.66)]) == []


def test_a_number_that_is_not_finite_is_told_where_it_was_made_and_whether_it_reached_the_loss() -> None:
    modules = np.array([[0.0, 1.0, 1.0]], dtype=np.float32)[:, None]
    outputs = Chunk("activations", np.array([3]), ("a", "b", "c"), ("nonfinite",), modules)
    sound, lost = (Chunk("gradients", np.array([3]), (TOTAL,), ("loss",), np.array([[[x]]])) for x in (0.5, math.nan))
    rule = RuleSpec.named("nonfinite")()
    (contained,) = findings([rule], [outputs, sound])
    (fatal,) = findings([rule], [outputs, lost])
    assert (contained.scope, contained.level) == ("b", "warn")
    assert (fatal.scope, fatal.level) == ("b", "fatal")
    assert "1 later modules inherited" in fatal.says


def test_a_watcher_that_no_checkpoint_can_hold_is_told_of_and_costs_the_others_nothing() -> None:
    health = Health([rule() for rule in house_rules().values()], FACTS)
    health.watchers["seesaw"].secret = object()
    resumed = Health([rule() for rule in house_rules().values()], FACTS)
    resumed.load(json.loads(json.dumps(health.state())))
    assert [(each.rule, each.level) for each in resumed.ordered] == [("seesaw", "info")]
    assert resumed.watchers.keys() == health.watchers.keys() - {"seesaw"}


def test_a_finding_shows_the_readings_behind_it() -> None:
    names, values = ("a.w", "b.w"), np.stack([noisy(0.1), noisy(0.9)], axis=1)[:, None].astype(np.float32)
    (found,) = findings(
        [RuleSpec.named("update_high")()], [Chunk("gradients", np.arange(STEPS), names, ("update_weight",), values)]
    )
    assert [step for step, _ in found.evidence] == list(range(found.step + 1))
    assert found.evidence[0][1] == pytest.approx(float(values[0].mean()))


def findings(rules, chunks, facts=FACTS):
    health = Health(rules, facts)
    health.see(chunks)
    health.end()
    return list(health.ordered)


def a_wild_run(seed: int) -> list[Chunk]:
    """Readings in which many a rule finds something."""
    random = np.random.default_rng(seed)
    names = ("layers.0.w", "layers.1.w", "b")
    norms = np.exp(random.normal(-3, 2, size=(1, 1, 3)) + random.normal(0, 0.5, size=(STEPS, 1, 3)))
    norms[random.integers(STEPS) :] *= random.choice([1, 1e-9, 100, 0])
    own = np.concatenate([norms, norms / 10, norms * 10, norms * random.choice([1e-8, 1e-3, 5])], axis=1)
    loss = np.exp(random.normal(0, 1) * np.linspace(0, 1, STEPS)) * LN2
    totals = np.stack([loss, norms.sum(axis=(1, 2)), flat(1e-3)], axis=1)[:, :, None]
    kinds = ("grad_norm", "update_norm", "grad_weight", "update_weight")
    steps = np.arange(STEPS)
    return [
        Chunk("gradients", steps, names, kinds, own.astype(np.float32)),
        Chunk("gradients", steps, (TOTAL,), ("loss", "total_norm", "lr"), totals.astype(np.float32)),
        Chunk("inputs", steps[::10], (TOTAL,), ("training",), (random.random((40, 1, 1)) < 0.9).astype(np.float32)),
    ]


def cut(chunks: list[Chunk], bounds: list[int]) -> list[list[Chunk]]:
    edges = [0, *sorted(bounds), STEPS]
    return [
        [
            Chunk(each.probe, each.steps[own], each.names, each.statistics, each.values[own])
            for each in chunks
            if (own := (each.steps >= start) & (each.steps < end)).any()
        ]
        for start, end in pairwise(edges)
    ]


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 10_000), st.lists(st.integers(1, STEPS - 1), max_size=6, unique=True), st.integers(0, 5))
def test_cuts_and_resumptions_change_nothing(seed: int, bounds: list[int], resumed_after: int) -> None:
    rules = [rule() for rule in house_rules().values()]
    wild = a_wild_run(seed)
    whole = findings(rules, wild)
    health, told = Health(rules, FACTS), []
    for place, piece in enumerate(cut(wild, bounds)):
        told += health.see(piece)
        if place == resumed_after:
            state = json.loads(json.dumps(health.state()))
            health = Health(rules, FACTS)
            health.load(state)
    told += health.end()
    assert list(health.ordered) == whole
    assert {(each.rule, each.scope) for each in told} == {(each.rule, each.scope) for each in whole}
