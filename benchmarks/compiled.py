"""Models of windows as they are and compiled: CPU seconds of a training step, and what compiling takes first.

    python benchmarks/compiled.py [--models stgcn,gman,latent_seq2seq] [--batch 8] [--frames 12] [--nodes 20]
        [--rounds 5] [--steps 5] [--cache FOLDER]

A step is forward and backward, as `training.compile` would have it called. Both ways are copies of one model and take
turns in one process; neither is timed before both give the same numbers. A C++ compiler must be there. Seconds are of
the process and its children, since the code that is generated is compiled in others.
"""

from __future__ import annotations

import argparse
import copy
import os
import resource
import shutil
import statistics
import tempfile
from collections.abc import Callable

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TORCHINDUCTOR_COMPILE_THREADS", "1")

import torch
from torch import Tensor, nn

from lab.data.batch import Batch, Shape
from lab.spec.models import Gman, LatentSeq2Seq, ModelSpec, Stgcn
from lab.testing import small_batch

MODELS: dict[str, ModelSpec] = {
    "stgcn": Stgcn(widths=(32, 32), hidden=32, dropout=0),
    "gman": Gman(layers=1, width=32, dropout=0),
    "latent_seq2seq": LatentSeq2Seq(width=32, forcing="none", lstm_dropout=0),
}
"""Nothing is dropped or drawn, so that both ways can be held against each other."""
Step = Callable[[], Tensor]


def windows(asked: argparse.Namespace) -> tuple[Shape, Batch]:
    """Windows to forecast as many frames of as they show."""
    shape = Shape(nodes=asked.nodes, features=2, targets=1, window=asked.frames, horizon=asked.frames)
    one = small_batch(shape)
    index = torch.arange(asked.batch) % len(one.x)
    tensors = {name: getattr(one, name)[index] for name in ("x", "adjacency", "mask", "y", "ids")}
    return shape, Batch(**tensors)


def step_of(model: nn.Module, called: Callable[[Batch], Tensor], batch: Batch) -> Step:
    """A training step; it hands back what the model said."""

    def step() -> Tensor:
        model.zero_grad()
        said = called(batch)
        said.square().mean().backward()
        return said.detach()

    return step


def taken(step: Step, times: int = 1) -> float:
    """CPU seconds of one of so many steps, those of processes it started included."""
    before = spent()
    for _ in range(times):
        step()
    return (spent() - before) / times


def spent() -> float:
    """CPU seconds of this process and of its children that have ended."""
    told = [resource.getrusage(whose) for whose in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in told)


def row(name: str, asked: argparse.Namespace) -> str:
    """One model's row."""
    shape, batch = windows(asked)
    torch.manual_seed(0)
    plain: nn.Module = MODELS[name].build(shape)
    other = copy.deepcopy(plain)
    plain_step, step = step_of(plain, plain, batch), step_of(other, torch.compile(other), batch)
    compiling = taken(step)
    torch.testing.assert_close(step(), plain_step(), rtol=1e-4, atol=1e-4)
    told = [(taken(plain_step, asked.steps), taken(step, asked.steps)) for _ in range(asked.rounds)]
    ratios = [compiled / eager for eager, compiled in told]
    eager, compiled = (statistics.median(each) for each in zip(*told, strict=True))
    ratio = f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
    worth = f"{compiling / (eager - compiled):,.0f}" if eager > compiled else "never"
    return f"| {name} | {eager * 1000:.1f} | {compiled * 1000:.1f} | {ratio} | {compiling:.0f} | {worth} |"


def main() -> None:
    """Print one row a model."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", default=",".join(MODELS), help="their names, with commas")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--frames", type=int, default=12)
    parser.add_argument("--nodes", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--cache", help="where compiled code is and stays; by itself all is compiled anew")
    asked = parser.parse_args()
    if not shutil.which(os.environ.get("CXX", "g++")):
        parser.error("there is no C++ compiler: install g++, or name one in CXX")
    torch.set_num_threads(1)
    print("| model | ms a step | ms, compiled | ratio (least to most) | s to compile | steps until it is worth it |")
    print("|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as fresh:
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = asked.cache or fresh
        for name in asked.models.split(","):
            print(row(name, asked), flush=True)


if __name__ == "__main__":
    main()
