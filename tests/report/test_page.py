"""The page holds all there is to tell, whatever is missing or hostile in it, and asks nobody for anything."""

from __future__ import annotations

import json
import math
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from claimed import asking, claim
from planted import Planted
from planted_page import HOSTILE, LEVELS, full_study, history, origin

from lab.records.store import Store
from lab.report.page import page
from lab.report.report import study_report
from lab.spec.rules import Finding

VOID = {"meta", "br", "img", "link", "input", "hr"}


class Reader(HTMLParser):
    """Checks that elements are closed in order, and keeps what a test asks for."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        self.ids += [value or "" for name, value in attrs if name == "id"]
        self.links += [value or "" for name, value in attrs if name == "href"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def made(store: Store, *studies: str) -> str:
    return page(store, [study_report(store, study) for study in studies or ("planted",)])


def read(html: str) -> Reader:
    reader = Reader()
    reader.feed(html)
    assert reader.open == []
    assert len(set(reader.ids)) == len(reader.ids)
    assert all(link.startswith("#") and link[1:] in reader.ids for link in reader.links)
    return reader


def figures(html: str) -> dict[str, dict]:
    return json.loads(re.search(r'id="figures">(.*?)</script>', html, re.S)[1])


def own(html: str) -> str:
    """The page without the library and the data of its figures."""
    return re.sub(r'<script type="[^"]*" id="(plotly|figures)">.*?</script>', "", html, flags=re.S)


def test_everything_of_a_full_study_is_on_the_page(tmp_path: Path) -> None:
    study = Planted(Store(tmp_path), LEVELS, seeds=6)
    base, other = study.ids[0], study.ids[3]
    said = asking({base: [0.0] * 6}, claim("norm_helps", {other: 1.0, base: -1.0}, say="model.norm: batch > none"))
    html = made(full_study(tmp_path, claims=said.outline()).store)
    read(html)
    shown = own(html)
    for title in ("Claims", "Effects", "Cells", "Interactions", "Learning curves", "Gradient health", "Cost"):
        assert f">{title}</h2>" in shown
    assert ">Failures and findings</h2>" in shown
    for words in ("What was planted?", "norm_helps", "supported", "vanishing", "lab run studies/planted.yaml"):
        assert words in shown
    for words in ("0123456789", "ffffffffffffffff", "question: What was planted?", "degree 0.803", "torch==2.13.0"):
        assert words in shown
    assert 'class="banner"' not in shown
    assert len(html) < 10_000_000


def test_the_page_asks_nobody_for_anything(tmp_path: Path) -> None:
    shown = own(made(full_study(tmp_path, seeds=2).store))
    assert "default-src 'none'" in shown
    assert not re.search(r"""(src|href)=["']?(https?:|//)|@import|url\(""", shown)


def test_figures_and_their_places_belong_together_and_each_says_what_it_shows(tmp_path: Path) -> None:
    html = made(full_study(tmp_path).store)
    places = re.findall(r'<div class="plot" data-figure="(\w+)" role="img" aria-label="([^"]+)"', html)
    assert sorted(name for name, _ in places) == sorted(figures(html))
    assert all(len(says) > 20 for _, says in places)


@pytest.mark.parametrize("where", ["question", "level", "error", "line", "claim"])
def test_names_from_outside_stay_names(tmp_path: Path, where: str) -> None:
    levels: dict[str, list[object]] = {"a": ["x", HOSTILE if where == "level" else "y"]}
    bare = Planted(Store(tmp_path), levels, seeds=3)
    asked = asking({bare.ids[0]: [0.0] * 3}, claim(HOSTILE, {bare.ids[0]: 1.0}, say=HOSTILE, expects=HOSTILE))
    said = {"question": HOSTILE if where == "question" else "?", "source": HOSTILE, "notes": [HOSTILE]}
    study = Planted(
        Store(tmp_path), levels, seeds=3, **said | ({"claims": asked.outline()} if where == "claim" else {})
    )
    for cell in study.ids:
        for seed in range(3):
            lines = {HOSTILE: 0.8} if where == "line" else {}
            told = {"error": HOSTILE, "status": "bug"} if where == "error" and seed else {}
            curve = history(0.8 + 0.01 * seed)
            study.score(cell, seed, 0.8, history=curve, origin=origin(data_lines=lines, command=HOSTILE), **told)
    html = made(study.store)
    reader = read(html)
    assert reader.tags.count("script") == 3
    assert "img" not in reader.tags
    assert not any(name.startswith("on") for name, _ in reader.attributes)
    drawn = json.dumps(figures(html))
    assert "<img" not in drawn
    assert "<script" not in drawn


def test_each_cell_with_an_alert_tells_the_command_that_shows_its_worst_trial(tmp_path: Path) -> None:
    study = Planted(Store(tmp_path), {"a": [1, 2, 3]}, seeds=2)
    mild, grave = Finding("seesaw", "", 40), Finding("nonfinite", "w", 9, "fatal")
    for cell, found in zip(study.ids, ((), (mild,), (mild, grave)), strict=True):
        study.score(cell, 0, 0.5, findings=(Finding("remark", "", 1, "info"),))
        study.score(cell, 1, 0.5, findings=found)
    shown = own(made(study.store))
    assert f"lab probe {study.ids[0]}" not in shown
    assert shown.index(f"lab probe {study.ids[2]}-1") < shown.index(f"lab probe {study.ids[1]}-1")


def test_an_unfinished_study_says_so_before_anything_else(tmp_path: Path) -> None:
    shown = own(made(full_study(tmp_path, trials=20).store))
    assert "16 of 36 trials are not in" in shown
    assert shown.index('class="banner"') < shown.index('class="answer"')


def test_a_study_without_any_record_has_a_page(tmp_path: Path) -> None:
    html = made(full_study(tmp_path, trials=0).store)
    read(html)
    assert "36 of 36 trials are not in" in own(html)
    assert "Nothing is known yet" in own(html)
    assert figures(html) == {}


def test_a_study_whose_trials_all_failed_has_a_page(tmp_path: Path) -> None:
    study = Planted(Store(tmp_path), LEVELS, seeds=2)
    for cell in study.ids:
        for seed in range(2):
            study.score(cell, seed, math.nan, status="diverged", error="loss is nan", history={})
    html = made(study.store)
    read(html)
    assert "12 trials failed" in own(html)
    assert "loss is nan" in own(html)


def test_a_single_seed_has_a_page_without_intervals(tmp_path: Path) -> None:
    html = made(full_study(tmp_path, seeds=1).store)
    read(html)
    assert "One seed tells nothing apart" in own(html)
    assert not re.search(r"\bnan\b", own(html).split("<script>")[0], re.IGNORECASE)


def test_curves_with_holes_are_drawn_with_holes(tmp_path: Path) -> None:
    study = Planted(Store(tmp_path), {"a": [1, 2]}, seeds=2)
    for cell in study.ids:
        for seed in range(2):
            study.score(cell, seed, 0.8, history={"valid.acc": (math.nan, 0.7, math.inf, 0.8)})
    html = made(study.store)
    read(html)
    lines = [trace for told in figures(html).values() for trace in told["data"] if trace.get("mode") == "lines"]
    assert any(None in trace["y"] for trace in lines if isinstance(trace["y"], list))


def test_a_search_shows_what_it_tried(tmp_path: Path) -> None:
    study = Planted(Store(tmp_path), {"a": [1, 2]}, seeds=1, cells=[], trials=[], factors=[], reference="")
    for number in range(5):
        cell = f"{number:012x}"
        study.cells[cell] = {"training.lr": 0.1 * (number + 1)}
        study.score(cell, 0, 0.5 + 0.05 * number, role="search", label=f"lr={number}")
    html = made(study.store)
    read(html)
    assert ">Search</h2>" in own(html)
    assert "lr=4" in own(html)


def test_several_studies_share_one_page(tmp_path: Path) -> None:
    full_study(tmp_path, seeds=2)
    study = Planted(Store(tmp_path), {"b": [1, 2]}, seeds=2, name="other", question="And the other?")
    for cell in study.ids:
        study.score(cell, 0, 0.5, study="other")
    html = made(study.store, "planted", "other")
    reader = read(html)
    assert reader.tags.count("article") == 2
    assert "And the other?" in own(html)


def test_the_page_of_the_same_records_is_the_same(tmp_path: Path) -> None:
    store = full_study(tmp_path, seeds=2).store
    assert made(store) == made(store)
