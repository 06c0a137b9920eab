"""Footprint: what one step of a model keeps for its backward pass, where, and what it holds at most."""

from __future__ import annotations

import weakref
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from lab.data.batch import Batch

LARGEST = 10
"""Modules that are named."""

Loss = Callable[[Tensor, Batch], Tensor]


@dataclass(frozen=True)
class MemoryStats:
    """What a step costs in bytes, and which parameters it teaches nothing."""

    parameter_bytes: int
    buffer_bytes: int
    gradient_bytes: int
    """Of the gradients that the step gives."""
    saved_bytes: int
    """Kept from the forward pass for the backward pass, parameters and buffers aside; each storage counts once.
    Results that recomputed blocks keep on purpose are not among them: compare those by the peak; nor is what waits
    in the host's memory."""
    saved_by_module: tuple[tuple[str, int], ...]
    """The modules that keep most, largest first; what inner modules keep is theirs."""
    peak_bytes: int
    """Most that is alive at once of what the step makes."""
    timeline: tuple[tuple[str, str, int], ...]
    """Module by module as the step goes forward and back: its name, which way, and the most alive since the last."""
    dead_parameters: tuple[str, ...]
    """Parameters that get no gradient at all."""
    zero_parameters: tuple[str, ...]
    """Parameters whose gradient is zero everywhere."""


def memory_stats(
    model: nn.Module, batch: Batch, loss: Loss | None = None, *, forward: Callable[[Batch], Tensor] | None = None
) -> MemoryStats:
    """Take one step forward and back, and count; weights, gradients, statistics and chance stay as they are.

    Without a loss the mean square of the outputs stands for it; `forward` is how the model is called, if not plainly.
    """
    learning = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
    known = [*model.parameters(), *model.buffers(), *batch.tensors.values(), *batch.extra.values()]
    saved, live = Saved(model), Timeline(model, known)
    with _unchanged(model), live:
        with saved.watching(), live.watching():
            told = (forward or model)(batch)
            cost = told.float().square().mean() if loss is None else loss(told, batch)
        gradients = torch.autograd.grad(cost, list(learning.values()), allow_unused=True)
    found = dict(zip(learning, gradients, strict=True))
    return MemoryStats(
        parameter_bytes=_bytes(model.parameters()),
        buffer_bytes=_bytes(model.buffers()),
        gradient_bytes=_bytes(each for each in gradients if each is not None),
        saved_bytes=saved.by_module.total(),
        saved_by_module=tuple(saved.by_module.most_common(LARGEST)),
        peak_bytes=live.peak,
        timeline=tuple(live.points),
        dead_parameters=tuple(name for name, each in found.items() if each is None),
        zero_parameters=tuple(name for name, each in found.items() if each is not None and not bool(each.any())),
    )


class Saved:
    """Counts what autograd keeps, by the module that makes it keep it."""

    def __init__(self, model: nn.Module) -> None:
        self.names = {module: name or "the model" for name, module in model.named_modules()}
        self.by_module: Counter[str] = Counter()
        self._seen = {_place(each) for each in (*model.parameters(), *model.buffers())}
        self._inside: list[str] = []

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Count what is kept of whatever runs inside."""
        with ExitStack() as stack:
            # Hooks on all modules: hooks on these alone would tell taps that somebody looks.
            enter = register_module_forward_pre_hook(lambda module, _: self._inside.append(self.names.get(module, "?")))
            leave = register_module_forward_hook(lambda *_: self._leave(), always_call=True)
            for handle in (enter, leave):
                stack.callback(handle.remove)
            stack.enter_context(saved_tensors_hooks(self._keep, lambda kept: kept))
            yield

    def _leave(self) -> None:
        self._inside.pop()

    def _keep(self, tensor: Tensor) -> Tensor:
        place = _place(tensor)
        if place not in self._seen:
            self._seen.add(place)
            self.by_module[self._inside[-1] if self._inside else "the loss"] += tensor.untyped_storage().nbytes()
        return tensor


class Live(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the bytes that are alive of what operations put out, on any device; `known` tensors do not count."""

    def __init__(self, known: Iterable[Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.now = self.peak = 0
        self._known = {_place(each) for each in known}
        self._alive: set[int] = set()

    def __torch_dispatch__(
        self, operation: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Let the operation run, and count the storages that are new."""
        out = operation(*args, **(kwargs or {}))
        for leaf in tree_leaves(out):
            if isinstance(leaf, Tensor):
                self._count(leaf)
        return out

    def _count(self, tensor: Tensor) -> None:
        storage, place = tensor.untyped_storage(), _place(tensor)
        if place in self._known or place in self._alive:
            return
        self._alive.add(place)
        self.now += storage.nbytes()
        self.peak = max(self.peak, self.now)
        weakref.finalize(storage, self._free, place, storage.nbytes()).atexit = False

    def _free(self, place: int, size: int) -> None:
        self._alive.discard(place)
        self.now -= size


class Timeline(Live):  # type: ignore[no-untyped-call]
    """Notes what is alive each time a module is through, on the way forward and on the way back."""

    def __init__(self, model: nn.Module, known: Iterable[Tensor]) -> None:
        super().__init__(known)
        self.points: list[tuple[str, str, int]] = []
        self._names = {module: name or "the model" for name, module in model.named_modules()}
        self._device = next(model.parameters()).device
        self._most = 0

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Note the modules that run inside, and their way back whenever that is."""
        handle = register_module_forward_hook(self._leave)
        try:
            yield
        finally:
            handle.remove()

    def _leave(self, module: nn.Module, _: object, out: object) -> None:
        name = self._names.get(module)
        if name is None:
            return
        self._note(name, "forward")
        for leaf in tree_leaves(out):
            if isinstance(leaf, Tensor) and leaf.requires_grad:
                leaf.register_hook(lambda _: self._note(name, "backward"))  # type: ignore[no-untyped-call]

    def _note(self, name: str, way: str) -> None:
        self.points.append((name, way, self._most))
        self._most = self.now

    def _count(self, tensor: Tensor) -> None:
        if tensor.device == self._device:  # what waits in the host's memory does not run out on the device
            super()._count(tensor)
            self._most = max(self._most, self.now)


def _place(tensor: Tensor) -> int:
    """A name for a tensor's storage, as long as that lives."""
    return int(tensor.untyped_storage()._cdata)


def _bytes(tensors: Iterable[Tensor]) -> int:
    return sum(each.nbytes for each in tensors)


@contextmanager
def _unchanged(model: nn.Module) -> Iterator[None]:
    """Running statistics and chance come back as they were."""
    device = next(model.parameters()).device
    buffers = [(buffer, buffer.clone()) for buffer in model.buffers()]
    with torch.random.fork_rng([] if device.type == "cpu" else [device], device_type=device.type):
        try:
            yield
        finally:
            with torch.no_grad():
                for buffer, before in buffers:
                    buffer.copy_(before)
