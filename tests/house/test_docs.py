"""The pages that are made from the types are true, and every link between pages leads somewhere."""

import re
from pathlib import Path

import pytest

from lab.records.rules.page import rules_page
from lab.spec.rules import house_rules
from lab.spec.tables import markdown_reference

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / name for name in ("README.md", "CONTRIBUTING.md")] + sorted((ROOT / "docs").rglob("*.md"))


def test_the_reference_is_what_the_types_say():
    assert (ROOT / "docs/reference.md").read_text() == markdown_reference(), "run: python docs/make_reference.py"


def test_the_page_on_rules_is_what_the_rules_say_and_each_says_all_of_it():
    assert (ROOT / "docs/rules.md").read_text() == rules_page(), "run: python docs/make_rules.py"
    told = {kind: (rule.__doc__, rule.why, rule.means, rule.remedy) for kind, rule in house_rules().items()}
    silent = [kind for kind, parts in told.items() if not all(parts)]
    assert silent == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_of_a_page_leads_to_a_file(page):
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text())
    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", [ROOT / "docs/files.md", ROOT / "README.md"], ids=lambda page: page.name)
def test_every_command_of_a_page_is_a_verb(page):
    from lab.cli.app import app

    verbs = set(re.findall(r"(?:`|\n|: )lab ([a-z]+)\b", page.read_text()))
    assert verbs <= set(app)
