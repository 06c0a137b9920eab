"""The few curves that a tracking server is shown of activations, attention, noise and evaluation."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from lab.records.blocks import block_of
from lab.records.chunk import TOTAL, Chunk

Point = tuple[str, int, float]
"""Key, step and value."""
MOST_BLOCKS = 8
"""Blocks with a curve of their own of what they put out and of what their heads read; more are joined."""
MOST_CLASSES = 6
"""Classes whose recall has a curve."""


class Curves:
    """Turns chunks into points: of each probe the first reading of an interval, whatever steps it reads."""

    def __init__(self, interval: int) -> None:
        self.interval = interval
        self.last: dict[str, int] = {}
        """The interval that each key has its last point in."""

    def points(self, chunks: Iterable[Chunk]) -> Iterator[Point]:
        """The points that these readings add."""
        for chunk in chunks:
            for key, values in _curves(chunk).items():
                yield from self._of(key, chunk.steps.tolist(), values.tolist())

    def _of(self, key: str, steps: Sequence[int], values: Sequence[float]) -> Iterator[Point]:
        for step, value in zip(steps, values, strict=True):
            turn = step // self.interval
            if math.isfinite(value) and turn > self.last.get(key, -1):
                self.last[key] = turn
                yield key, step, value


def _curves(chunk: Chunk) -> Mapping[str, np.ndarray]:
    """Every curve of a chunk with its values [readings]."""
    is_total = chunk.names == (TOTAL,)
    if chunk.probe == "activations":
        return _totals(chunk, {"depth_gain": "health/depth_gain"}) if is_total else _of_blocks(chunk, "std", "act_std")
    if chunk.probe == "attention" and "n_eff" in chunk.statistics:
        return _of_blocks(chunk, "n_eff", "n_eff")
    if chunk.probe == "noise":
        return _totals(chunk, {"noise_scale": "health/noise_scale"})
    if chunk.probe == "evaluation" and is_total:
        return _totals(chunk, {"loss_rel": "eval/loss_rel"})
    if chunk.probe == "evaluation":
        recalls = chunk.of("recall")
        return {f"eval/acc_{name}": recalls[:, at] for at, name in enumerate(chunk.names[:MOST_CLASSES])}
    return {}


def _totals(chunk: Chunk, keys: Mapping[str, str]) -> dict[str, np.ndarray]:
    return {key: chunk.of(name)[:, 0] for name, key in keys.items() if name in chunk.statistics}


def _of_blocks(chunk: Chunk, statistic: str, section: str) -> dict[str, np.ndarray]:
    """The mean over a block's heads, or over the blocks that are joined; of modules the blocks themselves only."""
    names = [name.partition("#")[0] for name in chunk.names]
    own = [place for place, name in enumerate(names) if "#" in chunk.names[place] or block_of(name) == name]
    blocks = dict.fromkeys(block_of(names[place]) for place in own)
    values, told = chunk.of(statistic), {}
    for label, members in joined(list(blocks), MOST_BLOCKS).items():
        places = [place for place in own if block_of(names[place]) in members]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            told[f"{section}/{label}"] = np.nanmean(values[:, places], axis=1)
    return told


def joined(blocks: Sequence[str], most: int) -> dict[str, Sequence[str]]:
    """At most so many groups of neighbouring blocks, named by the first and the last of each."""
    width = max(1, -(-len(blocks) // most))
    groups = [blocks[start : start + width] for start in range(0, len(blocks), width)]
    return {own[0] if len(own) == 1 else f"{own[0]}-{own[-1]}": own for own in groups}
