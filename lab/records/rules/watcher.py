"""Watcher: a rule at work. It sees readings as they come and says what it finds in them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import numpy as np

from lab.records.blocks import by_block
from lab.records.chunk import TOTAL, Chunk
from lab.records.rules.facts import Facts
from lab.spec.rules import Finding, RuleSpec, Severity

MOST_NAMED = 4
"""Parameters of a block that a finding names."""
Own = TypeVar("Own", bound=RuleSpec)


class Watcher(Protocol):
    """What is asked of a rule at work; its state is plain attributes, so that a checkpoint can hold it.

    It is made of its spec and the facts of the run. What it finds may not depend on how readings are cut into
    chunks. A finding of the same scope may be told again: the first step stays, and the value becomes the last.
    """

    def see(self, chunks: Sequence[Chunk]) -> Iterable[Finding]:
        """What these readings show, together with all before them."""

    def end(self) -> Iterable[Finding]:
        """What only the end of the run shows."""


@dataclass(frozen=True)
class Rows:
    """One statistic of a chunk."""

    steps: np.ndarray
    names: tuple[str, ...]
    values: np.ndarray
    """[readings, names]."""

    def at(self, places: list[int]) -> Rows:
        """Some of the readings."""
        return Rows(self.steps[places], self.names, self.values[places])

    def only(self, keep: Callable[[str], bool]) -> Rows:
        """The names that are wanted."""
        kept = [place for place, name in enumerate(self.names) if keep(name)]
        return Rows(self.steps, tuple(self.names[place] for place in kept), self.values[:, kept])


def rows(chunks: Iterable[Chunk], probe: str, statistic: str) -> Iterator[Rows]:
    """One statistic in every chunk that has it."""
    for chunk in chunks:
        if chunk.probe == probe and statistic in chunk.statistics:
            yield Rows(chunk.steps, chunk.names, chunk.of(statistic))


def total(chunks: Iterable[Chunk], probe: str, statistic: str) -> tuple[np.ndarray, np.ndarray]:
    """A statistic of all together as (steps, values), without gaps."""
    found = [each for each in rows(chunks, probe, statistic) if TOTAL in each.names]
    if not found:
        return np.empty(0, dtype=np.int64), np.empty(0)
    steps = np.concatenate([each.steps for each in found])
    return steps, np.concatenate([each.values[:, each.names.index(TOTAL)] for each in found]).astype(np.float64)


class Watch(Generic[Own]):
    """The ground of the house's own watchers: it knows its spec and the facts, and words its findings."""

    def __init__(self, spec: Own, facts: Facts) -> None:
        self.spec = spec
        self.facts = facts

    def end(self) -> Iterable[Finding]:
        """What only the end of the run shows: mostly nothing."""
        return ()

    def found(
        self,
        scope: str,
        step: float,
        value: float,
        *,
        threshold: float | None,
        says: str,
        level: Severity | None = None,
    ) -> Finding:
        """A finding of this rule."""
        spec = self.spec
        kind = str(getattr(spec, "kind", type(spec).__name__))
        said = level or spec.level
        return Finding(kind, scope, int(step), said, float(value), threshold, says, spec.means, spec.remedy)

    def hits(
        self, told: Rows, held: np.ndarray, says: str, *, threshold: float | None, level: Severity | None = None
    ) -> Iterator[Finding]:
        """The first and the last reading of each name at which something held."""
        for column in np.flatnonzero(held.any(axis=0)).tolist():
            places = np.flatnonzero(held[:, column])
            for at in dict.fromkeys((int(places[0]), int(places[-1]))):
                value = float(told.values[at, column])
                yield self.found(told.names[column], told.steps[at], value, threshold=threshold, says=says, level=level)

    def by_blocks(
        self, told: Rows, held: np.ndarray, says: str, *, threshold: float, level: Severity | None = None
    ) -> Iterator[Finding]:
        """As `hits`, but parameters of one block that fire together are one finding, which names them."""
        sizes = {block: len(names) for block, names in by_block(told.names).items()}
        firing = [told.names[place] for place in np.flatnonzero(held.any(axis=0)).tolist()]
        for block, names in by_block(firing).items():
            own = [told.names.index(name) for name in names]
            together = np.max(held[:, own], axis=1)[:, None]
            if len(names) == 1:
                scope, words = names[0], says
            else:
                parts = [name.removeprefix(f"{block}.") for name in names[:MOST_NAMED]]
                named = "all of it" if len(names) == sizes[block] else ", ".join(parts)
                rest = len(names) - MOST_NAMED if len(names) < sizes[block] else 0
                scope, words = block, f"{says}: {named}" + (f" and {rest} more" if rest > 0 else "")
            largest = np.max(told.values[:, own], axis=1)
            yield from self.hits(of_all(told.steps, largest, scope), together, words, threshold=threshold, level=level)


def medians(told: Rows) -> np.ndarray:
    """The median over names of what is finite at each reading; NaN where nothing is."""
    if not told.names:
        return np.full(len(told.steps), np.nan)
    finite = np.where(np.isfinite(told.values), told.values, np.nan).astype(np.float64)
    return middles(finite)


def middles(values: np.ndarray) -> np.ndarray:
    """The median of each row without its NaN; NaN of a row that holds nothing else."""
    found: np.ndarray = np.median(values, axis=1)
    for row in np.flatnonzero(np.isnan(found)).tolist():
        known = values[row][~np.isnan(values[row])]
        found[row] = np.median(known) if len(known) else np.nan
    return found


def of_all(steps: np.ndarray, values: np.ndarray, name: str = TOTAL) -> Rows:
    """A series of one scope as rows."""
    return Rows(steps, (name,), values[:, None])
