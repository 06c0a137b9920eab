"""The options that several verbs share, declared once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

StudyPath = Annotated[Path, Parameter(help="A study file, or an experiment file as a plan of one cell.")]
ProfileName = Annotated[
    str | None, Parameter(name=["--profile", "-p"], help="A profile of the study file, such as quick.")
]
StorePath = Annotated[
    str,
    Parameter(name="--store", env_var="LAB_STORE", help="Where records are kept (or LAB_STORE): a folder or a URL."),
]
AsJson = Annotated[bool, Parameter(name="--json", negative=(), help="Answer as JSON, for a script.")]
Plugins = Annotated[
    tuple[str, ...],
    Parameter(
        name="--plugin", negative=(), help="A Python file that adds to the menus, as under `plugins:` of a file."
    ),
]
ReportForm = Annotated[
    Literal["html", "md", "tex", "csv", "parquet", "ipynb"] | None,
    Parameter(help="Write this form instead: page, Markdown, LaTeX tables, trials as data, or a notebook."),
]
OutFile = Annotated[Path | None, Parameter(help="The file to write; in the store's reports/ if left out.")]
STORE = "mlruns"
