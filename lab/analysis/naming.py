"""Which trial a person means: its id, the beginning of its id, or a study with a cell and a seed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lab.analysis.outline import Outline, shown
from lab.errors import LabError, choose
from lab.records.store import Store

BASE = ("base", "the base", "reference")
"""Words for the cell that a study's effects are differences to."""
MOST_TOLD = 6
"""Trials that a mistake lists."""


@dataclass(frozen=True)
class Named:
    """A trial and the study it was found in."""

    trial: str
    study: str


def trials_named(store: Store, words: Sequence[str]) -> tuple[Named, ...]:
    """The trials that words on a command line stand for, one each, or three (study, cell, seed) for one."""
    return tuple(
        _of_study(store, *said) if len(said) == 3 else _of_id(store, said[0]) for said in _parted(store, words)
    )


def _parted(store: Store, words: Sequence[str]) -> Iterator[Sequence[str]]:
    """Three words at a time where the first is a study and the third a seed, else one."""
    studies = frozenset(store.studies())
    left = list(words)
    while left:
        quoted = left[0].split()
        if len(quoted) > 2 and quoted[0] in studies and quoted[-1].isdigit():
            yield quoted[0], " ".join(quoted[1:-1]), quoted[-1]
            left = left[1:]
        elif len(left) > 2 and left[2].isdigit() and not re.fullmatch(r"[0-9a-f]{4,}-\d+(r\d+)?", left[0]):
            yield left[:3]
            left = left[3:]
        else:
            yield left[:1]
            left = left[1:]


def _of_study(store: Store, study: str, cell: str, seed: str) -> Named:
    outline = Outline.of(store.read_plan(study))
    trial = f"{cell_named(outline, cell)}-{int(seed)}"
    known = dict.fromkeys([*outline.trials, *store.trials(study)])
    if trial not in known:
        own = [each for each in known if each.startswith(trial.partition("-")[0])]
        seeds = ", ".join(sorted((each.partition("-")[2] for each in own), key=lambda word: (len(word), word)))
        raise LabError(f"study '{study}' has no seed {seed} of that cell", hint=f"its seeds are {seeds or 'none'}")
    return Named(trial, study)


def _of_id(store: Store, word: str) -> Named:
    known = {trial: name for name in store.studies() for trial in _trials(store, name)}
    if word in known:
        return Named(word, known[word])
    meant = [trial for trial in known if trial.startswith(word)] if word else []
    if len(meant) > 1:
        ran = store.find(meant)
        meant = [trial for trial in meant if trial in ran] if len(ran) == 1 else meant
    if len(meant) == 1:
        return Named(meant[0], known[meant[0]])
    if meant:
        listed = ", ".join(sorted(meant)[:MOST_TOLD]) + (", ..." if len(meant) > MOST_TOLD else "")
        raise LabError(f"'{word}' is the beginning of {len(meant)} trials", hint=f"say more of it: {listed}")
    mend = choose(word, known, limit=MOST_TOLD) if known else "run a study first: lab run studies/norm_ablation.yaml"
    if word in store.studies():
        mend = f"of a study, name the cell and the seed too: {word} base 0"
    raise LabError(f"the store {store} knows no trial '{word}'", hint=mend)


def _trials(store: Store, study: str) -> Sequence[str]:
    """Trials that are planned or have a record; a study whose plan is broken still has its records."""
    try:
        planned = Outline.of(store.read_plan(study)).trials
    except (LabError, KeyError, TypeError):
        planned = ()
    return list(dict.fromkeys([*planned, *store.trials(study)]))


def cell_named(outline: Outline, term: str) -> str:
    """The cell a term stands for: its label, levels such as `norm=batch,depth=4`, its id's beginning, or `base`."""
    plain = " ".join(term.split())
    if plain.lower() in BASE and outline.reference in outline.cells:
        return outline.reference
    told = {cell: {outline.told(cell), planned.label} for cell, planned in outline.cells.items()}
    exact = [cell for cell, labels in told.items() if plain.lower() in {label.lower() for label in labels}]
    if len(exact) == 1:
        return exact[0]
    meant = _by_levels(outline, plain) or [cell for cell in told if cell.startswith(plain)]
    if len(meant) == 1:
        return meant[0]
    labels = [outline.told(cell) for cell in (meant or outline.cells)]
    if meant:
        listed = "; ".join(labels[:MOST_TOLD])
        raise LabError(f"'{term}' fits {len(meant)} cells of study '{outline.name}'", hint=f"say more of it: {listed}")
    raise LabError(f"study '{outline.name}' has no cell '{term}'", hint=choose(term, labels))


def _by_levels(outline: Outline, term: str) -> list[str]:
    """The cells that have these levels; of several, the one that leaves all else as the base has it."""
    wanted = [part.partition("=")[::2] for part in re.split(r",\s*(?=[\w.]+=)|\s+(?=[\w.]+=)", term)]
    if not all(key and level for key, level in wanted):
        return []
    asked = {key.strip(): level.strip() for key, level in wanted}
    found = []
    for cell, planned in outline.cells.items():
        levels = {key: shown(level) for key, level in planned.levels.items()}
        keys = {word: [key for key in levels if key == word or key.endswith(f".{word}")] for word in asked}
        if all(any(levels[key] == asked[word] for key in keys[word]) for word in asked):
            rest = set(levels) - {key for told in keys.values() for key in told}
            is_bare = all(planned.levels[key] == outline.base.get(key, planned.levels[key]) for key in rest)
            found.append((cell, is_bare))
    bare = [cell for cell, is_bare in found if is_bare]
    return bare if len(bare) == 1 else [cell for cell, _ in found]
