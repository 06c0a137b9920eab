"""CPU seconds and modules that each verb costs before it answers, beside an empty Python in the same run.

python benchmarks/startup.py [--rounds 7]
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VERBS = {
    "python -c pass": None,
    "lab --help": ["--help"],
    "lab show gin": ["show", "gin"],
    "lab check studies/norm_ablation.yaml": ["check", "studies/norm_ablation.yaml"],
    "lab plan studies/norm_ablation.yaml --no-time": ["plan", "studies/norm_ablation.yaml", "--no-time"],
    "python -c 'import torch'": "import torch",
}
COUNT = "import sys; from lab.__main__ import main; main({!r}); print(len(sys.modules), file=sys.stderr)"


def cpu_seconds(code: str) -> tuple[float, int]:
    """CPU seconds of a fresh interpreter running this code, and how many modules it had loaded at the end."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    told = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return spent, int(told.stderr.split()[-1])


def code_of(verb: list[str] | str | None) -> str:
    """What a fresh interpreter is given to run."""
    if isinstance(verb, list):
        return COUNT.format(verb)
    return f"import sys; {verb or 'pass'}; print(len(sys.modules), file=sys.stderr)"


def main() -> None:
    """Interleave the verbs, print medians and ratios to an empty Python."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    seen: dict[str, list[float]] = {name: [] for name in VERBS}
    modules = {}
    for _ in range(rounds):
        for name, verb in VERBS.items():
            seconds, modules[name] = cpu_seconds(code_of(verb))
            seen[name].append(seconds)
    empty = statistics.median(seen["python -c pass"])
    print("| command | CPU s, median | min | max | modules | ratio to an empty Python |")
    print("|---|---|---|---|---|---|")
    for name, times in seen.items():
        middle = statistics.median(times)
        spread = f"{min(times):.3f} | {max(times):.3f}"
        print(f"| `{name}` | {middle:.3f} | {spread} | {modules[name]} | {middle / empty:.1f} |")


if __name__ == "__main__":
    main()
