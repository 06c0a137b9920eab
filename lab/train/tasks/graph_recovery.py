"""How well the graph that a model has learned tells the one behind the data."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from lab.exact.ranking import Ranking
from lab.train.tasks.task import ratio


def recovery_scores(learned: Tensor, truth: Tensor, drivers: int = 0) -> dict[str, float]:
    """Ranks of the true edges among all ordered pairs of nodes, [nodes, nodes] on the CPU, entry [i, j] from j to i.

    Where the data have drivers, only edges from them to the others are asked for.
    """
    asked = ~torch.eye(len(truth), dtype=torch.bool)
    if drivers:
        asked[:drivers], asked[:, drivers:] = False, False
    links, turned = (truth != 0)[asked].numpy()[None], (truth.T != 0)[asked].numpy()[None]
    said = learned.double()[asked].numpy()[None]
    ranked = Ranking.of(said, links)
    told = {
        "graph_auroc": ranked.auc()[0],
        "graph_ap": ranked.average_precision()[0],
        "graph_precision": ratio(ranked.hits_at_count()[0], float(links.sum())),
        "graph_auroc_reversed": np.nan if drivers else Ranking.of(said, turned).auc()[0],
    }
    return {name: float(value) for name, value in told.items()}
