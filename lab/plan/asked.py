"""Asked: a claim as the cells of a plan can answer it, a weighted sum of cells that is held against a number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Self

from lab.spec.claims import Sign, Test
from lab.spec.spec import digest
from lab.spec.study import Study


@dataclass(frozen=True)
class Asked:
    """One claim, resolved: seed by seed, the sum of `weights` times scores is compared with `against`.

    Where it names a known score of the data, each score counts less `times` that of its own data.
    """

    name: str
    say: str
    sign: Sign
    weights: Mapping[str, float]
    """Cell -> weight; positive where the left side stands."""
    metric: str
    against: float = 0.0
    by: float = 0.0
    known: str = ""
    """The known score of the data that cells are held against; empty where it is a number or other cells."""
    times: float = 1.0
    """What the known score is multiplied by."""
    groups: int = 1
    """Pairs of cells, fours of cells or single cells that it is averaged over."""
    noun: str = "pair"
    """What those groups are: pair, four, cell."""
    expects: str = ""
    why: str = ""
    confounded: str = ""
    """Why no number of this study can decide it; empty when one can."""

    @property
    def is_testable(self) -> bool:
        """Whether numbers can decide it."""
        return not self.confounded

    @property
    def is_equivalence(self) -> bool:
        """Whether it says that there is no difference."""
        return self.sign == "=="

    @property
    def bounds(self) -> tuple[float, ...]:
        """What decides: the margin on the claimed side, or both margins of an equivalence."""
        if self.is_equivalence:
            return (self.against - self.by, self.against + self.by)
        return (self.against + (self.by if self.sign == ">" else -self.by),)


@dataclass(frozen=True)
class Asking:
    """All claims of a study with the rule they are tested by."""

    claims: tuple[Asked, ...] = ()
    test: Test = field(default_factory=Test)
    seeds: tuple[int, ...] = ()
    """The seeds in their order, as far as any cell may have them."""
    planned: int = 0
    """How many of them every cell has."""
    looks: tuple[int, ...] = ()
    """Numbers of seeds at which is looked; a single one unless seeds may be added."""
    rounds: int = 1
    """How often looking began anew after trials were in, and once for the first time."""
    extra: tuple[str, ...] = ()
    """Trials beyond the planned ones."""
    hash: str = ""
    """The claims and their test as they were written, in short."""
    history: tuple[Mapping[str, Any], ...] = ()
    """Each wording there was: its hash, when it first was run, and how many trials were in by then."""

    @property
    def family(self) -> int:
        """Claims that alpha is shared among."""
        return sum(claim.is_testable for claim in self.claims)

    @property
    def strictest(self) -> float:
        """The alpha that the first claim to be decided has to reach."""
        return self.test.alpha / max(1, self.family if self.test.adjust == "holm" else 1)

    @property
    def is_sequential(self) -> bool:
        """Whether seeds may be added."""
        return len(self.looks) > 1

    @property
    def rate(self) -> float:
        """The most that all looks together risk of a wrong verdict."""
        return min(1.0, self.test.alpha * self.rounds)

    def outline(self) -> dict[str, object]:
        """As plain data."""
        said = asdict(self) | {"test": self.test.options()}
        return {key: list(value) if isinstance(value, tuple) else value for key, value in said.items()}

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> Self:
        """Read what `outline` wrote; nothing gives no claims."""
        if "claims" not in said:
            return cls(history=tuple(said.get("history", ())))
        lists = ("seeds", "looks", "extra", "history")
        return cls(
            claims=tuple(Asked(**claim) for claim in said["claims"]),
            test=Test.model_validate(said["test"]),
            planned=said["planned"],
            rounds=said["rounds"],
            hash=said["hash"],
            **{key: tuple(said[key]) for key in lists},
        )


def claims_hash(study: Study) -> str:
    """The claims of a study with their test, in short; empty without any."""
    if not study.claims:
        return ""
    stated = {name: claim.model_copy(update={"why": ""}).content() for name, claim in study.claims.items()}
    return digest({"claims": stated, "test": study.test})


def cells_of(claims: Sequence[Asked]) -> frozenset[str]:
    """Every cell that some claim is about."""
    return frozenset(cell for claim in claims for cell in claim.weights)
