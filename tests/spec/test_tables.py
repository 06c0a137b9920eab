"""What can be said is shown from the types, and no word of it is missing."""

import json

import pytest

from lab.errors import LabError
from lab.spec.experiment import Experiment, Training
from lab.spec.models import ModelSpec
from lab.spec.spec import fields_of
from lab.spec.study import Study
from lab.spec.tables import FAMILIES, markdown_reference, names, print_show, show


@pytest.mark.parametrize("name", names())
def test_everything_that_has_a_name_is_shown(name, capsys):
    assert print_show(name) == 0
    printed = capsys.readouterr().out
    assert all(row[0] in printed for table in show(name) for row in table.rows)
    print_show(name, as_json=True)
    assert [table["title"] for table in json.loads(capsys.readouterr().out)] == [table.title for table in show(name)]


def test_a_kind_shows_each_option_with_choices_default_and_off_level():
    (table,) = show("gin")
    rows = {row[0]: row[1:] for row in table.rows}
    assert rows["mlp_norm"] == ("batch | none", "batch", "none", "Batch norm inside the MLP, before its ReLU.")
    assert rows["layers"][:2] == ("whole number, from 1 to 64", "4")


def test_an_option_shows_each_choice():
    (table,) = show("gin.jumping")
    assert table.rows == (("last", "default", ""), ("sum", "", ""), ("readouts", "", ""))
    assert show("graph_transformer.positional.bias")[0].rows[1] == ("false", "", "off")


@pytest.mark.parametrize(
    ("name", "told"),
    [("gni", "did you mean 'gin'"), ("gin.nrom", "no option 'nrom'"), ("gin.layer", "mean 'layers'"), ("", "gin")],
)  # fmt: skip
def test_an_unknown_name_is_told_with_the_nearest(name, told):
    with pytest.raises(LabError, match=told):
        show(name)


def test_the_reference_page_has_every_word_of_both_files():
    page = markdown_reference()
    specs = [
        Study,
        Experiment,
        Training,
        *(member for family in FAMILIES.values() for member in family.members.values()),
    ]
    missing = [
        (spec.__name__, name) for spec in specs for name, _ in fields_of(spec) if f"| {name.rsplit('.')[0]}" not in page
    ]
    assert [each for each in missing if each[1] != "kind"] == []
    assert all(f"### model {kind}" in page for kind in ModelSpec.members)


def test_every_option_says_what_it_means():
    silent = [(table.title, row[0]) for table in show("study") + show("training") for row in table.rows if not row[-1]]
    assert silent == []
