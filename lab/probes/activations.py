"""Activations: what blocks, norms, ReLUs, gates and the read-out put out, from sums, norms and largest values."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lab.data.batch import Batch
from lab.probes.cadence import Cadence
from lab.probes.measures import MEASURES, PADDED, Real, Rows, gated, largest_of, measured, measures_of, sizes_of
from lab.probes.probe import Subject
from lab.probes.ringed import RingProbe, not_measured
from lab.probes.sites import Listening, Site, sites
from lab.records.chunk import TOTAL, Chunk
from lab.spec.probes import Activations
from lab.spec.rules import Finding

STATISTICS = ("mean", "std", "abs_max", "nonfinite", "dead_units", "sat", "pad_out", "pad_grad")


class ActivationProbe(RingProbe):
    """Hooks the sites on steps that are due; a row holds the measures of all sites, then their gradients at padding."""

    def __init__(self, spec: Activations, subject: Subject) -> None:
        super().__init__()
        self.spec = spec
        self.sites = () if subject.is_compiled else sites(subject.model)
        self.is_compiled = subject.is_compiled
        self.listening = Listening(self.sites, self._hear)
        self.cadence = Cadence(spec.every, spec.max_overhead, subject.weights.device)
        self.called: set[str] = set()
        self.idle = _idle(self.sites, subject.model)
        """Sites that the model itself says have no part in its answer."""
        self.read = 0
        """Readings taken."""
        self._nothing = torch.full((len(MEASURES),), torch.nan, device=subject.weights.device)
        self._real: Real | None = None
        self._heard: dict[str, Tensor | Rows] = {}
        self._behind: dict[str, Tensor] = {}
        """Row sizes of gradients, or the largest of those in padding."""

    def before_forward(self, step: int, part: int, batch: Batch) -> None:
        """Hook the sites, if the step is due."""
        if part or not self.sites:
            return
        self.cadence.begin(step)
        if self.cadence.is_due(step):
            started = self.cadence.mark()
            self._real = Real.of(batch)
            self.listening.start()
            self.cadence.spend(started)

    @torch.no_grad()
    def _hear(self, site: Site, output: Tensor, allowed: Tensor | None) -> None:
        started, real = self.cadence.mark(), self._real
        assert real is not None
        if site.kind in ("attention", "gate") and output.ndim == 4:
            self._heard[site.name] = gated(site.kind, output, allowed, real)
        elif site.kind != "gate" and real.is_plain(output):
            self._heard[site.name] = Rows.of(site.kind, output, real)
        else:
            self._heard[site.name] = measured(site.kind, output, real)
        if site.kind in PADDED and output.requires_grad and real.fits(output):
            output.register_hook(partial(self._feel, site.name, real))  # type: ignore[no-untyped-call]
        self.cadence.spend(started)

    @torch.no_grad()
    def _feel(self, name: str, real: Real, gradient: Tensor) -> None:
        started = self.cadence.mark()
        self._behind[name] = sizes_of(gradient) if real.is_plain(gradient) else real.largest(gradient)[1]
        self.cadence.spend(started)

    def after_forward(self, step: int, part: int, outputs: Tensor) -> None:
        """The first batch has passed: no more hooks."""
        if self.listening.is_on:
            self.listening.stop()

    @torch.no_grad()
    def after_backward(self, step: int) -> None:
        """Everything of this reading is there: one row."""
        if self._real is None:
            return
        started, real, self._real = self.cadence.mark(), self._real, None
        forward, behind = self._forward(real), self._backward(real)
        told = [forward.get(site.name, self._nothing) for site in self.sites]
        felt = [behind.get(site.name, self._nothing[0]) for site in self.sites]
        self.ring.add(step, torch.cat([*told, torch.stack(felt)]))
        self.called |= self._heard.keys()
        self.read += 1
        self._heard, self._behind = {}, {}
        self.cadence.spend(started)

    def _forward(self, real: Real) -> dict[str, Tensor]:
        """The measures of every output that was heard."""
        rows = {name: heard for name, heard in self._heard.items() if isinstance(heard, Rows)}
        told = {name: heard for name, heard in self._heard.items() if isinstance(heard, Tensor)}
        if rows:
            told |= zip(rows, measures_of(list(rows.values()), real).unbind(), strict=True)
        return told

    def _backward(self, real: Real) -> dict[str, Tensor]:
        """The largest gradient that reaches padding, where one was felt."""
        sizes = {name: felt for name, felt in self._behind.items() if felt.ndim}
        told = {name: felt.float() for name, felt in self._behind.items() if not felt.ndim}
        if sizes:
            told |= zip(sizes, largest_of(list(sizes.values()), real)[1].unbind(), strict=True)
        return told

    def after_step(self, step: int, totals: Tensor) -> None:
        """The step is over, and how long it took is known."""
        self.cadence.end()

    def told(self, host: np.ndarray) -> list[Chunk]:
        """The chunks of what was waiting, once it is known what reading it took."""
        self.cadence.settle()
        return super().told(host)

    def chunks(self, steps: np.ndarray, rows: np.ndarray) -> list[Chunk]:
        """One chunk of what sites put out, and one of how scale changes over the blocks."""
        count = len(self.sites)
        forward = rows[:, : count * len(MEASURES)].reshape(len(steps), count, -1).transpose(2, 0, 1)
        told = _statistics(forward.astype(np.float64), rows[:, count * len(MEASURES) :])
        gain = _depth_gain(told[1][:, [site.kind == "block" for site in self.sites]])
        called = [place for place, site in enumerate(self.sites) if site.name in self.called]
        names = tuple(self.sites[place].name for place in called)
        values = np.stack(told, axis=1)[:, :, called].astype(np.float32)
        chunks = [Chunk(self.spec.kind, steps, names, STATISTICS, values)] if names else []
        return [*chunks, Chunk(self.spec.kind, steps, (TOTAL,), ("depth_gain",), gain[:, None, None])]

    def remarks(self) -> tuple[Finding, ...]:
        """Compiled models, modules that are never called, outputs that could not be measured."""
        if self.is_compiled:
            return (not_measured(self.spec.kind, "", "the model is compiled, and hooks would break what was compiled"),)
        broken = self.listening.broken
        told = [not_measured(self.spec.kind, name, problem) for name, problem in broken.items()]
        known = self.called | broken.keys() | self.idle
        silent = [site.name for site in self.sites if self.read and site.name not in known]
        return (*told, *(not_measured(self.spec.kind, name, "it is never called") for name in silent))

    def state(self) -> dict[str, Any]:
        """What the cadence has learnt, and who was heard."""
        return {"cadence": self.cadence.state(), "called": sorted(self.called), "read": self.read}

    def load(self, said: Mapping[str, Any]) -> None:
        """Go on from a checkpoint."""
        self.cadence.load(said["cadence"])
        self.called, self.read = set(said["called"]), said["read"]


def _idle(watched: Iterable[Site], model: nn.Module) -> frozenset[str]:
    """Sites all of whose parameters get no gradient by construction: that they are not called is no news."""
    cancelled: Callable[[], set[str]] = getattr(model, "zero_gradient", set)
    without = cancelled()
    owned = {site.name: {f"{site.name}.{name}" for name, _ in site.module.named_parameters()} for site in watched}
    return frozenset(name for name, parameters in owned.items() if parameters and parameters <= without)


def _statistics(forward: np.ndarray, behind: np.ndarray) -> list[np.ndarray]:
    """The statistics [readings, sites] behind the measures; in float64, as a variance is a difference of squares."""
    total, norm, count, largest, nonfinite, dead, saturated, padding = forward
    with np.errstate(all="ignore"):
        mean = total / count
        spread = np.sqrt(np.maximum(norm**2 / count - mean**2, 0.0))
    return [mean, spread, largest, nonfinite, dead, saturated, padding, behind]


def _depth_gain(spreads: np.ndarray) -> np.ndarray:
    """The largest over the smallest standard deviation of the blocks; NaN without blocks."""
    if not spreads.shape[1]:
        return np.full(len(spreads), np.nan, dtype=np.float32)
    with np.errstate(all="ignore"):
        gain: np.ndarray = (spreads.max(axis=1) / spreads.min(axis=1)).astype(np.float32)
    return gain
