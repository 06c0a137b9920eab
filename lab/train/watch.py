"""Guard: the rules at work on a run while it trains, in one thread beside it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from lab.data.batch import IGNORED, Dataset
from lab.data.ceiling import ceiling
from lab.probes.layout import Layout
from lab.probes.sites import sites
from lab.records.chunk import Chunk
from lab.records.rules.facts import Facts
from lab.records.rules.health import Health
from lab.records.rules.losses import NoLearningWatch
from lab.spec.experiment import Experiment
from lab.spec.rules import Finding
from lab.train.tasks import ClassifyNodes, ClassifyPairs, Forecast, PredictLinks, RegressNodes, Task, entropy

Alert = Callable[[Finding], None]
"""Told of each finding that is a warning or worse, when it is first found and when it becomes graver."""


def unheard(finding: Finding) -> None:
    """Where nobody listens: what is found is in the record all the same."""


DEPTHS = ("layers", "depth")
"""Options that tell a model's depth."""


class Guard:
    """Hands readings to the rules and takes what they found of the readings before.

    So what is found does not depend on how fast the thread is: it is taken at the next flush, or when all of it is
    asked for.
    """

    def __init__(self, experiment: Experiment, facts: Facts, alert: Alert) -> None:
        self.experiment = experiment
        self.health = Health(experiment.rules, facts)
        self.facts = facts
        self._alert = alert
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="rules")
        self._pending: Future[list[Finding]] | None = None

    def hand(self, chunks: Sequence[Chunk]) -> list[Finding]:
        """Give new readings to the rules; what they found in those before comes back, and was told."""
        news = self.take()
        if chunks and self.experiment.rules:
            self._pending = self._thread.submit(self.health.see, chunks)
        return news

    def take(self) -> list[Finding]:
        """Everything found so far that was not taken yet."""
        pending, self._pending = self._pending, None
        return self._told(pending.result()) if pending is not None else []

    def end(self, dataset: Dataset) -> None:
        """The run is over: what only its end shows, with the accuracy that the data allow where nothing was learned."""
        self.take()
        self._thread.shutdown()
        stuck, depth = self.health.watchers.get("no_learning"), depth_of(self.experiment)
        if isinstance(stuck, NoLearningWatch) and stuck.is_stuck and depth is not None:
            with suppress(MemoryError):
                self.facts = stuck.facts = replace(self.facts, ceiling=ceiling(dataset, depth))
        self._told(self.health.end())

    def _told(self, news: list[Finding]) -> list[Finding]:
        alerts = [finding for finding in news if finding.level != "info"]
        for finding in alerts:
            self._alert(finding)
        return alerts

    def stops(self, news: Sequence[Finding]) -> str:
        """Why what was found ends the run; empty where it does not."""
        for finding in news:
            if self.health.action_of(finding) == "stop":
                return f"rule {finding.rule} at step {finding.step}: {finding.scope}: {finding.says}"
        return ""

    def freezes(self, finding: Finding) -> bool:
        """Whether the last steps are to be kept because of a finding; one that another explains is not worth it."""
        return self.health.action_of(finding) != "note" and not finding.explained_by

    def state(self) -> dict[str, Any]:
        """What a checkpoint must hold, when nothing is pending."""
        return self.health.state()

    def load(self, said: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        self.health.load(said)


def facts_of_run(experiment: Experiment, dataset: Dataset, task: Task, model: nn.Module, layout: Layout) -> Facts:
    """What rules must know of a run, as far as its start tells."""
    no_gradient: Callable[[], set[str]] = getattr(model, "zero_gradient", set)
    is_matrix = zip(layout.names, layout.is_matrix, strict=True)
    return Facts(
        classes=dataset.shape.classes if isinstance(task, ClassifyNodes) else 0,
        label_entropy=knowing_shares(task, dataset),
        epochs=experiment.training.epochs,
        lr=experiment.training.lr,
        schedule=experiment.training.schedule,
        names=layout.names,
        vectors=frozenset(name for name, is_one in is_matrix if not is_one),
        cancelled=frozenset(no_gradient()),
        frozen=frozenset(name for name, weight in model.named_parameters() if not weight.requires_grad),
        featureless=dataset.shape.tokens == 1,
        blocks=tuple(site.name for site in sites(model) if site.kind == "block"),
    )


def knowing_shares(task: Task, dataset: Dataset) -> float:
    """The training loss of the best answer that is the same everywhere; NaN for a task that is not known."""
    train = dataset.splits["train"]
    if isinstance(task, ClassifyNodes):
        counts = task.counts(train.y)
        return entropy((counts * task.weights(counts)).tolist())
    if isinstance(task, ClassifyPairs):
        labels = [graph[graph != IGNORED] for graph in train.y]
        alike = sum(float((own.unique(return_counts=True)[1].double() ** 2).sum()) for own in labels)
        pairs = sum(float(len(own)) ** 2 for own in labels)
        return entropy([1.0, 1.0] if task.weigh and 0 < alike < pairs else [alike, pairs - alike])
    if isinstance(task, PredictLinks):
        return task.constant_loss()
    if isinstance(task, Forecast):
        return task.constant_loss(train)
    if isinstance(task, RegressNodes):
        real = torch.arange(train.y.shape[1])[None] < train.sizes[:, None]
        return float(train.y[real.to(train.y.device)].double().var(dim=0, unbiased=False).mean())
    return math.nan


def depth_of(experiment: Experiment) -> int | None:
    """The depth of the model, where an option of it tells."""
    said = [getattr(experiment.model, name, None) for name in DEPTHS]
    return next((depth for depth in said if isinstance(depth, int)), None)
