"""Series that drive one another along a hidden graph: what the dataset `latent_graph_series` is made of."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lab.data.batch import Dataset
from lab.data.forecast_baselines import point_scores
from lab.data.forecast_windows import UNSCALED
from lab.data.series import Scaling, Series, to_dataset, window_starts
from lab.exact.autoregression import Numbers, Optimum, error_variances, gaussian_optimum
from lab.spec.datasets import LatentGraphSeries
from lab.spec.tasks import HELD_OUT, lines_on

Random = np.random.Generator
STREAMS = ("graph", "other graph", "noise", "season", "missing", "roll-outs")
BURN_IN = 500
COMMUNITIES = 4
INSIDE = 30.0
"""How much likelier a node listens to one of its own community than to another."""
STATES, ROLL_OUTS = 64, 256
"""Pasts, and futures of each, that the optimum of a nonlinear law is estimated from."""
ABOVE_NULL = 1.0
"""The least value of a series in which 0 marks what is missing."""


def latent_graph_series(spec: LatentGraphSeries, seed: int) -> Dataset:
    """One long series, its graph kept as the truth, its best possible scores as known lines."""
    graphs = [coupling_weights(spec, _stream(seed, name)) for name in ("graph", "other graph")]
    regime = regimes(spec, spec.length)
    weights = np.stack(graphs if spec.switch_every else graphs[:1])
    values = simulated(spec, weights, seed)
    lines = best_possible(spec, weights, values, seed)
    values, null = _with_gaps(spec, values, seed)
    series = Series(
        values,
        features=_calendar(spec) if spec.calendar else None,
        adjacency=shown(spec.graph, weights if len(weights) > 1 else weights[0], regime),
        truth=(weights != 0).any(axis=0).astype(np.uint8),
        null=null,
        lines=lines,
    )
    return to_dataset(series, spec, Scaling())


def _stream(seed: int, name: str) -> Random:
    """Random numbers of their own for each component, so that no option moves what another one draws."""
    return np.random.default_rng([seed, STREAMS.index(name)])


def regimes(spec: LatentGraphSeries, frames: int) -> NDArray[np.int64]:
    """Which graph acts in each frame."""
    if not spec.switch_every:
        return np.zeros(frames, np.int64)
    regime: NDArray[np.int64] = np.arange(frames) // spec.switch_every % 2
    return regime


def coupling_weights(spec: LatentGraphSeries, random: Random) -> Numbers:
    """[nodes, nodes] what node i takes from node j; the sizes of a row add up to one."""
    law = spec.law
    luck = random.gumbel(size=(law.nodes, law.nodes))
    sizes = random.uniform(0.5, 1.5, size=(law.nodes, law.nodes))
    signs = random.choice([-1.0, 1.0], size=(law.nodes, law.nodes))
    liking = luck + _liking(spec)  # the largest are a draw without replacement
    np.fill_diagonal(liking, -np.inf)
    sources = np.argsort(-liking, axis=1)[:, : law.degree]
    weights = np.zeros((law.nodes, law.nodes))
    rows = np.arange(law.nodes)[:, None]
    weights[rows, sources] = sizes[rows, sources]
    weights /= weights.sum(axis=1, keepdims=True)
    return weights * signs if law.signs == "random" else weights


def _liking(spec: LatentGraphSeries) -> Numbers:
    """[nodes, nodes] how much likelier than others each one is listened to, as a logarithm."""
    here = np.arange(spec.law.nodes)
    told: Numbers = np.zeros((spec.law.nodes, spec.law.nodes))
    if spec.topology == "communities":
        group = here * COMMUNITIES // spec.law.nodes
        told = np.log(INSIDE) * (group[:, None] == group)
    if spec.topology == "ring":
        away = np.abs(here[:, None] - here)
        told = -1e3 * np.minimum(away, spec.law.nodes - away).astype(np.float64)
    return told


def simulated(spec: LatentGraphSeries, weights: Numbers, seed: int) -> Numbers:
    """[frames, nodes] the series behind its burn-in, `weights` [graphs, nodes, nodes] taking turns."""
    law, total = spec.law, BURN_IN + spec.length
    drive = spec.noise * _stream(seed, "noise").standard_normal((total, law.nodes))
    drive += _season(spec, _stream(seed, "season"), total)
    # The burn-in belongs to the regime that the series begins with.
    regime = np.concatenate([np.zeros(BURN_IN, np.int64), regimes(spec, spec.length)])
    values = np.zeros((total, law.nodes))
    for now in range(1, total):
        values[now] = drive[now] + law.own * values[now - 1]
        if now >= spec.delay:
            values[now] += law.coupling * weights[regime[now]] @ heard(spec, values[now - spec.delay])
    return values[BURN_IN:]


def heard(spec: LatentGraphSeries, values: Numbers) -> Numbers:
    """What a node hears of others."""
    return np.tanh(values) if spec.law.response == "tanh" else values


def _season(spec: LatentGraphSeries, random: Random, total: int) -> Numbers:
    phase = random.uniform(0, 2 * np.pi, size=spec.law.nodes)
    time = np.arange(total) - BURN_IN
    return spec.season * np.sin(2 * np.pi * time[:, None] / spec.period + phase)


def _calendar(spec: LatentGraphSeries) -> Numbers:
    angle = 2 * np.pi * np.arange(spec.length) / spec.period
    return np.stack([np.sin(angle), np.cos(angle)], axis=1)[:, None]


def _with_gaps(spec: LatentGraphSeries, values: Numbers, seed: int) -> tuple[Numbers, float | None]:
    if not spec.missing:
        return values, None
    above = values - values.min() + ABOVE_NULL
    is_lost = _stream(seed, "missing").random(values.shape) < spec.missing
    return np.where(is_lost, 0.0, above), 0.0


def shown(how: str, weights: Numbers, regime: NDArray[np.int64]) -> NDArray[np.generic] | None:
    """The graph that models are given, from row to column; one a frame where it changes."""
    if how == "hidden":
        return None
    sizes = np.abs(np.swapaxes(weights, -1, -2))
    told = sizes.astype(np.float32) if how == "weighted" else (sizes > 0).astype(np.uint8)
    return told if told.ndim == 2 else told[regime]


def best_possible(spec: LatentGraphSeries, weights: Numbers, values: Numbers, seed: int) -> dict[str, float]:
    """What one reaches who knows the law and all of the past: on average, and on the very windows of a split."""
    name = "best possible without gaps" if spec.missing else "best possible"
    told: dict[str, float] = {}
    for split in HELD_OUT:
        first = window_starts(spec.length, spec)[split] + spec.window
        if first[0] < spec.delay:
            continue  # what reaches the first windows was said before the series begins
        if spec.switch_every:  # then splits differ in how many windows lie across a switch
            told |= lines_on(split, _optimum(spec, weights, values, first, seed=seed).lines(name))
        elif split == "test":
            told |= _optimum(spec, weights, values, first, seed=seed).lines(name)
        if spec.law.response == "linear":
            expected = futures(spec, weights, values, first, seed=seed, draws=0)[:, :, 0]
            here = point_scores(expected, values[_asked(spec, first)], UNSCALED)
            told |= lines_on(split, {f"{score}: true law": value for score, value in here.items()})
    return told


def _asked(spec: LatentGraphSeries, first: NDArray[np.int64]) -> NDArray[np.int64]:
    """[windows, horizon] the frames to forecast of windows that are asked from these frames on."""
    return first[:, None] + np.arange(spec.horizon)


def _optimum(
    spec: LatentGraphSeries, weights: Numbers, values: Numbers, first: NDArray[np.int64], *, seed: int
) -> Optimum:
    """The best possible scores over windows asked from these frames on; by roll-outs where no closed form is known."""
    if spec.law.response == "linear":
        return _on_average(spec, weights, _asked(spec, first))
    some = first[np.linspace(0, len(first) - 1, STATES).astype(np.int64)]
    return _spread(futures(spec, weights, values, some, seed=seed, draws=ROLL_OUTS))


def _on_average(spec: LatentGraphSeries, weights: Numbers, asked: NDArray[np.int64]) -> Optimum:
    """The closed form over windows that are `asked` these frames, which may lie before, across or after a switch."""
    courses, windows = np.unique(regimes(spec, spec.length)[asked], axis=0, return_counts=True)
    law = spec.law
    variances = [
        error_variances(law.own, law.coupling * weights[course], spec.noise, delay=spec.delay) for course in courses
    ]
    return gaussian_optimum(np.stack(variances), windows.astype(np.float64))


def futures(
    spec: LatentGraphSeries,
    weights: Numbers,
    values: Numbers,
    first: NDArray[np.int64],
    *,
    seed: int,
    draws: int,
) -> Numbers:
    """[pasts, horizon, draws, nodes] what may follow on the frames before `first`; without noise for 0 draws."""
    random, regime = _stream(seed, "roll-outs"), regimes(spec, spec.length)
    season = _season(spec, _stream(seed, "season"), BURN_IN + spec.length)[BURN_IN:]
    told = [np.repeat(values[first - back][:, None], max(1, draws), axis=1) for back in range(spec.delay, 0, -1)]
    for step in range(spec.horizon):
        drive = season[first + step][:, None]
        if draws:
            drive = drive + spec.noise * random.standard_normal(told[-1].shape)
        taken = np.zeros_like(told[-1])
        for graph, each in enumerate(weights):
            here = regime[first + step] == graph
            taken[here] = heard(spec, told[-spec.delay][here]) @ each.T
        told.append(drive + spec.law.own * told[-1] + spec.law.coupling * taken)
    return np.stack(told[spec.delay :], axis=1)


def _spread(futures: Numbers) -> Optimum:
    """Scores of the best forecast of [states, horizon, roll-outs, nodes] futures, which differ by chance only."""
    ordered = np.sort(futures, axis=2)
    count = futures.shape[2]
    half_gap = np.einsum("shrn,r->shn", ordered, 2 * np.arange(count) + 1.0 - count) / (count * (count - 1))
    variance = futures.var(axis=2, ddof=1)
    # The sample's own median lies nearer to it than the true one does; by the share that the deviation does, too.
    median = np.median(futures, axis=2, keepdims=True)
    mae = np.abs(futures - median).mean(axis=2) * np.sqrt(count / (count - 1))
    return Optimum(
        rmse=np.sqrt(variance.mean(axis=(0, 2))),
        mae=mae.mean(axis=(0, 2)),
        crps=half_gap.mean(axis=(0, 2)),
        nll=(0.5 * np.log(2 * np.pi * np.e * variance)).mean(axis=(0, 2)),
    )
