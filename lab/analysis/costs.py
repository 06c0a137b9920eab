"""What cells cost beside what they score, and which of them nothing beats on both."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from lab.analysis.cells import CellScore
from lab.analysis.estimate import Estimate, estimate
from lab.analysis.rows import Row


@dataclass(frozen=True)
class Point:
    """A cell's price and score."""

    cell: str
    says: str
    cost: float
    """Its mean over the trials that are done."""
    score: Estimate
    is_front: bool
    """Whether no cell is cheaper and no worse, or better and no dearer."""


@dataclass(frozen=True)
class CostFront:
    """One kind of cost, the cheapest cell first."""

    name: str
    points: tuple[Point, ...]

    @property
    def tells(self) -> bool:
        """Whether cells differ in it at all."""
        return len({point.cost for point in self.points}) > 1


def fronts(rows: Sequence[Row], cells: Sequence[CellScore], *, sign: int) -> tuple[CostFront, ...]:
    """Every kind of cost that trials told of, by name."""
    costs: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        if row.role == "compare" and row.status == "done":
            for name, value in row.costs.items():
                if math.isfinite(value):
                    costs[name][row.cell].append(value)
    return tuple(_front(name, by_cell, cells, sign) for name, by_cell in sorted(costs.items()))


def _front(name: str, by_cell: dict[str, list[float]], cells: Sequence[CellScore], sign: int) -> CostFront:
    priced = [(estimate(by_cell[cell.cell]).mean, cell) for cell in cells if cell.score.n and by_cell.get(cell.cell)]
    priced.sort(key=lambda pair: (pair[0], -sign * pair[1].score.mean))
    points, best = [], -math.inf
    for cost, cell in priced:
        gain = sign * cell.score.mean
        points.append(Point(cell.cell, cell.says, cost, cell.score, is_front=gain > best))
        best = max(best, gain)
    return CostFront(name, tuple(points))
