"""The few curves of a trial's gradients that a tracking server is shown; the parquet file holds the rest."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np

from lab.probes.curves import Curves, Point, joined
from lab.records.blocks import block_of
from lab.records.chunk import GUARD, Chunk

MAX_POINTS = 1000
"""Points a key may have in a run."""
MIN_INTERVAL = 10
"""Steps between two points of a long run, at least."""
MAX_BLOCKS = 12
"""Blocks that have curves of their own; more are joined with their neighbours."""


class Named(Protocol):
    """What is asked of the parameters: their names, and which of them are matrices."""

    @property
    def names(self) -> tuple[str, ...]:
        """Every parameter's name, in order."""
        ...

    @property
    def is_matrix(self) -> tuple[bool, ...]:
        """Whether each has two or more axes."""
        ...


class Summary:
    """Turns chunks of the gradient probe into points: quantiles over the weight matrices, norms by block.

    Norms and ratios are those of the step itself; the two counts of tensors are the worst since the last point.
    """

    def __init__(self, layout: Named, *, exempt: frozenset[str], planned_steps: int) -> None:
        self.interval = max(MIN_INTERVAL, -(-planned_steps // MAX_POINTS))
        learns = np.array([name not in exempt for name in layout.names])
        self.judged = learns
        self.matrices = np.array(layout.is_matrix) & learns
        self.blocks = blocks_of(layout.names)
        self.curves = Curves(self.interval)
        self.worst = [0.0, 0.0]
        self.ratios: list[float] = []
        """Median grad/weight of the matrices at every reading since the epoch began."""

    def points(self, chunks: Sequence[Chunk]) -> list[Point]:
        """The points that these readings add."""
        parameters = next((chunk for chunk in chunks if "grad_norm" in chunk.statistics), None)
        totals = next((chunk for chunk in chunks if "total_norm" in chunk.statistics), None)
        told = [] if parameters is None or totals is None else self._all_points(parameters, totals)
        return [*(point for point in told if np.isfinite(point[2])), *self.curves.points(chunks)]

    def _all_points(self, parameters: Chunk, totals: Chunk) -> Iterator[Point]:
        bands = self._bands(parameters)
        self.ratios += bands["health/grad_weight_p50"].tolist()
        curves = bands | self._blocks(parameters)
        curves["health/grad_norm"] = totals.of("total_norm")[:, 0]
        curves["health/clip_coef"] = totals.of("clip_coef")[:, 0]
        broken = parameters.of("nonfinite")[:, self.judged].sum(axis=1)
        still = (parameters.of("grad_norm")[:, self.judged] == 0).sum(axis=1)
        for at, step in enumerate(parameters.steps.tolist()):
            self.worst = [max(self.worst[0], float(broken[at])), max(self.worst[1], float(still[at]))]
            if step % self.interval:
                continue
            yield "health/nonfinite_tensors", step, self.worst[0]
            yield "health/zero_grad_tensors", step, self.worst[1]
            self.worst = [0.0, 0.0]
            for key, values in curves.items():
                yield key, step, float(values[at])

    def _bands(self, parameters: Chunk) -> dict[str, np.ndarray]:
        ratios = parameters.of("grad_weight")[:, self.matrices]
        moves = parameters.of("update_weight")[:, self.matrices]
        if not self.matrices.any():
            ratios = moves = np.full((len(parameters.steps), 1), np.nan, dtype=np.float32)
        with np.errstate(all="ignore"):
            low, middle, high = np.quantile(ratios, [0.05, 0.5, 0.95], axis=1)
            return {
                "health/update_weight_p50": np.median(moves, axis=1),
                "health/grad_weight_p05": low,
                "health/grad_weight_p50": middle,
                "health/grad_weight_p95": high,
            }

    def _blocks(self, parameters: Chunk) -> dict[str, np.ndarray]:
        """Gradient norm of each block, and its update norm over its weight norm."""
        curves = {}
        with np.errstate(all="ignore"):
            for block, members in self.blocks.items():
                norms = {
                    kind: np.sqrt(np.square(parameters.of(kind)[:, members], dtype=np.float64).sum(axis=1))
                    for kind in ("grad_norm", "weight_norm", "update_norm")
                }
                curves[f"grad/{block}"] = norms["grad_norm"]
                curves[f"update/{block}"] = norms["update_norm"] / (norms["weight_norm"] + GUARD)
        return curves

    def epoch_ratio(self) -> float:
        """The median over the epoch of the median grad/weight of the matrices; starts the next epoch."""
        told, self.ratios = [ratio for ratio in self.ratios if np.isfinite(ratio)], []
        return float(np.median(told)) if told else float("nan")


def blocks_of(names: Sequence[str], most: int = MAX_BLOCKS) -> dict[str, list[int]]:
    """Parameters by block, at most so many: a numbered layer is a block, as is every other part of the model."""
    found: dict[str, list[int]] = {}
    for place, name in enumerate(names):
        found.setdefault(block_of(name), []).append(place)
    return {
        label: [place for block in blocks for place in found[block]]
        for label, blocks in joined(list(found), most).items()
    }
