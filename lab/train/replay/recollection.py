"""Recollection: what was recorded of a run's steps, and how a replay agrees with it."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lab.records.chunk import TOTAL
from lab.records.replayed import CLOSE, Agreement
from lab.train.flight.log import Flown


class Recollection(ABC):
    """What is known of the steps of a run."""

    by: str
    """What a replay is compared by."""

    @abstractmethod
    def same(self, flown: Flown) -> tuple[bool, float] | None:
        """Whether a step is the recorded one to the last bit, and how far it is from it; None of an unknown step."""

    def scale(self, step: int) -> float | None:
        """What a plateau had made of the learning rate by then, where that is known."""
        return None

    def mean_loss(self, epoch: int) -> float | None:
        """The recorded loss of an epoch."""
        return None


class OfLog(Recollection):
    """A flight recorder's log: hashes of gradients tell every bit."""

    def __init__(self, steps: Sequence[Flown], *, is_hashed: bool) -> None:
        self.steps = {flown.step: flown for flown in steps}
        self.is_hashed = is_hashed
        """Whether its hashes are of the kind that the replay computes."""
        self.by = "gradient hashes and losses" if self.is_hashed else "losses and gradient norms"

    def same(self, flown: Flown) -> tuple[bool, float] | None:
        """Compare a step with the known one."""
        known = self.steps.get(flown.step)
        if known is None:
            return None
        is_same = known.grad_hash == flown.grad_hash if self.is_hashed else _equal(known.grad_norm, flown.grad_norm)
        apart = max(_apart(known.loss, flown.loss), _apart(known.grad_norm, flown.grad_norm))
        return is_same and _equal(known.loss, flown.loss), apart

    def scale(self, step: int) -> float | None:
        """What a plateau had made of the learning rate by then."""
        known = self.steps.get(step)
        return None if known is None else known.scale


class OfReadings(Recollection):
    """A record without a bundle: the readings that were kept of single steps, and the loss of every epoch."""

    by = "recorded losses"

    def __init__(self, readings: pa.Table | None, losses: Sequence[float]) -> None:
        self.known = _totals(readings) if readings is not None else {}
        self.losses = losses

    def same(self, flown: Flown) -> tuple[bool, float] | None:
        """Compare a step with the known one."""
        known = self.known.get(flown.step)
        if known is None:
            return None
        told = tuple(float(np.float32(value)) for value in (flown.loss, flown.grad_norm))
        pairs = list(zip(known, told, strict=True))
        return all(_equal(*pair) for pair in pairs), max(_apart(*pair) for pair in pairs)

    def mean_loss(self, epoch: int) -> float | None:
        """The recorded loss of an epoch."""
        return self.losses[epoch - 1] if epoch <= len(self.losses) else None


def _totals(readings: pa.Table) -> Mapping[int, tuple[float, float]]:
    """The loss and the gradient norm of the steps that were kept as they were read."""
    if not {"loss", "total_norm"} <= set(readings.column_names):
        return {}
    rows = readings.filter(
        pc.and_(pc.equal(pc.cast(readings["name"], pa.string()), TOTAL), pc.is_valid(readings["loss"]))
    )
    if "loss_min" in rows.column_names:
        rows = rows.filter(pc.is_null(rows["loss_min"]))
    columns = (rows[name].to_pylist() for name in ("step", "loss", "total_norm"))
    return {step: (loss, norm) for step, loss, norm in zip(*columns, strict=True) if norm is not None}


@dataclass
class Held:
    """A replay held against what is known, as it goes."""

    known: Recollection
    agreement: Agreement = field(default_factory=Agreement)

    def __post_init__(self) -> None:
        self.agreement = Agreement(by=self.known.by)

    def see(self, flown: Flown) -> None:
        """Compare a step."""
        told = self.known.same(flown)
        if told is not None:
            self._note(flown.step, *told)

    def see_epoch(self, epoch: int, step: int, mean_loss: float) -> None:
        """Compare an epoch that ended with this step."""
        known = self.known.mean_loss(epoch)
        if known is not None:
            self._note(step, _equal(known, mean_loss), _apart(known, mean_loss))

    def _note(self, step: int, is_same: bool, apart: float) -> None:
        now = self.agreement
        self.agreement = replace(
            now,
            compared=now.compared + 1,
            first_differing=step if now.first_differing is None and not is_same else now.first_differing,
            largest=max(now.largest, apart),
            parted=step if now.parted is None and apart > CLOSE else now.parted,
        )


def _equal(one: float, other: float) -> bool:
    return one == other or (math.isnan(one) and math.isnan(other))


def _apart(one: float, other: float) -> float:
    """The relative difference of two numbers; infinite where only one of them is finite."""
    if _equal(one, other):
        return 0.0
    if not (math.isfinite(one) and math.isfinite(other)):
        return math.inf
    return abs(one - other) / max(abs(one), abs(other))
