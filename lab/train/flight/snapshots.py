"""Two snapshots of a run, taken in turn into memory that is set aside once."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

LARGE = 1 << 30
"""Bytes of state from which on snapshots of an accelerator's run are kept in the host's memory."""


class Snapshots:
    """The state before one step and before an earlier one; only tensors, since all chance is a function of the step."""

    def __init__(self, state: Mapping[str, Tensor]) -> None:
        self.live = dict(state)
        self._copies = tuple({name: _room(tensor, self.nbytes) for name, tensor in state.items()} for _ in range(2))
        self.taken: list[int] = []
        """The steps before which the kept ones were taken, the older first."""
        self._next = 0

    @property
    def nbytes(self) -> int:
        """Bytes of one snapshot."""
        return sum(tensor.nbytes for tensor in self.live.values())

    @torch.no_grad()
    def take(self, step: int) -> None:
        """Copy the state over the older snapshot."""
        torch._foreach_copy_(list(self._copies[self._next].values()), list(self.live.values()), non_blocking=True)
        self._next = 1 - self._next
        self.taken = [*self.taken[-1:], step]

    def of(self, step: int) -> dict[str, Tensor]:
        """The state before a step it was taken at."""
        age = len(self.taken) - self.taken.index(step)
        return self._copies[(self._next - age) % 2]


def _room(tensor: Tensor, nbytes: int) -> Tensor:
    """Memory for a copy: beside the tensor, or pinned on the host where that would be much to ask of the device."""
    if tensor.device.type == "cpu" or nbytes < LARGE:
        return torch.empty_like(tensor)
    return torch.empty_like(tensor, device="cpu", pin_memory=True)
