"""Known lines of a data set: what chance, the tokens and the degree alone reach, to be read beside every score."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from lab.data.batch import IGNORED, Dataset, Split

Numbers = NDArray[np.float64]


def known_lines(dataset: Dataset) -> dict[str, float]:
    """Balanced accuracies that need no network: chance, the tokens of the training nodes, the degree."""
    train, test = dataset.splits["train"], dataset.splits["test"]
    return {
        "chance": 1 / dataset.shape.classes,
        "tokens": token_bound(train, tokens=dataset.shape.tokens, classes=dataset.shape.classes),
        **degree_lines(train, test),
    }


def token_bound(split: Split, *, tokens: int, classes: int) -> float:
    """The best balanced accuracy, on these very graphs, of any rule that sees a node's token only."""
    real = split.y != IGNORED
    pairs = split.x[real] * classes + split.y[real]
    seen = torch.bincount(pairs, minlength=tokens * classes).reshape(tokens, classes)
    share = seen / seen.sum(dim=0).clamp(min=1)
    present = int((seen.sum(dim=0) > 0).sum())
    return float(share.max(dim=1).values.sum()) / present


def degree_lines(train: Split, test: Split) -> dict[str, float]:
    """Class-balanced logistic regression on the degree in three forms, fitted on one split, scored on another."""
    fit, score = _degree_features(train), _degree_features(test)
    y_fit, y_score = _labels(train), _labels(test)
    return {
        name if name == "degree" else f"degree_{name}": _logistic(fit[name], y_fit, score[name], y_score)
        for name in fit
    }


def _labels(split: Split) -> NDArray[np.int64]:
    labels: NDArray[np.int64] = split.y[split.y != IGNORED].numpy()
    return labels


def _degree_features(split: Split) -> dict[str, Numbers]:
    """Per scored node: the degree, the degree standardised inside its graph, its share of the graph's nodes."""
    degree: Numbers = split.adjacency.numpy().sum(axis=2).astype(np.float64)  # torch would widen it all first
    nodes: Numbers = split.sizes.double().numpy()[:, None]
    real = np.arange(degree.shape[1]) < nodes
    mean = degree.sum(axis=1, keepdims=True) / nodes
    spread = np.sqrt((((degree - mean) * real) ** 2).sum(axis=1, keepdims=True) / nodes)
    features = {
        "degree": degree,
        "standardised": (degree - mean) / np.maximum(spread, 1e-12),
        "share": degree / nodes,
    }
    scored = (split.y != IGNORED).numpy()
    return {name: values[scored][:, None] for name, values in features.items()}


def _logistic(x: Numbers, y: NDArray[np.int64], x_test: Numbers, y_test: NDArray[np.int64]) -> float:
    from sklearn.linear_model import LogisticRegression  # a second of import that cached data never pay
    from sklearn.metrics import balanced_accuracy_score

    centre, scale = x.mean(), max(x.std(), 1e-12)
    model = LogisticRegression(class_weight="balanced").fit((x - centre) / scale, y)
    return float(balanced_accuracy_score(y_test, model.predict((x_test - centre) / scale)))
