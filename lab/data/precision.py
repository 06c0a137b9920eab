"""Products of matrices on an accelerator: exact to fp32, or rounded to TF32 while a model is trained so."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from lab.spec.experiment import Precision


@contextmanager
def matmul_precision(precision: Precision) -> Iterator[None]:
    """Let an accelerator's fp32 products round to TF32, or forbid it; what was set before comes back."""
    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    before = matmul.allow_tf32, cudnn.allow_tf32
    matmul.allow_tf32 = cudnn.allow_tf32 = precision == "tf32"
    try:
        yield
    finally:
        matmul.allow_tf32, cudnn.allow_tf32 = before
