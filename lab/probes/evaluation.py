"""Evaluation: what the scoring of an epoch tells of single classes; nothing is computed for it."""

from __future__ import annotations

import math

import numpy as np

from lab.probes.probe import Probe, Scored, Subject
from lab.records.chunk import TOTAL, Chunk
from lab.spec.probes import Evaluation


class EvaluationProbe(Probe):
    """Takes down what was scored; it is on the host already."""

    def __init__(self, spec: Evaluation, subject: Subject) -> None:
        self.spec = spec
        self._steps: list[int] = []
        self._seen: list[Scored] = []

    def after_scoring(self, epoch: int, step: int, scored: Scored) -> None:
        """Take an epoch's scoring down."""
        if epoch % self.spec.every == 0:
            self._steps.append(step)
            self._seen.append(scored)

    def told(self, host: np.ndarray) -> list[Chunk]:
        """One chunk by class, where there are any, and one of the whole."""
        if not self._steps:
            return []
        steps, seen = np.array(self._steps, dtype=np.int32), self._seen
        self._steps, self._seen = [], []
        classes = tuple(str(place) for place in range(len(seen[0].recalls)))
        by_class = np.array([(each.recalls, each.shares) for each in seen], dtype=np.float32)
        whole = np.array([(_relative(each), each.loss) for each in seen], dtype=np.float32)[:, :, None]
        kind = self.spec.kind
        told = [Chunk(kind, steps, classes, ("recall", "share"), by_class)] if classes else []
        return [*told, Chunk(kind, steps, (TOTAL,), ("loss_rel", "loss"), whole)]


def _relative(scored: Scored) -> float:
    return scored.loss / scored.entropy if scored.entropy > 0 else math.nan
