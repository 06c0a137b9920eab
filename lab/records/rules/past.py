"""Past: the last readings of everything, so that a finding can show those behind it."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from lab.records.chunk import TOTAL, Chunk
from lab.records.rules.facts import Facts
from lab.records.rules.updates import MATRICES
from lab.records.rules.watcher import Rows, medians
from lab.records.rules.windows import EVIDENCE

Shown = tuple[tuple[int, float], ...]


class Past:
    """Keeps as many readings of every chunk's kind as a finding shows."""

    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        self.chunks: dict[tuple[str, tuple[str, ...], tuple[str, ...]], Chunk] = {}

    def add(self, chunks: Sequence[Chunk]) -> None:
        """Take readings in."""
        for chunk in chunks:
            key = chunk.probe, chunk.names, chunk.statistics
            old = self.chunks.get(key, replace(chunk, steps=chunk.steps[:0], values=chunk.values[:0]))
            steps, values = np.concatenate([old.steps, chunk.steps]), np.concatenate([old.values, chunk.values])
            self.chunks[key] = replace(chunk, steps=steps, values=values)

    def trim(self) -> None:
        """Forget what no finding will show."""
        for key, chunk in self.chunks.items():
            self.chunks[key] = replace(chunk, steps=chunk.steps[-EVIDENCE:], values=chunk.values[-EVIDENCE:])

    def of(self, reads: str, scope: str, step: int) -> Shown:
        """The readings up to a step that a finding of this scope was made of, as far as they can be told."""
        for part in reads.split(","):
            probe, _, statistic = part.strip().partition(".")
            for chunk in self.chunks.values():
                if chunk.probe == probe and statistic in chunk.statistics:
                    series = self._series(Rows(chunk.steps, chunk.names, chunk.of(statistic)), scope, statistic)
                    if series is not None:
                        known = zip(chunk.steps.tolist(), series.tolist(), strict=True)
                        return tuple((at, value) for at, value in known if at <= step)[-EVIDENCE:]
        return ()

    def _series(self, told: Rows, scope: str, statistic: str) -> np.ndarray | None:
        if scope in told.names:
            return told.values[:, told.names.index(scope)]
        if scope in ("loss", statistic) and TOTAL in told.names:
            return told.values[:, told.names.index(TOTAL)] if scope == statistic else None
        if scope == MATRICES:
            own = told.only(lambda name: self.facts.is_matrix(name) and not self.facts.is_exempt(name))
            return medians(own) if own.names else None
        block = told.only(lambda name: name.startswith(f"{scope}."))
        return np.max(block.values, axis=1) if block.names else None

    def state(self) -> list[dict[str, Any]]:
        """What a checkpoint must hold."""
        return [
            {
                "probe": chunk.probe,
                "names": chunk.names,
                "statistics": chunk.statistics,
                "steps": chunk.steps.tolist(),
                "values": base64.b64encode(chunk.values.astype(np.float32).tobytes()).decode(),
            }
            for chunk in self.chunks.values()
        ]

    def load(self, said: Sequence[dict[str, Any]]) -> None:
        """Go on from a checkpoint."""
        for own in said:
            names, statistics, steps = tuple(own["names"]), tuple(own["statistics"]), np.array(own["steps"])
            values = np.frombuffer(base64.b64decode(own["values"]), dtype=np.float32)
            shaped = values.reshape(len(steps), len(statistics), len(names)).copy()
            self.chunks[own["probe"], names, statistics] = Chunk(own["probe"], steps, names, statistics, shaped)
