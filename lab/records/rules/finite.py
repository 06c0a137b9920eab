"""R1: numbers that are not finite, where the first of them was made, and whether they reached the loss."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from lab.records.chunk import TOTAL, Chunk
from lab.records.rules.watcher import Watch, rows, total
from lab.spec.rules import Finding, Nonfinite, Severity


class NonfiniteWatch(Watch[Nonfinite]):
    """Looks at losses, module outputs and gradients of a step together, and names where it began."""

    def see(self, chunks: Sequence[Chunk]) -> Iterator[Finding]:
        """What these readings show."""
        losses = dict(zip(*(each.tolist() for each in total(chunks, "gradients", "loss")), strict=True))
        outputs, gradients = _bad(chunks, "activations"), _bad(chunks, "gradients")
        lost = {step: ["loss"] for step, loss in losses.items() if not np.isfinite(loss)}
        for step in sorted({*lost, *outputs, *gradients}):
            yield self._at(step, outputs.get(step, []), gradients.get(step, []), is_lost=step in lost)

    def _at(self, step: int, outputs: list[str], gradients: list[str], *, is_lost: bool) -> Finding:
        """The finding of one step: outputs go before the loss, the loss before gradients, the last layer's first."""
        reached = "and reached the loss" if is_lost else "and did not reach the loss"
        level = self.spec.level if is_lost or gradients else _lesser(self.spec.level)
        if outputs:
            more = f"; {len(outputs) - 1} later modules inherited it" if len(outputs) > 1 else ""
            says = f"its output was not finite while what came before it was, {reached}{more}"
            return self.found(outputs[0], step, len(outputs), threshold=0, says=says, level=level)
        if is_lost:
            says = "the loss was not finite" + (f", nor were {len(gradients)} gradients" if gradients else "")
            return self.found("loss", step, np.nan, threshold=None, says=says, level=level)
        more = f"; {len(gradients) - 1} gradients further down inherited it" if len(gradients) > 1 else ""
        says = f"its gradient was not finite although the loss was{more}"
        return self.found(gradients[-1], step, len(gradients), threshold=0, says=says, level=level)


def _lesser(level: Severity) -> Severity:
    return "warn" if level == "fatal" else level


def _bad(chunks: Sequence[Chunk], probe: str) -> Mapping[int, list[str]]:
    """Step -> the names whose numbers were not finite, in the order of the model."""
    found: dict[int, list[str]] = {}
    for told in rows(chunks, probe, "nonfinite"):
        for at, place in zip(*np.nonzero(told.values > 0), strict=True):
            if told.names[place] != TOTAL:
                found.setdefault(int(told.steps[at]), []).append(told.names[place])
    return found
