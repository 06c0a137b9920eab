"""A latent layer: every frame's nodes hear one another by weights that are learned, all frames in one product."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from lab.data.batch import Batch, Dataset
from lab.data.forecast_windows import similarity, training_frames
from lab.spec.models.latent_seq2seq import Latent, LatentNorm
from lab.zoo.latent_seq2seq.norms import CENTRING, latent_norm
from lab.zoo.latent_seq2seq.sparsity import COUNT, FEW, PRUNED, entmax, first_few, highest, sparsemax
from lab.zoo.parts import LayerNorm, Progress, Relu
from lab.zoo.taps import Tap


class StaticScores(nn.Module):
    """Learned scores of node pairs [heads, nodes, nodes], alike in all frames; row i tells what i hears."""

    def __init__(self, spec: Latent, nodes: int) -> None:
        super().__init__()
        self.spec = spec
        self.weight = nn.Parameter(torch.empty(spec.heads if spec.static == "per_head" else 1, nodes, nodes))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Start every node with more for itself than for others."""
        nn.init.constant_(self.weight, self.spec.static_elsewhere)
        with torch.no_grad():
            self.weight.diagonal(dim1=-2, dim2=-1).fill_(self.spec.static_elsewhere + self.spec.static_diagonal)

    def start_from(self, dataset: Dataset) -> None:
        """Start from the correlations of the training series instead, if the options say so."""
        if self.spec.static_start == "similarity":
            self.weight.copy_(torch.from_numpy(similarity(training_frames(dataset))))

    def forward(self) -> Tensor:
        """The scores of each head."""
        if self.spec.static == "first_head_only":
            return nn.functional.pad(self.weight, (0, 0, 0, 0, 0, self.spec.heads - 1))
        return self.weight


class Temperature(nn.Module):
    """What scores are divided by: one number, one a head that is learned, or one that falls over the training."""

    def __init__(self, spec: Latent) -> None:
        super().__init__()
        self.spec = spec
        self.progress = Progress() if spec.temperature_course == "annealed" else None
        is_learned = spec.temperature_course == "learned"
        self.log = nn.Parameter(torch.empty(spec.heads, 1, 1)) if is_learned else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Start where the option says."""
        if self.log is not None:
            nn.init.constant_(self.log, math.log(self.spec.temperature))

    def forward(self) -> Tensor | float:
        """The temperature, or [heads, 1, 1] of them."""
        if self.log is not None:
            return self.log.exp()
        if self.progress is not None:
            ratio = self.spec.final_temperature / self.spec.temperature
            annealed: Tensor = self.spec.temperature * ratio ** self.progress()
            return annealed
        return self.spec.temperature


class Weights(nn.Module):
    """From scores [..., heads, nodes, nodes] to weights whose rows sum to 1."""

    def __init__(self, spec: Latent) -> None:
        super().__init__()
        self.spec = spec
        self.temperature = Temperature(spec)
        self.is_divided = spec.temperature != 1 or spec.temperature_course != "fixed"
        self.progress = Progress() if spec.sparsity == "dense_then_prune" else None

    def forward(self, scores: Tensor) -> Tensor:
        """Select, divide by the temperature, normalise."""
        scores = scores.to(torch.promote_types(scores.dtype, torch.float32))
        own = torch.eye(scores.shape[-1], dtype=torch.bool, device=scores.device)
        if self.spec.self_edge == "excluded":
            scores = scores.masked_fill(own, PRUNED)
        if self.spec.sparsity == "top_k" and self.spec.neighbours < min(FEW + 1, scores.shape[-1]):
            return self._of_few(scores, own)
        divided = self._divided(scores)
        if self.spec.sparsity in ("entmax", "sparsemax"):
            return (entmax if self.spec.sparsity == "entmax" else sparsemax)(divided)
        kept = self._kept(scores, own)
        if kept is None:
            return divided.softmax(-1)
        pruned = torch.where(kept, divided, PRUNED).softmax(-1)
        if self.spec.sparsity != "straight_through":
            return pruned
        dense = divided.softmax(-1)
        return pruned.detach() + (dense - dense.detach())

    def _divided(self, scores: Tensor) -> Tensor:
        return scores / self.temperature() if self.is_divided else scores

    def _of_few(self, scores: Tensor, own: Tensor) -> Tensor:
        """Weights where a row keeps so few that only those are worth dividing and normalising."""
        places = first_few(self._ranked(scores, own), self.spec.neighbours)
        few = self._divided(scores.gather(-1, places)).softmax(-1)
        return torch.zeros_like(scores).scatter(-1, places, few)

    def _ranked(self, scores: Tensor, own: Tensor) -> Tensor:
        return scores.masked_fill(own, math.inf) if self.spec.self_edge == "always_kept" else scores

    def _kept(self, scores: Tensor, own: Tensor) -> Tensor | None:
        """Which pairs stay; None where all do."""
        nodes = scores.shape[-1]
        if self.spec.sparsity == "none" or self.spec.neighbours >= nodes:
            return None
        count: int | Tensor = self.spec.neighbours
        if self.progress is not None:
            count = (nodes - self.progress() * (nodes - count)).round().to(COUNT)
        return highest(self._ranked(scores, own), count)


class LatentLayer(nn.Module):
    """Weights over nodes, what is heard by them, a small MLP of that, a skip, and maybe a norm behind it all."""

    def __init__(self, spec: Latent, into: int, width: int, nodes: int, *, behind: LatentNorm = "none") -> None:
        super().__init__()
        self.spec, self.heads = spec, spec.heads
        self.scale = 1 / math.sqrt(width // spec.heads if spec.score_width == "head" else width)
        is_dynamic = spec.is_learned and spec.dynamic
        self.query = nn.Linear(into, width) if is_dynamic else None
        self.key = nn.Linear(into, width) if is_dynamic else None
        self.value = nn.Linear(into, width)
        self.static = StaticScores(spec, nodes) if spec.is_learned and spec.static != "none" else None
        self.weights = Weights(spec) if spec.is_learned else None
        self.join = nn.Linear(width, width) if spec.heads > 1 else nn.Identity()
        self.lift = nn.Linear(width, width)
        self.norm = LayerNorm(width)
        self.relu = Relu()
        self.lower = nn.Linear(width, width)
        self.skip = nn.Linear(into, width) if spec.value_skip == "input" else None
        self.behind = latent_norm(behind, width)
        self.attention = Tap("attention")
        self.block = Tap("block")

    def forward(self, x: Tensor, given: Tensor | None) -> tuple[Tensor, Tensor]:
        """[batch, frames, nodes, width], and the weights [batch, frames, heads, nodes, nodes] they came by."""
        value = self.value(x)
        attention = self._attention(x, given)
        if self.attention.is_watched:
            self.attention(attention.flatten(0, 1))
        heard = attention @ self._by_head(value)
        told = self.join(heard.transpose(-3, -2).flatten(-2))
        told = self.lower(self.relu(self.norm(self.lift(told), told)))
        if self.skip is not None:
            value = self.skip(x)
        told = self.behind(told if self.spec.value_skip == "none" else told + value)
        return self.block(told.transpose(1, 2)).transpose(1, 2), attention

    def _attention(self, x: Tensor, given: Tensor | None) -> Tensor:
        if self.weights is None:
            rows = _with_self(given, x) if given is not None else torch.eye(x.shape[-2], dtype=x.dtype, device=x.device)
            return rows.unsqueeze(-3).expand(*x.shape[:2], self.heads, -1, -1)
        scores = self.static() if self.static is not None else None
        if self.query is not None and self.key is not None:
            asked = self._by_head(self.query(x) * self.scale)
            content = asked @ self._by_head(self.key(x)).transpose(-2, -1)
            scores = content if scores is None else content + scores
        assert scores is not None
        weights: Tensor = self.weights(scores)
        return weights.expand(*x.shape[:2], self.heads, -1, -1)

    def _by_head(self, x: Tensor) -> Tensor:
        """[..., nodes, width] as [..., heads, nodes, width of a head]."""
        return x.view(*x.shape[:-1], self.heads, -1).transpose(-3, -2)

    def zero_gradient(self) -> set[str]:
        """A key's bias shifts all scores of a row alike, which no weight sees; a centring norm sees no last bias."""
        names = {"key.bias"} if self.key is not None else set()
        if isinstance(self.behind, CENTRING):
            names |= {"lower.bias"} | ({"skip.bias"} if self.skip is not None else set())
        return names


def given_graph(batch: Batch) -> Tensor:
    """The known graph as [batch, 1 or frames, nodes, nodes] sizes of weights, row i telling whom i hears."""
    adjacency = batch.adjacency if batch.adjacency.ndim == 4 else batch.adjacency[:, None]
    return adjacency.to(torch.promote_types(batch.x.dtype, torch.float32)).abs().transpose(-2, -1)


def _with_self(given: Tensor, x: Tensor) -> Tensor:
    """Every node and those that lead to it, weighed to a sum of 1."""
    rows = given + torch.eye(given.shape[-1], dtype=given.dtype, device=given.device)
    return (rows / rows.sum(-1, keepdim=True)).to(x.dtype)
