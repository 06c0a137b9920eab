"""The loop: from members to outcomes. It knows nothing of studies, record files or servers."""

from __future__ import annotations

import traceback
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from statistics import median

import torch

from lab.data.batch import Dataset
from lab.data.precision import matmul_precision
from lab.errors import LabError
from lab.spec.rules import Finding
from lab.train.build import trainable
from lab.train.course import course_of
from lab.train.member import Member, Outcome, Watcher
from lab.train.memory import Peak
from lab.train.run import Ending, Run
from lab.train.step_memory import Weighed
from lab.train.stopping import best_epoch, watched

__all__ = ["Member", "Outcome", "Watcher", "train"]


def train(
    members: Sequence[Member],
    dataset: Dataset,
    *,
    watcher: Watcher,
    checkpoints: Path | None,
    device: str = "cpu",
    seconds: float | None = None,
) -> list[Outcome]:
    """Train every member to its end; whatever goes wrong with one is its outcome, never an exception.

    `checkpoints` is the folder that holds one folder a trial; `seconds` is what each member may take.
    """
    where = torch.device(device)
    here = dataset.to(where)
    outcomes = []
    for place, member in enumerate(members):
        run, ending, trace, peak = None, None, "", Peak(where)
        try:
            member.experiment.training.memory.check_device(where.type)
            with matmul_precision(member.experiment.training.precision), _ambient_chance_kept(where):
                run = Run(member, here, seconds=seconds, alert=partial(watcher.alert, place))
                if checkpoints is not None:
                    run.resume(checkpoints / (member.trial or member.identity))
                ending = _train_to_the_end(run, place, watcher)
        except Exception as problem:
            ending, trace = _failure(problem)
            if run is not None and trace:
                run.flight.freeze("crash", Finding("crash", "run", run.past.step, "fatal", says=ending[1]))
        weighed = Weighed.of(run, peak, ending[0])
        outcomes.append(_outcome(run, ending, trace=trace, weighed=weighed))
    return outcomes


def _ambient_chance_kept(device: torch.device) -> AbstractContextManager[None]:
    """The ambient generators come back as they were: members set them, for models that draw from them."""
    return torch.random.fork_rng([] if device.type == "cpu" else [device], device_type=device.type)


def _train_to_the_end(run: Run, place: int, watcher: Watcher) -> Ending:
    hear = partial(watcher.measured, place)
    while run.past.epoch < run.training.epochs:
        ended = run.learn(hear)
        if ended is not None:
            return ended
        scores = run.score(hear)
        ended = run.settle(scores)
        if ended is None:
            run.save()
        # Told after it is kept, so that a watcher which ends the process loses nothing.
        told = scores | {"cost.step_ms": run.past.step_ms[-1]}
        if not watcher.epoch(place, run.past.epoch, run.past.step, told):
            return "pruned", ""
        if ended is not None:
            return ended
    return "done", ""


def _failure(problem: Exception) -> tuple[Ending, str]:
    """The class of a failure with its one line, and the traceback where the code is to blame."""
    said = f"{type(problem).__name__}: {' '.join(str(problem).split())}"
    # The CPU allocator of torch has no exception of its own.
    if isinstance(problem, (MemoryError, torch.OutOfMemoryError)) or "DefaultCPUAllocator" in said:
        return ("out_of_memory", said), ""
    if isinstance(problem, LabError):
        return ("bug", str(problem)), ""
    return ("bug", said), "".join(traceback.format_exception(problem))


def _reported(run: Run, history: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """The scores of the last epoch, or of the best one where the experiment says so."""
    said, place = run.member.experiment, None
    if said.stop_run.restore_best:
        place = best_epoch(history.get(watched(said), ()), run.stopping.goal)
    told = {name: values[-1 if place is None else place] for name, values in history.items()}
    scores = {name: value for name, value in told.items() if name not in ("epoch", "lr")}
    return scores if place is None else scores | {"course.reported_epoch": told["epoch"]}


def _outcome(run: Run | None, ending: Ending, *, trace: str, weighed: Weighed) -> Outcome:
    status, error = ending[0], "; ".join(each for each in (ending[1], weighed.why) if each)
    if run is None:
        return Outcome(status, {}, weighed.scores, (), None, 0.0, error, trace)
    history = {name: tuple(values) for name, values in run.past.history.items()}
    scores = _reported(run, history)
    scores |= course_of(history, run.past.ratios, main=run.task.main, goal=run.task.goal)
    scores |= {"cost.seconds": weighed.seconds, **weighed.scores}
    if run.past.step:
        seen = run.seen
        scores |= {"course.clipped": seen.clipped / run.past.step, "course.skipped": seen.skipped / run.past.step}
    scores["cost.params"] = float(trainable(run.learner.model))
    if run.past.step_ms:
        scores["cost.step_ms"] = median(run.past.step_ms)
    findings = run.conclude()
    readings = run.readings()
    return Outcome(
        status=status,
        history=history,
        scores=scores,
        findings=findings,
        readings=readings,
        seconds=weighed.seconds,
        error=error,
        traceback=trace,
        from_epoch=run.from_epoch,
        memory=weighed.memory,
    )
