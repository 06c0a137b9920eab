"""STGCN and ASTGCN beside the layers of PyTorch Geometric Temporal: CPU seconds and peak memory of a training step.

    pip install --no-deps torch-geometric-temporal
    python benchmarks/temporal_layers.py [--models stgcn,astgcn] [--nodes 30,207] [--frames 12,24] [--batch 32]
        [--rounds 3] [--steps 2]

Two blocks each, of the same sizes and with the same weights; before anything is timed, both must give the same
numbers. Every row is measured in a process of its own, so that its memory is its own, and the processes take turns.
Without its dependencies, of which two are compiled, that package cannot be imported whole; the two files that are
compared need torch and PyTorch Geometric only, and are loaded by themselves.
"""

from __future__ import annotations

import argparse
import importlib.util
import itertools
import multiprocessing
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from types import ModuleType

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
from torch import Tensor, nn
from torch_geometric.utils import dense_to_sparse

from lab.data.batch import Batch, Shape
from lab.spec.models import Astgcn, Stgcn
from lab.train.memory import Peak

FEATURES, WIDTH, TERMS = 6, 64, 3
DENSITY = {30: 0.15, 207: 0.04}
STGCN = Stgcn(
    gate="product_plus_branch_relu",
    norm="batch_over_nodes",
    widths=(WIDTH, WIDTH),
    hidden=WIDTH,
    cheb_terms=TERMS,
    dropout=0,
)
ASTGCN = Astgcn(
    graph_filters=WIDTH,
    time_filters=WIDTH,
    cheb_terms=TERMS,
    cheb_attention="chained",
    graph_input="raw",
    rescale_attention=False,
    dropout=0,
)
DEFAULTS = {"stgcn": Stgcn(widths=(WIDTH, WIDTH), hidden=WIDTH, dropout=0), "astgcn": Astgcn(dropout=0)}
NAMES = {
    "stgcn": {"_temporal_conv": "time", "conv_1": "value", "conv_2": "gate", "conv_3": "branch", "_batch_norm": "norm"},
    "astgcn": {
        "_temporal_attention": "attention.time",
        "_spatial_attention": "attention.node",
        "_chebconv_attention": "graph",
        "_time_convolution": "time",
        "_residual_convolution": "shortcut",
        "_layer_norm": "norm",
        "._weight": ".weight",
        "._bias": ".bias",
        **{f"._{theirs}": f".{ours}.weight" for theirs, ours in (("U1", "nodes"), ("W1", "frames"))},
        **{f"._{letter}2": ".left.weight" for letter in "UW"},
        **{f"._{letter}3": ".right.weight" for letter in "UW"},
        **{f"._V{letter}": ".scores.weight" for letter in "es"},
        **{f"._b{letter}": ".scores.bias" for letter in "es"},
    },
}
"""Their names of parameters within a block -> ours."""
Run = Callable[[], Tensor]


def theirs(kind: str) -> ModuleType:
    """The file of PyTorch Geometric Temporal that holds this model."""
    place = distribution("torch-geometric-temporal").locate_file(f"torch_geometric_temporal/nn/attention/{kind}.py")
    spec = importlib.util.spec_from_file_location(f"theirs_{kind}", str(place))
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def drawn(nodes: int, frames: int, batch: int) -> Batch:
    """Windows over one known undirected graph about as dense as such graphs are."""
    random = torch.Generator().manual_seed(0)
    graph = (torch.rand(nodes, nodes, generator=random) < DENSITY.get(nodes, 0.1)).triu(1)
    x = torch.randn(batch, frames, nodes, FEATURES, generator=random)
    known = (graph | graph.mT).float().expand(batch, nodes, nodes)
    return Batch(x, known, torch.ones(batch, nodes, dtype=torch.bool), x[:, :1, :, 0], torch.arange(batch))


def made(name: str, batch: Batch) -> tuple[nn.Module, Run]:
    """A model by the name of its row, and its forward pass up to the last block [windows, nodes, frames, channels]."""
    torch.manual_seed(0)
    kind, _, whose = name.partition(", ")
    _, frames, nodes, _ = batch.x.shape
    if whose != "PyTorch Geometric Temporal":
        return _ours((STGCN if kind == "stgcn" else ASTGCN) if whose == "lab" else DEFAULTS[kind], batch)
    edges = dense_to_sparse(batch.adjacency[0])[0]
    package = theirs(kind)
    if kind == "astgcn":
        model = package.ASTGCN(2, FEATURES, TERMS, WIDTH, WIDTH, 1, 1, frames, nodes, "sym")
        x = batch.x.permute(0, 2, 3, 1).contiguous()
        return model, lambda: _through(model._blocklist, x, edges).transpose(2, 3)
    blocks = nn.ModuleList(package.STConv(nodes, channels, WIDTH, WIDTH, 3, TERMS) for channels in (FEATURES, WIDTH))
    return blocks, lambda: _through(blocks, batch.x, edges, nn.ReLU()).transpose(1, 2)


def _ours(spec: Stgcn | Astgcn, batch: Batch) -> tuple[nn.Module, Run]:
    """All blocks of a model; the read-out is no part of the comparison."""
    _, frames, nodes, features = batch.x.shape
    model: nn.Module = spec.build(Shape(nodes=nodes, features=features, window=frames, horizon=1))
    seen: list[Tensor] = []
    model.blocks[-1].register_forward_hook(lambda _module, _inputs, output: seen.append(output))

    def run() -> Tensor:
        seen.clear()
        model(batch)
        return seen.pop()

    return model.blocks, run


def _through(blocks: nn.ModuleList, x: Tensor, edges: Tensor, between: nn.Module | None = None) -> Tensor:
    for block in blocks:
        x = block(x, edges)
        x = x if between is None else between(x)
    return x


def check_same(kind: str, batch: Batch) -> None:
    """Both packages must give the same numbers for the same weights; ours are copied from theirs."""
    (other, run_other), (model, run) = made(f"{kind}, PyTorch Geometric Temporal", batch), made(f"{kind}, lab", batch)
    found = dict(model.named_parameters())
    for name, weight in _renamed(kind, other):
        with torch.no_grad():
            found[name].copy_(weight.view_as(found[name]))
    torch.testing.assert_close(run(), run_other(), rtol=2e-3, atol=2e-3)


def _renamed(kind: str, model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Their parameters under our names, Chebyshev terms as one tensor."""
    own = dict(model.named_parameters())
    for name, weight in own.items():
        if "_final_conv" in name or "_graph_conv.lins" in name:
            continue
        for theirs_, ours in NAMES[kind].items():
            name = name.replace(theirs_, ours)
        yield name.replace("_blocklist.", "").replace("_graph_conv", "graph"), weight
    for at in range(2 if kind == "stgcn" else 0):
        terms = [own[f"{at}._graph_conv.lins.{term}.weight"].mT for term in range(TERMS)]
        yield f"{at}.graph.weight", torch.stack(terms)


def measured(name: str, sizes: tuple[int, int], asked: argparse.Namespace) -> tuple[float, float]:
    """CPU seconds of a forward and backward pass, and megabytes above what was held before the first."""
    torch.set_num_threads(1)
    batch = drawn(*sizes, asked.batch)
    model, run = made(name, batch)
    model.train()
    peak, before = Peak(torch.device("cpu")), held()
    seconds = []
    for _ in range(1 + asked.steps):
        started = time.process_time()
        run().square().mean().backward()
        seconds.append(time.process_time() - started)
        model.zero_grad()
    return statistics.median(seconds[1:]), peak.resident() - before


def held() -> float:
    """Megabytes that are in use already."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def main() -> None:
    """Check that both agree, take turns, and print one row for each model and size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", default=",".join(NAMES), help="their names, with commas")
    parser.add_argument("--nodes", default="30,207", help="numbers of nodes, with commas")
    parser.add_argument("--frames", default="12,24", help="lengths of a window, with commas")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=2)
    asked = parser.parse_args()
    try:
        distribution("torch-geometric-temporal")
    except PackageNotFoundError:
        parser.error("run `pip install --no-deps torch-geometric-temporal` first")
    kinds = asked.models.split(",")
    for kind in kinds:
        check_same(kind, drawn(12, 11, 2))
    spawn = multiprocessing.get_context("spawn")
    print("| model | nodes | frames | s a step | to theirs (least to most) | peak MB | to theirs |")
    print("|---|---|---|---|---|---|---|")
    sizes = itertools.product(map(int, asked.nodes.split(",")), map(int, asked.frames.split(",")))
    with ProcessPoolExecutor(1, mp_context=spawn, max_tasks_per_child=1) as alone:
        for (nodes, frames), kind in itertools.product(sizes, kinds):
            rows = [f"{kind}, {whose}" for whose in ("PyTorch Geometric Temporal", "lab", "lab, defaults")]
            seen: dict[str, list[tuple[float, float]]] = {row: [] for row in rows}
            for _, row in itertools.product(range(asked.rounds), rows):
                seen[row].append(alone.submit(measured, row, (nodes, frames), asked).result())
            print_rows(seen, nodes, frames)


def print_rows(seen: dict[str, list[tuple[float, float]]], nodes: int, frames: int) -> None:
    """Medians over the rounds; a ratio of seconds is the median of the rounds' own."""
    base = next(iter(seen.values()))
    for row, told in seen.items():
        ratios = [one[0] / other[0] for one, other in zip(told, base, strict=True)]
        room = statistics.median(megabytes for _, megabytes in told)
        to_base = room / statistics.median(megabytes for _, megabytes in base)
        spread = f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
        seconds = statistics.median(seconds for seconds, _ in told)
        print(f"| {row} | {nodes} | {frames} | {seconds:.2f} | {spread} | {room:.0f} | {to_base:.2f} |", flush=True)


if __name__ == "__main__":
    main()
