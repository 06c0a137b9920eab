"""Case: one run with a known fault in it, or a healthy one; and the hosts that faults are planted in."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from lab.data.batch import Dataset
from lab.spec.change import change, spelled
from lab.spec.experiment import Experiment
from lab.spec.rules import house_rules
from lab.train.run import Run

Group = Literal["listed", "mutation", "unruled", "control", "shipped"]
"""Faults of the published list, mutations, mutations that no rule is meant to see, healthy runs, cells of studies."""
Spoil = Callable[[Dataset], Dataset]
Plant = Callable[[Run], None]

DATA = {
    "kind": "pattern",
    "train": 160,
    "valid": 48,
    "test": 8,
    "patterns": 8,
    "sizes": [3, 7],
    "p": 0.3,
    "q": 0.05,
    "draw": "per_seed",
}
"""Small graphs of about 30 nodes whose patterns stand out enough to be learnt in few steps."""
TRAINING = {"epochs": 12, "batch": 8, "optimizer": "adamw", "lr": 3e-3, "evaluate_train": False}
"""20 steps an epoch: 240 in all."""

TRANSFORMER = {
    "kind": "graph_transformer",
    "layers": 3,
    "width": 16,
    "heads": 4,
    "feed_forward": 32,
    "powers": [0, 1, 2],
    "stack": "one_hot",
}
HOSTS: dict[str, dict[str, Any]] = {
    "transformer": TRANSFORMER | {"attention": "content", "distance_bias": True},
    "gates": TRANSFORMER | {"attention": "position", "mixing": "gate"},
    "gin": {"kind": "gin", "layers": 4, "width": 16},
}
"""The models that take faults: a further one is one more line."""
GENERAL = tuple(host for host in HOSTS if host != "gates")
"""Where a fault is planted that names no host; gates differ from the transformer in their attention only."""


def untouched(dataset: Dataset) -> Dataset:
    """The data as they are."""
    return dataset


def nothing(run: Run) -> None:
    """Leave the run as it was built."""


@dataclass(frozen=True)
class Case:
    """One kind of run: an experiment, what is done to its data and to the built run, and which rules are right."""

    name: str
    host: str
    group: Group
    experiment: Experiment
    accepts: frozenset[str] = frozenset()
    """Rules that name the fault, any of them; none for a healthy run."""
    spoil: Spoil = untouched
    plant: Plant = nothing

    @property
    def is_healthy(self) -> bool:
        """Whether every alert is a false one."""
        return self.group in ("control", "shipped")


@dataclass(frozen=True)
class Fault:
    """Something done wrong, in as many hosts as it fits: by an option, else in the data or in the built run."""

    name: str
    accepts: str
    """The kinds of the rules that name it, separated by blanks."""
    hosts: tuple[str, ...] = GENERAL
    options: Mapping[str, Any] = field(default_factory=dict)
    """Dotted paths of the experiment with what they are changed to."""
    spoil: Spoil = untouched
    plant: Plant = nothing

    def cases(self, group: Group) -> Iterable[Case]:
        """The runs that carry it."""
        accepts = frozenset(self.accepts.split())
        for host in self.hosts:
            experiment = watched(experiment_of(host), self.options)
            yield Case(self.name, host, group, experiment, accepts, self.spoil, self.plant)


def experiment_of(host: str) -> Experiment:
    """The healthy run of a host."""
    return Experiment.model_validate({"dataset": DATA, "model": HOSTS[host], "training": TRAINING})


PROBES = [
    "full",
    {"kind": "activations", "every": 5, "max_overhead": 1.0, "exact": True},
    {"kind": "attention", "every": 5, "max_overhead": 1.0, "exact": True},
]
"""Every probe, however busy the machine is; activations at every fifth step, which halves the time."""


RULES = {kind: {"action": "note"} for kind in house_rules()}
"""Every rule, none of which ends a run early."""


def watched(experiment: Experiment, options: Mapping[str, Any]) -> Experiment:
    """The experiment with these options, every probe on it, and every rule."""
    own = {"probes": PROBES, "rules": RULES, "recorder": "off"}
    said = Experiment.model_validate(spelled(experiment) | own)
    return change(said, options)
