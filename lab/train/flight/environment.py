"""What bits depend on besides the run itself: a bundle notes it, and a replay is held against it."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch

PACKAGES = ("data", "train", "zoo")
"""The parts of lab that a step is made of; its options lie in the bundle in full."""
BESIDE = frozenset({"flight", "replay"})
"""What only looks on."""


@dataclass(frozen=True)
class Environment:
    """The machine, the libraries and the code of a process that trains."""

    torch_version: str
    threads: int
    simd: str
    """The instructions that torch's CPU kernels were chosen for."""
    device: str
    """cpu, or the name of the accelerator."""
    deterministic: bool
    """Whether torch was told to use deterministic algorithms."""
    cublas: str
    """The workspace that cuBLAS was given, on which its order of sums depends."""
    code: str
    """Digest of lab's own sources, so that a bundle is not taken for one of today's code."""

    @classmethod
    def here(cls, device: torch.device) -> Environment:
        """That of this process."""
        is_cuda = device.type == "cuda"
        return cls(
            torch_version=torch.__version__,
            threads=torch.get_num_threads(),
            simd=torch.backends.cpu.get_cpu_capability(),
            device=torch.cuda.get_device_name(device) if is_cuda else device.type,
            deterministic=torch.are_deterministic_algorithms_enabled(),
            cublas=os.environ.get("CUBLAS_WORKSPACE_CONFIG", "") if is_cuda else "",
            code=code_digest(),
        )


@cache
def code_digest() -> str:
    """Digest of the sources that a step is made of."""
    top = Path(__file__).parents[2]
    found = (file for package in PACKAGES for file in (top / package).rglob("*.py"))
    files = sorted(file for file in found if BESIDE.isdisjoint(file.parts))
    sha256 = hashlib.sha256()
    for file in files:
        sha256.update(f"{file.relative_to(top).as_posix()}\0".encode())
        sha256.update(file.read_bytes())
    return sha256.hexdigest()[:12]
