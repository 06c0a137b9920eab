"""What a study compares, by which score, and which cells its design is made of."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from lab.spec.spec import Spec

Goal = Literal["max", "min"]
Sampler = Literal["tpe", "random", "gp", "cmaes", "qmc", "nsga2"]
Pruner = Literal["none", "median", "hyperband", "percentile"]
Changes = dict[str, Any]
"""Dotted paths into the base experiment, each with its new value."""


class Score(Spec):
    """The number that cells are compared by."""

    name: str
    """A score of the task, as split.name: valid.acc."""
    goal: Goal = "max"
    """Whether more is better."""
    at: Literal["best_epoch", "last_epoch"] = "best_epoch"
    """The epoch whose score counts."""
    final: str | None = None
    """A score read at that same epoch and told beside it, such as test.acc."""

    @model_validator(mode="before")
    @classmethod
    def _shorthand(cls, said: Any) -> Any:
        """The name alone: valid.acc."""
        return {"name": said} if isinstance(said, str) else said


class Range(Spec):
    """A range that a sampler draws from: `range` in even steps, `log` in even ratios, or a list of `values`."""

    range: tuple[float, float] | None = None
    """Lowest and highest value."""
    log: tuple[float, float] | None = None
    """Lowest and highest value, drawn evenly in the logarithm."""
    step: Annotated[float, Field(gt=0)] | None = None
    """Distance between two values of a `range`."""
    values: tuple[Any, ...] | None = None
    """The values themselves."""

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        said = [name for name in ("range", "log", "values") if getattr(self, name) is not None]
        if len(said) != 1:
            raise ValueError("a range needs exactly one of range, log, values")
        bounds = self.range or self.log
        if bounds is not None and not bounds[0] < bounds[1]:
            raise ValueError(f"{said[0]} {list(bounds)} does not rise")
        if self.log is not None and self.log[0] <= 0:
            raise ValueError("log needs a lowest value above zero")
        return self


class Levels(Spec):
    """The levels of one factor."""

    values: tuple[Any, ...] | Literal["all", "off"] | None = None
    """The levels; `all` takes every level the option's type allows, `off` the base's and the off level."""
    set: tuple[Changes, ...] | None = None
    """Linked factors: each level is several changes that move together."""
    labels: tuple[str, ...] | None = None
    """A short name for each level."""
    when: str | None = None
    """The factor exists only where this holds; elsewhere it keeps the base value."""
    range: tuple[float, float] | None = None
    """For `search`: lowest and highest value."""
    log: tuple[float, float] | None = None
    """For `search`: lowest and highest value, drawn evenly in the logarithm."""
    step: Annotated[float, Field(gt=0)] | None = None
    """For `search`: distance between two values of a `range`."""

    @model_validator(mode="before")
    @classmethod
    def _shorthand(cls, said: Any) -> Any:
        """A list of levels, or one of the words all, off."""
        return said if isinstance(said, dict) else {"values": said}

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        said = [name for name in ("values", "set", "range", "log") if getattr(self, name) is not None]
        if len(said) != 1:
            raise ValueError("a factor needs exactly one of values, set, range, log")
        levels = self.values if isinstance(self.values, tuple) else self.set
        if levels is not None and not levels:
            raise ValueError("the list of levels is empty")
        if self.labels is not None and (levels is None or len(self.labels) != len(levels)):
            raise ValueError(f"{len(self.labels)} labels for {len(levels or ())} listed levels")
        if self.labels is not None and len(set(self.labels)) != len(self.labels):
            raise ValueError("two levels have the same label")
        return self

    @property
    def is_range(self) -> bool:
        """Whether only a sampler can draw from it."""
        return self.range is not None or self.log is not None


class Block(Spec):
    """One block of cells; a design is a union of blocks, and equal cells are one cell."""

    kind: Literal["grid", "one_out", "one_in", "path", "fractional", "arms", "search"]
    """`grid`: every combination. `one_out`: one change at a time from the base. `one_in`: from everything off,
    one part at a time back. `path`: the changes of `to`, one after another. `fractional`: a regular fraction of
    the grid. `arms`: the named settings of `arms`. `search`: a sampler over ranges."""
    factors: tuple[str, ...] | None = None
    """The factors that take part; all of them when absent."""
    to: Changes | None = None
    """`path`: the changes from the base to the end, in the order to make them."""
    resolution: Annotated[int, Field(ge=3, le=8)] = 4
    """`fractional`: main effects stay clear of interactions of fewer than resolution - 1 factors."""
    trials: Annotated[int, Field(ge=1)] = 50
    """`search`: how many settings to try."""
    sampler: Sampler = "tpe"
    """`search`: who chooses them."""
    pruner: Pruner = "median"
    """`search`: who gives up on a setting early."""
    objectives: tuple[Score, ...] | None = None
    """`search`: several scores at once, with the study's `score` when absent."""

    @model_validator(mode="before")
    @classmethod
    def _shorthand(cls, said: Any) -> Any:
        """A word; or one key: {grid: [a, b]}, {full: [a, b]}, {path: {...}}."""
        if isinstance(said, str):
            return {"kind": said}
        if isinstance(said, dict) and len(said) == 1 and "kind" not in said:
            (kind, body), *_ = said.items()
            kind = "grid" if kind == "full" else kind
            if isinstance(body, list):
                return {"kind": kind, "factors": body}
            if isinstance(body, dict):
                return {"kind": kind} | body
        return said

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.kind == "path" and not self.to:
            raise ValueError("a path needs `to`: the changes that lead from the base to its end")
        return self


class Design(Spec):
    """Which cells are run."""

    blocks: Annotated[tuple[Block, ...], Field(min_length=1)]
    """The blocks; cells that several of them have are one cell."""

    @model_validator(mode="before")
    @classmethod
    def _shorthand(cls, said: Any) -> Any:
        """A word, a block, a block with `also`, or a list of blocks."""
        if isinstance(said, list):
            return {"blocks": said}
        if isinstance(said, dict) and "blocks" not in said:
            first = {key: value for key, value in said.items() if key != "also"}
            also = said.get("also", [])
            return {"blocks": [first, *(also if isinstance(also, list) else [also])]}
        return {"blocks": [said]} if isinstance(said, str) else said
