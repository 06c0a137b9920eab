"""One training epoch of one GIN on PATTERN: dense batches by size or random, PyTorch Geometric sparse.

python benchmarks/data_path.py [--graphs 512] [--rounds 5] [--device cpu]
"""

from __future__ import annotations

import argparse
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import statistics
import time
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch_geometric.data import Data
from torch_geometric.loader import DataLoader
from torch_geometric.nn import GINConv
from torch_geometric.transforms import ToSparseTensor

from lab.data.batch import IGNORED, Dataset, Split
from lab.data.batching import Prepared, epoch_batches
from lab.data.sbm import pattern
from lab.spec.datasets import Pattern
from lab.spec.experiment import Order
from lab.spec.models.gin import Gin as GinSpec
from lab.zoo.gin import Gin

Step = tuple[Tensor, Tensor]
"""Logits and labels of the nodes of one batch."""
Epoch = Callable[[int], Iterator[Step]]
BATCH = 32


class SparseGin(nn.Module):
    """The same network from PyTorch Geometric's parts, in the order in which the dense one has its parameters."""

    def __init__(self, spec: GinSpec, tokens: int, classes: int) -> None:
        super().__init__()
        width = spec.width
        self.embedding = nn.Embedding(tokens, width)
        self.layers = nn.ModuleList(
            nn.ModuleList([GINConv(mlp(width), train_eps=True), nn.BatchNorm1d(width)]) for _ in range(spec.layers)
        )
        self.readout = nn.Linear(width, classes)

    def forward(self, tokens: Tensor, edges: Tensor) -> Tensor:
        """Logits of all nodes."""
        x = self.embedding(tokens)
        for depth, (conv, norm) in enumerate(self.layers):
            y = norm(conv((x.relu(), x), edges))
            x = x + (y if depth == len(self.layers) - 1 else y.relu())
        return self.readout(x)


def mlp(width: int) -> nn.Sequential:
    """The network inside a round."""
    return nn.Sequential(
        nn.Linear(width, width, bias=False), nn.BatchNorm1d(width), nn.ReLU(), nn.Linear(width, width, bias=False)
    )


def dense_epoch(model: nn.Module, split: Split, order: Order) -> Epoch:
    """Batches cut from packed tensors."""
    prepared = Prepared(split, model)

    def epoch(key: int) -> Iterator[Step]:
        for index, nodes in epoch_batches(split.sizes, BATCH, order, key):
            batch = prepared.batch(index, nodes)
            yield model(batch).flatten(0, 1), batch.y.flatten()

    return epoch


def sparse_epoch(model: nn.Module, batches: DataLoader, device: torch.device) -> Epoch:
    """Batches as PyTorch Geometric makes them, from edge lists or from compressed sparse rows."""

    def epoch(key: int) -> Iterator[Step]:
        torch.manual_seed(key)
        for batch in batches:
            here = batch.to(device)
            yield model(here.x, here.adj_t if "adj_t" in here else here.edge_index), here.y

    return epoch


def to_pyg(split: Split) -> list[Data]:
    """The same graphs as edge lists."""
    graphs = []
    for at, nodes in enumerate(split.sizes.tolist()):
        edges = split.adjacency[at].nonzero().T.contiguous()
        graphs.append(Data(x=split.x[at, :nodes], edge_index=edges, y=split.y[at, :nodes], num_nodes=nodes))
    return graphs


def seconds(epoch: Epoch, optimizer: torch.optim.Optimizer, key: int, device: torch.device) -> float:
    """One epoch of training: CPU seconds on the CPU, wall-clock seconds on an accelerator."""
    clock = time.perf_counter if device.type == "cuda" else time.process_time
    started = clock()
    for logits, labels in epoch(key):
        optimizer.zero_grad()
        cross_entropy(logits, labels, ignore_index=IGNORED).backward()
        optimizer.step()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return clock() - started


def build(dataset: Dataset, device: torch.device) -> tuple[dict[str, Epoch], dict[str, torch.optim.Optimizer]]:
    """The ways to run an epoch, each with a model of its own that starts from the same weights."""
    spec, shape = GinSpec(), dataset.shape
    split, graphs = dataset.splits["train"].to(device), to_pyg(dataset.splits["train"])
    first = Gin(spec, shape)
    models = [Gin(spec, shape), Gin(spec, shape), *(SparseGin(spec, shape.tokens, shape.classes) for _ in range(2))]
    for model in models:
        for mine, given in zip(model.parameters(), first.parameters(), strict=True):
            mine.data.copy_(given.data)
        model.to(device)
    compress = ToSparseTensor(layout=torch.sparse_csr)
    listed = DataLoader(graphs, batch_size=BATCH, shuffle=True)
    compressed = DataLoader([compress(graph.clone()) for graph in graphs], batch_size=BATCH, shuffle=True)
    epochs = {
        "dense, grouped by size": dense_epoch(models[0], split, "grouped"),
        "dense, random order": dense_epoch(models[1], split, "random"),
        "PyG GINConv, edge lists, its loader": sparse_epoch(models[2], listed, device),
        "PyG GINConv, compressed rows, its loader": sparse_epoch(models[3], compressed, device),
    }
    optimizers = {name: torch.optim.Adam(model.parameters()) for name, model in zip(epochs, models, strict=True)}
    check_equal(models[0], models[2], split, graphs, device)
    return epochs, optimizers


def check_equal(dense: nn.Module, sparse: nn.Module, split: Split, graphs: list[Data], device: torch.device) -> None:
    """Both must be the same function, or their times say nothing of each other."""
    index = torch.arange(8)
    batch = split.batch(index, int(split.sizes[index].max()))
    theirs = next(iter(DataLoader(graphs[:8], batch_size=8))).to(device)
    gap = (dense(batch)[batch.mask] - sparse(theirs.x, theirs.edge_index)).abs().max()
    if not gap < 1e-3:
        raise SystemExit(f"the dense and the sparse model differ by {gap:.2g}")
    print(f"largest difference between dense and sparse logits: {gap:.1e}\n")


def main() -> None:
    """Interleave the ways and print medians with their ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--graphs", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--device", default="cpu")
    asked = parser.parse_args()
    device = torch.device(asked.device)
    epochs, optimizers = build(pattern(Pattern(train=asked.graphs, valid=1, test=1), 0), device)
    seen: dict[str, list[float]] = {name: [] for name in epochs}
    for name, epoch in epochs.items():  # warm up
        seconds(epoch, optimizers[name], 0, device)
    for key in range(1, asked.rounds + 1):
        for name, epoch in epochs.items():
            seen[name].append(seconds(epoch, optimizers[name], key, device))
    base = statistics.median(seen["dense, random order"])
    print("| epoch | seconds, median | min | max | ratio to dense random |")
    print("|---|---|---|---|---|")
    for name, times in seen.items():
        middle = statistics.median(times)
        print(f"| {name} | {middle:.2f} | {min(times):.2f} | {max(times):.2f} | {middle / base:.2f} |")


if __name__ == "__main__":
    main()
