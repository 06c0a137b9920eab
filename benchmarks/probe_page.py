"""What the page of one trial costs: CPU seconds to read its readings and to write it, and its size.

Run: python benchmarks/probe_page.py [--rounds N]
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

import probed_trials  # noqa: E402

from lab.analysis.probed import Probed  # noqa: E402
from lab.probes.readings import Readings  # noqa: E402
from lab.records.store import Store  # noqa: E402
from lab.report.probe_page.page import probe_page  # noqa: E402

CASES = (
    ("20 tensors, 540 steps, every probe", 0, 540, False),
    ("70 tensors, 10,000 steps, gradients", 70, 10_000, False),
    ("200 tensors, 10,000 steps, gradients", 200, 10_000, False),
    ("200 tensors, 10,000 steps, `exact: true`", 200, 10_000, True),
)
"""What is read, tensors (0 for the planted model), steps, and whether every reading is kept."""


def readings(tensors: int, steps: int, *, exact: bool) -> pa.Table:
    if not tensors:
        return probed_trials.table(steps)
    kept = Readings(exact=frozenset({"gradients"} if exact else ()))
    names = (*(f"layers.{n // 10}.part.w{n % 10}.weight" for n in range(tensors - 1)), "head.bias")
    planted, probed_trials.PARAMETERS = probed_trials.PARAMETERS, names
    for chunk in probed_trials.gradients(np.arange(steps), np.random.default_rng(0), is_broken=False):
        kept.add(chunk)
    probed_trials.PARAMETERS = planted
    told = kept.end()
    assert told is not None
    return told


def cost(table: pa.Table, steps: int) -> tuple[float, int]:
    start = time.process_time()
    html = probe_page(Store("nowhere"), [Probed("a-0", "planted", "planted", 0, "done", steps, table)])
    return time.process_time() - start, len(html.encode())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    tables = [readings(tensors, steps, exact=exact) for _, tensors, steps, exact in CASES]
    cost(tables[0], CASES[0][2])  # what is imported once is no page's cost
    told = [[cost(table, case[2]) for table, case in zip(tables, CASES, strict=True)] for _ in range(rounds)]
    seconds = [statistics.median(each[place][0] for each in told) for place in range(len(CASES))]
    print("| readings | rows of the table | CPU s to read and write | ratio to the first | MB |")
    print("|---|---:|---:|---:|---:|")
    for place, (case, table) in enumerate(zip(CASES, tables, strict=True)):
        size = told[0][place][1] / 1e6
        share = seconds[place] / seconds[0]
        print(f"| {case[0]} | {table.num_rows:,} | {seconds[place]:.2f} | {share:.1f} | {size:.1f} |")


if __name__ == "__main__":
    main()
