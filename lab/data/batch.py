"""Batch, Split and Dataset: packed graphs that live on the device, and the dense batches cut from them.

Windows of graphs that change, and of series over nodes, are cut by `lab.data.windows`, in batches of the same type.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol, Self

import torch
from torch import Tensor

IGNORED = -1
"""The label of a node that is not scored: padding, or a node of another split."""


@dataclass(frozen=True)
class Shape:
    """What a model must know of the data to be built."""

    nodes: int
    """Largest number of nodes of a graph."""
    classes: int = 0
    """Classes to tell apart; 0 where numbers are predicted."""
    tokens: int = 0
    """Size of the node vocabulary; 0 where nodes carry numbers instead."""
    features: int = 0
    """Numbers a node carries; 0 where it carries a token."""
    targets: int = 0
    """Numbers to predict; 0 where classes are told apart."""
    pairs: int = 0
    """Numbers a model puts out for every ordered pair of nodes; 0 where it is asked about single nodes."""
    window: int = 0
    """Frames a model sees; 0 where graphs stand alone."""
    horizon: int = 0
    """Frames to forecast; 0 where nothing is."""
    drivers: int = 0
    """The first nodes that are seen but never forecast."""
    clock: int = 0
    """Which of the features is the time of day, from 0 at midnight to 1; 0, the value itself, where none is."""

    @property
    def outputs(self) -> int:
        """Channels a model puts out for each node, or for each ordered pair of nodes."""
        return self.pairs or self.classes or self.targets


@dataclass(frozen=True)
class Scale:
    """How the values of a series were scaled: original = scaled * std + mean, by node or for all nodes alike."""

    mean: tuple[float, ...] = (0.0,)
    """One number, or one a node."""
    std: tuple[float, ...] = (1.0,)
    """One number, or one a node."""
    null: float | None = None
    """The original value that marks a missing one, such as 0 of a broken detector."""


@dataclass(frozen=True)
class Batch:
    """Some graphs, padded to one size. Real nodes come first; `mask` is True for them, everywhere in lab.

    Windows have one more axis behind the first, that of their frames, in `x` and mostly in `adjacency`.
    """

    x: Tensor
    """[graphs, nodes] int64 tokens, or [graphs, nodes, features] numbers.

    Of windows [graphs, frames, nodes, features] numbers."""
    adjacency: Tensor
    """[graphs, nodes, nodes] uint8: how many edges lead from row to column; as the data has it.

    Of windows [graphs, frames, nodes, nodes], or without frames where one graph is known for all of them; float32
    where edges have weights."""
    mask: Tensor
    """[graphs, nodes] bool, True for a real node."""
    y: Tensor
    """[graphs, nodes] int64 classes (IGNORED where not scored), or [graphs, nodes, targets] numbers.

    Of windows [graphs, horizon, nodes] numbers to forecast, scaled, NaN where not scored, or the next adjacency."""
    ids: Tensor
    """[graphs] int64: which graphs of the split these are."""
    extra: Mapping[str, Tensor] = field(default_factory=dict)
    """What the model prepared of each graph once (walk stacks, say), [graphs, ...]; see Prepared."""
    trend: Tensor | None = None
    """[graphs, horizon, nodes] what was taken off `y`, scaled, and off what was seen; None where nothing was."""

    @property
    def edges(self) -> Tensor:
        """[2, edges] over the nodes of all graphs, flattened with their padding, for edge-list layers.

        An edge that the data list twice is listed twice.
        """
        graph, source, target = at = self.adjacency.nonzero(as_tuple=True)
        once = torch.stack([source, target]) + graph * self.mask.shape[1]
        return once.repeat_interleave(self.adjacency[at].long(), dim=1)

    @property
    def tensors(self) -> dict[str, Tensor]:
        """Its own tensors by name, without what was prepared."""
        return {name: value for name, value in vars(self).items() if isinstance(value, Tensor)}

    def only(self, at: Tensor) -> Batch:
        """The graphs at these places, and what was prepared of them."""
        cut = {name: tensor.index_select(0, at) for name, tensor in self.tensors.items()}
        extra = {name: tensor.index_select(0, at) for name, tensor in self.extra.items()}
        return replace(self, **cut, extra=extra)


@dataclass(frozen=True)
class Split:
    """All graphs of a split as padded tensors, cut by index."""

    x: Tensor
    adjacency: Tensor
    y: Tensor
    sizes: Tensor
    """[graphs] int64, on the CPU: batches are planned there."""

    def __len__(self) -> int:
        return len(self.sizes)

    def batch(self, index: Tensor, nodes: int) -> Batch:
        """The graphs of this index, padded to `nodes`."""
        at, sizes = sent(torch.stack([index, self.sizes[index]]), self.x.device)
        mask = torch.arange(nodes, device=self.x.device) < sizes[:, None]
        adjacency = self.adjacency[:, :nodes, :nodes].index_select(0, at)
        return Batch(self.x[at, :nodes], adjacency, mask, self.y[at, :nodes], at)

    def to(self, device: torch.device) -> Split:
        """The same split on another device; sizes stay on the CPU."""
        return Split(self.x.to(device), self.adjacency.to(device), self.y.to(device), self.sizes)


def sent(tensor: Tensor, device: torch.device) -> Tensor:
    """On the device, without waiting for what it still has to do: a copy from ordinary memory would."""
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)


class AnySplit(Protocol):
    """What the loop asks of a split: how large its graphs are, and to be cut into batches."""

    @property
    def x(self) -> Tensor:
        """What nodes carry; it tells the device."""

    @property
    def adjacency(self) -> Tensor:
        """All graphs."""

    @property
    def y(self) -> Tensor:
        """All answers."""

    @property
    def sizes(self) -> Tensor:
        """[graphs] int64, on the CPU: how many nodes each graph has."""

    def __len__(self) -> int: ...

    def batch(self, index: Tensor, nodes: int) -> Batch:
        """The graphs of this index, padded to `nodes`."""

    def to(self, device: torch.device) -> Self:
        """The same split on another device."""


@dataclass(frozen=True)
class Dataset:
    """Splits under the names train, valid and test, with what is known about their scores."""

    shape: Shape
    splits: Mapping[str, AnySplit]
    """Where two names stand for the same object, these graphs are scored under both, and kept and worked on once."""
    task: str = "classify_nodes"
    lines: Mapping[str, float] = field(default_factory=dict)
    """Known scores worth drawing beside every result: chance, baselines, ceilings."""
    sha256: str = ""
    scale: Scale | None = None
    """How the values to forecast were scaled; None where they are as they are."""
    truth: Tensor | None = None
    """[nodes, nodes] the graph behind the data where it is known: entry [i, j] is not 0 where j drives i."""

    def to(self, device: torch.device) -> Dataset:
        """The same data on another device."""
        moved = {id(split): split.to(device) for split in {id(each): each for each in self.splits.values()}.values()}
        splits = {name: moved[id(split)] for name, split in self.splits.items()}
        return replace(self, splits=splits, truth=None if self.truth is None else self.truth.to(device))
