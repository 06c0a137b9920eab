"""The tools that faults are planted with: each changes a built run, or its data, in one place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor, nn

from lab.data.batch import IGNORED, Batch, Dataset, Split
from lab.train.run import Run

# --- the model ---


def places(model: nn.Module, kind: str) -> list[nn.Module]:
    """The modules of a model that are tapped as this kind, in their order."""
    return [module for module in model.modules() if getattr(module, "tapped", None) == kind]


def after(module: nn.Module, change: Callable[[Tensor], Tensor]) -> None:
    """Change what a module puts out, before anyone sees it, probes included."""
    forward = module.forward
    module.forward = lambda *told: change(forward(*told))  # type: ignore[method-assign]


def block(run: Run, depth: int) -> nn.Module:
    """One of the model's blocks."""
    return places(run.learner.model, "block")[depth]


def after_block(depth: int, change: Callable[[Tensor], Tensor]) -> Callable[[Run], None]:
    """Change what a block puts out."""
    return lambda run: after(block(run, depth), change)


def on_logits(change: Callable[[Tensor], Tensor]) -> Callable[[Run], None]:
    """Change what the model puts out."""
    return lambda run: after(places(run.learner.model, "logits")[0], change)


def on_linears(ending: str, change: Callable[[Tensor], Tensor]) -> Callable[[Run], None]:
    """Change what every linear layer of this name puts out."""

    def plant(run: Run) -> None:
        for name, module in run.learner.model.named_modules():
            if name.endswith(ending):
                after(module, change)

    return plant


def on_weights(change: Callable[[str, Tensor], None]) -> Callable[[Run], None]:
    """Change parameters in place, each by its name."""

    def plant(run: Run) -> None:
        with torch.no_grad():
            for name, parameter in run.learner.model.named_parameters():
                change(name, parameter)

    return plant


def scaled(factor: float) -> Callable[[Run], None]:
    """Start from weight matrices that are so many times larger."""
    return on_weights(lambda name, weight: weight.mul_(factor) if weight.ndim > 1 else None)


def together(*plants: Callable[[Run], None]) -> Callable[[Run], None]:
    """Several of them at once."""

    def plant(run: Run) -> None:
        for each in plants:
            each(run)

    return plant


# --- the loss, the steps and the optimiser ---


def on_loss(change: Callable[[Tensor, Batch], Tensor]) -> Callable[[Run], None]:
    """Change the loss of a batch."""

    def plant(run: Run) -> None:
        loss = run.task.loss

        def changed(outputs: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
            value, is_void = loss(outputs, batch)
            return change(value, batch), is_void

        run.task.loss = changed  # type: ignore[method-assign]

    return plant


def on_batches(change: Callable[[int, Batch], Batch]) -> Callable[[Run], None]:
    """Change the training batches, each by its step."""

    def plant(run: Run) -> None:
        train = run.splits["train"]
        cut = train.batch
        train.batch = lambda index, nodes: change(run.past.step, cut(index, nodes))  # type: ignore[method-assign]

    return plant


def left_out(depth: int) -> Callable[[Run], None]:
    """Let the optimiser pass a block over."""

    def plant(run: Run) -> None:
        member = {id(parameter) for parameter in block(run, depth).parameters()}
        own = [parameter for parameter in run.learner.model.parameters() if id(parameter) in member]
        step = run.stepper.optimiser.step

        def passing_over(gradients: Tensor, lr: Tensor, go: Tensor) -> None:
            kept = [parameter.detach().clone() for parameter in own]
            step(gradients, lr, go)
            for parameter, before in zip(own, kept, strict=True):
                parameter.copy_(before)

        run.stepper.optimiser.step = passing_over  # type: ignore[method-assign]

    return plant


def never_zeroed(run: Run) -> None:
    """Let gradients add up from step to step."""
    run.pack.clear = lambda active: None  # type: ignore[method-assign]


def rate_jumps(factor: float, share: float) -> Callable[[Run], None]:
    """Multiply the learning rate once so much of the run is over."""

    def plant(run: Run) -> None:
        table = run.stepper.rates[:1].repeat(run.planned_steps, 1)
        table[int(share * run.planned_steps) :] *= factor
        run.stepper.rates = table

    return plant


def always_evaluating(run: Run) -> None:
    """Let `train()` leave the model in evaluation mode."""
    model = run.learner.model
    model.train = lambda mode=True: nn.Module.train(model, False)  # type: ignore[method-assign]


# --- the data ---


def on_training(change: Callable[[Split], Split]) -> Callable[[Dataset], Dataset]:
    """Change the training graphs only."""
    return lambda dataset: replace(dataset, splits={**dataset.splits, "train": change(dataset.splits["train"])})


def on_splits(change: Callable[[Split], Split]) -> Callable[[Dataset], Dataset]:
    """Change the graphs of every split."""
    return lambda dataset: replace(dataset, splits={name: change(split) for name, split in dataset.splits.items()})


def as_numbers(dataset: Dataset) -> Dataset:
    """Nodes carry a number for each token instead of the token: 1 for their own, else 0."""
    tokens = dataset.shape.tokens
    spread = on_splits(lambda split: replace(split, x=nn.functional.one_hot(split.x, tokens).float()))(dataset)
    return replace(spread, shape=replace(dataset.shape, tokens=0, features=tokens))


def isolated(split: Split) -> Split:
    """One node of every third graph loses all its edges."""
    adjacency = split.adjacency.clone()
    adjacency[::3, 0, :] = adjacency[::3, :, 0] = 0
    return replace(split, adjacency=adjacency)


def relabelled(split: Split, share: float) -> Split:
    """So many of the scored nodes take the label of another scored node, drawn at random."""
    random = torch.Generator().manual_seed(0)
    labels, scored = split.y.clone(), split.y != IGNORED
    told = labels[scored]
    drawn = told[torch.randperm(len(told), generator=random)]
    labels[scored] = torch.where(torch.rand(len(told), generator=random) < share, drawn, told)
    return replace(split, y=labels)


def of_one_kind(split: Split, label: int) -> Split:
    """Only nodes of this class are scored."""
    return replace(split, y=split.y.masked_fill(split.y != label, IGNORED))


def rarer(split: Split, label: int, share: float) -> Split:
    """Only so many nodes of this class are still scored."""
    dropped = torch.rand(split.y.shape, generator=torch.Generator().manual_seed(0)) >= share
    return replace(split, y=split.y.masked_fill((split.y == label) & dropped, IGNORED))


def repeated(split: Split, graphs: int) -> Split:
    """The same few graphs over and over."""
    at = torch.arange(len(split)) % graphs
    return Split(split.x[at], split.adjacency[at], split.y[at], split.sizes[at])
