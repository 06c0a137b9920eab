"""The contract of a model."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor, nn

from lab.data.batch import IGNORED, Batch, Shape
from lab.spec.models import ModelSpec
from lab.spec.spec import fields_of, finite_choices, option_factor
from lab.testing.batches import SHAPES, small_batch
from lab.testing.settings import changed, named, one_changed

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
    for asked in [shape] if shape else [SHAPES[task] for task in spec.tasks if not spec.refuses(task)]:
        _check_on(spec, asked, padding=padding and not asked.window, dtype=dtype)


def _check_on(spec: ModelSpec, shape: Shape, *, padding: bool, dtype: torch.dtype) -> None:
    model, batch = _draw(spec, shape, dtype, seed=0)
    _check_outputs(spec, model(batch), batch, shape)
    _check_redrawing(spec, model)
    _check_gradients(spec, shape, dtype)
    for training in (True, False):
        _without_dropout(model.train(training))
        if not spec.fixed_nodes:
            _check_relabelling(spec, model, batch, shape)
        if padding and not spec.fixed_nodes:
            _check_padding(spec, model, batch, shape)


def _check_outputs(spec: ModelSpec, logits: Tensor, batch: Batch, shape: Shape) -> None:
    """The numbers a model puts out, how many there are and what they may be."""
    asked = _asked(batch.mask, shape)
    answer = spec.answers("forecast" if shape.horizon else "predict_links" if shape.window else "")
    if shape.horizon:
        count = {"values": 1, "gaussian": 2}.get(answer, logits.shape[-1])
        expected: tuple[int, ...] = (len(batch.x), shape.horizon, shape.nodes, count)
        assert answer != "mixture" or count % 3 == 0, f"{named(spec)} puts out {count} numbers, not 3 for each part"
    else:
        expected = tuple(asked.shape) if shape.window else (*asked.shape, shape.outputs)
    assert logits.shape == expected, f"{named(spec)} puts out {tuple(logits.shape)}, not {expected}"
    assert _told(logits, asked, shape).isfinite().all(), f"{named(spec)} puts out numbers that are not finite"


def _told(outputs: Tensor, asked: Tensor, shape: Shape) -> Tensor:
    """The outputs that count, in rows."""
    return outputs.flatten() if shape.window else outputs[asked]


def _asked(mask: Tensor, shape: Shape) -> Tensor:
    """Which outputs count: those of real nodes, or of pairs of them."""
    is_paired = shape.pairs or (shape.window and not shape.horizon)
    return mask[:, :, None] & mask[:, None, :] if is_paired else mask


def check_off_levels(spec: ModelSpec, *, shape: Shape | None = None) -> None:
    """A part that is switched off is in no module that it would not be in when on."""
    shape = shape or SHAPES[spec.tasks[0]]
    for path, field in fields_of(type(spec)):
        mark = option_factor(field)
        if mark is None or not mark.has_off:
            continue
        levels = {level: changed(spec, path, level) for level in finite_choices(field.annotation) or ()}
        owners = {level: _owners(made.build(shape)) for level, made in levels.items() if made is not None}
        if mark.off not in owners or len(owners) == 1:
            continue
        extra = owners.pop(mark.off) - set().union(*owners.values())
        assert not extra, f"{named(spec)}: {path}={mark.off} has parts that no other level has: {sorted(extra)}"


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
        assert reset is not None, f"{named(spec)}: {name} owns parameters but has no reset_parameters()"


def _check_gradients(spec: ModelSpec, shape: Shape, dtype: torch.dtype) -> None:
    """Every parameter gets a gradient, but for those that cannot by construction."""
    waiting, exempt = {"?"}, set()
    for seed in range(DRAWS):
        model, batch = _draw(spec, shape, dtype, seed=seed)
        exempt = set(getattr(model, "zero_gradient", set)())
        logits = _told(model(batch), _asked(batch.mask, shape), shape)
        (
            logits * torch.randn(logits.shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)
        ).sum().backward()  # type: ignore[no-untyped-call]
        learning = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
        assert exempt <= learning.keys(), f"{named(spec)} has no {sorted(exempt - learning.keys())}"
        largest = {name: _largest(weight.grad) for name, weight in learning.items()}
        assert all(map(math.isfinite, largest.values())), f"{named(spec)} has gradients that are not finite"
        floor = 1e-12 * max(largest.values(), default=0.0) if dtype == torch.float64 else 0.0
        moved = {name for name, size in largest.items() if size > floor}
        waiting = (learning.keys() if seed == 0 else waiting) - moved
        wrong = moved & exempt if dtype == torch.float64 else set()
        assert not wrong, f"{named(spec)} calls {sorted(wrong)} without gradient, which they are not"
        if waiting <= exempt:
            return
    raise AssertionError(f"{named(spec)} never gives a gradient to {sorted(waiting - exempt)}")


def _largest(grad: Tensor | None) -> float:
    return 0.0 if grad is None else float(grad.abs().max())


def _check_relabelling(spec: ModelSpec, model: nn.Module, batch: Batch, shape: Shape) -> None:
    """Other names for the nodes are other rows of the same output."""
    random = torch.Generator().manual_seed(1)
    order = torch.stack([_shuffled(int(row.sum()), len(row), random) for row in batch.mask])
    graph = torch.arange(len(order))[:, None]
    if shape.window:
        _check_window_relabelling(spec, model, batch, order[0])
        return
    one, both = (graph, order), (graph[..., None], order[:, :, None], order[:, None, :])
    renamed = replace(batch, x=batch.x[one], y=batch.y[one], adjacency=batch.adjacency[both])
    batch, renamed = _with_encodings(model, batch, renamed, one)
    asked = _asked(batch.mask, shape)
    with torch.no_grad():
        known, found = model(batch)[both if shape.pairs else one][asked], model(renamed)[asked]
    assert _near(found, known), f"{named(spec)} depends on the order of the nodes"


def _check_window_relabelling(spec: ModelSpec, model: nn.Module, batch: Batch, order: Tensor) -> None:
    """The same for windows, whose nodes stand behind their frames."""
    graphs = batch.adjacency[..., order, :][..., order]
    is_links = batch.y.dtype == torch.uint8
    y = batch.y[:, order][:, :, order] if is_links else batch.y[..., order]
    with torch.no_grad():
        known, found = model(batch), model(replace(batch, x=batch.x[:, :, order], adjacency=graphs, y=y))
    known = known[:, order][:, :, order] if is_links else known[:, :, order]
    assert _near(found, known), f"{named(spec)} depends on the order of the nodes"


def _with_encodings(
    model: nn.Module, batch: Batch, renamed: Batch, order: tuple[Tensor, Tensor]
) -> tuple[Batch, Batch]:
    """Both batches with what the model prepares of them; what a graph leaves open goes with its nodes.

    A model names such encodings in `ambiguous`: an eigenvector may point either way, so that two looks at one
    graph need not agree on it.
    """
    names: set[str] = getattr(model, "ambiguous", set)()
    if not names:
        return batch, renamed
    prepare: Callable[[Batch], dict[str, Tensor]] = getattr(model, "prepare")  # noqa: B009 - modules say Tensor
    known = prepare(batch)
    carried = {name: known[name][order] for name in names}
    return replace(batch, extra=known), replace(renamed, extra={**prepare(renamed), **carried})


def _shuffled(real: int, nodes: int, random: torch.Generator) -> Tensor:
    return torch.cat([torch.randperm(real, generator=random), torch.arange(real, nodes)])


def _check_padding(spec: ModelSpec, model: nn.Module, batch: Batch, shape: Shape) -> None:
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
        known = model(batch)[_asked(batch.mask, shape)]
        found = model(Batch(x, adjacency, mask, y, batch.ids))[_asked(mask, shape)]
    assert _near(found, known), f"{named(spec)} is touched by padding"


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
