"""The probe page tells how a run is, marks its alerts on every figure over time, and never shows what was not read."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from pathlib import Path

import pytest
from planted import Planted
from planted_page import HOSTILE
from probed_trials import FOUND, PARAMETERS, checkpointed, probed_study, table
from test_page import figures, own, read

from lab.analysis.naming import Named, trials_named
from lab.analysis.probed import Probed, probed
from lab.report.probe_page.page import probe_page
from lab.spec.rules import Finding

HEALTHY, BROKEN, BARE = ("planted", "base", "0"), ("planted", "norm=batch,depth=4", "0"), ("planted", "base", "1")


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Planted:
    return probed_study(tmp_path_factory.mktemp("probed"))


def side(study: Planted, *words: str) -> Probed:
    (named,) = trials_named(study.store, words)
    return probed(study.store, named)


def made(study: Planted, *sides: Probed) -> str:
    html = probe_page(study.store, sides)
    read(html)
    return html


@pytest.fixture(scope="module")
def broken(study: Planted) -> str:
    return made(study, side(study, *BROKEN))


@pytest.fixture(scope="module")
def healthy(study: Planted) -> str:
    return made(study, side(study, *HEALTHY))


def titles(html: str) -> list[str]:
    return re.findall(r'<h2 id="p-\w+-title">(.*?)</h2>', html)


def test_a_broken_run_is_told_from_its_cause_to_its_remedy(broken: str) -> None:
    html = own(broken)
    assert 'class="badge broken">broken<' in html
    assert html.index("Grad growth in layers.3 from step 340") < html.index("<h2")
    for words in (
        "A slow blow-up that no single step gives away.",
        "Lower the learning rate",
        "explains 2 other alerts",
    ):
        assert words in html
    order = [html.index(f"<b>{rule}</b>") for rule in ("Grad growth", "Seesaw", "Dead units", "Padding leak")]
    assert order == sorted(order)
    assert "lab replay" in html
    assert "--step 340" in html


def test_a_full_run_has_every_section(broken: str) -> None:
    assert titles(broken) == [
        "Alerts", "How far each tensor moves", "Ratios", "Loss and gradient", "Over the depth", "Activations",
        "Attention", "Classes", "What must hold", "Where it comes from",
    ]  # fmt: skip


def test_gradients_alone_make_a_page_that_says_what_would_show_the_rest(study: Planted) -> None:
    html = made(study, side(study, *BARE))
    assert "Activations" not in titles(html)
    assert "How far each tensor moves" in titles(html)
    assert "Nothing was read of recall and predicted share by class, the inputs and the mode, activations" in own(html)
    assert "`probes: normal`" in own(html)


def test_every_figure_over_time_bears_the_numbers_of_the_alerts(broken: str) -> None:
    drawn = figures(broken).values()
    over_time = [each["layout"] for each in drawn if each["layout"].get("meta") == "steps"]
    assert len(over_time) > 8
    for layout in over_time:
        assert {note["text"].strip() for note in layout["annotations"]} == {"1", "2"}
        assert {340, 59} <= {shape["x0"] for shape in layout["shapes"]}
        assert {359, 480} <= {shape["x0"] for shape in layout["shapes"] if shape["line"].get("dash") == "dot"}


def test_alerts_at_one_time_share_a_mark(study: Planted) -> None:
    crowd = tuple(Finding(f"rule_{number}", "x", 300 + number, "warn") for number in range(5))
    drawn = figures(made(study, replace(side(study, *HEALTHY), findings=crowd)))
    marks = {note["text"].strip() for each in drawn.values() for note in each["layout"].get("annotations", ())}
    assert marks == {"1–5"}


def test_the_usual_band_lies_in_the_figure_of_gradient_over_weight(healthy: str) -> None:
    drawn = figures(healthy).values()
    bands = [shape for each in drawn for shape in each["layout"].get("shapes", ()) if shape["type"] == "rect"]
    assert (1e-3, 1e-1) in {(band["y0"], band["y1"]) for band in bands}


def test_maps_have_a_row_a_tensor_and_lines_only_numbers(broken: str) -> None:
    drawn = figures(broken)
    first = drawn["f0"]["data"][0]
    assert first["type"] == "heatmap"
    assert tuple(first["y"]) == PARAMETERS
    assert "NaN" not in json.dumps(drawn)
    assert "Infinity" not in json.dumps(drawn)


def test_two_trials_share_their_scales_and_show_how_they_differ(study: Planted) -> None:
    html = made(study, side(study, *BROKEN), side(study, *HEALTHY))
    assert "<i>beside</i>" in html
    assert "lab diff" in own(html)
    drawn = figures(html)
    titled = dict(zip(drawn, re.findall(r"<h3>([^<]*)</h3><div class=\"plot\"", html), strict=True))
    by_title = {title: drawn[name]["layout"] for name, title in titled.items()}
    for name in ("Loss", "Norm of the gradient", "Gradient over weight", "Recall"):
        one, other = by_title[f"{name} · A"], by_title[f"{name} · B"]
        assert one["yaxis"]["range"] == other["yaxis"]["range"]
        assert one["xaxis"]["range"] == other["xaxis"]["range"]
        assert one["margin"]["t"] == other["margin"]["t"]
    assert "B over A: update / weight" in by_title


def test_trials_without_a_common_tensor_have_no_map_of_differences(study: Planted) -> None:
    one, other = side(study, *HEALTHY), side(study, *BARE)
    assert other.readings is not None
    names = [f"net.{name}" if name != "__total__" else name for name in other.readings["name"].to_pylist()]
    place = other.readings.column_names.index("name")
    renamed = other.readings.set_column(place, "name", [names])
    html = made(study, one, replace(other, readings=renamed))
    assert "No tensor of A has a namesake in B" in own(html)


def test_a_side_that_lacks_a_probe_says_so_in_its_place(study: Planted) -> None:
    html = made(study, side(study, *HEALTHY), side(study, *BARE))
    assert "not measured" in json.dumps(figures(html))
    assert "B: Nothing was read of" in own(html)


def test_a_run_under_way_says_how_far_it_is(tmp_path: Path) -> None:
    study = probed_study(tmp_path)
    trial = f"{study.ids[0]}-7"
    checkpointed(tmp_path, trial)
    html = own(made(study, probed(study.store, Named(trial, "planted"))))
    assert "This trial has no record yet: readings up to step 119" in html
    assert "No rule found anything in 120 steps so far." in html


@pytest.mark.parametrize("steps", [1, 3, 60])
def test_a_short_run_has_a_page(study: Planted, steps: int) -> None:
    short = replace(side(study, *HEALTHY), readings=table(steps), steps=steps, history={})
    assert not re.search(r"\bnan\b", own(made(study, short)).split("<script>")[0], re.IGNORECASE)


def test_a_failed_run_without_readings_has_a_page(study: Planted) -> None:
    failed = Probed("a-0", "planted", "a", 0, "bug", 0, None, error="ValueError: no\nmore")
    html = own(made(study, failed))
    assert "This trial ended as bug: ValueError: no" in html
    assert 'class="badge broken"' in html


def test_readings_that_are_not_finite_make_a_page(study: Planted) -> None:
    told = side(study, *HEALTHY)
    assert told.readings is not None
    place = told.readings.column_names.index("grad_norm")
    worse = [
        math.nan if step > 100 else value
        for step, value in zip(*(told.readings[key].to_pylist() for key in ("step", "grad_norm")), strict=True)
    ]
    html = made(study, replace(told, readings=told.readings.set_column(place, "grad_norm", [worse])))
    assert "NaN" not in json.dumps(figures(html))


def test_names_from_outside_stay_names(study: Planted) -> None:
    told = side(study, *BROKEN)
    assert told.readings is not None
    names = [HOSTILE if name == "embed.weight" else name for name in told.readings["name"].to_pylist()]
    readings = told.readings.set_column(told.readings.column_names.index("name"), "name", [names])
    found = tuple(replace(each, scope=HOSTILE, says=HOSTILE, means=HOSTILE, remedy=HOSTILE) for each in FOUND)
    html = made(study, replace(told, readings=readings, findings=found, label=HOSTILE, error=HOSTILE))
    reader = read(html)
    assert reader.tags.count("script") == 3
    assert "img" not in reader.tags
    assert not any(name.startswith("on") for name, _ in reader.attributes)
    assert "<img" not in json.dumps(figures(html))


def test_many_classes_and_many_tensors_still_fit_a_sheet(study: Planted) -> None:
    told = side(study, *HEALTHY)
    assert told.readings is not None
    wide = replace(told, readings=many(told), history={})
    drawn = figures(made(study, wide)).values()
    assert max(each["layout"]["height"] for each in drawn) < 950


def many(told: Probed):  # type: ignore[no-untyped-def]
    """The same readings under a hundred names."""
    import pyarrow as pa
    import pyarrow.compute as pc

    assert told.readings is not None
    own_rows = told.readings.filter(pc.equal(told.readings["probe"], "gradients"))
    one = own_rows.filter(pc.equal(own_rows["name"], "embed.weight"))
    place = one.column_names.index("name")
    parts = [one.set_column(place, "name", [[f"layers.{n // 10}.w{n % 10}.weight"] * one.num_rows]) for n in range(100)]
    return pa.concat_tables(parts)


def test_the_page_of_the_same_readings_is_the_same(study: Planted, broken: str) -> None:
    assert made(study, side(study, *BROKEN)) == broken


def test_a_single_zero_does_not_flatten_a_figure(study: Planted) -> None:
    told = side(study, *HEALTHY)
    assert told.readings is not None
    place = told.readings.column_names.index("grad_weight")
    steps, values = (told.readings[key].to_pylist() for key in ("step", "grad_weight"))
    still = [0.0 if step == 50 and value is not None else value for step, value in zip(steps, values, strict=True)]
    html = made(study, replace(told, readings=told.readings.set_column(place, "grad_weight", [still])))
    titled = dict(re.findall(r"<h3>([^<]*)</h3><div class=\"plot\" data-figure=\"(\w+)\"", html))
    assert figures(html)[titled["Gradient over weight"]]["layout"]["yaxis"]["type"] == "log"
