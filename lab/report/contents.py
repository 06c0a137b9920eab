"""The tables of a report as sheets, in the order they are read."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from lab.analysis.cells import CellScore
from lab.analysis.effects import Effect
from lab.analysis.estimate import Estimate
from lab.analysis.interactions import Interaction
from lab.analysis.rows import MISSING
from lab.plan.plan import shown
from lab.report.numbers import NONE, count, decimals, interval, plain
from lab.report.report import Report
from lab.report.sheets import Entry, Head, Sheet, chance, value, words
from lab.report.verdicts import verdicts_sheet


def cells_sheet(report: Report) -> Sheet:
    """Score by cell, best mean first."""
    outline, cells = report.outline, report.ranking.cells
    digits = decimals(cell.score for cell in report.ranking.scored)
    gaps = decimals(cell.against for cell in cells)
    has_final = outline.final is not None and any(cell.final.n for cell in cells)
    heads = [Head("cell"), Head("n", True), Head(outline.score, True), Head("95 % interval", True)]
    heads += [Head(str(outline.final), True)] if has_final else []
    heads += [Head("better than")] if report.lines else []
    heads += [Head("to the base", True), Head("95 % interval", True), Head("")]
    rows = tuple(
        (
            words(cell.says, "strong" if cell.is_reference else ""),
            Entry(_n(cell), order=cell.score.n),
            value(cell.score.mean, digits),
            Entry(interval(cell.score, digits), order=cell.score.low),
            *([value(cell.final.mean, digits)] if has_final else []),
            *([words(report.passed(cell.score.mean))] if report.lines else []),
            value(cell.against.mean if cell.against.n else math.nan, gaps, signed=True),
            Entry(interval(cell.against, gaps, signed=True), order=cell.against.low),
            _standing(cell, alone=report.ranking.best is not None),
        )
        for cell in cells
    )
    return Sheet("cells", _cells_title(report), tuple(heads), rows, _cells_note(report))


def effects_sheet(effects: Sequence[Effect], score: str) -> Sheet:
    """What each level does against the base's."""
    digits = decimals(effect.difference for effect in effects)
    heads = (
        Head("factor"), Head("change"), Head("difference", True), Head("95 % interval", True), Head("n", True),
        Head("pairs", True), Head("p (Holm)", True), Head("at most", True), Head(""),
    )  # fmt: skip
    rows = tuple(
        (
            words(effect.factor),
            words(f"{shown(effect.against)} → {shown(effect.level)}"),
            value(effect.difference.mean, digits, signed=True),
            Entry(interval(effect.difference, digits, signed=True), order=effect.difference.low),
            Entry(str(effect.difference.n or NONE), order=effect.difference.n),
            _pairs(effect.pairs, effect.planned, is_contrast=effect.is_contrast),
            chance(effect.evidence.adjusted),
            value(effect.evidence.within, digits),
            told(effect.difference, is_told=effect.told_apart),
        )
        for effect in effects
    )
    note = (
        "Differences of equal seeds, all other factors equal, averaged over pairs of cells; 95 % t intervals over "
        "seeds; p by t-tests with Holm's adjustment over this table. “At most” is the smallest margin that the "
        "difference is shown to stay within (two one-sided tests, 5 %)."
    )
    return Sheet("effects", f"Effects on {score}, all other factors equal", heads, rows, note)


def interactions_sheet(interactions: Sequence[Interaction]) -> Sheet:
    """What two changes do together beyond the sum of each alone."""
    digits = decimals(each.difference for each in interactions)
    heads = (
        Head("factors"), Head("changes"), Head("beyond the sum", True), Head("95 % interval", True),
        Head("n", True), Head("p (Holm)", True), Head(""),
    )  # fmt: skip
    rows = tuple(
        (
            words(" × ".join(factor.rsplit(".", 1)[-1] for factor in each.factors)),
            words(" and ".join(f"{shown(a)} → {shown(b)}" for a, b in zip(each.against, each.levels, strict=True))),
            value(each.difference.mean, digits, signed=True),
            Entry(interval(each.difference, digits, signed=True), order=each.difference.low),
            Entry(str(each.difference.n or NONE), order=each.difference.n),
            chance(each.evidence.adjusted),
            told(each.difference, is_told=each.told_apart),
        )
        for each in interactions
    )
    note = "Differences of differences, paired over seeds: zero means that the two changes simply add up."
    return Sheet("interactions", "Interactions of two factors", heads, rows, note)


def variance_sheet(report: Report) -> Sheet | None:
    """The analysis of variance."""
    table = report.anova
    if table is None:
        return None
    heads = (
        Head("source"),
        Head("df", True),
        Head("share", True),
        Head("partial η²", True),
        Head("F", True),
        Head("p", True),
    )
    rows = tuple(
        (
            words(line.name),
            Entry(str(line.freedom), order=line.freedom),
            Entry(_percent(line.share), order=line.share),
            value(line.partial_eta, 2),
            Entry(plain(line.f), order=line.f),
            chance(line.p),
        )
        for line in (*table.terms, table.higher, table.seed, table.error)
        if line.freedom
    )
    said = [table.method, *table.notes]
    share = table.shares.seed_share
    if math.isfinite(share):
        said.append(f"{_percent(share)} of all variance is the luck of the seed")
    return Sheet("variance", "Where the variance comes from", heads, rows, ". ".join(s.rstrip(".") for s in said) + ".")


def tried_sheet(report: Report, most: int = 20) -> Sheet:
    """The best settings that a search tried."""
    tried, outline = report.tried[:most], report.outline
    digits = decimals(cell.score for cell in tried)
    heads = (Head("", True), Head("setting"), Head("n", True), Head(outline.score, True), Head("95 % interval", True))
    rows = tuple(
        (
            Entry(str(place), order=place),
            words(cell.says),
            Entry(_n(cell), order=cell.score.n),
            value(cell.score.mean, digits),
            Entry(interval(cell.score, digits), order=cell.score.low),
        )
        for place, cell in enumerate(tried, start=1)
    )
    note = "The best of many owes some of it to luck: compare it with the base on fresh seeds."
    return Sheet("tried", "Settings that the search tried, the best first", heads, rows, note)


def failures_sheet(report: Report) -> Sheet:
    """Failed trials by class."""
    heads = (Head("how"), Head("trials", True), Head("what was said"), Head("first"))
    rows = tuple(
        (
            words(failure.status.replace("_", " "), "bad"),
            Entry(str(len(failure.trials)), order=len(failure.trials)),
            words(failure.error or "no error was told"),
            words(failure.trials[0], "quiet"),
        )
        for failure in report.failures
    )
    return Sheet("failures", "Failed trials", heads, rows)


def findings_sheet(report: Report) -> Sheet:
    """What rules said about the readings: what stands by itself first, then what that explains."""
    heads = (
        Head("rule"), Head("weight"), Head("trials", True), Head("in cells"), Head("from step", True), Head("where"),
        Head("what was said"), Head("likely"), Head("to try"),
    )  # fmt: skip
    rows = tuple(
        (
            words(each.rule, "strong" if each.is_headline else "quiet"),
            words(each.level, "bad" if each.level == "fatal" else ""),
            Entry(str(each.trials), order=each.trials),
            words(str(each.where or "")),
            Entry(str(each.step), order=each.step),
            words(", ".join(each.scopes[:3]) + (f" and {len(each.scopes) - 3} more" if len(each.scopes) > 3 else "")),
            words(each.says if each.own else f"explained by {' and '.join(each.causes)}: {each.says}"),
            words(each.means if each.own else ""),
            words(each.remedy if each.own else ""),
        )
        for each in report.findings
    )
    note = "A finding that another explains within 30 steps is its symptom; the bold ones stand by themselves."
    return Sheet("findings", "Findings of the rules", heads, rows, note)


def told(difference: Estimate, *, is_told: bool) -> Entry:
    """Whether a difference is one."""
    if not difference.n:
        return Entry("not in", order=2, tone="quiet")
    return Entry("told apart", order=0, tone="strong") if is_told else Entry("not told apart", order=1, tone="quiet")


def sheets(report: Report) -> Iterator[Sheet]:
    """Every table that there is something to put into, in the order they are read."""
    if report.verdicts:
        yield verdicts_sheet(report)
    if report.outline.cells:
        yield cells_sheet(report)
    if report.effects:
        yield effects_sheet(report.effects, report.outline.score)
    if report.interactions:
        yield interactions_sheet(report.interactions)
    if (variance := variance_sheet(report)) is not None:
        yield variance
    if report.tried:
        yield tried_sheet(report)
    if report.failures:
        yield failures_sheet(report)
    if report.findings:
        yield findings_sheet(report)


def _cells_title(report: Report) -> str:
    outline = report.outline
    better = "more is better" if outline.goal == "max" else "less is better"
    return f"Score by cell: {outline.score} at the {outline.at.replace('_', ' ')}, {better}"


def _cells_note(report: Report) -> str:
    compared = len(report.ranking.scored) - 1
    if compared < 1:
        return "Means with 95 % t intervals over seeds."
    return (
        "Means with 95 % t intervals over seeds. “Best” and “could be best” are by paired t-tests over seeds at 5 %, "
        f"Holm over {count(compared, 'comparison')}."
    )


def _standing(cell: CellScore, *, alone: bool) -> Entry:
    lost = ", ".join(
        f"{n} {status.replace('_', ' ')}" for status, n in cell.statuses.items() if status not in ("done", MISSING)
    )
    if cell.could_be_best:
        mark = "best" if alone else "could be best"
        return Entry(f"{mark}; {lost}" if lost else mark, order=0, tone="strong")
    return Entry(lost, order=1, tone="bad" if lost else "")


def _pairs(used: int, planned: int, *, is_contrast: bool) -> Entry:
    if is_contrast:
        return Entry("all cells", order=planned)
    return Entry(str(used) if used == planned else f"{used} of {planned}", order=used)


def _n(cell: CellScore) -> str:
    return str(cell.score.n) if cell.score.n == cell.planned else f"{cell.score.n}/{cell.planned}"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %" if math.isfinite(share) else NONE
