"""Daily mobility between regions of England, with case counts, as PyTorch Geometric Temporal publishes it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from lab.data.batch import Dataset, Shape
from lab.data.files import located
from lab.data.series import Scaling, Series, to_dataset, training_frames, window_starts
from lab.data.windows import WindowSplit
from lab.errors import LabError
from lab.spec.datasets.mobility import EdgeWeights, Mobility, MobilityCases

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Record:
    """What the file holds."""

    moves: Numbers
    """[days, regions, regions] how many moved from row to column; 0 within a region."""
    cases: Numbers
    """[days, regions]."""


def mobility(spec: Mobility, seed: int) -> Dataset:
    """Which regions will be joined the next day; days are cut one part after the other."""
    record = read(spec.path)
    days, regions = record.cases.shape
    parts = spec.parts(days)
    x = torch.from_numpy(features(spec, record, last=parts["train"][1]))[None]
    links = torch.from_numpy((record.moves > 0).astype(np.uint8)[None])
    graphs = links if spec.weights == "none" else _weighted(spec.weights, record.moves, parts["train"][1])
    splits = {
        name: WindowSplit(x, graphs, links, _starts(*part, spec.window), spec.window) for name, part in parts.items()
    }
    return Dataset(Shape(nodes=regions, features=x.shape[3], window=spec.window), splits, spec.task)


def cases(spec: MobilityCases, seed: int) -> Dataset:
    """The case counts of the regions to forecast, over the graph of each day's mobility."""
    record = read(spec.path)
    graphs = _weighted(
        spec.weights, record.moves, training_frames(window_starts(len(record.moves), spec)["train"], spec)
    )[0].numpy()
    return to_dataset(Series(record.cases, adjacency=graphs), spec, Scaling())


def read(said: str) -> Record:
    """The file of this name, or one clear error."""
    path = located(said)
    try:
        return _parsed(json.loads(path.read_bytes()))
    except (ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
        told = "is broken off or no JSON" if isinstance(error, json.JSONDecodeError) else "is not laid out as expected"
        raise LabError(
            f"{path} {told}: {type(error).__name__}: {error}",
            hint="dataset.path wants england_covid.json: edge_mapping.edge_index and .edge_weight by day, y by day",
        ) from error


def _parsed(told: dict[str, Any]) -> Record:
    cases = np.array(told["y"], dtype=np.float64)
    if cases.ndim != 2 or not np.isfinite(cases).all():
        raise ValueError(f"y is of shape {cases.shape}, not days x regions of numbers")
    days, regions = cases.shape
    moves = np.zeros((days, regions, regions))
    for day in range(days):
        ends, weights = (np.array(told["edge_mapping"][part][str(day)]) for part in ("edge_index", "edge_weight"))
        if len(ends) != len(weights) or (len(ends) and ends.shape[1:] != (2,)):
            raise ValueError(f"day {day} has {len(weights)} weights for edges of shape {ends.shape}")
        if not len(ends):
            continue
        if ends.min() < 0 or ends.max() >= regions:
            raise ValueError(f"day {day} joins region {int(ends.max())}, of {regions}")
        np.add.at(moves[day], (ends[:, 0], ends[:, 1]), weights)
    moves[:, np.arange(regions), np.arange(regions)] = 0
    return Record(moves, cases)


def features(spec: Mobility, record: Record, *, last: int) -> NDArray[np.float32]:
    """[days, regions, features]: logarithms of the cases, degrees out and in, scaled by the first days."""
    joined = record.moves > 0
    degrees = np.stack([joined.sum(2), joined.sum(1)], axis=-1) / (joined.shape[1] - 1)
    told = {"cases": [np.log1p(record.cases)[..., None]], "degrees": [degrees]}
    x = np.concatenate(told.get(spec.features) or [*told["cases"], *told["degrees"]], axis=-1)
    centre, width = x[:last].mean((0, 1)), x[:last].std((0, 1))
    scaled: Numbers = (x - centre) / np.where(width > 0, width, 1)
    return scaled.astype(np.float32)


def _weighted(weights: EdgeWeights, moves: Numbers, last: int) -> torch.Tensor:
    """[1, days, regions, regions]."""
    if weights == "none":
        return torch.from_numpy((moves > 0).astype(np.uint8))[None]
    told = np.log1p(moves) if weights == "log" else moves
    largest = told[:last].max()
    return torch.from_numpy((told / (largest or 1.0)).astype(np.float32))[None]


def _starts(first: int, behind: int, window: int) -> torch.Tensor:
    firsts = torch.arange(first, max(first, behind - window))
    if not len(firsts):
        raise LabError(
            f"a part of {behind - first} days has no window of {window} days and one behind it",
            hint="shorten dataset.window",
        )
    return torch.stack([torch.zeros_like(firsts), firsts], dim=1)
