"""The contracts that models, datasets, probes and rules keep; a plug-in's test is one line, and so are ours."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

import torch
from pydantic import ValidationError
from torch import Tensor, nn

from lab.data.batch import IGNORED, Batch, Dataset, Shape, Split
from lab.spec.datasets import DatasetSpec
from lab.spec.experiment import Experiment, Training, rebuild
from lab.spec.models import Gin, ModelSpec
from lab.spec.probes import ProbeSpec
from lab.spec.rules import Finding, RuleSpec, Series
from lab.spec.spec import Spec, fields_of, finite_choices, option_factor

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

AnySpec = TypeVar("AnySpec", bound=Spec)

CLASSIFY = Shape(nodes=9, classes=3, tokens=4)
REGRESS = Shape(nodes=9, features=3, targets=2)
DRAWS = 6
"""Fresh weights and data a parameter may take until one of them gives it a gradient."""


def check_model(
    spec: ModelSpec | type[ModelSpec],
    *,
    shape: Shape | None = None,
    padding: bool = True,
    dtype: torch.dtype = torch.float32,
) -> None:
    """A model learns by all its parameters, knows no order of nodes, and is not touched by padding.

    A class is checked at its defaults and with every level of every factor changed alone, and its off levels
    must leave nothing behind; an instance is one setting. `padding` is False for what sees padding on purpose.
    In float64 the names in `zero_gradient` are checked as well.
    """
    if isinstance(spec, type):
        base = spec()
        check_off_levels(base, shape=shape)
        for setting in (base, *one_changed(base)):
            check_model(setting, shape=shape, padding=padding, dtype=dtype)
        return
    shape = shape or (CLASSIFY if "classify_nodes" in spec.tasks else REGRESS)
    model, batch = _draw(spec, shape, dtype, seed=0)
    logits = model(batch)
    expected = (*batch.mask.shape, shape.outputs)
    assert logits.shape == expected, f"{_named(spec)} puts out {tuple(logits.shape)}, not {expected}"
    assert logits[batch.mask].isfinite().all(), f"{_named(spec)} puts out numbers that are not finite"
    _check_redrawing(spec, model)
    _check_gradients(spec, shape, dtype)
    for training in (True, False):
        _without_dropout(model.train(training))
        _check_relabelling(spec, model, batch)
        if padding:
            _check_padding(spec, model, batch)


def check_off_levels(spec: ModelSpec, *, shape: Shape | None = None) -> None:
    """A part that is switched off is in no module that it would not be in when on."""
    shape = shape or (CLASSIFY if "classify_nodes" in spec.tasks else REGRESS)
    for path, field in fields_of(type(spec)):
        mark = option_factor(field)
        if mark is None or not mark.has_off:
            continue
        levels = {level: _changed(spec, path, level) for level in finite_choices(field.annotation) or ()}
        owners = {level: _owners(made.build(shape)) for level, made in levels.items() if made is not None}
        if mark.off not in owners or len(owners) == 1:
            continue
        extra = owners.pop(mark.off) - set().union(*owners.values())
        assert not extra, f"{_named(spec)}: {path}={mark.off} has parts that no other level has: {sorted(extra)}"


def check_dataset(spec: DatasetSpec | type[DatasetSpec]) -> None:
    """A seed fixes a dataset, no node is scored in two splits, and everything lies within the shape it tells."""
    from lab.data.cache import content_hash

    spec = spec() if isinstance(spec, type) else spec
    dataset: Dataset = spec.build(0)
    assert content_hash(dataset) == content_hash(spec.build(0)), "the same seed gave two datasets"
    assert {"train", "valid"} <= dataset.splits.keys(), f"splits train and valid are due, not {list(dataset.splits)}"
    seen: dict[bytes, tuple[str, Tensor]] = {}
    for name, split in dataset.splits.items():
        for graph in range(len(split)):
            key, scored = _check_graph(dataset.shape, split, graph)
            other, before = seen.setdefault(key, (name, scored))
            overlap = other != name and bool((before & scored).any())
            assert not overlap, f"graph {graph} of {name} is scored in {other} too"


def check_probe(probe: ProbeSpec | type[ProbeSpec], experiment: Experiment | None = None) -> None:
    """A probe reads something, and leaves every loss and score as it is without it, to the last bit."""
    from lab.train.loop import Member, train

    rebuild()
    probe = probe() if isinstance(probe, type) else probe
    bare = experiment or _small_experiment()
    probed = bare.model_copy(update={"probes": (probe,)})
    dataset = bare.dataset.build(0)
    without, with_probe = (
        train([Member(one, seed=0, cell="check")], dataset, watcher=_Nobody(), checkpoints=None)[0]
        for one in (bare, probed)
    )
    for outcome in (without, with_probe):
        assert outcome.status == "done", f"training ended as {outcome.status}: {outcome.error}\n{outcome.traceback}"
    assert repr(without.history) == repr(with_probe.history), "the probe changed a loss or a score"
    assert with_probe.readings is not None, "the probe read nothing"
    assert len(with_probe.readings), "the probe read nothing"


def check_rule(
    rule: RuleSpec | type[RuleSpec], *, healthy: Sequence[Series] | None = None, sick: Sequence[Series] = ()
) -> None:
    """A rule spares healthy series however short, finds the sick ones, and answers the same when asked again."""
    rule = rule() if isinstance(rule, type) else rule
    assert rule.reads, "a rule must say which series it reads"
    for series in healthy_series(rule.reads) if healthy is None else healthy:
        for length in {0, 1, 2, len(series) // 2, len(series)}:
            found = rule.check("layer.weight", series[:length])
            assert found is None, f"{_named(rule)} fires on a healthy series of {length} readings: {found}"
    for series in sick:
        before = list(series)
        found = rule.check("layer.weight", series)
        assert isinstance(found, Finding), f"{_named(rule)} does not fire on {before[:3]} ..."
        assert found == rule.check("layer.weight", series), f"{_named(rule)} changes its mind"
        assert list(series) == before, f"{_named(rule)} changes what it reads"


def healthy_series(reads: str) -> list[Series]:
    """What a sound run shows of a statistic: a slow decline, or zeros where anything else is a fault."""
    if any(word in reads for word in ("zero", "finite", "nan")):
        return [[(step, 0.0) for step in range(200)]]
    falling = [(step, 0.05 * math.exp(-step / 100)) for step in range(200)]
    wavering = [(step, value * (1 + 0.2 * math.sin(2.4 * step))) for step, value in falling]
    return [falling, wavering, [(step, 0.02) for step in range(200)]]


def settings_of(kind: type[AnySpec], fixed: Mapping[str, object]) -> SearchStrategy[AnySpec]:
    """A Hypothesis strategy over all settings of a spec: every finite option varies, the others are as told."""
    from hypothesis import strategies as st

    drawn: dict[str, SearchStrategy[object]] = {}
    for path, field in fields_of(kind):
        levels = finite_choices(field.annotation)
        if path in fixed:
            told = fixed[path]
            drawn[path] = told if isinstance(told, st.SearchStrategy) else st.just(told)
        elif levels is not None:
            drawn[path] = st.sampled_from(levels)
    made = st.fixed_dictionaries(drawn).map(lambda flat: _validated(kind, _nested(flat)))
    return made.filter(bool)  # type: ignore[return-value]


def small_batch(shape: Shape, *, seed: int = 0, dtype: torch.dtype = torch.float32) -> Batch:
    """A path, a random graph and a star with a node apart, with random nodes; all undirected, some padded."""
    random = torch.Generator().manual_seed(seed)
    sizes = torch.tensor([9, 7, 6])
    mask = torch.arange(9) < sizes[:, None]
    edges = torch.zeros(3, 9, 9, dtype=torch.bool)
    edges[0] = torch.ones(9, 9).tril(1).triu(1).bool()
    edges[1, :7, :7] = (torch.rand(7, 7, generator=random) < 0.4).triu(1) | torch.ones(7, 7).tril(1).triu(1).bool()
    edges[2, 0, 1:5] = True
    if shape.tokens:
        x = torch.randint(shape.tokens, mask.shape, generator=random) * mask
    else:
        x = torch.randn(*mask.shape, shape.features, generator=random).to(dtype) * mask[..., None]
    if shape.classes:
        y = torch.randint(shape.classes, mask.shape, generator=random).where(mask, IGNORED)
    else:
        y = torch.randn(*mask.shape, shape.targets, generator=random).to(dtype)
    return Batch(x, (edges | edges.transpose(1, 2)).to(torch.uint8), mask, y, torch.arange(3))


def _draw(spec: ModelSpec, shape: Shape, dtype: torch.dtype, *, seed: int) -> tuple[nn.Module, Batch]:
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        model: nn.Module = spec.build(shape)
    return model.to(dtype), small_batch(shape, seed=seed, dtype=dtype)


def _check_redrawing(spec: ModelSpec, model: nn.Module) -> None:
    """Initial weights are drawn anew module by module, so each must be able to."""
    for name, module in model.named_modules():
        if next(module.parameters(recurse=False), None) is None:
            continue
        reset = getattr(module, "reset_parameters", None)
        assert reset is not None, f"{_named(spec)}: {name} owns parameters but has no reset_parameters()"


def _check_gradients(spec: ModelSpec, shape: Shape, dtype: torch.dtype) -> None:
    """Every parameter gets a gradient, but for those that cannot by construction."""
    waiting, exempt = {"?"}, set()
    for seed in range(DRAWS):
        model, batch = _draw(spec, shape, dtype, seed=seed)
        exempt = set(getattr(model, "zero_gradient", set)())
        logits = model(batch)[batch.mask]
        (
            logits * torch.randn(logits.shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)
        ).sum().backward()
        learning = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
        assert exempt <= learning.keys(), f"{_named(spec)} has no {sorted(exempt - learning.keys())}"
        largest = {name: _largest(weight.grad) for name, weight in learning.items()}
        assert all(map(math.isfinite, largest.values())), f"{_named(spec)} has gradients that are not finite"
        floor = 1e-12 * max(largest.values(), default=0.0) if dtype == torch.float64 else 0.0
        moved = {name for name, size in largest.items() if size > floor}
        waiting = (learning.keys() if seed == 0 else waiting) - moved
        wrong = moved & exempt if dtype == torch.float64 else set()
        assert not wrong, f"{_named(spec)} calls {sorted(wrong)} without gradient, which they are not"
        if waiting <= exempt:
            return
    raise AssertionError(f"{_named(spec)} never gives a gradient to {sorted(waiting - exempt)}")


def _largest(grad: Tensor | None) -> float:
    return 0.0 if grad is None else float(grad.abs().max())


def _check_relabelling(spec: ModelSpec, model: nn.Module, batch: Batch) -> None:
    """Other names for the nodes are other rows of the same output."""
    random = torch.Generator().manual_seed(1)
    order = torch.stack([_shuffled(int(row.sum()), len(row), random) for row in batch.mask])
    graph = torch.arange(len(order))[:, None]
    renamed = replace(
        batch,
        x=batch.x[graph, order],
        y=batch.y[graph, order],
        adjacency=batch.adjacency[graph[..., None], order[:, :, None], order[:, None, :]],
    )
    with torch.no_grad():
        known, found = model(batch)[graph, order][batch.mask], model(renamed)[batch.mask]
    assert _near(found, known), f"{_named(spec)} depends on the order of the nodes"


def _shuffled(real: int, nodes: int, random: torch.Generator) -> Tensor:
    return torch.cat([torch.randperm(real, generator=random), torch.arange(real, nodes)])


def _check_padding(spec: ModelSpec, model: nn.Module, batch: Batch) -> None:
    """More padding, or other numbers on it, change no output of a real node."""
    graphs, nodes = batch.mask.shape
    wide = nodes + 5
    x = torch.ones(graphs, wide, *batch.x.shape[2:], dtype=batch.x.dtype)
    x[:, :nodes] = torch.where(batch.mask.view(*batch.mask.shape, *[1] * (x.ndim - 2)), batch.x, x[:, :nodes])
    adjacency = torch.zeros(graphs, wide, wide, dtype=batch.adjacency.dtype)
    adjacency[:, :nodes, :nodes] = batch.adjacency
    mask = torch.zeros(graphs, wide, dtype=torch.bool)
    mask[:, :nodes] = batch.mask
    y = torch.full((graphs, wide, *batch.y.shape[2:]), IGNORED, dtype=batch.y.dtype)
    y[:, :nodes] = batch.y
    with torch.no_grad():
        known = model(batch)[batch.mask]
        found = model(Batch(x, adjacency, mask, y, batch.ids))[mask]
    assert _near(found, known), f"{_named(spec)} is touched by padding"


def _near(found: Tensor, known: Tensor) -> bool:
    close = 1e-8 if known.dtype == torch.float64 else 2e-4
    return bool((found - known).abs().max() <= close * (1 + known.abs().max()))


def _without_dropout(model: nn.Module) -> None:
    for module in model.modules():
        if "dropout" in type(module).__name__.lower():
            module.eval()


def _owners(model: nn.Module) -> set[str]:
    """The modules that own parameters or buffers."""
    owned = [name for name, _ in model.named_parameters()] + [name for name, _ in model.named_buffers()]
    return {name.rpartition(".")[0] for name in owned}


def one_changed(base: ModelSpec) -> Iterator[ModelSpec]:
    """Every level of every factor, changed alone, where that is allowed."""
    options = base.options()
    for path, field in fields_of(type(base)):
        if option_factor(field) is None:
            continue
        for level in finite_choices(field.annotation) or ():
            made = _changed(base, path, level) if level != options[path] else None
            if made is not None:
                yield made


def _changed(spec: AnySpec, path: str, level: object) -> AnySpec | None:
    return _validated(type(spec), _nested({**spec.options(), path: level}))


def _validated(kind: type[AnySpec], options: Mapping[str, object]) -> AnySpec | None:
    try:
        return kind.model_validate(options)
    except ValidationError:
        return None


def _nested(flat: Mapping[str, object]) -> dict[str, object]:
    """Dotted names opened into groups."""
    opened: dict[str, object] = {}
    for path, value in flat.items():
        group, _, name = path.rpartition(".")
        inner = opened.setdefault(group, {}) if group else opened
        assert isinstance(inner, dict)
        inner[name] = value
    return opened


def _check_graph(shape: Shape, split: Split, graph: int) -> tuple[bytes, Tensor]:
    """The graph's own bytes, and which of its nodes are scored."""
    size = int(split.sizes[graph])
    assert 1 <= size <= shape.nodes, f"a graph has {size} nodes, the shape tells {shape.nodes} at most"
    x, y, adjacency = split.x[graph], split.y[graph], split.adjacency[graph]
    assert adjacency.dtype == torch.uint8, f"adjacency is {adjacency.dtype}, not uint8"
    assert not adjacency[size:].any(), "padding has edges"
    assert not adjacency[:, size:].any(), "padding has edges"
    x, y = x[:size], split.y[graph][:size]
    if shape.tokens:
        assert ((x >= 0) & (x < shape.tokens)).all(), f"a token is not among the {shape.tokens}"
    else:
        assert x.shape[1:] == (shape.features,), f"nodes carry {tuple(x.shape[1:])}, not {shape.features} numbers"
    scored = torch.ones(size, dtype=torch.bool)
    if shape.classes:
        scored = y != IGNORED
        assert (split.y[graph][size:] == IGNORED).all(), "padding has labels"
        assert ((y[scored] >= 0) & (y[scored] < shape.classes)).all(), f"a label is not among the {shape.classes}"
    return x.numpy().tobytes() + adjacency[:size, :size].contiguous().numpy().tobytes(), scored


class _Nobody:
    """A watcher that lets everything pass."""

    def epoch(self, member: int, epoch: int, step: int, scores: Mapping[str, float]) -> bool:
        return True

    def measured(self, member: int, points: Sequence[tuple[str, int, float]]) -> None:
        return None


def _small_experiment() -> Experiment:
    data = DatasetSpec.named("pattern").model_validate(
        {"train": 8, "valid": 4, "test": 4, "patterns": 4, "sizes": (3, 5), "communities": 2}
    )
    return Experiment(dataset=data, model=Gin(layers=2, width=8), training=Training(epochs=2, batch=4))


def _named(spec: Spec) -> str:
    said = {key: value for key, value in spec.content().items() if key != "kind"}
    return f"{getattr(spec, 'kind', type(spec).__name__)} {said or ''}".strip()
