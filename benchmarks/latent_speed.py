"""The forecaster with a learned graph: all frames and nodes at once, and frame by frame and node by node.

    python benchmarks/latent_speed.py [--batch 32] [--window 24] [--nodes 207] [--rounds 3] [--device cpu] [--parts]

Forward and backward of a training step in the documented form without chance, both ways in turn on the same weights and
windows. The plain way is that form as it reads on paper: each latent layer is called once a frame and masks dense
weights, and the two small convolutions are called once a node and step; LSTMs take all nodes as rows, as they do there.
A round ends the run unless both ways forecast the same. Memory is that of a process of its own for each way.
"""

from __future__ import annotations

import argparse
import math
import os
import statistics
import time
from collections.abc import Callable, Sequence
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
from lab.zoo.latent_seq2seq.decoder import Decoder
from lab.zoo.latent_seq2seq.latent_layer import LatentLayer
from lab.zoo.latent_seq2seq.latent_seq2seq import LatentSeq2Seq
from lab.zoo.latent_seq2seq.recurrent import State

FILE = Path(__file__).resolve().parents[1] / "experiments" / "latent_documented.yaml"
WAYS = ("at once", "one by one")


def documented(**changes: object) -> Options:
    """The form that was first described, with changes to its plain options."""
    return Options.model_validate(YAML(typ="safe").load(FILE)["model"] | changes)


class OneByOne(nn.Module):
    """The same model as it reads on paper: a call a frame for each latent layer, a call a node for each smoothing."""

    def __init__(self, model: LatentSeq2Seq) -> None:
        super().__init__()
        self.model = model

    def forward(self, batch: Batch) -> Tensor:
        """Forecasts, as the model itself gives them."""
        model = self.model
        rows = as_rows(framewise(model, batch))
        _, states = model.encoder(rows)
        mean = decoded(model.decoder, rows, states, batch.x.shape[2])
        return (mean if model.smoother is None else model.smoother(mean, None)[0])[..., None]


def framewise(model: LatentSeq2Seq, batch: Batch) -> Tensor:
    """What the latent layers make of each frame [batch, frames, nodes, width]."""
    x = batch.x if model.fourier is None else batch.x + model.fourier(batch.x)
    return torch.stack([heard(model.second, heard(model.first, frame)) for frame in x.unbind(1)], 1)


def as_rows(latent: Tensor) -> Tensor:
    """[batch * nodes, frames, width], as an LSTM reads it."""
    return latent.transpose(1, 2).flatten(0, 1)


def heard(layer: LatentLayer, frame: Tensor) -> Tensor:
    """A latent layer on one frame [batch, nodes, features]: all pairs weighed, with all but the highest masked."""
    assert layer.query is not None
    assert layer.key is not None
    assert layer.static is not None
    value = layer.value(frame)
    scores = layer.query(frame) @ layer.key(frame).transpose(1, 2) / math.sqrt(value.shape[-1]) + layer.static()
    kept = torch.zeros_like(scores).scatter(-1, scores.topk(layer.spec.neighbours, -1).indices, 1.0)
    weights = (scores.masked_fill(kept == 0, -1e9) / layer.spec.temperature).softmax(-1)
    lifted = layer.lift(weights @ value)
    told: Tensor = layer.lower(layer.relu(layer.norm(lifted, lifted))) + value
    return told


def decoded(decoder: Decoder, memory: Tensor, states: Sequence[State], nodes: int) -> Tensor:
    """Forecasts [batch, horizon, nodes], step after step, of all nodes' rows [batch * nodes, frames, width]."""
    told, past, read_out = memory[:, -1], list[Tensor](), decoder.read_out
    assert decoder.embed is not None
    for step in range(decoder.horizon):
        states = decoder.cells(told, states, [])
        asked = states[-1][0][:, None]
        found = (asked @ memory.transpose(1, 2) / math.sqrt(asked.shape[-1])).softmax(-1) @ memory
        past.append(read_out.mean(read_out.mix(torch.cat([asked, found], -1))).view(-1, nodes))
        if step >= 2:
            past[-1] = smoothed(decoder, torch.stack(past[-3:], -1))
        told = decoder.embed(past[-1].reshape(-1, 1))
    return torch.stack(past, 1)


def smoothed(decoder: Decoder, recent: Tensor) -> Tensor:
    """The newest of three forecasts [batch, nodes, 3], by two convolutions for each node."""
    assert decoder.conv is not None
    first, second = decoder.conv.first, decoder.conv.second
    return torch.cat([second(first(node[:, None]).relu())[:, :, -1] for node in recent.unbind(1)], 1)


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


def shares(asked: argparse.Namespace) -> dict[str, list[float]]:
    """Seconds of each part alone, forward and backward, at once and one by one; the least of the rounds."""
    models, batch = both(asked)
    model = models[WAYS[0]]
    assert isinstance(model, LatentSeq2Seq)
    with torch.no_grad():
        rows = as_rows(model.latent(batch)[0])
        states = model.encoder(rows)[1]
    last, nodes = batch.x[:, -1, :, 0], batch.x.shape[2]
    rows.requires_grad_()
    parts: dict[str, list[Callable[[], Tensor]]] = {
        "branch and both latent layers": [lambda: model.latent(batch)[0], lambda: framewise(model, batch)],
        "encoder, the same in both": [lambda: torch.cat([part for state in model.encoder(rows)[1] for part in state])],
        "decoder and convolutions": [
            lambda: model.decoder(rows, states, rows[:, -1], last, batch.y)[0],
            lambda: decoded(model.decoder, rows, states, nodes),
        ],
    }
    return {name: [least(way, asked.rounds) for way in ways] for name, ways in parts.items()}


def least(part: Callable[[], Tensor], rounds: int) -> float:
    """Seconds of one pass to and fro, after one to warm up."""
    seconds = []
    for _ in range(rounds + 1):
        started = time.process_time()
        torch.autograd.backward(part().sum())
        seconds.append(time.process_time() - started)
    return min(seconds[1:])


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
    parser.add_argument("--parts", action="store_true", help="seconds of each part instead, on the CPU")
    asked = parser.parse_args()
    if asked.parts:
        print("| part | s, at once | s, one by one |\n|---|---|---|")
        for name, seconds in shares(asked).items():
            print(f"| {name} | {seconds[0]:.2f} | {seconds[-1]:.2f} |", flush=True)
        return
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
