"""The results of a study in Python: `lab.load("norm_ablation")` in a notebook or a script."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from lab.analysis.cells import CellScore
from lab.analysis.claims import Verdict
from lab.analysis.effects import Effect
from lab.analysis.frame import frame_of
from lab.analysis.holes import Holes
from lab.analysis.interactions import Interaction
from lab.plan.plan import shown
from lab.records.record import Record
from lab.records.store import Store
from lab.report.gallery import Gallery
from lab.report.page import page
from lab.report.report import Report, study_report
from lab.report.summary import banner, summary
from lab.report.words import brief

if TYPE_CHECKING:
    import pandas as pd


def load(study: str, *, store: str | Path | Store = "mlruns") -> Ablation:
    """A study's results, as far as they are in; nothing is trained and nothing written.

    Args:
        study: The name it has in the store: `norm_ablation`, or `norm_ablation-quick` for a profile.
        store: The folder or URL that records are kept in.
    """
    place = store if isinstance(store, Store) else Store(store)
    return Ablation(place, study_report(place, study))


class Ablation:
    """What a study found: tables as pandas frames, effects as typed objects, figures as plotly figures."""

    def __init__(self, store: Store, report: Report) -> None:
        self.store = store
        self.report = report

    def __repr__(self) -> str:
        done = sum(row.status == "done" for row in self.report.rows)
        return f"<Ablation {self.name}: {done:,} of {len(self.report.rows):,} trials done>"

    @property
    def name(self) -> str:
        """The study's name."""
        return self.report.outline.name

    @property
    def question(self) -> str:
        """What was asked."""
        return self.report.outline.question

    @property
    def answer(self) -> str:
        """What was found, in at most three sentences, after whatever must be known first."""
        return " ".join(part for part in (banner(self.report), *summary(self.report)) if part)

    @cached_property
    def frame(self) -> pd.DataFrame:
        """One row a trial, missing ones included: `score`, `status`, `seed`, `level.<factor>`, `cost.<name>`."""
        return frame_of(self.report.rows)

    @property
    def cells(self) -> tuple[CellScore, ...]:
        """Every cell with its mean score and interval, best first."""
        return self.report.ranking.cells

    @property
    def effects(self) -> tuple[Effect, ...]:
        """What each level of each factor does against the base's, all else equal."""
        return self.report.effects

    @property
    def interactions(self) -> tuple[Interaction, ...]:
        """What two changes do together beyond the sum of each alone."""
        return self.report.interactions

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        """What became of the claims of the study file."""
        return self.report.verdicts

    @property
    def holes(self) -> Holes:
        """What is missing, failed or uneven, and what that does to the numbers."""
        return self.report.holes

    @cached_property
    def figures(self) -> Gallery:
        """The figures: `forest()`, `cells()`, `interactions()`, `curves()`, `health()`, `costs()`."""
        return Gallery(self.store, self.report)

    @property
    def cells_frame(self) -> pd.DataFrame:
        """The cells as a table: mean, interval, n and the difference to the base."""
        return _framed(
            {
                "cell": cell.cell,
                "says": cell.says,
                "n": cell.score.n,
                "mean": cell.score.mean,
                "low": cell.score.low,
                "high": cell.score.high,
                "final": cell.final.mean,
                "to_base": cell.against.mean,
                "to_base_low": cell.against.low,
                "to_base_high": cell.against.high,
                "could_be_best": cell.could_be_best,
            }
            for cell in self.cells
        )

    @property
    def effects_frame(self) -> pd.DataFrame:
        """The effects as a table: mean, interval, n, p after Holm's adjustment."""
        return _framed(
            {
                "factor": effect.factor,
                "against": shown(effect.against),
                "level": shown(effect.level),
                "mean": effect.difference.mean,
                "low": effect.difference.low,
                "high": effect.difference.high,
                "n": effect.difference.n,
                "pairs": effect.pairs,
                "p": effect.evidence.adjusted,
                "told_apart": effect.told_apart,
            }
            for effect in self.effects
        )

    @property
    def verdicts_frame(self) -> pd.DataFrame:
        """The verdicts as a table."""
        return _framed(_flat(verdict) for verdict in self.verdicts)

    def record(self, trial: str) -> Record | None:
        """Everything one trial left behind; None while it is pending."""
        return self.store.read(trial, study=self.name)

    def history(self, trial: str) -> pd.DataFrame:
        """The scores of one trial, a row an epoch."""
        import pandas as pd

        record = self.record(trial)
        return pd.DataFrame({name: pd.Series(values) for name, values in record.history.items()} if record else {})

    def readings(self, trial: str) -> pd.DataFrame | None:
        """What the probes read in one trial, a row a parameter and step; None when nothing was measured."""
        table = self.store.readings(trial, study=self.name)
        return table.to_pandas() if table is not None else None

    def page(self) -> str:
        """The study's page as HTML, which needs no network."""
        return page(self.store, [self.report])

    def _repr_markdown_(self) -> str:
        """What a notebook shows of it."""
        return brief(self.report)


def _framed(rows: Iterable[Mapping[str, object]]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame([dict(row) for row in rows])


def _flat(verdict: Verdict) -> dict[str, object]:
    told = asdict(verdict)
    effect = told.pop("effect")
    return told | {name: effect[name] for name in ("n", "mean", "low", "high", "method")}
