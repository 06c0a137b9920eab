"""The page of exact structure: pictures of a pyramid's walk vectors, and the tables behind them."""

from __future__ import annotations

from collections.abc import Sequence

from lab.exact.lattices import pyramid
from lab.exact.look_up import nearest
from lab.exact.walk_classes import Row
from lab.report.canvas import Drawings, lead
from lab.report.markup import table, tag, text
from lab.report.page import document
from lab.report.sheets import Head, Sheet, value, words
from lab.report.structure import FIRST_SHOWN, looked_up, multiplied, reached, view

LARGEST_DRAWN = 30
"""Base of the largest pyramid whose nodes are drawn."""
CLOSEST = 12


def page(table_of: Sequence[Row], trap: Sequence[Row], *, base: int, field: int) -> str:
    """One self-contained file: the walk classes of a pyramid, their number by field, the reach, and the table."""
    canvas = Drawings()
    drawn = min(base, LARGEST_DRAWN)
    parts = [
        tag("h1", text(f"Walk vectors in pyramids, exactly: base {base}")),
        lead(
            "A pair of nodes is known by its walk vector. Where pairs of one colour and of two share one, nobody can "
            "tell them apart; where floats are compared, rounding makes kinds that are not there."
        ),
        tag("h2", text(f"What the middle node of a pyramid of base {drawn} sees")),
        lead(
            "A circle is of the same colour as the middle node, a square of another; a star cannot be told, as its "
            "walk vector occurs with both; a cross is out of reach. The lighter, the more pairs share the walk vector."
        ),
        canvas.draw(view(drawn, field), "A pyramid; each node is coloured by how many pairs share its walk vector."),
        tag("h2", text("Kinds of walk vectors by receptive field")),
        canvas.draw(multiplied(table_of, trap), "Number of kinds by field, exact and in float32, a line a base."),
        tag("h2", text("Reach")),
        canvas.draw(reached(table_of), "Share of ordered pairs within the field, a line a base."),
        table(sheet(table_of), "exact"),
        tag("h2", text(f"Looking walk vectors up: from base {drawn} to base {drawn + 1}")),
        lead(
            "A table that remembers what most pairs of a walk vector are, and says no to others. With more "
            "powers it learns all of its own pyramid, and knows fewer pairs of the next."
        ),
        canvas.draw(looked_up(drawn), "Shares learnt, right and known by number of powers."),
        table(closest(drawn, FIRST_SHOWN + 1), "exact"),
    ]
    return document(f"Walk vectors, base {base}", tag("main", tag("article", *parts)), canvas)


def sheet(rows: Sequence[Row]) -> Sheet:
    """The table of kinds, as a page shows it."""
    heads = ("base", "field", "nodes", "kinds", "ambiguous", "pairs of these", "share in field")
    told = tuple(
        (
            words(str(row.base)),
            words(str(row.field)),
            words(str(row.nodes)),
            words(str(row.kinds)),
            words(str(row.ambiguous)),
            words(str(row.ambiguous_pairs)),
            value(row.share, 6),
        )
        for row in rows
    )
    return Sheet("kinds", "Kinds of walk vectors", tuple(Head(head, True) for head in heads), told, "")


def closest(base: int, powers: int) -> Sheet:
    """The closest walk vectors of opposite relation: how well a network must see to part them."""
    rows = tuple(
        (words(_told(pair.alike)), words(_told(pair.apart)), value(pair.squared**0.5, 6))
        for pair in nearest(pyramid(base), powers, CLOSEST)
    )
    heads = (Head("of pairs of one colour"), Head("of pairs of two"), Head("distance", True))
    return Sheet("closest", f"Closest walk vectors of opposite relation, {powers} powers", heads, rows, "")


def _told(vector: Sequence[float]) -> str:
    return " ".join(f"{number:.4g}" for number in vector)
