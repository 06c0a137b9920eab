"""The verbs that look at single steps of a trial: `lab replay`, `lab diff`, `lab movie`, `lab mark`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from lab.cli.options import STORE, AsJson, OutFile, StorePath

Anyway = Annotated[
    bool, Parameter(negative=(), help="Go on where code, data or machine are not what they were; exact is off then.")
]


def replay(
    trial: Annotated[
        tuple[str, ...], Parameter(help="A trial's id or its beginning, or STUDY CELL SEED.", negative=())
    ],
    /,
    *,
    step: Annotated[
        int | None, Parameter(help="The step to look at, from 0; the marked one or the alert's if left out.")
    ] = None,
    lr: Annotated[float | None, Parameter(help="Also tell what would have happened at this learning rate.")] = None,
    anyway: Anyway = False,
    format: Annotated[
        Literal["text", "json", "html", "parquet"], Parameter(help="Another form: page, JSON, or the tensors as data.")
    ] = "text",
    out: OutFile = None,
    store: StorePath = STORE,
) -> int:
    """Take one step of a trial once more and apart: every tensor, the first abnormal one, and what is to blame.

    Starts from the nearest snapshot that the trial's flight recorder has kept, or from the start of the trial, in a
    fresh process, and says whether the replay is exact. The step is then tried without the suspect graph, in float64,
    and with another learning rate.
    """
    from lab.cli.replaying import Asked, replay_trial
    from lab.records.store import Store

    return replay_trial(Store(store), trial, Asked(step, lr, anyway, format, out))


def diff(
    trials: Annotated[
        tuple[str, ...], Parameter(help="Two trials, each by its id or as STUDY CELL SEED.", negative=())
    ],
    /,
    *,
    steps: Annotated[int, Parameter(help="Steps to compare before they count as the same.")] = 20,
    store: StorePath = STORE,
    json: AsJson = False,
) -> int:
    """Run two trials side by side with one seed, and tell the first step, module and tensor at which they part.

    Says which of the options that differ makes them part there; trials that stay bit-identical are told as a no-op.
    """
    from lab.cli.replaying import diff_trials
    from lab.records.store import Store

    return diff_trials(Store(store), trials, steps=steps, as_json=json)


def movie(
    trial: Annotated[
        tuple[str, ...], Parameter(help="A trial's id or its beginning, or STUDY CELL SEED.", negative=())
    ],
    /,
    *,
    windows: Annotated[int, Parameter(help="Windows of the test split to film, evenly spread.")] = 3,
    anyway: Anyway = False,
    out: Annotated[Path | None, Parameter(help="Write the files to this folder instead of the store's.")] = None,
    store: StorePath = STORE,
) -> int:
    """Film what a trial attends to: over the frames of a window, and over the epochs of its training.

    The trial is trained again from its start in a fresh process, and held against its record on the way. Leaves a page
    with films to play, GIFs, and all weights as a NumPy archive.
    """
    from lab.cli.filming import film_trial
    from lab.records.store import Store

    return film_trial(Store(store), trial, windows=windows, anyway=anyway, out=out)


def mark(
    trial: Annotated[
        tuple[str, ...], Parameter(help="A trial's id or its beginning, or STUDY CELL SEED.", negative=())
    ],
    /,
    *,
    step: Annotated[int | None, Parameter(help="The step to remember; the present one of a running trial.")] = None,
    note: Annotated[str, Parameter(help="Why it is worth a look.")] = "",
    store: StorePath = STORE,
) -> int:
    """Have a running trial keep its last steps for a replay, or remember a step of one that has ended."""
    from lab.cli.replaying import mark_trial
    from lab.records.store import Store

    return mark_trial(Store(store), trial, step=step, note=note)
