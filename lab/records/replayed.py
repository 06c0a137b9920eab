"""What a replay found, and where two runs part: plain data, told by whoever has no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from lab.spec.rules import Finding

Phase = Literal["forward", "loss", "backward", "update"]
CLOSE = 1e-3
"""Largest relative difference of losses and gradient norms at which a replay still counts as close."""


@dataclass(frozen=True)
class Computed:
    """One tensor that an operation of a step put out."""

    at: int
    """Which operation of the step it was, from 0."""
    phase: Phase
    module: str
    op: str
    shape: tuple[int, ...]
    low: float
    high: float
    norm: float
    odd: int
    """Elements that are NaN or infinite above."""


@dataclass(frozen=True)
class Abnormal:
    """The first tensor of a step that no sound step holds."""

    tensor: Computed
    what: Literal["NaN", "Inf", "huge"]
    is_created: bool
    """Whether all that went into it was sound."""
    source: str = ""
    """The parameter or the part of the batch that brought it in, where it is inherited."""
    inputs: tuple[str, ...] = ()
    """What went into it."""
    graphs: tuple[int, ...] = ()
    """The graphs of the batch it stands in, where its axes tell."""
    reached_loss: bool = False


@dataclass(frozen=True)
class Tried:
    """One step, as it was or as it might have been."""

    how: str
    loss: float
    grad_norm: float
    update: float
    """How far the weights moved, by their norm."""
    after: float
    """The loss of the same batch once the weights had moved."""
    later: tuple[float, ...] = ()
    """The losses of the steps that followed."""
    failed: str = ""
    """Why it could not be tried."""


@dataclass(frozen=True)
class Agreement:
    """How far a replay went the way that was recorded."""

    compared: int = 0
    """Steps (or epochs, for a trial without a bundle) that could be compared."""
    by: str = ""
    """What was compared."""
    first_differing: int | None = None
    """The first step that was not the same to the last bit."""
    largest: float = 0.0
    """The largest relative difference of a loss or gradient norm."""
    parted: int | None = None
    """The first step at which that difference was more than close."""

    @property
    def label(self) -> Literal["exact", "close", "diverged", "unknown"]:
        """The replay in one word."""
        if not self.compared:
            return "unknown"
        if self.parted is not None:
            return "diverged"
        return "exact" if self.first_differing is None else "close"


@dataclass(frozen=True)
class Replayed:
    """A step of a trial, taken again and taken apart."""

    trial: str
    study: str
    label: str
    seed: int
    step: int
    epoch: int
    start: int
    """The step the replay started before."""
    source: str
    """What it started from."""
    agreement: Agreement
    loss: float
    grad_norm: float
    lr: float
    graphs: tuple[tuple[int, ...], ...]
    """The graphs of each batch of the step."""
    finding: Finding | None = None
    computed: tuple[Computed, ...] = ()
    abnormal: Abnormal | None = None
    suspects: tuple[int, ...] = ()
    """Graphs without which the step is sound."""
    blame: str = ""
    """What the search for them says."""
    tried: tuple[Tried, ...] = ()
    raised: str = ""
    """What the step raised."""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Difference:
    """The first thing that is not the same in two runs."""

    step: int
    where: Literal["parameters", "initial weights", "batch", "forward", "loss", "gradient", "update"]
    module: str = ""
    tensor: str = ""
    says: str = ""


@dataclass(frozen=True)
class Parting:
    """Two runs side by side: where they part, if they do, and by which options."""

    first: str
    second: str
    seed: int
    steps: int
    """Steps that were compared."""
    difference: Difference | None = None
    missing: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())
    """Parameters that only the first has, and only the second."""
    options: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)
    """Options that differ, with the level on either side."""
    causes: tuple[str, ...] = ()
    """Those of them that can make this difference."""
    notes: tuple[str, ...] = ()
