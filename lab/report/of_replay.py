"""What a replay found, in words for a terminal."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

from lab.records.replayed import Agreement, Computed, Parting, Replayed, Tried

AROUND = 6
"""Operations shown on either side of the first abnormal one."""
MODULES = 40
"""Modules shown of a step in which nothing is abnormal."""


def replay_text(told: Replayed) -> str:
    """A replayed step as lines."""
    return "\n".join(_lines(told)) + "\n"


def _lines(told: Replayed) -> Iterator[str]:
    where = ", ".join(part for part in (told.study, told.label, f"seed {told.seed}") if part)
    yield f"trial {told.trial} ({where}), step {told.step} in epoch {told.epoch}"
    if told.finding is not None:
        yield f"kept for: {told.finding.rule} of {told.finding.scope}: {told.finding.says}"
    yield f"replayed from {told.source}: {agreement_said(told.agreement)}"
    yield from (f"note: {note}" for note in told.notes)
    graphs = ", ".join(str(graph) for batch in told.graphs for graph in batch[:12])
    many = sum(map(len, told.graphs))
    yield f"its batch: {many} graphs ({graphs}{', ...' if any(len(batch) > 12 for batch in told.graphs) else ''})"
    if not math.isnan(told.lr):
        yield f"loss {told.loss:.6g}, gradient norm {told.grad_norm:.4g}, lr {told.lr:.3g}"
    if told.raised:
        yield f"the step raises {told.raised}"
    yield ""
    yield from _abnormal(told)
    yield ""
    yield from _table(told)
    if told.tried:
        yield ""
        yield from _tried(told)


def agreement_said(agreement: Agreement) -> str:
    """How far a replay agrees with what was recorded."""
    if not agreement.compared:
        return "nothing was recorded there to compare with"
    head = f"{agreement.label}, {agreement.compared} recorded steps compared by their {agreement.by}"
    if agreement.label == "exact":
        return head
    parted = agreement.parted if agreement.parted is not None else agreement.first_differing
    word = "diverged at step" if agreement.parted is not None else "first differing at step"
    return f"{head}; {word} {parted}, largest relative difference {agreement.largest:.2g}"


def _abnormal(told: Replayed) -> Iterator[str]:
    found = told.abnormal
    if found is None:
        yield f"no abnormal tensor among {len(told.computed)}: no NaN, no infinity, nothing huge"
        return
    here = "created here" if found.is_created else f"inherited from {found.source or 'an earlier tensor'}"
    tensor = found.tensor
    yield f"first abnormal tensor: {found.what}, {here}"
    place = tensor.module or {"loss": "the loss", "update": "the update"}.get(tensor.phase, "the model")
    count = f", {tensor.odd} of {math.prod(tensor.shape)} elements" if tensor.odd else ""
    which = f"{tensor.phase}, tensor {tensor.at} of {len(told.computed)}"
    yield f"  {tensor.op} in {place} ({which}), {_shape(tensor)}{count}"
    yield from (f"  went in: {said}" for said in found.inputs)
    if found.graphs:
        yield f"  in graphs {', '.join(map(str, found.graphs[:12]))}{', ...' if len(found.graphs) > 12 else ''}"
    yield "  it reached the loss" if found.reached_loss else "  the loss is finite all the same"


def _table(told: Replayed) -> Iterator[str]:
    """The tensors around the first abnormal one; without one, the last tensor of every module."""
    at = told.abnormal.tensor.at if told.abnormal is not None else -1
    named = sorted((each for each in told.computed if each.module), key=lambda each: not each.op.endswith("_"))
    last = {(each.phase, each.module): each for each in named}
    shown = (
        told.computed[max(0, at - AROUND) : at + AROUND + 1] if at >= 0 else sorted(last.values(), key=_order)[:MODULES]
    )
    numbers = "".join(f"{word:>11}" for word in ("min", "max", "norm"))
    yield f"  {'phase':9}{'module' if at >= 0 else 'module (its last tensor)':44}{'operation':26}{'shape':20}{numbers}"
    for each in shown:
        told_numbers = "".join(f"{value:11.4g}" for value in (each.low, each.high, each.norm))
        sign = "> " if each.at == at else "  "
        yield f"{sign}{each.phase:9}{each.module[-43:]:44}{each.op[:25]:26}{_shape(each):20}{told_numbers}"


def _order(each: Computed) -> int:
    return each.at


def _tried(told: Replayed) -> Iterator[str]:
    if told.blame:
        who = (
            f"graph{'s' if len(told.suspects) > 1 else ''} {', '.join(map(str, told.suspects))}: "
            if told.suspects
            else ""
        )
        yield who + told.blame
    heads = "".join(f"{word:>12}" for word in ("loss", "gradient", "moved by", "loss after"))
    yield f"{'the same step':32}{heads}   losses of the next steps"
    yield from map(_try, told.tried)


def _try(tried: Tried) -> str:
    if tried.failed:
        return f"{tried.how:32}could not be tried: {tried.failed}"
    numbers = "".join(f"{value:12.5g}" for value in (tried.loss, tried.grad_norm, tried.update, tried.after))
    return f"{tried.how[:31]:32}{numbers}   {' '.join(f'{loss:.4g}' for loss in tried.later)}"


def _shape(each: Computed) -> str:
    return "x".join(map(str, each.shape)) or "scalar"


def parting_text(told: Parting) -> str:
    """Two runs side by side as lines."""
    return "\n".join(_sides(told)) + "\n"


def _sides(told: Parting) -> Iterator[str]:
    yield f"{told.first} and {told.second} from the start, both with seed {told.seed}"
    yield from (f"note: {note}" for note in told.notes)
    for trial, names in zip((told.first, told.second), told.missing, strict=True):
        if names:
            yield f"only {trial} has {', '.join(names[:6])}{f' and {len(names) - 6} more' if len(names) > 6 else ''}"
    found = told.difference
    if found is None:
        yield from _no_op(told)
        return
    what = ".".join(part for part in (found.module, found.tensor) if part)
    yield f"they part at step {found.step}, {_WHERE[found.where]}{f': {what}' if what else ''}: {found.says}"
    yield from _why(told)


_WHERE = {
    "initial weights": "in their initial weights",
    "batch": "in their batch",
    "forward": "on the way forward",
    "loss": "in their loss",
    "gradient": "in their gradient",
    "update": "in their update",
}


def _no_op(told: Parting) -> Iterator[str]:
    options = ", ".join(told.options)
    yield f"bit-identical for {told.steps} steps: losses, gradients and weights are the same"
    if not told.options:
        yield "no option that a step depends on differs"
    elif any(told.missing):
        yield f"so far {options} adds parameters that change nothing"
    else:
        yield f"so far {options} is a no-op: drop the level, or vary what would make it matter"


def _why(told: Parting) -> Iterator[str]:
    if told.causes:
        yield "because of " + "; ".join(_option(told, key) for key in told.causes)
    elif told.options:
        yield "none of the options that differ acts there; nor would a nondeterministic operation be their doing"
    rest = [key for key in told.options if key not in told.causes]
    if rest:
        yield f"{'also different' if told.causes else 'different'}: " + "; ".join(_option(told, key) for key in rest)


def _option(told: Parting, key: str) -> str:
    one, other = told.options[key]
    return f"{key}: {_level(one)} against {_level(other)}"


def _level(value: object) -> str:
    return "absent" if value is None else str(value)


def rows(told: Iterable[Computed]) -> list[dict[str, object]]:
    """The tensors of a step as rows of a table."""
    return [
        {
            "at": each.at,
            "phase": each.phase,
            "module": each.module,
            "operation": each.op,
            "shape": _shape(each),
            "min": each.low,
            "max": each.high,
            "norm": each.norm,
            "odd": each.odd,
        }
        for each in told
    ]
