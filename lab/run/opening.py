"""Opening a study for a run: what it has records of, what others have finished for it, and everyone who takes part."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.plan.plan import Plan, Trial
from lab.records.folder import Disk
from lab.records.record import Origin, Record
from lab.records.store import Store
from lab.run.announcer import Announcer
from lab.run.claims import Claims
from lab.run.handout import take_over
from lab.run.machine import slots
from lab.run.messages import Setup
from lab.run.optuna_ledger import Ledger
from lab.run.optuna_sampling import Sampling, Sought
from lab.run.optuna_storage import open_storage
from lab.run.origin import origin
from lab.run.planned import Planned
from lab.run.search import Search
from lab.run.standing import Standing
from lab.run.tasks import Source, Task, role_of
from lab.run.tuning import Tuning
from lab.run.view import View
from lab.spec.project import project_root


@dataclass
class Desk:
    """Everything that a run works with."""

    plan: Plan
    store: Store
    claims: Claims
    announcer: Announcer
    standing: Standing
    view: View
    ledger: Ledger
    tuning: Tuning
    planned: Planned
    search: Search | None
    origin: Origin
    reused: Sequence[tuple[Trial, Record]] = ()
    """What was taken over from other studies when the run began."""

    @property
    def home(self) -> Path:
        """The folder of what all runs share."""
        return home_of(self.store)

    @property
    def sources(self) -> list[Source]:
        """Who has tasks, first come first served: cells are tuned before they are compared."""
        sources: list[Source] = [self.tuning, self.planned]
        return sources if self.search is None else [*sources, self.search]

    def setups(self, jobs: int) -> list[Setup]:
        """What each of so many workers is to know."""
        study = self.plan.study
        plugins = tuple(dict.fromkeys((*study.plugins, *self.plan.reference.experiment.plugins)))
        shares = slots(study.resources, jobs)
        for trial in self.plan.all_trials:
            if trial.id not in self.standing:
                trial.cell.experiment.training.memory.check_device(shares[0].device)
        return [
            Setup(
                store=self.store.root,
                root=str(project_root(Path(self.plan.file or "."))),
                origin=self.origin,
                plugins=plugins,
                device=slot.device,
                gpu=slot.gpu,
                threads=slot.threads,
                deterministic=study.resources.deterministic,
                hashes_data=study.capture.data == "sha256",
            )
            for slot in shares
        ]


def open_desk(plan: Plan, store: Store, *, claims: Claims, announcer: Announcer, retry_failed: bool) -> Desk:
    """Take stock of a study and bring everyone who takes part up to date."""
    standing, view = Standing(plan), View(plan)
    found = []
    for record in recorded(plan, store, retry_failed=retry_failed):
        standing.add(record)
        found += [record] if record.role == "search" else []
    reused = list(reusable(plan, store, standing))
    for _, record in reused:
        standing.add(record)
    storage, score = open_storage(home_of(store)), plan.study.score
    ledger = Ledger(storage, plan.name, score=score, dimensions=view.dimensions, warn=announcer.warn)
    ledger.mend((view.row(trial, standing) for trial in plan.all_trials), claims.is_free)

    def opened(name: str, sought: Sought) -> Sampling:
        return Sampling(storage, f"{plan.name}/{name}", sought)

    pending = [trial for trial in plan.all_trials if trial.id not in standing]
    cells = {trial.cell.id: trial.cell for trial in pending if trial.cell.tuned}
    tuning = Tuning(cells.values(), score, claims=claims, opened=opened, warn=announcer.warn)
    search = None
    if plan.search is not None:
        search = Search(plan, plan.search, claims=claims, opened=opened, warn=announcer.warn)
        search.restore(found)
    told = origin(project_root(Path(plan.file or ".")), plan.study.capture, command=typed(plan))
    return Desk(
        plan=plan,
        store=store,
        claims=claims,
        announcer=announcer,
        standing=standing,
        view=view,
        ledger=ledger,
        tuning=tuning,
        planned=Planned(pending, tuning),
        search=search,
        origin=told,
        reused=reused,
    )


def home_of(store: Store) -> Path:
    """The folder for what must lie on a disk all `lab run` share: claims, checkpoints, Optuna's journal."""
    return store.place.path if isinstance(store.place, Disk) else Path("mlruns")


def recorded(plan: Plan, store: Store, *, retry_failed: bool) -> Iterator[Record]:
    """The study's records; with `retry_failed` those of failed trials are set aside instead."""
    for record in store.records(plan.name):
        if retry_failed and record.is_failed:
            store.set_aside(record.trial)
        else:
            yield record


def reusable(plan: Plan, store: Store, standing: Standing) -> Iterator[tuple[Trial, Record]]:
    """Pending trials that another study has finished, with their records as this one keeps them."""
    pending = {trial.id: trial for trial in plan.all_trials if trial.id not in standing}
    for found, study in store.find(pending, study=plan.name).items():
        record = store.read(found, study=study)
        if record is not None and record.study != plan.name:
            trial = pending[found]
            copy = take_over(store, plan, Task(trial, role_of(trial), trial.cell.experiment), record)
            if copy is not None:
                yield trial, copy


def typed(plan: Plan) -> str:
    """The command that repeats this run: the one that was typed, when it was one of ours."""
    name = Path(sys.argv[0]).name
    if name in ("lab", "__main__.py") and len(sys.argv) > 1:
        return shlex.join(["lab", *sys.argv[1:]])
    return plan.command
