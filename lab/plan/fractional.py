"""A fractional block: its factors laid onto the smallest fraction, in an order the file has no part in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from lab.errors import LabError, Place
from lab.plan.factors import Setting, Varied
from lab.plan.fractions import MOST_FACTORS, PRIMES, Effect, Fraction, smallest_fraction
from lab.plan.plan import short

ROMAN = ("", "I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X")


@dataclass(frozen=True)
class Mixed:
    """A fraction with the factors and levels that it mixes."""

    fraction: Fraction
    levels: dict[str, list[Setting]]
    """Factor -> its levels, the base's first: so the reference is one of the runs."""

    def runs(self) -> Iterator[dict[str, Any]]:
        """The changes of every run."""
        for run in self.fraction.runs():
            changes: dict[str, Any] = {}
            for settings, index in zip(self.levels.values(), run, strict=True):
                changes |= settings[index].changes
            yield changes

    @property
    def aliases(self) -> tuple[tuple[str, ...], ...]:
        """Main effects and two-factor interactions that cannot be told apart, by the factors' names."""
        names = list(self.levels)
        return tuple(tuple(_word(effect, names) for effect in group) for group in self.fraction.aliases())

    def notes(self, title: str) -> list[str]:
        """The fraction's size, its generators, and what it cannot tell apart."""
        names, fraction = [short(name) for name in self.levels], self.fraction
        whole = fraction.levels ** len(names)
        if fraction.resolution is None:
            return [f"{title}: no smaller fraction reaches the resolution, so all {whole} combinations are run"]
        roman = ROMAN[fraction.resolution] if fraction.resolution < len(ROMAN) else fraction.resolution
        made = "; ".join(f"{names[index]} = {_word(effect, names)}" for index, effect in fraction.generators)
        notes = [f"{title}: {fraction.size} of {whole} combinations, resolution {roman}, where {made}"]
        for group in fraction.aliases():
            notes.append(f"{title}: not told apart: {' = '.join(_word(effect, names) for effect in group)}")
        return notes


def mix(factors: Sequence[Varied], resolution: int, where: Place) -> Mixed:
    """Lay factors onto the smallest fraction of at least this resolution."""
    counts = {len(factor.levels) for factor in factors}
    if len(counts) > 1 or not counts <= set(PRIMES):
        told = ", ".join(f"{short(factor.name)} {len(factor.levels)}" for factor in factors)
        hint = "name factors with the same number of levels, or use several blocks"
        raise LabError(f"fractional needs 2, 3, 5 or 7 levels in each factor: {told}", where=where, hint=hint)
    for factor in factors:
        if factor.when is not None:
            what = f"fractional needs factors that always exist, and {factor.name} has a `when`"
            raise LabError(what, where=where, hint="leave it out of the block")
    if len(factors) > MOST_FACTORS:
        hint = f"take at most {MOST_FACTORS}"
        raise LabError(f"{len(factors)} factors are too many for a fraction", where=where, hint=hint)
    levels = {
        factor.name: sorted(factor.levels, key=lambda level: (level.key != factor.base.key, level.key))
        for factor in sorted(factors, key=lambda factor: factor.name)
    }
    return Mixed(smallest_fraction(len(levels), levels=counts.pop(), resolution=resolution), levels)


def _word(effect: Effect, names: Sequence[str]) -> str:
    return " x ".join(names[index] + (f"^{power}" if power > 1 else "") for index, power in effect)
