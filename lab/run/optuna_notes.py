"""What the Optuna dashboard shows of a study beside its trials: a note and figures, written when they have changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import optuna

from lab.records.store import Store
from lab.run.opening import home_of
from lab.run.optuna_storage import answering, open_storage
from lab.spec.spec import digest

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

SHOWN = "lab.report"
"""The attribute that tells which report the dashboard shows."""


def show_note(store: Store, study: str, note: str, figures: Mapping[str, Figure]) -> bool:
    """Put a note and figures on a study's page of the dashboard; whether there was anything to do."""
    from optuna_dashboard import save_note, save_plotly_graph_object

    with answering():
        storage = open_storage(home_of(store))
        if study not in optuna.get_all_study_names(storage):
            return False
        found = optuna.load_study(study_name=study, storage=storage)
        drawn = {name: figure.to_json() for name, figure in figures.items()}
        current = digest([note, drawn])
        if found.user_attrs.get(SHOWN) == current:
            return False
        save_note(found, note)
        for name, figure in figures.items():
            save_plotly_graph_object(found, figure, graph_object_id=f"lab-{name}")
        found.set_user_attr(SHOWN, current)
    return True
