"""Attention: how many nodes each head reads, and whether its weights keep to their sum and to their mask."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lab.data.batch import Batch
from lab.probes.activations import not_measured
from lab.probes.cadence import Cadence
from lab.probes.measures import Real
from lab.probes.probe import RING, Probe, Subject
from lab.probes.ring import Ring
from lab.probes.sites import Listening, Site, sites
from lab.records.chunk import Chunk
from lab.spec.probes import Attention
from lab.spec.rules import Finding

OF_HEADS = ("n_eff", "n_eff_share")
OF_MODULES = ("row_err", "mask_leak", "masked_rows", "masked_padding")
KINDS = ("attention", "gate")


class AttentionProbe(Probe):
    """Hooks attention on steps that are due; a row holds each module's heads and then the module itself."""

    def __init__(self, spec: Attention, subject: Subject) -> None:
        self.spec = spec
        found = () if subject.is_compiled else sites(subject.model)
        self.is_compiled = subject.is_compiled
        self.listening = Listening([site for site in found if site.kind in KINDS], self._hear)
        self.cadence = Cadence(spec.every, spec.max_overhead, subject.weights.device)
        self.ring = Ring(RING)
        self.heads: dict[str, int] = {}
        """Heads of each module that was heard, in the order they come in a row."""
        self._nothing = torch.full((), torch.nan, device=subject.weights.device)
        self._real: Real | None = None
        self._heard: dict[str, Tensor] = {}
        self._masks: dict[int, tuple[Tensor, Tensor]] = {}

    def before_forward(self, step: int, part: int, batch: Batch) -> None:
        """Hook attention, if the step is due."""
        if part or not self.listening.watched:
            return
        self.cadence.step(step)
        if self.cadence.is_due(step):
            started = self.cadence.mark()
            self._real = Real.of(batch)
            self.listening.start()
            self.cadence.spend(started)

    @torch.no_grad()
    def _hear(self, site: Site, weights: Tensor, allowed: Tensor | None) -> None:
        if weights.ndim != 4:
            return
        started, real = self.cadence.mark(), self._real
        assert real is not None
        count = self.spec.graphs
        seen = weights[:count].float()
        permitted = _permitted(seen, allowed, real.mask[:count])
        rows = _real_rows(seen, real.mask[:count])
        heads, errors = _heads(seen, permitted, rows, sums_to_one=site.kind == "attention")
        masked = [self._nothing, self._nothing] if allowed is None else self._masked_rows(allowed, real.mask)
        self._heard[site.name] = torch.cat([heads, torch.stack([*errors, *masked])])
        self.cadence.spend(started)

    def _masked_rows(self, allowed: Tensor, mask: Tensor) -> list[Tensor]:
        """Rows that may read nothing, told from the mask: real ones and padding; layers mostly share their mask."""
        known = self._masks.get(id(allowed))
        if known is None or known[0] is not allowed:
            none = (allowed.amax(-1) if allowed.dtype.is_floating_point else allowed.any(-1)) == 0
            none = none.any(1) if none.ndim == 3 else none
            none = none.expand(mask.shape) if none.shape[-1] == 1 else none
            if none.shape != mask.shape:
                return [none.sum().float(), self._nothing]
            counted = torch.stack([(none & mask).sum(), (none & ~mask).sum()]).float()
            self._masks[id(allowed)] = known = (allowed, counted)
        return [*known[1].unbind()]

    def after_forward(self, step: int, part: int, outputs: Tensor) -> None:
        """The first batch has passed: no more hooks, and one row of what was heard."""
        if self._real is None or part:
            return
        self._real, self._masks = None, {}
        self.listening.stop()
        with torch.no_grad():
            for name, told in self._heard.items():
                self.heads.setdefault(name, (len(told) - len(OF_MODULES)) // len(OF_HEADS))
            if self.heads:
                self.ring.add(step, torch.cat([self._of(name, count) for name, count in self.heads.items()]))
        self._heard = {}

    def _of(self, name: str, heads: int) -> Tensor:
        told = self._heard.get(name)
        width = heads * len(OF_HEADS) + len(OF_MODULES)
        return told if told is not None and len(told) == width else self._nothing.expand(width)

    def waiting(self) -> Tensor | None:
        """All rows since the last flush."""
        return self.ring.waiting()

    def told(self, host: np.ndarray) -> list[Chunk]:
        """One chunk by head and one by module."""
        self.cadence.settle()
        if not self.ring.steps:
            return []
        steps, rows = self.ring.take(host)
        ends = np.cumsum([count * len(OF_HEADS) + len(OF_MODULES) for count in self.heads.values()])
        parts = np.split(rows, ends[:-1], axis=1)
        heads = np.concatenate([part[:, : -len(OF_MODULES)] for part in parts], axis=1)
        names = tuple(f"{name}#{head}" for name, count in self.heads.items() for head in range(count))
        by_head = heads.reshape(len(steps), len(names), len(OF_HEADS)).transpose(0, 2, 1)
        by_module = np.stack([part[:, -len(OF_MODULES) :] for part in parts], axis=2)
        kind = self.spec.kind
        return [
            Chunk(kind, steps, names, OF_HEADS, by_head),
            Chunk(kind, steps, tuple(self.heads), OF_MODULES, by_module),
        ]

    def remarks(self) -> tuple[Finding, ...]:
        """Compiled models, and attention that could not be measured."""
        if self.is_compiled:
            why = "the model is compiled, and hooks would break what was compiled"
            return (not_measured(self.spec.kind, "", why),)
        return tuple(not_measured(self.spec.kind, name, problem) for name, problem in self.listening.broken.items())

    def state(self) -> dict[str, Any]:
        """What the cadence has learnt, and which heads there are."""
        return {"cadence": self.cadence.state(), "heads": self.heads}

    def load(self, said: Mapping[str, Any]) -> None:
        """Go on from a checkpoint."""
        self.cadence.load(said["cadence"])
        self.heads = dict(said["heads"])


def _permitted(weights: Tensor, allowed: Tensor | None, mask: Tensor) -> Tensor:
    """What each row may read, 1 or 0; where the model does not say, real nodes."""
    if allowed is not None:
        return allowed[: len(weights)].to(weights.dtype)
    nodes = weights.shape[-1] == mask.shape[-1] and len(mask) == len(weights)
    return mask[:, None, None, :].to(weights.dtype) if nodes else weights.new_ones(1, 1, 1, weights.shape[-1])


def _real_rows(weights: Tensor, mask: Tensor) -> Tensor:
    """[graphs, 1, rows] or [1, 1, 1] bool: which rows are those of real nodes."""
    fits = weights.shape[:1] == mask.shape[:1] and weights.shape[2] == mask.shape[1]
    return mask[:, None, :] if fits else mask.new_ones(1, 1, 1)


def _heads(weights: Tensor, permitted: Tensor, real: Tensor, *, sums_to_one: bool) -> tuple[Tensor, list[Tensor]]:
    """n_eff and its share of each head [2 heads], then the largest row error and the largest weight on masked keys."""
    sums = weights.sum(-1)
    squares = torch.linalg.vector_norm(weights, dim=-1).square()
    keys = permitted.sum(-1) if permitted.shape[-1] == weights.shape[-1] else permitted.sum(-1) * weights.shape[-1]
    counted = (real & (keys > 0)).expand_as(sums)
    effective = (1 if sums_to_one else sums.square()) / squares.clamp(min=1e-30)
    effective = torch.where(counted, effective, 0.0)
    rows = counted.sum((0, 2)).clamp(min=1)
    means = [(each.sum((0, 2)) / rows) for each in (effective, effective / keys.clamp(min=1))]
    inside = (weights * permitted).sum(-1)
    leak = torch.where(real, sums - inside, 0.0).amax()
    error = torch.where(counted, (sums - 1).abs(), 0.0).amax()
    return torch.stack(means, 1).flatten(), [error if sums_to_one else torch.full_like(error, torch.nan), leak]
