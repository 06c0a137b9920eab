"""Faults of our own in the style of mutation operators: another activation, loss, rate, start, label or part."""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor

from benchmarks.faults.cases import Fault
from benchmarks.faults.listed import GATES, GIN, NO_GIN_NORMS, TRANSFORMER
from benchmarks.faults.planting import (
    after_block,
    as_numbers,
    of_one_kind,
    on_linears,
    on_loss,
    on_splits,
    on_training,
    on_weights,
    places,
    rarer,
    relabelled,
    repeated,
    scaled,
)
from lab.data.batch import Dataset
from lab.train.run import Run


def mixed(x: Tensor) -> Tensor:
    """Every node also reads the first node of the batch's first graph."""
    return x + x[:1, :1]


def pooled(x: Tensor) -> Tensor:
    """Every node also reads the mean of its graph, in which padding counts."""
    return x + x.mean(1, keepdim=True)


def rooted(x: Tensor) -> Tensor:
    """A term that is always zero, with a root in it whose slope at zero is infinite."""
    return x + 0 * (x.relu() * 0).sqrt()


def emptied(name: str, weight: Tensor) -> None:
    """Both linear layers of every block's MLP start at zero, so that neither lets the other learn."""
    if ".linear1." in name or ".linear2." in name:
        weight.zero_()


def linear(run: Run) -> None:
    """No ReLU does anything."""
    for relu in places(run.learner.model, "relu"):
        relu.forward = lambda x: x  # type: ignore[method-assign]


def padding_is_scored(run: Run) -> None:
    """Padding counts as nodes of the first class."""
    loss = run.task.loss
    run.task.loss = lambda outputs, batch: loss(outputs, replace(batch, y=batch.y.clamp(min=0)))


def stretched(dataset: Dataset) -> Dataset:
    """Features that nobody scaled."""
    return on_splits(lambda split: replace(split, x=split.x * 1e4))(as_numbers(dataset))


MUTATIONS = (
    Fault(
        "activation: x² for ReLU, no norm",
        "act_scale initial_loss update_high",
        GIN,
        NO_GIN_NORMS,
        plant=on_linears("linear1", Tensor.square),
    ),
    Fault("loss: a thousandth of it", "initial_loss", hosts=GATES, plant=on_loss(lambda loss, batch: loss / 1000)),
    Fault("learning rate: 0.05", "update_high", hosts=GATES, options={"training.lr": 0.05}),
    Fault("learning rate: 3e-7", "update_low", hosts=GATES, options={"training.lr": 3e-7}),
    Fault(
        "optimiser: sgd at a rate meant for adam",
        "update_low",
        TRANSFORMER,
        {"training.optimizer": "sgd", "training.lr": 1e-5},
    ),
    Fault(
        "optimiser: sgd at rate 10",
        "update_high",
        hosts=GIN,
        options={"training.optimizer": "sgd", "training.lr": 10.0},
    ),
    Fault("labels: 95 % redrawn", "no_learning", hosts=GATES, spoil=on_splits(lambda split: relabelled(split, 0.95))),
    Fault(
        "labels: one class in fifty, unweighted",
        "seesaw",
        hosts=TRANSFORMER,
        spoil=on_splits(lambda split: rarer(split, 1, 0.02)),
        options={"training.class_weights": "none"},
    ),
    Fault(
        "labels: one class only in training",
        "no_gradient vanishing",
        hosts=GIN,
        spoil=on_training(lambda split: of_one_kind(split, 0)),
    ),
    Fault("start: MLPs at zero", "no_gradient dead_units", TRANSFORMER, plant=on_weights(emptied)),
    Fault(
        "start: weights x20 before layer norms",
        "initial_loss",
        TRANSFORMER,
        plant=scaled(20),
    ),
    Fault(
        "regularisation: weight decay 100", "update_high", hosts=TRANSFORMER, options={"training.weight_decay": 100.0}
    ),
    Fault("regularisation: dropout 0.95", "no_learning", hosts=TRANSFORMER, options={"model.dropout": 0.95}),
    Fault("norm removed, 8 layers", "act_scale initial_loss", GIN, {**NO_GIN_NORMS, "model.layers": 8}),
    Fault(
        "residual and norm removed, small start",
        "vanishing act_scale",
        GIN,
        {**NO_GIN_NORMS, "model.residual": False, "model.layers": 6},
        plant=scaled(0.05),
    ),
    Fault("graphs of a batch mixed", "cross_graph", hosts=GIN, plant=after_block(0, mixed)),
    Fault("mean pooling over padding", "padding_leak", hosts=GATES, plant=after_block(0, pooled)),
    Fault("padding scored as class 0", "padding_leak", hosts=TRANSFORMER, plant=padding_is_scored),
    Fault("root of zero in the backward pass", "nonfinite", hosts=GATES, plant=after_block(0, rooted)),
    Fault("features x10,000", "mode_and_input", hosts=GIN, spoil=stretched),
)

UNRULED = (
    Fault("data: the same two graphs", "", TRANSFORMER, spoil=on_training(lambda split: repeated(split, 2))),
    Fault("labels: 20 % redrawn", "", TRANSFORMER, spoil=on_splits(lambda split: relabelled(split, 0.2))),
    Fault("activation: none", "", GATES, plant=linear),
)
