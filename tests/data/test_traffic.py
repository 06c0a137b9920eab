"""Traffic from files: every published layout is read alike, and a file that is not what it should be is told."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from traffic_files import hollow_hdf5, write_hdf5, write_pickle

from lab.data.forecast_baselines import last_value, of_sums, step_sums, window_mean
from lab.data.forecast_windows import past_of, split_of, target_of, units_of
from lab.data.load import load_dataset
from lab.data.traffic.graphs import Roads, read_roads, weighted
from lab.data.traffic.like import ring_road, times
from lab.data.traffic.readings import read_readings
from lab.data.traffic.traffic import day_of_week, imputed, time_of_day
from lab.errors import LabError
from lab.spec.datasets import Traffic, TrafficLike

pytestmark = pytest.mark.torch

LOS = Path(os.environ.get("LAB_REFERENCE", "../shared/reference")).absolute().parent / "data"
IDS = ["400", "401", "405", "409"]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LAB_DATA", str(tmp_path))
    monkeypatch.setenv("LAB_CACHE", str(tmp_path / "cache"))
    return tmp_path


@pytest.fixture(scope="module")
def values() -> np.ndarray:
    drawn = np.random.default_rng(0).uniform(5, 70, size=(300, 4)).round(3)
    drawn[::11, 2] = 0
    return drawn


def table(path: Path, values: np.ndarray) -> None:
    rows = [",".join(IDS), *(",".join(map(repr, row)) for row in values.tolist())]
    path.write_text("\n".join(rows) + "\n")


def test_all_layouts_of_the_same_readings_make_the_same_data(folder: Path, values: np.ndarray) -> None:
    write_hdf5(folder / "metr.h5", values, IDS, times(300))
    write_hdf5(folder / "bay.h5", values, IDS, times(300), group="speed")
    np.savez(folder / "pems.npz", data=np.stack([values, -values, values + 1], axis=2))
    np.savez(folder / "flat.npz", data=values)
    table(folder / "tgcn.csv", values)
    names = ["metr.h5", "bay.h5", "pems.npz", "flat.npz", "tgcn.csv"]
    made = [Traffic(path=name, start="2012-03-01", calendar="time_and_day").build(0) for name in names]
    for other in made[1:]:
        assert other.scale == made[0].scale
        for part in ("x", "y", "starts"):
            one, two = (getattr(split_of(each, "train"), part) for each in (made[0], other))
            assert torch.equal(one, two)
    second = Traffic(path="pems.npz", channel=1, missing_value=None).build(0)
    assert second.scale.mean[0] == pytest.approx(-values[:210].mean())


def test_the_table_of_a_file_has_its_ids_and_its_times(folder: Path, values: np.ndarray) -> None:
    write_hdf5(folder / "metr.h5", values, IDS, times(300))
    found = read_readings(folder / "metr.h5")
    assert np.array_equal(found.values, values)
    assert found.ids == tuple(IDS)
    assert np.array_equal(found.times, times(300))
    write_hdf5(folder / "newer.h5", values, IDS, times(300), unit="us")
    assert np.array_equal(read_readings(folder / "newer.h5").times, times(300))
    table(folder / "tgcn.csv", values)
    assert read_readings(folder / "tgcn.csv").ids == tuple(IDS)


@pytest.mark.parametrize(
    ("name", "frames", "cut", "windows"),
    [
        ("df", 34_272, "70/10/20", [23_974, 3_425, 6_850]),
        ("speed", 52_116, "70/10/20", [36_465, 5_209, 10_419]),
        ("data", 16_992, "60/20/20", [10_181, 3_394, 3_394]),
        ("data", 17_856, "60/20/20", [10_700, 3_567, 3_566]),
    ],
)
def test_published_lengths_make_the_published_numbers_of_windows(
    folder: Path, name: str, frames: int, cut: Any, windows: list[int]
) -> None:
    if name == "data":
        np.savez_compressed(folder / "long.npz", data=np.zeros((frames, 2, 3), np.float32))
    else:
        hollow_hdf5(folder / "long.h5", frames, name)
    path = "long.npz" if name == "data" else "long.h5"
    dataset = Traffic(path=path, split=cut, split_unit="window", missing_value=None).build(0)
    assert [len(split) for split in dataset.splits.values()] == windows


def test_another_content_of_the_same_file_makes_other_data(folder: Path, values: np.ndarray) -> None:
    spec = Traffic(path="tgcn.csv")
    table(folder / "tgcn.csv", values)
    before = load_dataset(spec, 0)
    assert load_dataset(spec, 0).sha256 == before.sha256
    table(folder / "tgcn.csv", values + 1)
    assert load_dataset(spec, 0).sha256 != before.sha256


GRAPH = np.array([[1, 0.5, 0, 0], [0, 1, 0, 0.2], [0, 0, 1, 0], [0.9, 0, 0, 1]], np.float32)


def test_a_network_is_the_same_from_a_pickle_a_table_and_an_array(folder: Path) -> None:
    write_pickle(folder / "graph.pkl", IDS, GRAPH)
    np.savetxt(folder / "graph.csv", GRAPH, delimiter=",")
    np.save(folder / "graph.npy", GRAPH)
    np.savez(folder / "graph.npz", GRAPH)
    for name in ("graph.pkl", "graph.csv", "graph.npy", "graph.npz"):
        assert np.array_equal(read_roads(folder / name, 4, IDS).matrix, GRAPH), name


def test_a_pickled_network_is_put_into_the_order_of_the_readings(folder: Path) -> None:
    order = [2, 0, 3, 1]
    write_pickle(folder / "graph.pkl", [IDS[at] for at in order], GRAPH[np.ix_(order, order)])
    assert np.array_equal(read_roads(folder / "graph.pkl", 4, IDS).matrix, GRAPH)


def test_a_network_of_other_nodes_is_told(folder: Path) -> None:
    write_pickle(folder / "graph.pkl", [*IDS[:3], "777"], GRAPH)
    with pytest.raises(LabError, match="it names 777, and the readings name 409"):
        read_roads(folder / "graph.pkl", 4, IDS)


def test_roads_are_named_by_place_or_by_id_and_what_leads_elsewhere_is_left_out(folder: Path) -> None:
    (folder / "places.csv").write_text("from,to,cost\n0,1,10\n1,3,30\n3,0,20\n")
    (folder / "ids.csv").write_text("from,to,distance\n400,401,10\n401,409,30\n409,400,20\n400,777,5\n")
    one, other = (read_roads(folder / name, 4, IDS) for name in ("places.csv", "ids.csv"))
    assert np.array_equal(one.matrix, other.matrix)
    assert np.isfinite(one.matrix).sum() == 3
    spread = np.std([10, 30, 20])
    kernel = weighted(one, Traffic(path="x.csv"))
    assert kernel[0, 1] == pytest.approx(np.exp(-((10 / spread) ** 2)))
    assert kernel[1, 3] == 0
    assert np.count_nonzero(weighted(one, Traffic(path="x.csv", threshold=0.0))) == 3
    assert weighted(one, Traffic(path="x.csv", edges="binary")).sum() == 3
    both = weighted(one, Traffic(path="x.csv", edges="binary", symmetric=True))
    assert both.sum() == 6
    assert np.array_equal(both, both.T)


def test_a_graph_leads_from_row_to_column_and_can_be_left_out(folder: Path, values: np.ndarray) -> None:
    table(folder / "tgcn.csv", values)
    np.savetxt(folder / "graph.csv", GRAPH, delimiter=",")
    spec = {"path": "tgcn.csv", "graph_path": "graph.csv"}
    assert torch.equal(split_of(Traffic(**spec).build(0), "test").adjacency, torch.from_numpy(GRAPH))
    assert not split_of(Traffic(**spec, edges="none").build(0), "test").adjacency.any()
    assert not split_of(Traffic(path="tgcn.csv").build(0), "test").adjacency.any()


class Trap:
    """Pickled as an order to run something."""

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
        return os.system, ("touch sprung",)


def test_a_pickle_runs_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    (folder / "graph.pkl").write_bytes(pickle.dumps([IDS, {}, Trap()]))
    with pytest.raises(LabError, match="which no road network needs"):
        read_roads(folder / "graph.pkl", 4, IDS)
    assert not (folder / "sprung").exists()


def half(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def spoil(path: Path, values: np.ndarray) -> None:
    """Write a file that is wrong in the way that its name says."""
    how, kind = path.stem, path.suffix
    if how == "noise":
        path.write_bytes(b"\x00" * 64)
    elif kind == ".h5":
        held = {"shape": values[:, :3], "frames": values[:-1]}
        write_hdf5(path, held.get(how, values), IDS, times(300))
    elif kind == ".npz":
        odd = {
            "shape": values[:, 0],
            "object": np.array([{}], dtype=object),
            "infinite": np.where(values > 60, np.inf, values),
        }
        np.savez(path, **{"speed" if how == "name" else "data": odd.get(how, values)})
    else:
        table(path, values[:5])
        more = {"words": "a,b,c,d\n", "ragged": "1,2,3,4,5,6\n"}
        path.write_text("" if how == "empty" else path.read_text() + more[how])
    if how == "half":
        half(path)


@pytest.mark.parametrize(
    "how",
    ["half.h5", "shape.h5", "frames.h5", "noise.h5", "half.npz", "name.npz", "shape.npz", "object.npz", "infinite.npz",
     "noise.npz", "words.csv", "ragged.csv", "empty.csv", "noise.csv"],
)  # fmt: skip
def test_readings_that_are_not_as_they_should_be_are_told_with_path_and_mend(
    folder: Path, values: np.ndarray, how: str
) -> None:
    spoil(folder / how, values)
    with pytest.raises(LabError) as caught:
        Traffic(path=how).build(0)
    assert caught.value.where.file.endswith(how)
    assert "it is to hold" in caught.value.hint
    assert "\n" not in caught.value.what


@pytest.mark.parametrize("how", ["half.pkl", "short.pkl", "noise.pkl", "noise.npy", "words.csv", "far.csv", "nan.csv"])
def test_networks_that_are_not_as_they_should_be_are_told_with_path_and_mend(folder: Path, how: str) -> None:
    path = folder / how
    path.write_bytes(b"\x00" * 64)
    if how.endswith("pkl") and how != "noise.pkl":
        write_pickle(path, IDS, GRAPH if how == "half.pkl" else GRAPH[:3, :3])
        if how == "half.pkl":
            half(path)
    if how == "words.csv":
        path.write_text("from,to,cost\na,b,c\n")
    if how == "far.csv":
        path.write_text("from,to,cost\n7,8,1.5\n")
    if how == "nan.csv":
        path.write_text("\n".join(["1,nan,0,0"] * 4))
    with pytest.raises(LabError) as caught:
        read_roads(path, 4, IDS)
    assert caught.value.where.file.endswith(how)
    assert "it is to hold" in caught.value.hint


def test_a_file_that_is_not_there_or_of_another_kind_is_told(folder: Path) -> None:
    with pytest.raises(LabError, match=r"there is no file 'metr\.h5'"):
        Traffic(path="metr.h5").build(0)
    (folder / "metr.xlsx").write_text("")
    with pytest.raises(LabError, match=r"not from '\.xlsx'"):
        Traffic(path="metr.xlsx").build(0)


def test_a_series_of_gaps_only_and_an_unknown_day_are_told(folder: Path) -> None:
    np.savez(folder / "empty.npz", data=np.zeros((300, 4)))
    with pytest.raises(LabError, match="all of the training part is missing"):
        Traffic(path="empty.npz").build(0)
    with pytest.raises(LabError, match="which day it is"):
        Traffic(path="empty.npz", missing_value=None, calendar="time_and_day").build(0)
    with pytest.raises(ValidationError, match="is no day"):
        Traffic(path="empty.npz", start="tomorrow")


def test_missing_values_are_filled_from_the_past_or_with_the_mean_of_the_training_part() -> None:
    values = np.array([[0.0, 4.0], [2.0, 0.0], [0.0, 6.0], [8.0, 0.0]])
    missing = values == 0
    assert imputed(values, missing, "none", 3) is values
    assert imputed(values, missing, "mean", 3).tolist() == [[2, 4], [2, 5], [2, 6], [8, 5]]
    assert imputed(values, missing, "forward_fill", 3).tolist() == [[2, 4], [2, 4], [2, 6], [8, 6]]


@pytest.mark.parametrize("how", ["none", "forward_fill", "mean", "mask_channel"])
def test_inputs_are_filled_and_targets_stay_missing(how: Any) -> None:
    dataset = TrafficLike(nodes=5, days=3, input_impute=how).build(0)
    train, units = split_of(dataset, "train"), units_of(dataset)
    seen = units.original(train.x[0, :, :, 0].double().numpy())
    lost = np.isnan(units.without_null(train.y[0].double().numpy()))
    assert lost.mean() == pytest.approx(0.08, abs=0.04)
    assert (np.abs(seen[lost]) < 1e-3).all() == (how in ("none", "mask_channel"))
    assert dataset.shape.features == (3 if how == "mask_channel" else 2)
    if how == "mask_channel":
        assert np.array_equal(train.x[0, :, :, 2].numpy() == 0, lost)


def test_what_a_model_sees_of_a_frame_does_not_depend_on_later_ones(folder: Path, values: np.ndarray) -> None:
    later = values.copy()
    later[250:] = np.random.default_rng(1).uniform(5, 70, size=later[250:].shape)
    seen = []
    for each in (values, later):
        np.savez(folder / "some.npz", data=each)
        for how in ("none", "forward_fill", "mean", "mask_channel"):
            spec = Traffic(path="some.npz", input_impute=how, scaler="per_node", start="2018-01-01 06:30")
            seen.append(split_of(spec.build(0), "train").x[0, :250])
    assert all(torch.equal(one, other) for one, other in zip(seen[:4], seen[4:], strict=True))


def test_the_calendar_of_a_frame() -> None:
    some = np.array(["2012-03-01T00:00", "2012-03-03T18:00", "2012-03-04T23:55", "2012-03-05T06:00"], "datetime64[s]")
    np.testing.assert_allclose(time_of_day(some), [0, 0.75, 1435 / 1440, 0.25])
    np.testing.assert_allclose(day_of_week(some), [3 / 7, 5 / 7, 6 / 7, 0])


def test_the_mean_of_the_time_of_day_is_of_the_training_days_and_forecasts_a_repeated_day(folder: Path) -> None:
    day = np.random.default_rng(0).uniform(10, 70, size=(288, 3))
    week = np.tile(day, (10, 1))
    later = week.copy()
    later[8 * 288 :] += 5
    for name, values in (("same.npz", week), ("other.npz", later)):
        np.savez(folder / name, data=values)
    same, other = (Traffic(path=name).build(0).lines for name in ("same.npz", "other.npz"))
    assert same["test.rmse_12: mean of the time of day"] == pytest.approx(0, abs=1e-9)
    assert other["test.mae: mean of the time of day"] == pytest.approx(5)


def test_made_up_traffic_has_a_daily_profile_rush_hours_and_quiet_weekends() -> None:
    dataset = TrafficLike(days=14, missing=0.0, calendar="time_and_day").build(0)
    train = split_of(dataset, "train")
    speed = units_of(dataset).original(train.y[0].double().numpy()).mean(axis=1).reshape(14, 288)
    is_weekend = train.x[0, ::288, 0, 2].numpy() >= 5 / 7 - 1e-6
    rush, night = speed[:, 96:120].mean(axis=1), speed[:, 12:48].mean(axis=1)
    assert (rush < night - 1)[~is_weekend].all()
    assert (night - rush)[is_weekend].mean() < 0.5 * (night - rush)[~is_weekend].mean()
    roads = ring_road(TrafficLike(nodes=12), np.random.default_rng(0))
    assert isinstance(roads, Roads)
    assert np.isfinite(roads.matrix[np.arange(12), (np.arange(12) + 1) % 12]).all()


@pytest.mark.skipif(not (LOS / "los_speed.csv").exists(), reason="the week of Los Angeles is not here")
def test_a_real_week_has_the_naive_errors_that_are_told_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAB_DATA", str(LOS))
    known = {  # steps: RMSE and MAE of the mean of the window, then of the last value
        3: (7.307, 3.878, 5.543, 3.156),
        6: (7.958, 4.170, 6.699, 3.632),
        9: (8.599, 4.482, 7.628, 4.042),
        12: (9.262, 4.828, 8.456, 4.433),
    }
    for horizon, told in known.items():
        spec = Traffic(
            path="los_speed.csv", graph_path="los_adj.csv", horizon=horizon, split_unit="series", missing_value=None
        )
        dataset = spec.build(0)
        test, units = split_of(dataset, "test"), units_of(dataset)
        starts = test.starts[:-1]  # the published loop leaves the last window out
        past, target = past_of(test, starts, units), target_of(test, starts, units)
        found = []
        for rule in (window_mean, last_value):
            scores = of_sums(step_sums((rule(past, horizon) - target) * units.std))
            found += [scores["rmse"], scores["mae"]]
        assert found == pytest.approx(told, abs=6e-4)
    graph = test.adjacency
    assert torch.equal(graph, graph.T)
    assert (graph.diagonal() == 1).all()
