"""Rankings: AUC, average precision and thresholds of many graphs at once, each row sorted once, ties kept together."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
Flags = NDArray[np.bool_]
Places = NDArray[np.int64]


@dataclass(frozen=True)
class Ranking:
    """Rows of entries from the likeliest to the least likely; what is NaN where a row holds one class only."""

    said: NDArray[np.floating]
    """[rows, entries] what was said of each, falling."""
    links: Flags
    """[rows, entries] which of them were links."""

    @classmethod
    def of(cls, said: NDArray[np.floating], links: Flags) -> Ranking:
        """Sort every row once."""
        order = np.argsort(-said, axis=1)
        return cls(np.take_along_axis(said, order, 1), np.take_along_axis(links, order, 1))

    @property
    def width(self) -> int:
        """Entries of a row."""
        return int(self.said.shape[1])

    @cached_property
    def count(self) -> Numbers:
        """Links of each row, [rows]."""
        count: Numbers = self.links.sum(1).astype(np.float64)
        return count

    @cached_property
    def is_single(self) -> Flags:
        """Whether a row has no link, or nothing else, [rows]."""
        single: Flags = (self.count == 0) | (self.count == self.width)
        return single

    @cached_property
    def _first(self) -> Places:
        """The first place of each entry's tie."""
        place = np.arange(self.width)[None]
        new = np.ones(self.said.shape, dtype=bool)
        new[:, 1:] = self.said[:, 1:] != self.said[:, :-1]
        first: Places = np.maximum.accumulate(np.where(new, place, 0), axis=1)
        return first

    @cached_property
    def _last(self) -> Places:
        """The last place of each entry's tie."""
        place = np.arange(self.width)[None]
        end = np.ones(self.said.shape, dtype=bool)
        end[:, :-1] = self.said[:, 1:] != self.said[:, :-1]
        behind = np.where(end, place, self.width)[:, ::-1]
        last: Places = np.minimum.accumulate(behind, axis=1)[:, ::-1]
        return last

    @cached_property
    def _found(self) -> Numbers:
        """Links down to the end of each entry's tie."""
        return np.take_along_axis(self.links.cumsum(1), self._last, 1).astype(np.float64)

    @property
    def shares(self) -> Numbers:
        """Which part of its row stands above each entry, the middle of its tie counting, in (0, 1)."""
        middle: Numbers = (self._first + self._last + 1) / (2 * self.width)
        return middle

    def auc(self) -> Numbers:
        """Share of the pairs of a link and another entry that are ranked right, ties half, [rows]."""
        if not self.width:
            return np.full(len(self.said), np.nan)
        above = (self._first + self._last) / 2
        ahead = (self.links * (self.width - above)).sum(1) - self.count * (self.count + 1) / 2
        return _over(ahead, self.count * (self.width - self.count), self.is_single)

    def average_precision(self) -> Numbers:
        """Precision at the end of every link's tie, averaged over the links, [rows]; 1 where all are links."""
        precision = self._found / (self._last + 1)
        return _over((self.links * precision).sum(1), self.count, self.count == 0)

    def f1(self) -> Numbers:
        """F1 of taking everything down to the end of each entry's tie, [rows, entries]."""
        taken: Numbers = 2 * self._found / (self._last + 1 + self.count[:, None])
        return taken

    def best_threshold(self) -> float:
        """What must be said at least, in the first row, for the best F1."""
        return float(self.said[0, self.f1()[0].argmax()]) if self.width else np.nan

    def threshold_of(self, count: int) -> float:
        """What the last of so many entries of the first row was given; infinity where none is taken."""
        return float(self.said[0, count - 1]) if count else np.inf

    def precisions(self) -> Numbers:
        """Share of links at the end of each entry's tie, [rows, entries]."""
        share: Numbers = self._found / (self._last + 1)
        return share

    def hits_at_count(self) -> Numbers:
        """Links among as many of the likeliest entries as there are links, [rows]; a cut tie gives its share."""
        at = np.maximum(self.count.astype(np.int64) - 1, 0)[:, None]
        first, last = (np.take_along_axis(each, at, 1) for each in (self._first, self._last))
        through = np.take_along_axis(self._found, at, 1)
        tied = np.take_along_axis(self.links.cumsum(1), np.maximum(first - 1, 0), 1)
        before = np.where(first > 0, tied, 0)
        share = (self.count[:, None] - first) / (last - first + 1)
        hits: Numbers = (before + (through - before) * share)[:, 0]
        return np.where(self.count > 0, hits, 0.0)


def _over(part: Numbers, whole: Numbers, is_void: Flags) -> Numbers:
    """A quotient, NaN where it means nothing."""
    told: Numbers = np.where(is_void, np.nan, part / np.where(is_void, 1.0, whole))
    return told
