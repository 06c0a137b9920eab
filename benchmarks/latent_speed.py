"""The forecaster with a learned graph: all frames and nodes at once, and frame by frame and node by node.

    python benchmarks/latent_speed.py [--batch 32] [--window 24] [--nodes 207] [--rounds 3] [--device cpu]

Forward and backward of a training step in the documented form without chance, both ways in turn on the same weights and
windows. The plain way calls each latent layer once a frame, and encoder, decoder and smoothing once a node. Memory is
that of a process of its own for each way.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
from ruamel.yaml import YAML
from torch import Tensor, nn

from lab.data.batch import Batch, Shape
from lab.spec.models import LatentSeq2Seq as Options
from lab.train.memory import Peak
from lab.zoo.latent_seq2seq.latent_seq2seq import LatentSeq2Seq

FILE = Path(__file__).resolve().parents[1] / "experiments" / "latent_documented.yaml"
WAYS = ("at once", "one by one")


def documented(**changes: object) -> Options:
    """The form that was first described, with changes to its plain options."""
    return Options.model_validate(YAML(typ="safe").load(FILE)["model"] | changes)


class OneByOne(nn.Module):
    """The same model with a call a frame for each latent layer and a call a node for everything behind them."""

    def __init__(self, model: LatentSeq2Seq) -> None:
        super().__init__()
        self.model = model

    def forward(self, batch: Batch) -> Tensor:
        """Forecasts, as the model itself gives them."""
        model = self.model
        x = batch.x if model.fourier is None else batch.x + model.fourier(batch.x)
        frames = []
        for frame in x.split(1, dim=1):
            told, _ = model.first(frame, None)
            told, _ = model.second(told, None)
            frames.append(told)
        latent, last, forecasts = torch.cat(frames, 1), batch.x[:, -1, :, 0], []
        for node in range(latent.shape[2]):
            rows = latent[:, :, node]
            _, states = model.encoder(rows)
            own = slice(node, node + 1)
            mean, _ = model.decoder(rows, states, rows[:, -1], last[:, own], batch.y[:, :, own])
            forecasts.append(mean if model.smoother is None else model.smoother(mean, None)[0])
        return torch.cat(forecasts, 2)[..., None]


def once(model: nn.Module, batch: Batch) -> tuple[float, float, Tensor]:
    """Seconds and megabytes of one forward and backward pass, and the forecasts."""
    device = batch.x.device
    for weight in model.parameters():
        weight.grad = None
    peak, before = Peak(device), Peak(device).megabytes()
    clock = time.perf_counter if device.type == "cuda" else time.process_time
    started = clock()
    told = model(batch)
    (told[..., 0] - batch.y).abs().mean().backward()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return clock() - started, peak.megabytes() - before, told.detach()


def both(asked: argparse.Namespace) -> tuple[dict[str, nn.Module], Batch]:
    """Both ways on the same weights, and random windows of two features."""
    torch.manual_seed(0)
    shape = Shape(nodes=asked.nodes, features=2, targets=1, window=asked.window, horizon=12)
    device = torch.device(asked.device)
    x = torch.randn(asked.batch, asked.window, asked.nodes, 2)
    known = torch.zeros(asked.batch, asked.nodes, asked.nodes, dtype=torch.uint8)
    mask = torch.ones(asked.batch, asked.nodes, dtype=torch.bool)
    tensors = (x, known, mask, torch.randn(asked.batch, 12, asked.nodes), torch.arange(asked.batch))
    ours = documented(width=asked.width, lstm_dropout=0.0, forcing="none").build(shape).to(device)
    return dict(zip(WAYS, (ours, OneByOne(ours)), strict=True)), Batch(*(each.to(device) for each in tensors))


def held(asked: argparse.Namespace, way: str) -> float:
    """Megabytes of one step."""
    models, batch = both(asked)
    return once(models[way], batch)[1]


def times(asked: argparse.Namespace) -> dict[str, list[float]]:
    """Seconds of every round, after one to warm up."""
    models, batch = both(asked)
    seconds: dict[str, list[float]] = {way: [] for way in WAYS}
    for _ in range(asked.rounds + 1):
        told = []
        for way, model in models.items():
            took, _, forecast = once(model, batch)
            seconds[way].append(took)
            told.append(forecast)
        gap = float((told[0] - told[1]).abs().max())
        if not gap < 1e-4:
            raise SystemExit(f"the two ways differ by {gap:.2g}")
    return {way: each[1:] for way, each in seconds.items()}


def main() -> None:
    """Print one row."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("batch", 32), ("window", 24), ("nodes", 207), ("width", 64), ("rounds", 3)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--device", default="cpu")
    asked = parser.parse_args()
    with ProcessPoolExecutor(1, mp_context=get_context("spawn"), max_tasks_per_child=1) as pool:
        room = [pool.submit(held, asked, way).result() for way in WAYS]
    ours, theirs = times(asked).values()
    ratios = [other / one for one, other in zip(ours, theirs, strict=True)]
    print("| batch | frames | nodes | s, at once | s, one by one | ratio (least to most) | MB | MB, one by one |")
    print("|---|---|---|---|---|---|---|---|")
    spread = f"{statistics.median(ratios):.1f} ({min(ratios):.1f} to {max(ratios):.1f})"
    numbers = [f"{statistics.median(each):.2f}" for each in (ours, theirs)] + [spread] + [f"{mb:.0f}" for mb in room]
    print(f"| {asked.batch} | {asked.window} | {asked.nodes} | {' | '.join(numbers)} |")


if __name__ == "__main__":
    main()
