"""The persistent block model, drawn from a seed: what the dataset `psbm_links` is made of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lab.data.batch import Dataset
from lab.data.links.features import CODE, block_features
from lab.data.links.frames import Frames, Graphs, to_dataset, window_starts
from lab.data.links.streams import Random, stream
from lab.spec.datasets.links import PsbmLinks

Labels = NDArray[np.int64]
Chances = NDArray[np.float64]
SPREAD = 2.0
"""The most that a change point multiplies or divides the density or the contrast by."""


def psbm_links(spec: PsbmLinks, seed: int) -> Dataset:
    """Sequences of a persistent block model, and windows over them."""
    labels, adjacency = sequences(spec, seed)
    x = block_features(spec, adjacency, labels, _noise(spec, seed))
    return to_dataset(Frames(x, adjacency), spec, window_starts(spec, seed))


def sequences(spec: PsbmLinks, seed: int) -> tuple[Labels, Graphs]:
    """Labels [sequences, frames, nodes] and graphs [sequences, frames, nodes, nodes], split after split."""
    drawn = [_Sequences(spec, seed, name, count).draw() for name, count in spec.sequences().items()]
    labels, adjacency = (np.concatenate(parts) for parts in zip(*drawn, strict=True))
    return labels, adjacency


def _noise(spec: PsbmLinks, seed: int) -> Chances:
    """What blurs the codes of communities, [sequences, frames, nodes, numbers of a code]."""
    told = [
        stream(seed, "features", name).standard_normal((spec.length, count, spec.nodes, CODE)).swapaxes(0, 1)
        for name, count in spec.sequences().items()
    ]
    return np.concatenate(told)


@dataclass(frozen=True)
class Law:
    """What the edges of each sequence follow just now."""

    labels: Labels
    """[sequences, nodes]."""
    density: Chances
    """[sequences]."""
    contrast: Chances
    """[sequences]."""


class _Sequences:
    """The sequences of one split, frame by frame; each part of the making has its own random numbers."""

    def __init__(self, spec: PsbmLinks, seed: int, split: str, count: int) -> None:
        self.spec, self.seed, self.split, self.count = spec, seed, split, count
        self.process = spec.process()
        self.upper = np.triu_indices(spec.nodes, 1)
        self.pairs = (count, len(self.upper[0]))

    def draw(self) -> tuple[Labels, Graphs]:
        """Labels [sequences, frames, nodes] and graphs [sequences, frames, nodes, nodes]."""
        spec, process = self.spec, self.process
        kept, redrawn, noise = (self._stream(name) for name in ("kept", "redrawn", "noise"))
        readiness = self._readiness()
        labels = np.empty((self.count, spec.length, spec.nodes), np.int64)
        graphs = np.zeros((self.count, spec.length, spec.nodes, spec.nodes), np.uint8)
        state = np.zeros(self.pairs, bool)
        for frame, law in enumerate(self._laws()):
            new = redrawn.random(self.pairs) < self._chances(law) * readiness
            stays = (kept.random(self.pairs) < process.persistence) & (frame > 0)
            state = np.where(stays, state, new)
            seen = state ^ (noise.random(self.pairs) < process.flips)
            labels[:, frame] = law.labels
            graphs[:, frame, self.upper[0], self.upper[1]] = seen
        return labels, graphs | graphs.swapaxes(2, 3)

    def _stream(self, purpose: str) -> Random:
        return stream(self.seed, purpose, self.split)

    def _laws(self) -> Iterator[Law]:
        """The law of every frame."""
        spec, changes = self.spec, self._change_points()
        drift, again = self._stream("drift"), self._stream("changes")
        law = Law(self._first_labels(), *np.full((2, self.count), [[self.process.density], [self.process.contrast]]))
        for frame in range(spec.length):
            if spec.change_points:
                law = self._changed(law, changes[:, frame], again)
            if spec.label_drift and frame:
                moves = drift.random(law.labels.shape) < spec.label_drift
                labels = np.where(moves, drift.integers(self.process.communities, size=moves.shape), law.labels)
                law = Law(labels, law.density, law.contrast)
            yield law

    def _change_points(self) -> NDArray[np.bool_]:
        """[sequences, frames]: where something changes, never in the first frame."""
        order = self._stream("change points").random((self.count, self.spec.length - 1)).argsort(1)
        return np.pad(order < self.spec.change_points, ((0, 0), (1, 0)))

    def _changed(self, law: Law, here: NDArray[np.bool_], random: Random) -> Law:
        labels = random.permuted(law.labels, axis=1)
        factor = SPREAD ** random.uniform(-1, 1, self.count)
        if self.spec.changed == "labels":
            return Law(np.where(here[:, None], labels, law.labels), law.density, law.contrast)
        if self.spec.changed == "density":
            return Law(law.labels, np.where(here, self.process.density * factor, law.density), law.contrast)
        return Law(law.labels, law.density, np.where(here, np.maximum(1, self.process.contrast * factor), law.contrast))

    def _first_labels(self) -> Labels:
        blocks = np.repeat(np.arange(self.process.communities), self.process.sizes())
        if self.spec.membership == "fixed":
            return np.tile(stream(self.seed, "labels").permutation(blocks), (self.count, 1))
        return self._stream("labels").permuted(np.tile(blocks, (self.count, 1)), axis=1)

    def _readiness(self) -> Chances:
        """What each pair's chance is multiplied by: the product of its nodes', 1 on average."""
        spread = self.spec.propensity
        own = np.exp(spread * self._stream("propensity").standard_normal((self.count, self.spec.nodes)) - spread**2 / 2)
        return own[:, self.upper[0]] * own[:, self.upper[1]]

    def _chances(self, law: Law) -> Chances:
        share = self.process.share_within
        between = law.density / (share * law.contrast + 1 - share)
        alike = law.labels[:, self.upper[0]] == law.labels[:, self.upper[1]]
        return np.where(alike, (law.contrast * between)[:, None], between[:, None])
