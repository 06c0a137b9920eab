"""The updates of an epoch: which batches each is made of."""

from __future__ import annotations

from torch import Tensor

from lab.data.batching import Planned, epoch_batches
from lab.errors import LabError
from lab.spec.experiment import Training


def epoch_updates(sizes: Tensor, training: Training, key: int) -> list[list[Planned]]:
    """The batches of every update, in order; those left over by `accumulate` are dropped.

    A batch of a single graph or node teaches norms nothing and is passed over, unless there is no other.
    """
    batches = epoch_batches(sizes, training.batch, training.order, key)
    taught = [cut for cut in batches if len(cut[0]) > 1 and int(sizes[cut[0]].sum()) > 1] or batches
    width = training.accumulate
    if len(taught) < width:
        raise LabError(
            f"training.accumulate is {width}, but an epoch has {len(taught)} batches: nothing would be learnt",
            hint="lower accumulate or batch, or train on more graphs",
        )
    return [taught[at : at + width] for at in range(0, len(taught) - width + 1, width)]


def count_updates(graphs: int, training: Training) -> int:
    """How many updates an epoch of so many graphs has, each of more than one node."""
    whole, rest = divmod(graphs, training.batch)
    teaches = rest > 1 or (rest == 1 and not whole)
    return (whole + teaches) // training.accumulate
