"""Replay: from a snapshot to a step, compared on the way, and that step taken apart."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import islice
from statistics import median

from lab.records.bundles import Bundle
from lab.records.replayed import Abnormal, Replayed
from lab.train.flight.log import Flown
from lab.train.replay.dissect import dissect
from lab.train.replay.recollection import Held, Recollection
from lab.train.replay.rerun import Due, Rerun, State, arithmetic, copied, load
from lab.train.replay.trying import FOLLOWING, SPIKE, Trial

USUAL = 8
"""Steps that must be known before a gradient norm can be called unusual."""

FURTHEST = 1000
"""Steps that are taken once more to see what another learning rate would have made of them."""

Hear = Callable[[int, int], None]
"""Told the step that was taken and the one it goes to."""


@dataclass(frozen=True)
class Start:
    """What a replay starts from."""

    step: int
    state: State | None
    """None for the start of the trial."""
    source: str
    known: Recollection
    bundle: Bundle | None = None


@dataclass
class Journey:
    """A replay on its way to a step."""

    rerun: Rerun
    start: Start
    held: Held
    norms: list[float] = field(default_factory=list)
    raised: Exception | None = None
    last: Flown | None = None
    first: State = field(default_factory=dict)
    """The state it started from."""

    def to(self, step: int, hear: Hear) -> tuple[list[Due], State]:
        """Take every step before this one; what is due then, and the state it finds. One that raises is the last."""
        rerun, opens_epoch = self.rerun, True
        if self.start.state is not None:
            load(rerun.stepper, self.start.state)
        self.first = copied(rerun.stepper)
        for due in rerun.due(self.start.step):
            scale = self.start.known.scale(due.step)
            if scale is not None:
                rerun.stepper.scale.fill_(scale)
            if opens_epoch:
                rerun.stepper.loss_sum.zero_()
            opens_epoch = due.ends_epoch
            state = copied(rerun.stepper) if due.step == step else {}
            if not self._take(due) or due.step == step:
                break
            hear(due.step, step)
            if due.ends_epoch:
                self._end_epoch(due)
        following = [due, *islice(rerun.due(due.step + 1), FOLLOWING)]
        return following, state or copied(rerun.stepper)

    def _take(self, due: Due) -> bool:
        try:
            flown = self.rerun.take(due)
        except Exception as problem:
            self.raised = problem
            return False
        self.held.see(flown)
        self.norms.append(flown.grad_norm)
        self.last = flown
        return True

    def _end_epoch(self, due: Due) -> None:
        whole = due.step + 1 - self.start.step >= self.rerun.epoch_steps
        if whole:
            mean = self.rerun.stepper.loss_sum.item() / self.rerun.epoch_steps
            self.held.see_epoch(due.epoch, due.step, mean)
        self.rerun.end_epoch()


def replay(rerun: Rerun, start: Start, step: int, *, lr: float | None, hear: Hear) -> Replayed:
    """Replay a step and take it apart."""
    device = rerun.stepper.pack.weights.device
    with arithmetic(rerun.member, device):
        journey = Journey(rerun, start, Held(start.known))
        following, state = journey.to(step, hear)
        told = _told(journey, following[0])
        trial = Trial(rerun, state, following)
        load(trial.stepper, state)
        seen, problem = dissect(trial.stepper, following[0].step, rerun.batches(following[0].update))
        told = replace(told, computed=tuple(seen.computed), abnormal=_reaching(seen.first, journey.last))
        if problem is not None or journey.raised is not None:
            return replace(told, raised=_said(problem or journey.raised))
        return _tried(told, trial, journey, lr)


def _tried(told: Replayed, trial: Trial, journey: Journey, lr: float | None) -> Replayed:
    suspects, blame = trial.blame(_limit(journey.norms))
    tried = [trial.as_it_was()]
    tried += [trial.without(suspects)] if suspects else []
    tried += [trial.in_double()]
    if lr is not None:
        tried.append(trial.with_lr(lr))
        if 0 < told.step - told.start <= FURTHEST:
            tried.append(trial.with_lr_since(told.start, journey.first, lr))
    return replace(told, suspects=suspects, blame=blame, tried=tuple(tried))


def _limit(norms: list[float]) -> float:
    """The gradient norm above which a step is unusual, by those before it."""
    before = [norm for norm in norms[:-1] if norm == norm]
    return SPIKE * median(before) if len(before) >= USUAL else float("inf")


def _told(journey: Journey, due: Due) -> Replayed:
    member, start, last = journey.rerun.member, journey.start, journey.last
    bundle, is_taken = start.bundle, last is not None and last.step == due.step
    nothing = float("nan")
    return Replayed(
        trial=member.trial,
        study=bundle.study if bundle else "",
        label=bundle.label if bundle else "",
        seed=member.seed,
        step=due.step,
        epoch=due.epoch,
        start=start.step,
        source=start.source,
        agreement=journey.held.agreement,
        loss=last.loss if last and is_taken else nothing,
        grad_norm=last.grad_norm if last and is_taken else nothing,
        lr=last.numbers[2] if last and is_taken else nothing,
        graphs=tuple(tuple(index.tolist()) for index, _ in due.update),
        finding=bundle.finding if bundle else None,
    )


def _reaching(first: Abnormal | None, last: Flown | None) -> Abnormal | None:
    is_lost = last is None or not abs(last.loss) < float("inf")
    return None if first is None else replace(first, reached_loss=is_lost)


def _said(problem: Exception | None) -> str:
    return " ".join(f"{type(problem).__name__}: {problem}".split())
