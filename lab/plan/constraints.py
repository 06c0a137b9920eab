"""What cells may not be, what they share, and what is tuned in them: read and checked before any cell is made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from lab.errors import LabError, Place, choose
from lab.plan.conditions import ABSENT, Condition, read_condition
from lab.plan.factors import Varied, overlaps
from lab.plan.ground import Ground
from lab.plan.options import value_at
from lab.plan.wording import Menu, check_condition
from lab.spec.experiment import Experiment
from lab.spec.files import StudyFile
from lab.spec.study import Constraint, Tuned


@dataclass
class Forbidden:
    """A condition no cell may meet, and the combinations it has dropped so far."""

    condition: Condition
    because: str
    dropped: set[str] = field(default_factory=set)

    @property
    def note(self) -> str:
        """What the constraint did, for the reader of the plan."""
        count = len(self.dropped)
        why = f": {self.because}" if self.because else ""
        what = f"{count} combination{'' if count == 1 else 's'} left out" if count else "no combination is left out"
        return f"{what} by forbid `{self.condition.text}`{why}"


@dataclass(frozen=True)
class Match:
    """The demand that all cells have the reference's size."""

    by: str
    tolerance: float
    where: Place


@dataclass(frozen=True)
class Rules:
    """What cells are held against."""

    forbidden: tuple[Forbidden, ...] = ()
    match: Match | None = None

    def drops(self, ground: Ground, changes: Mapping[str, object], key: str) -> bool:
        """Whether some constraint leaves this combination out; each one that does counts it."""
        hit = [each for each in self.forbidden if ground.holds(each.condition, changes)]
        for each in hit:
            each.dropped.add(key)
        return bool(hit)


def read_rules(file: StudyFile, menu: Menu, factors: Sequence[Varied]) -> tuple[Rules, list[LabError]]:
    """The constraints of a study, and all that is wrong with them."""
    problems: list[LabError] = []
    forbidden: list[Forbidden] = []
    matches: list[Match] = []
    for index, constraint in enumerate(file.study.constraints):
        try:
            if constraint.forbid is not None:
                where = file.places.at("constraints", index, "forbid")
                condition = read_condition(constraint.forbid, where)
                problems += check_condition(condition, menu)
                forbidden.append(Forbidden(condition, constraint.because))
            else:
                matches.append(_match(file, constraint, file.places.at("constraints", index), factors))
        except LabError as problem:
            problems += problem.problems
    for extra in matches[1:]:
        hint = "solve for one option"
        problems.append(LabError("sizes can be matched only once", where=extra.where, hint=hint))
    return Rules(tuple(forbidden), matches[0] if matches else None), problems


def _match(file: StudyFile, constraint: Constraint, where: Place, factors: Sequence[Varied]) -> Match:
    by = constraint.by or ""
    now = value_at(file.base, by)
    if isinstance(now, bool) or not isinstance(now, int):
        hint = "name one such as model.width"
        raise LabError(f"{by} is no whole number, so no size can be solved by it", where=where, hint=hint)
    if any(by in factor.paths for factor in factors):
        hint = "match by another option"
        raise LabError(f"{by} is a factor: it cannot be solved for as well", where=where, hint=hint)
    if by in file.study.nuisance:
        hint = "match by another option"
        raise LabError(f"{by} is tuned: it cannot be solved for as well", where=where, hint=hint)
    return Match(by, constraint.tolerance, where)


def check_nuisance(file: StudyFile, factors: Sequence[Varied]) -> list[LabError]:
    """Options that are tuned although a factor moves them."""
    return [
        problem
        for path in file.study.nuisance
        for factor in factors
        for problem in overlaps(
            [(factor.name, factor.where, factor.paths), (path, file.places.at("nuisance", path), (path,))]
        )
    ]


def tuned_in(file: StudyFile, experiment: Experiment) -> dict[str, Tuned]:
    """The nuisance options that an experiment has."""
    return {path: tuned for path, tuned in file.study.nuisance.items() if value_at(experiment, path) is not ABSENT}


def check_prune(file: StudyFile) -> list[LabError]:
    """Names under `prune.keep` that no cell has."""
    known = ("reference", "claims", *file.study.arms)
    keep = file.study.prune.keep if file.study.prune is not None else ()
    return [
        LabError(f"there is no cell '{name}'", where=file.places.at("prune", "keep", index), hint=choose(name, known))
        for index, name in enumerate(keep)
        if name not in known
    ]
