"""Targets that mix drifting sine waves: what the dataset `waves` is made of, each component from its own numbers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lab.data.batch import Dataset
from lab.data.series import Numbers, Scaling, Series, to_dataset, training_frames, window_starts
from lab.spec.datasets import Waves

Random = np.random.Generator
STREAMS = (
    "amplitude",
    "amplitude steps",
    "phase",
    "phase steps",
    "frequency",
    "offset",
    "wave noise",
    "mixing",
    "who is mixed",
    "target noise",
    "shifts",
)
AMPLITUDES, AMPLITUDE_STEP = (0.9, 1.0), 0.01
PHASES, PHASE_STEP = (-1.0, 1.0), 0.05
FREQUENCIES = (0.005, 0.02)
"""Cycles a frame."""
BEND = 0.25
"""Share of its frequency that a drift which is taken for a change of frequency moves a wave by, at most."""
WAVE_NOISE, TARGET_NOISE, NOISE_BY_SIZE = 0.03, 0.02, 0.25
MIXED = (-0.6, 0.6)
SWITCHES = (0.25, 0.5)
"""When the mixture changes, as shares of the time."""
SHIFT, SHIFT_FRAMES = 0.5, 12
TRAILING = 12
"""Frames that the variance among waves is averaged over when it may only look back."""


def waves(spec: Waves, seed: int) -> Dataset:
    """Waves first, then the targets they drive; side inputs are the same at all nodes."""
    driving = wave_series(spec, seed)
    mixtures = mixing_matrices(spec, seed)
    targets = target_series(spec, driving, mixtures, seed)
    total = spec.waves + spec.targets
    weights = np.zeros((total, total))
    weights[spec.waves :, : spec.waves] = np.abs(mixtures).max(axis=0).T
    truth = (weights > 0).astype(np.uint8)
    series = Series(
        np.concatenate([driving, targets], axis=1),
        features=None if spec.covariates == "none" else _scaled(side_inputs(driving, spec), spec),
        adjacency=_shown(spec.graph, weights),
        truth=truth if spec.mixing == "sparse" else None,
        drivers=spec.waves,
    )
    return to_dataset(series, spec, Scaling(by_node=True))


def _stream(seed: int, name: str) -> Random:
    """Random numbers of their own for each component, so that no option moves what another one draws."""
    return np.random.default_rng([seed, STREAMS.index(name)])


def wave_series(spec: Waves, seed: int) -> Numbers:
    """[rows, waves] sines whose amplitude and phase wander."""
    shape = (spec.rows, spec.waves)
    frequency = _stream(seed, "frequency").uniform(*FREQUENCIES, size=spec.waves)
    offset = _stream(seed, "offset").uniform(0, 2 * np.pi, size=spec.waves)
    amplitude = _wander(
        spec, AMPLITUDE_STEP, AMPLITUDES, (_stream(seed, "amplitude"), _stream(seed, "amplitude steps"))
    )
    phase = _wander(spec, PHASE_STEP, PHASES, (_stream(seed, "phase"), _stream(seed, "phase steps")))
    if spec.drift == "integrate":
        phase = 2 * np.pi * BEND * frequency * np.cumsum(phase, axis=0)
    angle = 2 * np.pi * frequency * np.arange(spec.rows)[:, None] + offset + phase
    return amplitude * np.sin(angle) + WAVE_NOISE * _stream(seed, "wave noise").standard_normal(shape)


def _wander(spec: Waves, step: float, bounds: tuple[float, float], streams: tuple[Random, Random]) -> Numbers:
    """[rows, waves] a random walk between bounds: where it starts, and its steps."""
    start, steps = streams
    low, high = bounds
    walk = start.uniform(low, high, size=spec.waves)
    walk = walk + step * np.cumsum(steps.uniform(-1, 1, size=(spec.rows, spec.waves)), axis=0)
    if spec.drift == "clip":
        return np.clip(walk, low, high)
    # Thrown back at a bound is what a walk without bounds looks like when the line is folded.
    return low + np.abs((walk - high) % (2 * (high - low)) - (high - low))


def mixing_matrices(spec: Waves, seed: int) -> Numbers:
    """[stretches, waves, targets]: one for all time, or one for each stretch between switches."""
    shape = (len(SWITCHES) + 1, spec.waves, spec.targets)
    matrices = _stream(seed, "mixing").uniform(*MIXED, size=shape)
    luck = _stream(seed, "who is mixed").random(shape)
    if spec.mixing == "sparse":
        luckiest = luck == luck.min(axis=1, keepdims=True)
        matrices = np.where((luck < spec.density) | luckiest, matrices, 0.0)
    return matrices if spec.coupling == "switching" else matrices[:1]


def mixture(driving: Numbers, matrices: Numbers) -> Numbers:
    """[rows, targets] the linear part of the targets."""
    rows = len(driving)
    stretch = np.searchsorted([int(rows * share) for share in SWITCHES], np.arange(rows), side="right")
    return np.concatenate(
        [driving[stretch == at] @ matrices[min(at, len(matrices) - 1)] for at in range(stretch[-1] + 1)]
    )


def target_series(spec: Waves, driving: Numbers, matrices: Numbers, seed: int) -> Numbers:
    """[rows, targets] slightly bent mixtures of the waves, noise and all."""
    mixed = mixture(driving, matrices)
    trend = 0.1 * np.sin(6 * np.pi * np.arange(spec.rows) / (spec.rows - 1))[:, None]
    told = mixed + np.sin(mixed / 2) + 0.2 * np.cos(mixed / 4) + trend
    noise = _stream(seed, "target noise").standard_normal(told.shape)
    if spec.noise == "heteroscedastic":
        return told + (TARGET_NOISE + NOISE_BY_SIZE * np.abs(mixed)) * noise
    if spec.noise == "bimodal":
        told = told + _shifts(spec, _stream(seed, "shifts"))
    return told + TARGET_NOISE * noise


def _shifts(spec: Waves, random: Random) -> Numbers:
    """[rows, targets] up or down by a half, one for every stretch of twelve frames."""
    stretches = -(-spec.rows // SHIFT_FRAMES)
    signs = random.choice([-SHIFT, SHIFT], size=(stretches, spec.targets))
    return np.repeat(signs, SHIFT_FRAMES, axis=0)[: spec.rows]


def _scaled(inputs: Numbers, spec: Waves) -> Numbers:
    """By mean and deviation of the training part, as the series are."""
    known = inputs[: training_frames(window_starts(spec.rows, spec)["train"], spec)]
    spread = known.std(axis=0)
    told: Numbers = (inputs - known.mean(axis=0)) / np.where(spread > 0, spread, 1.0)  # one wave has no variance
    return told


def side_inputs(driving: Numbers, spec: Waves) -> Numbers:
    """[rows, 1, 2] change of the mean wave, variance among the first half of the waves."""
    mean = driving.mean(axis=1)
    among = driving[:, : max(1, spec.waves // 2)].var(axis=1)
    if spec.covariates == "central":
        change = np.gradient(mean)
    else:
        change = np.diff(mean, prepend=mean[:1])
        among = _trailing_mean(among)
    return np.stack([change, among], axis=1)[:, None]


def _trailing_mean(values: Numbers) -> Numbers:
    """Each with those before it, a dozen in all, or as many as there are."""
    sums = np.concatenate([[0.0], np.cumsum(values)])
    last = np.arange(1, len(values) + 1)
    first = np.maximum(0, last - TRAILING)
    found: Numbers = (sums[last] - sums[first]) / (last - first)
    return found


def _shown(how: str, weights: Numbers) -> NDArray[np.generic] | None:
    """The graph that models are given, from row to column."""
    if how == "hidden":
        return None
    return weights.T.astype(np.float32) if how == "weighted" else (weights.T > 0).astype(np.uint8)
