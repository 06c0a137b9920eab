"""What running a study costs beside the training itself.

python benchmarks/engine.py [--most 10000] [--trials 60] [--long 4]

1. One `lab run` without training: what a trial costs when 0, 1,000 and 10,000 are done, and what the plan costs.
2. CPU per trial over a bare loop over the same trials, without and with MLflow, beside Optuna and MLflow by hand.
3. The wall clock of `lab run` over that of a bare loop, on trials of about five seconds.
"""

from __future__ import annotations

import argparse
import logging
import os

os.environ |= {"OMP_NUM_THREADS": "1", "MLFLOW_DISABLE_TELEMETRY": "true", "CUDA_VISIBLE_DEVICES": ""}

import multiprocessing
import resource
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import product
from multiprocessing.connection import Connection
from pathlib import Path

from lab.plan.designs import expand
from lab.plan.plan import Plan, Trial
from lab.records.record import Record
from lab.records.store import Store
from lab.run.announcer import Announcer
from lab.run.claims import Claims
from lab.run.events import Event, TrialEnded, TrialStarted
from lab.run.execute import execute
from lab.run.handout import Handout
from lab.run.opening import open_desk
from lab.spec.files import read_study

TINY = "{kind: pattern, train: 16, valid: 8, test: 8, patterns: 4, sizes: [3, 5]}"
LONG = "{kind: pattern, train: 256, valid: 64, test: 64}"
STUDY = "question: What does it cost?\nbase: experiments/base.yaml\nscore: valid.acc\n"
WINDOW = 100
MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None
"""Where the growing study lies: its CPU is timed, not the disk."""
FEW = 10
"""Trials of the shorter of two runs, whose difference leaves start-up out."""
ROUNDS = 3
"""Times that every way is run; the least CPU counts, since other jobs only ever add to it."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--most", type=int, default=10_000)
    parser.add_argument("--trials", type=int, default=60)
    parser.add_argument("--long", type=int, default=4)
    said = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory(dir=MEMORY) as memory:
        os.chdir(folder)
        os.environ["LAB_CACHE"] = str(Path(folder) / "cache")
        print_growth(Path(memory), said.most)
        print_cpu(Path(folder), said.trials)
        print_wall(Path(folder), said.long)


def project(root: Path, name: str, study: str, *, data: str = TINY, model: str = "", training: str = "") -> Plan:
    """Write a project and plan its study."""
    folder = root / name
    (folder / "experiments").mkdir(parents=True, exist_ok=True)
    (folder / "studies").mkdir(exist_ok=True)
    base = f"dataset: {data}\nmodel: {{kind: gin{model}}}\ntraining: {{batch: 8{training}}}\n"
    (folder / "experiments" / "base.yaml").write_text(base)
    (folder / "studies" / "cost.yaml").write_text(STUDY + study)
    return expand(read_study(folder / "studies" / "cost.yaml"))


# -- 1. what a trial costs as a study grows --------------------------------------------------------------------------


def print_growth(root: Path, most: int) -> None:
    """One line a size: the plan, and the engine around a trial whose record is planted."""
    sizes = sorted({min(size, most) for size in (100, 1_000, 10_000)})
    planning = {size: clocked(lambda: ids_of(grown(root, size))) / size for size in sizes}  # noqa: B023
    plan = grown(root, sizes[-1])
    costs = carried_out(plan, root / "grown")
    print("| trials there are | plan, µs a trial | engine, ms a trial | of it Optuna | enqueue, ask and tell |")
    print("|---|---|---|---|---|")
    for size in sizes:
        window = costs[size - WINDOW : size]
        engine, shown = (1e3 * sum(each[which] for each in window) / WINDOW for which in (0, 1))
        asked = costs_of_asking(root / f"asked-{size}", plan, size)
        print(f"| {size:,} | {1e6 * planning[size]:.0f} | {engine:.2f} | {shown:.2f} | {asked:.2f} |", flush=True)


def ids_of(plan: Plan) -> list[str]:
    """The trials of a plan, each known by its content."""
    return [trial.id for trial in plan.all_trials]


def grown(root: Path, trials: int) -> Plan:
    """A plan of so many trials, over a hundred cells."""
    widths, layers = list(range(1, 6)), list(range(1, 6))
    factors = f"{{model.width: {widths}, model.layers: {layers}, model.residual: all, model.mlp_norm: all}}"
    return project(root, f"of-{trials}", f"factors: {factors}\nseeds: {trials // 100}\n")


def carried_out(plan: Plan, root: Path) -> list[tuple[float, float]]:
    """CPU seconds of every trial, and Optuna's share; the records are made up, the rest is what `lab run` does."""
    store, costs = Store(root), []
    with Claims(root / "claims") as claims:
        desk = open_desk(plan, store, claims=claims, announcer=Announcer(()), retry_failed=False)
        handout = Handout(plan, store, claims=claims, sources=desk.sources, absorb=lambda assignment, record: None)
        while True:
            began = time.process_time()
            found = handout.next(is_quiet=True)
            if found is None:
                return costs
            task, row = found.task, desk.view.row(found.task.trial)
            asked = clocked(lambda: desk.ledger.start(row))  # noqa: B023
            record = planted(task.trial, plan)
            store.write(record)
            desk.standing.add(record)
            row = desk.view.row(task.trial, desk.standing)
            told = clocked(lambda: desk.ledger.finish(row))  # noqa: B023
            claims.release(task.id)
            found.source.ended(task, record)
            costs.append((time.process_time() - began, asked + told))


def planted(trial: Trial, plan: Plan) -> Record:
    """A record as a short trial would leave it."""
    history = {"valid.acc": tuple(0.5 + 0.001 * epoch for epoch in range(20))}
    levels = dict(trial.cell.levels)
    return Record(trial.id, trial.cell.id, plan.name, "done", trial.seed, levels=levels, history=history)


def costs_of_asking(root: Path, plan: Plan, existing: int) -> float:
    """Milliseconds of enqueue, ask and tell on a journal that has so many trials, for comparison."""
    import optuna

    from lab.run.optuna_ledger import Ledger, Row
    from lab.run.optuna_storage import distribution, open_storage
    from lab.run.view import View

    view = View(plan)
    storage = open_storage(root)
    ledger = Ledger(storage, plan.name, score=plan.study.score, dimensions=view.dimensions, warn=print)
    study = optuna.load_study(study_name=plan.name, storage=storage)
    for trial in plan.all_trials[: existing - WINDOW]:
        row = view.row(trial)
        ledger.finish(Row(row.trial, row.cell, row.params, "done", 0.5))
    fixed = {name: distribution(each) for name, each in view.dimensions.items()}
    began = time.process_time()
    for trial in plan.all_trials[:WINDOW]:
        study.enqueue_trial(dict(view.row(trial).params))
        study.tell(study.ask(fixed), 0.5)
    return 1e3 * (time.process_time() - began) / WINDOW


# -- 2. CPU per trial -------------------------------------------------------------------------------------------------


def print_cpu(root: Path, trials: int) -> None:
    """CPU per trial by the difference between a long and a short run, each in a process of its own."""
    ways = {
        "bare loop": bare_loop,
        "lab run": lab_run,
        "lab run, MLflow live": lab_run_live,
        "Optuna (sqlite) and MLflow (sqlite) by hand": by_hand,
    }
    least: dict[tuple[str, int], float] = {}
    for turn in range(ROUNDS):
        for (name, way), count in product(ways.items(), (FEW, FEW + trials)):
            seconds = total(root / f"{way.__name__}-{turn}", way, count)
            least[name, count] = min(seconds, least.get((name, count), seconds))
    each = {name: (least[name, FEW + trials] - least[name, FEW]) / trials for name in ways}
    print("\n| way | CPU, ms a trial | over the bare loop |\n|---|---|---|")
    for name, seconds in each.items():
        print(f"| {name} | {1e3 * seconds:.1f} | {1e3 * (seconds - each['bare loop']):+.1f} |", flush=True)


def total(root: Path, way: Callable[[Path, Plan], None], count: int) -> float:
    """CPU seconds of a way over so many trials, start-up included."""
    study = f"factors: {{model.residual: all}}\nseeds: {count // 2}\n"
    plan = project(root, str(count), study, model=", layers: 1, width: 4", training=", epochs: 5")
    return apart(way, root / str(count) / "mlruns", plan)


def apart(way: Callable[[Path, Plan], None], home: Path, plan: Plan) -> float:
    """CPU seconds of a way in a process of its own, workers included."""
    context = multiprocessing.get_context("spawn")
    mine, theirs = context.Pipe()
    process = context.Process(target=_measured, args=(way, home, plan.file, theirs))
    process.start()
    theirs.close()
    seconds: float = mine.recv()
    process.join()
    return seconds


def _measured(way: Callable[[Path, Plan], None], home: Path, file: str, told: Connection) -> None:
    way(home, expand(read_study(home.parent / file)))
    spent = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    told.send(sum(each.ru_utime + each.ru_stime for each in spent))


def bare_loop(home: Path, plan: Plan) -> None:
    """The same trials, one after another, with nothing around them."""
    from lab.data.load import load_dataset
    from lab.train.loop import Member, train

    data = load_dataset(plan.reference.experiment.dataset, 0)
    for trial in plan.all_trials:
        member = Member(trial.cell.experiment, trial.seed, cell=trial.cell.id)
        train([member], data, watcher=Deaf(), checkpoints=None)


class Deaf:
    """A watcher that keeps nothing."""

    def epoch(self, member: int, epoch: int, step: int, scores: Mapping[str, float]) -> bool:
        """Go on."""
        return True

    def measured(self, member: int, points: Sequence[tuple[str, int, float]]) -> None:
        """Nothing."""

    def alert(self, member: int, finding: object) -> None:
        """Nothing."""


def lab_run(home: Path, plan: Plan) -> None:
    """`lab run` without anyone listening."""
    result = execute(plan, Store(home))
    assert result.done == len(plan.all_trials), result


def lab_run_live(home: Path, plan: Plan) -> None:
    """`lab run` with MLflow's window on it."""
    from lab.run.live import Live

    store = Store(home)
    live = Live(plan, store, say=print)
    result = execute(plan, store, listeners=[live])
    live.stop(120)
    assert result.done == len(plan.all_trials), result


def by_hand(home: Path, plan: Plan) -> None:
    """What one would write without lab: a study on sqlite, a run a trial, the scores of each epoch logged to both."""
    import mlflow
    import optuna

    from lab.data.load import load_dataset
    from lab.train.loop import Member, train

    home.mkdir(parents=True, exist_ok=True)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    logging.getLogger("mlflow").setLevel(logging.ERROR)
    mlflow.set_tracking_uri(f"sqlite:///{home}/mlflow.db")
    mlflow.set_experiment("by hand")
    study = optuna.create_study(storage=f"sqlite:///{home}/optuna.db", direction="maximize")
    data = load_dataset(plan.reference.experiment.dataset, 0)

    class Logged(Deaf):
        def __init__(self, asked: optuna.Trial) -> None:
            self.asked, self.last = asked, 0.0

        def epoch(self, member: int, epoch: int, step: int, scores: Mapping[str, float]) -> bool:
            self.last = scores["valid.acc"]
            self.asked.report(self.last, epoch)
            mlflow.log_metrics({name.replace(".", "/", 1): value for name, value in scores.items()}, step=epoch)
            return True

    for trial in plan.all_trials:
        asked = study.ask()
        asked.suggest_categorical("model.residual", [True, False])
        asked.suggest_int("seed", 0, 1000)
        logged = Logged(asked)
        with mlflow.start_run():
            mlflow.log_params(trial.cell.experiment.options())
            member = Member(trial.cell.experiment, trial.seed, cell=trial.cell.id)
            train([member], data, watcher=logged, checkpoints=None)
        study.tell(asked, logged.last)


# -- 3. the wall clock ------------------------------------------------------------------------------------------------


def print_wall(root: Path, trials: int) -> None:
    """The share of a run's wall clock that is not training, in a run and in a bare loop."""
    model, training = ", width: 32", ", epochs: 12"
    plan = project(
        root,
        "long",
        f"factors: {{model.residual: all}}\nseeds: {trials // 2}\n",
        data=LONG,
        model=model,
        training=training,
    )
    warm(plan)
    times: dict[str, float] = {}
    trained: dict[str, float] = {}

    def hear(event: Event) -> None:
        if isinstance(event, TrialStarted):
            times.setdefault("first start", time.monotonic())
        elif isinstance(event, TrialEnded):
            times.setdefault("first end", time.monotonic())
            times["last end"] = time.monotonic()
            trained[event.trial.id] = event.record.seconds

    began = time.monotonic()
    result = execute(plan, Store(root / "long" / "mlruns"), listeners=[hear])
    assert result.done == len(plan.all_trials), result
    whole = time.monotonic() - began
    later = sum(list(trained.values())[1:])
    ratio = (times["last end"] - times["first end"]) / later
    bare, inside = clocked_bare(plan)
    print("\n| wall clock | s a trial in the loop | s a trial in all | ratio |\n|---|---|---|---|")
    count = len(trained) - 1
    print(f"| bare loop | {inside / len(trained):.2f} | {bare / len(trained):.2f} | {bare / inside:.3f} |")
    print(f"| lab run, from its first trial's end | {later / count:.2f} | {ratio * later / count:.2f} | {ratio:.3f} |")
    opening = times["first start"] - began
    print(f"\nThe whole run took {whole:.1f} s; its first trial was handed out after {opening:.1f} s.")


def warm(plan: Plan) -> None:
    """Have the data in the cache, so that neither way makes it."""
    from lab.data.load import load_dataset

    load_dataset(plan.reference.experiment.dataset, 0)


def clocked_bare(plan: Plan) -> tuple[float, float]:
    """Wall seconds of a bare loop over the trials, and of the training in it; the first trial is a warm-up."""
    from lab.data.load import load_dataset
    from lab.train.loop import Member, train

    data = load_dataset(plan.reference.experiment.dataset, 0)
    members = [Member(trial.cell.experiment, trial.seed, cell=trial.cell.id) for trial in plan.all_trials]
    train(members[:1], data, watcher=Deaf(), checkpoints=None)
    began = time.monotonic()
    inside = sum(train([member], data, watcher=Deaf(), checkpoints=None)[0].seconds for member in members)
    return time.monotonic() - began, inside


def clocked(action: Callable[[], object]) -> float:
    """The CPU seconds of an action."""
    began = time.process_time()
    action()
    return time.process_time() - began


if __name__ == "__main__":
    main()
