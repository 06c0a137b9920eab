"""The probe page in a real browser: all of it is drawn, the map changes, time is zoomed everywhere, it prints."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from lab.analysis.naming import trials_named
from lab.analysis.probed import probed
from lab.report.probe_page.page import probe_page

sys.path.insert(0, str(Path(__file__).resolve().parent))

from probed_trials import probed_study
from test_page_in_browser import contrast, opened, until_drawn

ALL = "document.querySelectorAll('.plot').length"
DRAWN = "document.querySelectorAll('.plot[data-drawn] svg.main-svg:first-child').length"
HIDDEN = "[...document.querySelectorAll('.plot')].filter(each => !each.offsetParent).length"
RANGES = "[...document.querySelectorAll('.plot[data-drawn]')].filter(each => each.layout.meta === 'steps')"
BROKEN, HEALTHY = ["planted", "norm=batch,depth=4", "0"], ["planted", "base", "0"]


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("probed")
    store = probed_study(folder).store
    told = {}
    for name, words in (("one", BROKEN), ("pair", BROKEN + HEALTHY)):
        told[name] = folder / f"{name}.html"
        told[name].write_text(probe_page(store, [probed(store, each) for each in trials_named(store, words)]))
    return told


def read_through(told) -> None:
    """Scroll down until every figure that is shown has been drawn."""
    told.page.wait_for_load_state("load")
    for _ in range(20):  # a page that grows while it is drawn is not read through at once
        for place in range(0, told.page.evaluate("document.documentElement.scrollHeight"), 600):
            told.page.evaluate(f"scrollTo({{top: {place}, behavior: 'instant'}})")
            told.page.wait_for_timeout(60)
        if told.page.evaluate(DRAWN) == told.page.evaluate(ALL) - told.page.evaluate(HIDDEN):
            return
    pytest.fail(f"some figures were not drawn: {told.said}")


@pytest.mark.parametrize(("name", "width", "dark"), [("one", 1200, False), ("one", 400, True), ("pair", 1400, True)])
def test_the_page_draws_what_it_shows_and_stays_silent(tab, pages, name, width, dark):
    told = opened(tab, pages[name], width=width, dark=dark)
    read_through(told)
    assert told.said == []
    assert told.asked == [pages[name].as_uri()]
    assert told.page.evaluate("document.documentElement.scrollWidth") <= width
    paper = told.page.evaluate("getComputedStyle(document.body).backgroundColor")
    for place in (".answer", ".lead", ".where", ".symptoms", ".spark span", "summary", "td.bad", ".picks label"):
        ink = told.page.evaluate(f"getComputedStyle(document.querySelector('{place}')).color")
        assert contrast(paper, ink) > 4.5, place
    for chip in (".badge.broken", ".chip.fatal", ".chip.warn", ".chip.info"):
        look = told.page.evaluate(f"getComputedStyle(document.querySelector('{chip}')).backgroundColor")
        assert contrast(look, "rgb(255, 255, 255)") > 4.5, chip


def test_the_map_changes_by_the_keyboard(tab, pages):
    told = opened(tab, pages["one"])
    shown = "[...document.querySelectorAll('.chosen')].map(each => !!each.offsetParent)"
    assert told.page.evaluate(shown) == [True, False]
    told.page.locator(".picks input").first.focus()
    told.page.keyboard.press("ArrowRight")
    assert told.page.evaluate(shown) == [False, True]
    told.page.locator(".chosen:visible svg.main-svg").first.wait_for(timeout=180_000)
    assert told.said == []


def test_all_figures_follow_the_stretch_of_time_that_one_is_drawn_over(tab, pages):
    told = opened(tab, pages["one"])
    read_through(told)
    plot = told.page.locator("#p-medians .plot").first
    plot.scroll_into_view_if_needed()
    place = plot.locator(".nsewdrag").bounding_box()
    middle = place["y"] + place["height"] / 2
    told.page.mouse.move(place["x"] + 0.5 * place["width"], middle)
    told.page.mouse.down()
    told.page.mouse.move(place["x"] + 0.7 * place["width"], middle, steps=5)
    told.page.mouse.up()
    told.page.wait_for_timeout(500)
    ranges = told.page.evaluate(f"{RANGES}.map(each => each._fullLayout.xaxis.range.map(Math.round))")
    assert len(ranges) > 8
    assert all(each == ranges[0] for each in ranges)
    assert 230 < ranges[0][0] < 310 < 340 < ranges[0][1] < 420
    told.page.mouse.dblclick(place["x"] + 0.5 * place["width"], middle)
    told.page.wait_for_timeout(500)
    ranges = told.page.evaluate(f"{RANGES}.map(each => each._fullLayout.xaxis.range.map(Math.round))")
    assert all(each == [-5, 545] for each in ranges)


def test_paper_has_every_figure_though_nobody_scrolled(tab, pages):
    told = opened(tab, pages["one"])
    told.page.wait_for_load_state("load")
    sheets = told.page.pdf(format="A4")
    assert len(sheets) > 50_000
    assert told.page.evaluate(DRAWN) == told.page.evaluate(ALL)
    told.page.wait_for_timeout(300)
    plot, drawing = (
        told.page.evaluate(f"document.querySelector('.chosen {each}').getBoundingClientRect().width")
        for each in (".plot", "svg.main-svg")
    )
    assert abs(plot - drawing) < 2  # the screen has its own widths back
    assert told.page.evaluate("document.querySelectorAll('.alerts details[open]').length") == 0


def test_print_media_alone_draws_and_opens_everything(tab, pages):
    told = opened(tab, pages["one"])
    told.page.wait_for_load_state("load")
    told.page.emulate_media(media="print")
    until_drawn(told)
    widths = told.page.evaluate("[...document.querySelectorAll('.plot svg.main-svg')].map(each => each.clientWidth)")
    heights = told.page.evaluate("[...document.querySelectorAll('.plot')].map(each => each.offsetHeight)")
    assert 0 < min(widths) <= max(widths) <= 660
    assert max(heights) < 950
    assert told.page.evaluate("[...document.querySelectorAll('.alerts details')].every(each => each.open)")
    assert told.page.evaluate("getComputedStyle(document.querySelector('.picks')).display") == "none"
