"""LSTM layers that both sides share: over whole sequences in the encoder, a step at a time in the decoder."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from lab.spec.models.latent_seq2seq import LatentSeq2Seq as Options
from lab.zoo.parts import dropout

State = tuple[Tensor, Tensor]
"""What an LSTM layer remembers of each row: [rows, width] told, and [rows, width] held."""


class LstmLayer(nn.Module):
    """One LSTM layer; its gates stand in the order input, forget, cell, output."""

    def __init__(self, spec: Options) -> None:
        super().__init__()
        self.spec = spec
        width = spec.width
        self.weight_ih = nn.Parameter(torch.empty(4 * width, width))
        self.weight_hh = nn.Parameter(torch.empty(4 * width, width))
        self.bias_ih = nn.Parameter(torch.empty(4 * width))
        self.bias_hh = nn.Parameter(torch.empty(4 * width))
        self.reset_parameters()

    @property
    def parts(self) -> list[Tensor]:
        """All weights, in torch's order."""
        return [self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh]

    def reset_parameters(self) -> None:
        """Draw the weights as the options say, and settle the forget gates."""
        width = self.spec.width
        for part in self.parts:
            nn.init.uniform_(part, -(width**-0.5), width**-0.5)
        for weight in (self.weight_ih, self.weight_hh):
            if self.spec.lstm_start == "stacked_orthogonal":
                nn.init.orthogonal_(weight)
            elif self.spec.lstm_start == "per_gate_orthogonal":
                for gate in weight.view(4, width, width):
                    nn.init.orthogonal_(gate)
        if self.spec.forget_bias != "drawn":
            forget = slice(width, 2 * width)
            nn.init.constant_(self.bias_ih[forget], float(self.spec.forget_bias == "one"))
            nn.init.zeros_(self.bias_hh[forget])

    def forward(self, x: Tensor) -> tuple[Tensor, State]:
        """All outputs over [rows, steps, width], and the state at the end."""
        start = x.new_zeros(1, len(x), self.spec.width)
        told, last, held = torch.lstm(x, (start, start), self.parts, True, 1, 0.0, self.training, False, True)
        return told, (last[0], held[0])

    def step(self, x: Tensor, state: State) -> State:
        """The state after one more step [rows, width]."""
        return torch.lstm_cell(x, state, *self.parts)


class Encoder(nn.Module):
    """Reads each node's window; all nodes share the weights."""

    def __init__(self, spec: Options) -> None:
        super().__init__()
        self.layers = nn.ModuleList(LstmLayer(spec) for _ in range(spec.lstm_layers))
        self.dropouts = nn.ModuleList(dropout(spec.lstm_dropout) for _ in range(spec.lstm_layers - 1))

    def forward(self, x: Tensor) -> tuple[Tensor, list[State]]:
        """The top layer's outputs over [rows, steps, width], and the last state of every layer."""
        states: list[State] = []
        for at, layer in enumerate(self.layers):
            x, state = layer(self.dropouts[at - 1](x) if at else x)
            states.append(state)
        return x, states


class Cells(nn.Module):
    """The decoder's layers, stepped together; what is dropped between them is drawn once for all steps."""

    def __init__(self, spec: Options) -> None:
        super().__init__()
        self.layers = nn.ModuleList(LstmLayer(spec) for _ in range(spec.lstm_layers))
        self.dropouts = nn.ModuleList(dropout(spec.lstm_dropout) for _ in range(spec.lstm_layers - 1))
        self.drops = spec.lstm_dropout > 0 and spec.lstm_layers > 1

    def masks(self, steps: int, like: Tensor) -> list[Tensor] | None:
        """What each gap between layers is multiplied by, [steps, rows, width]; None where nothing is dropped."""
        if not (self.training and self.drops):
            return None
        ones = like.new_ones(steps, *like.shape)
        return [each(ones) for each in self.dropouts]

    def forward(self, x: Tensor, states: Sequence[State], kept: Sequence[Tensor]) -> list[State]:
        """The states after one more step; the last one's first part is the output."""
        after: list[State] = []
        for at, (layer, state) in enumerate(zip(self.layers, states, strict=True)):
            x = x * kept[at - 1] if at and kept else x
            after.append(layer.step(x, state))  # type: ignore[operator]
            x = after[-1][0]
        return after
