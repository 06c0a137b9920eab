"""Which rules watch a run: all of them, none, some, or all with changes; a file may say any of these."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import BeforeValidator

from lab.errors import choose
from lab.spec.rules.rule import RuleSpec

FORMS = "say all, off, a list of rules, or a mapping from rules to changes such as `seesaw: off`"


def house_rules() -> dict[str, type[RuleSpec]]:
    """The rules that `all` stands for: those of the house, in the order of their numbers."""
    members = {kind: RuleSpec.named(kind) for kind in RuleSpec.members}
    own = {kind: rule for kind, rule in members.items() if rule.number}
    return dict(sorted(own.items(), key=lambda item: int(item[1].number[1:])))


def spelled_out(said: Any) -> Any:
    """The rules one by one: a list is those and no others, a mapping is all with changes."""
    if said in ("all", "off"):
        return _all() if said == "all" else []
    if isinstance(said, str):
        raise ValueError(f"'{said}' says no rules; {FORMS}")
    if isinstance(said, Mapping):
        return _changed(said)
    if isinstance(said, Sequence):
        return _listed([{"kind": each} if isinstance(each, str) else each for each in said])
    return said


def _listed(said: Sequence[Any]) -> list[Any]:
    """The rules of a list, in which `all` stands for the house's; one that is written out replaces its like there."""
    if {"kind": "all"} not in said:
        return list(said)
    own = [each for each in said if each != {"kind": "all"}]
    written = {each.get("kind") if isinstance(each, Mapping) else getattr(each, "kind", None) for each in own}
    return [*(each for each in _all() if each["kind"] not in written), *own]


def _all() -> list[dict[str, Any]]:
    return [{"kind": kind} for kind in house_rules()]


def _changed(said: Mapping[str, Any]) -> list[Any]:
    """All rules with changes by kind; a rule of a plug-in comes on top."""
    wanted: dict[str, Any] = {each["kind"]: each for each in _all()}
    for kind, change in said.items():
        if change == "off" and kind not in RuleSpec.members:
            raise ValueError(f"there is no rule '{kind}'; {choose(kind, RuleSpec.members)}")
        if change == "off":
            wanted.pop(kind, None)
        elif isinstance(change, Mapping):
            wanted[kind] = {"kind": kind, **change}
        else:
            raise ValueError(f"'{kind}' is neither off nor a mapping of options; {FORMS}")
    return list(wanted.values())


Rules = Annotated[tuple[RuleSpec, ...], BeforeValidator(spelled_out)]
"""The rules of a run, as a file says them."""
