"""Extension: seeds beyond the planned ones, and the looks at which claims may be decided while they come in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count, islice

from lab.spec.study import Study


@dataclass(frozen=True)
class Extension:
    """A rule for going on until claims are decided."""

    looks: tuple[int, ...]
    """Seeds of a cell at which is looked: the planned ones first, the most there may be last."""
    rounds: int = 1
    """How often looking began anew: 1 when the rule stood before the first trial, one more for each later change."""

    @property
    def most(self) -> int:
        """The most seeds of a cell."""
        return self.looks[-1]

    def after(self, seeds: int) -> int | None:
        """The look after this many seeds; None when there is none."""
        return next((look for look in self.looks if look > seeds), None)


def extension(planned: int, most: int, *, step: int, rounds: int = 1) -> Extension:
    """Looks at the planned seeds, every `step` seeds from there, and at the most."""
    return Extension((*range(planned, most, step), most), rounds)


def extension_of(study: Study) -> Extension | None:
    """What the file says of it; nothing without claims."""
    extend, planned = study.seeds.extend, len(study.seeds.values)
    if extend is None or not study.claims:
        return None
    return extension(planned, extend.max, step=extend.step)


def seeds_of(study: Study, number: int) -> tuple[int, ...]:
    """The first so many seeds: the planned ones in their order, then the next whole numbers that nothing else uses."""
    return (*study.seeds.values, *islice(_further(study), max(0, number - len(study.seeds.values))))[:number]


def _further(study: Study) -> Iterator[int]:
    taken = {*study.seeds.values, *(seed for tuned in study.nuisance.values() for seed in tuned.seeds)}
    return (seed for seed in count(max(study.seeds.values) + 1) if seed not in taken)
