"""Everything a page shows of a study, worked out in one place: Store -> Analysis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from lab.analysis.aggregate import Aggregate, aggregates
from lab.analysis.anova import AnovaTable, anova
from lab.analysis.cells import CellScore, Ranking, rank
from lab.analysis.claims import Verdict, verdicts
from lab.analysis.effects import Effect, effects_in
from lab.analysis.frame import frame_of
from lab.analysis.holes import Holes, holes
from lab.analysis.importance import Importance, importances
from lab.analysis.interactions import Interaction, interactions_in
from lab.analysis.leave_one_out import Removal, leave_one_out
from lab.analysis.mixed import MixedModel, mixed_model
from lab.analysis.outline import Outline
from lab.analysis.rows import Row, gather
from lab.analysis.table import ScoreTable, table_of
from lab.records.store import Store

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Analysis:
    """A study's records held against its plan, and all that they can tell.

    Only finished scores enter any number; what is not there is in `holes`, in sentences.
    """

    outline: Outline
    rows: tuple[Row, ...]
    table: ScoreTable
    ranking: Ranking
    effects: tuple[Effect, ...]
    interactions: tuple[Interaction, ...]
    anova: AnovaTable | None
    mixed: MixedModel | None
    leave_one_out: tuple[Removal, ...]
    aggregates: tuple[Aggregate, ...]
    importances: tuple[Importance, ...]
    """Of a search: importances, not effect sizes."""
    verdicts: tuple[Verdict, ...]
    """Of the study's claims, in the order of its file."""
    holes: Holes
    strangers: int = 0
    """Records of the study that its plan no longer asks for."""

    @property
    def cells(self) -> tuple[CellScore, ...]:
        """The cells, best mean first."""
        return self.ranking.cells

    @cached_property
    def frame(self) -> pd.DataFrame:
        """One row a trial, missing ones included."""
        return frame_of(self.rows)


def analyse(store: Store, study: str) -> Analysis:
    """Read a study and work out everything there is to tell of it."""
    results = gather(store, study)
    return analysis_of(results.rows, results.outline, importances(store, study), strangers=results.strangers)


def analysis_of(
    rows: Sequence[Row], outline: Outline, told: Sequence[Importance] = (), *, strangers: int = 0
) -> Analysis:
    """The same from rows that were read already."""
    table = table_of(rows, outline)
    found = effects_in(table)
    return Analysis(
        outline=outline,
        rows=tuple(rows),
        table=table,
        ranking=rank(rows, outline),
        effects=found,
        interactions=interactions_in(table, outline.aliases),
        anova=anova(table),
        mixed=mixed_model(table),
        leave_one_out=leave_one_out(table),
        aggregates=aggregates(table),
        importances=tuple(told),
        verdicts=verdicts(rows, outline),
        holes=holes(rows, outline, table, found),
        strangers=strangers,
    )
