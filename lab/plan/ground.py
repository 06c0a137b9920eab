"""The ground that a design stands on: the base, its factors in a fit order, and a view of any changes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import Any

from lab.errors import LabError
from lab.plan.conditions import ABSENT, Condition, Seen, same
from lab.plan.factors import Varied
from lab.plan.options import affects, is_structural, value_at
from lab.spec.change import change
from lab.spec.experiment import Experiment
from lab.spec.spec import Level, plain


class Ground:
    """The base and its factors; tells what holds, what exists and what is shown under any changes."""

    def __init__(self, base: Experiment, factors: Sequence[Varied]) -> None:
        self.base = base
        self.factors = in_order(factors)
        self._linked = {factor.name: factor for factor in factors if factor.is_linked}
        self._labelled = {factor.name: factor for factor in factors if factor.labels and not factor.is_linked}
        self._structural: dict[str, bool] = {}
        self._switched: dict[str, Experiment] = {}

    def reduced(self, changes: Mapping[str, Any]) -> Mapping[str, Any]:
        """The changes without those that change nothing; after a switch of kind, none can be told to be such."""
        if any(map(self._is_structural, changes)):
            return changes
        return {path: value for path, value in changes.items() if not same(value_at(self.base, path), value)}

    def experiment(self, changes: Mapping[str, Any]) -> Experiment:
        """The validated experiment that these changes make of the base."""
        return change(self.base, changes) if changes else self.base

    def exists(self, factor: Varied, changes: Mapping[str, Any]) -> bool:
        """Whether a factor is there under these changes."""
        return factor.when is None or self.holds(factor.when, changes)

    def holds(self, condition: Condition, changes: Mapping[str, Any]) -> bool:
        """Whether a condition holds under these changes, be they valid together or not."""
        frame = self._switch(changes)

        def value(path: str) -> Any:
            return changes[path] if path in changes else value_at(frame, path)

        return condition.holds(lambda path: self._seen(path, value))

    def holds_in(self, condition: Condition, experiment: Experiment) -> bool:
        """Whether a condition holds in a validated experiment."""
        return condition.holds(lambda path: self._seen(path, lambda option: value_at(experiment, option)))

    def levels(self, experiment: Experiment) -> dict[str, Level]:
        """The level of every factor that exists in an experiment, read back from it."""
        shown = {
            factor.name: factor.shown_at({path: value_at(experiment, path) for path in factor.paths})
            for factor in self.factors
            if factor.when is None or self.holds_in(factor.when, experiment)
        }
        return {name: level for name, level in shown.items() if level is not ABSENT}

    def _seen(self, path: str, value: Any) -> Seen:
        if path in self._linked:
            linked = self._linked[path]
            return Seen(linked.shown_at({option: value(option) for option in linked.paths}))
        found = value(path)
        label = self._labelled[path].shown_at({path: found}) if path in self._labelled else ""
        return Seen(plain(found), str(label))

    def _is_structural(self, path: str) -> bool:
        if path not in self._structural:
            self._structural[path] = is_structural(self.base, path)
        return self._structural[path]

    def _switch(self, changes: Mapping[str, Any]) -> Experiment:
        """The base with its groups and kinds switched as these changes say: it decides what options there are."""
        switches = {path: value for path, value in changes.items() if self._is_structural(path)}
        if not switches:
            return self.base
        key = json.dumps(plain(switches), sort_keys=True, default=str)
        if key not in self._switched:
            try:
                self._switched[key] = change(self.base, switches)
            except LabError:
                self._switched[key] = self.base
        return self._switched[key]


def in_order(factors: Sequence[Varied]) -> tuple[Varied, ...]:
    """The factors, each after those that its `when` looks at."""
    named = {factor.name: factor for factor in factors}
    needs = {
        factor.name: [other.name for other in factors if factor.when and _feeds(other, factor.when)]
        for factor in factors
    }
    try:
        return tuple(named[name] for name in TopologicalSorter(needs).static_order())
    except CycleError as error:
        circle: list[str] = error.args[1][::-1]
        when = named[circle[0]].when
        raise LabError(
            f"`when` goes in a circle: {' needs '.join(circle)}",
            where=when.where if when else named[circle[0]].where,
            hint="drop one of these conditions",
        ) from error


def _feeds(factor: Varied, condition: Condition) -> bool:
    return factor.name in condition.paths or any(affects(own, path) for own in factor.paths for path in condition.paths)
