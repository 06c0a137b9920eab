"""How often intervals hold the truth and how often tests find what is not there, over simulated studies.

python benchmarks/coverage.py [--studies 2000]

Every number comes out of the functions that a report uses. A study is a grid of 2 x 2 cells whose effects are known;
its seeds lift or lower all of its cells alike, and each world adds noise of its own kind.
"""

from __future__ import annotations

import argparse
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from lab.analysis.aggregate import aggregates
from lab.analysis.anova import anova
from lab.analysis.bootstrap import LEAST, Method, interval_ends
from lab.analysis.cells import rank
from lab.analysis.effects import effects_in
from lab.analysis.equivalence import tost
from lab.analysis.estimate import ALPHA, estimate
from lab.analysis.evidence import Sample
from lab.analysis.interactions import SIGNS, interactions_in
from lab.analysis.leave_one_out import leave_one_out
from lab.analysis.mixed import mixed_model
from lab.analysis.outline import Outline, PlannedCell
from lab.analysis.pairing import averaged, twins
from lab.analysis.permutation import permutation_p
from lab.analysis.rows import Row
from lab.analysis.table import ScoreTable, table_of

Floats = NDArray[np.float64]
World = Literal["normal", "skewed", "one level skewed", "collapses", "seed x factor", "holes"]
WORLDS: Mapping[World, str] = {
    "normal": "normal noise in every trial",
    "skewed": "lognormal noise (skewness 6) in every trial",
    "one level skewed": "one level with skewed, wider noise (skewness 3.7), the other with narrow normal noise",
    "collapses": "one level drops by 5 in every tenth trial, else narrow normal noise",
    "seed x factor": "a seed also changes what the factor does",
    "holes": "normal noise, and every tenth trial is lost",
}
SEEDS = (3, 5, 8, 12, 20)
METHODS: tuple[Method, ...] = ("studentised", "bca", "percentile")
EFFECT, TOGETHER = 0.8, 0.6
"""What the first factor adds, and what both add together beyond that."""
LUCK = 2.0
"""The standard deviation of what a seed does to all cells alike."""
CHUNK = 250
"""Studies whose resamples are in memory at once."""


@dataclass(frozen=True)
class Coverage:
    """How often 95 % intervals of one method held the truth."""

    world: World
    seeds: int
    what: str
    method: str
    share: float
    width: float
    """The median width."""
    studies: int


@dataclass(frozen=True)
class ErrorRate:
    """How often a test found something where nothing was."""

    what: str
    seeds: int
    share: float
    studies: int


def grid(seeds: int, levels: Sequence[int] = (2, 2)) -> ScoreTable:
    """A full grid of factors without scores yet."""
    names = "abcdef"[: len(levels)]
    cells = [dict(zip(names, row, strict=True)) for row in product(*map(range, levels))]
    planned = {f"c{number}": PlannedCell(f"c{number}", "", cell) for number, cell in enumerate(cells)}
    outline = Outline("s", "?", "", "valid.acc", "max", "best_epoch", None, tuple(names), "c0", cells[0], planned, ())
    rows = [Row(f"{cell}-{s}", cell, "", s, status="done", score=0.0) for cell in planned for s in range(seeds)]
    return table_of(rows, outline)


def draw(world: World, seeds: int, generator: np.random.Generator) -> tuple[Floats, float]:
    """The scores of one 2 x 2 study, [cells, seeds], and the true main effect of its first factor."""
    changed = np.array([[0.0], [0.0], [1.0], [1.0]])
    both = np.array([[0.0], [0.0], [0.0], [1.0]])
    truth = EFFECT + TOGETHER / 2
    noise = generator.normal(size=(4, seeds))
    if world == "skewed":
        noise = _lognormal(1.0, (4, seeds), generator)
    elif world == "one level skewed":
        noise = np.where(changed > 0, 2 * _lognormal(0.8, (4, seeds), generator), 0.3 * noise)
    elif world == "collapses":
        noise = 0.3 * noise - 5.0 * changed * (generator.random((4, seeds)) < 0.1)
        truth -= 0.5
    elif world == "seed x factor":
        noise = noise + changed * generator.normal(0, 1.5, seeds)
    elif world == "holes":
        noise = np.where(generator.random((4, seeds)) < 0.1, np.nan, noise)
    return LUCK * generator.normal(size=seeds) + EFFECT * changed + TOGETHER * both + noise, truth


def _lognormal(sigma: float, shape: tuple[int, int], generator: np.random.Generator) -> Floats:
    """Skewed noise of mean 0 and standard deviation 1."""
    square = np.exp(sigma**2)
    raw = np.exp(sigma * generator.normal(size=shape)) - np.sqrt(square)
    return np.asarray(raw / np.sqrt(square * (square - 1)))


def coverages(studies: int, worlds: Sequence[World], seeds: Sequence[int]) -> Iterator[Coverage]:
    """Coverage of the main effect by every method, and of the interaction by t."""
    for world, n in product(worlds, seeds):
        table, generator = grid(n), np.random.default_rng([n, len(world)])
        pairs, quads = twins(table, ("a", 1)), twins(table, ("a", 1), ("b", 1))
        mains: list[Sample] = []
        crossed: list[Sample] = []
        for _ in range(studies):
            scores, truth = draw(world, n, generator)
            drawn = table.with_scores(scores)
            mains.append(averaged(drawn, pairs, (1, -1))[0])
            crossed.append(averaged(drawn, quads, SIGNS)[0])
        for what, samples, true in (("main effect", mains, truth), ("interaction", crossed, TOGETHER)):
            told = [sample.estimate for sample in samples if sample.estimate.has_interval]
            yield _covered((world, n, what, "t"), *_ends_of(told), true)
        for method in METHODS:
            if n >= LEAST[method]:
                yield _covered((world, n, "main effect", method), *_bootstrapped(mains, method), truth)


def _ends_of(told: Sequence[object]) -> tuple[Floats, Floats]:
    return np.array([each.low for each in told]), np.array([each.high for each in told])  # type: ignore[attr-defined]


def _bootstrapped(samples: Sequence[Sample], method: Method) -> tuple[Floats, Floats]:
    lows, highs = [], []
    by_size: dict[int, list[tuple[float, ...]]] = {}
    for sample in samples:
        by_size.setdefault(len(sample.values), []).append(sample.values)
    for size, values in by_size.items():
        for start in range(0, len(values) if size >= LEAST[method] else 0, CHUNK):
            low, high = interval_ends(np.array(values[start : start + CHUNK]), method=method)
            lows.append(low)
            highs.append(high)
    return np.concatenate(lows), np.concatenate(highs)


def _covered(where: tuple[World, int, str, str], low: Floats, high: Floats, truth: float) -> Coverage:
    held = (low <= truth) & (truth <= high)
    return Coverage(*where, float(held.mean()), float(np.median(high - low)), len(low))


def mixed_coverages(studies: int, seeds: int = 8) -> Iterator[Coverage]:
    """Coverage of the mixed model, which takes a seed to move all cells alike."""
    for world in ("normal", "seed x factor", "holes"):
        table, generator, ends = grid(seeds), np.random.default_rng([seeds, len(world), 1]), []
        for _ in range(studies):
            scores, truth = draw(world, seeds, generator)
            model = mixed_model(table.with_scores(scores))
            ends += [(each.low, each.high) for each in model.effects if each.factor == "a"] if model else []
        low, high = np.array(ends).T
        yield _covered((world, seeds, "main effect", "mixed model"), low, high, truth)


def error_rates(studies: int, seeds: Sequence[int]) -> Iterator[ErrorRate]:
    """Studies of 2 x 2 x 3 cells where nothing differs: how often something is found all the same."""
    for n in seeds:
        table, generator = grid(n, (2, 2, 3)), np.random.default_rng([n, 99])
        found: dict[str, list[float]] = {}
        for _ in range(studies):
            luck = LUCK * generator.normal(size=n)
            drawn = table.with_scores(luck + generator.normal(size=(12, n)))
            for what, rate in _found(drawn).items():
                found.setdefault(what, []).append(rate)
        for what, rates in found.items():
            yield ErrorRate(what, n, float(np.mean(rates)), studies)


def _found(table: ScoreTable) -> dict[str, float]:
    mains, crossed, removed = effects_in(table), interactions_in(table), leave_one_out(table)
    variance = anova(table)
    assert variance is not None
    return {
        "any of 4 main effects told apart (Holm)": any(each.told_apart for each in mains),
        "any of 5 interactions told apart (Holm)": any(each.told_apart for each in crossed),
        "any of 4 removals told apart (Holm)": any(each.told_apart for each in removed),
        "one main effect, t, p <= 0.05": mains[0].difference.p <= ALPHA,
        "one main effect, permutation, p <= 0.05": permutation_p(np.array(mains[0].evidence.values)) <= ALPHA,
        "one term of the analysis of variance, p <= 0.05": variance.terms[0].p <= ALPHA,
        "one clear best among 12 equal cells": _has_best(table),
    }


def _has_best(table: ScoreTable) -> bool:
    cells = {cell: PlannedCell(cell, "", {}) for cell in table.cells}
    outline = Outline("s", "?", "", "valid.acc", "max", "best_epoch", None, (), table.cells[0], {}, cells, ())
    rows = [
        Row(f"{cell}-{seed}", cell, "", seed, status="done", score=float(score))
        for cell, scores in zip(table.cells, table.scores, strict=True)
        for seed, score in zip(table.seeds, scores, strict=True)
    ]
    return rank(rows, outline).best is not None


def equivalence_rates(studies: int, seeds: Sequence[int], margin: float = 1.0) -> Iterator[ErrorRate]:
    """A true difference just as large as the margin: how often it is called smaller."""
    for n in seeds:
        generator = np.random.default_rng([n, 7])
        shown = [
            tost(estimate(values), margin).is_shown() for values in generator.normal(margin, 0.3, (studies, n)).tolist()
        ]
        yield ErrorRate("equivalence shown at the very margin", n, float(np.mean(shown)), studies)


def aggregate_coverages(studies: int, seeds: Sequence[int]) -> Iterator[Coverage]:
    """Interquartile means and probabilities of improvement of a level, by the stratified percentile bootstrap."""
    for n, luck in product(seeds, (0.0, LUCK)):
        table, generator = grid(n, (2, 4)), np.random.default_rng([n, 5])
        means, chances = [], []
        for _ in range(studies):
            drawn = table.with_scores(luck * generator.normal(size=n) + generator.normal(size=(8, n)))
            told = aggregates(drawn)[1]
            means.append((told.iqm_interval.low, told.iqm_interval.high))
            chances.append((told.improvement_interval.low, told.improvement_interval.high))
        where = "seeds lift all cells" if luck else "seeds share nothing"
        for what, ends, truth in (("interquartile mean", means, 0.0), ("improvement", chances, 0.5)):
            low, high = np.array(ends).T
            yield _covered(("normal", n, what, where), low, high, truth)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=2000)
    studies = parser.parse_args().studies
    worlds = tuple(WORLDS)
    print(f"## Intervals of the main effect, {studies:,} studies each\n")
    found = list(coverages(studies, worlds, SEEDS))
    print(coverage_table([each for each in found if each.what == "main effect"], ("t", *METHODS)))
    print(f"\n## Intervals of the interaction, by t, {studies:,} studies each\n")
    print(coverage_table([each for each in found if each.what == "interaction"], ("t",)))
    few = max(1, studies // 5)
    print(f"\n## The mixed model, {few:,} studies each\n")
    print("| world | seeds | covers, % | median width |\n|---|---|---|---|")
    for each in mixed_coverages(few):
        print(f"| {each.world} | {each.seeds} | {100 * each.share:.1f} | {each.width:.2f} |")
    print(f"\n## Aggregates, {few:,} studies each\n")
    print("| what | seeds | case | covers, % |\n|---|---|---|---|")
    for each in aggregate_coverages(few, (3, 5, 8)):
        print(f"| {each.what} | {each.seeds} | {each.method} | {100 * each.share:.1f} |")
    print(f"\n## Found where nothing is, {studies:,} studies each\n")
    print(rate_table([*error_rates(studies, (5, 8)), *equivalence_rates(studies, (5, 8))]))


def coverage_table(found: Sequence[Coverage], methods: Sequence[str]) -> str:
    """Worlds and seeds by methods: how often the truth was held, in percent, with the median width."""
    head = "| world | seeds | " + " | ".join(f"{method}, % (width)" for method in methods) + " |"
    lines = [head, "|" + "---|" * (len(methods) + 2)]
    told = {(each.world, each.seeds, each.method): each for each in found}
    for world, n in dict.fromkeys((each.world, each.seeds) for each in found):
        cells = [told.get((world, n, method)) for method in methods]
        words = [f"{100 * each.share:.1f} ({each.width:.2f})" if each else "–" for each in cells]
        lines.append(f"| {world} | {n} | {' | '.join(words)} |")
    return "\n".join(lines)


def rate_table(found: Sequence[ErrorRate]) -> str:
    """What was found by number of seeds, in percent."""
    seeds = sorted({each.seeds for each in found})
    rates = {(each.what, each.seeds): f"{100 * each.share:.1f}" for each in found}
    lines = ["| found | " + " | ".join(f"{n} seeds, %" for n in seeds) + " |", "|" + "---|" * (len(seeds) + 1)]
    for what in dict.fromkeys(each.what for each in found):
        lines.append(f"| {what} | " + " | ".join(rates.get((what, n), "–") for n in seeds) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
