"""Parting: two runs taken step by step side by side, down to the first tensor that is not the same in both."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from lab.data.batch import Batch, Dataset
from lab.records.replayed import Difference, Parting
from lab.train.member import Member
from lab.train.replay.rerun import Due, Rerun, arithmetic

NOT_OF_STEPS = ("probes", "rules", "recorder", "plugins", "lab")
"""Options that change no step."""
CAUSES: Mapping[str, tuple[str, ...]] = {
    "initial weights": ("model.", "dataset.", "training.unpaired"),
    "batch": ("dataset.", "training.batch", "training.order", "training.accumulate", "training.unpaired", "model."),
    "forward": ("model.", "dataset.", "training.precision", "training.compile", "training.unpaired"),
    "loss": (
        "training.class_weights", "training.accumulate", "training.loss", "training.focal", "training.link_terms",
        "training.forecast", "dataset.",
    ),
    "gradient": ("model.", "training.precision", "training.compile", "training.accumulate"),
    "update": (
        "training.optimizer", "training.lr", "training.weight_decay", "training.momentum", "training.clip",
        "training.schedule", "training.onecycle", "training.restarts", "training.decayed", "training.warmup",
        "training.plateau", "training.epochs", "stop_run.nan",
    ),
}  # fmt: skip
"""Where runs part -> the options that can make them part there."""

Opened = tuple[Member, Dataset]


@dataclass
class Call:
    """One call of a module."""

    name: str
    inputs: list[Tensor]
    outputs: list[Tensor] = field(default_factory=list)


class Watched:
    """A run whose modules are listened to while it takes a step."""

    def __init__(self, opened: Opened) -> None:
        self.rerun = Rerun(*opened)
        self.names = {module: name for name, module in self.rerun.learner.model.named_modules()}
        self.batches: list[Batch] = []
        self.calls: list[Call] = []

    def take(self, due: Due) -> None:
        """Take a step, keeping what went into and came out of every module."""
        self.batches, self.calls = self.rerun.batches(due.update), []
        with self._listening():
            self.rerun.stepper.step(due.step, [self.batches])

    @contextmanager
    def _listening(self) -> Iterator[None]:
        open_calls: list[Call] = []

        def enter(module: nn.Module, inputs: Any) -> None:
            open_calls.append(Call(self.names[module], _tensors(inputs)))

        def leave(module: nn.Module, inputs: Any, outputs: Any) -> None:
            call = open_calls.pop()
            call.outputs = _tensors(outputs)
            self.calls.append(call)

        modules = list(self.names)
        hooks = [module.register_forward_pre_hook(enter) for module in modules]
        hooks += [module.register_forward_hook(leave) for module in modules]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()

    def parameters(self) -> dict[str, Tensor]:
        """Every parameter as it stands."""
        return {name: parameter.detach() for name, parameter in self.rerun.learner.model.named_parameters()}

    def gradients(self) -> dict[str, Tensor]:
        """The gradient of every parameter that learns, the last one first: that is how they come about."""
        named = list(self.rerun.learner.model.named_parameters())
        return {name: parameter.grad for name, parameter in reversed(named) if parameter.grad is not None}


def part(first: Opened, second: Opened, *, steps: int, hear: Callable[[int, int], None]) -> Parting:
    """Run two members side by side until they part, or for so many steps."""
    device = first[1].splits["train"].x.device
    options = _different(first[0], second[0])
    with arithmetic(first[0], device):
        sides = Watched(first), Watched(second)
        told = Parting("", "", first[0].seed, 0, missing=_missing(*sides), options=options)
        found = _weights(*sides)
        dues = islice(zip(*(side.rerun.due(0) for side in sides), strict=False), steps)
        for ours, theirs in dues:
            if found is not None:
                break
            hear(ours.step, steps)
            found = _step(sides, (ours, theirs))
            told = replace(told, steps=ours.step + 1)
        return told if found is None else replace(told, difference=found, causes=_causes(found, options))


def _different(first: Member, second: Member) -> dict[str, tuple[Any, Any]]:
    one, other = first.experiment.options(), second.experiment.options()
    keys = [key for key in dict.fromkeys([*one, *other]) if key.partition(".")[0] not in NOT_OF_STEPS]
    return {key: (one.get(key), other.get(key)) for key in keys if one.get(key) != other.get(key)}


def _causes(found: Difference, options: Mapping[str, object]) -> tuple[str, ...]:
    return tuple(key for key in options if key.startswith(CAUSES[found.where]))


def _missing(first: Watched, second: Watched) -> tuple[tuple[str, ...], tuple[str, ...]]:
    ours, theirs = first.parameters(), second.parameters()
    return tuple(name for name in ours if name not in theirs), tuple(name for name in theirs if name not in ours)


def _weights(first: Watched, second: Watched) -> Difference | None:
    return _first_of(first.parameters(), second.parameters(), 0, "initial weights")


def _step(sides: tuple[Watched, Watched], dues: tuple[Due, Due]) -> Difference | None:
    """One step of both, and the first thing in it that differs."""
    first, second = sides
    step = dues[0].step
    for side, due in zip(sides, dues, strict=True):
        side.take(due)
    found = _batches(first.batches, second.batches, step) or _calls(first.calls, second.calls, step)
    one, other = (side.rerun.stepper for side in sides)
    if found is None and not _same(one.losses, other.losses):
        said = f"{one.losses.item():.9g} and {other.losses.item():.9g}, of the same outputs"
        found = Difference(step, "loss", says=said)
    found = found or _first_of(first.gradients(), second.gradients(), step, "gradient")
    found = found or _first_of(first.parameters(), second.parameters(), step, "update")
    for side, due in zip(sides, dues, strict=True):
        if due.ends_epoch:
            side.rerun.end_epoch()
    return found


def _first_of(ours: Mapping[str, Tensor], theirs: Mapping[str, Tensor], step: int, where: Any) -> Difference | None:
    """The first tensor that both have and that is not the same."""
    for name, tensor in ours.items():
        if name in theirs and not _same(tensor, theirs[name]):
            module, _, word = name.rpartition(".")
            return Difference(step, where, module, word, _apart(tensor, theirs[name]))
    return None


def _batches(ours: Sequence[Batch], theirs: Sequence[Batch], step: int) -> Difference | None:
    if len(ours) != len(theirs):
        return Difference(step, "batch", says=f"{len(ours)} and {len(theirs)} batches make the update")
    for one, other in zip(ours, theirs, strict=True):
        for name in ("ids", "mask", "x", "adjacency", "y"):
            told, held = getattr(one, name), getattr(other, name)
            if not _same(told, held):
                said = "other graphs meet" if name == "ids" else _apart(told, held)
                return Difference(step, "batch", tensor=name, says=said)
        for name in one.extra:
            if name in other.extra and not _same(one.extra[name], other.extra[name]):
                return Difference(
                    step, "batch", tensor=f"extra {name}", says=_apart(one.extra[name], other.extra[name])
                )
    return None


def _calls(ours: Sequence[Call], theirs: Sequence[Call], step: int) -> Difference | None:
    """The first module, in the order of the calls, that puts out something else."""
    waiting: dict[str, list[Call]] = {}
    for call in theirs:
        waiting.setdefault(call.name, []).append(call)
    for call in ours:
        held = waiting.get(call.name)
        if held:
            other = held.pop(0)
            if not _all_same(call.outputs, other.outputs):
                went_in = "the same goes in" if _all_same(call.inputs, other.inputs) else "other numbers go in already"
                said = f"{_outputs(call, other)}; {went_in}"
                return Difference(step, "forward", call.name or "the model", "output", said)
    return None


def _outputs(one: Call, other: Call) -> str:
    pairs = zip(one.outputs, other.outputs, strict=False)
    return next((_apart(*pair) for pair in pairs if not _same(*pair)), "another number of tensors comes out")


def _tensors(values: Any) -> list[Tensor]:
    """The tensors among what a module is given or gives; a batch is compared by itself."""
    return [leaf.detach().clone() for leaf in tree_leaves(values) if isinstance(leaf, Tensor)]


def _all_same(ours: Sequence[Tensor], theirs: Sequence[Tensor]) -> bool:
    return len(ours) == len(theirs) and all(_same(*pair) for pair in zip(ours, theirs, strict=True))


def _same(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors are equal to the last bit; NaN is equal to NaN."""
    return one.shape == other.shape and one.dtype == other.dtype and torch.equal(one.nan_to_num(), other.nan_to_num())


def _apart(one: Tensor, other: Tensor) -> str:
    if one.shape != other.shape:
        return f"shapes {list(one.shape)} and {list(other.shape)}"
    if one.dtype != other.dtype:
        return f"types {one.dtype} and {other.dtype}"
    apart = (one.double() - other.double()).abs()
    count = int((apart != 0).sum())
    return f"{count} of {one.numel()} numbers differ, by {float(apart.max()):.3g} at most"
