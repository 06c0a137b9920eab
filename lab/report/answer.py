"""The answer in a sentence: what the seeds can tell, and not a word more."""

from __future__ import annotations

from lab.report.numbers import count, decimals, interval, number, with_reach
from lab.report.report import Report


def answer(report: Report) -> str:
    """What a reader should take away."""
    ranking = report.ranking
    if report.tried:
        return _found(report)
    if not ranking.scored:
        return "Nothing is known yet: no compared trial has a score." if report.outline.cells else ""
    if len(ranking.scored) == 1:
        return _alone(report)
    return _best(report) if ranking.best is not None else _open(report)


def caution(report: Report) -> str:
    """What stands between the numbers and a conclusion; empty when all is in."""
    if report.pending:
        are = "is" if report.pending == 1 else "are"
        planned = count(len(report.outline.trials), "trial")
        return f"{report.pending:,} of {planned} {are} not in: read nothing into this yet."
    unscored = len(report.ranking.cells) - len(report.ranking.scored)
    if unscored and report.ranking.scored:
        return f"{unscored} of {count(len(report.ranking.cells), 'cell')} without a score: not compared."
    return ""


def _found(report: Report) -> str:
    """What a search came to: its best is a candidate, not a finding."""
    first = report.tried[0]
    digits = decimals(cell.score for cell in report.tried)
    tried = count(len(report.tried), "setting")
    mean = with_reach(first.score, digits)
    return f"Of {tried} tried, {first.says} scored best: {mean}. Compare it with the base on fresh seeds."


def _alone(report: Report) -> str:
    told = report.ranking.scored[0].score
    digits = decimals([told])
    if not told.has_interval:
        return f"One cell, one seed: {number(told.mean, digits)}, and nothing to compare it with."
    seeds = count(told.n, "seed")
    return f"One cell: {number(told.mean, digits)} {interval(told, digits)}, n = {seeds}; nothing to compare it with."


def _best(report: Report) -> str:
    first, second = report.ranking.scored[:2]
    lead = report.ranking.lead
    digits = decimals([lead])
    by = f"by {number(lead.mean, digits)} {interval(lead, digits)}"
    pairing = "seeds" if lead.paired else "seeds, unpaired"
    return f"Best: {first.says}, {by} over the next ({second.says}), n = {lead.n} {pairing}."


def _open(report: Report) -> str:
    ranking = report.ranking
    open_ones, all_ones = len(ranking.contenders), len(ranking.scored)
    sentence = f"Not told apart: {open_ones} of {all_ones} cells could be best."
    if all(cell.score.n < 2 for cell in ranking.scored):
        return f"{sentence} One seed tells nothing apart; run at least 6."
    return sentence
