"""Whether the words of a condition can be meant: paths that lead somewhere, values that an option can have."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lab.errors import LabError, choose
from lab.plan.conditions import Condition, dotted, is_literal, literal_of, same


@dataclass(frozen=True)
class Choice:
    """What a path may hold: every value, where they can be listed, the labels of its levels, or a group of options."""

    values: tuple[Any, ...] | None = None
    labels: tuple[str, ...] = ()
    is_group: bool = False


Menu = Mapping[str, Choice]
"""Every path that a condition may name."""


def check_condition(condition: Condition, menu: Menu) -> list[LabError]:
    """What is wrong with the words of a condition; most likely slips of the pen."""
    problems = [_unknown(condition, path, menu) for path in sorted(condition.paths)]
    problems += [_never(condition, path, value, menu) for path, value in _compared(condition.tree)]
    problems += [_untrue(condition, node, menu) for node in _truths(condition.tree)]
    return [problem for problem in problems if problem is not None]


def _unknown(condition: Condition, path: str, menu: Menu) -> LabError | None:
    """A path that leads nowhere, or to no value."""
    if path not in menu:
        if "." not in path:
            return condition.error(f"'{path}' is not an option", f'a word is written in quotes: "{path}"')
        return condition.error(f"there is no option '{path}'", choose(path, _near(path, menu)))
    if menu[path].is_group:
        return condition.error(f"'{path}' is a group of options", choose(path, _near(f"{path}.", menu)))
    return None


def _near(path: str, menu: Iterable[str]) -> list[str]:
    """The options that share the longest known head of the path, else all."""
    head = path
    while "." in head:
        head = head.rsplit(".", 1)[0]
        found = [known for known in menu if known.startswith(f"{head}.")]
        if found:
            return found
    return list(menu)


def _never(condition: Condition, path: str, value: object, menu: Menu) -> LabError | None:
    """A value that the option can never have."""
    choice = menu.get(path)
    if choice is None or choice.values is None:
        return None
    known = (*choice.values, *choice.labels)
    if any(same(value, each) for each in known):
        return None
    return condition.error(f"{path} is never {_word(value)}", choose(_word(value), map(_word, known)))


def _compared(tree: ast.expr) -> Iterator[tuple[str, object]]:
    """Every option with each value it is tested to be."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Compare):
            continue
        for one, sign, other in zip([node.left, *node.comparators], node.ops, node.comparators, strict=False):
            for path, literal in ((dotted(one), other), (dotted(other), one)):
                if path is not None and is_literal(literal):
                    yield from ((path, value) for value in _asked(sign, literal_of(literal)))


def _asked(sign: ast.cmpop, said: object) -> list[object]:
    """The values that a comparison asks for; those that only order have none."""
    if isinstance(sign, ast.In | ast.NotIn) and isinstance(said, list):
        return said
    return [said] if isinstance(sign, ast.Eq | ast.NotEq) else []


def _untrue(condition: Condition, node: ast.expr, menu: Menu) -> LabError | None:
    """An option that is no truth value, standing where only truth values make sense."""
    path = dotted(node)
    values = menu[path].values if path is not None and path in menu else None
    if values is None or set(map(type, values)) <= {bool}:
        return None
    words = ", ".join(map(_word, values))
    return condition.error(f"{path} is neither true nor false", f"compare it with one of {words}")


def _truths(node: ast.expr) -> Iterator[ast.expr]:
    """The parts of a condition that are asked whether they are true."""
    match node:
        case ast.BoolOp(values=parts):
            for part in parts:
                yield from _truths(part)
        case ast.UnaryOp(op=ast.Not(), operand=part):
            yield from _truths(part)
        case ast.Compare():
            return
        case _:
            yield node


def _word(value: object) -> str:
    """A value in the words of a condition."""
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    return str(value)
