"""`lab replay`, `lab diff` and `lab mark`: from the words of a person to an order, and from the answer to a text."""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

from lab.analysis.naming import Named, trials_named
from lab.cli.reporting import keep
from lab.errors import LabError
from lab.records.bundles import Bundle, Mark, bundles_folder, bundles_of, read_mark, write_mark
from lab.records.record import Record
from lab.records.replayed import Replayed
from lab.records.running import running
from lab.records.store import Store
from lab.report.of_replay import agreement_said, parting_text, replay_text
from lab.run.replay_orders import Comparison, Replay, Side, side_of_bundle, side_of_record

Form = Literal["text", "json", "html", "parquet"]
HOW_TO_NAME = "name it by its id or the id's beginning, or as STUDY CELL SEED"
PATIENCE = 10.0
"""Seconds that a running trial is given to answer a mark."""


@dataclass(frozen=True)
class Asked:
    """What a person wants of a replay."""

    step: int | None = None
    lr: float | None = None
    anyway: bool = False
    form: Form = "text"
    out: Path | None = None


def replay_trial(store: Store, words: Sequence[str], asked: Asked) -> int:
    """Replay a step of a trial and tell what is found."""
    from lab.run.replaying import replayed

    (named,) = named_exactly(store, words, count=1)
    record = store.read(named.trial, study=named.study)
    bundles = bundles_of(bundles_folder(store), named.trial)
    if record is None and not bundles:
        raise LabError(f"trial {named.trial} has neither a record nor a bundle yet", hint=_mend(store, named.trial))
    step = asked.step if asked.step is not None else _default_step(store, named.trial, bundles, record)
    order = order_of(store, step, bundles, record)
    told = replayed(replace(order, lr=asked.lr, anyway=asked.anyway), hear)
    told = replace(told, study=told.study or named.study)
    return _tell(store, told, asked)


def named_exactly(store: Store, words: Sequence[str], *, count: int) -> Sequence[Named]:
    """So many trials, each by the words a person used."""
    named = trials_named(store, words)
    if len(named) != count:
        told = f"{len(named)} trials were named" if named else "no trial was named"
        raise LabError(f"{told}, where {count} {'is' if count == 1 else 'are'} wanted", hint=HOW_TO_NAME)
    return named


def _mend(store: Store, trial: str) -> str:
    """How to come by something that can be replayed."""
    return f"it is running: lab mark {trial}" if trial in running(store) else "run its study first"


def _default_step(store: Store, trial: str, bundles: Sequence[Bundle], record: Record | None) -> int:
    """The step a person marked, that of the first alert, or that of the record's gravest finding."""
    mark = read_mark(bundles_folder(store), trial)
    if mark is not None and mark.step is not None:
        return mark.step
    if bundles:
        return bundles[0].step
    alerts = [each for each in record.findings if each.level != "info"] if record is not None else []
    if not alerts:
        raise LabError(f"trial {trial} has no alert, so which step is meant?", hint="say --step N")
    return min(alerts, key=lambda each: (each.level != "fatal", each.step)).step


def order_of(store: Store, step: int, bundles: Sequence[Bundle], record: Record | None) -> Replay:
    """From the nearest earlier snapshot, or from the start of the trial."""
    if step < 0:
        raise LabError(f"--step {step}: steps count from 0")
    leading = [each for each in bundles if each.before(step) is not None]
    last = _last_step(bundles, record)
    losses = tuple(record.history.get("train.loss", ())) if record is not None else ()
    order = Replay(_side(record, bundles), step, losses=losses, last=last, epochs=len(losses))
    if leading:
        nearest = max(leading, key=lambda each: (each.before(step) or 0, each.last))
        return replace(order, side=side_of_bundle(nearest), bundle=nearest)
    readings = store.readings(record.trial, study=record.study) if record is not None else None
    return replace(order, readings=readings)


def _side(record: Record | None, bundles: Sequence[Bundle]) -> Side:
    """A bundle knows more of the trial's surroundings than its record does."""
    if bundles:
        return side_of_bundle(bundles[0])
    assert record is not None, "a trial without a record is only replayed from its bundles"
    return side_of_record(record)


def _last_step(bundles: Sequence[Bundle], record: Record | None) -> int:
    """A step that the trial is known to have taken, the later the better."""
    findings = record.findings if record is not None else ()
    return max([each.last for each in bundles] + [each.step for each in findings if each.level != "info"], default=-1)


def _tell(store: Store, told: Replayed, asked: Asked) -> int:
    """Write the answer in the form that was asked for."""
    name = f"replay-{told.trial}-{told.step}"
    if asked.form == "text" and asked.out is None:
        sys.stdout.write(replay_text(told))
    elif asked.form == "json" and asked.out is None:
        sys.stdout.write(json.dumps(_writable(asdict(told))) + "\n")
    else:
        from lab.report.replay_forms import written

        data = json.dumps(_writable(asdict(told))).encode() if asked.form == "json" else written(told, asked.form)
        ending = "txt" if asked.form == "text" else asked.form
        place = keep(store, f"{name}.{ending}", data, asked.out)
        sys.stdout.write(f"{agreement_said(told.agreement)}\nwrote {place}\n")
    return 0


def _writable(value: object) -> object:
    """JSON knows no NaN and no infinity: they become words."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, dict):
        return {key: _writable(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_writable(inner) for inner in value]
    return value


def hear(step: int, goal: int) -> None:
    """Show how far a replay is, where somebody looks."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r  step {step} of {goal}" + ("\n" if step + 1 >= goal else ""))


def diff_trials(store: Store, words: Sequence[str], *, steps: int, as_json: bool) -> int:
    """Run two trials side by side and tell where they part."""
    from lab.run.replaying import compared

    if steps < 1:
        raise LabError(f"--steps {steps}: at least one step must be compared")
    sides = tuple(_side_of(store, named) for named in named_exactly(store, words, count=2))
    order = Comparison((sides[0], sides[1]), sides[0].seed, steps)
    told = compared(order, hear)
    sys.stdout.write(json.dumps(_writable(asdict(told))) + "\n" if as_json else parting_text(told))
    return 0


def _side_of(store: Store, named: Named) -> Side:
    bundles = bundles_of(bundles_folder(store), named.trial)
    record = store.read(named.trial, study=named.study)
    if record is None and not bundles:
        raise LabError(f"trial {named.trial} has neither a record nor a bundle yet", hint=_mend(store, named.trial))
    return _side(record, bundles)


def mark_trial(store: Store, words: Sequence[str], *, step: int | None, note: str) -> int:
    """Have a running trial keep its last steps, or remember a step of one that has ended."""
    (named,) = named_exactly(store, words, count=1)
    folder, trial = bundles_folder(store), named.trial
    if trial in running(store):
        return _mark_running(folder, trial, Mark(step, note))
    record = store.read(trial, study=named.study)
    if record is None:
        raise LabError(f"trial {trial} has not run yet", hint="run its study first")
    if step is None:
        raise LabError(f"trial {trial} has ended ({record.status}): which step is meant?", hint="say --step N")
    write_mark(folder, trial, Mark(step, note))
    start = next((f"bundle {each.name}" for each in bundles_of(folder, trial) if each.before(step) is not None), "")
    sys.stdout.write(f"step {step} of {trial} is marked: lab replay {trial} goes there from {start or 'the start'}\n")
    return 0


def _mark_running(folder: Path, trial: str, mark: Mark) -> int:
    before = {each.name for each in bundles_of(folder, trial)}
    write_mark(folder, trial, mark)
    deadline = time.monotonic() + PATIENCE
    while read_mark(folder, trial) is not None and time.monotonic() < deadline:
        time.sleep(0.1)
    kept = [each for each in bundles_of(folder, trial) if each.name not in before]
    if kept:
        sys.stdout.write(f"kept in {kept[-1].path}: lab replay {trial} --step {kept[-1].step}\n")
        return 0
    if read_mark(folder, trial) is not None:
        sys.stdout.write(f"{trial} keeps its last steps when it next reads its probes, within 64 steps\n")
        return 0
    raise LabError(
        f"trial {trial} kept nothing: its recorder is off, or it has as many bundles as it may leave",
        hint=f"see {folder / trial}, and recorder.keep in its file",
    )
