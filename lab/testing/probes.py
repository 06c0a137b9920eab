"""The contract of a probe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lab.spec.datasets import DatasetSpec
from lab.spec.experiment import Experiment, Training, rebuild
from lab.spec.models import Gin
from lab.spec.probes import ProbeSpec
from lab.spec.rules import Finding
from lab.train.loop import Member, train


def check_probe(probe: ProbeSpec | type[ProbeSpec], experiment: Experiment | None = None) -> None:
    """A probe reads something, and leaves every loss and score as it is without it, to the last bit."""
    rebuild()
    probe = probe() if isinstance(probe, type) else probe
    bare = (experiment or _small_experiment()).model_copy(update={"probes": ()})
    probed = bare.model_copy(update={"probes": (probe,)})
    dataset = bare.dataset.build(0)
    without, with_probe = (
        train([Member(one, seed=0, cell="check")], dataset, watcher=_Nobody(), checkpoints=None)[0]
        for one in (bare, probed)
    )
    for outcome in (without, with_probe):
        assert outcome.status == "done", f"training ended as {outcome.status}: {outcome.error}\n{outcome.traceback}"
    assert repr(without.history) == repr(with_probe.history), "the probe changed a loss or a score"
    assert with_probe.readings is not None, "the probe read nothing"
    assert len(with_probe.readings), "the probe read nothing"


class _Nobody:
    """A watcher that lets everything pass."""

    def epoch(self, member: int, epoch: int, step: int, scores: Mapping[str, float]) -> bool:
        return True

    def measured(self, member: int, points: Sequence[tuple[str, int, float]]) -> None:
        return None

    def alert(self, member: int, finding: Finding) -> None:
        return None


def _small_experiment() -> Experiment:
    data = DatasetSpec.named("pattern").model_validate(
        {"train": 8, "valid": 4, "test": 4, "patterns": 4, "sizes": (3, 5), "communities": 2}
    )
    return Experiment(dataset=data, model=Gin(layers=2, width=8), training=Training(epochs=2, batch=4))
