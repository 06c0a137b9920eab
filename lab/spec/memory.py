"""What training keeps in memory: options that change what a step costs, and nothing of what it computes."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from lab.errors import LabError
from lab.spec.spec import Factor, Spec, factor

Recompute = Literal["none", "block", "keep_attention", "keep_products"]
AttentionKernel = Literal["auto", "fused", "math"]
Offload = Literal["off", "cpu"]


class Memory(Spec):
    """What a step keeps in memory. Losses and gradients are the same, to the last bit where not said otherwise."""

    recompute: Annotated[Recompute, Factor(off="none")] = "none"
    """Activation checkpointing: each `block` of the model keeps its input only and computes the rest again when
    gradients are due, but for the results of fused attention, or also of matrix products, where these are kept."""
    recompute_every: Annotated[int, Field(ge=1)] = 1
    """Recompute every so many blocks only."""
    attention_kernel: Annotated[AttentionKernel, factor()] = "auto"
    """How torch's attention function works where a model calls it: `fused`, which keeps no weights and is an error
    where it cannot be had, by plain `math`, or as torch sees fit. Kernels agree up to rounding."""
    offload: Annotated[Offload, Factor(off="off")] = "off"
    """Let what the backward pass needs wait in the host's memory (`cpu`), which costs a copy each way. For models that
    train on a GPU; blocks that recompute then leave nothing there but what they keep on purpose."""

    def check_device(self, device: str) -> None:
        """Refuse what cannot be done on a device of this type."""
        if self.offload == "cpu" and device == "cpu":
            raise LabError(
                "training.memory.offload: cpu is for a GPU: what a CPU keeps is in the host's memory as it is",
                hint="leave offload off or run on a GPU; on a CPU training.memory.recompute: block saves memory",
            )
