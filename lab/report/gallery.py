"""The gallery: a study's figures by name, for a notebook and for other people's dashboards."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lab.analysis.curves import curve
from lab.analysis.heat import heat
from lab.analysis.margins import margins
from lab.analysis.numbered import by_step, coverage, stepped
from lab.errors import LabError, choose
from lab.records.store import Store
from lab.report import figures, forecast_figures
from lab.report.of_forecasts import known_by_step
from lab.report.report import Report

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

MOST_CURVES = 6
"""Cells in one figure of curves: as many as there are colours that everybody can tell apart."""


class Gallery:
    """The figures of one study; each is a plotly figure, drawn when it is asked for."""

    def __init__(self, store: Store, report: Report) -> None:
        self._store = store
        self._report = report

    def forest(self) -> Figure:
        """Every effect with its 95 % interval."""
        return figures.forest(self._report.effects, self._report.outline.score)

    def cells(self) -> Figure:
        """Every cell's mean score with its 95 % interval, best first."""
        report = self._report
        return figures.cells(report.ranking.cells, report.outline.score, report.lines)

    def interactions(self, first: str | None = None, second: str | None = None) -> Figure:
        """The mean score by two factors; of the strongest interaction unless two are named."""
        report = self._report
        pair = (first, second) if first and second else self._strongest()
        for factor in pair:
            if factor not in report.table.levels:
                raise LabError(f"'{factor}' is not a factor of it", hint=choose(factor, report.outline.factors))
        grid = margins(report.table, *pair)
        if grid is None:
            raise LabError(f"no cells show {pair[0]} and {pair[1]} at all of their levels")
        return figures.interaction(grid, report.outline.score)

    def curves(self, *cells: str, score: str | None = None) -> Figure:
        """The learning curves of some cells, by id; of the base and the best ones unless any are named."""
        report = self._report
        wanted = [self._known(cell) for cell in cells] or self._first()
        name = score or report.outline.score
        told = [each for cell in wanted if (each := curve(self._store, report.rows, cell, name)) is not None]
        says = {cell: report.outline.told(cell) for cell in wanted}
        return figures.curves(told, says, name, report.lines_of(name))

    def health(self, cell: str | None = None) -> Figure:
        """How far the blocks of a cell's model move at each step; of the base unless one is named."""
        wanted = self._known(cell or self._report.outline.reference)
        told = heat(self._store, self._report.rows, wanted)
        if told is None:
            raise LabError("there are no readings of it", hint="the gradient probe was off, or the trials are not in")
        return figures.health(told)

    def costs(self, name: str = "cost.seconds") -> Figure:
        """Score against one kind of cost."""
        known = {front.name: front for front in self._report.costs}
        if name not in known:
            raise LabError(f"no trial tells of '{name}'", hint=choose(name, known))
        return figures.cost(known[name], self._report.outline.score)

    def steps(self, *cells: str, score: str | None = None) -> Figure:
        """Errors of forecasts step by step, over what is known of the data; of the base and the best cells."""
        report = self._report
        name = score or stepped(report.outline.score, report.outline.final)
        wanted = [self._known(cell) for cell in cells] or self._first()
        told = [each for cell in wanted if (each := by_step(self._store, report.rows, cell, name)) is not None]
        if not told:
            raise LabError(f"no trial tells of {name} step by step", hint="only forecasts have such scores")
        lines = known_by_step(report, name, len(told[0].at))
        return forecast_figures.by_step(told, {cell: report.outline.told(cell) for cell in wanted}, name, lines)

    def calibration(self, *cells: str, split: str = "test") -> Figure:
        """How much of what came fell into the central intervals of forecasts, against how much was to."""
        wanted = [self._known(cell) for cell in cells] or self._first()
        told = [each for cell in wanted if (each := coverage(self._store, self._report.rows, cell, split)) is not None]
        if not told:
            raise LabError(
                "no trial tells how sure it was", hint="only forecasts with densities or quantiles have intervals"
            )
        return forecast_figures.calibration(told, {cell: self._report.outline.told(cell) for cell in wanted})

    def main(self) -> dict[str, Figure]:
        """The figures that there is something to put into, by name."""
        report = self._report
        told = {}
        if any(effect.difference.n for effect in report.effects):
            told["effects"] = self.forest()
        if report.ranking.scored:
            told["cells"] = self.cells()
            told["curves"] = self.curves()
        if any(front.name == "cost.seconds" for front in report.costs):
            told["costs"] = self.costs()
        return told

    def _first(self) -> list[str]:
        """The best cells, the base before them where it is one."""
        ranked = [cell.cell for cell in self._report.ranking.cells]
        return sorted(ranked[:MOST_CURVES], key=self._is_not_base)

    def _strongest(self) -> tuple[str, str]:
        told = [each for each in self._report.interactions if each.difference.n]
        if not told:
            raise LabError("no interaction is in", hint="it takes cells in which two factors change alone and together")
        return max(told, key=lambda each: abs(each.difference.mean)).factors

    def _known(self, cell: str) -> str:
        if cell not in self._report.outline.cells:
            raise LabError(f"'{cell}' is not a cell of the study", hint=choose(cell, self._report.outline.cells))
        return cell

    def _is_not_base(self, cell: str) -> bool:
        return cell != self._report.outline.reference
