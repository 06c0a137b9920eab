"""From a split to the batches of an epoch: which graphs meet, how far they are padded, what was prepared of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

import torch
from torch import Tensor, nn

from lab.data.batch import AnySplit, Batch, Dataset
from lab.data.precision import matmul_precision
from lab.spec.experiment import Order

Planned = tuple[Tensor, int]
"""The graphs of a batch, by index on the CPU, and the number of nodes they are padded to."""

WINDOW = 8
"""Batches sorted by size among themselves: enough to make like meet like, few enough to stay a shuffle."""
MULTIPLE = 16
"""Padded sizes are multiples of this, so that few shapes occur."""
CHUNK = 64
CPU_BUDGET = 2 * 1024**3
CUDA_SHARE = 0.2


def epoch_batches(sizes: Tensor, batch: int, order: Order, key: int) -> list[Planned]:
    """One epoch's batches: every graph once, in an order that is a pure function of the key."""
    generator = torch.Generator().manual_seed(key)
    shuffled = torch.randperm(len(sizes), generator=generator)
    if order == "random":
        return [(index, int(sizes[index].max())) for index in torch.split(shuffled, batch)]
    cuts = [cut for window in torch.split(shuffled, WINDOW * batch) for cut in _alike(sizes, window, batch)]
    turns = torch.randperm(len(cuts), generator=generator).tolist()
    return [_padded(sizes, cuts[turn]) for turn in turns]


def evaluation_batches(sizes: Tensor, batch: int) -> list[Planned]:
    """Every graph once, from the smallest to the largest."""
    return [_padded(sizes, index) for index in torch.split(sizes.argsort(stable=True), batch)]


def _alike(sizes: Tensor, window: Tensor, batch: int) -> tuple[Tensor, ...]:
    """Batches of like size; a short one takes any graphs, whatever their size, since they count for more in it."""
    whole = len(window) - len(window) % batch
    by_size = sizes[window[:whole]].argsort(stable=True)
    return torch.split(torch.cat([window[by_size], window[whole:]]), batch)


def _padded(sizes: Tensor, index: Tensor) -> Planned:
    widest = int(sizes[index].max())
    return index, min(-(-widest // MULTIPLE) * MULTIPLE, int(sizes.max()))


class Prepared:
    """A split with what its model makes of each graph: kept for all graphs within a budget, else made per batch."""

    def __init__(self, split: AnySplit, model: nn.Module, budget_bytes: int | None = None) -> None:
        self.split = split
        self._prepare: Callable[[Batch], Mapping[str, Tensor]] = getattr(model, "prepare", _nothing)
        self._shared: frozenset[str] = frozenset()
        """Tensors that are the same for all graphs, told by being expanded; one row of them is kept."""
        self._node_axes, self.needed_bytes = self._measure()
        budget = default_budget(split.x.device) if budget_bytes is None else budget_bytes
        self._kept = self._prepare_all() if self.needed_bytes <= budget else None

    @property
    def is_kept(self) -> bool:
        """Whether the prepared tensors of all graphs are in memory."""
        return self._kept is not None

    def batch(self, index: Tensor, nodes: int) -> Batch:
        """The graphs of this index, padded to `nodes`, with what was prepared of them."""
        batch = self.split.batch(index, nodes)
        extra = self._run(batch) if self._kept is None else dict(self._slices(batch.ids, nodes))
        return replace(batch, extra=extra)

    def _run(self, batch: Batch) -> Mapping[str, Tensor]:
        """Prepare in full precision and outside the graph of gradients, whatever surrounds the call."""
        with torch.no_grad(), torch.autocast(batch.x.device.type, enabled=False), matmul_precision("fp32"):
            return self._prepare(batch)

    def _measure(self) -> tuple[dict[str, list[int]], int]:
        """The axes that grow with the padding, seen on the smallest graph, and the bytes all graphs take."""
        smallest = self.split.sizes.argmin()[None]
        narrow = self._run(self.split.batch(smallest, int(self.split.sizes.min())))
        wide = self._run(self.split.batch(smallest.expand(2), self._widest))
        axes = {
            name: [axis for axis in range(1, one.ndim) if one.shape[axis] != narrow[name].shape[axis]]
            for name, one in wide.items()
        }
        self._shared = frozenset(name for name, two in wide.items() if not two.stride(0))
        rows = {name: 1 if name in self._shared else len(self.split) for name in wide}
        return axes, sum(rows[name] * two[0].nbytes for name, two in wide.items())

    @property
    def _widest(self) -> int:
        return int(self.split.sizes.max())

    def _prepare_all(self) -> dict[str, Tensor]:
        kept: dict[str, Tensor] = {}
        for index in torch.split(torch.arange(len(self.split)), CHUNK):
            for name, part in self._run(self.split.batch(index, self._widest)).items():
                if name in self._shared:
                    kept[name] = part[:1]
                    continue
                if name not in kept:
                    kept[name] = part.new_empty((len(self.split), *part.shape[1:]))
                kept[name][index[0] : index[-1] + 1] = part
        return kept

    def _slices(self, at: Tensor, nodes: int) -> Iterator[tuple[str, Tensor]]:
        for name, whole in (self._kept or {}).items():
            view = whole
            for axis in self._node_axes[name]:
                view = view.narrow(axis, 0, nodes)
            yield name, view.expand(len(at), *view.shape[1:]) if name in self._shared else view.index_select(0, at)


def prepare_splits(dataset: Dataset, model: nn.Module, budget_bytes: int | None = None) -> dict[str, Prepared]:
    """Every split prepared for the model, all under one budget."""
    device = dataset.splits["train"].x.device
    budget = default_budget(device) if budget_bytes is None else budget_bytes
    once = {id(split): (name, split) for name, split in dataset.splits.items()}
    shares = fair_shares({name: Prepared(split, model, 0).needed_bytes for name, split in once.values()}, budget)
    made = {at: Prepared(split, model, shares[name]) for at, (name, split) in once.items()}
    return {name: made[id(split)] for name, split in dataset.splits.items()}


def fair_shares(needs: Mapping[str, int], budget: int) -> dict[str, int]:
    """An equal share for each; what a small need leaves, or a need too large for its share, goes to the next."""
    shares: dict[str, int] = {}
    for waiting, (name, need) in zip(range(len(needs), 0, -1), sorted(needs.items(), key=_need), strict=True):
        shares[name] = budget // waiting
        budget -= need if need <= shares[name] else 0
    return shares


def _need(item: tuple[str, int]) -> int:
    return item[1]


def default_budget(device: torch.device) -> int:
    """Bytes that prepared tensors may take: a part of the accelerator's free memory, or a fixed sum on the CPU."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0] * CUDA_SHARE)
    return CPU_BUDGET


def _nothing(batch: Batch) -> Mapping[str, Tensor]:
    return {}
