"""Checked: the watcher of a rule that is one method, `check`, over a whole series."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import overload

import numpy as np

from lab.records.chunk import Chunk
from lab.records.rules.facts import Facts
from lab.records.rules.watcher import rows
from lab.spec.rules import Finding, RuleSpec

VALUE = "value"
"""The statistic of a probe that has one only."""
ALWAYS_TAKEN = frozenset({VALUE, "grad_norm", "weight_norm", "update_norm", "grad_weight", "update_weight", "loss"})
"""Statistics of which NaN is a reading; elsewhere it stands for none."""
FIRST_LOOK = 64
"""Readings at which a series is looked at first."""


@dataclass(frozen=True, eq=False)
class Readings(Sequence[tuple[int, float]]):
    """A series as (step, value) pairs, made only when they are looked at: a rule mostly looks at the last few."""

    steps: np.ndarray
    values: np.ndarray

    def __len__(self) -> int:
        return len(self.steps)

    @overload
    def __getitem__(self, at: int) -> tuple[int, float]: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[tuple[int, float]]: ...
    def __getitem__(self, at: int | slice) -> tuple[int, float] | Sequence[tuple[int, float]]:
        if isinstance(at, slice):
            return list(zip(self.steps[at].tolist(), self.values[at].tolist(), strict=True))
        return int(self.steps[at]), float(self.values[at])


class Checked:
    """Keeps every series that the rule reads, and shows it to `check` whenever it has doubled, and at the end.

    Looking at fixed lengths finds the same however readings are cut, and costs no more than looking twice.
    """

    def __init__(self, spec: RuleSpec, facts: Facts) -> None:
        self.spec = spec
        self.facts = facts
        self.steps: dict[str, list[int]] = {}
        self.values: dict[str, list[float]] = {}
        self.told: list[str] = []

    def see(self, chunks: Sequence[Chunk]) -> Iterator[Finding]:
        """Remember, and look where a series has become long enough."""
        probe, _, statistic = self.spec.reads.partition(".")
        for told in rows(chunks, probe, statistic or VALUE):
            for place, name in enumerate(told.names):
                if not (statistic.startswith("grad") and self.facts.is_exempt(name)):
                    yield from self._take(name, told.steps, told.values[:, place], statistic or VALUE)

    def _take(self, name: str, steps: np.ndarray, values: np.ndarray, statistic: str) -> Iterator[Finding]:
        taken = np.ones(len(values), dtype=bool) if statistic in ALWAYS_TAKEN else ~np.isnan(values)
        before = len(self.steps.setdefault(name, []))
        self.steps[name] += steps[taken].tolist()
        self.values.setdefault(name, []).extend(values[taken].tolist())
        length = FIRST_LOOK
        while length <= len(self.steps[name]):
            if length > before:
                yield from self._look(name, length)
            length *= 2

    def _look(self, name: str, length: int) -> Iterator[Finding]:
        if name in self.told:
            return
        series = Readings(np.array(self.steps[name][:length]), np.array(self.values[name][:length]))
        found = self.spec.check(name, series)
        if found is not None:
            self.told.append(name)
            yield found

    def end(self) -> Iterator[Finding]:
        """What `check` says of each whole series, in the order of their names."""
        for name in sorted(self.steps):
            if self.steps[name]:
                yield from self._look(name, len(self.steps[name]))
