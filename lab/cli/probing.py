"""`lab probe`: one trial's readings as a page, or two trials' side by side."""

from __future__ import annotations

import sys
import webbrowser
from collections.abc import Sequence
from pathlib import Path

from lab.analysis.naming import trials_named
from lab.analysis.probed import probed
from lab.cli.reporting import keep
from lab.errors import LabError
from lab.records.store import Store
from lab.report.probe_page.page import probe_page
from lab.report.probe_page.words import sentences, unfinished, wrong


def probe_trials(store: Store, words: Sequence[str], *, out: Path | None, opens: bool) -> int:
    """Write the page of one trial or of two, say how they are, and open it where that is asked for."""
    named = trials_named(store, words)
    if not 1 <= len(named) <= 2:
        told = f"{len(named)} trials were named" if named else "no trial was named"
        raise LabError(told, hint="lab probe TRIAL, or lab probe TRIAL OTHER; a trial may be STUDY CELL SEED too")
    sides = [probed(store, each) for each in named]
    for side in sides:
        said = [each for each in (unfinished(side), wrong(side), *sentences(side)) if each]
        sys.stdout.write(f"{side.trial} ({side.label or side.study}, seed {side.seed}): {side.health}\n")
        sys.stdout.writelines(f"  {each}\n" for each in said)
    name = f"probe-{'-against-'.join(side.trial for side in sides)}.html"
    place = keep(store, name, probe_page(store, sides).encode(), out)
    sys.stdout.write(f"wrote {place}\n")
    if opens:
        webbrowser.open(place if "://" in place else Path(place).resolve().as_uri())
    return 0
