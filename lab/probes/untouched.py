"""A model lent for a trial forward pass comes back as it was: buffers, modes, and every source of chance."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import nn


@contextmanager
def untouched(model: nn.Module, device: torch.device) -> Iterator[None]:
    """Without gradients; whatever the passes inside draw, remember or switch is taken back."""
    buffers = [(buffer, buffer.clone()) for buffer in model.buffers()]
    modes = [(module, module.training) for module in model.modules()]
    chance, draws = random.getstate(), np.random.get_state()
    cuda = [device] if device.type == "cuda" else []
    try:
        with torch.no_grad(), torch.random.fork_rng(cuda):
            yield
    finally:
        random.setstate(chance)
        np.random.set_state(draws)
        for module, training in modes:
            module.training = training
        with torch.no_grad():
            for buffer, copy in buffers:
                buffer.copy_(copy)
