"""The forecaster with a learned latent graph: Fourier branch, two latent layers, encoder, decoder, smoothing.

Frames know nothing of one another until the encoder, so both latent layers work on all of them at once; nodes are rows
of the LSTMs. Only the decoder goes step by step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from lab.data.batch import Batch, Shape
from lab.spec.models.latent_seq2seq import LatentSeq2Seq as Options
from lab.zoo.latent_seq2seq.decoder import Decoder
from lab.zoo.latent_seq2seq.fourier import FourierBranch
from lab.zoo.latent_seq2seq.latent_layer import LatentLayer, given_graph
from lab.zoo.latent_seq2seq.recurrent import Encoder
from lab.zoo.latent_seq2seq.smoothers import HorizonSmoother


class NodeEmbedding(nn.Module):
    """A learned vector for each node, zero at the start."""

    def __init__(self, nodes: int, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(nodes, width))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Start with all nodes alike."""
        nn.init.zeros_(self.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Add to [..., nodes, width]."""
        return x + self.weight


class LatentSeq2Seq(nn.Module):
    """Windows [batch, frames, nodes, features] to forecasts [batch, horizon, nodes, 1], or 2 with a deviation.

    Each latent layer keeps 4 * batch * frames * heads * nodes^2 bytes of weights in float32, unless blocks recompute.
    """

    def __init__(self, spec: Options, shape: Shape) -> None:
        super().__init__()
        self.spec = spec
        latent, width, nodes = spec.latent, spec.width, shape.nodes
        self.fourier = FourierBranch(spec.fourier, shape) if spec.fourier.mixing != "none" else None
        norms = [latent.norm if latent.norm_place != other else "none" for other in ("second", "first")]
        self.first = LatentLayer(latent, shape.features, width, nodes, behind=norms[0])
        self.second = LatentLayer(latent, width, width, nodes, behind=norms[1])
        self.node_embedding = NodeEmbedding(nodes, width) if spec.node_embedding else nn.Identity()
        self.encoder = Encoder(spec)
        self.decoder = Decoder(spec, shape.horizon)
        self.smoother = HorizonSmoother(spec, shape.horizon) if spec.horizon_smoother != "none" else None

    def forward(self, batch: Batch) -> Tensor:
        """Forecasts of all nodes, in scaled units."""
        told = self.node_embedding(self.latent(batch)[0])
        rows = told.transpose(1, 2).flatten(0, 1)
        outputs, states = self.encoder(rows)
        if self.spec.memory == "both":
            memory = torch.cat([rows, outputs], 1)
        else:
            memory = outputs if self.spec.memory == "lstm" else rows
        mean, deviation = self.decoder(memory, states, rows[:, -1], batch.x[:, -1, :, 0], batch.y)
        if self.smoother is not None:
            mean, deviation = self.smoother(mean, deviation)
        return torch.stack([mean] if deviation is None else [mean, deviation], -1)

    def latent(self, batch: Batch) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """What the latent layers make of each frame [batch, frames, nodes, width], and both layers' weights."""
        x = batch.x if self.fourier is None else batch.x + self.fourier(batch.x)
        given = given_graph(batch) if self.spec.latent.attention == "given" else None
        x, first = self.first(x, given)
        x, second = self.second(x, given)
        return x, (first, second)

    @torch.no_grad()
    def learned_graph(self, batch: Batch) -> Tensor:
        """Scores [batch, nodes, nodes] of the learned graph: entry [i, j] tells how much i hears of j."""
        with self.graph_seen(batch) as told:
            if self.spec.graph_readout != "static":
                self.latent(batch)
            return told()

    @contextmanager
    def graph_seen(self, batch: Batch) -> Iterator[Callable[[], Tensor]]:
        """The same of a pass over this batch that is made inside, whoever makes it."""
        seen: dict[nn.Module, Tensor] = {}

        def note(layer: nn.Module, _: object, told: tuple[Tensor, Tensor]) -> None:
            seen[layer] = told[1].detach().mean(2)

        is_static = self.spec.graph_readout == "static"
        handles = [] if is_static else [layer.register_forward_hook(note) for layer in (self.first, self.second)]
        try:
            yield lambda: self._static(batch) if is_static else self._read(seen[self.first], seen[self.second])
        finally:
            for handle in handles:
                handle.remove()

    @torch.no_grad()
    def _static(self, batch: Batch) -> Tensor:
        scores = self.static_scores()["second"].mean(0)
        return (scores - scores.mean(-1, keepdim=True)).expand(len(batch.x), -1, -1)

    def _read(self, first: Tensor, second: Tensor) -> Tensor:
        """Of both layers' weights [batch, frames, nodes, nodes]."""
        if self.spec.graph_readout == "last_frame":
            return second[:, -1]
        if self.spec.graph_readout == "mean_over_frames":
            return second.mean(1)
        return first.mean(1) if self.spec.graph_readout == "first_layer" else (first + second).mean(1) / 2

    def static_scores(self) -> dict[str, Tensor]:
        """The static scores [heads, nodes, nodes] of each layer that has some."""
        layers = {"first": self.first, "second": self.second}
        return {name: layer.static() for name, layer in layers.items() if layer.static is not None}

    def zero_gradient(self) -> set[str]:
        """Names of parameters whose gradient is zero by construction."""
        names = {f"decoder.{name}" for name in self.decoder.zero_gradient()}
        for place, layer in (("first", self.first), ("second", self.second)):
            names |= {f"{place}.{name}" for name in layer.zero_gradient()}
        return names
