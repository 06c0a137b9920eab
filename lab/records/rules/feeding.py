"""R18 and R22: what goes into the model and into the loss, and the mode the model is in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from lab.records.chunk import Chunk
from lab.records.rules.facts import Facts
from lab.records.rules.watcher import Watch, of_all, total
from lab.records.rules.windows import Streak
from lab.spec.rules import DoubleSoftmax, Finding, ModeAndInput, Severity


class DoubleSoftmaxWatch(Watch[DoubleSoftmax]):
    """Counts rows of logits that are probabilities."""

    def __init__(self, spec: DoubleSoftmax, facts: Facts) -> None:
        super().__init__(spec, facts)
        self.alike = Streak(spec.readings)

    def see(self, chunks: Sequence[Chunk]) -> Iterator[Finding]:
        """What these readings show."""
        steps, share = _taken(chunks, "like_probabilities")
        held = self.alike.held(["logits"], (share >= self.spec.share)[:, None])
        says = "what cross entropy is given lies in [0, 1] and sums to one"
        yield from self.hits(of_all(steps, share, "logits"), held, says, threshold=self.spec.share)


class ModeAndInputWatch(Watch[ModeAndInput]):
    """Looks at the mode, the spread and the size of inputs, and batch norms over one node."""

    def __init__(self, spec: ModeAndInput, facts: Facts) -> None:
        super().__init__(spec, facts)
        self.streak = Streak(spec.readings)

    def see(self, chunks: Sequence[Chunk]) -> Iterator[Finding]:
        """What these readings show."""
        says = "a training step was taken in evaluation mode"
        yield from self._where(chunks, "training", 1.0, says)
        if not self.facts.featureless:
            yield from self._where(chunks, "input_std", 0.0, "every node of the batch has the same input")
        yield from self._where(chunks, "bn_single", 0.0, "a batch norm saw a single node", level="warn")
        large, huge = self.spec.largest, self.spec.huge
        yield from self._where(chunks, "input_max", large, f"inputs are larger than {large:g}", level="info")
        yield from self._where(chunks, "input_max", huge, f"inputs are larger than {huge:g}", level="warn")

    def _where(
        self, chunks: Sequence[Chunk], statistic: str, threshold: float, says: str, *, level: Severity | None = None
    ) -> Iterator[Finding]:
        """Where a statistic is on the wrong side: a mode and a spread should not be 0, the others not too large."""
        steps, values = _taken(chunks, statistic)
        wrong = values == 0 if statistic in ("training", "input_std") else values > threshold
        held = self.streak.held([f"{statistic} {threshold:g}"], wrong[:, None])
        yield from self.hits(of_all(steps, values, statistic), held, says, threshold=threshold, level=level)


def _taken(chunks: Sequence[Chunk], statistic: str) -> tuple[np.ndarray, np.ndarray]:
    """A statistic of the inputs, where it was taken."""
    steps, values = total(chunks, "inputs", statistic)
    taken = ~np.isnan(values)
    return steps[taken], values[taken]
