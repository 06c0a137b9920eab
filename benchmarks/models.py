"""Seconds an epoch and peak memory of every model of the zoo on PATTERN, GIN also as PyTorch Geometric has it.

    python benchmarks/models.py [--layers 2] [--steps 3] [--rounds 3] [--device cpu] [--only gin,grit] [--flush]

Every row is measured in a process of its own, so that its memory is its own; the processes take turns, round by
round. A step is a forward pass, the loss, a backward pass and Adam on a batch of 32; an epoch has 10,000 graphs.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
from data_path import SparseGin, to_pyg
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch_geometric.loader import DataLoader
from torch_geometric.transforms import ToSparseTensor

from lab.data.batch import IGNORED, Dataset
from lab.data.batching import Prepared, epoch_batches
from lab.data.sbm import pattern
from lab.spec.datasets import Pattern
from lab.spec.models import EdgeTransformer, GatedGcn, Gin, Gps, GraphTransformer, Grit, ModelSpec
from lab.train.memory import Peak

BATCH, EPOCH = 32, 10_000
SPECS: dict[str, ModelSpec] = {
    "gin": Gin(),
    "graph_transformer, position": GraphTransformer(),
    "graph_transformer, position, gate": GraphTransformer(mixing="gate"),
    "graph_transformer, content + position": GraphTransformer(attention="content", distance_bias=True),
    "edge_transformer, edge bias once": EdgeTransformer(heads=1, product="none", edge_layers=1),
    "edge_transformer, edge bias in each layer": EdgeTransformer(heads=1, product="none", order="alongside"),
    "edge_transformer, a path product in each layer": EdgeTransformer(heads=1, order="alongside"),
    "gatedgcn": GatedGcn(),
    "gps": Gps(),
    "grit": Grit(),
}
PYG = {"gin, PyG, edge lists": False, "gin, PyG, compressed rows": True}
"""Whether the edges come as compressed rows."""
Step = Callable[[], tuple[Tensor, Tensor]]
"""Logits and labels of one batch."""


def of_layers(spec: ModelSpec, layers: int) -> ModelSpec:
    """The spec with so many layers, of pairs too where it has one for each of the nodes'."""
    each = isinstance(spec, EdgeTransformer) and spec.order == "alongside"
    return spec.model_copy(update={"layers": layers} | ({"edge_layers": layers} if each else {}))


def dense(spec: ModelSpec, data: Dataset, device: torch.device) -> tuple[nn.Module, list[Step]]:
    """A model of lab, and a step for each of its batches, as the loop would cut them."""
    model = spec.build(data.shape).to(device)
    split = Prepared(data.splits["train"].to(device), model)
    cuts = epoch_batches(data.splits["train"].sizes, BATCH, "grouped", 0)

    def step(cut: tuple[Tensor, int]) -> tuple[Tensor, Tensor]:
        batch = split.batch(*cut)
        return model(batch).flatten(0, 1), batch.y.flatten()

    return model, [lambda cut=cut: step(cut) for cut in cuts]


def listed(layers: int, data: Dataset, device: torch.device, *, compressed: bool) -> tuple[nn.Module, list[Step]]:
    """GIN from PyTorch Geometric's parts, and a step for each batch of its loader."""
    spec, graphs = Gin(layers=layers), to_pyg(data.splits["train"])
    model = SparseGin(spec, data.shape.tokens, data.shape.classes).to(device)
    if compressed:
        compress = ToSparseTensor(layout=torch.sparse_csr)
        graphs = [compress(graph) for graph in graphs]
    batches = [batch.to(device) for batch in DataLoader(graphs, batch_size=BATCH)]

    def step(at: int) -> tuple[Tensor, Tensor]:
        batch = batches[at]
        return model(batch.x, batch.adj_t if compressed else batch.edge_index), batch.y

    return model, [lambda at=at: step(at) for at in range(len(batches))]


def measured(name: str, asked: argparse.Namespace) -> tuple[int, float, float]:
    """Parameters, seconds a step and megabytes above what was held before the first step, in this process."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    torch.set_flush_denormal(asked.flush)
    device = torch.device(asked.device)
    data = pattern(Pattern(train=BATCH * asked.steps, valid=1, test=1), 0)
    if name in PYG:
        model, run = listed(asked.layers, data, device, compressed=PYG[name])
    else:
        model, run = dense(of_layers(SPECS[name], asked.layers), data, device)
    optimiser = torch.optim.Adam(model.parameters())
    peak, before = Peak(device), held(device)
    epoch(run, optimiser, device)
    seconds = epoch(run, optimiser, device) / len(run)
    return sum(weight.numel() for weight in model.parameters()), seconds, peak.megabytes() - before


def epoch(run: list[Step], optimiser: torch.optim.Optimizer, device: torch.device) -> float:
    """One turn over the batches: CPU seconds on the CPU, wall-clock seconds on an accelerator."""
    clock = time.perf_counter if device.type == "cuda" else time.process_time
    started = clock()
    for step in run:
        optimiser.zero_grad()
        logits, labels = step()
        cross_entropy(logits, labels, ignore_index=IGNORED).backward()
        optimiser.step()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return clock() - started


def held(device: torch.device) -> float:
    """Megabytes that are in use already."""
    if device.type == "cuda":
        return torch.cuda.memory_allocated(device) / 2**20
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def main() -> None:
    """Take turns, then print one row a model with its ratios to lab's GIN."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--only", default="", help="kinds, with commas")
    parser.add_argument("--flush", action="store_true", help="take numbers too small to be normal for 0")
    asked = parser.parse_args()
    kinds = asked.only.split(",") if asked.only else []
    names = [name for name in [*SPECS, *PYG] if not kinds or name.split(",")[0] in kinds]
    seen: dict[str, list[tuple[int, float, float]]] = {name: [] for name in names}
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn, max_tasks_per_child=1) as alone:
        for _ in range(asked.rounds):
            for name in names:
                told = alone.submit(measured, name, asked).result()
                seen[name].append(told)
    print_table(seen)


def print_table(seen: dict[str, list[tuple[int, float, float]]]) -> None:
    """Medians over the rounds; a ratio is the median of the rounds' own."""
    base = seen.get("gin") or next(iter(seen.values()))
    print("| model | parameters | s an epoch | to gin (least to most) | peak MB | to gin |")
    print("|---|---|---|---|---|---|")
    for name, told in seen.items():
        seconds = [one for _, one, _ in told]
        ratios = [one[1] / other[1] for one, other in zip(told, base, strict=True)]
        room = statistics.median(megabytes for _, _, megabytes in told)
        to_base = room / statistics.median(megabytes for _, _, megabytes in base)
        spread = f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
        times = statistics.median(seconds) * EPOCH / BATCH
        print(f"| {name} | {told[0][0]:,} | {times:.0f} | {spread} | {room:.0f} | {to_base:.2f} |", flush=True)


if __name__ == "__main__":
    main()
