"""A trial that trains in a fraction of a second, and a watcher that writes everything down."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lab.data.batch import Dataset
from lab.spec.experiment import Experiment
from lab.spec.rules import Finding
from lab.train.loop import Member, Outcome, train

DATA = {"kind": "pattern", "train": 24, "valid": 8, "test": 8, "patterns": 4, "sizes": (3, 5)}
GIN = {"kind": "gin", "layers": 2, "width": 8}
TRANSFORMER = {
    "kind": "graph_transformer",
    "layers": 2,
    "width": 8,
    "feed_forward": 16,
    "powers": (0, 1),
    "mixing": "gate",
    "mlp_norm": "batch",
    "attention_norm": "batch",
}


def experiment(model: Mapping[str, Any] = GIN, /, **sections: Any) -> Experiment:
    """A small experiment; `training` and the other sections replace nothing but what they name."""
    training = {"epochs": 3, "batch": 4, "lr": 1e-2} | sections.pop("training", {})
    data = DATA | sections.pop("dataset", {})
    return Experiment.model_validate({"dataset": data, "model": model, "training": training} | sections)


def often(said: Experiment, every: int, *, keep: int = 3) -> Experiment:
    """The same with more snapshots than a file may ask for, so that a short run has some."""
    return said.model_copy(update={"recorder": said.recorder.model_copy(update={"every": every, "keep": keep})})


def data_of(said: Experiment) -> Dataset:
    """The experiment's data, drawn on the spot."""
    dataset: Dataset = said.dataset.build(0)
    return dataset


class Diary:
    """A watcher that remembers all it hears, and gives a trial up after an epoch where it is told to."""

    def __init__(self, last_epoch: int | None = None) -> None:
        self.last_epoch = last_epoch
        self.epochs: list[tuple[int, int, dict[str, float]]] = []
        self.points: list[tuple[str, int, float]] = []
        self.alerts: list[Finding] = []

    def epoch(self, member: int, epoch: int, step: int, scores: Mapping[str, float]) -> bool:
        self.epochs.append((epoch, step, dict(scores)))
        return epoch != self.last_epoch

    def measured(self, member: int, points: Sequence[tuple[str, int, float]]) -> None:
        self.points += points

    def alert(self, member: int, finding: Finding) -> None:
        self.alerts.append(finding)


def run(said: Experiment, *, seed: int = 0, diary: Diary | None = None, **how: Any) -> Outcome:
    """Train one trial of an experiment to its end."""
    member = Member(said, seed, cell="cell", trial=f"cell-{seed}")
    settings = {"checkpoints": None} | how
    return train([member], data_of(said), watcher=diary or Diary(), **settings)[0]


def exact(history: Mapping[str, Sequence[float]]) -> dict[str, list[str]]:
    """A history whose equality is that of every bit."""
    return {name: [float(value).hex() for value in values] for name, values in history.items()}
