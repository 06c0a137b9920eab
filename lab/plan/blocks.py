"""The blocks of a design: each one turns factors, arms or a path into the changes that make its cells."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lab.errors import LabError, Place, choose
from lab.plan.factors import Varied
from lab.plan.fractional import Mixed, mix
from lab.plan.ground import Ground
from lab.plan.options import as_word
from lab.plan.plan import short
from lab.spec.design import Block
from lab.spec.files import StudyFile

OPTIONS: Mapping[str, frozenset[str]] = {
    "grid": frozenset({"factors"}),
    "one_out": frozenset({"factors"}),
    "one_in": frozenset({"factors"}),
    "path": frozenset({"to"}),
    "arms": frozenset({"factors"}),
    "fractional": frozenset({"factors", "resolution"}),
    "search": frozenset({"factors", "trials", "sampler", "pruner", "objectives"}),
}
"""What may be said of each kind of block; the `factors` of `arms` are names of arms."""


@dataclass(frozen=True)
class Draft:
    """A cell before it is validated: the changes that make it of the base."""

    changes: Mapping[str, Any]
    where: Place
    name: str = ""


@dataclass
class Drawing:
    """One block about to be turned into drafts."""

    file: StudyFile
    ground: Ground
    block: Block
    where: Place
    factors: tuple[Varied, ...] = field(init=False)
    """Those that take part, each after the ones that its `when` looks at."""
    mixed: Mixed | None = field(init=False, default=None)
    """The fraction that a fractional block runs."""

    def __post_init__(self) -> None:
        self._refuse_foreign_options()
        self.factors = self._taking_part() if self.block.kind not in ("arms", "path") else ()
        if self.block.kind == "fractional":
            self.mixed = mix(self.factors, self.block.resolution, self.where)

    @property
    def title(self) -> str:
        """How notes call the block."""
        names = [short(name) if "." in name else name for name in self.block.factors or ()]
        return f"{self.block.kind} ({', '.join(names)})" if names else self.block.kind

    def drafts(self) -> Iterator[Draft]:
        """Every cell of the block; some may be equal, or invalid."""
        ways = {
            "grid": self._grid,
            "one_out": self._one_out,
            "one_in": self._one_in,
            "fractional": self._fraction,
            "search": self._reference_alone,
        }
        if self.block.kind == "arms":
            yield from self._arms()
        elif self.block.kind == "path":
            yield from self._path()
        else:
            yield from (Draft(changes, self.where) for changes in ways[self.block.kind]())

    def _refuse_foreign_options(self) -> None:
        known = OPTIONS[self.block.kind]
        for name in sorted(self.block.model_fields_set - {"kind"} - known):
            hint = choose(name, sorted(known))
            raise LabError(f"{self.block.kind} has no option '{name}'", where=self.where, hint=hint)

    def _taking_part(self) -> tuple[Varied, ...]:
        names = self.block.factors
        known = {factor.name: factor for factor in self.ground.factors}
        for name in names or ():
            if name not in known:
                raise LabError(f"there is no factor '{name}'", where=self.where, hint=choose(name, known))
        if names is not None and len(set(names)) < len(names):
            raise LabError("a factor is listed twice", where=self.where, hint="drop one")
        chosen = tuple(factor for factor in self.ground.factors if names is None or factor.name in names)
        if self.block.kind != "search":
            self._refuse_ranges(chosen)
        if not chosen and (names is not None or self.block.kind != "grid"):
            raise LabError(f"{self.block.kind} has no factors", where=self.where, hint="add some under `factors`")
        return chosen

    def _refuse_ranges(self, chosen: Sequence[Varied]) -> None:
        for factor in chosen:
            if factor.is_range:
                raise LabError(
                    f"{factor.name} is a range, which {self.block.kind} cannot cross",
                    where=factor.where,
                    hint="list its values, name the factors of each block, or use `search`",
                )

    def _reference_alone(self) -> Iterator[dict[str, Any]]:
        yield {}

    def _fraction(self) -> Iterator[dict[str, Any]]:
        yield from self.mixed.runs() if self.mixed is not None else ()

    def _grid(self) -> Iterator[dict[str, Any]]:
        yield from cross(self.ground, self.factors, {})

    def _one_out(self) -> Iterator[dict[str, Any]]:
        yield {}
        yield from self._changed({}, frozenset())

    def _changed(self, changes: dict[str, Any], before: frozenset[str]) -> Iterator[dict[str, Any]]:
        """Each factor that the last change brought up, changed alone on top of it, and so on."""
        here = [factor for factor in self.factors if self.ground.exists(factor, changes)]
        met = before | {factor.name for factor in here}
        for factor in here:
            if factor.name in before:
                continue
            for level in factor.others:
                changed = {**changes, **level.changes}
                yield changed
                yield from self._changed(changed, met)

    def _one_in(self) -> Iterator[dict[str, Any]]:
        for factor in self.factors:
            if factor.off is None:
                hint = "name factors with an off level, or use one_out"
                raise LabError(f"one_in needs an off level; {factor.name} has none", where=self.where, hint=hint)
            if factor.off.key == factor.base.key:
                hint = "choose another base, or leave the factor out of the block"
                raise LabError(f"one_in: the base has {factor.name} off already", where=self.where, hint=hint)
        yield {}
        yield from self._restored(frozenset(), frozenset())

    def _restored(self, kept: frozenset[str], before: frozenset[str]) -> Iterator[dict[str, Any]]:
        """Everything off but for what is kept, then the same with each factor back that is there to be put back."""
        floor, here = self._floor(kept)
        yield floor
        for name in here:
            if name not in before | kept:
                yield from self._restored(kept | {name}, before | set(here))

    def _floor(self, kept: frozenset[str]) -> tuple[dict[str, Any], list[str]]:
        changes: dict[str, Any] = {}
        here = []
        for factor in self.factors:
            if self.ground.exists(factor, changes):
                here.append(factor.name)
                if factor.name not in kept and factor.off is not None:
                    changes |= factor.off.changes
        return changes, here

    def _path(self) -> Iterator[Draft]:
        yield Draft({}, self.where)
        changes: dict[str, Any] = {}
        for step, (path, value) in enumerate((self.block.to or {}).items(), 1):
            changes = {**changes, path: value}
            yield Draft(changes, self.where, f"step {step}: {path}={as_word(value)}")

    def _arms(self) -> Iterator[Draft]:
        arms = self.file.study.arms
        if not arms:
            raise LabError("there are no arms", where=self.where, hint="name some settings under `arms`")
        yield Draft({}, self.where)
        for name in self.block.factors or arms:
            if name not in arms:
                raise LabError(f"there is no arm '{name}'", where=self.where, hint=choose(name, arms))
            yield Draft(arms[name], self.file.places.at("arms", name), name)


def cross(ground: Ground, factors: Sequence[Varied], changes: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every combination of the levels of factors, each where it exists."""
    if not factors:
        yield changes
        return
    first, rest = factors[0], factors[1:]
    if not ground.exists(first, changes):
        yield from cross(ground, rest, changes)
        return
    for level in first.levels:
        yield from cross(ground, rest, {**changes, **level.changes})
