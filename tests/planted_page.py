"""Planted studies with all that a page can show: claims, curves, readings, costs, failures, holes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
from planted import Planted

from lab.analysis.outline import labelled
from lab.records.record import Origin, Record
from lab.records.store import Store
from lab.spec.rules import Finding

LEVELS: dict[str, list[object]] = {"model.norm": ["none", "batch"], "model.depth": [2, 4, 8]}
LINES = {"chance": 0.5, "degree": 0.803}
HOSTILE = '</script><script>window.bad=1</script><img src=x onerror="window.bad=2">\'"&<b>'
BLOCKS = ("embed.weight", "layers.0.weight", "layers.1.weight", "head.weight")
EPOCHS = 12


def origin(**said: object) -> Origin:
    told = Origin(
        commit="0123456789abcdef",
        device="cpu",
        host="here",
        versions={"torch": "2.13.0"},
        command="lab run studies/planted.yaml",
        started="2026-01-02T03:04:05+00:00",
        data="f" * 64,
        data_lines=LINES,
    )
    return replace(told, **said)  # type: ignore[arg-type]


def history(score: float) -> dict[str, tuple[float, ...]]:
    """A curve that climbs to its score at the last epoch."""
    climb = tuple(score - 0.3 * (1 - (epoch + 1) / EPOCHS) for epoch in range(EPOCHS))
    return {
        "epoch": tuple(float(epoch) for epoch in range(1, EPOCHS + 1)),
        "valid.acc": climb,
        "test.acc": tuple(value - 0.01 for value in climb),
    }


def readings(steps: int = 60) -> pa.Table:
    """Every block moves by a thousandth of its weights at each step."""
    count = steps * len(BLOCKS)
    return pa.table(
        {
            "step": pa.array(np.repeat(np.arange(steps), len(BLOCKS)), pa.int32()),
            "probe": pa.array(["gradients"] * count).dictionary_encode(),
            "name": pa.array(list(BLOCKS) * steps).dictionary_encode(),
            "weight_norm": pa.array(np.full(count, 2.0), pa.float32()),
            "update_norm": pa.array(np.full(count, 0.002), pa.float32()),
        }
    )


def score_of(cell: dict[str, object], seed: int) -> float:
    """Norm is worth 0.05, depth nothing; seeds shift all cells alike, and each a little by itself."""
    wobble = 0.004 * np.sin(7.0 * seed + len(str(cell)) + 3 * int(cell["model.depth"]))  # type: ignore[call-overload]
    return 0.80 + 0.05 * (cell["model.norm"] == "batch") + 0.01 * np.cos(seed) + wobble


def full_study(root: Path, *, seeds: int = 6, trials: int | None = None, **said: object) -> Planted:
    """Every trial done, with curves, readings and costs; `trials` leaves those after so many of them missing."""
    study = Planted(Store(root), LEVELS, seeds=seeds, **{"source": "question: What was planted?\n"} | said)
    places = [(cell, seed) for seed in range(seeds) for cell in study.ids]
    for cell, seed in places[:trials]:
        score = score_of(study.cells[cell], seed)
        depth = float(study.cells[cell]["model.depth"])  # type: ignore[arg-type]
        study.score(
            cell,
            seed,
            score,
            study=study.outline["name"],
            label=labelled(study.cells[cell]),  # type: ignore[arg-type]
            history=history(score),
            origin=origin(),
            scores={"cost.seconds": 10 * depth, "cost.params": 1000 * depth, "cost.peak_mb": 100.0},
            findings=(Finding("vanishing", "layers.0.weight", 7, says="too small"),) if seed == 1 else (),
        )
        if seed < 2:
            trial = f"{cell}-{seed}"
            study.store.write(study.store.read(trial), readings())  # type: ignore[arg-type]
    return study


def large_study(root: Path, *, trials: int = 10_000, seeds: int = 8) -> Planted:
    """So many trials over a grid of three factors."""
    cells = trials // seeds
    width = round(cells ** (1 / 3) + 0.5)
    levels = {"a": list(range(width)), "b": list(range(width)), "c": list(range(-(-cells // width**2)))}
    study = Planted(Store(root), levels, seeds=seeds)  # type: ignore[arg-type]
    random = np.random.default_rng(0)
    folder = root / "records" / "planted"
    for number, cell in enumerate(study.ids):
        for seed in range(seeds):
            score = 0.7 + 0.1 * np.tanh(number / len(study.ids)) + 0.01 * random.standard_normal()
            record = Record(
                trial=f"{cell}-{seed}",
                cell=cell,
                study="planted",
                status="done",
                seed=seed,
                levels=study.cells[cell],  # type: ignore[arg-type]
                history=history(score),
                scores={"cost.seconds": 2.0 + number},
                seconds=2.0,
                origin=origin(),
            )
            (folder / f"{record.trial}.json").write_text(record.to_json())  # not the store, which syncs every file
    return study
