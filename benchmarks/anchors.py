"""A training step of the published models on PATTERN: dense pairs as in lab, and edge lists with PyTorch Geometric.

    python benchmarks/anchors.py [--layers 2] [--batches 2] [--rounds 3] [--device cpu] [--dense]

Both sides start from the same weights, are checked to be the same function, and take turns on the same graphs.
Encodings are made beforehand for both, save the walk vectors of grit, which lab makes batch by batch.
"""

from __future__ import annotations

import argparse
import copy
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch_geometric.utils import scatter, softmax, to_dense_batch

from lab.data.batch import Batch, Dataset
from lab.data.batching import Prepared, epoch_batches
from lab.data.sbm import pattern
from lab.spec.datasets import Pattern
from lab.spec.models import GatedGcn, Gps, Grit, ModelSpec
from lab.train.memory import Peak
from lab.zoo.edges import DenseEdges, Edges
from lab.zoo.gatedgcn import EPSILON

BATCH = 32


@dataclass(frozen=True)
class Sparse:
    """A batch of graphs as PyTorch Geometric has it: all nodes in one list, and the edges between them."""

    graph: Tensor
    edges: Tensor
    pairs: Tensor
    """All ordered pairs of nodes of one graph, [2, pairs]: read, reader."""
    walks: Tensor | None
    y: Tensor


def sparse(batch: Batch) -> Sparse:
    """The same graphs as lists."""
    numbers = batch.mask.flatten().cumsum(0) - 1
    both = batch.mask[:, :, None] & batch.mask[:, None, :]
    graph, reader, read = both.nonzero(as_tuple=True)
    first = numbers.view_as(batch.mask)[:, 0]
    pairs = torch.stack([read, reader]) + first[graph]
    walks = batch.extra["walks"].movedim(1, -1)[both] if "walks" in batch.extra else None
    return Sparse(batch.mask.nonzero()[:, 0], numbers[batch.edges], pairs, walks, batch.y[batch.mask])


def plain_norms(model: nn.Module) -> nn.Module:
    """A copy of a model of lab whose batch norms are torch's own."""
    model = copy.deepcopy(model)
    for name, module in list(model.named_modules()):
        if type(module).__name__ == "BatchNorm":
            norm = nn.BatchNorm1d(module.width)
            norm.load_state_dict(module.state_dict(), strict=False)
            parent, _, last = name.rpartition(".")
            setattr(model.get_submodule(parent), last, norm)
    return model


class Lists(nn.Module):
    """A model of lab run on edge lists: the same layers, with gathers and scatters in place of dense pairs."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = plain_norms(model)

    def gated(self, layer: nn.Module, x: Tensor, e: Tensor, edges: Tensor) -> tuple[Tensor, Tensor]:
        """One round of the gated convolution."""
        source, target = edges
        logits = layer.reader(x)[target] + layer.read(x)[source] + layer.edge(e)
        gates = logits.sigmoid()
        total = scatter(gates, target, 0, len(x))
        heard = scatter(gates * layer.value(x)[source], target, 0, len(x)) / (total + EPSILON)
        x = x + layer.norm(layer.own(x) + heard).relu()
        return x, e + layer.edge_norm(logits).relu() if layer.updates else e


class GatedLists(Lists):
    """The gated convolution."""

    def forward(self, batch: Batch, lists: Sparse) -> Tensor:
        """Logits of all nodes."""
        model = self.model
        x = model.beginning(batch, batch.extra)[batch.mask]
        e = model.stage.edge_start(x.new_ones(lists.edges.shape[1], 1))
        for layer in model.stage.layers:
            x, e = self.gated(layer, x, e, lists.edges)
        return model.readout(x)


class GpsLists(Lists):
    """GPS, whose attention is torch's own over padded nodes."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__(model)
        self.attention = nn.ModuleList(map(self.torchs, self.model.layers))

    def torchs(self, layer: nn.Module) -> nn.Module:
        """Torch's attention with a layer's weights."""
        own = layer.attention
        width, heads = own.out_projection.out_features, own.spec.heads
        made = nn.MultiheadAttention(width, heads, dropout=own.spec.attention_dropout or 0.0, batch_first=True)
        state = own.state_dict()
        names = {"in_proj_": "in_projection.", "out_proj.": "out_projection."}
        made.load_state_dict({new + end: state[old + end] for new, old in names.items() for end in ("weight", "bias")})
        return made

    def forward(self, batch: Batch, lists: Sparse) -> Tensor:
        """Logits of all nodes."""
        model = self.model
        x = model.beginning(batch, batch.extra)[batch.mask]
        e = model.edge_start.weight.expand(lists.edges.shape[1], -1)
        for layer, attention in zip(model.layers, self.attention, strict=True):
            near, e = self.gated(layer.local, x, e, lists.edges)
            dense, mask = to_dense_batch(x, lists.graph)
            far, _ = attention(dense, dense, dense, key_padding_mask=~mask, need_weights=False)
            y = layer.local_norm(near) + layer.attention_norm(x + far[mask])
            x = layer.ff_norm(y + layer.feed_forward(y))
        return model.readout(x)


class GritLists(Lists):
    """GRIT over the list of all pairs."""

    def forward(self, batch: Batch, lists: Sparse) -> Tensor:
        """Logits of all nodes."""
        model, (read, reader) = self.model, lists.pairs
        at_home = read == reader
        x = model.embedding(batch.x)[batch.mask] + lists.walks[at_home] @ model.node_start.weight.t()
        joined = batch.adjacency.transpose(1, 2)[batch.mask[:, :, None] & batch.mask[:, None, :]] > 0
        e = lists.walks @ model.pair_start.weight.t() + joined[:, None] * model.edge_start.weight
        log_degree = scatter(joined.float(), reader, 0, len(x)).log1p()[:, None]
        for layer in model.layers:
            x, e = self.layer(layer, x, e, log_degree, lists.pairs)
        return model.readout(x)

    def layer(self, layer: nn.Module, x: Tensor, e: Tensor, log_degree: Tensor, pairs: Tensor) -> tuple:
        """One layer."""
        own, (read, reader) = layer.attention, pairs
        heads, count = own.spec.heads, len(x)
        scale, shift = own.pair(e).chunk(2, -1)
        product = (own.query(x)[reader] + own.key(x)[read]) * scale
        state = (product.relu().sqrt() - (-product).relu().sqrt() + shift).relu()
        split = state.unflatten(-1, (heads, -1))
        logits = torch.einsum("phd,dh->ph", split, own.logits.weight[..., 0]).clamp(-5, 5)
        weights = own.dropout(softmax(logits, reader, num_nodes=count))[..., None]
        values = own.value(x).unflatten(-1, (heads, -1))[read]
        heard = scatter(weights * values, reader, 0, count)
        sums = scatter(weights * split, reader, 0, count)
        heard = heard + torch.einsum("nhd,dhc->nhc", sums, own.pair_values.weight)
        told = layer.out_projection(layer.degree_scaler(heard.flatten(1), log_degree))
        x = layer.norm(x + told.view_as(x))
        x = layer.ff_norm(x + layer.feed_forward(x))
        if layer.updates:
            e = layer.pair_part.norm(e + layer.pair_part.output(state))
        return x, e


SIDES: dict[str, tuple[ModelSpec, type[Lists]]] = {
    "gatedgcn": (GatedGcn(), GatedLists),
    "gps": (Gps(), GpsLists),
    "grit": (Grit(), GritLists),
}


@dataclass
class Side:
    """One of two models that take turns."""

    model: nn.Module
    logits: Callable[[int], tuple[Tensor, Tensor]]
    seconds: list[float]
    megabytes: float = 0.0

    def epoch(self, count: int, device: torch.device) -> None:
        """Train on every batch once; CPU seconds on a CPU, wall-clock seconds on an accelerator."""
        clock = time.perf_counter if device.type == "cuda" else time.process_time
        peak, before = Peak(device), resident(device)
        started = clock()
        for at in range(count):
            self.model.zero_grad()
            logits, labels = self.logits(at)
            cross_entropy(logits, labels).backward()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        self.seconds.append((clock() - started) / count)
        self.megabytes = max(self.megabytes, peak.megabytes() - before)


def resident(device: torch.device) -> float:
    """Megabytes that are held before anything is trained."""
    if device.type == "cuda":
        return torch.cuda.memory_allocated(device) / 2**20
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def sides(name: str, layers: int, data: Dataset, device: torch.device) -> tuple[Side, Side, int]:
    """Both models with their batches ready."""
    spec, lists_of = SIDES[name]
    model = spec.model_copy(update={"layers": layers}).build(data.shape).to(device)
    split = Prepared(data.splits["train"].to(device), model, 0)
    cuts = epoch_batches(data.splits["train"].sizes, BATCH, "grouped", 0)
    batches = [split.batch(*cut) for cut in cuts]
    other, lists = lists_of(model).to(device), [sparse(batch) for batch in batches]
    if name == "grit":
        batches = [replace(batch, extra={}) for batch in batches]

    def ours(at: int) -> tuple[Tensor, Tensor]:
        return model(batches[at])[batches[at].mask], lists[at].y

    def theirs(at: int) -> tuple[Tensor, Tensor]:
        return other(batches[at], lists[at]), lists[at].y

    found = Side(model, ours, []), Side(other, theirs, [])
    check_equal(name, *found)
    return *found, len(batches)


def check_equal(name: str, one: Side, other: Side) -> None:
    """Both must be the same function, or their times say nothing of each other."""
    with torch.no_grad():
        logits = [side.logits(0)[0] for side in (one, other) if side.model.eval()]
    gap = float((logits[0] - logits[1]).abs().max())
    if not gap < 1e-3:
        raise SystemExit(f"the two forms of {name} differ by {gap:.2g}")
    for side in (one, other):
        side.model.train()


def main() -> None:
    """Print one row a model."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--batches", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dense", action="store_true", help="keep edges dense on a CPU too")
    asked = parser.parse_args()
    device = torch.device(asked.device)
    if asked.dense:
        Edges.of = DenseEdges
    data = pattern(Pattern(train=BATCH * asked.batches, valid=1, test=1), 0)
    print("| model | s a step, lab | PyG | ratio (least to largest) | MB, lab | PyG | ratio |")
    print("|---|---|---|---|---|---|---|")
    for name in SIDES:
        ours, theirs, count = sides(name, asked.layers, data, device)
        for turn in range(asked.rounds + 1):
            for side in (ours, theirs) if turn % 2 else (theirs, ours):
                side.epoch(count, device)
        pairs = zip(ours.seconds[1:], theirs.seconds[1:], strict=True)
        ratios = [one / other for one, other in pairs]
        print(
            f"| {name} | {median(ours.seconds[1:]):.2f} | {median(theirs.seconds[1:]):.2f} "
            f"| {median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}) | {ours.megabytes:.0f} "
            f"| {theirs.megabytes:.0f} | {ours.megabytes / theirs.megabytes:.2f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
