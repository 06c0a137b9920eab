"""What a step keeps and holds is counted to the byte, and counting changes nothing."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from torch import nn

from lab.data.batch import Batch, Shape
from lab.data.windows import WindowSplit
from lab.spec.memory import Memory
from lab.spec.models import Gin, Pgat
from lab.testing import CLASSIFY, small_batch
from lab.train.recompute import recompute_blocks
from lab.zoo.footprint import memory_stats

pytestmark = pytest.mark.torch

MEGABYTE = 2**20
FLOAT = 4


class Toy(nn.Module):
    """Two linear layers with a tanh between; each keeps its input, tanh its output, and these are one tensor."""

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(8, 16, bias=False)
        self.second = nn.Linear(16, 4, bias=False)
        self.unused = nn.Parameter(torch.zeros(3))
        self.mute = nn.Parameter(torch.zeros(4))

    def forward(self, batch):
        return self.second(self.first(batch.x).tanh()) + self.mute * 0.0


def toy_batch(graphs=5, nodes=6):
    x, mask = torch.randn(graphs, nodes, 8), torch.ones(graphs, nodes, dtype=torch.bool)
    return Batch(x, torch.zeros(graphs, nodes, nodes), mask, torch.zeros(graphs, nodes), torch.arange(graphs))


def test_what_two_layers_keep_is_known_to_the_byte():
    rows = 5 * 6
    stats = memory_stats(Toy(), toy_batch(), loss=lambda out, batch: out.sum())
    found = dict(stats.saved_by_module)
    # The input of the first layer, the output of tanh; the product with a constant keeps none of the outputs.
    assert found["first"] == rows * 8 * FLOAT
    assert found["the model"] == rows * 16 * FLOAT
    assert stats.parameter_bytes == (8 * 16 + 16 * 4 + 3 + 4) * FLOAT
    assert stats.saved_bytes == rows * (8 + 16) * FLOAT
    assert stats.dead_parameters == ("unused",)
    assert stats.zero_parameters == ("mute",)


def test_the_peak_is_what_lives_at_once():
    class Chain(nn.Linear):
        def forward(self, batch):
            x = super().forward(batch.x)
            with torch.no_grad():
                for _ in range(3):  # each pass frees what the pass before has made
                    wide = torch.ones(1000, 256)
                    del wide
            return x

    stats = memory_stats(Chain(8, 1), toy_batch(), loss=lambda out, batch: out.sum())
    assert 1000 * 256 * FLOAT <= stats.peak_bytes < 1.05 * 1000 * 256 * FLOAT


def test_counting_leaves_gradients_statistics_and_chance_alone():
    model = Gin(layers=2, width=8, dropout=0.2).build(CLASSIFY).train()
    batch = small_batch(CLASSIFY)
    before = {name: buffer.clone() for name, buffer in model.named_buffers()}
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    memory_stats(model, batch)
    assert torch.equal(torch.rand(3), expected)
    assert all(torch.equal(buffer, before[name]) for name, buffer in model.named_buffers())
    assert all(weight.grad is None for weight in model.parameters())


def test_recomputing_keeps_the_inputs_of_blocks_only():
    model = Gin(layers=6, width=32).build(CLASSIFY).train()
    batch = small_batch(CLASSIFY)
    plain = memory_stats(model, batch)
    recompute_blocks(model, Memory(recompute="block"))
    assert memory_stats(model, batch).saved_bytes < 0.3 * plain.saved_bytes


def default_pgat():
    shape = Shape(nodes=10, features=3, window=96, horizon=24, drivers=7)
    x, known = torch.randn(1, 140, 10, 3), torch.zeros(10, 10)
    starts = torch.stack([torch.zeros(16, dtype=torch.int64), torch.arange(16)], 1)
    batch = WindowSplit(x, known, x[..., 0], starts, 96, 24).batch(torch.arange(16), 10)
    spec = Pgat(patch=8, structural_encoding="laplacian", graph_encoding=True, dropout=0.0)
    return spec.build(shape).train(), batch


def test_the_default_forecaster_fits_its_budget():
    model, batch = default_pgat()
    plain = model.memory_stats(batch)
    assert plain.saved_bytes <= 30 * MEGABYTE
    assert plain.dead_parameters == plain.zero_parameters == ()
    recompute_blocks(model, Memory(recompute="block"))
    again = model.memory_stats(batch)
    assert again.saved_bytes <= 5 * MEGABYTE
    assert again.peak_bytes <= 0.65 * plain.peak_bytes


RESIDENT = """
import sys, torch
sys.path[:0] = {path!r}
from pathlib import Path
from test_footprint import default_pgat

def mark():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1024

torch.set_num_threads(1)
model, batch = default_pgat()
small = type(batch)(batch.x[:1], batch.adjacency[:1], batch.mask[:1], batch.y[:1], batch.ids[:1])
model(small).square().sum().backward()
before = mark()
model(batch).square().sum().backward()
print(mark() - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads the resident size as Linux tells it")
def test_a_fresh_process_grows_by_about_what_is_counted():
    code = RESIDENT.format(path=[str(each) for each in sys.path])
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    model, batch = default_pgat()
    counted = model.memory_stats(batch).peak_bytes / MEGABYTE
    assert 0.5 * counted < float(told.stdout) < 2.5 * counted
