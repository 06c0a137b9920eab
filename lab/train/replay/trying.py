"""Trying: the step once more as it might have been, and the search for the graph that is to blame."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice

import torch

from lab.data.batch import Batch
from lab.records.replayed import Tried
from lab.train.replay.rerun import Due, Rerun, State, copied, in_double, load, without
from lab.train.step import Stepper

FOLLOWING = 5
"""Steps that are taken after the one that was changed."""
SPIKE = 10.0
"""How many times the usual gradient norm makes a step suspicious."""
MOST_TRIES = 48
"""Forward and backward passes that the search for a graph may take."""

Cast = Callable[[Batch], Batch]


class Trial:
    """One stepper that a step is tried with again and again, always from the same state."""

    def __init__(self, rerun: Rerun, state: State, due: Sequence[Due]) -> None:
        self.rerun, self.state, self.due = rerun, state, due
        self.stepper = rerun.apart()

    def as_it_was(self) -> Tried:
        """The step and those after it, unchanged."""
        return self._follow("as recorded", self.stepper, self._batches(self.due[0]))

    def without(self, graphs: Sequence[int]) -> Tried:
        """The step without some of its graphs."""
        left = _left(self._batches(self.due[0]), frozenset(graphs))
        word = "graph" if len(graphs) == 1 else "graphs"
        how = f"without {word} {', '.join(map(str, graphs))}"
        return self._follow(how, self.stepper, left) if left else _failed(how, ValueError("no graph is left"))

    def with_lr(self, lr: float) -> Tried:
        """The step and those after it at another learning rate."""
        with self._rate(lr):
            return self._follow(f"with lr {lr:g}", self.stepper, self._batches(self.due[0]), scale=1.0)

    def with_lr_since(self, first: int, state: State, lr: float) -> Tried:
        """The step as it would have come if every step from an earlier state on had had this learning rate."""
        how, step = f"with lr {lr:g} since step {first}", self.due[0].step
        with self._rate(lr):
            load(self.stepper, state)
            self.stepper.scale.fill_(1.0)
            for due in islice(self.rerun.due(first), step - first):
                self.stepper.step(due.step, [self._batches(due)])
            return self._follow(how, self.stepper, self._batches(self.due[0]), scale=1.0, state=copied(self.stepper))

    @contextmanager
    def _rate(self, lr: float) -> Iterator[None]:
        kept = self.stepper.rates.clone()
        self.stepper.rates.fill_(lr)
        try:
            yield
        finally:
            self.stepper.rates.copy_(kept)

    def in_double(self) -> Tried:
        """The step and those after it in float64; a model that insists on another type cannot."""
        try:
            stepper = self.rerun.apart(torch.float64)
            batches = [in_double(batch) for batch in self._batches(self.due[0])]
            return self._follow("in float64", stepper, batches, cast=in_double)
        except (RuntimeError, TypeError, ValueError) as problem:
            return _failed("in float64", problem)

    def is_sound(self, batches: Sequence[Batch], limit: float) -> bool:
        """Whether a step on these batches has a finite loss and a gradient within a limit."""
        load(self.stepper, self.state)
        self.stepper.step(self.due[0].step, [batches])
        loss, norm = self.stepper.losses.item(), self.stepper.norms.item()
        return math.isfinite(loss) and math.isfinite(norm) and norm <= limit

    def blame(self, limit: float) -> tuple[tuple[int, ...], str]:
        """The graphs without which the step is sound, and what the search for them says."""
        batches = self._batches(self.due[0])
        if self.is_sound(batches, limit):
            return (), ""
        graphs = [graph for batch in batches for graph in batch.ids.tolist()]
        tries = iter(range(MOST_TRIES))
        found = self._search(batches, graphs, limit, tries)
        if next(tries, None) is None:
            return (), f"no single graph is to blame, as far as {MOST_TRIES} tries tell"
        if not found or 2 * len(found) > len(graphs):
            return (), "it is not one graph's doing: the rest of the batch is abnormal too"
        left = _left(batches, frozenset(found))
        if not left or not self.is_sound(left, limit):
            return (), "without the abnormal graphs the step is abnormal still"
        return tuple(found), "alone it is abnormal, and without it the step is sound"

    def _search(self, batches: Sequence[Batch], graphs: list[int], limit: float, tries: object) -> list[int]:
        """The graphs among these that are abnormal by themselves, halving as long as a half is."""
        if next(tries, None) is None:  # type: ignore[call-overload]
            return []
        others = {graph for batch in batches for graph in batch.ids.tolist()} - set(graphs)
        if self.is_sound(_left(batches, frozenset(others)), limit):
            return []
        if len(graphs) == 1:
            return graphs
        half = len(graphs) // 2
        return [each for part in (graphs[:half], graphs[half:]) for each in self._search(batches, part, limit, tries)]

    def _batches(self, due: Due) -> list[Batch]:
        return self.rerun.batches(due.update)

    def _follow(
        self,
        how: str,
        stepper: Stepper,
        batches: Sequence[Batch],
        *,
        scale: float | None = None,
        state: State | None = None,
        cast: Cast = lambda batch: batch,
    ) -> Tried:
        load(stepper, self.state if state is None else state)
        if scale is not None:
            stepper.scale.fill_(scale)
        step, before = self.due[0].step, stepper.pack.weights.clone()
        stepper.step(step, [batches])
        loss, norm = stepper.losses.item(), stepper.norms.item()
        moved = float((stepper.pack.weights - before).norm())
        after, later = loss_of(stepper, step, batches), []
        for due in self.due[1:]:
            stepper.step(due.step, [[cast(batch) for batch in self._batches(due)]])
            later.append(stepper.losses.item())
        return Tried(how, loss, norm, moved, after, tuple(later))


@torch.no_grad()
def loss_of(stepper: Stepper, step: int, batches: Sequence[Batch]) -> float:
    """The loss of a step's batches with its own dropout, leaving nothing behind."""
    learner, total = stepper.learners[0], 0.0
    kept = {name: buffer.clone() for name, buffer in learner.buffers.items()}
    for part, batch in enumerate(batches):
        learner.drop(step, part)
        total += float(learner.penalised(stepper.task.loss(learner.forward(batch), batch)[0])) / len(batches)
    for name, buffer in learner.buffers.items():
        buffer.copy_(kept[name])
    return total


def _left(batches: Sequence[Batch], graphs: frozenset[int]) -> list[Batch]:
    cut = (without(batch, graphs) for batch in batches)
    return [batch for batch in cut if batch is not None]


def _failed(how: str, problem: Exception) -> Tried:
    said = " ".join(f"{type(problem).__name__}: {problem}".split())
    return Tried(how, *(math.nan,) * 4, failed=said[:200])
