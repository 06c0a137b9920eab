"""The scores of predicted links; `lab.spec.tasks` puts them on the menu."""

from __future__ import annotations

from typing import Literal

SCORES: dict[str, str] = {
    "auc": "area under the ROC curve, all entries of the split ranked together: 0.5 is chance",
    "ap": "average precision, all entries of the split ranked together: chance is the share of links",
    "auc_macro": "mean over the graphs of the area under the ROC curve of each: knowing its density earns nothing",
    "ap_macro": "mean over the graphs of the average precision of each",
    "n_undefined": "graphs without links or with nothing else, which have no AUC and are left out of those means",
    "ap_lift": "average precision over the share of links",
    "best_f1": "F1 at the threshold that is best on the validation graphs",
    "f1": "F1 at a probability above one half",
    "prevalence_f1": "F1 at the threshold that finds as many links on the validation graphs as there are",
    "precision_at_k": "mean over the graphs of the share of links among its k likeliest entries, k being its links",
    "recall_at_k": "share of all links that were among the k likeliest entries of their graph",
    "mcc": "Matthews correlation at a probability above one half",
    "brier": "mean squared error of the probabilities",
    "nll": "mean negative log-likelihood",
    "ece": "expected calibration error over 15 bins of equal mass; entries of one probability share a bin",
    "degree_error": "mean absolute error of the expected degrees",
    "density_error": "mean absolute error of the expected share of links of a graph",
    "new_edge_auc": "AUC among the entries without a link in the last frame: copying that frame gets 0.5",
    "lost_edge_auc": "AUC among the entries with a link in the last frame: copying that frame gets 0.5",
    "skill": "AUC between that of copying the last frame, 0, and the best possible one, 1; where the data know it",
    "doc_f1": "F1 above one half over all entries, diagonal and both triangles, as the documents count",
    "doc_auc": "AUC over all entries, as the documents count",
    "doc_ap": "average precision over all entries, as the documents count",
    "doc_max_precision": "largest precision of the curve with its artificial end at recall 0: always 1",
    "doc_max_recall": "largest recall of the curve, whose lowest threshold accepts everything: always 1",
    "loss": "mean loss",
}
_LESS_IS_BETTER = ("n_undefined", "brier", "nll", "ece", "degree_error", "density_error", "loss")

GOALS: dict[str, Literal["max", "min"]] = {name: "min" if name in _LESS_IS_BETTER else "max" for name in SCORES}
