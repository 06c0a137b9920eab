"""The page in a real browser: it draws, sorts, prints and stays silent, with no network at all."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from planted import Planted
from planted_page import HOSTILE, full_study, history, large_study, origin

from lab.records.store import Store
from lab.report.page import page
from lab.report.report import study_report

DRAWN = (
    "[...document.querySelectorAll('.plot')].every(each => each.dataset.drawn && each.querySelector('svg.main-svg'))"
)


def written(store: Store, folder: Path) -> Path:
    path = folder / "page.html"
    path.write_text(page(store, [study_report(store, "planted")]))
    return path


def opened(tab, path: Path, **how: object):
    told = tab(**how)
    told.page.goto(path.as_uri())
    return told


def scrolled(told) -> None:
    """Scroll through all of it, as a reader does, until every figure is drawn."""
    told.page.wait_for_load_state("load")
    read_down(told)
    end = time.monotonic() + 90
    while not told.page.evaluate(DRAWN):  # a page that grows while it is drawn is not read through at once
        assert time.monotonic() < end, told.said
        read_down(told)


def read_down(told) -> None:
    """From the top to the bottom, as long as the page is by now."""
    for place in range(0, told.page.evaluate("document.documentElement.scrollHeight"), 600):
        told.page.evaluate(f"scrollTo({{top: {place}, behavior: 'instant'}})")
        told.page.wait_for_timeout(60)


def until_drawn(told) -> None:
    """Wait for the figures; the page's policy forbids what playwright waits with."""
    end = time.monotonic() + 90
    while not told.page.evaluate(DRAWN):
        assert time.monotonic() < end, told.said
        told.page.wait_for_timeout(50)


@pytest.fixture(scope="module")
def full(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("full")
    return written(full_study(folder).store, folder)


@pytest.mark.parametrize("width", [1200, 400])
@pytest.mark.parametrize("dark", [False, True])
def test_the_page_draws_all_of_it_and_stays_silent(tab, full, width, dark):
    told = opened(tab, full, width=width, dark=dark)
    scrolled(told)
    assert told.said == []
    assert told.asked == [full.as_uri()]
    assert told.page.locator(".plot svg.main-svg").count() > 5
    assert told.page.evaluate("document.documentElement.scrollWidth") <= width
    paper = told.page.evaluate("getComputedStyle(document.body).backgroundColor")
    ink = told.page.evaluate("document.querySelector('.plot .xtick text').style.fill")
    assert contrast(paper, ink) > 4.5


def contrast(one: str, other: str) -> float:
    def light(colour: str) -> float:
        parts = [int(each) / 255 for each in colour[colour.index("(") + 1 : -1].split(",")[:3]]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((light(one), light(other)))
    return (high + 0.05) / (low + 0.05)


def test_words_stand_out_from_the_paper(tab, full):
    for dark in (False, True):
        told = opened(tab, full, dark=dark)
        paper = told.page.evaluate("getComputedStyle(document.body).backgroundColor")
        for place in ("h1", ".answer", ".lead", ".note", "th", "td", "a", "td.strong", "summary"):
            ink = told.page.evaluate(f"getComputedStyle(document.querySelector('article {place}')).color")
            assert contrast(paper, ink) > 4.5, (place, dark)


def test_a_table_is_sorted_by_the_keyboard_alone(tab, full):
    told = opened(tab, full)
    head = "document.activeElement.closest('th') && document.activeElement.closest('table').id === 's0-cells-table'"
    for _ in range(200):
        told.page.keyboard.press("Tab")
        if told.page.evaluate(head) and told.page.evaluate("document.activeElement.textContent") == "valid.acc":
            break
    else:
        pytest.fail("no number of tabs leads to the head of the column")
    assert told.page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    column = "[...document.querySelectorAll('#s0-cells-table tbody tr')].map(row => Number(row.cells[2].dataset.order))"
    told.page.keyboard.press("Enter")
    assert told.page.evaluate(column) == sorted(told.page.evaluate(column))
    assert told.page.evaluate("document.activeElement.closest('th').ariaSort") == "ascending"
    told.page.keyboard.press("Space")
    assert told.page.evaluate(column) == sorted(told.page.evaluate(column), reverse=True)


def test_what_is_not_known_sorts_last_both_ways(tab, full):
    told = opened(tab, full)
    heads = told.page.locator("#s0-cells-table th button", has_text="to the base")
    column = heads.evaluate("head => head.closest('th').cellIndex")
    last = f"document.querySelector('#s0-cells-table tbody tr:last-child').cells[{column}].textContent"
    for _ in range(2):
        heads.click()
        assert told.page.evaluate(last) == "–"


def test_every_figure_has_a_name_and_every_table_a_caption(tab, full):
    told = opened(tab, full)
    figures = told.page.locator(".plot[role=img]").all()
    assert figures
    assert all(figure.get_attribute("aria-label") for figure in figures)
    assert told.page.evaluate("[...document.querySelectorAll('table')].every(each => each.caption.textContent)")
    assert told.page.get_by_role("heading", level=1).count() == 1


def test_on_paper_everything_is_drawn_and_fits(tab, full):
    told = opened(tab, full, dark=True)
    told.page.wait_for_load_state("load")
    told.page.emulate_media(media="print", color_scheme="light")
    told.page.evaluate("dispatchEvent(new Event('beforeprint'))")
    until_drawn(told)
    assert told.page.evaluate("getComputedStyle(document.querySelector('nav')).display") == "none"
    assert told.page.evaluate("[...document.querySelectorAll('details:not(.bulk)')].every(each => each.open)")
    widths = told.page.evaluate("[...document.querySelectorAll('.plot svg.main-svg')].map(each => each.clientWidth)")
    assert max(widths) <= 660
    assert len(told.page.pdf(format="A4")) > 10_000
    assert told.said == []


def test_a_sheet_printed_at_once_has_every_figure(tab, full):
    told = opened(tab, full)
    told.page.wait_for_load_state("load")
    assert len(told.page.pdf(format="A4")) > 10_000
    assert told.page.evaluate(DRAWN)
    told.page.emulate_media(media="print")
    told.page.wait_for_timeout(300)
    widths = told.page.evaluate("[...document.querySelectorAll('.plot svg.main-svg')].map(each => each.clientWidth)")
    assert max(widths) <= 660
    assert told.said == []


def test_names_from_outside_do_nothing_in_a_browser(tab, tmp_path):
    levels: dict[str, list[object]] = {"a": ["x", HOSTILE], "b": [1, 2]}
    study = Planted(Store(tmp_path), levels, seeds=2, question=HOSTILE, source=HOSTILE, notes=[HOSTILE])
    for number, cell in enumerate(study.ids):
        for seed in range(2):
            told = {"status": "bug", "error": HOSTILE} if number == 3 else {}
            lines = origin(command=HOSTILE, data_lines={HOSTILE: 0.8})
            study.score(cell, seed, 0.8, history=history(0.8 + 0.01 * seed * number), origin=lines, **told)
    told = opened(tab, written(study.store, tmp_path))
    scrolled(told)
    assert told.page.evaluate("window.bad") is None
    assert told.said == []
    assert told.page.locator("h1").text_content() == HOSTILE


def test_ten_thousand_trials_stay_usable(tab, tmp_path):
    path = written(large_study(tmp_path).store, tmp_path)
    assert path.stat().st_size < 10_000_000
    told = opened(tab, path)
    told.page.locator(".plot svg.main-svg").first.wait_for(timeout=90_000)  # how long it takes: benchmarks/page.py
    told.page.locator("#s0-cells-table th button").first.click()
    rows = told.page.evaluate("document.querySelectorAll('#s0-cells-table tbody tr').length")
    assert 100 < rows <= 500
    assert told.said == []


def test_the_numbers_of_a_figure_are_those_of_the_page(tab, full):
    told = opened(tab, full)
    scrolled(told)
    held = json.loads(told.page.evaluate("document.getElementById('figures').textContent"))
    drawn = told.page.evaluate("document.querySelector('.plot').data.map(trace => trace.x[0])")
    assert drawn == pytest.approx([trace["x"][0] for trace in held["f0"]["data"]])
