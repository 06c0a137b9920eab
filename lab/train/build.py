"""From an experiment and a seed to a model, and its first steps: what every cell can be asked before it runs."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

import torch
from torch import Tensor, nn

from lab.data.batch import Dataset, Shape
from lab.errors import LabError
from lab.spec.datasets import DatasetSpec
from lab.spec.experiment import Experiment
from lab.train.feed import count_updates
from lab.train.step import first_steps
from lab.train.streams import Streams, stream
from lab.train.tasks.known_lines import known_lines
from lab.zoo.parts import Dropout

SAMPLE_BATCHES = 2
"""Batches of training graphs that the first steps are drawn from."""

ENOUGH = 16
"""Numbers that tell of the distribution they were drawn from."""


def model_for(experiment: Experiment, dataset: Dataset, seed: int, cell: str = "") -> nn.Module:
    """The model as a run starts it: drawn, then what its modules take from the training data.

    A module with `start_from(dataset)` fills its own parameters in it, and draws nothing: what others have drawn, and
    what two cells share, stays as it is.
    """
    model = build_model(experiment, dataset.shape, seed, cell)
    with torch.no_grad():
        for module in model.modules():
            start_from: Callable[[Dataset], None] | None = getattr(module, "start_from", None)
            if start_from is not None:
                start_from(dataset)
    return model


def build_model(experiment: Experiment, shape: Shape, seed: int, cell: str = "") -> nn.Module:
    """The model with its initial weights, each a function of the seed and its module's name.

    So what two cells share starts equal, whatever else they are made of; a cell draws its own weights where
    the stream `init` is unpaired. The ambient generator is left as it was.
    """
    streams = Streams(seed, cell, frozenset(experiment.training.unpaired))
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(streams.key("init"))
        model: nn.Module = experiment.model.build(shape)
        drawn: set[nn.Parameter] = set()
        for name, module in model.named_modules():
            _draw(module, name, streams.key("init", name), drawn)
    for name, module in model.named_modules():
        if isinstance(module, Dropout):
            module.site = stream(0, "site", name)
    return model


def _draw(module: nn.Module, name: str, key: int, drawn: set[nn.Parameter]) -> None:
    """Draw a module's own parameters anew; one that two modules share is left as the first has drawn it."""
    own = dict(module.named_parameters(recurse=False))
    if not own:
        return
    reset = getattr(module, "reset_parameters", None)
    if reset is None:
        raise LabError(
            f"{type(module).__name__} at '{name}' owns parameters but cannot draw them anew",
            hint="give it a method reset_parameters() that draws all of its own parameters",
        )
    before = {word: parameter.detach().clone() for word, parameter in own.items()}
    torch.default_generator.manual_seed(key)
    reset()
    for word, parameter in own.items():
        if parameter in drawn:
            parameter.data.copy_(before[word])
        elif type(module).__module__.startswith("torch.nn.") and _is_another_start(before[word], parameter.detach()):
            raise LabError(
                f"the constructor changed '{word}' of {type(module).__name__} at '{name}', which would be lost",
                hint="weights are drawn anew module by module: make it a subclass that changes reset_parameters()",
            )
    drawn.update(own.values())


def _is_another_start(made: Tensor, drawn: Tensor) -> bool:
    """Whether two starting values cannot be draws of one kind: zero or not, or root mean squares far apart."""
    one, other = (float(start.double().square().mean().sqrt()) for start in (made, drawn))
    if min(one, other) == 0:
        return one != other
    six_deviations = 6 * drawn.numel() ** -0.5
    return drawn.numel() >= ENOUGH and abs(math.log(one / other)) > six_deviations


def trainable(model: nn.Module) -> int:
    """Number of parameters that learn."""
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)


def count_params(experiment: Experiment) -> int:
    """Trainable parameters of an experiment's model."""
    return trainable(build_model(experiment, _sample(experiment).shape, seed=0))


@dataclass(frozen=True)
class StepTrace:
    """The first steps of an experiment; equal `params` and `losses` mean that two experiments start the same."""

    losses: tuple[float, ...]
    """The training loss of each step, to the last bit."""
    step_ms: float
    """Milliseconds of the fastest step: the first one warms up."""
    params: dict[str, tuple[int, ...]]
    """Shape of every parameter."""
    num_params: int
    """Parameters that learn."""
    epoch_steps: int
    """Updates of one epoch of the whole training split."""


def smoke(experiment: Experiment, steps: int = 1, seed: int = 0) -> StepTrace:
    """Build the model and take its first steps on a sample of its data, on the CPU; nothing is kept."""
    dataset = _sample(experiment, seed)
    model = model_for(experiment, dataset, seed)
    started, losses, milliseconds = time.perf_counter(), [], []
    with torch.random.fork_rng(devices=[]):
        for loss in first_steps(experiment, model, dataset, seed=seed, steps=steps):
            losses.append(loss)
            milliseconds.append((time.perf_counter() - started) * 1000)
            started = time.perf_counter()
    return StepTrace(
        losses=tuple(losses),
        step_ms=min(milliseconds),
        params={name: tuple(parameter.shape) for name, parameter in model.named_parameters()},
        num_params=trainable(model),
        epoch_steps=max(1, count_updates(_graphs(experiment, dataset), experiment.training)),
    )


def known_scores(experiment: Experiment) -> frozenset[str]:
    """The names of what the experiment's data know of scores, by a sample of them."""
    sample = replace(_sample(experiment), lines=_lines(experiment.dataset, _fewer(experiment)))
    return frozenset(known_lines(experiment, sample))


@lru_cache(maxsize=4)
def _lines(spec: DatasetSpec, sample: DatasetSpec) -> Mapping[str, float]:
    """What the data know, by a sample of them; cells of one study mostly share it."""
    told: Mapping[str, float] = spec.lines(_drawn(sample, 0))
    return told


def _sample(experiment: Experiment, seed: int = 0) -> Dataset:
    """A few graphs of the experiment's data where its spec says how many there are, else all of them."""
    return _drawn(_fewer(experiment), 0 if experiment.dataset.draw == "fixed" else seed)


def _fewer(experiment: Experiment) -> DatasetSpec:
    """Data of as few graphs, or sequences of many windows each, as are enough for the first steps."""
    spec, training = experiment.dataset, experiment.training
    options, batches = type(spec).model_fields, SAMPLE_BATCHES * training.accumulate
    wanted = {"train": batches if "window" in options else batches * training.batch, "valid": 1, "test": 1}
    fewer = {name: min(count, getattr(spec, name)) for name, count in wanted.items() if name in options}
    return spec.model_copy(update=fewer)


def _graphs(experiment: Experiment, sample: Dataset) -> int:
    """How many graphs, or windows, the whole training split has, by the share of it that the sample is."""
    spec, found = experiment.dataset, len(sample.splits["train"])
    whole, drawn = spec.trained_on(), _fewer(experiment).trained_on()
    return found if whole is None or drawn is None else found * whole // drawn


@lru_cache(maxsize=4)
def _drawn(spec: DatasetSpec, seed: int) -> Dataset:
    """Cells of one study mostly share their data."""
    dataset: Dataset = spec.build(seed)
    return dataset
