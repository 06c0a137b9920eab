"""An MLP on walk vectors: one logit for every ordered pair of nodes."""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn

from lab.data.batch import Batch, Shape
from lab.spec.models.pair_mlp import PairMlp as Options
from lab.zoo.parts import BatchNorm, norm
from lab.zoo.walks import one_hot, walk_stack


class PairMlp(nn.Module):
    """Walk vector in, logits [graphs, nodes, nodes, outputs] out."""

    def __init__(self, spec: Options, shape: Shape) -> None:
        super().__init__()
        self.spec = spec
        widths = [len(spec.powers)] + [spec.width] * spec.layers
        self.standardise = BatchNorm(widths[0], affine=False) if spec.standardise else None
        self.linears = nn.ModuleList(
            nn.Linear(before, after, bias=spec.norm == "none") for before, after in pairwise(widths)
        )
        self.norms = nn.ModuleList(norm(spec.norm, spec.width) for _ in range(spec.layers))
        self.readout = nn.Linear(widths[-1], shape.outputs)

    def prepare(self, batch: Batch) -> dict[str, Tensor]:
        """The walk vector of every pair, [graphs, nodes, nodes, powers]."""
        walks = walk_stack(batch.adjacency, batch.mask, self.spec.powers, self.readout.weight.dtype)
        walks = one_hot(walks) if self.spec.stack == "one_hot" else walks
        return {"walks": walks.permute(0, 2, 3, 1).contiguous()}

    def forward(self, batch: Batch) -> Tensor:
        """Logits of every ordered pair; those of padding have no meaning."""
        pairs = batch.mask[:, :, None] & batch.mask[:, None, :]
        x = (batch.extra or self.prepare(batch))["walks"].to(self.readout.weight.dtype)
        if self.standardise is not None:
            x = self.standardise(x, pairs)
        for linear, between in zip(self.linears, self.norms, strict=True):
            x = between(linear(x), pairs).relu()
        logits: Tensor = self.readout(x)
        return logits
