"""What trials cost, kept between runs: learnt from records and from timed first steps, asked by `lab plan`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass

from lab.plan.plan import Plan
from lab.records.record import Record
from lab.records.store import Store
from lab.spec.experiment import Experiment

FILE = "timings.json"
SCORING = 0.15
"""Time for scoring valid and test after an epoch, as a share of the epoch's steps."""
SCORING_TRAIN = 0.35
"""The same for the training graphs, where they are scored too."""


@dataclass(frozen=True)
class Timing:
    """What one cell was seen to cost on one device."""

    step_ms: float = 0.0
    epoch_steps: int = 0
    seconds: float = 0.0
    """Mean over the whole trials seen."""
    trials: int = 0


Timings = Mapping[tuple[str, str], Timing]
"""By cell id and device."""


@dataclass(frozen=True)
class Cost:
    """What the rest of a plan will cost, one trial at a time."""

    seconds: float | None
    """None when nothing is known of any cell."""
    trials: int
    known: int
    """How many of the trials are of a cell that was run or timed; the others count as their average."""


def load(store: Store) -> dict[tuple[str, str], Timing]:
    """What is known; nothing when the file is absent or not ours, since it can always be measured again."""
    try:
        said = json.loads(store.place.read(FILE) or b"{}")
        return {_key(name): Timing(**timing) for name, timing in said.items()}
    except (ValueError, TypeError, AttributeError):
        return {}


def save(store: Store, timings: Timings) -> None:
    """Keep it; when two runs save at once one of them is lost, which costs a little precision and no more."""
    text = {f"{cell}@{device}": asdict(timing) for (cell, device), timing in sorted(timings.items())}
    store.place.write(FILE, json.dumps(text, indent=1).encode())


def learn(timings: Timings, records: Iterable[Record]) -> dict[tuple[str, str], Timing]:
    """Add what finished trials cost; a trial that ended early tells nothing of a whole one."""
    known = dict(timings)
    for record in records:
        if record.status != "done" or record.seconds <= 0:
            continue
        key = (record.cell, record.origin.device)
        old = known.get(key, Timing())
        trials = old.trials + 1
        seconds = old.seconds + (record.seconds - old.seconds) / trials
        step_ms = record.scores.get("cost.step_ms", old.step_ms)
        known[key] = Timing(step_ms, old.epoch_steps, seconds, trials)
    return known


def timed(timings: Timings, cell: str, device: str, steps: Timing) -> dict[tuple[str, str], Timing]:
    """Add the first steps of a cell; what whole trials told is kept."""
    old = timings.get((cell, device), Timing())
    return dict(timings) | {(cell, device): Timing(steps.step_ms, steps.epoch_steps, old.seconds, old.trials)}


def estimate(plan: Plan, timings: Timings, *, device: str = "", sampled: int = 0) -> Cost:
    """What is left of a plan costs, with so many trials that only a sampler knows counted as its average.

    `device` keeps to what was measured there; without it any device will do.
    """
    told = _by_cell(timings, device)
    known = [
        seconds
        for trial in plan.trials
        if (seconds := _seconds(told.get(trial.cell.id), trial.cell.experiment)) is not None
    ]
    trials = len(plan.trials) + sampled
    if not known:
        return Cost(None if trials else 0.0, trials, 0)
    return Cost(sum(known) / len(known) * trials, trials, len(known))


def _by_cell(timings: Timings, device: str) -> dict[str, Timing]:
    """One timing a cell: of this device, or of the one that saw most of it."""
    fitting = sorted(
        ((timing.trials, cell, timing) for (cell, place), timing in timings.items() if device in ("", place)),
        key=lambda each: each[0],
    )
    return {cell: timing for _, cell, timing in fitting}


def _seconds(timing: Timing | None, experiment: Experiment) -> float | None:
    """Seconds of one trial: as seen, or put together from its steps."""
    if timing is None:
        return None
    if timing.trials:
        return timing.seconds
    training = experiment.training
    epoch = timing.step_ms / 1000 * timing.epoch_steps
    share = 1 + SCORING + (SCORING_TRAIN if training.evaluate_train else 0)
    return epoch * share * training.epochs or None


def _key(name: str) -> tuple[str, str]:
    cell, _, device = name.partition("@")
    return cell, device
