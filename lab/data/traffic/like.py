"""Made-up traffic in the layout of the published files: what the dataset `traffic_like` and its tests are made of."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lab.data.batch import Dataset
from lab.data.traffic.graphs import Roads
from lab.data.traffic.readings import Numbers, Times
from lab.data.traffic.traffic import assembled
from lab.spec.datasets import TrafficLike

FRAMES_A_DAY = 288
FREE_SPEED, JAM = 62.0, 30.0
"""Miles an hour on a free road, and how much of it a rush hour takes at its worst."""
RUSHES = ((8.0, 1.2), (17.5, 1.6))
"""Hour and width, in hours, of the rushes of a working day."""
WEEKEND = 0.25
"""How much of a rush is left on a weekend."""
HOURS_A_NODE = 0.1
"""How much later a jam comes to the node farther up the road."""
GAP = 12
"""Mean length of a stretch of missing readings, in frames."""
STREAMS = ("roads", "noise", "gaps")


def traffic_like(spec: TrafficLike, seed: int) -> Dataset:
    """A ring road with short cuts; jams move along it, and detectors fail for about an hour at a time."""
    frames = spec.days * FRAMES_A_DAY
    values = np.where(_gaps(spec, frames, _stream(seed, "gaps")), 0.0, speeds(spec, _stream(seed, "noise")))
    return assembled(values, times(frames), ring_road(spec, _stream(seed, "roads")), spec)


def _stream(seed: int, name: str) -> np.random.Generator:
    return np.random.default_rng([seed, STREAMS.index(name)])


def times(frames: int) -> Times:
    """Every five minutes from a Thursday on."""
    found: Times = np.datetime64("2012-03-01T00:00", "s") + np.timedelta64(300, "s") * np.arange(frames)
    return found


def ring_road(spec: TrafficLike, random: np.random.Generator) -> Roads:
    """Distances along a ring in one direction, and a few short cuts."""
    distance = np.full((spec.nodes, spec.nodes), np.inf)
    here = np.arange(spec.nodes)
    np.fill_diagonal(distance, 0.0)
    distance[here, (here + 1) % spec.nodes] = random.uniform(200, 2000, size=spec.nodes)
    ends = random.integers(spec.nodes, size=(spec.nodes // 4, 2))
    distance[ends[:, 0], ends[:, 1]] = random.uniform(1000, 5000, size=len(ends))
    np.fill_diagonal(distance, 0.0)
    return Roads(distance, is_distance=True)


def speeds(spec: TrafficLike, random: np.random.Generator) -> Numbers:
    """[frames, nodes] miles an hour: two rushes a day of a depth drawn anew, and noise that lasts a while."""
    frames = spec.days * FRAMES_A_DAY
    depth = random.uniform(0.3, 1.0, size=(spec.days, len(RUSHES)))
    share = random.uniform(0.2, 1.0, size=spec.nodes)
    day, hour = np.arange(frames) // FRAMES_A_DAY, np.arange(frames) % FRAMES_A_DAY / 12
    is_weekend = (day + 3) % 7 >= 5
    jam = np.zeros((frames, spec.nodes))
    for at, (middle, width) in enumerate(RUSHES):
        late = middle + HOURS_A_NODE * np.arange(spec.nodes)
        jam += depth[day, at, None] * np.exp(-(((hour[:, None] - late) / width) ** 2))
    jam[is_weekend] *= WEEKEND
    noise = random.standard_normal((frames, spec.nodes))
    for now in range(1, frames):
        noise[now] = 0.9 * noise[now - 1] + 0.5 * noise[now]
    return np.clip(FREE_SPEED - JAM * share * jam + 1.5 * noise, 3.0, 75.0)


def _gaps(spec: TrafficLike, frames: int, random: np.random.Generator) -> NDArray[np.bool_]:
    """Stretches whose lengths are geometric; detectors fail and recover on their own."""
    luck = random.random((frames, spec.nodes))
    fails = spec.missing / max(1e-9, 1 - spec.missing) / GAP
    missing = np.zeros((frames, spec.nodes), bool)
    missing[0] = luck[0] < spec.missing
    for now in range(1, frames):
        missing[now] = np.where(missing[now - 1], luck[now] >= 1 / GAP, luck[now] < fails)
    return missing
