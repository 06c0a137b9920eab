"""Encodings of a node's place in its graph: Laplacian eigenvectors and the chances that random walks are back."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from lab.data.batch import Batch, Shape
from lab.spec.models.encoding import NodeEncoding as Options
from lab.zoo.parts import BatchNorm, Dropout, Unchanged
from lab.zoo.walks import simple_graph

WayIn = Callable[[Shape, int], nn.Module]
"""Makes the layer that reads what the nodes carry."""


def laplacian_eigens(batch: Batch, spec: Options, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Entries [graphs, nodes, frequencies] and eigenvalues [graphs, 1, frequencies]; absent ones are zero.

    Each graph is taken by itself and without its padding, in float64 on the CPU, so that signs and the bases of
    repeated eigenvalues do not hang on the batch, the padding or the device. An edge either way joins both.
    """
    graphs, nodes = batch.mask.shape
    entries = torch.zeros(graphs, nodes, spec.frequencies, dtype=torch.float64)
    values = torch.zeros(graphs, 1, spec.frequencies, dtype=torch.float64)
    edges = simple_graph(batch.adjacency.cpu(), torch.float64)
    first = 0 if spec.constant else 1
    for graph, size in enumerate(batch.mask.sum(1).tolist()):
        own = torch.maximum(edges[graph, :size, :size], edges[graph, :size, :size].T)
        found, basis = torch.linalg.eigh(_laplacian(own, symmetric=spec.laplacian == "symmetric"))
        count = max(0, min(spec.frequencies, size - first))
        entries[graph, :size, :count] = basis[:, first : first + count]
        values[graph, 0, :count] = found[first : first + count].clamp(min=0)
    return entries.to(batch.x.device, dtype), values.to(batch.x.device, dtype)


def _laplacian(edges: Tensor, *, symmetric: bool) -> Tensor:
    degree = edges.sum(1)
    if not symmetric:
        return torch.diag(degree) - edges
    root = degree.clamp(min=1).rsqrt()
    return torch.eye(len(edges), dtype=edges.dtype) - root[:, None] * edges * root


def returns(batch: Batch, steps: int, dtype: torch.dtype) -> Tensor:
    """[graphs, nodes, steps]: the chance that a random walk is back where it began after 1, 2, ... steps."""
    edges = simple_graph(batch.adjacency, dtype)
    step = edges / edges.sum(-1, keepdim=True).clamp(min=1)
    power, found = step, []
    for exponent in range(steps):
        power = power @ step if exponent else step
        found.append(power.diagonal(dim1=-2, dim2=-1))
    return torch.stack(found, dim=-1)


class SignFlip(Dropout):
    """Flips signs of eigenvectors at random while training; drawn like dropout, a function of the step's key."""

    def __init__(self, *, by_graph: bool) -> None:
        super().__init__(0.5)
        self.by_graph = by_graph

    def forward(self, x: Tensor) -> Tensor:
        """Flip [graphs, nodes, frequencies]."""
        kept_twice = super().forward(x.new_ones(len(x) if self.by_graph else 1, 1, x.shape[-1]))
        return x * (kept_twice - 1) if self.training else x


class DeepSet(nn.Module):
    """A small MLP of (entry, eigenvalue), summed over the frequencies that a graph has."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.linear1 = nn.Linear(2, 2 * width)
        self.linear2 = nn.Linear(2 * width, width)

    def forward(self, entries: Tensor, values: Tensor, mask: Tensor, first: int) -> Tensor:
        """Encode [graphs, nodes, frequencies]."""
        pairs = torch.stack([entries, values.expand_as(entries)], dim=-1)
        told: Tensor = self.linear2(self.linear1(pairs).relu()).relu()
        there = torch.arange(first, first + entries.shape[-1], device=entries.device) < mask.sum(1)[:, None]
        return (told * there[:, None, :, None].to(told.dtype)).sum(2)


class Eigenvectors(nn.Module):
    """The encoding by Laplacian eigenvectors."""

    def __init__(self, spec: Options, width: int) -> None:
        super().__init__()
        self.first = 0 if spec.constant else 1
        self.flip = SignFlip(by_graph=spec.sign_flip == "graph") if spec.sign_flip != "none" else nn.Identity()
        self.map = DeepSet(width) if spec.eigen_map == "deep_set" else nn.Linear(spec.frequencies, width)

    def forward(self, known: Mapping[str, Tensor], mask: Tensor) -> Tensor:
        """Channels of [graphs, nodes]."""
        entries = self.flip(known["eigenvectors"])
        if isinstance(self.map, DeepSet):
            told: Tensor = self.map(entries, known["eigenvalues"], mask, self.first)
            return told
        linear: Tensor = self.map(entries)
        return linear


class Returns(nn.Module):
    """The encoding by the chances that random walks are back."""

    def __init__(self, spec: Options, width: int) -> None:
        super().__init__()
        self.norm = BatchNorm(spec.steps) if spec.walk_norm == "batch" else Unchanged()
        self.linear = nn.Linear(spec.steps, width)

    def forward(self, known: Mapping[str, Tensor], mask: Tensor) -> Tensor:
        """Channels of [graphs, nodes]."""
        told: Tensor = self.linear(self.norm(known["returns"], mask))
        return told


class Beginning(nn.Module):
    """The first state of the nodes: what they carry, with the encodings of their place beside it or added to it."""

    def __init__(self, spec: Options, shape: Shape, width: int, *, way_in: WayIn) -> None:
        super().__init__()
        self.spec = spec
        own = spec.width if spec.join == "concat" else width
        self.embedding = way_in(shape, width - spec.own_channels)
        self.eigenvectors = Eigenvectors(spec, own) if "laplacian" in spec.sources else None
        self.returns = Returns(spec, own) if "walks" in spec.sources else None

    def prepare(self, batch: Batch, dtype: torch.dtype) -> dict[str, Tensor]:
        """`eigenvectors`, `eigenvalues` and `returns`, as far as they are read."""
        told = {}
        with torch.no_grad(), torch.autocast(batch.x.device.type, enabled=False):
            if self.eigenvectors is not None:
                told["eigenvectors"], told["eigenvalues"] = laplacian_eigens(batch, self.spec, dtype)
            if self.returns is not None:
                told["returns"] = returns(batch, self.spec.steps, dtype)
        return told

    def ambiguous(self) -> set[str]:
        """What `prepare` gives that a graph alone does not settle: an eigenvector may as well point the other way."""
        return {"eigenvectors"} if self.eigenvectors is not None else set()

    def forward(self, batch: Batch, known: Mapping[str, Tensor]) -> Tensor:
        """[graphs, nodes, width]."""
        x: Tensor = self.embedding(batch.x)
        told = [part(known, batch.mask) for part in (self.eigenvectors, self.returns) if part is not None]
        return torch.cat([x, *told], dim=-1) if self.spec.join == "concat" else x + sum(told)
