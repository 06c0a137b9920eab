"""The peak memory of a run: of the accelerator where there is one, and of this process."""

from __future__ import annotations

import contextlib
import resource
import sys
from pathlib import Path

import torch

MEGABYTE = 2**20


class Peak:
    """Starts a new high-water mark when made."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
        # Linux forgets the process's old mark on request; elsewhere the mark is that of its whole life.
        with contextlib.suppress(OSError):
            Path("/proc/self/clear_refs").write_text("5")

    def of_device(self) -> float | None:
        """The most megabytes held at once on the accelerator since then; None on a CPU."""
        return torch.cuda.max_memory_allocated(self.device) / MEGABYTE if self.device.type == "cuda" else None

    def megabytes(self) -> float:
        """The most held at once since then: on the accelerator where there is one, else by the process."""
        on_device = self.of_device()
        return self.resident() if on_device is None else on_device

    def resident(self) -> float:
        """The most megabytes of the process held at once since then."""
        with contextlib.suppress(OSError, StopIteration):
            lines = Path("/proc/self/status").read_text().splitlines()
            return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1024
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / MEGABYTE
