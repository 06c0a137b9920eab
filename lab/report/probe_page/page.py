"""The probe page as a file: a header that says how the run is, its sections, and where to go on from it."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Sequence

from lab.analysis.checks import INVARIANCES, LIMIT, checks, invariances
from lab.analysis.probed import Probed
from lab.records.store import Store
from lab.report.article import labelled_sections
from lab.report.canvas import Canvas, lead
from lab.report.markup import paragraphs, table, tag, terms, text
from lab.report.numbers import duration, plain
from lab.report.page import document
from lab.report.probe_page import memory, sections
from lab.report.probe_page.view import View
from lab.report.probe_page.words import missing, sentences, unfinished, wrong
from lab.report.sheets import Entry, Head, Sheet, words

Section = Callable[[View], str]


def probe_page(store: Store, sides: Sequence[Probed]) -> str:
    """The page of one trial, or of two beside one another."""
    view = View(tuple(sides), Canvas(store))
    told = [(title, f"p-{key}", make(view)) for key, title, make in SECTIONS]
    content = tag("article", _top(view), labelled_sections(told), id="p")
    title = " beside ".join(f"{probed.label} · seed {probed.seed}" for probed in sides)
    return document(title, tag("main", content, **({"class_": "pair"} if view.is_pair else {})), view.canvas)


def _top(view: View) -> str:
    studies = dict.fromkeys(probed.study for probed in view.sides)
    heading = (
        text(_name(view.sides[0]))
        if not view.is_pair
        else f"{text(_name(view.sides[0]))} <i>beside</i> {text(_name(view.sides[1]))}"
    )
    cards = [_card(view, probed) for probed in view.sides]
    return tag(
        "header",
        tag("p", text(f"Probes of {' and '.join(studies)}"), class_="eyebrow"),
        tag("h1", heading),
        tag("div", *cards, class_="panels large cards") if view.is_pair else cards[0],
    )


def _card(view: View, probed: Probed) -> str:
    """How one run is."""
    badge = tag("span", text(probed.health), class_=f"badge {probed.health}")
    side = f"{view.name(probed)} · {_name(probed)}" if view.is_pair else ""
    warnings = [each for each in (unfinished(probed), wrong(probed)) if each]
    return tag(
        "div",
        tag("div", paragraphs(warnings), class_="banner", role="note") if warnings else "",
        tag("h2", text(side)) if side else "",
        tag(
            "div", tag("p", badge, " ", text(sentences(probed)[0])), paragraphs(sentences(probed)[1:]), class_="answer"
        ),
        tag("ul", *(tag("li", tag("b", text(n)), " ", text(noun)) for n, noun in _sizes(probed)), class_="meta"),
    )


def _sizes(probed: Probed) -> Iterator[tuple[str, str]]:
    yield f"{probed.steps:,}", "step" if probed.steps == 1 else "steps"
    epochs = max(map(len, probed.history.values()), default=0)
    yield f"{epochs:,}", "epoch" if epochs == 1 else "epochs"
    yield duration(probed.seconds), "of training"
    yield probed.status.replace("_", " "), ""
    if probed.origin.started:
        yield probed.origin.started[:10], "started"


def _name(probed: Probed) -> str:
    return f"{probed.label or probed.trial}, seed {probed.seed}"


def promises(view: View) -> str:
    """What must hold, and how far outputs move when only what must not matter is changed."""
    parts = []
    for probed in view.sides:
        place = f"p{view.name(probed)}"
        told = [sheet for sheet in (_checks(probed), _invariances(probed)) if sheet.rows]
        body = "".join(table(sheet, place) for sheet in told)
        parts.append(tag("div", tag("h3", view.name(probed)) if view.is_pair else "", body) if told else "")
    if not any(parts):
        return ""
    said = "Either it holds or it does not; broken promises come first."
    return lead(said) + (tag("div", *parts, class_="panels large lists") if view.is_pair else parts[0])


def not_measured(view: View) -> str:
    """What the page would show if more had been measured."""
    told = [
        f"{view.name(probed)}: {each}" if view.is_pair else each for probed in view.sides if (each := missing(probed))
    ]
    return paragraphs(told, class_="lead") if told else ""


def provenance(view: View) -> str:
    """Where the trial comes from, and the commands to go on with."""
    commands = "\n".join(dict.fromkeys(_commands(view)))
    go = tag("h3", "To go on") + tag("pre", text(commands), class_="command", tabindex="0")
    parts = []
    for probed in view.sides:
        origin = probed.origin
        state = " with uncommitted changes" if origin.dirty else ""
        told = terms(
            [
                ("trial", probed.trial),
                ("study", probed.study),
                ("cell", probed.label),
                ("probes", ", ".join(sorted(probed.probes)) or "none"),
                ("code", f"commit {origin.commit[:10]}{state}" if origin.commit else ""),
                ("machine", ", ".join(part for part in (origin.device, origin.host) if part)),
                ("threads", str(origin.threads or "")),
                (
                    "versions",
                    ", ".join(f"{name} {version}" for name, version in origin.versions.items() if name in SHOWN),
                ),
                ("data hash", origin.data[:16]),
                ("started", origin.started[:16].replace("T", " ") + " UTC" if origin.started else ""),
                ("run by", origin.command),
            ]
        )
        parts.append(tag("div", tag("h3", view.name(probed)) if view.is_pair else "", told))
    return go + (tag("div", *parts, class_="panels large lists") if view.is_pair else parts[0])


def _commands(view: View) -> Iterator[str]:
    """What a person may type next."""
    trials = [probed.trial for probed in view.sides]
    if view.is_pair:
        yield shlex.join(["lab", "diff", *trials])
    for probed in view.sides:
        if probed.alerts and not probed.alerts[0].is_remark:
            step = probed.alerts[0].finding.step
            yield shlex.join(["lab", "replay", probed.trial, "--step", str(step)])
    if not view.is_pair:
        yield f"lab probe {trials[0]} OTHER"
    for study in dict.fromkeys(probed.study for probed in view.sides):
        yield shlex.join(["lab", "report", study])


def _checks(probed: Probed) -> Sheet:
    heads = (
        Head("what must hold"),
        Head(""),
        Head("worst", True),
        Head("limit", True),
        Head("where"),
        Head("step", True),
    )
    rows = tuple(
        (
            words(check.promise.says),
            Entry(
                "holds" if check.is_kept else "broken",
                order=float(check.is_kept),
                tone="quiet" if check.is_kept else "bad",
            ),
            Entry(plain(check.worst), order=check.worst),
            Entry(f"{'≤' if check.promise.sign == '<=' else '≥'} {check.promise.limit:g}", order=check.promise.limit),
            words(check.where, "quiet"),
            Entry(f"{check.step:,}" if not check.is_kept else "", order=float(check.step)),
        )
        for check in checks(probed)
    )
    return Sheet("checks", "Checks", heads, rows, "The step is the first that broke it")


def _invariances(probed: Probed) -> Sheet:
    names = ("padding, evaluation", "padding, training", "other graphs")
    heads = (Head("output of"), *(Head(name, True) for name in names))
    rows = tuple(
        (
            words(each.block),
            *(Entry(plain(change), order=change, tone="bad" if change > LIMIT else "") for change in each.changes),
        )
        for each in invariances(probed)
    )
    assert len(names) == len(INVARIANCES)
    note = f"the largest relative change of real nodes over the run; above {LIMIT:g} something leaks"
    return Sheet("invariance", "How far outputs move when only what must not matter is changed", heads, rows, note)


SHOWN = ("lab", "torch", "python")
"""Packages whose versions are told."""
SECTIONS: tuple[tuple[str, str, Section], ...] = (
    ("alerts", "Alerts", sections.alerts),
    ("moves", "How far each tensor moves", sections.ratios),
    ("medians", "Ratios", sections.medians),
    ("training", "Loss and gradient", sections.training),
    ("depth", "Over the depth", sections.depth),
    ("activations", "Activations", sections.activations),
    ("attention", "Attention", sections.attention),
    ("classes", "Classes", sections.classes),
    ("memory", "Memory of a step", memory.section),
    ("checks", "What must hold", promises),
    ("missing", "Not measured", not_measured),
    ("provenance", "Where it comes from", provenance),
)
"""Name, title and maker of each; one that has nothing to tell is left out."""
