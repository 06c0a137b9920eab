"""Teacher forcing: at which steps of training the decoder reads the truth instead of its own forecast."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lab.spec.models.latent_seq2seq import LatentSeq2Seq as Options
from lab.zoo.parts import Progress

STEEP = 10.0
"""How fast a scheduled share falls from 1 to 0 about the middle of the training."""


class Forcing(nn.Module):
    """Tosses the coins of all steps at once, and none where they would decide nothing."""

    def __init__(self, spec: Options) -> None:
        super().__init__()
        self.way, self.share = spec.forcing, spec.forcing_share
        self.progress = Progress() if spec.forcing == "scheduled" else None

    def forward(self, truth: Tensor) -> Tensor | None:
        """Where the truth [batch, horizon, nodes] is to be read, of the same shape; None for nowhere."""
        if not self.training or self.way == "none" or truth.shape[1] < 2:
            return None
        known = ~truth.isnan()
        if self.way == "always":
            return known
        rows = 1 if self.way == "batch_coin" else len(truth)
        coins = torch.rand(rows, truth.shape[1], 1, device=truth.device)
        return known & (coins < self._chance())

    def _chance(self) -> Tensor | float:
        return self.share if self.progress is None else ((0.5 - self.progress()) * STEEP).sigmoid()
