"""How often claims are decided wrongly when seeds are added until they are decided, over simulated studies.

python benchmarks/sequential.py [--studies 2000]

Every verdict comes out of the function that a report uses. A study has a base and three more cells, each with a claim
against the base; a seed lifts all cells alike, and each world adds noise of its own kind. Claims are looked at by the
rule of `seeds.extend`. A claim that was decided at a look stays decided, so judging a study once with all of its seeds
says what looking while they came in would have said.
"""

from __future__ import annotations

import argparse
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lab.analysis.claims import verdicts
from lab.analysis.estimate import estimate
from lab.analysis.outline import Outline, PlannedCell
from lab.analysis.rows import Row
from lab.analysis.sequential import nominal
from lab.plan.asked import Asked, Asking
from lab.spec.claims import Sign, Test

Floats = NDArray[np.float64]
CELLS = ("base", "a", "b", "c")
LIFT = 2.0
"""The standard deviation of what a seed does to all cells alike."""
LOOKS = {
    "8": (8,),
    "8, 12": (8, 12),
    "8, 10, 12": (8, 10, 12),
    "4, 6, ..., 16": tuple(range(4, 17, 2)),
    "3, 4, ..., 24": tuple(range(3, 25)),
}
WORLDS: dict[str, Callable[[np.random.Generator, tuple[int, ...]], Floats]] = {
    "normal": lambda draw, size: draw.normal(size=size),
    "heavy tails (t, 3 degrees)": lambda draw, size: draw.standard_t(3, size=size) / np.sqrt(3),
    "collapses (5 lower, every tenth)": lambda draw, size: 0.3 * draw.normal(size=size) - 5 * (draw.random(size) < 0.1),
}


@dataclass(frozen=True)
class Tally:
    """What became of the claims of many studies."""

    any_wrong: float
    """Share of studies with a wrong verdict among their claims."""
    decided: float
    """Share of claims that were decided."""
    seeds: float
    """Mean number of seeds of a claim when it was decided, or at its last look."""


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=2000)
    studies = parser.parse_args().studies
    for title, rows in (
        ("Nothing is there: three claims of a direction", _nothing(studies)),
        ("A difference at the margin: one claim of equivalence", _margin(studies)),
        ("Something is there: power, and the seeds it took", _power(studies)),
        ("Looking without a rule: a t-test at 5 % at every look", _naive(studies)),
    ):
        print(f"## {title}\n")
        for row in rows:
            print("| " + " | ".join(row) + " |")
        print()


def _nothing(studies: int) -> Iterator[Sequence[str]]:
    yield "looks", "each look at, %", "noise", "some wrong verdict, %"
    yield ("---",) * 4
    for name, looks in LOOKS.items():
        for world, noise in WORLDS.items():
            told = _run(studies, looks, noise, gaps=(0, 0, 0), claims=_directed((0, 0, 0)))
            yield name, _percent(nominal(0.05, looks)), world, _percent(told.any_wrong)


def _margin(studies: int) -> Iterator[Sequence[str]]:
    yield "looks", "each look at, %", "noise", "shown to be equal, %"
    yield ("---",) * 4
    for name, looks in LOOKS.items():
        for world, noise in WORLDS.items():
            told = _run(studies, looks, noise, gaps=(2, 0, 0), claims=(_claim("a", "==", by=2.0),))
            yield name, _percent(nominal(0.05, looks, sides=1)), world, _percent(told.any_wrong)


def _power(studies: int) -> Iterator[Sequence[str]]:
    yield "looks", "true difference, sd of pairs", "claims decided, %", "decided wrongly, %", "mean seeds"
    yield ("---",) * 5
    for name, looks in LOOKS.items():
        for size in (0.5, 1.0, 1.5):
            gaps = (size * np.sqrt(2),) * 3
            told = _run(max(500, studies // 4), looks, WORLDS["normal"], gaps=gaps, claims=_directed(gaps))
            yield name, f"{size:g}", _percent(told.decided), _percent(told.any_wrong), f"{told.seeds:.1f}"


def _naive(studies: int) -> Iterator[Sequence[str]]:
    yield "looks", "a single claim decided though nothing is there, %"
    yield "---", "---"
    generator = np.random.default_rng(4)
    for name, looks in LOOKS.items():
        values = generator.normal(size=(studies, looks[-1]))
        wrong = sum(any(estimate(line[:look].tolist()).p <= 0.05 for look in looks) for line in values)
        yield name, _percent(wrong / studies)


def _directed(gaps: Sequence[float]) -> tuple[Asked, ...]:
    """The claims that each cell scores more than the base; right where its gap is above zero."""
    return tuple(_claim(cell, ">") for cell, _ in zip(CELLS[1:], gaps, strict=True))


def _claim(cell: str, sign: Sign, *, by: float = 0.0) -> Asked:
    return Asked(cell, cell, sign, {cell: 1.0, "base": -1.0}, "score", by=by)


def _run(
    studies: int,
    looks: tuple[int, ...],
    noise: Callable[..., Floats],
    *,
    gaps: Sequence[float],
    claims: Sequence[Asked],
) -> Tally:
    """Carry out many studies by the rule."""
    asking = Asking(tuple(claims), Test(method="paired_t"), tuple(range(looks[-1])), looks[0], looks)
    generator = np.random.default_rng([*looks, len(claims)])
    wrong = decided = seeds = 0
    for _ in range(studies):
        scores = noise(generator, (len(CELLS), looks[-1])) + LIFT * generator.normal(size=looks[-1])
        scores[1:] += np.array(gaps)[:, None]
        found = verdicts(_rows(scores), _outline(asking))
        seeds += sum(each.effect.n for each in found)
        decided += sum(each.verdict != "undecided" for each in found)
        wrong += any(_is_wrong(claim, each.verdict, gaps) for claim, each in zip(claims, found, strict=True))
    return Tally(wrong / studies, decided / studies / len(claims), seeds / studies / len(claims))


def _is_wrong(claim: Asked, verdict: str, gaps: Sequence[float]) -> bool:
    gap = gaps[CELLS.index(claim.name) - 1]
    if claim.is_equivalence:
        return verdict == ("refuted" if abs(gap) < claim.by else "supported")
    return verdict != "undecided" if gap == 0 else verdict == ("refuted" if gap > 0 else "supported")


def _rows(scores: Floats) -> list[Row]:
    return [
        Row(f"{cell}-{seed}", cell, cell, seed, status="done", score=float(value))
        for cell, line in zip(CELLS, scores, strict=True)
        for seed, value in enumerate(line)
    ]


def _outline(asking: Asking) -> Outline:
    cells = {cell: PlannedCell(cell, cell, {"cell": cell}) for cell in CELLS}
    return Outline(
        "s", "?", "", "score", "max", "best_epoch", None, ("cell",), "base", {"cell": "base"}, cells, (), asking=asking
    )


def _percent(share: float) -> str:
    return f"{100 * share:.1f}"


if __name__ == "__main__":
    main()
