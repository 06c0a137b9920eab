"""Attention: how many nodes each head reads, and whether its weights keep to their sum and to their mask."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lab.data.batch import Batch
from lab.probes.cadence import Cadence
from lab.probes.measures import Real
from lab.probes.probe import Subject
from lab.probes.ringed import RingProbe, not_measured
from lab.probes.sites import Listening, Site, sites
from lab.records.chunk import Chunk
from lab.spec.probes import Attention
from lab.spec.rules import Finding

OF_HEADS = ("n_eff", "n_eff_share")
OF_MODULES = ("row_err", "mask_leak", "masked_rows", "masked_padding")
KINDS = ("attention", "gate")


class AttentionProbe(RingProbe):
    """Hooks attention on steps that are due; a row holds each module's heads and then the module itself."""

    def __init__(self, spec: Attention, subject: Subject) -> None:
        super().__init__()
        self.spec = spec
        found = () if subject.is_compiled else sites(subject.model)
        self.is_compiled = subject.is_compiled
        self.listening = Listening([site for site in found if site.kind in KINDS], self._hear)
        self.cadence = Cadence(spec.every, spec.max_overhead, subject.weights.device)
        self.heads: dict[str, int] = {}
        """Heads of each module that was heard, in the order they come in a row."""
        self._nothing = torch.full((), torch.nan, device=subject.weights.device)
        self._real: Real | None = None
        self._heard: dict[str, Seen] = {}

    def before_forward(self, step: int, part: int, batch: Batch) -> None:
        """Hook attention, if the step is due."""
        if part or not self.listening.watched:
            return
        self.cadence.begin(step)
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
        self._heard[site.name] = Seen.of(site.kind, weights[: self.spec.graphs], allowed, real.mask)
        self.cadence.spend(started)

    def after_forward(self, step: int, part: int, outputs: Tensor) -> None:
        """The first batch has passed: no more hooks, and one row of what was heard."""
        if self._real is None or part:
            return
        started, real, self._real = self.cadence.mark(), self._real, None
        self.listening.stop()
        with torch.no_grad():
            told = self._of_all(real.mask)
            for name, row in told.items():
                self.heads.setdefault(name, (len(row) - len(OF_MODULES)) // len(OF_HEADS))
            if self.heads:
                self.ring.add(step, torch.cat([self._of(told.get(name), own) for name, own in self.heads.items()]))
        self._heard = {}
        self.cadence.spend(started)

    def _of_all(self, mask: Tensor) -> dict[str, Tensor]:
        try:
            return _told(self._heard, mask)
        except RuntimeError as error:  # Masks of a shape that nothing is known of; the run does not hang on them.
            self.listening.broken |= dict.fromkeys(self._heard, str(error))
            return {}

    def _of(self, told: Tensor | None, heads: int) -> Tensor:
        width = heads * len(OF_HEADS) + len(OF_MODULES)
        return told if told is not None and len(told) == width else self._nothing.expand(width)

    def after_step(self, step: int, totals: Tensor) -> None:
        """The step is over, and how long it took is known."""
        self.cadence.end()

    def told(self, host: np.ndarray) -> list[Chunk]:
        """The chunks of what was waiting, once it is known what reading it took."""
        self.cadence.settle()
        return super().told(host)

    def chunks(self, steps: np.ndarray, rows: np.ndarray) -> list[Chunk]:
        """One chunk by head and one by module."""
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


@dataclass(frozen=True)
class Seen:
    """What is kept of one module's weights [graphs, heads, rows, columns]: their rows, and the mask they came with."""

    sums_to_one: bool
    sums: Tensor
    norms: Tensor
    inside: Tensor
    """The weight of each row on what it may read."""
    permitted: Tensor
    allowed: Tensor | None
    """Of the whole batch, as the model told it."""
    columns: int

    @classmethod
    def of(cls, kind: str, weights: Tensor, allowed: Tensor | None, mask: Tensor) -> Seen:
        """Reduce the rows."""
        permitted = _permitted(weights, allowed, mask[: len(weights)])
        sums = weights.sum(-1, dtype=torch.float32)
        norms = torch.linalg.vector_norm(weights, dim=-1, dtype=torch.float32)
        inside = (weights * permitted).sum(-1, dtype=torch.float32)
        return cls(kind == "attention", sums, norms, inside, permitted, allowed, weights.shape[-1])

    @property
    def kin(self) -> tuple[bool, torch.Size, int]:
        """What modules must share to be worked on together: layers mostly have one mask."""
        return self.sums_to_one, self.sums.shape, id(self.permitted if self.allowed is None else self.allowed)


def _permitted(weights: Tensor, allowed: Tensor | None, mask: Tensor) -> Tensor:
    """What each row may read, 1 or 0; where the model does not say, real nodes."""
    if allowed is not None:
        return allowed[: len(weights)].to(weights.dtype)
    nodes = weights.shape[-1] == mask.shape[-1] and len(mask) == len(weights)
    return mask[:, None, None, :].to(weights.dtype) if nodes else weights.new_ones(1, 1, 1, weights.shape[-1])


def _told(heard: Mapping[str, Seen], mask: Tensor) -> dict[str, Tensor]:
    """The numbers of every module: its heads one by one, then itself."""
    groups: dict[tuple[bool, torch.Size, int], list[str]] = {}
    for name, seen in heard.items():
        groups.setdefault(seen.kin, []).append(name)
    told: dict[str, Tensor] = {}
    for names in groups.values():
        told |= zip(names, _rows_of([heard[name] for name in names], mask).unbind(), strict=True)
    return {name: told[name] for name in heard}


def _rows_of(modules: Sequence[Seen], mask: Tensor) -> Tensor:
    """[modules, heads * len(OF_HEADS) + len(OF_MODULES)] of modules of one shape and mask."""
    first = modules[0]
    sums, norms, inside = (
        torch.stack([getattr(each, name) for each in modules]) for name in ("sums", "norms", "inside")
    )
    keys = first.permitted.sum(-1, dtype=torch.float32)
    keys = keys if first.permitted.shape[-1] == first.columns else keys * first.columns
    real = _real_rows(sums, mask)
    counted = (real & (keys > 0)).expand_as(sums[0])
    effective = (1 if first.sums_to_one else sums.square()) / norms.square().clamp(min=1e-30)
    effective = torch.where(counted, effective, 0.0)
    rows = counted.sum((0, 2)).clamp(min=1)
    means = [each.sum((1, 3)) / rows for each in (effective, effective / keys.clamp(min=1))]
    leak = torch.where(real, sums - inside, 0.0).amax((1, 2, 3))
    error = torch.where(counted, (sums - 1).abs(), 0.0).amax((1, 2, 3))
    error = error if first.sums_to_one else torch.full_like(error, torch.nan)
    masked = _masked_rows(first.allowed, mask).expand(len(modules), -1)
    return torch.cat([torch.stack(means, 2).flatten(1), torch.stack([error, leak], 1), masked], 1)


def _real_rows(sums: Tensor, mask: Tensor) -> Tensor:
    """[graphs, 1, rows] or [1, 1, 1] bool: which rows are those of real nodes."""
    _, graphs, _, rows = sums.shape
    fits = graphs <= len(mask) and rows == mask.shape[1]
    return mask[:graphs, None, :] if fits else mask.new_ones(1, 1, 1)


def _masked_rows(allowed: Tensor | None, mask: Tensor) -> Tensor:
    """Real rows and rows of padding that may read nothing, told from the mask of the whole batch; NaN without one."""
    nothing = torch.full((2,), torch.nan, device=mask.device)
    if allowed is None:
        return nothing
    none = allowed.any(-1).logical_not() if allowed.dtype == torch.bool else allowed.amax(-1) == 0
    none = none.any(1) if none.ndim == 3 else none
    if none.shape != mask.shape and none.shape[-1] != 1:
        return torch.stack([none.sum().float(), nothing[0]])
    none = none.expand(mask.shape)
    return torch.stack([(none & mask).sum(), (none & ~mask).sum()]).float()
