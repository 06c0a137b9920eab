"""`lab show pyramid --table`: the exact table of walk vectors in pyramids, and a picture of it."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from lab.errors import LabError
from lab.exact.walk_classes import BASES, FIELDS, Row, rows
from lab.spec.tables import Table, render

LARGEST = 64
DEEPEST = 64
EXACT_HEADS = ("base", "field", "nodes", "kinds", "ambiguous", "pairs", "share in field")
EXACT = (
    "kinds: different walk vectors (powers 0 .. field) of ordered pairs of nodes, the zero vector included; ambiguous: "
    "those, but for it, that pairs of one colour have and pairs of two as well, and how many pairs these are. Exact."
)
ROUNDED_HEADS = ("base", "field", "kinds", "float32", "old rule", "ambiguous", "float32", "old rule")
ROUNDED = (
    "Compared as float32, equal walk vectors that were summed in another order count as different ones. The old rule "
    "counts one kind more where no vector is zero, and one ambiguous kind less."
)


def show_structure(
    name: str,
    *,
    bases: Sequence[int],
    fields: Sequence[int],
    float32: bool,
    picture: Path | None,
    as_json: bool,
) -> int:
    """Print the table of some pyramids, or draw them."""
    bases, fields = _checked(name, tuple(bases) or BASES, tuple(fields) or FIELDS)
    if picture is not None:
        _draw(picture, bases, fields)
    told = [row for base in bases for row in rows(base, fields, float32=float32)]
    if as_json:
        sys.stdout.write(json.dumps([asdict(row) for row in told], indent=1) + "\n")
    elif float32:
        exact = [row for base in bases for row in rows(base, fields)]
        lines = tuple(_beside(*both) for both in zip(exact, told, strict=True))
        render((Table("walk vectors in pyramids, in float32", ROUNDED, ROUNDED_HEADS, lines),))
    else:
        render((Table("walk vectors in pyramids", EXACT, EXACT_HEADS, tuple(map(_line, told))),))
    return 0


def _checked(name: str, bases: tuple[int, ...], fields: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    if name != "pyramid":
        raise LabError(
            f"there is no table of '{name}'", hint="lab show pyramid --table, or lab show psbm_links --table"
        )
    for what, values, least, most in (("--base", bases, 2, LARGEST), ("--field", fields, 0, DEEPEST)):
        wrong = next((value for value in values if not least <= value <= most), None)
        if wrong is not None:
            raise LabError(f"{what} {wrong} is out of bounds", hint=f"choose from {least} to {most}")
    return bases, tuple(sorted(set(fields)))


def _line(row: Row) -> tuple[str, ...]:
    numbers = (row.base, row.field, row.nodes, row.kinds, row.ambiguous, row.ambiguous_pairs, row.share)
    return tuple(map(repr, numbers))


def _beside(exact: Row, told: Row) -> tuple[str, ...]:
    kinds, ambiguous = told.printed()
    return tuple(
        map(
            str,
            (exact.base, exact.field, exact.kinds, told.kinds, kinds, exact.ambiguous, told.ambiguous, ambiguous),
        )
    )


def _draw(picture: Path, bases: Sequence[int], fields: Sequence[int]) -> None:
    from lab.report.structure_page import page

    every = range(max(fields) + 1)
    exact, trap = ([row for base in bases for row in rows(base, every, float32=it)] for it in (False, True))
    picture.parent.mkdir(parents=True, exist_ok=True)
    picture.write_text(page(exact, trap, base=bases[0], field=max(fields)), encoding="utf-8")
    sys.stderr.write(f"wrote {picture}\n")
