"""`lab report` and `lab compare`: what studies say, on the terminal, as a file, and where else people look."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from lab.errors import LabError
from lab.records.store import Store
from lab.report.comparison import Compared, compared_data, comparison_bytes, comparison_text
from lab.report.data import report_data
from lab.report.formats import FOLDER, FORMS, Format, file_name, written
from lab.report.gallery import Gallery
from lab.report.report import Report, study_report
from lab.report.text import report_text, terminal
from lab.report.words import brief


def report_studies(
    store: Store, studies: Sequence[str], *, form: Format | None, out: Path | None, as_json: bool
) -> int:
    """Print what studies say and keep their page, or write them in another form."""
    if not studies:
        raise LabError("no study was named", hint=f"the store holds {', '.join(store.studies()) or 'none yet'}")
    reports = [study_report(store, study) for study in studies]
    if form is not None or out is not None:
        form = form or _form_of(out)
        _say(keep(store, file_name(form, reports), written(form, store, reports), out))
    elif as_json:
        told = [report_data(report) for report in reports]
        sys.stdout.write(json.dumps(told[0] if len(told) == 1 else told, indent=1, allow_nan=False) + "\n")
    else:
        show(store, reports)
    return 0


def show(store: Store, reports: Sequence[Report]) -> None:
    """Print reports, then keep their page and say where it is."""
    for report in reports:
        terminal().print(report_text(report))
    warned("the page was not written", lambda: _say(keep_page(store, reports)))


def keep_page(store: Store, reports: Sequence[Report]) -> str:
    """Write the page of some studies into the store and tell where it is."""
    return keep(store, file_name("html", reports), written("html", store, reports), None)


def compare_studies(
    first: tuple[Store, str], second: tuple[Store, str], *, form: Format | None, out: Path | None, as_json: bool
) -> int:
    """Print how two studies differ and keep the page, or write it in another form."""
    compared = Compared(study_report(*first), study_report(*second))
    store = second[0]
    name = f"{first[1]}-against-{second[1]}"
    if form is not None or out is not None:
        form = form or _form_of(out)
        _say(keep(store, f"{name}.{form}", comparison_bytes(form, compared, store), out))
    elif as_json:
        sys.stdout.write(json.dumps(compared_data(compared), indent=1, allow_nan=False) + "\n")
    else:
        terminal().print(comparison_text(compared))
        page = comparison_bytes("html", compared, store)
        warned("the page was not written", lambda: _say(keep(store, f"{name}.html", page, None)))
    return 0


def show_elsewhere(store: Store, report: Report, *, with_mlflow: bool = True) -> None:
    """Bring a study's page, answer and figures to MLflow and to the Optuna dashboard; a failure is a warning."""
    from lab.run.optuna_notes import show_note
    from lab.run.publish import publish_report

    note = brief(report)

    def mlflow() -> None:
        name = report.outline.name
        files = {"report.html": written("html", store, [report]), "report.md": written("md", store, [report])}
        publish_report(store.read_plan(name), store, files, note)

    def optuna() -> None:
        show_note(store, report.outline.name, note, Gallery(store, report).main())

    if with_mlflow:
        warned("MLflow does not show the report", mlflow)
    warned("the Optuna dashboard does not show the report", optuna)


def _form_of(out: Path | None) -> Format:
    """The form that a file's name asks for."""
    ending = out.suffix.removeprefix(".") if out is not None else ""
    found: Format | None = next((form for form in FORMS if form == ending), None)
    if found is None:
        raise LabError(f"--out {out}: no form of a report ends so", hint=f"use --format {'|'.join(FORMS)}")
    return found


def keep(store: Store, name: str, data: bytes, out: Path | None) -> str:
    """Write a file where it was asked for, else into the store, and tell where it is."""
    if out is None:
        folder = store.place.inner(FOLDER)
        folder.write(name, data)
        return f"{folder}/{name}"
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_bytes(data)
    except OSError as error:
        raise LabError(f"cannot write {out}: {error.strerror}", hint="name another file with --out") from error
    return str(out)


def warned(what: str, action: Callable[[], object]) -> None:
    """Do what the records do not depend on."""
    try:
        action()
    except BrokenPipeError:
        raise
    except Exception as error:
        told = f"{error}" if isinstance(error, LabError) else f"{type(error).__name__}: {error}"
        sys.stderr.write(f"warning: {what}: {told.splitlines()[0] if told else ''}\n")


def _say(place: str) -> None:
    sys.stdout.write(f"wrote {place}\n")
