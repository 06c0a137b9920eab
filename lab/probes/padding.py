"""Padding: do real nodes change when noise stands in the padding, or in the other graphs? Tried before an epoch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from lab.data.batch import Batch
from lab.probes.probe import Subject
from lab.probes.ringed import RingProbe, not_measured
from lab.probes.sites import Listening, Site, sites
from lab.probes.untouched import untouched
from lab.records.chunk import Chunk
from lab.spec.probes import Padding
from lab.spec.rules import Finding

STATISTICS = ("inv_pad", "inv_pad_train", "inv_graph")
LOGITS = "logits"
SEED = 20_202
"""What noise, and dropout of torch's own, are drawn from; the same in all passes of a check."""

Seen = dict[str, Tensor]
"""Outputs of the blocks, and of the model under the name LOGITS."""


class PaddingProbe(RingProbe):
    """Five passes over a few graphs before the first step, after a resumption, and before every further epoch."""

    def __init__(self, spec: Padding, subject: Subject) -> None:
        super().__init__()
        self.spec = spec
        self.model = subject.model
        self.forward = subject.model if subject.forward is None else subject.forward
        self.is_compiled = subject.is_compiled
        self.blocks = [site for site in sites(subject.model) if site.kind == "block"]
        self.names = (*(site.name for site in self.blocks), LOGITS)
        self.problem = ""
        self._is_due = not self.is_compiled

    def after_epoch(self, epoch: int, step: int) -> None:
        """The next step is one to check before."""
        self._is_due = not (self.is_compiled or self.problem) and epoch % self.spec.every == 0

    def before_step(self, step: int, batches: Sequence[Batch]) -> None:
        """Check on some graphs of the batch that is about to be learnt from."""
        if not (self._is_due and batches):
            return
        self._is_due = False
        try:
            with untouched(self.model, batches[0].x.device):
                self.ring.add(step, self._checked(_most_padded(batches[0], self.spec.graphs)))
        except Exception as error:  # A model may refuse such a batch; that is no reason to end its training.
            self.problem = f"{type(error).__name__}: {error}"

    def _checked(self, batch: Batch) -> Tensor:
        half = len(batch.mask) // 2
        noisy = self._with_noise(batch, ~batch.mask)
        # The first graphs change: to read the first of a batch is the commonest leak.
        others = torch.arange(len(batch.mask), device=batch.mask.device)[:, None] < half
        mixed = self._with_noise(batch, batch.mask & others) if half else batch
        if is_window(batch):
            mixed = self._prepared(replace(mixed, adjacency=_turned(batch.adjacency, half)))
        told = [self._seen(each, training=False) for each in (batch, noisy, mixed)]
        train = [self._seen(each, training=True) for each in (batch, noisy)]
        some = (~batch.mask).any()
        changes = [
            (_change(told[0], told[1], batch.mask), some),
            (_change(train[0], train[1], batch.mask), some),
            (
                _change(told[0], told[2], batch.mask & ~others, of_windows=is_window(batch)),
                torch.full_like(some, half > 0),
            ),
        ]
        nan = torch.full((), torch.nan, device=some.device)
        rows = [torch.where(is_told, change.get(name, nan), nan) for name in self.names for change, is_told in changes]
        return torch.stack(rows)

    def _with_noise(self, batch: Batch, where: Tensor) -> Batch:
        """The batch with other inputs at some positions, and what the model prepares of it made anew."""
        x = batch.x
        if is_window(batch):
            x = torch.where(where[:, None, :, None], torch.randn_like(x), x)
        elif x.is_floating_point():
            x = torch.where(where.view(*where.shape, *[1] * (x.ndim - 2)), torch.randn_like(x), x)
        else:
            x = torch.where(where, x.amax() - x, x)  # Tokens that occur, so that there is an embedding for them.
        return self._prepared(replace(batch, x=x))

    def _prepared(self, batch: Batch) -> Batch:
        prepare = getattr(self.model, "prepare", None)
        return batch if prepare is None else replace(batch, extra={**batch.extra, **prepare(batch)})

    def _seen(self, batch: Batch, *, training: bool) -> Seen:
        found: Seen = {}

        def hear(site: Site, output: Tensor, allowed: Tensor | None) -> None:
            found[site.name] = output

        torch.manual_seed(SEED)
        self.model.train(training)
        listening = Listening(self.blocks, hear)
        listening.start()
        try:
            found[LOGITS] = self.forward(batch)
        finally:
            listening.stop()
        return found

    def chunks(self, steps: np.ndarray, rows: np.ndarray) -> list[Chunk]:
        """One chunk by block, the model's output last."""
        values = rows.reshape(len(steps), len(self.names), len(STATISTICS)).transpose(0, 2, 1)
        return [Chunk(self.spec.kind, steps, self.names, STATISTICS, values)]

    def remarks(self) -> tuple[Finding, ...]:
        """Compiled models, and models that refuse the check."""
        compiled = "the model is compiled, and hooks would break what was compiled" if self.is_compiled else ""
        why = compiled or self.problem
        return (not_measured(self.spec.kind, "", why),) if why else ()


def _most_padded(batch: Batch, count: int) -> Batch:
    """The graphs of a batch with the fewest nodes."""
    return batch.only(batch.mask.sum(1).argsort(stable=True)[:count])


def is_window(batch: Batch) -> bool:
    """Whether graphs have frames; then they have no padding, but may still leak into one another."""
    return batch.x.ndim == 4


def _turned(adjacency: Tensor, count: int) -> Tensor:
    """The first graphs with their nodes in the opposite order: other graphs that are as good."""
    return torch.cat([adjacency[:count].flip(-1, -2), adjacency[count:]])


def _change(before: Seen, after: Seen, where: Tensor, *, of_windows: bool = False) -> Seen:
    """By output, the largest change at these nodes against the largest number there.

    What stands behind the axis of windows may be frames: such outputs are looked at window by window, all of whose
    nodes are real.
    """
    told = {}
    for name, old in before.items():
        new = after.get(name)
        if new is None or new.shape != old.shape or len(old) != len(where):
            continue
        if old.shape[:2] != where.shape and not of_windows:
            continue
        known = where if old.shape[:2] == where.shape else where[:, :1]
        spot = known.view(*known.shape, *[1] * (old.ndim - 2))
        largest = torch.where(spot, old, 0).abs().amax().float()
        told[name] = torch.where(spot, new - old, 0).abs().amax().float() / largest.clamp(min=1e-12)
    return told
