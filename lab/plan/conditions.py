"""The conditions of a study file (`when`, `forbid`): comparisons of options, read and judged without Python's eval."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lab.errors import LabError, Place
from lab.spec.spec import plain

LONGEST = 1000
DEEPEST = 25
"""Conditions nested deeper, or written longer, are not meant for a reader."""
WORDS: Mapping[str, object] = {"true": True, "false": False, "null": None}
SIGNS: Mapping[type[ast.cmpop], str] = {
    ast.Eq: "==", ast.NotEq: "!=", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=",
    ast.In: "in", ast.NotIn: "not in",
}  # fmt: skip
GRAMMAR = 'a condition compares options, as in model.attention == "content", joined by and, or, not'


@dataclass(frozen=True)
class Absent:
    """Stands for an option that the experiment at hand does not have, such as one of another kind of model."""


ABSENT = Absent()


@dataclass(frozen=True)
class Seen:
    """The value of an option in one cell, with the label of its level, when it has one."""

    value: object
    label: str = ""

    def equals(self, other: Seen) -> bool:
        """Whether both are the same; a label is as good as its value, and true is not 1."""
        if self.label and self.label == other.value:
            return True
        if other.label and other.label == self.value:
            return True
        return same(self.value, other.value)


Look = Callable[[str], Seen]
"""What a dotted path holds in the cell at hand."""


@dataclass(frozen=True)
class Condition:
    """A condition that has been read: it either holds in a cell or it does not."""

    text: str
    where: Place
    tree: ast.expr

    @property
    def paths(self) -> frozenset[str]:
        """Every option it looks at."""
        return frozenset(_paths(self.tree))

    def holds(self, look: Look) -> bool:
        """Whether it holds where `look` tells the values."""
        return _truth(self, self.tree, look)

    def error(self, what: str, hint: str = GRAMMAR) -> LabError:
        """A mistake in this condition."""
        said = " ".join(self.text.split())
        told = said if len(said) <= 100 else f"{said[:97]}..."
        return LabError(f"{what} (in `{told}`)", where=self.where, hint=hint)


def read_condition(text: str, where: Place) -> Condition:
    """Read a condition, refusing everything that is not a comparison."""
    if len(text) > LONGEST:
        raise LabError(f"a condition of {len(text)} characters", where=where, hint=f"keep to {LONGEST}")
    condition = Condition(text.strip(), where, ast.Constant(value=True))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(condition.text, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise condition.error("this cannot be read", _mend(condition.text)) from error
    read = Condition(condition.text, where, tree)
    _refuse_all_but_comparisons(read, tree, depth=0)
    return read


def same(one: object, other: object) -> bool:
    """Equality without Python's liberties: true is not 1, and a list equals a tuple of the same values."""
    if type(one) is type(other) and not isinstance(one, list | tuple | dict):
        return bool(one == other)
    one, other = plain(one), plain(other)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, bool) is not isinstance(other, bool):
        return False
    return bool(one == other)


def dotted(node: ast.expr) -> str | None:
    """The dotted path that a node spells, if it is one."""
    if isinstance(node, ast.Name):
        return None if node.id in WORDS else node.id
    if isinstance(node, ast.Attribute):
        head = dotted(node.value)
        return None if head is None else f"{head}.{node.attr}"
    return None


def _paths(node: ast.AST) -> Iterator[str]:
    path = dotted(node) if isinstance(node, ast.expr) else None
    if path is not None:
        yield path
        return
    for child in ast.iter_child_nodes(node):
        yield from _paths(child)


def _mend(text: str) -> str:
    for wrong, right in (("&&", "and"), ("||", "or"), ("<>", "!=")):
        if wrong in text:
            return f"write `{right}` instead of `{wrong}`"
    if "=" in text.replace("==", "").replace("!=", "").replace("<=", "").replace(">=", ""):
        return "write `==` to compare"
    return GRAMMAR


def _refuse_all_but_comparisons(condition: Condition, node: ast.expr, *, depth: int) -> None:
    if depth > DEEPEST:
        raise condition.error(f"nested more than {DEEPEST} deep", "split it into several constraints")
    if dotted(node) is not None or is_literal(node):
        return
    match node:
        case ast.BoolOp(values=parts):
            inner = parts
        case ast.UnaryOp(op=ast.Not(), operand=part):
            inner = [part]
        case ast.Compare(left=left, ops=signs, comparators=others) if all(type(sign) in SIGNS for sign in signs):
            inner = [left, *others]
        case _:
            raise condition.error(f"`{_spelt(condition, node)}` has no meaning here")
    for part in inner:
        _refuse_all_but_comparisons(condition, part, depth=depth + 1)


def _spelt(condition: Condition, node: ast.expr) -> str:
    said = ast.get_source_segment(condition.text, node) or type(node).__name__
    return said if len(said) <= 40 else f"{said[:37]}..."


def is_literal(node: ast.expr) -> bool:
    """Whether a node spells a value: a number, text, a truth value, null, or a list of those."""
    match node:
        case ast.Constant(value=value):
            return value is None or isinstance(value, bool | int | float | str)
        case ast.Name(id=word):
            return word in WORDS
        case ast.UnaryOp(op=ast.USub() | ast.UAdd(), operand=ast.Constant(value=value)):
            return isinstance(value, int | float) and not isinstance(value, bool)
        case ast.List(elts=parts) | ast.Tuple(elts=parts):
            return all(is_literal(part) for part in parts)
    return False


def literal_of(node: ast.expr) -> object:
    """The value that a node spells."""
    match node:
        case ast.Constant(value=value):
            return value
        case ast.Name(id=word):
            return WORDS[word]
        case ast.UnaryOp(op=sign, operand=ast.Constant(value=int() | float() as value)):
            return -value if isinstance(sign, ast.USub) else value
        case ast.List(elts=parts) | ast.Tuple(elts=parts):
            return [literal_of(part) for part in parts]
    raise TypeError(f"{ast.dump(node)} was let through as a literal")


def _seen(node: ast.expr, look: Look) -> Seen:
    path = dotted(node)
    return look(path) if path is not None else Seen(literal_of(node))


def _truth(condition: Condition, node: ast.expr, look: Look) -> bool:
    match node:
        case ast.BoolOp(op=ast.And(), values=parts):
            return all(_truth(condition, part, look) for part in parts)
        case ast.BoolOp(values=parts):
            return any(_truth(condition, part, look) for part in parts)
        case ast.UnaryOp(op=ast.Not(), operand=part):
            return not _truth(condition, part, look)
        case ast.Compare(left=left, ops=signs, comparators=others):
            sides = [left, *others]
            return all(
                _compare(condition, SIGNS[type(sign)], _operand(condition, one, look), _operand(condition, other, look))
                for one, sign, other in zip(sides, signs, others, strict=False)
            )
    value = _seen(node, look).value
    if isinstance(value, bool):
        return value
    if value is ABSENT:
        return False
    raise condition.error(f"`{_spelt(condition, node)}` is {value!r}, neither true nor false", "compare it: == ...")


def _operand(condition: Condition, node: ast.expr, look: Look) -> Seen:
    if dotted(node) is not None or is_literal(node):
        return _seen(node, look)
    return Seen(_truth(condition, node, look))


def _compare(condition: Condition, sign: str, one: Seen, other: Seen) -> bool:
    if sign in ("==", "!="):
        return one.equals(other) is (sign == "==")
    if sign in ("in", "not in"):
        return _contains(condition, other, one) is (sign == "in")
    if ABSENT in (one.value, other.value):
        return False
    return _ordered(condition, sign, one.value, other.value)


def _contains(condition: Condition, many: Seen, one: Seen) -> bool:
    values = plain(many.value)
    if values is ABSENT:
        return False
    if not isinstance(values, list):
        hint = 'write `in` with a list, as in model.norm in ["batch", "none"]'
        raise condition.error(f"{values!r} is not a list", hint)
    return any(one.equals(Seen(value)) for value in values)


def _ordered(condition: Condition, sign: str, one: Any, other: Any) -> bool:
    numbers = all(isinstance(side, int | float) and not isinstance(side, bool) for side in (one, other))
    if not numbers:
        raise condition.error(f"{one!r} {sign} {other!r} compares what has no order", "use == or in")
    order: Mapping[str, bool] = {"<": one < other, "<=": one <= other, ">": one > other, ">=": one >= other}
    return order[sign]
