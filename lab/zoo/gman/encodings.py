"""The way in: what a node carries, with what it is told of its frame's place in the window and of itself."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from lab.data.batch import Batch, Shape
from lab.spec.models.gman import Gman as Options
from lab.zoo.parts import way_in

SPREAD = 0.02
"""Standard deviation that learned encodings start with."""


class Places(nn.Module):
    """A learned vector for every place."""

    def __init__(self, places: int, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(places, width))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the vectors."""
        nn.init.normal_(self.weight, std=SPREAD)

    def forward(self) -> Tensor:
        """[places, width]."""
        return self.weight


class Beginning(nn.Module):
    """The first states [graphs, frames, nodes, width]."""

    def __init__(self, spec: Options, shape: Shape) -> None:
        super().__init__()
        self.spec = spec
        self.way_in = way_in(shape, spec.width)
        self.times = Places(shape.window, spec.width) if spec.time_encoding == "learned" else None
        self.nodes = Places(shape.nodes, spec.width) if spec.node_encoding == "learned" else None
        is_laplacian = spec.node_encoding == "laplacian"
        self.eigenvectors = nn.Linear(spec.eigenvectors, spec.width, bias=False) if is_laplacian else None

    def prepare(self, batch: Batch, dtype: torch.dtype) -> dict[str, Tensor]:
        """`eigenvectors` [graphs, nodes, count], where they are read."""
        if self.eigenvectors is None:
            return {}
        return {"eigenvectors": eigenvectors(batch.adjacency, self.spec.eigenvectors).to(dtype)}

    def forward(self, batch: Batch, known: Mapping[str, Tensor]) -> Tensor:
        """[graphs, frames, nodes, width]."""
        x: Tensor = self.way_in(batch.x)
        if self.spec.time_encoding == "sinusoidal":
            x = x + sinusoids(x.shape[1], x.shape[-1], like=x)[:, None]
        if self.times is not None:
            x = x + self.times()[:, None]
        of_nodes = self.of_nodes(known)
        return x if of_nodes is None else x + of_nodes[:, None]

    def of_nodes(self, known: Mapping[str, Tensor]) -> Tensor | None:
        """What nodes are told of themselves, [graphs or 1, nodes, width]."""
        if self.nodes is not None:
            return self.nodes()[None]  # type: ignore[no-any-return]
        if self.eigenvectors is not None:
            return self.eigenvectors(known["eigenvectors"])  # type: ignore[no-any-return]
        return None


def sinusoids(frames: int, width: int, *, like: Tensor) -> Tensor:
    """[frames, width] sines, then cosines, of wavelengths from 2 pi frames up to 10,000 times that."""
    slow = 10_000 ** (torch.arange((width + 1) // 2, device=like.device, dtype=like.dtype) * -2 / width)
    angles = torch.arange(frames, device=like.device, dtype=like.dtype)[:, None] * slow
    return torch.cat([angles.sin(), angles.cos()], dim=-1)[:, :width]


def eigenvectors(adjacency: Tensor, count: int) -> Tensor:
    """[graphs, nodes, count] of the mean graph's normalised Laplacian, from the second smallest eigenvalue up.

    In float64; the entry of largest size is positive, and what a small graph does not have is 0. An edge either way
    joins both.
    """
    with torch.no_grad(), torch.autocast(adjacency.device.type, enabled=False):
        links = adjacency.double().clamp(max=1)
        links = links.mean(1) if links.ndim == 4 else links
        links = torch.maximum(links, links.mT)
        root = links.sum(-1).clamp(min=torch.finfo(links.dtype).tiny).rsqrt() * (links.sum(-1) > 0)
        laplacian = (
            torch.eye(links.shape[-1], dtype=links.dtype, device=links.device) - root[:, None] * links * root[..., None]
        )
        found = torch.linalg.eigh(laplacian).eigenvectors[..., 1 : count + 1]
        largest = found.gather(1, found.abs().argmax(1, keepdim=True))
        return pad(found * largest.sign(), (0, count - found.shape[-1]))
