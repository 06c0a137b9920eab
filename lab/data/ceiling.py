"""How well colour refinement tells training labels apart: what depth and features allow, whatever the model."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lab.data.batch import IGNORED, AnySplit, Dataset
from lab.data.cache import cache_folder

MOST_ENTRIES = 60_000_000
"""Entries of the adjacency tensor that are looked through; larger data go without a ceiling."""

Colours = NDArray[np.int64]


def ceiling(dataset: Dataset, depth: int) -> float | None:
    """The best balanced accuracy on the training nodes of a rule that sees their colour after so many rounds.

    None where labels are no classes of nodes or the data are too large; kept with the data once it is known.
    """
    train = dataset.splits["train"]
    if dataset.task != "classify_nodes" or train.adjacency.numel() > MOST_ENTRIES:
        return None
    place = cache_folder() / "ceilings" / f"{dataset.sha256[:16]}-{depth}.json" if dataset.sha256 else None
    if place is not None and place.is_file():
        with suppress(OSError, ValueError):
            return float(json.loads(place.read_text()))
    found = _best(_refined(train, depth), train, dataset.shape.classes)
    if place is not None:
        _keep(place, found)
    return found


def _keep(place: Path, found: float) -> None:
    with suppress(OSError):
        place.parent.mkdir(parents=True, exist_ok=True)
        draft = place.with_name(f"{place.name}.{os.getpid()}.draft")
        draft.write_text(json.dumps(found))
        draft.replace(place)


def _refined(split: AnySplit, depth: int) -> Colours:
    """The colour of every node, [graphs, nodes]: its own and the bag of its neighbours', round by round."""
    features = split.x.cpu().numpy()
    rows = features.reshape(features.shape[0] * features.shape[1], -1)
    colours = np.unique(rows, axis=0, return_inverse=True)[1].reshape(-1)
    graph, source, target = (index.numpy() for index in split.adjacency.cpu().nonzero(as_tuple=True))
    count = split.adjacency.cpu().numpy()[graph, source, target].astype(np.uint64)
    width = features.shape[1]
    source, target = graph * width + source, graph * width + target
    random = np.random.default_rng(0)
    for _ in range(depth):
        code = random.integers(1, 2**63, size=int(colours.max()) + 1, dtype=np.uint64)
        bags = np.zeros(len(colours), dtype=np.uint64)
        np.add.at(bags, source, count * code[colours[target]])
        told = np.stack([colours.astype(np.uint64), bags], axis=1)
        refined = np.unique(told, axis=0, return_inverse=True)[1].reshape(-1)
        if refined.max() == colours.max():
            break
        colours = refined
    return colours.reshape(features.shape[:2])


def _best(colours: Colours, split: AnySplit, classes: int) -> float:
    """Each colour says the class that it holds the largest share of."""
    labels = split.y.cpu().numpy()
    scored = labels != IGNORED
    counts = np.zeros((int(colours.max()) + 1, classes))
    np.add.at(counts, (colours[scored], labels[scored]), 1)
    present = counts.sum(axis=0)
    shares = counts[:, present > 0] / present[present > 0]
    return float(shares.max(axis=1).sum() / max(1, shares.shape[1]))
