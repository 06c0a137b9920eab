"""`lab show psbm_links --table`: the best possible scores on the presets of the block model, and a picture of them."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path

from lab.exact.block_ceilings import SIGHTS, ceilings, degrees_alone
from lab.exact.block_process import PRESETS
from lab.spec.datasets import PsbmLinks
from lab.spec.tables import Table, render

BEST = ("preset", "AUC", "AP", "F1", "NLL")
SAYS_BEST = "Of a forecast of the next frame from a window of {} frames, pairs off the diagonal."
LESS = ("preset", "past", "ones, comm.", "ones", "last, comm.", "last", "comm.", "row deg.", "both deg.")
SAYS_LESS = (
    "The best AUC of a forecast that sees the pair's own history, how many ones it has, its last frame, the community "
    "relation, or, by simulation, the last degree of one node or of both."
)


def show_ceilings(*, picture: Path | None, as_json: bool) -> int:
    """Print the table of presets, or draw it."""
    window = PsbmLinks().window
    told = {name: ceilings(process, window) for name, process in PRESETS.items()}
    degrees = {name: degrees_alone(process) for name, process in PRESETS.items()}
    if picture is not None:
        from lab.report.ceilings_page import page

        picture.parent.mkdir(parents=True, exist_ok=True)
        picture.write_text(page(told, degrees, window), encoding="utf-8")
        sys.stderr.write(f"wrote {picture}\n")
    if as_json:
        rows = {
            name: {"law": asdict(process), **{sight: asdict(told[name][sight]) for sight in SIGHTS}, **degrees[name]}
            for name, process in PRESETS.items()
        }
        sys.stdout.write(json.dumps({"window": window, "presets": rows}, indent=1) + "\n")
        return 0
    best, less = [], []
    for name in PRESETS:
        full, *others = (told[name][sight] for sight in SIGHTS)
        best.append((name, *_numbers(full.auc, full.ap, full.f1, full.nll)))
        less.append((name, *_numbers(*(each.auc for each in others), *degrees[name].values())))
    render(
        (
            Table("best possible scores of psbm_links", SAYS_BEST.format(window), BEST, tuple(best)),
            Table("best possible AUC of psbm_links by what is seen", SAYS_LESS, LESS, tuple(less)),
        )
    )
    return 0


def _numbers(*values: float) -> tuple[str, ...]:
    return tuple(f"{value:.3f}" for value in values)
