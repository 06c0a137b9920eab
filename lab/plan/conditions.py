"""The conditions of a study file (`when`, `forbid`): comparisons of options, read and judged without Python's eval."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lab.errors import LabError, Place, choose
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
class Choice:
    """What a path may hold: every value, as far as they can be listed, and what the path is."""

    values: tuple[Any, ...] | None = None
    labels: tuple[str, ...] = ()
    is_group: bool = False


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
        return LabError(f"{what} (in `{self.text}`)", where=self.where, hint=hint)


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


def check_condition(condition: Condition, menu: Mapping[str, Choice]) -> list[LabError]:
    """What is wrong with the words of a condition, given everything that its paths may be and hold."""
    problems = [_unknown(condition, path, menu) for path in sorted(condition.paths)]
    problems += [_impossible(condition, node, menu) for node in ast.walk(condition.tree)]
    problems += [_untrue(condition, node, menu) for node in _truths(condition.tree)]
    return [problem for problem in problems if problem is not None]


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
    if dotted(node) is not None or _is_literal(node):
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
    return ast.get_source_segment(condition.text, node) or type(node).__name__


def _is_literal(node: ast.expr) -> bool:
    match node:
        case ast.Constant(value=value):
            return value is None or isinstance(value, bool | int | float | str)
        case ast.Name(id=word):
            return word in WORDS
        case ast.UnaryOp(op=ast.USub() | ast.UAdd(), operand=ast.Constant(value=value)):
            return isinstance(value, int | float) and not isinstance(value, bool)
        case ast.List(elts=parts) | ast.Tuple(elts=parts):
            return all(_is_literal(part) for part in parts)
    return False


def _literal(node: ast.expr) -> object:
    match node:
        case ast.Constant(value=value):
            return value
        case ast.Name(id=word):
            return WORDS[word]
        case ast.UnaryOp(op=sign, operand=ast.Constant(value=int() | float() as value)):
            return -value if isinstance(sign, ast.USub) else value
        case ast.List(elts=parts) | ast.Tuple(elts=parts):
            return [_literal(part) for part in parts]
    raise TypeError(f"{ast.dump(node)} was let through as a literal")


def _seen(node: ast.expr, look: Look) -> Seen:
    path = dotted(node)
    return look(path) if path is not None else Seen(_literal(node))


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
    if dotted(node) is not None or _is_literal(node):
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


def _unknown(condition: Condition, path: str, menu: Mapping[str, Choice]) -> LabError | None:
    if path not in menu:
        if "." not in path:
            return condition.error(f"'{path}' is not an option", f'a word is written in quotes: "{path}"')
        return condition.error(f"there is no option '{path}'", choose(path, _near(path, menu)))
    if menu[path].is_group:
        return condition.error(f"'{path}' is a group of options", choose(path, _near(f"{path}.", menu)))
    return None


def _near(path: str, menu: Iterable[str]) -> list[str]:
    """The options that share the path's longest known head, else all."""
    head = path
    while "." in head:
        head = head.rsplit(".", 1)[0]
        found = [known for known in menu if known.startswith(f"{head}.")]
        if found:
            return found
    return list(menu)


def _impossible(condition: Condition, node: ast.AST, menu: Mapping[str, Choice]) -> LabError | None:
    """A comparison with a word that the option can never be: most likely a slip of the pen."""
    if not isinstance(node, ast.Compare):
        return None
    sides = [node.left, *node.comparators]
    for one, sign, other in zip(sides, node.ops, sides[1:], strict=False):
        for path, literal in ((dotted(one), other), (dotted(other), one)):
            choice = menu.get(path) if path is not None else None
            if choice is None or choice.values is None or not _is_literal(literal):
                continue
            said = _literal(literal)
            many: Any = said if isinstance(sign, ast.In | ast.NotIn) and isinstance(said, list) else [said]
            known = (*choice.values, *choice.labels)
            for value in many:
                if isinstance(sign, ast.Eq | ast.NotEq | ast.In | ast.NotIn) and not any(
                    same(value, each) for each in known
                ):
                    return condition.error(f"{path} is never {_word(value)}", choose(value, map(_word, known)))
    return None


def _untrue(condition: Condition, node: ast.expr, menu: Mapping[str, Choice]) -> LabError | None:
    """An option that is no truth value standing where only truth values make sense."""
    path = dotted(node)
    values = menu[path].values if path is not None and path in menu else None
    if values is None or set(map(type, values)) <= {bool}:
        return None
    return condition.error(
        f"{path} is neither true nor false", f"compare it with one of {', '.join(map(_word, values))}"
    )


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
    spelt: dict[Any, str] = {True: "true", False: "false", None: "null"}
    return spelt[value] if isinstance(value, bool) or value is None else str(value)
