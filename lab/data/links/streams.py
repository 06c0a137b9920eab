"""Random numbers of their own for each part of a data set, so that no option moves what another part draws."""

from __future__ import annotations

import zlib

import numpy as np

Random = np.random.Generator


def stream(seed: int, *purpose: str) -> Random:
    """The random numbers of one purpose under a seed."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=tuple(zlib.crc32(w.encode()) for w in purpose)))
