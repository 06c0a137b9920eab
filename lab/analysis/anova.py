"""The factorial analysis of variance: how much each factor explains, and how much is the luck of a seed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from lab.analysis.factorial import Factorial, Term, factorial
from lab.analysis.table import ScoreTable

Kind = Literal["II", "III"]
HIGHER, SEED, ERROR = "higher order", "seed", "error"
"""Rows beside the terms: cells beyond two-way interactions; seeds that lift all cells alike; what is left of a seed."""


@dataclass(frozen=True)
class Line:
    """One row of the table."""

    name: str
    """Factors joined by " x ", or `higher order`, `seed`, `error`."""
    factors: tuple[str, ...]
    freedom: int
    """Degrees of freedom; 0 for a term that other terms stand for already."""
    squares: float
    """Sum of squares."""
    share: float
    """Of the total sum of squares; in an unbalanced study shares do not add up to one."""
    f: float = math.nan
    p: float = math.nan
    partial_eta: float = math.nan
    """Of what is neither another term's nor a seed's, the share that is this term's."""


@dataclass(frozen=True)
class Shares:
    """The variance of a trial's score in parts, estimated without bias from the mean squares (0 where negative)."""

    cells: float
    """Variance between cells: what the factors make."""
    seeds: float
    """Variance of what a seed does to all cells alike, which pairing takes away."""
    noise: float
    """Variance of what a seed does to each cell by itself."""

    @property
    def seed_share(self) -> float:
        """The share of all variance that is seed noise of either sort."""
        total = self.cells + self.seeds + self.noise
        return (self.seeds + self.noise) / total if total else math.nan

    @property
    def paired_away(self) -> float:
        """The share of seed noise that comparing equal seeds takes away."""
        luck = self.seeds + self.noise
        return self.seeds / luck if luck else math.nan


@dataclass(frozen=True)
class AnovaTable:
    """Factors, interactions, seeds and error."""

    terms: tuple[Line, ...]
    """Main effects in the order of the study file, then interactions."""
    higher: Line
    seed: Line
    error: Line
    total: float
    kind: Kind
    n: int
    """Trials with a score."""
    shares: Shares
    is_balanced: bool
    """Whether every cell has every seed."""
    notes: tuple[str, ...] = ()

    @property
    def method(self) -> str:
        """What was computed, in words."""
        return (
            f"analysis of variance of {self.n:,} trials, seeds as blocks, type {self.kind} sums of squares, "
            "error: seed x cell"
        )

    def term(self, *factors: str) -> Line | None:
        """The row of a factor or of an interaction."""
        return next((line for line in self.terms if set(line.factors) == set(factors)), None)


def anova(table: ScoreTable, *, kind: Kind = "II") -> AnovaTable | None:
    """The table of a study; None where it has no two cells and seeds to tell apart."""
    model = factorial(table)
    if model is None or model.residual[1] < 1:
        return None
    total = float((model.centred**2).sum())
    error = _line(ERROR, *model.residual, total=total)
    judge = _Judge(total, error.squares, error.freedom)
    terms = tuple(_term(model, term, kind, judge) for term in model.terms)
    squares, freedom = model.explained(model.terms)
    above = (max(model.between[0] - squares, 0.0), model.between[1] - freedom)
    return AnovaTable(
        terms=terms,
        higher=judge.line(HIGHER, (), *above),
        seed=judge.line(SEED, (), *model.blocks),
        error=error,
        total=total,
        kind=kind,
        n=model.num_scores,
        shares=_shares(model),
        is_balanced=bool(model.table.has.all()),
        notes=tuple(_notes(model, terms)),
    )


@dataclass(frozen=True)
class _Judge:
    """What every row is held against."""

    total: float
    squares: float
    freedom: int

    def line(self, name: str, factors: tuple[str, ...], squares: float, freedom: int) -> Line:
        from scipy.special import fdtrc

        if freedom < 1:
            return _line(name, 0.0, 0, total=self.total, factors=factors)
        noise = self.squares / self.freedom
        f = squares / freedom / noise if noise else (math.inf if squares else math.nan)
        return Line(
            name=name,
            factors=factors,
            freedom=freedom,
            squares=squares,
            share=squares / self.total if self.total else math.nan,
            f=f,
            p=float(fdtrc(freedom, self.freedom, f)) if math.isfinite(f) else (0.0 if f == math.inf else math.nan),
            partial_eta=squares / (squares + self.squares) if squares + self.squares else math.nan,
        )


def _line(name: str, squares: float, freedom: int, *, total: float, factors: tuple[str, ...] = ()) -> Line:
    return Line(name, factors, freedom, squares, squares / total if total else math.nan)


def _term(model: Factorial, term: Term, kind: Kind, judge: _Judge) -> Line:
    beside = model.without(term, marginal=kind == "II")
    fewer, more = model.explained(beside), model.explained([*beside, term])
    return judge.line(term.name, term.factors, max(more[0] - fewer[0], 0.0), more[1] - fewer[1])


def _shares(model: Factorial) -> Shares:
    """Each sum of squares less what the error alone would give, over how often its variance counts in it."""
    noise = model.residual[0] / model.residual[1]
    cells, seeds = model.num_scores - len(model.table.seeds), model.num_scores - len(model.table.cells)
    return Shares(
        cells=max(0.0, (model.between[0] - model.between[1] * noise) / cells),
        seeds=max(0.0, (model.blocks[0] - model.blocks[1] * noise) / seeds),
        noise=noise,
    )


def _notes(model: Factorial, terms: tuple[Line, ...]) -> list[str]:
    """What a reader should know before trusting the table."""
    notes = []
    if not model.table.has.all():
        notes.append("not every cell has every seed, so shares do not add up to one")
    if model.main_only:
        notes.append("too many interactions to model: they are part of the higher order")
    hidden = [line.name for line in terms if not line.freedom]
    if hidden:
        notes.append(f"the cells that are in cannot tell these from other terms: {', '.join(hidden)}")
    return notes
