"""Offload: what a GPU would keep for the backward pass waits in the host's memory until gradients are due."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks


class Waiting(NamedTuple):
    """A tensor on the host, without the repetitions of an expanded one, and how it lies on the device."""

    copy: Tensor
    size: torch.Size
    stride: tuple[int, ...]
    device: torch.device


class OnHost(saved_tensors_hooks):
    """Moves what autograd keeps of all that runs inside to the host, but for tensors that stay where they are anyway.

    Weights and buffers are on the device whatever happens, so that copies of them would save nothing. Both ways go
    through pinned memory in the order of the device's own work, so that nobody waits for a copy. A tensor comes back
    laid out as it was: kernels choose their way by that, and a block that recomputes must take the same one again.
    """

    def __init__(self, staying: Iterable[Tensor]) -> None:
        super().__init__(self.park, self.fetch)
        self._staying = {tensor.untyped_storage()._cdata for tensor in staying}

    def park(self, tensor: Tensor) -> Tensor | Waiting:
        """What autograd holds in place of a tensor."""
        if tensor.untyped_storage()._cdata in self._staying:
            return tensor
        size, stride = tensor.size(), tensor.stride()
        distinct = [many if step or not many else 1 for many, step in zip(size, stride, strict=True)]
        once = tensor.as_strided(distinct, stride)
        copy = torch.empty(once.size(), dtype=tensor.dtype, pin_memory=tensor.is_cuda)
        return Waiting(copy.copy_(once, non_blocking=True), size, stride, tensor.device)

    def fetch(self, held: Tensor | Waiting) -> Tensor:
        """The tensor again, bit for bit."""
        if isinstance(held, Tensor):
            return held
        back = torch.empty_strided(held.copy.size(), held.stride, dtype=held.copy.dtype, device=held.device)
        return back.copy_(held.copy, non_blocking=True).expand(held.size)
