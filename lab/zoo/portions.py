"""How work on tensors over pairs of nodes is cut up, so that what stands in between never leaves a CPU's cache."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

CACHED = 2**19
"""Numbers of a portion: a few megabytes, of which no memory is asked of the system anew."""


def portions(x: Tensor) -> list[slice]:
    """Slices of the first axis; only one where a device or a compiler sees to it better."""
    whole = x.device.type != "cpu" or torch.compiler.is_compiling()
    rows = len(x) if whole else max(1, CACHED // max(1, x[:1].numel()))
    return [slice(start, start + rows) for start in range(0, len(x), rows)] if len(x) > rows else [slice(None)]


def by_portions(work: Callable[..., Tensor], *tensors: Tensor) -> Tensor:
    """What `work` makes of the rows of some tensors, the largest first, written into one."""
    first, *rest = portions(tensors[0])
    made = work(*(each[first] for each in tensors)) if rest else work(*tensors)
    if not rest:
        return made
    whole = made.new_empty((len(tensors[0]), *made.shape[1:]))
    whole[first] = made
    for part in rest:
        whole[part] = work(*(each[part] for each in tensors))
    return whole


def sum_of_portions(work: Callable[..., Tensor], *tensors: Tensor) -> Tensor:
    """The sum of what `work` makes of each portion of the rows of some tensors, the largest first."""
    parts = portions(tensors[0])
    if len(parts) == 1:
        return work(*tensors)
    return torch.stack([work(*(each[part] for each in tensors)) for part in parts]).sum(0)
