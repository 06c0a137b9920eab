"""The mixed model: all trials at once, with each seed's luck as a random effect (REML, statsmodels)."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lab.analysis.estimate import ALPHA
from lab.analysis.factorial import Factorial, Term, factorial
from lab.analysis.table import Floats, ScoreTable
from lab.spec.spec import Level

MOST_NUMBERS = 300_000
"""Trials times columns up to which interactions are fitted, in about two seconds; beyond, main effects alone."""
EXACT = 1e-12
"""A share of all variation this small is rounding, not noise."""
LEAST_START = 0.01
"""The least ratio of variances that a search starts from: at zero it would stay there."""
BOUNDARY = 1e-8
"""A seed variance this small beside the residual one is none."""


@dataclass(frozen=True)
class MixedEffect:
    """A level against the base's, averaged evenly over the levels of all other factors."""

    factor: str
    level: Level
    against: Level
    mean: float
    error: float
    low: float
    high: float
    p: float


@dataclass(frozen=True)
class MixedModel:
    """Fixed effects of levels beside a random effect of the seed."""

    effects: tuple[MixedEffect, ...]
    seed_sd: float
    """Standard deviation of what a seed does to all cells alike."""
    residual_sd: float
    """Standard deviation of what is left in a single trial."""
    n: int
    converged: bool
    method: str
    reason: str = ""
    """Why it is not a mixed model after all, or what else a reader should know of it."""

    @property
    def seed_share(self) -> float:
        """The share of seed noise that all cells of a seed have in common."""
        luck = self.seed_sd**2 + self.residual_sd**2
        return self.seed_sd**2 / luck if luck else math.nan


@dataclass(frozen=True)
class _Fit:
    """Coefficients in units of the scores' standard deviation."""

    coefficients: Floats
    covariance: Floats
    seed_variance: float
    residual_variance: float
    failure: str = ""


def mixed_model(table: ScoreTable) -> MixedModel | None:
    """Fit it; None without two seeds, or where factors cannot be told from one another."""
    model = factorial(table)
    if model is None or len(model.table.seeds) < 2:
        return None
    terms, note = _estimable(model)
    columns = [column for term in terms for column in term.columns]
    freedom = model.num_scores - len(model.table.seeds) - len(columns)
    scale = float(model.centred[model.table.has].std())
    if not columns or freedom < 1 or scale == 0:
        return None
    fit = _random(model, columns, scale)
    failure = fit.failure
    if failure:
        fit = _fixed(model, columns, scale, freedom)
    how = "seed as a fixed effect, least squares" if failure else "seed as a random effect, REML"
    width = "main effects" if all(len(term.factors) == 1 for term in terms) else "main effects and two-way interactions"
    return MixedModel(
        effects=tuple(_effects(model, terms, fit, scale, freedom)),
        seed_sd=math.sqrt(max(fit.seed_variance, 0.0)) * scale,
        residual_sd=math.sqrt(fit.residual_variance) * scale,
        n=model.num_scores,
        converged=not failure,
        method=f"{how}; {width}; t with {freedom:,} degrees of freedom",
        reason="; ".join(each for each in (failure, note) if each),
    )


def _estimable(model: Factorial) -> tuple[list[Term], str]:
    """All terms, or main effects alone where holes leave an interaction open; none where those are mixed up too."""
    mains = [term for term in model.terms if len(term.factors) == 1]
    if model.main_only or model.num_scores * model.matrix.shape[1] > MOST_NUMBERS:
        choices = [(mains, "interactions are left out: too many for so many trials")]
    else:
        choices = [(list(model.terms), ""), (mains, "interactions are left out: the cells cannot show all of them")]
    for terms, note in choices:
        if model.explained(terms)[1] == sum(len(term.columns) for term in terms):
            return terms, note
    return [], ""


def _random(model: Factorial, columns: list[int], scale: float) -> _Fit:
    """By statsmodels; what it warns of becomes a reason."""
    from statsmodels.regression.mixed_linear_model import MixedLM, MixedLMParams

    if model.residual[0] <= EXACT * float((model.centred**2).sum()):
        return _failed("scores follow cells and seeds exactly, which leaves no noise to model")
    cells, seeds = np.nonzero(model.table.has.T)[::-1]
    design = np.column_stack([np.ones(len(cells)), model.matrix[:, columns][cells]])
    scores = model.centred[cells, seeds] / scale
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            start = MixedLMParams.from_components(np.zeros(design.shape[1]), cov_re=np.array([[_ratio(model)]]))
            fit = MixedLM(scores, design, groups=seeds).fit
            found = fit(start_params=start, reml=True, method=["bfgs", "lbfgs", "powell"])
        except (np.linalg.LinAlgError, ValueError) as error:
            return _failed(f"the mixed model did not converge ({error})")
    residual = float(found.scale)
    seed_variance = float(np.asarray(found.cov_re)[0, 0])
    covariance = np.asarray(found.cov_params())[1 : len(columns) + 1, 1 : len(columns) + 1]
    is_at_edge = seed_variance <= BOUNDARY * residual
    if not found.converged or not np.isfinite(covariance).all():
        words = next((str(each.message).splitlines()[0] for each in said), "no optimum was found")
        if not is_at_edge:
            return _failed(f"the mixed model did not converge ({words})")
    return _Fit(np.asarray(found.fe_params)[1:], covariance, seed_variance, residual)


def _ratio(model: Factorial) -> float:
    """The seeds' variance beside the noise, from sums of squares: what the search for the best one starts from."""
    noise = model.residual[0] / model.residual[1] if model.residual[1] else 0.0
    spare = model.num_scores - len(model.table.cells)
    seeds = (model.blocks[0] - model.blocks[1] * noise) / spare if spare else 0.0
    return max(seeds / noise, LEAST_START) if noise else 1.0


def _failed(reason: str) -> _Fit:
    return _Fit(np.empty(0), np.empty(0), math.nan, math.nan, reason)


def _fixed(model: Factorial, columns: list[int], scale: float, freedom: int) -> _Fit:
    """Least squares within seeds, with the seeds' variance from their sum of squares beside the cells."""
    inner, outer, total = model.products
    inverse: Floats = np.linalg.inv(inner[np.ix_(columns, columns)]).astype(np.float64)
    coefficients = inverse @ outer[columns]
    residual = max(total - float(outer[columns] @ coefficients), 0.0) / freedom
    squares, ranks = model.blocks
    seeds = (squares - ranks * residual) / max(model.num_scores - len(model.table.cells), 1)
    return _Fit(coefficients / scale, inverse * residual / scale**2, max(seeds, 0.0) / scale**2, residual / scale**2)


def _effects(model: Factorial, terms: Sequence[Term], fit: _Fit, scale: float, freedom: int) -> Sequence[MixedEffect]:
    from scipy.special import stdtr, stdtrit

    reach = float(stdtrit(freedom, 1 - ALPHA / 2))
    place = {column: number for number, column in enumerate(column for term in terms for column in term.columns)}
    told = []
    for term in terms:
        if len(term.factors) > 1:
            continue
        here = [place[column] for column in term.columns]
        for level, against, weights in _contrasts(model.table, term):
            mean = float(weights @ fit.coefficients[here]) * scale
            error = math.sqrt(max(float(weights @ fit.covariance[np.ix_(here, here)] @ weights), 0.0)) * scale
            p = 2 * float(stdtr(freedom, -abs(mean) / error)) if error else float(mean == 0)
            ends = (mean - reach * error, mean + reach * error)
            told.append(MixedEffect(term.factors[0], level, against, mean, error, *ends, p))
    return told


def _contrasts(table: ScoreTable, term: Term) -> Sequence[tuple[Level, Level, Floats]]:
    """Each level that is there against the first one, as weights of the term's columns."""
    factor = term.factors[0]
    here = np.unique(table.codes[:, table.column(factor)])
    levels = [table.levels[factor][code] for code in here]
    rows = np.vstack([-np.ones(len(here) - 1), np.eye(len(here) - 1)])
    return [(levels[at], levels[0], rows[at] - rows[0]) for at in range(1, len(here))]
