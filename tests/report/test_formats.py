"""Every form of a report says the same, and what comes from outside breaks none of them."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
from planted import Planted
from planted_page import HOSTILE, full_study

from lab.__main__ import main
from lab.records.store import Store
from lab.report.formats import FORMS, file_name, written
from lab.report.report import Report, study_report
from lab.report.words import brief


def reported(tmp_path: Path, **said: object) -> tuple[Store, list[Report]]:
    store = full_study(tmp_path, **said).store  # type: ignore[arg-type]
    return store, [study_report(store, "planted")]


def test_markdown_has_the_answer_and_every_table(tmp_path):
    text = written("md", *reported(tmp_path)).decode()
    assert text.startswith("# What was planted?\n")
    for title in ("Score by cell", "Effects on", "Interactions", "Where the variance", "Findings"):
        assert re.search(rf"^## {title}", text, re.M)
    tables = re.findall(r"(?:^\|.*\n)+", text, re.M)
    for rows in tables:
        widths = {len(re.findall(r"(?<!\\)\|", row)) for row in rows.splitlines()}
        assert len(widths) == 1


def test_latex_is_a_booktabs_table_with_as_many_columns_in_each_row(tmp_path):
    text = written("tex", *reported(tmp_path)).decode()
    assert text.count(r"\toprule") == text.count(r"\bottomrule") == text.count(r"\begin{table}") > 3
    for table in re.findall(r"\\begin{tabular}.*?\\end{tabular}", text, re.S):
        columns = len(re.search(r"{tabular}{([lr]+)}", table)[1])
        rows = [line for line in table.splitlines() if line.endswith(r"\\")]
        assert {len(re.findall(r"(?<!\\)&", row)) + 1 for row in rows} == {columns}


def test_an_unfinished_study_says_so_in_words_and_captions(tmp_path):
    store, reports = reported(tmp_path, trials=20)
    assert "> **Unfinished: 16 of 36 trials" in written("md", store, reports).decode()
    captions = re.findall(r"\\caption{(.*)}", written("tex", store, reports).decode())
    assert captions
    assert all("16 of 36 trials are not in" in caption for caption in captions)


def test_data_hold_every_trial_with_its_levels(tmp_path):
    store, reports = reported(tmp_path, trials=20)
    table = pd.read_csv(io.BytesIO(written("csv", store, reports)))
    same = pq.read_table(io.BytesIO(written("parquet", store, reports))).to_pandas()
    assert len(table) == len(same) == 36
    assert list(table.columns) == list(same.columns)
    assert (table.status == "missing").sum() == 16
    assert set(same["level.model.depth"]) == {2, 4, 8}
    assert table.score.to_numpy() == pytest.approx(same.score.to_numpy(), nan_ok=True)


def test_levels_of_several_kinds_can_be_kept(tmp_path):
    study = Planted(Store(tmp_path), {"a": [True, "x", [0, 1], 2.5]}, seeds=1)
    reports = [study_report(study.store, "planted")]
    table = pq.read_table(io.BytesIO(written("parquet", study.store, reports))).to_pandas()
    assert list(table["level.a"]) == ["True", "x", "(0, 1)", "2.5"]


def test_a_notebook_is_a_notebook(tmp_path):
    told = json.loads(written("ipynb", *reported(tmp_path)))
    assert (told["nbformat"], told["cells"][0]["source"]) == (4, ["import lab"])
    assert len({cell["id"] for cell in told["cells"]}) == len(told["cells"])
    for cell in told["cells"]:
        assert set(cell) == {"id", "cell_type", "metadata", "source"} | (
            {"execution_count", "outputs"} if cell["cell_type"] == "code" else set()
        )
        if cell["cell_type"] == "code":
            compile("".join(cell["source"]), "cell", "exec")


@pytest.mark.parametrize("form", sorted(FORMS))
def test_hostile_names_break_no_form(tmp_path, form):
    study = Planted(Store(tmp_path), {"a": ["x", HOSTILE + "|\n`$%\\"]}, seeds=2, question=HOSTILE + "|\n`$%\\")
    for cell in study.ids:
        for seed in range(2):
            study.score(cell, seed, 0.5 + 0.1 * seed)
    data = written(form, study.store, [study_report(study.store, "planted")])
    assert data
    if form == "md":
        assert not re.search(rb"<(script|img|b)\b", data)
    if form == "tex":
        assert not re.search(rb"(?<!\\)[$%]", re.sub(rb"^%.*$|\$[-\\a-z^2]+\$", b"", data, flags=re.M))


def test_descriptions_are_short_enough(tmp_path):
    levels = {"a": list(range(40)), "b": [1, 2]}
    study = Planted(Store(tmp_path), levels, seeds=2)  # type: ignore[arg-type]
    for cell in study.ids:
        for seed in range(2):
            study.score(cell, seed, 0.5 + 0.1 * seed)
    assert len(brief(study_report(study.store, "planted"))) <= 5800


def test_files_are_named_after_their_studies(tmp_path):
    _, (report,) = reported(tmp_path, seeds=1)
    assert file_name("html", [report]) == "planted.html"
    assert file_name("md", [report] * 2) == "planted+planted.md"
    assert file_name("csv", [report] * 9) == "planted+8.csv"


# -- the command ---------------------------------------------------------------------------------------------------


def test_a_report_leaves_its_page_in_the_store(tmp_path, capsys):
    full_study(tmp_path, seeds=2)
    assert main(["report", "planted", "--store", str(tmp_path)]) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    place = tmp_path / "reports" / "planted.html"
    assert last == f"wrote {place}"
    assert "What was planted?" in place.read_text()


def test_a_form_goes_where_it_was_asked_for(tmp_path, capsys):
    full_study(tmp_path, seeds=2)
    out = tmp_path / "here" / "table.tex"
    assert main(["report", "planted", "--store", str(tmp_path), "--format", "tex", "--out", str(out)]) == 0
    assert r"\toprule" in out.read_text()
    assert main(["report", "planted", "--store", str(tmp_path), "--out", str(out.with_suffix(".csv"))]) == 0
    assert out.with_suffix(".csv").read_text().startswith("study,trial,")
    assert not (tmp_path / "reports").exists()


def test_a_form_that_nobody_knows_is_refused(tmp_path, capsys):
    full_study(tmp_path, seeds=1)
    assert main(["report", "planted", "--store", str(tmp_path), "--out", "x.docx"]) == 2
    assert "html|md|tex|csv|parquet|ipynb" in capsys.readouterr().err


def test_a_store_that_cannot_be_written_to_still_reports(tmp_path, capsys):
    full_study(tmp_path, seeds=2)
    (tmp_path / "reports").write_text("in the way")
    assert main(["report", "planted", "--store", str(tmp_path)]) == 0
    told = capsys.readouterr()
    assert "Score by cell" in told.out
    assert "warning: the page was not written" in told.err


def test_json_of_several_studies_is_a_list(tmp_path, capsys):
    full_study(tmp_path, seeds=2)
    assert main(["report", "planted", "planted", "--store", str(tmp_path), "--json"]) == 0
    assert [told["study"] for told in json.loads(capsys.readouterr().out)] == ["planted", "planted"]
