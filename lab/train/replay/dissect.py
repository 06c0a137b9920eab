"""Dissect: one step under a microscope, every tensor that its operations put out with the module it belongs to."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from lab.data.batch import Batch
from lab.probes.probe import Probe, Subject
from lab.probes.recorder import Recorder
from lab.records.replayed import Abnormal, Computed, Phase
from lab.train.step import Stepper

HUGE = 1e10
"""A magnitude that no sound activation or gradient has."""
UNWRITTEN = ("empty", "new_empty", "empty_like", "empty_strided", "new_empty_strided")
"""Operations that hand out memory as they find it."""
DELIBERATE = ("fill", "fill_", "full", "full_like", "new_full", "masked_fill", "masked_fill_", "scalar_tensor", "where")
"""Operations that write what the code says: an infinity there is meant."""


class Dissection(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Sees every operation of a step below autograd, and keeps the extremes and the norm of what it puts out.

    Modules are told by hooks while the step goes forward; a backward operation belongs to the module whose forward
    operation has the same number in autograd's sequence.
    """

    def __init__(self, stepper: Stepper, batches: Sequence[Batch]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        model = stepper.learners[0].model
        self.names = {module: name for name, module in model.named_modules()}
        self.parameters = {id(parameter): name for name, parameter in model.named_parameters()}
        self.known = list(_addresses(model, batches))
        self.batches = batches
        self.computed: list[Computed] = []
        self.first: Abnormal | None = None
        self.is_updating = False
        self._has_answered = False
        self._inside: list[str] = []
        self._owners: dict[int, str] = {}

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Follow the modules, and see the operations, of whatever runs inside."""
        hooks = (
            register_module_forward_pre_hook(lambda module, _: self._inside.append(self.names.get(module, "?"))),
            register_module_forward_hook(lambda *_: self._leave(), always_call=True),
        )
        try:
            with self:
                yield
        finally:
            for hook in hooks:
                hook.remove()

    def _leave(self) -> None:
        self._inside.pop()
        self._has_answered = self._has_answered or not self._inside

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Let the operation run, then look at what it put out."""
        phase, module = self._place()
        read = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor) and _is_number(leaf)]
        before = [_describe(leaf) for leaf in read] if func._schema.is_mutable and not self.first else []
        out = func(*args, **(kwargs or {}))
        name = func.overloadpacket.__name__
        if func.is_view or name in UNWRITTEN:
            return out
        for tensor in _written(func, args, out):
            if _is_number(tensor):
                told = _computed(tensor, len(self.computed), phase, module, name)
                self.computed.append(told)
                if self.first is None and _abnormal(told) is not None:
                    self._blame(told, tensor, list(zip(read, before or map(_describe, read), strict=True)))
        return out

    def _place(self) -> tuple[Phase, str]:
        node = torch._C._current_autograd_node()
        if node is not None:
            variable = getattr(node, "variable", None)
            owner = self._owners.get(node._sequence_nr(), "") if variable is None else self.parameters.get(id(variable))
            return "backward", owner or ""
        if self._inside:
            self._owners[torch.autograd._get_sequence_nr()] = self._inside[-1]
            return "forward", self._inside[-1]
        return ("update" if self.is_updating else "loss" if self._has_answered else "forward"), ""

    def _blame(self, told: Computed, tensor: Tensor, inputs: Sequence[tuple[Tensor, Computed]]) -> None:
        what = _abnormal(told)
        assert what is not None, "it is only asked of abnormal tensors"
        odd = [leaf for leaf, before in inputs if _abnormal(before) is not None]
        self.first = Abnormal(
            tensor=told,
            what=what,
            is_created=not odd,
            source=next((name for name in map(self._source, odd) if name), ""),
            inputs=tuple(_said(before) for _, before in inputs),
            graphs=self._graphs(tensor),
        )

    def _source(self, leaf: Tensor) -> str:
        at = leaf.data_ptr()
        return next((name for start, end, name in self.known if start <= at < end), "")

    def _graphs(self, tensor: Tensor) -> tuple[int, ...]:
        """The graphs that a tensor is odd in, if its first axis runs over graphs or over their nodes."""
        for batch in self.batches:
            graphs, nodes = batch.mask.shape
            if tensor.ndim and tensor.shape[0] in (graphs, graphs * nodes):
                odd = ~(tensor.detach().abs() < HUGE) & (tensor != -math.inf)
                rows = odd.reshape(graphs, -1).any(1)
                return tuple(batch.ids[rows].tolist())
        return ()


class _Turns(Probe):
    """Tells a dissection when a step comes to its update."""

    def __init__(self, dissection: Dissection) -> None:
        self.dissection = dissection

    def after_backward(self, step: int) -> None:
        self.dissection.is_updating = True


def dissect(stepper: Stepper, step: int, batches: Sequence[Batch]) -> tuple[Dissection, Exception | None]:
    """Take a step and see all of it; also what it raised, if it did."""
    told, pack = Dissection(stepper, batches), stepper.pack
    subject = Subject(stepper.learners[0].model, pack.layout, pack.weights[0], pack.gradients[0])
    recorder = Recorder((), subject, planned_steps=1)
    recorder.probes = (_Turns(told),)
    before, stepper.recorders = stepper.recorders, (recorder,)
    try:
        with told.watching():
            stepper.step(step, [batches])
    except Exception as problem:
        return told, problem
    finally:
        stepper.recorders = before
    return told, None


def _addresses(model: nn.Module, batches: Sequence[Batch]) -> Iterator[tuple[int, int, str]]:
    """Where parameters, buffers and the parts of the batches lie, so that a tensor's origin can be named."""
    named: list[tuple[str, Tensor]] = [(f"parameter {name}", tensor) for name, tensor in model.named_parameters()]
    named += [(f"buffer {name}", tensor) for name, tensor in model.named_buffers()]
    for batch in batches:
        named += [("batch.x", batch.x), ("batch.y", batch.y)]
        named += [(f"batch.extra[{name!r}]", tensor) for name, tensor in batch.extra.items()]
    for name, tensor in named:
        yield tensor.data_ptr(), tensor.data_ptr() + tensor.nbytes, name


def _written(func: Any, args: tuple[Any, ...], out: Any) -> list[Tensor]:
    """What an operation has written: its results, and arguments it changes in place without returning them."""
    told = [leaf for leaf in tree_leaves(out) if isinstance(leaf, Tensor)]
    if told:
        return told
    declared = zip(func._schema.arguments, args, strict=False)
    changed = [value for each, value in declared if each.alias_info is not None and each.alias_info.is_write]
    return [leaf for leaf in tree_leaves(changed) if isinstance(leaf, Tensor)]


def _is_number(tensor: Tensor) -> bool:
    return tensor.is_floating_point() and tensor.numel() > 0


def _describe(tensor: Tensor) -> Computed:
    return _computed(tensor, -1, "forward", "", "")


def _computed(tensor: Tensor, at: int, phase: Phase, module: str, op: str) -> Computed:
    seen = tensor.detach()
    low, high = torch.aminmax(seen)
    odd = seen.isnan() | (seen == math.inf)
    told = torch.stack(
        [low.double(), high.double(), torch.linalg.vector_norm(seen, dtype=torch.float64), odd.sum().double()]
    )
    smallest, largest, norm, count = told.tolist()
    return Computed(at, phase, module, op, tuple(tensor.shape), smallest, largest, norm, int(count))


def _abnormal(told: Computed) -> Literal["NaN", "Inf", "huge"] | None:
    """What is wrong with a tensor. An infinity that the code writes, or one below, is how things are masked."""
    if math.isnan(told.low) or math.isnan(told.high):
        return "NaN"
    if told.op in DELIBERATE or told.phase == "update":
        return None
    size = max(told.high, -told.low if told.phase == "backward" else 0.0)
    return "Inf" if size == math.inf else "huge" if size > HUGE else None


def _said(told: Computed) -> str:
    return f"{list(told.shape)} from {told.low:.4g} to {told.high:.4g}" + (f", {told.odd} odd" if told.odd else "")
