"""Readings and a road network become the dataset `traffic`: what is missing, what day it is, who is next to whom."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lab.data.batch import Dataset
from lab.data.files import located
from lab.data.forecast_baselines import of_sums, step_sums
from lab.data.series import Scaling, Series, is_missing, to_dataset, training_frames, window_starts
from lab.data.traffic.graphs import Roads, read_roads, weighted
from lab.data.traffic.readings import Numbers, Readings, Times, read_readings
from lab.errors import LabError, Place
from lab.spec.datasets import Traffic
from lab.spec.datasets.traffic import OfTraffic
from lab.spec.tasks import HELD_OUT, lines_on

DAY_SECONDS = 86_400
WEEK = 7
MONDAY = np.datetime64("1970-01-05")
UNKNOWN_DAY = "1970-01-05"


def traffic(spec: Traffic, seed: int) -> Dataset:
    """The data set of the files that the spec names; nothing about it is random."""
    readings = read_readings(located(spec.path), spec.channel)
    nodes = readings.values.shape[1]
    roads = None if spec.graph_path is None else read_roads(located(spec.graph_path), nodes, readings.ids)
    return assembled(readings.values, _times(spec, readings), roads, spec)


def assembled(values: Numbers, times: Times, roads: Roads | None, spec: OfTraffic) -> Dataset:
    """The data set of a table of readings."""
    fitted = training_frames(window_starts(len(values), spec)["train"], spec)
    missing = is_missing(values, spec.missing_value)
    if missing[:fitted].all():
        raise LabError(
            "dataset.missing_value: all of the training part is missing", hint="name the value that marks gaps"
        )
    series = Series(
        values,
        lines=_lines_by_time(np.where(missing, np.nan, values), times, fitted, spec),
        fed=imputed(values, missing, spec.input_impute, fitted),
        features=_side_inputs(times, missing, spec),
        has_clock=spec.calendar != "none",
        adjacency=None if roads is None else weighted(roads, spec),
        null=spec.missing_value,
    )
    return to_dataset(series, spec, Scaling(by_node=spec.scaler == "per_node", without_null=spec.scaler_mask))


def imputed(values: Numbers, missing: NDArray[np.bool_], how: str, fitted: int) -> Numbers:
    """What models see; means are of the first `fitted` frames, and stand in before the first known value, too."""
    if how not in ("mean", "forward_fill"):
        return values
    known = np.where(missing, np.nan, values)
    counts = np.maximum((~missing[:fitted]).sum(axis=0), 1)
    mean = np.nansum(known[:fitted], axis=0) / counts
    if how == "mean":
        return np.where(missing, mean, values)
    latest = np.maximum.accumulate(np.where(missing, -1, np.arange(len(values))[:, None]), axis=0)
    return np.where(latest < 0, mean, np.take_along_axis(values, np.maximum(latest, 0), axis=0))


def _lines_by_time(known: Numbers, times: Times, fitted: int, spec: OfTraffic) -> dict[str, float]:
    """What each node's training mean of the time of day reaches on the windows of each held-out split."""
    clock = np.unique(time_of_day(times), return_inverse=True)[1]
    counts, sums = np.zeros((2, clock.max() + 1, known.shape[1]))
    np.add.at(counts, clock[:fitted], np.isfinite(known[:fitted]))
    np.add.at(sums, clock[:fitted], np.nan_to_num(known[:fitted]))
    overall = np.nansum(known[:fitted], axis=0) / np.maximum(counts.sum(axis=0), 1)
    error = np.where(counts > 0, sums / np.maximum(counts, 1), overall)[clock] - known
    told: dict[str, float] = {}
    for name in HELD_OUT:
        first = window_starts(len(known), spec)[name] + spec.window
        sums = np.concatenate([step_sums(error[first + step][:, None]) for step in range(spec.horizon)], axis=1)
        scores = of_sums(sums).items()
        told |= lines_on(name, {f"{score}: mean of the time of day": value for score, value in scores})
    return told


def _side_inputs(times: Times, missing: NDArray[np.bool_], spec: OfTraffic) -> Numbers | None:
    """[frames, nodes, features] calendar and mask, all between 0 and 1."""
    frames, nodes = missing.shape
    found = []
    if spec.calendar != "none":
        found.append(time_of_day(times))
    if spec.calendar == "time_and_day":
        found.append(day_of_week(times))
    told = [np.broadcast_to(each[:, None], (frames, nodes)) for each in found]
    if spec.input_impute == "mask_channel":
        told.append((~missing).astype(np.float64))
    return np.stack(told, axis=2) if told else None


def time_of_day(times: Times) -> Numbers:
    """From 0 at midnight to 1."""
    seconds = times.astype("datetime64[s]") - times.astype("datetime64[D]")
    share: Numbers = seconds.astype(np.float64) / DAY_SECONDS
    return share


def day_of_week(times: Times) -> Numbers:
    """0 on Mondays, 6/7 on Sundays."""
    days = (times.astype("datetime64[D]") - MONDAY).astype(np.int64)
    share: Numbers = days % WEEK / WEEK
    return share


def _times(spec: Traffic, readings: Readings) -> Times:
    if readings.times is not None:
        return readings.times
    if spec.start is None and spec.calendar == "time_and_day":
        hint = "give dataset.start, such as 2018-01-01, or take calendar: time_of_day"
        raise LabError("the file does not tell which day it is", where=Place(file=spec.path), hint=hint)
    first = np.datetime64((spec.start or UNKNOWN_DAY).replace(" ", "T"), "s")
    return first + np.timedelta64(spec.minutes * 60, "s") * np.arange(len(readings.values))
