"""The scores of forecasts, in the units of the data unless they say otherwise, for the menu of tasks."""

from __future__ import annotations

from typing import Literal

from lab.exact.levels import LEVELS

PIT_BINS = 20
"""Equal bins that the probabilities of what came are counted in."""

SCORES: dict[str, str] = {
    "mae": "mean absolute error of the median over all steps; missing targets are left out",
    "rmse": "root of the mean squared error of the mean over all steps; missing targets are left out",
    "mse": "mean squared error of the mean",
    "mape": "mean error in percent of the target, without targets next to zero",
    "wape": "sum of the errors in percent of the sum of the targets",
    "mae_<step>": "mean absolute error of one step",
    "rmse_<step>": "root of the mean squared error of one step",
    "mape_<step>": "mean error of one step in percent of the target",
    "mae_to_<step>": "mean absolute error over all steps up to one",
    "rmse_to_<step>": "root of the mean squared error over all steps up to one",
    "mae_of_mean": "mean absolute error of the mean; only where a model tells more than one number",
    "scaled_mae": "mean absolute error of the scaled values",
    "scaled_rmse": "root of the mean squared error of the scaled values",
    "plain_mae": "mean absolute error with missing targets taken for what marks them",
    "plain_rmse": "root of the mean squared error with missing targets taken for what marks them",
    "doc_mape": "mean of error / (target + 1e-8) in percent, missing targets and zeros among them: zeros blow it up",
    "jump": "mean distance between the forecasts of the second and the third step",
    "nll": "mean negative log-likelihood of the targets",
    "nll_<step>": "negative log-likelihood of one step",
    "crps": "continuous ranked probability score: the absolute error of a forecast that tells probabilities",
    "crps_<step>": "continuous ranked probability score of one step",
    "scaled_nll": "mean negative log-likelihood of the scaled values",
    "scaled_crps": "continuous ranked probability score of the scaled values",
    **{f"coverage_{level}": f"share of the targets in the central {level} % interval" for level in LEVELS},
    "calibration": "mean distance of the coverages from their levels",
    "width_90": "mean width of the central 90 % interval",
    "scaled_width_90": "mean width of the central 90 % interval of the scaled values",
    "pit_ks": "largest distance of the probabilities of what came from evenly spread ones",
    "pit_<bin>": f"share of the targets in one of {PIT_BINS} equal slices of the forecast probability, from below",
    "graph_auroc": "how well the learned graph ranks the true edges: 0.5 is chance",
    "graph_ap": "average precision of the learned graph",
    "graph_precision": "share of true edges among as many of the strongest learned ones",
    "graph_auroc_reversed": "graph_auroc of the learned graph with its edges turned round",
    "loss": "mean loss",
}
DENSITY = ("nll", "nll_<step>", "scaled_nll")
"""Scores of forecasts that put out a density."""
SURE = (
    *DENSITY,
    *("crps", "crps_<step>", "scaled_crps", "mae_of_mean", "calibration", "width_90", "scaled_width_90"),
    *(f"coverage_{level}" for level in LEVELS),
    *("pit_ks", "pit_<bin>"),
)
"""Scores of forecasts that tell more than one number of every value."""
_MORE_IS_BETTER = ("graph_", "coverage_")

GOALS: dict[str, Literal["max", "min"]] = {
    name: "max" if name.startswith(_MORE_IS_BETTER) and name != "graph_auroc_reversed" else "min" for name in SCORES
}
