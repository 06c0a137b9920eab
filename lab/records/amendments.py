"""Amendments: which wordings a study's claims have had, and how many trials were in when each was first run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from lab.errors import LabError

if TYPE_CHECKING:
    from lab.records.store import Store

Amendment = Mapping[str, Any]


def with_history(store: Store, outline: Mapping[str, Any]) -> Mapping[str, Any]:
    """A plan's outline with the history of its claims: what the last one had, and a line more where they differ."""
    claims = outline.get("claims") or {}
    known = history_of(store, str(outline["name"]))
    wording = claims.get("hash", "")
    if wording != (known[-1]["hash"] if known else ""):
        known = [*known, _amendment(store, wording, outline.get("trials", ()))]
    return {**outline, "claims": {**claims, "history": known}} if known else outline


def history_of(store: Store, study: str) -> Sequence[Amendment]:
    """The wordings so far, the first one first; none before the study was run."""
    try:
        before = store.read_plan(study)
    except LabError:
        return []
    return list((before.get("claims") or {}).get("history", ()))


def _amendment(store: Store, wording: str, trials: Iterable[str]) -> Amendment:
    """A wording as it comes in; trials that another study ran count, since their scores could be known."""
    planned = list(trials)
    when = datetime.now(UTC).isoformat(timespec="seconds")
    return {"hash": wording, "when": when, "trials_done": len(store.find(planned)), "trials": len(planned)}
