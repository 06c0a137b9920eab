"""Which of the scores that the data know speak of what an experiment scores."""

from __future__ import annotations

from lab.data.batch import Dataset
from lab.data.links.pairs import is_symmetric
from lab.spec.datasets.links import OfLinks
from lab.spec.experiment import Experiment

OF_ANY_ENTRIES = ("auc: chance", "auc_macro: chance")
"""Known lines that hold whatever entries of a graph are scored."""


def known_lines(experiment: Experiment, dataset: Dataset) -> dict[str, float]:
    """The known scores of the data, without those of other entries of a graph than the experiment scores.

    Lines of links are measured on the entries that are scored by default. Where graphs are symmetric, the lower
    triangle says the same over again; of a diagonal that is scored too, the best possible scores alone are known.
    """
    lines = dict(dataset.lines)
    entries = experiment.training.score_entries
    if dataset.task != "predict_links" or entries in ("default", "offdiag"):
        return lines
    if entries == "upper" and is_symmetric(dataset.splits["train"]):
        return lines
    spec, told = experiment.dataset, {name: lines[name] for name in OF_ANY_ENTRIES if name in lines}
    return told | spec.ceilings(diagonal=True) if entries == "full" and isinstance(spec, OfLinks) else told
