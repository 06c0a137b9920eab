"""What options about memory are worth, counted tensor by tensor.

python benchmarks/memory.py [modes] [copies] [edges] [graph] [lazy]

Bytes do not depend on how busy the machine is; times are CPU seconds of one thread.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

from lab.data.batch import Batch, Shape
from lab.spec.memory import Memory
from lab.spec.models import Pgat
from lab.train.recompute import attention_kernel, recompute_blocks
from lab.zoo.footprint import Live, memory_stats
from lab.zoo.pgat.graph import TripartiteGraph, eigenvectors, places
from lab.zoo.pgat.hop import GraphHop

MEGABYTE = 2**20
SHAPE = Shape(nodes=10, features=3, window=96, horizon=24, drivers=7)


def windows(graphs: int, shape: Shape = SHAPE) -> Batch:
    """Random windows."""
    x = torch.randn(graphs, shape.window, shape.nodes, shape.features)
    mask = torch.ones(graphs, shape.nodes, dtype=torch.bool)
    y = torch.randn(graphs, shape.horizon, shape.nodes)
    return Batch(x, torch.zeros(graphs, shape.nodes, shape.nodes), mask, y, torch.arange(graphs))


def row(*cells: object) -> None:
    """A line of a table."""
    print(f"| {' | '.join(f'{each:.1f}' if isinstance(each, float) else str(each) for each in cells)} |")


def seconds(work: Callable[[], object], rounds: int = 3) -> float:
    """The least CPU seconds of some rounds."""
    spent = []
    for _ in range(rounds):
        started = time.process_time()
        work()
        spent.append(time.process_time() - started)
    return min(spent)


def modes() -> None:
    """What a step of the forecaster keeps and holds, and how long it takes."""
    row("patch", "blocks", "option", "saved MB", "peak MB", "CPU ms a step")
    asked: tuple[tuple[int, int, Memory], ...] = (
        (8, 2, Memory()),
        (8, 2, Memory(recompute="block")),
        (1, 4, Memory(attention_kernel="math")),
        (1, 4, Memory()),
        (1, 4, Memory(recompute="block")),
        (1, 4, Memory(recompute="keep_attention")),
        (1, 4, Memory(recompute="keep_products")),
    )
    for patch, layers, memory in asked:
        model, batch = Pgat(patch=patch, layers=layers).build(SHAPE).train(), windows(8)
        recompute_blocks(model, memory)

        def step(model: nn.Module = model, batch: Batch = batch) -> None:
            model(batch).square().mean().backward()

        with attention_kernel(memory.attention_kernel):
            stats, spent = memory_stats(model, batch), seconds(step)
        said = memory.recompute if memory.attention_kernel == "auto" else "plain attention"
        row(patch, layers, said, stats.saved_bytes / MEGABYTE, stats.peak_bytes / MEGABYTE, spent * 1000)


def copies() -> None:
    """What it takes to spread an encoding [120, 144, 256] over a batch of 8."""
    row("form", "peak MB")
    table = torch.randn(1, 120, 144, 256)
    forms: dict[str, Callable[[Tensor], Tensor]] = {
        "a view": lambda wide: wide,
        "copied": Tensor.contiguous,
        "chunks of 32 frames, joined": lambda wide: torch.cat([each.contiguous() for each in wide.split(32, 1)], 1),
    }
    for name, form in forms.items():
        with Live([table]) as live:
            form(table.expand(8, -1, -1, -1))
        row(name, live.peak / MEGABYTE)


def edges() -> None:
    """Attention of 512 nodes over a graph, on all pairs or along the edges."""
    row("form", "density", "saved MB", "peak MB")
    nodes = 512

    def weigh(form: str, density: float, **options: object) -> None:
        spec = Pgat.model_validate({"edge_gate": "none", "graph": "fixed", **options})
        hop = GraphHop(spec, nodes, nodes)
        allowed = torch.rand(1, 1, nodes, nodes) < density
        if spec.layout == "edge":
            hop.edges = allowed[0, 0].nonzero().t().flip(0).contiguous()
        x = torch.randn(2, 1, nodes, spec.width)

        class Listens(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.hop = hop

            def forward(self, batch: Batch) -> Tensor:
                heard: Tensor = self.hop(batch.x, batch.x, allowed)
                return heard

        stats = memory_stats(Listens(), Batch(x, allowed, allowed, x, torch.arange(2)))
        row(form, f"{density:g}", stats.saved_bytes / MEGABYTE, stats.peak_bytes / MEGABYTE)

    weigh("all pairs", 1.0)
    weigh("all pairs, 64 rows at a time, computed again", 1.0, node_chunk=64)
    for density in (0.1, 0.05, 0.02, 0.01, 0.005):
        weigh("edges", density, layout="edge")


def graph() -> None:
    """What encodings of a graph cost beside a forward pass that reads them."""
    row("nodes", "encodings, CPU ms", "a forward pass, CPU ms")
    for waves in (7, 64, 512):
        shape = Shape(nodes=waves + 3, features=3, window=96, horizon=24, drivers=waves)
        model, batch = Pgat(patch=8).build(shape).eval(), windows(8, shape)
        known = TripartiteGraph.complete(waves, 3, 3).undirected
        told = seconds(lambda known=known: (eigenvectors(known), places(known)))  # type: ignore[misc]
        with torch.no_grad():
            row(len(known), told * 1000, seconds(lambda m=model, b=batch: m(b)) * 1000)  # type: ignore[misc]


class Lazy(nn.Module):
    """Builds its model when first called, as some code does."""

    def __init__(self) -> None:
        super().__init__()
        self.start = nn.Linear(1, 1)
        self.model: nn.Module | None = None

    def forward(self, batch: Batch) -> Tensor:
        """Build, the first time, and answer."""
        if self.model is None:
            self.model = Pgat(patch=8).build(SHAPE)
        told: Tensor = self.model(batch)
        return told


def lazy() -> None:
    """What it costs to build a model in its first forward pass, and what an optimiser made before that misses."""
    row("forward pass", "CPU ms")
    model, batch = Lazy(), windows(8)
    seen = sum(weight.numel() for weight in model.parameters())
    with torch.no_grad():
        for turn in range(1, 5):
            row(turn, seconds(lambda: model(batch), rounds=1) * 1000)
    there = sum(weight.numel() for weight in model.parameters())
    print(f"\n{seen:,} of {there:,} parameters are known before the first pass")


TABLES: dict[str, Callable[[], None]] = {
    "modes": modes,
    "copies": copies,
    "edges": edges,
    "graph": graph,
    "lazy": lazy,
}

if __name__ == "__main__":
    torch.manual_seed(0)
    torch.set_num_threads(1)
    for name in sys.argv[1:] or TABLES:
        print(f"\n## {name}: {(TABLES[name].__doc__ or '').strip()}\n")
        TABLES[name]()
