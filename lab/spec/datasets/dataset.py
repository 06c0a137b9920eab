"""What every dataset of the menu has: the task it sets, and the scores that are known before anything is trained."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from lab.spec.spec import Family, factor, resolve

Probability = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1, le=1_000_000)]
Draw = Literal["fixed", "per_seed"]


class DatasetSpec(Family):
    """A dataset and the task it sets. `build(seed)` gives the Dataset."""

    noun: ClassVar[str] = "dataset"
    task: ClassVar[str] = "classify_nodes"
    known: ClassVar[str] = ""
    """Where its floors are worked out, as "module:name": scores that need no network. A name such as
    "plain_acc: majority" or "test.acc: majority" speaks of that score, one without a colon of the main score."""

    draw: Annotated[Draw, factor()] = "fixed"
    """One draw of the data for all seeds, or a fresh one `per_seed`."""

    def reads(self) -> tuple[str, ...]:
        """The files it is read from, as they are named; none where it is drawn."""
        return ()

    def trained_on(self) -> int | None:
        """Drawn graphs, or sequences, that training data come from and grow with; None where options tell of none."""
        return getattr(self, "train", None)

    def published(self) -> Mapping[str, float]:
        """Scores that others have reached on data like these."""
        return {}

    def lines(self, dataset: Any) -> dict[str, float]:
        """All known scores of a data set that was built from this, by name."""
        floors = resolve(self.known)(dataset) if self.known else dataset.lines
        return {**floors, **self.published()}


def rises(name: str, pair: tuple[int, int]) -> None:
    """Refuse a range that ends before it begins."""
    if pair[0] > pair[1]:
        raise ValueError(f"{name} {list(pair)}: the smallest is larger than the largest")
