"""Film: a trial's training taken up again from its start, with a picture of its attention behind every epoch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from lab.data.batch import Batch
from lab.errors import LabError
from lab.probes.sites import Listening, Site, sites
from lab.records.film import Film, Weights
from lab.train.replay.recollection import Held, Recollection
from lab.train.replay.rerun import Rerun, arithmetic

SEEN = ("attention", "block")
"""What a camera looks at."""
MOST = 60
"""Pictures of a training, evenly spread over its epochs."""


@dataclass(frozen=True)
class Picture:
    """What stands in front of the camera at one moment."""

    attention: Mapping[str, Tensor]
    """Layer -> [windows, heads, frames, nodes, nodes]."""
    static: Mapping[str, Tensor]
    """Layer -> [heads, nodes, nodes]."""
    energy: Mapping[str, Tensor]
    """Block -> its Dirichlet energy."""


class Camera:
    """Looks at the attention over nodes of a few windows, in evaluation mode and without disturbing the training."""

    def __init__(self, rerun: Rerun, windows: int) -> None:
        split = rerun.splits["test"]
        count = min(windows, len(split.split.sizes))
        self.model = rerun.learner.model
        self.index = torch.linspace(0, len(split.split.sizes) - 1, count).round().long()
        self.batch: Batch = split.batch(self.index, int(split.split.sizes[self.index].max()))
        self._seen: dict[str, Tensor] = {}
        self._energy: dict[str, Tensor] = {}
        self.listening = Listening([site for site in sites(self.model) if site.kind in SEEN], self._hear)

    def _hear(self, site: Site, weights: Tensor, _: Tensor | None) -> None:
        windows, nodes = self.batch.mask.shape
        if site.kind == "block":
            if weights.shape[:2] == (windows, nodes):
                self._energy[site.name.removesuffix(".block")] = dirichlet(weights.detach().flatten(2))
        elif site.over != "nodes":
            return
        elif weights.ndim == 4 and weights.shape[-2:] == (nodes, nodes) and len(weights) % windows == 0:
            by_window = weights.detach().view(windows, -1, *weights.shape[1:])
            self._seen[site.name.removesuffix(".attention")] = by_window.transpose(1, 2)

    @torch.no_grad()
    def picture(self) -> Picture:
        """The weights as they stand."""
        was_training, self._seen, self._energy = self.model.training, {}, {}
        self.model.eval()
        self.listening.start()
        self.model(self.batch)
        self.listening.stop()
        self.model.train(was_training)
        static: Callable[[], Mapping[str, Tensor]] = getattr(self.model, "static_scores", dict)
        shapes = [seen.shape for seen in self._seen.values()]
        alike = {name: seen for name, seen in self._seen.items() if seen.shape == max(shapes, key=shapes.count)}
        kept = {name: scores.detach().clone() for name, scores in static().items()}
        return Picture(alike, kept, dict(self._energy))


def dirichlet(x: Tensor) -> Tensor:
    """How far apart the nodes of [windows, nodes, numbers] are: 1 if their mean says nothing, 0 if they are all alike.

    Half the mean square distance of all ordered pairs, a node's with itself among them, over the mean square size.
    """
    apart = (x - x.mean(1, keepdim=True)).square().sum((1, 2))
    return (apart / x.square().sum((1, 2)).clamp(min=1e-30)).mean()


def film(rerun: Rerun, known: Recollection, *, windows: int, epochs: int, hear: Callable[[int, int], None]) -> Film:
    """Train so many epochs again, holding every step against what is known of the trial."""
    member, held, pictures, taken = rerun.member, Held(known), [], [0]
    every = -(-epochs // MOST)
    with arithmetic(member, rerun.stepper.pack.weights.device):
        camera = Camera(rerun, windows)
        last = camera.picture()
        if not last.attention:
            raise LabError(
                f"the model of trial {member.trial} attends to no nodes: there is nothing to film",
                hint="lab show models tells which models have attention over nodes",
            )
        pictures.append(_still(last))
        rerun.stepper.loss_sum.zero_()
        for due in rerun.due(0):
            held.see(rerun.take(due))
            hear(due.step, epochs * rerun.epoch_steps - 1)
            if not due.ends_epoch:
                continue
            held.see_epoch(due.epoch, due.step, rerun.stepper.loss_sum.item() / rerun.epoch_steps)
            rerun.stepper.loss_sum.zero_()
            rerun.end_epoch()
            if due.epoch % every == 0 or due.epoch == epochs:
                last = camera.picture()
                pictures.append(_still(last))
                taken.append(due.epoch)
            if due.epoch == epochs:
                break
    truth = rerun.dataset.truth
    means, static, energy = ([each[place] for each in pictures] for place in (0, 1, 2))
    return Film(
        trial=member.trial,
        study="",
        label="",
        seed=member.seed,
        layers=tuple(last.attention),
        windows=tuple(camera.index.tolist()),
        attention=_array(list(last.attention.values())).swapaxes(0, 1).astype(np.float16),
        epochs=tuple(taken),
        means=np.stack(means).astype(np.float16),
        static_layers=tuple(last.static),
        static=np.stack(static) if last.static else None,
        blocks=tuple(last.energy),
        energy=np.stack(energy) if last.energy else None,
        truth=None if truth is None else truth.cpu().numpy(),
        agreement=held.agreement,
    )


def _still(picture: Picture) -> tuple[Weights, Weights, Weights]:
    """Means over windows and frames [layers, heads, nodes, nodes], static scores of the same form, and energies."""
    means = [weights.mean((0, 2)) for weights in picture.attention.values()]
    return _array(means), _array(list(picture.static.values())), _array(list(picture.energy.values()))


def _array(tensors: list[Tensor]) -> Weights:
    return torch.stack(tensors).float().cpu().numpy() if tensors else np.zeros(0, np.float32)
