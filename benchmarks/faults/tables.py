"""The tables of the benchmark, as Markdown."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial

from benchmarks.faults.judging import Level
from benchmarks.faults.peers import PEERS
from benchmarks.faults.scoring import Verdict, score
from benchmarks.faults.training import Log

TUNED = (0,)
"""Seeds that thresholds were first set on."""


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Rows under a head."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def split(verdicts: Iterable[Verdict]) -> dict[str, list[Verdict]]:
    """The runs that thresholds were set on, and the others."""
    told = list(verdicts)
    parts = {
        "tuned on": [each for each in told if each.seed in TUNED],
        "other seeds": [each for each in told if each.seed not in TUNED],
    }
    return {name: part for name, part in parts.items() if part}


def headline(by_level: Mapping[Level, Sequence[Verdict]]) -> str:
    """Recall, precision and false alerts, by level of probes and set of seeds."""
    head = ("seeds", "probes", "faulty", "recall", "alerts", "precision", "healthy", "with an alert", "per 1,000 steps")
    rows = []
    for level, verdicts in by_level.items():
        for name, part in split(verdicts).items():
            told = score(part)
            rows.append(
                (
                    f"{name}: {_listed(sorted({each.seed for each in part}))}",
                    level,
                    told.faulty,
                    f"{told.recall:.2f} ({told.found})",
                    told.alerts,
                    f"{told.precision:.2f} ({told.right})",
                    told.healthy,
                    told.alarmed,
                    f"{told.per_thousand:.2f}",
                )
            )
    return table(head, sorted(rows))


def by_fault(verdicts: Sequence[Verdict]) -> str:
    """Every fault and host over its seeds: found or not, at which step, and all that the headlines said."""
    head = ("fault", "in", "rule that names it", "found", "at step", "headlines", "accuracy")
    return table(head, [_fault_row(own) for own in _by_case(verdicts)])


def _fault_row(own: Sequence[Verdict]) -> tuple[object, ...]:
    case = own[0].case
    found = sum(bool(verdict.right) for verdict in own)
    return (
        case.name,
        case.host,
        ", ".join(sorted(case.accepts)) or "none",
        f"{found} of {len(own)}",
        _span([verdict.detected for verdict in own if verdict.detected is not None]),
        _rules(own),
        _span([verdict.accuracy for verdict in own], "{:.2f}"),
    )


def by_control(verdicts: Sequence[Verdict]) -> str:
    """Every healthy run over its seeds, with what was said of it."""
    rows = [
        (
            own[0].case.name,
            own[0].case.host,
            len(own),
            sum(verdict.steps for verdict in own),
            _rules(own) or "-",
            _span([verdict.accuracy for verdict in own], "{:.2f}"),
        )
        for own in _by_case(verdicts)
    ]
    return table(("healthy run", "in", "runs", "steps", "alerts", "accuracy"), rows)


def against_peers(verdicts: Sequence[Verdict], logs: Callable[[Verdict], Log]) -> str:
    """How many runs each set of rules would have flagged."""
    told = [verdict for verdict in verdicts if verdict.case.group != "unruled"]
    sick = [verdict for verdict in told if not verdict.case.is_healthy]
    sound = [verdict for verdict in told if verdict.case.is_healthy]
    speakers: dict[str, Callable[[Verdict], bool]] = {"lab, all rules": lambda each: bool(each.rules)}
    for name, speaks in PEERS.items():
        speakers[name] = partial(_asked, speaks, logs)
    rows = [
        (name, *(f"{sum(map(says, runs))}/{len(runs)}" for runs in (sick, sound))) for name, says in speakers.items()
    ]
    return table(("rule set", "faulty runs flagged", "healthy runs flagged"), rows)


def _asked(speaks: Callable[[Log], bool], logs: Callable[[Verdict], Log], verdict: Verdict) -> bool:
    return speaks(logs(verdict))


def latency(verdicts: Sequence[Verdict]) -> str:
    """How soon faults were named."""
    found = [verdict.detected for verdict in verdicts if verdict.detected is not None and not verdict.case.is_healthy]
    bounds = (0, 10, 35, 60, 130, 100_000)
    words = ("at step 0", "by step 10", "by step 35", "by step 60", "by step 130", "later")
    lows = (-1, *bounds[:-1])
    rows = [
        (word, sum(low < step <= high for step in found)) for word, low, high in zip(words, lows, bounds, strict=True)
    ]
    return table(("named", "runs"), rows)


def _by_case(verdicts: Sequence[Verdict]) -> list[list[Verdict]]:
    """Runs that differ in their seed only, in the order of the lists."""
    found: dict[tuple[str, str], list[Verdict]] = {}
    for verdict in verdicts:
        found.setdefault((verdict.case.name, verdict.case.host), []).append(verdict)
    return list(found.values())


def _rules(own: Sequence[Verdict]) -> str:
    counts: dict[str, int] = {}
    for verdict in own:
        for rule in verdict.rules:
            counts[rule] = counts.get(rule, 0) + 1
    return ", ".join(rule if count == len(own) else f"{rule} ({count})" for rule, count in counts.items())


def _span(values: Sequence[float], form: str = "{}") -> str:
    if not values:
        return "-"
    low, high = (form.format(bound) for bound in (min(values), max(values)))
    return low if low == high else f"{low} to {high}"


def _listed(values: Sequence[int]) -> str:
    return ", ".join(map(str, values))
