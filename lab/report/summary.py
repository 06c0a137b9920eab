"""The summary: what a study found in at most three sentences, and the banner that must stand above them."""

from __future__ import annotations

from collections.abc import Iterator

from lab.analysis.effects import Effect
from lab.analysis.outline import shown
from lab.report.answer import answer, caution
from lab.report.claim_words import amendments
from lab.report.numbers import count, decimals, interval, number, plain
from lab.report.report import Report

MOST_NAMED = 3
"""Effects that a sentence names."""


def banner(report: Report) -> str:
    """What a reader must know before any number; empty when everything is in."""
    holes = report.holes
    said = [holes.banner or caution(report), _lost(report)]
    said += [f"{sentence[0].upper()}{sentence[1:]}." for sentence in amendments(report.outline.asking)]
    return " ".join(dict.fromkeys(part for part in said if part))


def summary(report: Report) -> tuple[str, ...]:
    """The answer, what the factors do, and what to hold it against."""
    return tuple(sentence for sentence in (answer(report), _effects(report), _context(report)) if sentence)


def _lost(report: Report) -> str:
    failed = sum(row.is_failed for row in report.rows)
    return f"{count(failed, 'trial')} failed and {'is' if failed == 1 else 'are'} in no mean." if failed else ""


def _effects(report: Report) -> str:
    """Which changes are told apart from nothing."""
    told = [effect for effect in report.effects if effect.told_apart]
    weighed = [effect for effect in report.effects if effect.difference.has_interval]
    if not weighed:
        return ""
    if not told:
        return f"None of {count(len(weighed), 'effect')} is told apart from nothing{_interaction(report)}."
    digits = decimals(effect.difference for effect in told)
    told.sort(key=lambda effect: -abs(effect.difference.mean))
    listed = "; ".join(_effect(effect, digits) for effect in told[:MOST_NAMED])
    more = f"; and {len(told) - MOST_NAMED} more" if len(told) > MOST_NAMED else ""
    others = len(weighed) - len(told)
    rest = f"; {'the other effect is' if others == 1 else f'{others} others are'} not told apart" if others else ""
    return f"All else equal, {listed}{more}{rest}{_interaction(report)}."


def _effect(effect: Effect, digits: int) -> str:
    name = effect.factor.rsplit(".", 1)[-1]
    size = f"{number(effect.difference.mean, digits, signed=True)} {interval(effect.difference, digits, signed=True)}"
    return f"{name} {shown(effect.against)} → {shown(effect.level)} changes {size}"


def _interaction(report: Report) -> str:
    """The strongest interaction that is told apart: averages over it mislead."""
    told = [each for each in report.interactions if each.told_apart]
    if not told:
        return ""
    most = max(told, key=lambda each: abs(each.difference.mean))
    first, second = (factor.rsplit(".", 1)[-1] for factor in most.factors)
    size = number(most.difference.mean, decimals([most.difference]), signed=True)
    return f", but what {first} does depends on {second} (interaction {size})"


def _context(report: Report) -> str:
    """The strongest known score of the data, or how much the seeds can show."""
    best = next(iter(report.ranking.scored), None)
    if best is None or not report.lines:
        return next(_power(report), "")
    sign = report.outline.sign
    name, line = max(report.lines.items(), key=lambda item: sign * item[1])
    ahead = sign * (best.score.mean - line)
    where = "above" if (ahead > 0) == (sign > 0) else "below"
    gap = plain(abs(best.score.mean - line))
    return f"The best mean is {gap} {where} the strongest known score of the data ({name}, {plain(line)})."


def _power(report: Report) -> Iterator[str]:
    from lab.report.text import power

    told = power(report)
    if told:
        yield f"The study can show {told}."
