"""A film of attention: how much each node read of each other, frame by frame and epoch by epoch, as plain arrays."""

from __future__ import annotations

import io
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from lab.records.replayed import Agreement

Weights = NDArray[np.floating]


@dataclass(frozen=True)
class Film:
    """What a trial's attention looked like; row i of a matrix tells what node i read."""

    trial: str
    study: str
    label: str
    seed: int
    layers: tuple[str, ...]
    windows: tuple[int, ...]
    """The windows of the test split that were filmed."""
    attention: Weights
    """[windows, layers, heads, frames, nodes, nodes] float16, of the trained model."""
    epochs: tuple[int, ...]
    """The epochs behind which a picture was taken; 0 is before the training."""
    means: Weights
    """[epochs, layers, heads, nodes, nodes] float16, the mean over these windows and their frames."""
    static_layers: tuple[str, ...] = ()
    static: Weights | None = None
    """[epochs, static layers, heads, nodes, nodes] float32: learned scores that no frame changes, if there are any."""
    blocks: tuple[str, ...] = ()
    energy: Weights | None = None
    """[epochs, blocks]: Dirichlet energy of what a block puts out, see `dirichlet`."""
    truth: Weights | None = None
    """[nodes, nodes], entry [i, j] not 0 where j drives i, where that is known."""
    agreement: Agreement = field(default_factory=Agreement)
    """How far the training that was filmed went the way that was recorded."""
    notes: tuple[str, ...] = ()

    def to_npz(self) -> bytes:
        """All arrays and names as a NumPy archive."""
        told = {"attention": self.attention, "epochs": np.array(self.epochs), "means": self.means}
        told |= {"layers": np.array(self.layers), "windows": np.array(self.windows)}
        if self.static is not None:
            told |= {"static": self.static, "static_layers": np.array(self.static_layers)}
        if self.energy is not None:
            told |= {"energy": self.energy, "blocks": np.array(self.blocks)}
        if self.truth is not None:
            told["truth"] = self.truth
        sink = io.BytesIO()
        np.savez_compressed(sink, **told)  # type: ignore[arg-type]
        return sink.getvalue()
