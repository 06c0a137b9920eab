"""Autoregression along a graph: the errors that no forecast can avoid, step by step, in closed form."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Optimum:
    """What the best possible forecast reaches at every step of the horizon, [horizon] each."""

    rmse: Numbers
    mae: Numbers
    crps: Numbers
    nll: Numbers

    def lines(self, name: str) -> dict[str, float]:
        """The same as known lines: over the whole horizon, then errors step by step."""
        whole = {
            f"rmse: {name}": float(np.sqrt(np.mean(self.rmse**2))),
            f"mae: {name}": float(self.mae.mean()),
            f"crps: {name}": float(self.crps.mean()),
            f"nll: {name}": float(self.nll.mean()),
        }
        steps = range(1, len(self.rmse) + 1)
        by_step = {f"rmse_{step}: {name}": float(self.rmse[step - 1]) for step in steps}
        return whole | by_step | {f"mae_{step}: {name}": float(self.mae[step - 1]) for step in steps}


def error_variances(own: float, couplings: Numbers, noise: float, *, delay: int = 1) -> Numbers:
    """Variance of every node's error, [horizon, nodes], by one who knows the law and the past.

    `couplings` [horizon, nodes, nodes] is what each step to forecast takes from frame t - delay; the noise of every
    step still echoes in those behind it, which no forecast can know.
    """
    horizon, nodes, _ = couplings.shape
    found = np.zeros((horizon, nodes))
    for born in range(horizon):
        echoes = [np.eye(nodes)]
        for step in range(born + 1, horizon):
            echo = own * echoes[-1]
            if step - delay >= born:
                echo = echo + couplings[step] @ echoes[step - delay - born]
            echoes.append(echo)
        found[born:] += np.stack([(echo**2).sum(axis=1) for echo in echoes])
    return noise**2 * found


def gaussian_optimum(variances: Numbers, shares: Numbers | None = None) -> Optimum:
    """The scores of a forecast whose errors are Gaussian with these variances, [cases, horizon, nodes].

    Cases, such as windows before and across a change of the law, count by their `shares`; equally when absent.
    """
    weights = np.full(len(variances), 1 / len(variances)) if shares is None else shares / shares.sum()
    deviations = np.sqrt(variances)

    def mean(values: Numbers) -> Numbers:
        told: Numbers = np.einsum("c,chn->h", weights, values) / values.shape[2]
        return told

    return Optimum(
        rmse=np.sqrt(mean(variances)),
        mae=np.sqrt(2 / np.pi) * mean(deviations),
        crps=mean(deviations) / np.sqrt(np.pi),
        nll=mean(0.5 * np.log(2 * np.pi * np.e * variances)),
    )
