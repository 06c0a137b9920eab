"""Report: everything a study says, worked out once and shown as text, as JSON or as a page."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from lab.analysis.anova import AnovaTable, anova
from lab.analysis.cells import CellScore, Ranking, rank
from lab.analysis.claims import Verdict, verdicts
from lab.analysis.costs import CostFront, fronts
from lab.analysis.effects import Effect, effects_in
from lab.analysis.health import Failure, Floor, RuleFindings, failures, findings, floor, pending
from lab.analysis.holes import Holes, holes
from lab.analysis.importance import Importance, importances
from lab.analysis.interactions import Interaction, interactions_in
from lab.analysis.outline import Outline, PlannedCell
from lab.analysis.rows import Row, gather
from lab.analysis.table import ScoreTable, table_of
from lab.records.record import Origin
from lab.records.store import Store
from lab.spec.tasks import line_beside


@dataclass(frozen=True)
class Report:
    """A study's records, held against its plan."""

    outline: Outline
    rows: tuple[Row, ...]
    strangers: int = 0
    importances: tuple[Importance, ...] = ()

    @cached_property
    def table(self) -> ScoreTable:
        """The scores as a matrix, which the following are worked out of, each only when it is asked for."""
        return table_of(self.rows, self.outline)

    @cached_property
    def ranking(self) -> Ranking:
        """The cells by score."""
        return rank(self.rows, self.outline)

    @cached_property
    def effects(self) -> tuple[Effect, ...]:
        """The main effects by factor and level."""
        return effects_in(self.table)

    @cached_property
    def interactions(self) -> tuple[Interaction, ...]:
        """What two changes do beyond the sum of each."""
        return interactions_in(self.table, self.outline.aliases)

    @cached_property
    def anova(self) -> AnovaTable | None:
        """Where the variance comes from."""
        return anova(self.table)

    @cached_property
    def holes(self) -> Holes:
        """What is missing, and what that does to the numbers."""
        return holes(self.rows, self.outline, self.table, self.effects)

    @cached_property
    def costs(self) -> tuple[CostFront, ...]:
        """What cells cost beside what they score."""
        return fronts(self.rows, self.ranking.cells, sign=self.outline.sign)

    @cached_property
    def verdicts(self) -> tuple[Verdict, ...]:
        """What became of the claims of the study file."""
        return verdicts(self.rows, self.outline)

    @cached_property
    def failures(self) -> tuple[Failure, ...]:
        """Failed trials by class."""
        return failures(self.rows)

    @cached_property
    def findings(self) -> tuple[RuleFindings, ...]:
        """What rules said."""
        return findings(self.rows)

    @cached_property
    def floor(self) -> Floor | None:
        """What is left when nothing differs."""
        return floor(self.rows)

    @cached_property
    def statuses(self) -> Mapping[str, int]:
        """How the planned and the sampled trials ended."""
        return Counter(row.status for row in self.rows)

    @property
    def pending(self) -> int:
        """Planned trials that are not in."""
        return pending(self.rows)

    @cached_property
    def tried(self) -> tuple[CellScore, ...]:
        """The settings of a search, best mean first."""
        sampled = [replace(row, role="compare") for row in self.rows if row.role == "search"]
        cells = {row.cell: PlannedCell(row.cell, row.label or row.cell, row.levels) for row in sampled}
        return rank(sampled, replace(self.outline, cells=cells)).scored

    @cached_property
    def origins(self) -> tuple[Origin, ...]:
        """The places and states of the code that trials were run in, the commonest first."""
        seen: Counter[int] = Counter()
        by_id: dict[int, Origin] = {}
        for row in self.rows:
            if row.origin is not None:
                seen[id(row.origin)] += 1
                by_id[id(row.origin)] = row.origin
        return tuple(by_id[key] for key, _ in seen.most_common())

    @cached_property
    def known(self) -> Mapping[str, float]:
        """All that is known of scores on the data, as the data names it, where all trials agree."""
        told = [origin.data_lines for origin in self.origins if origin.data_lines]
        first = told[0] if told else {}
        return {name: value for name, value in first.items() if all(each.get(name) == value for each in told)}

    @cached_property
    def lines(self) -> Mapping[str, float]:
        """Known values of the study's score on its data, by name."""
        return self.lines_of(self.outline.score)

    @cached_property
    def final_lines(self) -> Mapping[str, float]:
        """Known values of the score that is told beside it, where they are others: those of another split."""
        told = self.lines_of(self.outline.final) if self.outline.final else {}
        return {} if told == self.lines else told

    def lines_of(self, score: str) -> dict[str, float]:
        """Known values of any score, by name."""
        return {beside: value for name, value in self.known.items() if (beside := line_beside(name, score))}

    def passed(self, mean: float) -> str:
        """The strongest known value that a mean score is better than; empty where there is none."""
        sign = self.outline.sign
        weaker = {name: value for name, value in self.lines.items() if sign * (mean - value) > 0}
        return max(weaker, key=lambda name: sign * weaker[name], default="")

    @property
    def command(self) -> str:
        """What repeats the study, or goes on with it."""
        return self.outline.command or next((origin.command for origin in self.origins if origin.command), "")

    @cached_property
    def seconds(self) -> float:
        """Training time of all trials together."""
        return math.fsum(row.seconds for row in self.rows if math.isfinite(row.seconds))


def study_report(store: Store, study: str) -> Report:
    """Work a study's report out of its records."""
    results = gather(store, study)
    return Report(results.outline, results.rows, results.strangers, importances(store, study))
