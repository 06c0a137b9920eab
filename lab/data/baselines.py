"""Known lines of a data set: scores that need no network, to be read beside every score that a network reaches."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from lab.data.batch import IGNORED, AnySplit, Dataset
from lab.exact.lattices import Lattice
from lab.exact.look_up import look_ups

Numbers = NDArray[np.float64]


POWERS = range(5, 11)
"""Numbers of powers that walk vectors are looked up by."""
MOST_FITTED = 200_000
"""Nodes that a logistic regression is fitted to."""
CHUNK = 256


def block_model_lines(dataset: Dataset) -> dict[str, float]:
    """Balanced accuracies of chance, of the tokens (a leak, on the very graphs that are trained on), of the degree."""
    train, test = dataset.splits["train"], dataset.splits["test"]
    return {
        "chance": 1 / dataset.shape.classes,
        "token leak": token_bound(train, tokens=dataset.shape.tokens, classes=dataset.shape.classes),
        **degree_lines(train, test),
    }


def token_lines(dataset: Dataset) -> dict[str, float]:
    """What the tokens of the test graphs tell alone, where some of them reveal an answer on purpose."""
    test, shape = dataset.splits["test"], dataset.shape
    seen = _by_token(test, tokens=shape.tokens, classes=shape.classes)
    return {
        "chance": 1 / shape.classes,
        "tokens alone": token_bound(test, tokens=shape.tokens, classes=shape.classes),
        "plain_acc: largest class": float(seen.sum(dim=0).max() / seen.sum()),
        "plain_acc: tokens alone": float(seen.max(dim=1).values.sum() / seen.sum()),
    }


def pair_lines(dataset: Dataset) -> dict[str, float]:
    """What saying no to every pair reaches, split by split, and what a table of exact walk vectors does."""
    train = _lattices(dataset.splits["train"])
    told = {}
    for name, split in dataset.splits.items():
        graphs = _lattices(split)
        alike = sum(int(graph.alike.sum()) for graph in graphs) / sum(graph.nodes**2 for graph in graphs)
        told[f"{name}.acc: always no"] = 1 - alike
        told[f"{name}.false_positives: always yes"] = 1 - alike
        told[f"{name}.false_negatives: always no"] = alike
        for powers, table in look_ups(train, graphs, POWERS).items():
            told[f"{name}.acc: look-up, {powers} powers"] = table.found
    return told | {"balanced_acc: always no": 0.5}


def token_bound(split: AnySplit, *, tokens: int, classes: int) -> float:
    """The best balanced accuracy, on these very graphs, of any rule that sees a node's token only."""
    seen = _by_token(split, tokens=tokens, classes=classes)
    share = seen / seen.sum(dim=0).clamp(min=1)
    present = int((seen.sum(dim=0) > 0).sum())
    return float(share.max(dim=1).values.sum()) / present


def _by_token(split: AnySplit, *, tokens: int, classes: int) -> torch.Tensor:
    """[tokens, classes]: how many scored nodes of each class carry each token."""
    real = split.y != IGNORED
    pairs = split.x[real] * classes + split.y[real]
    return torch.bincount(pairs, minlength=tokens * classes).reshape(tokens, classes)


def _lattices(split: AnySplit) -> list[Lattice]:
    """The graphs of a split as exact arithmetic takes them; their places do not matter."""
    told = []
    for size, adjacency, labels in zip(split.sizes.tolist(), split.adjacency.numpy(), split.y.numpy(), strict=True):
        edges = np.argwhere(np.triu(adjacency[:size, :size]))
        told.append(Lattice(np.zeros((size, 2), np.int64), edges, labels[:size]))
    return told


def degree_lines(train: AnySplit, test: AnySplit) -> dict[str, float]:
    """Class-balanced logistic regression on the degree in four forms, fitted on one split, scored on another."""
    fit, score = _degree_features(train), _degree_features(test)
    y_fit, y_score = _labels(train), _labels(test)
    return {name: _logistic(fit[name], y_fit, score[name], y_score) for name in fit}


def _labels(split: AnySplit) -> NDArray[np.int64]:
    labels: NDArray[np.int64] = split.y[split.y != IGNORED].numpy()
    return labels


def _degree_features(split: AnySplit) -> dict[str, Numbers]:
    """Per scored node its degree: as it is, standardised inside its graph, over the nodes, with those around it."""
    degree: Numbers = split.adjacency.numpy().sum(axis=2).astype(np.float64)  # torch would widen it all first
    nodes: Numbers = split.sizes.double().numpy()[:, None]
    real = np.arange(degree.shape[1]) < nodes
    mean = degree.sum(axis=1, keepdims=True) / nodes
    spread = np.sqrt((((degree - mean) * real) ** 2).sum(axis=1, keepdims=True) / nodes)
    around = _around(split.adjacency, degree)
    share = degree / nodes
    features = {
        "degree": (degree,),
        "degree, standardised": ((degree - mean) / np.maximum(spread, 1e-12),),
        "degree / N": (share,),
        "degree and neighbours": (degree, nodes + 0 * degree, share, around, around / np.maximum(degree, 1)),
    }
    scored = (split.y != IGNORED).numpy()
    return {name: np.stack([each[scored] for each in values], axis=1) for name, values in features.items()}


def _around(adjacency: torch.Tensor, degree: Numbers) -> Numbers:
    """The sum of the neighbours' degrees, [graphs, nodes]."""
    told = torch.from_numpy(degree).float()[..., None]
    parts = zip(torch.split(adjacency, CHUNK), torch.split(told, CHUNK), strict=True)
    return torch.cat([torch.bmm(edges.float(), each)[..., 0] for edges, each in parts]).double().numpy()


def _logistic(x: Numbers, y: NDArray[np.int64], x_test: Numbers, y_test: NDArray[np.int64]) -> float:
    from sklearn.linear_model import LogisticRegression  # a second of import that cached data never pay
    from sklearn.metrics import balanced_accuracy_score

    every = -(-len(x) // MOST_FITTED)
    x, y = x[::every], y[::every]
    centre, scale = x.mean(axis=0), np.maximum(x.std(axis=0), 1e-12)
    model = LogisticRegression(class_weight="balanced").fit((x - centre) / scale, y)
    return float(balanced_accuracy_score(y_test, model.predict((x_test - centre) / scale)))
