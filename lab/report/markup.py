"""HTML in small pieces: every text that comes from outside passes through `text` or `attribute` here."""

from __future__ import annotations

import html
import math
from collections.abc import Iterable

from lab.report.sheets import Entry, Head, Sheet

SNUG = 20
"""Characters that are never broken over two lines."""
LONG = 40
"""Rows from which a table scrolls by itself."""
MOST_ROWS = 500
"""Rows of a table on a page; the data file has the rest."""


def text(words: object) -> str:
    """A text as content."""
    return html.escape(str(words), quote=True)


def tag(name: str, *content: str, **attributes: str) -> str:
    """An element; its content is markup already, its attributes are plain text. `class_` stands for class."""
    told = "".join(f' {key.rstrip("_").replace("_", "-")}="{text(value)}"' for key, value in attributes.items())
    return f"<{name}{told}>{''.join(content)}</{name}>"


def paragraphs(sentences: Iterable[str], class_: str = "") -> str:
    """Sentences, each in a paragraph of its own."""
    return "".join(tag("p", text(sentence), **({"class_": class_} if class_ else {})) for sentence in sentences)


def table(sheet: Sheet, place: str) -> str:
    """A table whose columns are sorted by a click or a key on their heads."""
    shown = sheet.rows[:MOST_ROWS]
    head = tag("thead", tag("tr", *(_head(each) for each in sheet.heads)))
    body = tag("tbody", *(tag("tr", *map(_entry, row, sheet.heads)) for row in shown))
    left = len(sheet.rows) - len(shown)
    note = f"{sheet.remark} The first {len(shown):,} of {len(sheet.rows):,} rows." if left > 0 else sheet.remark
    grid = tag("table", tag("caption", text(sheet.title)), head, body, id=f"{place}-{sheet.name}-table")
    kind = "scroll long" if len(shown) > LONG else "scroll"
    framed = tag("div", grid, class_=kind, tabindex="0", role="region", aria_label=sheet.title)
    return framed + (tag("p", text(note), class_="note") if note else "")


def folded(summary: str, content: str, *, class_: str = "") -> str:
    """Content behind a line that opens it; `bulk` stays closed on paper."""
    return tag("details", tag("summary", text(summary)), content, **({"class_": class_} if class_ else {}))


def terms(facts: Iterable[tuple[str, str]]) -> str:
    """Heads and what belongs to them."""
    return tag("dl", *(tag("dt", text(head)) + tag("dd", text(words)) for head, words in facts if words))


def _head(head: Head) -> str:
    number = {"class_": "number"} if head.is_number else {}
    if not head.text:
        return tag("th", tag("span", "standing", class_="unseen"), scope="col", **number)
    return tag("th", tag("button", text(head.text), type="button"), scope="col", aria_sort="none", **number)


def _entry(entry: Entry, head: Head) -> str:
    fit = "number" if head.is_number else "snug" if len(entry.text) <= SNUG else ""
    classes = " ".join(each for each in (fit, entry.tone) if each)
    said = {"class_": classes} if classes else {}
    if entry.order is not None and math.isfinite(entry.order):
        said["data_order"] = repr(float(entry.order))
    elif entry.order is not None:
        said["data_order"] = ""
    return tag("td", text(entry.text), **said)
