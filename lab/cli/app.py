"""The verbs of `lab`, each a few lines. Heavy imports stay inside the verb that needs them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from lab import __version__
from lab.cli import steps
from lab.cli.options import STORE, AsJson, OutFile, Plugins, ProfileName, ReportForm, StorePath, StudyPath
from lab.errors import LabError

if TYPE_CHECKING:
    from lab.plan.plan import Plan
    from lab.records.store import Store

app = App(
    name="lab",
    version=__version__,
    help="""Ablations for graph neural networks: a question in a file, measured effects in return.

    A study file names one base experiment and what varies around it. `lab check` reads it, `lab plan` says what
    it will cost and what it can show, `lab run` trains every cell, `lab report` says what is known, `lab ui` opens
    the MLflow UI and the Optuna dashboard over the results.
    """,
    help_epilogue="Start with: lab run studies/norm_ablation.yaml --profile quick",
    help_format="markdown",
)

for verb in (steps.replay, steps.diff, steps.movie, steps.mark):
    app.command(verb)


@app.command
def check(
    files: Annotated[tuple[Path, ...], Parameter(negative=())] = (),
    /,
    *,
    build: Annotated[bool, Parameter(negative=())] = False,
    json: AsJson = False,
) -> int:
    """Check study and experiment files, every profile of them; all mistakes are told at once.

    Without files, everything in experiments/ and studies/ is checked. Nothing heavy is loaded unless `--build`.

    Args:
        files: Study and experiment files.
        build: Also build every cell and take one step of it, which finds no-op factors and models that do not run.
        json: Answer as JSON, for a script.
    """
    from lab.cli.checking import check_files

    return check_files(files or _all_files(), build=build, as_json=json)


@app.command
def plan(
    file: StudyPath,
    /,
    *,
    profile: ProfileName = None,
    time: Annotated[bool, Parameter(help="Measure the first steps of cells no record tells the cost of.")] = True,
    lock: Annotated[
        Path | None,
        Parameter(help="Also write the resolved cells and their ids to this file, for review in git."),
    ] = None,
    store: StorePath = STORE,
    json: AsJson = False,
) -> int:
    """Say what a run would do: cells, trials, cost, what is in the store already, the smallest visible effect."""
    from lab.cli.planning import show_plan

    return show_plan(file, profile=profile, timed=time, lock=lock, store=_store(store), as_json=json)


@app.command
def run(
    file: StudyPath,
    /,
    *,
    profile: ProfileName = None,
    jobs: Annotated[
        int | None,
        Parameter(name=["--jobs", "-j"], help="Trials at a time; as many as cores (or GPU slots) if left out."),
    ] = None,
    retry_failed: Annotated[bool, Parameter(negative=(), help="Take up failed trials again.")] = False,
    until_decided: Annotated[
        bool, Parameter(negative=(), help="Add seeds, for undecided claims only, until each claim has a verdict.")
    ] = False,
    max_seeds: Annotated[
        int | None, Parameter(help="The most seeds of a cell then; twice the planned ones if left out.")
    ] = None,
    smoke: Annotated[
        bool,
        Parameter(negative=(), help="Two steps of every cell on the CPU instead of the study; keeps nothing."),
    ] = False,
    store: StorePath = STORE,
    json: AsJson = False,
) -> int:
    """Run a study, or what is left of it: the same command again goes on where the last one ended.

    Finished trials are never run twice, also when several `lab run` work on one study at once. Ctrl-C ends cleanly.
    Exit code 0: everything is in; 1: a trial failed or the study was stopped; 2: a mistake in a file or an option;
    130: Ctrl-C.
    """
    if smoke:
        from lab.cli.checking import smoke_file

        return smoke_file(file, profile=profile)
    from lab.cli.running import Manner, run_study

    manner = Manner(jobs, retry_failed, until_decided, max_seeds, json)
    return run_study(_plan(file, profile), _store(store), manner)


@app.command
def status(
    study: Annotated[
        str | None, Parameter(help="A study's name or file; every study of the store if left out.")
    ] = None,
    /,
    *,
    profile: ProfileName = None,
    store: StorePath = STORE,
    json: AsJson = False,
) -> int:
    """Say how far studies are: trials done, running, failed and pending."""
    from lab.report.status import show_status

    return show_status(_store(store), _name(study, profile) if study else None, as_json=json)


@app.command
def report(
    studies: Annotated[
        tuple[str, ...], Parameter(help="Studies' names or files; several share one page.", negative=())
    ],
    /,
    *,
    profile: ProfileName = None,
    format: ReportForm = None,
    out: OutFile = None,
    store: StorePath = STORE,
    json: AsJson = False,
) -> int:
    """Print what studies say, score by cell with n, mean and interval, and keep their page in the store's reports/.

    The best is marked only where the seeds can tell. With `--format` or `--out`, that form is written instead.
    """
    from lab.cli.reporting import report_studies

    names = [_name(study, profile) for study in studies]
    return report_studies(_store(store), names, form=format, out=out, as_json=json)


@app.command
def compare(
    first: Annotated[str, Parameter(help="A study's name or file.")],
    second: Annotated[str, Parameter(help="The study that is held against it.")],
    /,
    *,
    profile: ProfileName = None,
    first_store: Annotated[
        str | None, Parameter(help="Where the first one's records are, if not with the second one's.")
    ] = None,
    format: ReportForm = None,
    out: OutFile = None,
    store: StorePath = STORE,
    json: AsJson = False,
) -> int:
    """Hold two studies of the same factors against one another: two versions of code, or two data sets.

    Cells are matched by their levels and compared seed by seed; effects are compared too.
    """
    from lab.cli.reporting import compare_studies

    sides = [
        (_store(place), _name(study, profile)) for place, study in ((first_store or store, first), (store, second))
    ]
    return compare_studies(sides[0], sides[1], form=format, out=out, as_json=json)


@app.command
def probe(
    trials: Annotated[
        tuple[str, ...],
        Parameter(help="A trial's id or its beginning, or STUDY CELL SEED; then the other's.", negative=()),
    ],
    /,
    *,
    out: OutFile = None,
    open: Annotated[bool, Parameter(negative=(), help="Open the page in the browser.")] = False,
    store: StorePath = STORE,
) -> int:
    """Look into one trial: gradients, activations, attention and classes over time, and what rules found, as a page.

    Two trials are shown side by side on shared scales, with a map of how they differ. A trial under way is shown as
    far as its last checkpoint goes. CELL is a label, levels such as `norm=batch,depth=4`, or `base`.
    """
    from lab.cli.probing import probe_trials

    return probe_trials(_store(store), trials, out=out, opens=open)


@app.command
def publish(
    study: Annotated[
        str | None, Parameter(help="A study's name or file; every study of the store if left out.")
    ] = None,
    /,
    *,
    profile: ProfileName = None,
    store: StorePath = STORE,
    json: AsJson = False,
) -> int:
    """Bring MLflow up to date with the records, without duplicates."""
    from lab.cli.publishing import publish_studies

    return publish_studies(_store(store), _name(study, profile) if study else None, as_json=json)


@app.command
def show(
    name: Annotated[
        str,
        Parameter(help="models, datasets, tasks, probes, rules, training, study; or one of them, such as gin."),
    ] = "models",
    /,
    *,
    table: Annotated[
        bool,
        Parameter(
            negative=(),
            help="Instead of the options, an exact table: of pyramid its walk vectors, of psbm_links its ceilings.",
        ),
    ] = False,
    base: Annotated[tuple[int, ...], Parameter(negative=(), help="Bases of that table; 10, 20, 30 and 50.")] = (),
    field: Annotated[tuple[int, ...], Parameter(negative=(), help="Largest powers of it; 1, 2, 4, 9 and 19.")] = (),
    float32: Annotated[
        bool, Parameter(negative=(), help="Compare floats in that table, to see what rounding does.")
    ] = False,
    picture: Annotated[Path | None, Parameter(help="Draw that table to this HTML file.")] = None,
    plugin: Plugins = (),
    json: AsJson = False,
) -> int:
    """Show what there is to choose from: models, datasets, tasks, probes, rules, with their options and choices."""
    if name == "psbm_links" and (table or picture):
        from lab.cli.ceilings import show_ceilings

        return show_ceilings(picture=picture, as_json=json)
    if table or picture or base or field or float32:
        from lab.cli.structure import show_structure

        return show_structure(name, bases=base, fields=field, float32=float32, picture=picture, as_json=json)
    from lab.spec.plugins import load_plugins
    from lab.spec.tables import print_show

    load_plugins(plugin, Path())
    return print_show(name, as_json=json)


@app.command
def schema(
    folder: Annotated[Path, Parameter(help="Where to write the two files.")] = Path(),
    /,
    *,
    plugin: Plugins = (),
) -> int:
    """Write the JSON Schemas of experiment and study files, which let an editor complete and check them."""
    from lab.spec.plugins import load_plugins
    from lab.spec.tables import write_schemas

    load_plugins(plugin, Path())
    for path in write_schemas(folder):
        _say(f"wrote {path}")
    return 0


@app.command
def ui(
    *,
    mlflow_port: Annotated[int | None, Parameter(help="Port of the MLflow UI; 5000 or a free one.")] = None,
    optuna_port: Annotated[int | None, Parameter(help="Port of the Optuna dashboard; 8080 or a free one.")] = None,
    store: StorePath = STORE,
) -> int:
    """Start the MLflow UI and the Optuna dashboard on 127.0.0.1 over this project's stores; Ctrl-C ends both."""
    from lab.run.ui import serve

    return serve(store, mlflow_port=mlflow_port, optuna_port=optuna_port)


def _plan(file: Path, profile: str | None) -> Plan:
    from lab.cli.planning import read_plan

    return read_plan(file, profile)


def _store(path: str) -> Store:
    from lab.records.store import Store

    return Store(path)


def _name(study: str, profile: str | None) -> str:
    """A study's name in the store, from its name or its file."""
    if Path(study).suffix not in (".yaml", ".yml"):
        return f"{study}-{profile}" if profile else study
    from lab.cli.planning import read_file

    return read_file(Path(study), profile).name


def _all_files() -> tuple[Path, ...]:
    found = tuple(sorted(file for folder in ("experiments", "studies") for file in Path(folder).rglob("*.yaml")))
    if not found:
        raise LabError(
            "there is nothing to check: no experiments/*.yaml or studies/*.yaml here",
            hint="name the files, or go to the project's folder",
        )
    return found


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
