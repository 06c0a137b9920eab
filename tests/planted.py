"""Studies that were never trained: planted scores, written as records, read back by the analysis."""

from collections.abc import Mapping
from itertools import product

from lab.analysis.outline import labelled
from lab.records.record import Record
from lab.records.store import Store
from lab.spec.spec import digest


class Planted:
    """A study in a store: a grid of levels, and a record for each score it is told."""

    def __init__(self, store: Store, levels: Mapping[str, list[object]], seeds: int, **said: object) -> None:
        self.store = store
        grid = [dict(zip(levels, row, strict=True)) for row in product(*levels.values())]
        self.cells = {digest(cell): cell for cell in grid}
        self.ids = list(self.cells)
        trials = [f"{cell}-{seed}" for seed in range(seeds) for cell in self.ids]
        self.outline: dict[str, object] = {
            "name": "planted",
            "question": "What was planted?",
            "file": "studies/planted.yaml",
            "score": {"name": "valid.acc", "goal": "max", "at": "best_epoch", "final": "test.acc"},
            "factors": list(levels),
            "reference": self.ids[0],
            "base": grid[0],
            "cells": [{"id": key, "label": labelled(cell), "levels": cell} for key, cell in self.cells.items()],
            "trials": trials,
            "notes": [],
        } | said
        store.write_plan(self.outline)

    def score(self, cell: str, seed: int, value: float, **said: object) -> None:
        """Leave the record of one trial."""
        trial = f"{cell}-{seed}" + (f"r{said['repeat']}" if said.get("repeat") else "")
        told: dict[str, object] = {
            "history": {"epoch": (1.0, 2.0), "valid.acc": (value - 1.0, value), "test.acc": (0.0, value - 0.5)},
            "seconds": 2.0,
            "levels": self.cells[cell],
        } | said
        status = told.pop("status", "done")
        self.store.write(Record(trial, cell, str(told.pop("study", "planted")), status, seed, **told))  # type: ignore[arg-type]
