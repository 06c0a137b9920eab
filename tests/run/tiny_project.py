"""A project in a folder, with trials that take a fraction of a second, and runs of it in processes of their own."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.context import SpawnProcess
from pathlib import Path

from lab.plan.designs import expand
from lab.plan.plan import Plan
from lab.records.store import Store
from lab.run.events import Event, Said, TrialEnded
from lab.run.execute import Result, execute
from lab.spec.files import read_study

SPAWN = multiprocessing.get_context("spawn")
EXPERIMENT = """
dataset: {kind: pattern, train: 16, valid: 8, test: 8, patterns: 4, sizes: [3, 5]}
model: {kind: gin, layers: 1, width: 4}
training: {epochs: 2, batch: 8, lr: 1e-2}
"""
SLOW = (
    EXPERIMENT.replace("epochs: 2", "epochs: 40")
    + """
probes: [{kind: pause}]
plugins: [pause.py]
"""
)
PAUSE = '''
"""A probe that takes its time and has checkpoints written often, for tests that interrupt what is under way."""
import time
from typing import ClassVar, Literal
from lab.spec.probes import ProbeSpec

class Pause(ProbeSpec):
    """Waits."""
    kind: Literal["pause"] = "pause"
    moment: ClassVar[str] = "after_epoch"
    def read(self, model):
        import lab.train.run
        lab.train.run.CHECKPOINT_SECONDS = 0.2
        time.sleep(0.05)
        return iter(())
'''


@dataclass
class Tiny:
    """A project folder."""

    root: Path
    heard: list[Event] = field(default_factory=list)

    def write(self, name: str, text: str) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def study(self, text: str, *, name: str = "question", experiment: str = EXPERIMENT) -> Plan:
        self.write("experiments/tiny.yaml", experiment)
        self.write("pause.py", PAUSE)
        head = "question: Does it?\nbase: experiments/tiny.yaml\nscore: valid.acc\n"
        return plan_of(self.write(f"studies/{name}.yaml", head + text))

    @property
    def store(self) -> Store:
        return Store(self.root / "mlruns")

    def run(self, plan: Plan, *, jobs: int = 1, retry_failed: bool = False) -> Result:
        return execute(plan, self.store, jobs=jobs, listeners=[self.heard.append], retry_failed=retry_failed)

    def start(self, plan: Plan, *, jobs: int = 1) -> SpawnProcess:
        """The same in a process of its own, whose exit code is the result's."""
        process = SPAWN.Process(target=run_in_process, args=(self.root, plan.file, jobs))
        process.start()
        return process

    @property
    def ended(self) -> list[tuple[str, str]]:
        return [(event.trial.id, event.record.status) for event in self.heard if isinstance(event, TrialEnded)]

    @property
    def said(self) -> str:
        return "\n".join(event.text for event in self.heard if isinstance(event, Said))

    def ran(self) -> list[str]:
        """The trials that processes of `start` ran, in the order they ended."""
        return [line for place in sorted(self.root.glob("ran-*")) for line in place.read_text().split()]


def plan_of(path: Path) -> Plan:
    return expand(read_study(path))


def run_in_process(root: Path, file: str, jobs: int) -> None:
    """Run a study and write down which trials ended here."""
    os.setpgrp()
    os.environ["LAB_CACHE"] = str(root / "cache")
    diary = root / f"ran-{os.getpid()}"
    diary.touch()

    def hear(event: Event) -> None:
        if isinstance(event, TrialEnded):
            with diary.open("a") as file:
                file.write(f"{event.trial.id}\n")

    result = execute(plan_of(root / file), Store(root / "mlruns"), jobs=jobs, listeners=[hear])
    raise SystemExit(result.exit_code)


def until(holds: Callable[[], object], seconds: float = 150.0) -> None:
    """Wait for something to become true."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def workers_of(process: SpawnProcess) -> list[int]:
    """The worker processes of a run."""
    import psutil

    assert process.pid is not None
    children = psutil.Process(process.pid).children()
    return [child.pid for child in children if "spawn_main" in " ".join(child.cmdline())]


def kill(pid: int | None) -> None:
    """End a process without a word."""
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
