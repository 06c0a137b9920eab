"""Importances of a search's factors, as Optuna told them when the search ended: importances, not effect sizes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from lab.records.store import Store

LABEL = "importance, not an effect size"
"""What must stand wherever one is shown."""


@dataclass(frozen=True)
class Importance:
    """How much of a search's spread each factor goes with, in the settings that its sampler chose to try."""

    score: str
    method: str
    """PED-ANOVA or fANOVA."""
    settings: int
    """Settings it was computed from."""
    shares: Mapping[str, float]
    """Factor -> share, the largest first; they add up to one."""
    label: str = LABEL


def importances(store: Store, study: str) -> tuple[Importance, ...]:
    """What was kept beside the records; nothing for a study that is no search."""
    said = store.read_beside(study, "importances")
    return tuple(
        Importance(
            score=str(each["score"]),
            method=str(each["method"]),
            settings=int(each["settings"]),
            shares={str(key): float(share) for key, share in each["shares"].items()},
        )
        for each in said.get("importances", ())
    )
