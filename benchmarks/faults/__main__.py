"""Faults are planted in real training runs, and the rules are scored on what they say of them.

    python -m benchmarks.faults [--seeds 0 1 2] [--only WORD ...] [--rejudge] [--folder DIR]

Trains every fault, control and cell of a shipped study once a seed, keeps the readings, and prints the tables.
With --rejudge nothing is trained: the rules of today speak on the readings that are kept.
"""

from __future__ import annotations

import argparse
import os
import re
import time
from collections.abc import Iterable
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

from benchmarks.faults import tables
from benchmarks.faults.cases import Case
from benchmarks.faults.controls import CONTROLS, shipped
from benchmarks.faults.judging import LEVELS, judged
from benchmarks.faults.listed import LISTED
from benchmarks.faults.mutations import MUTATIONS, UNRULED
from benchmarks.faults.training import Log, train
from lab.data.cache import cache_folder

Key = tuple[Case, int]


def main() -> None:
    """Train what is not kept, and print the tables."""
    said = _asked()
    folder = said.folder or cache_folder() / "faults"
    logs = {}
    for case in cases(said.only):
        for seed in said.seeds:
            log = kept(case, seed, folder, rejudge=said.rejudge)
            if log is not None:
                logs[case, seed] = log
    print_tables(logs)


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--only", nargs="+", default=[], metavar="WORD", help="cases whose name or group holds a word")
    parser.add_argument("--rejudge", action="store_true", help="train nothing")
    parser.add_argument("--folder", type=Path, help="where readings are kept")
    return parser.parse_args()


def cases(words: Iterable[str] = ()) -> list[Case]:
    """All cases, or those whose name, host or group holds one of these words."""
    groups = {"listed": LISTED, "mutation": MUTATIONS, "unruled": UNRULED, "control": CONTROLS}
    found = [case for group, faults in groups.items() for fault in faults for case in fault.cases(group)]
    found += shipped()
    return [
        case for case in found if not words or any(word in f"{case.name}/{case.host}/{case.group}" for word in words)
    ]


def kept(case: Case, seed: int, folder: Path, *, rejudge: bool) -> Log | None:
    """The log of a run: trained and kept, or what was kept."""
    name = re.sub(r"\W+", "-", f"{case.group}-{case.name}-{case.host}")
    path = folder / f"{name}-{seed}.parquet"
    if rejudge:
        return Log.read(path) if path.exists() else None
    started = time.process_time()
    log = train(case, seed)
    log.write(path)
    print(f"<!-- {name} {seed}: {log.status}, {time.process_time() - started:.1f} s -->", flush=True)
    return log


def print_tables(logs: dict[Key, Log]) -> None:
    """All that is told."""
    by_level = {level: [judged(*key, log, level) for key, log in logs.items()] for level in LEVELS}
    full = by_level["full"]
    log_of = {(id(verdict.case), verdict.seed): log for verdict, log in zip(full, logs.values(), strict=True)}
    print("## All runs\n", tables.headline(by_level), sep="\n")
    for title, group in (("The published list", "listed"), ("Mutations", "mutation"), ("Without a rule", "unruled")):
        print(f"\n## {title}\n", tables.by_fault([each for each in full if each.case.group == group]), sep="\n")
    healthy = [each for each in full if each.case.is_healthy]
    print("\n## Healthy runs\n", tables.by_control(healthy), sep="\n")
    print("\n## Steps to detection\n", tables.latency(full), sep="\n")
    print("\n## Other rule sets on the same series\n", sep="\n")
    print(tables.against_peers(full, lambda verdict: log_of[id(verdict.case), verdict.seed]))


if __name__ == "__main__":
    main()
