"""The door to a replay: a fresh process that is set up as the trial's worker was, and what it answers."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

from lab.errors import LabError, Place
from lab.records.film import Film
from lab.records.record import Origin
from lab.records.replayed import Parting, Replayed
from lab.run import replay_worker
from lab.run.machine import visible_gpus
from lab.run.messages import Setup
from lab.run.replay_orders import Comparison, Filming, Progress, Replay, Side


def replayed(order: Replay, hear: Progress) -> Replayed:
    """Replay a step in a fresh process."""
    told = _apart(order, order.side, hear)
    assert isinstance(told, Replayed)
    return told


def compared(order: Comparison, hear: Progress) -> Parting:
    """Run two trials side by side in a fresh process."""
    told = _apart(order, order.sides[0], hear)
    assert isinstance(told, Parting)
    return told


def filmed(order: Filming, hear: Progress) -> Film:
    """Train a trial again in a fresh process, and film it."""
    told = _apart(order, order.side, hear)
    assert isinstance(told, Film)
    return told


def _apart(order: Replay | Comparison | Filming, side: Side, hear: Progress) -> object:
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe()
    process = spawn.Process(
        target=replay_worker.main, args=(theirs, order, setup_of(side)), name="lab-replay", daemon=True
    )
    process.start()
    theirs.close()
    try:
        while True:
            match ours.recv():
                case (int(step), int(goal)):
                    hear(step, goal)
                case (str(what), str(hint), Place() as where):
                    raise LabError(what, where=where, hint=hint)
                case str(trace):
                    raise RuntimeError(f"the replay broke down:\n{trace}")
                case told:
                    return told
    except EOFError:
        process.join(5)
        raise LabError(f"the replay's process died (exit code {process.exitcode})") from None
    finally:
        process.kill()
        process.join()
        ours.close()


def setup_of(side: Side) -> Setup:
    """What a worker knew when it ran the trial."""
    known = side.environment
    is_exact, on_cpu = known.get("deterministic", True), known.get("device", "cpu") == "cpu"
    return Setup(
        store="",
        root=side.root if side.root and Path(side.root).is_dir() else str(Path.cwd()),
        origin=Origin(),
        plugins=tuple(side.plugins),
        device="cpu" if on_cpu else "cuda",
        gpu="" if on_cpu else next(iter(visible_gpus()), ""),
        threads=int(known.get("threads") or 1),
        deterministic="warn" if is_exact else "off",
    )
