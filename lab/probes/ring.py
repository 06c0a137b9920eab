"""Ring: readings wait in one block on the device, a row each, until a single copy brings all rings to the host."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor


class Ring:
    """Rows of equal width, made once with the first reading; NaN where nothing was written."""

    def __init__(self, rows: int) -> None:
        self.rows = rows
        self.steps: list[int] = []
        self._held: Tensor | None = None

    def add(self, step: int, row: Tensor) -> None:
        """Keep a reading [width]."""
        if self._held is None:
            self._held = row.new_full((self.rows, len(row)), torch.nan, dtype=torch.float32)
        self._held[len(self.steps)].copy_(row)
        self.steps.append(step)

    def waiting(self) -> Tensor | None:
        """All readings since the last take, flat; None of nothing."""
        return self._held[: len(self.steps)].flatten() if self._held is not None and self.steps else None

    def take(self, host: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Steps [readings] and rows [readings, width] of what was waiting; the ring is free again."""
        steps, self.steps = np.array(self.steps, dtype=np.int32), []
        return steps, host.reshape(len(steps), -1)


def brought_over(waiting: Sequence[Tensor]) -> list[np.ndarray]:
    """Flat tensors of one device as arrays on the host, in one copy and with one wait."""
    if not waiting:
        return []
    flat = torch.cat([tensor.float() for tensor in waiting])
    if flat.is_cuda:
        host = torch.empty(flat.shape, dtype=flat.dtype, pin_memory=True)
        host.copy_(flat, non_blocking=True)
        torch.cuda.current_stream(flat.device).synchronize()
    else:
        host = flat
    return np.split(host.numpy(), np.cumsum([len(tensor) for tensor in waiting])[:-1])
