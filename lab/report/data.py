"""The report as plain data, for `--json`: the same numbers, unrounded."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict

from lab.analysis.cells import CellScore
from lab.analysis.estimate import Estimate
from lab.report.answer import answer, caution
from lab.report.report import Report
from lab.report.verdicts import verdicts_data

Data = dict[str, object]


def report_data(report: Report) -> Data:
    """All of a report; what is not known is null."""
    outline, ranking = report.outline, report.ranking
    best = ranking.best
    return {
        "study": outline.name,
        "question": outline.question,
        "answer": answer(report),
        "caution": caution(report),
        "score": {"name": outline.score, "goal": outline.goal, "at": outline.at, "final": outline.final},
        "trials": dict(sorted(report.statuses.items())),
        "pending": report.pending,
        "seconds": report.seconds,
        "best": best.cell if best is not None else None,
        "could_be_best": [cell.cell for cell in ranking.contenders],
        "lead": estimate_data(ranking.lead),
        "cells": [_cell(cell) for cell in ranking.cells],
        "effects": [
            {
                "factor": effect.factor,
                "level": effect.level,
                "against": effect.against,
                "difference": estimate_data(effect.difference),
                "pairs": effect.pairs,
                "pairs_planned": effect.planned,
                "is_contrast": effect.is_contrast,
                "told_apart": effect.told_apart,
            }
            for effect in report.effects
        ],
        "claims": verdicts_data(report),
        "tried": [_cell(cell) for cell in report.tried],
        "failures": [asdict(failure) for failure in report.failures],
        "findings": [asdict(finding) for finding in report.findings],
        "noise_floor": asdict(report.floor) if report.floor else None,
        "known_scores": {name: _known(value) for name, value in report.lines.items()},
        "origins": [
            {
                "commit": each.commit,
                "dirty": each.dirty,
                "device": each.device,
                "host": each.host,
                "command": each.command,
            }
            for each in report.origins
        ],
        "notes": list(outline.notes),
        "repeat": report.command,
    }


def _cell(cell: CellScore) -> Data:
    return {
        "cell": cell.cell,
        "says": cell.says,
        "levels": dict(cell.levels),
        "is_reference": cell.is_reference,
        "could_be_best": cell.could_be_best,
        "trials": dict(cell.statuses),
        "score": estimate_data(cell.score),
        "final": estimate_data(cell.final),
        "difference": estimate_data(cell.against),
    }


def estimate_data(told: Estimate) -> Mapping[str, object] | None:
    """An estimate; null when nothing went into it."""
    if not told.n:
        return None
    numbers = {key: _known(getattr(told, key)) for key in ("mean", "sd", "low", "high", "p")}
    return {"n": told.n, **numbers, "paired": told.paired}


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None
