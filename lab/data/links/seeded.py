"""Sequences of random graphs with change points: what the dataset `seeded_random_graphs` is made of."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from lab.data.batch import Dataset
from lab.data.links.families import FIRST, Law, Named, Numbers, another_law, drawn, numbers_needed
from lab.data.links.features import frame_features
from lab.data.links.frames import Frames, Graphs, to_dataset, training_frames, window_starts
from lab.data.links.scaling import scaled
from lab.data.links.streams import Random, stream
from lab.spec.datasets.links import SeededRandomGraphs


def seeded_random_graphs(spec: SeededRandomGraphs, seed: int) -> Dataset:
    """Random graphs under laws that change now and then, with features scaled as the spec says."""
    adjacency = sequences(spec, seed)
    starts = window_starts(spec, seed)
    raw = frame_features(spec.features, spec.embedding_sign, adjacency)
    x = scaled(spec.feature_scaling, raw, training_frames(spec, starts["train"]))
    return to_dataset(Frames(x, adjacency), spec, starts)


def sequences(spec: SeededRandomGraphs, seed: int) -> Graphs:
    """Graphs [sequences, frames, nodes, nodes], split after split."""
    return np.stack(list(_each(spec, seed)))


def _each(spec: SeededRandomGraphs, seed: int) -> Iterator[Graphs]:
    for name, count in spec.sequences().items():
        laws, fresh = stream(seed, "laws", name), stream(seed, "frames", name)
        for at in range(count):
            family = _family(spec, at)
            lengths = np.diff([0, *_change_points(spec, laws), spec.length]).tolist()
            tables = np.split(_tables(spec, family, lengths, fresh), np.cumsum(lengths)[:-1])
            told = zip(_laws(family, len(lengths), laws), tables, strict=True)
            parts = [drawn(family, law, table) for law, table in told]
            yield np.concatenate(parts)


def _family(spec: SeededRandomGraphs, at: int) -> Named:
    names: tuple[Named, ...] = tuple(FIRST)
    return names[at % len(names)] if spec.family == "all" else spec.family


def _laws(family: Named, segments: int, random: Random) -> Iterator[Law]:
    law = FIRST[family]
    for at in range(segments):
        law = another_law(family, law, random) if at else law
        yield law


def _change_points(spec: SeededRandomGraphs, random: Random) -> NDArray[np.int64]:
    """Frames at which the law changes, a segment apart from one another and from both ends."""
    count = min(int(random.integers(*spec.changes, endpoint=True)), spec.most_changes)
    free = spec.length - (count + 1) * spec.segment
    return np.sort(random.integers(0, free, size=count, endpoint=True)) + spec.segment * np.arange(1, count + 1)


def _tables(spec: SeededRandomGraphs, family: Named, lengths: list[int], fresh: Random) -> Numbers:
    """[frames, ...]: each frame's random numbers; where seeds are reused, a function of its place in its segment."""
    shape = numbers_needed(family, spec.nodes)
    if spec.seed_mode == "fresh":
        return fresh.random((spec.length, *shape))
    by_place = np.stack([stream(place, family).random(shape) for place in range(max(lengths))])
    return np.concatenate([by_place[:length] for length in lengths])
