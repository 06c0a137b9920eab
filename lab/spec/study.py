"""A study: a question, one base experiment, and what varies around it."""

from __future__ import annotations

import re
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, field_validator, model_validator

from lab.spec.claims import Claim, Extend, Test
from lab.spec.design import Block, Changes, Design, Levels, Range, Sampler, Score
from lab.spec.experiment import STREAMS, StopRun, Stream
from lab.spec.probes import Probes
from lab.spec.recorder import FlightRecorder
from lab.spec.rules import Rules
from lab.spec.spec import Spec

MOST_SEEDS = 10_000


UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def seconds(said: object) -> object:
    """A duration such as 20m, 1.5h or a plain number of seconds, as seconds."""
    if not isinstance(said, str):
        return said
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([smhd])\s*", said)
    if match is None:
        raise ValueError(f"'{said}' is not a duration: write it like 90s, 20m or 1.5h")
    return float(match[1]) * UNITS[match[2]]


Duration = Annotated[float, BeforeValidator(seconds), Field(gt=0)]


class Seeds(Spec):
    """Which seeds every cell is run with, and what cells of one seed share."""

    values: tuple[Annotated[int, Field(ge=0, lt=2**31)], ...]
    """The seeds."""
    pair: tuple[Stream, ...] = STREAMS
    """The random streams that all cells with one seed share, so that their difference is a paired one."""
    noise_floor: Annotated[int, Field(ge=0, le=100)] = 0
    """Extra runs of the reference with the first seed: what is left when nothing differs."""
    extend: Extend | None = None
    """Further seeds for the cells of claims that are not decided yet."""

    @model_validator(mode="before")
    @classmethod
    def _shorthand(cls, said: Any) -> Any:
        """A number of seeds, a list of them, or the full form."""
        values = said.get("values") if isinstance(said, dict) else said
        if isinstance(values, int) and not isinstance(values, bool):
            if values > MOST_SEEDS:
                raise ValueError(f"{values} seeds are more than {MOST_SEEDS}")
            values = list(range(values))
        if isinstance(said, dict):
            return said | {"values": values} if "values" in said else said
        return {"values": values} if isinstance(values, list) else said

    @field_validator("values")
    @classmethod
    def _some(cls, said: tuple[int, ...]) -> tuple[int, ...]:
        if not said:
            raise ValueError("at least one seed is needed; 8 let a paired test decide at 0.05")
        if len(set(said)) != len(said):
            raise ValueError("a seed is listed twice")
        return said

    @model_validator(mode="after")
    def _room_to_extend(self) -> Self:
        if self.extend is not None and self.extend.max <= len(self.values):
            raise ValueError(f"extend.max is {self.extend.max}, but {len(self.values)} seeds are planned already")
        return self


class Tuned(Range):
    """A nuisance option: tuned in every cell with the same small budget, on seeds of its own, never compared."""

    trials: Annotated[int, Field(ge=2, le=1000)] = 6
    """Settings tried in each cell."""
    sampler: Sampler = "tpe"
    """Who chooses them."""
    seeds: tuple[Annotated[int, Field(ge=0, lt=2**31)], ...] = (100,)
    """Seeds of the tuning runs; none of the compared ones."""


class Constraint(Spec):
    """What cells may not be (`forbid`), or what they are made to have in common (`match`)."""

    forbid: str | None = None
    """Cells where this holds are left out."""
    because: str = ""
    """Why."""
    match: Literal["params"] | None = None
    """Re-solve `by` so that every cell has the reference's number of parameters."""
    within: str = "5%"
    """How far off is close enough."""
    by: str | None = None
    """The option to solve for, such as model.width."""

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        if (self.forbid is None) == (self.match is None):
            raise ValueError("a constraint either forbids or matches: say one of forbid, match")
        if self.match is not None and not self.by:
            raise ValueError("match needs `by`: the option to solve for, such as model.width")
        if re.fullmatch(r"\s*\d+(\.\d+)?\s*%\s*", self.within) is None:
            raise ValueError(f"within: '{self.within}' is not a percentage, such as 5%")
        return self

    @property
    def tolerance(self) -> float:
        """`within` as a share of one."""
        return float(self.within.strip().rstrip("%")) / 100


class Budget(Spec):
    """What the study may spend."""

    hours: Annotated[float, Field(gt=0)] | None = None
    """Hours of trials, summed over the workers."""
    gpu_hours: Annotated[float, Field(gt=0)] | None = None
    """Hours of trials on a GPU."""
    per_run: Duration | None = None
    """Longest time of one trial, such as 20m; a longer one is recorded as timed out."""
    when_spent: Literal["report_with_holes", "stop"] = "report_with_holes"
    """Finish with the cells there are, or stop with exit code 1."""


class Prune(Spec):
    """When a cell is given up before all of its seeds have run."""

    rule: Literal["paired", "off"] = "paired"
    """By the paired difference to the reference."""
    after_seeds: Annotated[int, Field(ge=2)] = 3
    """Seeds that must be in first."""
    worse_by: Annotated[float, Field(gt=0)] = 0.03
    """Give up when the mean is worse by more than this and the 95 % interval lies on the worse side of zero."""
    keep: tuple[str, ...] = ("reference", "claims")
    """Cells that are always finished: `reference`, `claims` for those that claims are about, names of arms."""


class Resources(Spec):
    """What a trial runs on."""

    device: Literal["auto", "cpu", "cuda"] = "auto"
    """`auto` takes a GPU where there is one."""
    gpus: Annotated[int, Field(ge=0)] | Literal["auto"] = "auto"
    """GPUs to use."""
    per_gpu: Annotated[int, Field(ge=1)] | Literal["auto"] = "auto"
    """Trials at a time on one GPU."""
    threads: Annotated[int, Field(ge=1)] | Literal["auto"] = "auto"
    """Torch threads of a worker; `auto` is one a worker when there are several."""
    deterministic: Literal["off", "warn", "error"] = "warn"
    """What to do where torch has no deterministic algorithm."""


class Retry(Spec):
    """What is tried again."""

    killed: Literal["always", "never"] = "always"
    """A trial whose worker was killed."""
    oom: Annotated[int, Field(ge=0, le=10)] = 1
    """Times a trial that ran out of memory is tried again, alone."""
    crash: Annotated[int, Field(ge=0, le=10)] = 0
    """Times a trial that raised is tried again."""
    same_error_stops_study: Annotated[int, Field(ge=1)] = 3
    """Trials with the very same error that stop the study."""


class Capture(Spec):
    """What is kept about the code and the machine."""

    git: Literal["diff", "commit", "off"] = "diff"
    """The commit, and with `diff` the uncommitted change."""
    env: Literal["lock", "off"] = "lock"
    """Every installed package with its version."""
    data: Literal["sha256", "off"] = "sha256"
    """The hash of the data set."""


class Study(Spec):
    """A question, one base, and what varies around it."""

    lab: Literal[1] = 1
    """Version of the file's language."""
    study: str | None = None
    """The study's name; the file's when absent."""
    question: Annotated[str, Field(min_length=1)]
    """What is asked, in one sentence."""
    base: str
    """The experiment that is varied, as a path from the project's folder."""
    score: Score
    """The number that cells are compared by."""
    factors: dict[str, Levels] = {}
    """What is compared: dotted paths into the base with their levels; the base's level is the reference."""
    nuisance: dict[str, Tuned] = {}
    """What is tuned in every cell and never compared."""
    constraints: tuple[Constraint, ...] = ()
    """What cells may not be, or must share."""
    arms: dict[str, Changes] = {}
    """Named settings, for the irregular."""
    design: Design = Design(blocks=(Block(kind="grid"),))
    """Which cells are run."""
    seeds: Seeds = Seeds(values=(0, 1, 2, 3, 4, 5, 6, 7))
    """Which seeds, and what is paired."""
    budget: Budget = Budget()
    """What it may spend."""
    prune: Prune | None = None
    """When a cell is given up early."""
    claims: dict[str, Claim] = {}
    """What is expected, said before the first run; each claim gets a verdict."""
    test: Test = Test()
    """How claims are tested."""
    stop_run: StopRun | None = None
    """When a run ends early; the base's when absent."""
    probes: Probes | None = None
    """What is measured, as a level or a list; the base's when absent."""
    rules: Rules | None = None
    """What is watched for: `all`, `off`, a list, or changes by rule; the base's when absent."""
    recorder: FlightRecorder | None = None
    """What is kept for a replay; the base's when absent."""
    resources: Resources = Resources()
    """What a trial runs on."""
    retry: Retry = Retry()
    """What is tried again."""
    capture: Capture = Capture()
    """What is kept about code and machine."""
    plugins: tuple[str, ...] = ()
    """Python files that add models, datasets, probes or rules of one's own, as paths from the project's folder."""
    profiles: dict[str, dict[str, Any]] = {}
    """Named variants of this file: each may override any key above, and with `set` any option of the base."""

    REPLACED_WHOLE: ClassVar[frozenset[str]] = frozenset({"design", "seeds", "score"})

    @model_validator(mode="after")
    def _tuning_keeps_to_its_own_seeds(self) -> Self:
        for path, tuned in self.nuisance.items():
            shared = sorted(set(tuned.seeds) & set(self.seeds.values))
            if shared:
                raise ValueError(f"nuisance {path} tunes on seed {shared[0]}, which is a compared one")
            if path in self.factors:
                raise ValueError(f"{path} is both a factor and a nuisance: compare it or tune it")
        return self


def rebuild() -> None:
    """Take what plug-ins have registered onto the menu that files are checked against."""
    Study.model_rebuild(force=True)
