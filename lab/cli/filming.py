"""`lab movie`: a trial trained again in front of a camera, and the files that come of it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from lab.cli.replaying import hear, named_exactly
from lab.cli.reporting import keep
from lab.errors import LabError
from lab.records.store import Store
from lab.report.of_replay import agreement_said
from lab.run.replay_orders import Filming, side_of_record


def film_trial(store: Store, words: Sequence[str], *, windows: int, anyway: bool, out: Path | None) -> int:
    """Film one trial, and write its page, its GIFs and its numbers."""
    from lab.report.film_page import film_gifs, film_page
    from lab.run.replaying import filmed

    if windows < 1:
        raise LabError(f"--windows {windows}: at least one window must be filmed")
    (named,) = named_exactly(store, words, count=1)
    record = store.read(named.trial, study=named.study)
    losses = tuple(record.history.get("train.loss", ())) if record is not None else ()
    if record is None or not losses:
        raise LabError(f"trial {named.trial} has no record of an epoch yet", hint="run its study first")
    readings = store.readings(record.trial, study=record.study)
    film = filmed(Filming(side_of_record(record), windows, readings, losses, anyway), hear)
    sys.stdout.write(f"{agreement_said(film.agreement)}\n")
    files = {f"{name}.gif": data for name, data in film_gifs(film).items()}
    files |= {"weights.npz": film.to_npz(), "page.html": film_page(film).encode()}
    for ending, data in files.items():
        name = f"movie-{film.trial}-{ending}"
        sys.stdout.write(f"wrote {keep(store, name, data, out / name if out else None)}\n")
    return 0
