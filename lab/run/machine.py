"""What a worker may use of the machine: threads, memory, a GPU; settled before torch is imported.

One torch thread a worker unless the study says otherwise: two on a small model ran at half the speed of one.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass

from lab.errors import LabError
from lab.run.messages import Setup
from lab.spec.study import Resources

LARGEST_MMAP_THRESHOLD = (1 << 30, 32 << 20)
"""Bytes, tried in this order: older C libraries refuse what is above 32 MB."""
M_MMAP_THRESHOLD, M_TRIM_THRESHOLD = -3, -1


@dataclass(frozen=True)
class Slot:
    """A worker's share of the machine."""

    device: str
    gpu: str
    threads: int


def slots(resources: Resources, jobs: int) -> list[Slot]:
    """A share for each of `jobs` workers; fewer when the GPUs take fewer trials at a time."""
    gpus = [] if resources.device == "cpu" else visible_gpus()
    if resources.gpus != "auto":
        gpus = gpus[: resources.gpus]
    if resources.device == "cuda" and not gpus:
        raise LabError("resources.device: cuda, but no GPU is to be seen", hint="say auto or cpu")
    if gpus and resources.per_gpu != "auto":
        jobs = min(jobs, len(gpus) * resources.per_gpu)
    threads = 1 if resources.threads == "auto" else resources.threads
    device = resources.device if gpus else "cpu"
    return [Slot(device, gpus[number % len(gpus)] if gpus else "", threads) for number in range(jobs)]


def visible_gpus() -> list[str]:
    """The GPUs this process may use, without importing torch."""
    said = os.environ.get("CUDA_VISIBLE_DEVICES")
    if said is not None:
        return [gpu for gpu in said.split(",") if gpu and gpu != "-1"]
    if shutil.which("nvidia-smi") is None:
        return []
    with suppress(OSError, subprocess.SubprocessError):
        asked = ["nvidia-smi", "--query-gpu=index", "--format=csv,noheader"]
        told = subprocess.run(asked, capture_output=True, text=True, timeout=20, check=True).stdout
        return told.split()
    return []


def settle(setup: Setup) -> None:
    """Set what torch and its thread libraries read only once, when they are loaded."""
    os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = str(setup.threads)
    os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    os.environ["CUDA_VISIBLE_DEVICES"] = setup.gpu
    if os.environ.get("LAB_MALLOC") != "off":
        keep_memory()


def keep_memory() -> bool:
    """Let the C library keep large blocks for the next step instead of asking the system for each anew."""
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    mallopt(M_TRIM_THRESHOLD, -1)
    return any(mallopt(M_MMAP_THRESHOLD, size) for size in LARGEST_MMAP_THRESHOLD)
