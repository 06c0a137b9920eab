"""Healthy runs, in which no rule may speak: 18 controls, and the cells of a shipped study."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch

from benchmarks.faults.cases import Case, Fault, watched
from benchmarks.faults.planting import on_splits, rarer, relabelled
from lab.plan.designs import expand
from lab.spec.files import read_study
from lab.train.run import Run

TRANSFORMER, GATES, GIN = ("transformer",), ("gates",), ("gin",)
STUDY, PROFILE = Path("studies/norm_ablation.yaml"), "quick"


def mild_weights(run: Run) -> None:
    """Weigh the second class three times as much as the first."""
    run.task.weights = lambda counts: torch.tensor([1.0, 3.0])


CONTROLS = (
    Fault("as it is", "", TRANSFORMER),
    Fault("dropout 0.2", "", GATES, {"model.dropout": 0.2}),
    Fault("norms after the sums", "", GATES, {"model.norm_first": False}),
    Fault("8 layers", "", GATES, {"model.layers": 8}),
    Fault("sigmoid gates", "", GATES),
    Fault("gin, 4 layers", "", GIN),
    Fault("gin, 6 layers", "", GIN, {"model.layers": 6}),
    Fault("lr 3e-4", "", GATES, {"training.lr": 3e-4}),
    Fault("lr 5e-3", "", GATES, {"training.lr": 5e-3}),
    Fault(
        "sgd with momentum",
        "",
        GATES,
        {"training.optimizer": "sgd", "training.lr": 0.05, "training.momentum": 0.9},
    ),
    Fault("warm-up, then cosine to zero", "", GATES, {"training.schedule": "cosine", "training.warmup": 20}),
    Fault("clipping at 0.5", "", GATES, {"training.clip": 0.5}),
    Fault("4 batches an update", "", GATES, {"training.accumulate": 4, "training.batch": 4}),
    Fault("batches of 2", "", GATES, {"training.batch": 2, "dataset.train": 40}),
    Fault("class weights 1:3", "", GATES, plant=mild_weights),
    Fault("few positives", "", GATES, spoil=on_splits(lambda split: rarer(split, 1, 0.6))),
    Fault("hardly learnable", "", GATES, spoil=on_splits(lambda split: relabelled(split, 0.5))),
    Fault("frozen positions", "", GATES, {"model.positional.freeze": True}),
)


def shipped() -> Iterator[Case]:
    """The cells of the norm ablation, as its quick profile trains them."""
    for cell in expand(read_study(STUDY, profile=PROFILE)).cells:
        name = ", ".join(f"{path.rpartition('.')[2]} {level}" for path, level in cell.levels.items())
        yield Case(name, STUDY.stem, "shipped", watched(cell.experiment, {}))
