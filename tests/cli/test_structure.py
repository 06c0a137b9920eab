"""`lab show pyramid --table` prints the exact table, shows the trap of floats, and draws both."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lab.__main__ import main
from lab.cli.structure import show_structure
from lab.errors import LabError


def test_the_table_is_printed_with_every_digit(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "pyramid", "--table", "--base", "10", "--field", "4", "--field", "9"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["10", "4", "55", "118", "1", "72", "0.5834710743801652"] in lines
    assert ["10", "9", "55", "417", "0", "0", "1.0"] in lines


def test_without_bases_and_fields_it_has_all_twenty_rows(capsys: pytest.CaptureFixture[str]) -> None:
    show_structure("pyramid", bases=(10, 20), fields=(), float32=False, picture=None, as_json=True)
    told = json.loads(capsys.readouterr().out)
    assert [(row["base"], row["field"]) for row in told] == [(b, f) for b in (10, 20) for f in (1, 2, 4, 9, 19)]
    assert told[8] == {
        "base": 20,
        "field": 9,
        "nodes": 210,
        "kinds": 1107,
        "ambiguous": 1,
        "ambiguous_pairs": 540,
        "share": 0.6333333333333333,
    }


def test_floats_are_told_beside_the_exact_counts(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "pyramid", "--table", "--float32", "--base", "10", "--field", "19"]) == 0
    (row,) = [line.split() for line in capsys.readouterr().out.splitlines() if line.split()[:2] == ["10", "19"]]
    assert row[2] == "417"
    assert int(row[3]) > 2900
    assert int(row[4]) == int(row[3]) + 1


def test_the_picture_is_one_file_that_needs_no_network(tmp_path: Path) -> None:
    file = tmp_path / "of" / "pyramid.html"
    show_structure("pyramid", bases=(5,), fields=(3,), float32=False, picture=file, as_json=True)
    text = file.read_text()
    assert "receptive field" in text
    assert "Content-Security-Policy" in text
    assert 'src="http' not in text


@pytest.mark.parametrize(
    ("name", "bases", "fields", "told"),
    [("gin", (), (), "no table"), ("pyramid", (1,), (), "--base 1"), ("pyramid", (), (99,), "--field 99")],
)
def test_what_has_no_table_is_told(name: str, bases: tuple[int, ...], fields: tuple[int, ...], told: str) -> None:
    with pytest.raises(LabError, match=told):
        show_structure(name, bases=bases, fields=fields, float32=False, picture=None, as_json=False)


def test_plain_show_still_tells_the_options(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "pyramid"]) == 0
    assert "valid_base" in capsys.readouterr().out
