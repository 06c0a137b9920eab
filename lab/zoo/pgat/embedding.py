"""The tokens a block starts from: patches of every series, learned events, and what tells nodes and tokens apart."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from lab.data.batch import Shape
from lab.errors import LabError
from lab.spec.models.pgat import Pgat as Options
from lab.zoo.pgat.graph import EIGENVECTORS, PLACES, WALKS, TripartiteGraph, eigenvectors, places, returns

SMALL = 0.02
"""Standard deviation that learned tables start with."""
SCALES = (-1.0, -1 / 3, 1 / 3, 1.0)
"""Logarithms of the scales that the adaptive time encoding starts with."""
LONGEST = 8
FEWEST_TOKENS = 4


def patch_of(spec: Options, window: int) -> int:
    """Frames in a token, as told or as the window suggests."""
    if spec.patch is not None:
        if window % spec.patch:
            raise LabError(
                f"patch: a window of {window} frames is not a multiple of {spec.patch}",
                hint="take a divisor of the window, or leave patch out",
            )
        return spec.patch
    divisors = [each for each in range(1, LONGEST + 1) if window % each == 0]
    return max([each for each in divisors if window // each >= FEWEST_TOKENS], default=1)


class Table(nn.Module):
    """A learned vector for each row."""

    def __init__(self, rows: int, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(rows, width))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw it anew, small."""
        nn.init.normal_(self.weight, std=SMALL)

    def forward(self) -> Tensor:
        """All of it."""
        return self.weight


class SeriesEmbedding(nn.Module):
    """Patches of waves and of targets by a linear map each, a learned vector for each event, one for each node."""

    def __init__(self, spec: Options, shape: Shape, counts: tuple[int, int, int]) -> None:
        super().__init__()
        waves, transitions, _ = self.counts = counts
        self.drivers, self.patch = shape.drivers, patch_of(spec, shape.window)
        self.target = nn.Linear(self.patch, spec.width)
        self.wave = nn.Linear(self.patch, spec.width) if waves else None
        self.event = Table(transitions, spec.width) if transitions else None
        self.node = Table(sum(counts), spec.width)
        shared = (shape.features - 1) * self.patch
        self.shared = nn.Linear(shared, spec.width, bias=False) if shared else None

    def forward(self, x: Tensor) -> Tensor:
        """[graphs, nodes, tokens, width] from windows [graphs, frames, series, features]."""
        values = torch.unflatten(x[..., 0].transpose(1, 2), -1, (-1, self.patch))
        z: Tensor = self.target(values[:, self.drivers :])
        if self.wave is not None and self.event is not None:
            waves = self.wave(values[:, : self.counts[0]])
            events = self.event()[None, :, None].expand(len(z), -1, z.shape[2], -1)
            z = torch.cat([waves, events.to(z.dtype), z], 1)
        z = z + self.node()[:, None]
        if self.shared is not None:
            told = torch.unflatten(x[..., 1:].mean(2), 1, (-1, self.patch)).flatten(2)
            z = z + self.shared(told)[:, None]
        return z


def sinusoids(positions: Tensor, width: int) -> Tensor:
    """[..., width] sines and cosines of positions [...], of wavelengths from 2 pi to 20,000 pi."""
    half = (width + 1) // 2
    rates = torch.exp(torch.arange(half, device=positions.device) * (-math.log(10_000.0) / half))
    angles = positions[..., None] * rates
    return torch.stack([angles.sin(), angles.cos()], -1).flatten(-2)[..., :width]


class TimeTable(nn.Module):
    """Sinusoids of a token's place in time."""

    def __init__(self, tokens: int, width: int) -> None:
        super().__init__()
        self.register_buffer("table", sinusoids(torch.arange(tokens).float(), width), persistent=False)

    def forward(self) -> Tensor:
        """[tokens, width]."""
        return self.get_buffer("table")


class AdaptiveTimeTable(nn.Module):
    """The mean of sinusoids at learned scales of time, and a linear map of it."""

    def __init__(self, tokens: int, width: int) -> None:
        super().__init__()
        self.scales = nn.Parameter(torch.empty(len(SCALES)))
        self.map = nn.Linear(width, width)
        self.register_buffer("steps", torch.arange(tokens).float(), persistent=False)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Scales that differ, as equal ones would stay equal."""
        with torch.no_grad():
            self.scales.copy_(torch.tensor(SCALES))

    def forward(self) -> Tensor:
        """[tokens, width]."""
        positions = self.scales.exp()[:, None] * self.get_buffer("steps")
        told: Tensor = self.map(sinusoids(positions, self.map.in_features).mean(0))
        return told


def time_table(spec: Options, tokens: int) -> nn.Module | None:
    """The table a spec asks for."""
    if spec.time_encoding == "none":
        return None
    kind = TimeTable if spec.time_encoding == "sinusoid" else AdaptiveTimeTable
    return kind(tokens, spec.width)


class NodePlaces(nn.Module):
    """Linear maps of what a graph tells of its nodes."""

    def __init__(self, spec: Options) -> None:
        super().__init__()
        self.spec = spec
        inputs = EIGENVECTORS if spec.structural_encoding == "laplacian" else len(WALKS)
        structural = spec.structural_encoding != "none"
        self.structural = nn.Linear(inputs, spec.width, bias=False) if structural else None
        self.graph = nn.Linear(PLACES, spec.width, bias=False) if spec.graph_encoding else None

    def read(self, graph: TripartiteGraph) -> dict[str, Tensor]:
        """What the maps are made of, [..., nodes, numbers] each; no parameter has a part in it."""
        told, edges = {}, graph.undirected
        if self.structural is not None:
            is_laplacian = self.spec.structural_encoding == "laplacian"
            told["structural"] = eigenvectors(edges) if is_laplacian else returns(edges)
        if self.graph is not None:
            told["places"] = places(edges)
        return told

    def forward(self, told: dict[str, Tensor]) -> Tensor | None:
        """[..., nodes, width]; None where nothing is told."""
        parts: list[Tensor] = []
        if self.structural is not None:
            vectors = told["structural"].to(self.structural.weight.dtype)
            if self.training and self.spec.sign_flip and self.spec.structural_encoding == "laplacian":
                vectors = vectors * (torch.rand(vectors.shape[-1], device=vectors.device) < 0.5).to(vectors).mul(2).sub(
                    1
                )
            parts.append(self.structural(vectors))
        if self.graph is not None:
            parts.append(self.graph(told["places"].to(self.graph.weight.dtype)))
        return torch.stack(parts).sum(0) if parts else None
