"""The published list: 26 faults, each with the rule that must fire."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from benchmarks.faults.cases import Fault, Plant
from benchmarks.faults.planting import (
    after_block,
    always_evaluating,
    as_numbers,
    isolated,
    left_out,
    never_zeroed,
    on_batches,
    on_linears,
    on_logits,
    on_loss,
    on_splits,
    on_weights,
    rate_jumps,
    relabelled,
    scaled,
    together,
)
from lab.data.batch import IGNORED, Batch, Dataset
from lab.train.run import Run
from lab.zoo.attention import Normaliser, Pairs

OUTLIER_STEP = 130
TRANSFORMER, GATES, GIN = ("transformer",), ("gates",), ("gin",)
WITHOUT_SELF = {"model.powers": [1, 2], "model.stack": "walk"}
"""A node without edges then has nothing to read."""
NO_NORMS = {"model.attention_norm": "none", "model.ff_norm": "none"}
NO_GIN_NORMS = {"model.mlp_norm": "none", "model.between_norm": "none"}


# --- attention ---


def by_rows(logits: Tensor, allowed: Tensor, fill: Tensor) -> Tensor:
    """A softmax over forbidden scores of minus infinity: a row with nothing to read is not a number."""
    return logits.masked_fill(allowed == 0, -torch.inf).softmax(-1)


def mended(logits: Tensor, allowed: Tensor, fill: Tensor) -> Tensor:
    """The same with its holes painted over."""
    return by_rows(logits, allowed, fill).nan_to_num()


def by_columns(logits: Tensor, allowed: Tensor, fill: Tensor) -> Tensor:
    """A softmax over the readers instead of the read."""
    return torch.addcmul(fill, logits, allowed).softmax(-2) * allowed


def weighing(how: Callable[[Tensor, Tensor, Tensor], Tensor]) -> Plant:
    """Put another softmax in the place of every layer's."""

    def plant(run: Run) -> None:
        for module in run.learner.model.modules():
            if isinstance(module, Normaliser):
                module.forward = how

    return plant


def unmasked_keys(run: Run) -> None:
    """Forget which pairs are padding: everyone reads everyone."""
    model = run.learner.model
    pairs = model._pairs

    def everyone(batch: Batch) -> Pairs:
        known = pairs(batch)
        return replace(known, allowed=torch.ones_like(known.allowed), fill=torch.zeros_like(known.fill))

    model._pairs = everyone


def sharpened(run: Run) -> None:
    """Scores come out 400 times too large."""
    for module in run.learner.model.modules():
        if hasattr(module, "_logits"):
            logits = module._logits
            module._logits = lambda asked, pairs, logits=logits: 400 * logits(asked, pairs)


# --- the rest ---


def biased(name: str, weight: Tensor) -> None:
    """Push every unit in front of the second block's ReLU far below zero."""
    if name.endswith(("layers.1.feed_forward.linear1.bias", "layers.1.mlp_norm.bias")):
        weight.fill_(-6)


def one_sided(run: Run) -> None:
    """Weigh the first class 300 times as much as the second."""
    run.task.weights = lambda counts: torch.tensor([300.0, 1.0])


def outlier(step: int, batch: Batch) -> Batch:
    """One batch is a thousand times too large."""
    return replace(batch, x=batch.x * 1000) if step == OUTLIER_STEP else batch


def with_a_hole(dataset: Dataset) -> Dataset:
    """One feature of one node of one training graph is not a number."""
    holed = as_numbers(dataset)
    holed.splits["train"].x[7, 0, 0] = torch.nan
    return holed


LISTED = (
    Fault(
        "masked row",
        "masked_row nonfinite",
        TRANSFORMER,
        WITHOUT_SELF,
        on_splits(isolated),
        weighing(by_rows),
    ),
    Fault(
        "masked row behind nan_to_num",
        "masked_row",
        TRANSFORMER,
        WITHOUT_SELF,
        on_splits(isolated),
        weighing(mended),
    ),
    Fault("no key mask", "padding_leak", ("transformer", "gates"), plant=unmasked_keys),
    Fault(
        "batch norm over padding",
        "padding_leak",
        ("transformer", "gates"),
        {"model.attention_norm": "batch", "model.ff_norm": "batch", "model.masked_norm": False},
    ),
    Fault("softmax over queries", "attention_form", TRANSFORMER, plant=weighing(by_columns)),
    Fault("double softmax", "double_softmax", plant=on_logits(lambda logits: logits.softmax(-1))),
    Fault("negated loss", "initial_loss", plant=on_loss(lambda loss, batch: -loss)),
    Fault("sum for mean", "initial_loss", plant=on_loss(lambda loss, batch: loss * (batch.y != IGNORED).sum())),
    Fault("shuffled labels", "no_learning", spoil=on_splits(lambda split: relabelled(split, 1.0))),
    Fault("no zero_grad", "stale_grad", plant=never_zeroed),
    Fault("detached after block 1", "no_gradient", plant=after_block(0, Tensor.detach)),
    Fault("block not in the optimiser", "no_gradient", plant=left_out(1)),
    Fault("lr 0.3", "update_high", options={"training.lr": 0.3}),
    Fault("lr 1e-8", "update_low", options={"training.lr": 1e-8}),
    Fault("lr x100 at half time", "update_high grad_spike grad_growth divergence", plant=rate_jumps(100, 0.5)),
    Fault(
        "small init, no norm, no residual, sigmoid",
        "vanishing act_scale",
        GIN,
        {**NO_GIN_NORMS, "model.layers": 8, "model.residual": False},
        plant=together(scaled(0.1), on_linears("linear1", torch.sigmoid)),
    ),
    Fault("init x6, no norm", "act_scale initial_loss", TRANSFORMER, NO_NORMS, plant=scaled(6)),
    Fault(
        "gin without norm, high degree",
        "act_scale initial_loss",
        GIN,
        {**NO_GIN_NORMS, "dataset.p": 0.9, "dataset.q": 0.5, "dataset.sizes": [6, 10]},
    ),
    Fault("ReLU bias -6", "dead_units", plant=on_weights(biased)),
    Fault("scores x400", "saturation", TRANSFORMER, plant=sharpened),
    Fault("gate bias -12", "saturation", GATES, {"model.positional.init_bias": -12.0}),
    Fault("class weights 300:1", "seesaw", TRANSFORMER, plant=one_sided),
    Fault("one outlier batch", "grad_spike", spoil=as_numbers, plant=on_batches(outlier)),
    Fault("one NaN feature", "nonfinite", spoil=with_a_hole),
    Fault(
        "constant features",
        "mode_and_input",
        spoil=on_splits(lambda split: replace(split, x=torch.zeros_like(split.x))),
    ),
    Fault("evaluation mode in training", "mode_and_input", plant=always_evaluating),
)
