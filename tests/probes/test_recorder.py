"""Probes of one's own beside the shipped one: moments, intervals, and rules over what they read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Literal

import pytest
import torch
from small_trial import GIN, Diary, exact, experiment, run
from torch import Tensor, nn

from lab.spec import experiment as experiment_module
from lab.spec.probes import Moment, ProbeSpec
from lab.spec.rules import Finding, RuleSpec, Series

pytestmark = pytest.mark.torch


@pytest.fixture
def own_probes() -> Iterator[None]:
    """Two probes and a rule on the menu for one test."""
    known = dict(ProbeSpec.members), dict(RuleSpec.members)

    class GradMax(ProbeSpec):
        """Largest gradient of each matrix."""

        kind: Literal["grad_max"] = "grad_max"

        def read(self, model: nn.Module) -> Iterator[tuple[str, Tensor]]:
            yield from (
                (n, p.grad.abs().max()) for n, p in model.named_parameters() if p.grad is not None and p.ndim > 1
            )

    class Sizes(ProbeSpec):
        """Norm of the read-out after each epoch, and of the embedding after every second."""

        kind: Literal["sizes"] = "sizes"
        moment: ClassVar[Moment] = "after_epoch"

        def read(self, model: nn.Module) -> Iterator[tuple[str, Tensor]]:
            yield "readout", model.get_parameter("readout.weight").norm()

    class Drift(ProbeSpec):
        """The first weight, as it is after each step."""

        kind: Literal["drift"] = "drift"
        moment: ClassVar[Moment] = "after_step"

        def read(self, model: nn.Module) -> Iterator[tuple[str, Tensor]]:
            yield "first", model.get_parameter("readout.weight")[0, 0]

    class Grown(RuleSpec):
        """Fires when a size was read at all."""

        kind: Literal["grown"] = "grown"
        reads: ClassVar[str] = "sizes"

        def check(self, scope: str, series: Series) -> Finding | None:
            return Finding(self.kind, scope, series[-1][0], value=float(len(series)))

    experiment_module.rebuild()
    yield
    for family, members in zip((ProbeSpec, RuleSpec), known, strict=True):
        family.members.clear()
        family.members.update(members)
    experiment_module.rebuild()


@pytest.mark.usefixtures("own_probes")
def test_probes_of_ones_own_read_at_their_moment() -> None:
    probes = [{"kind": "grad_max", "every": 4}, {"kind": "sizes"}, {"kind": "drift"}]
    outcome = run(experiment(GIN, training={"epochs": 3}, probes=probes, rules=[{"kind": "grown"}]))
    assert outcome.status == "done", outcome.traceback
    assert outcome.readings is not None
    rows = outcome.readings.to_pandas()
    assert sorted(set(rows.query("probe == 'grad_max'").step)) == [0, 4, 8, 12, 16]
    assert "embedding.weight" in set(rows.query("probe == 'grad_max'").name)
    assert rows.query("probe == 'sizes'").step.tolist() == [5, 11, 17]
    drift = rows.query("probe == 'drift'").value.tolist()
    assert len(set(drift)) == len(drift) == 18
    assert outcome.findings == (Finding("grown", "readout", 17, value=3.0),)
    assert exact(outcome.history) == exact(run(experiment(GIN, training={"epochs": 3})).history)


def test_a_shipped_rule_judges_what_the_shipped_probe_read() -> None:
    said = experiment(GIN, probes=[{"kind": "gradients"}], rules=[{"kind": "vanishing", "floor": 1e9, "readings": 5}])
    outcome = run(said)
    scopes = {finding.scope for finding in outcome.findings if finding.rule == "vanishing"}
    assert "embedding.weight" in scopes
    quiet = experiment(GIN, probes=[{"kind": "gradients"}], rules=[{"kind": "vanishing", "floor": 1e-30}])
    assert run(quiet).findings == ()


def test_points_come_while_it_trains_and_start_at_the_first_step() -> None:
    diary = Diary()
    run(experiment(GIN, training={"epochs": 6}, probes=[{"kind": "gradients"}]), diary=diary)
    steps = sorted({step for _, step, _ in diary.points})
    assert steps == [0, 10, 20, 30]
    assert {"health/grad_norm", "health/update_weight_p50", "grad/stage.layers.0", "update/readout"} <= {
        key for key, *_ in diary.points
    }


def test_without_probes_nothing_is_said() -> None:
    diary = Diary()
    assert run(experiment(GIN, probes="off"), diary=diary).readings is None
    assert diary.points == []


def test_a_long_run_is_thinned_and_an_exact_one_is_not() -> None:
    training = {"epochs": 12, "batch": 4, "evaluate_train": False}
    thin, full = (
        run(experiment(GIN, dataset={"train": 100}, training=training, probes=[probe])).readings
        for probe in ({"kind": "gradients"}, {"kind": "gradients", "exact": True})
    )
    assert thin is not None
    assert full is not None
    assert sorted(set(thin["step"].to_pylist())) == [*range(200), 200, 250]
    assert sorted(set(full["step"].to_pylist())) == list(range(300))
    late = full.to_pandas().query("name == 'readout.weight' and step >= 250").grad_norm
    row = thin.to_pandas().query("name == 'readout.weight' and step == 250").iloc[0]
    assert row.grad_norm == pytest.approx(late.median(), rel=1e-6)
    assert (row.grad_norm_min, row.grad_norm_max) == (late.min(), late.max())


def test_probes_do_not_touch_the_ambient_generator() -> None:
    before = torch.get_rng_state()
    run(experiment(GIN, probes=[{"kind": "gradients"}]))
    assert torch.equal(before, torch.get_rng_state())
