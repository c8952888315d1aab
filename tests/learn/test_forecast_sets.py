"""Readers of the layouts that are forecast: small files as the sources write them, and the staged ones where they are."""

from __future__ import annotations

import gzip
import importlib
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from loopwright.core.errors import InputError
from loopwright.learn.forecasting.series import SeriesSet, gathered, on_grid, seasons
from loopwright.learn.sets import grid_ett, grid_pjm, grid_vic_elec, nem12, smart_meters
from loopwright.learn.tables.table_text import numbers, times_s

DATA = Path(__file__).parents[3] / "shared" / "data"
READERS = {"grid_ett": grid_ett, "grid_pjm": grid_pjm, "grid_vic_elec": grid_vic_elec, "grid_smart_meters": smart_meters,
           "grid_nem12": nem12}


def utc_s(*parts: int) -> float:
    return datetime(*parts, tzinfo=UTC).timestamp()  # type: ignore[misc,arg-type]


def test_a_grid_puts_readings_in_order_and_leaves_holes_missing() -> None:
    start_s, step_s, values = on_grid(np.array([10800.0, 0.0, 3600.0, 7200.0, 18000.0]), np.array([3.0, 0.0, 1.0, np.nan, 5.0]))
    assert (start_s, step_s) == (0.0, 3600.0)
    np.testing.assert_array_equal(values, [0.0, 1.0, np.nan, 3.0, np.nan, 5.0])


def test_an_hour_that_stands_twice_becomes_its_mean() -> None:
    _, _, values = on_grid(np.array([0.0, 3600.0, 3600.0, 7200.0]), np.array([1.0, 2.0, 4.0, 5.0]))
    np.testing.assert_array_equal(values, [1.0, 3.0, 5.0])


def test_a_reading_that_is_no_number_is_a_hole_and_does_not_spoil_its_twin() -> None:
    _, _, values = on_grid(np.array([0.0, 3600.0, 3600.0, 7200.0]), np.array([1.0, np.nan, 4.0, np.inf]))
    np.testing.assert_array_equal(values, [1.0, 4.0, np.nan])


def test_one_time_alone_is_no_series() -> None:
    with pytest.raises(InputError, match="at least 2"):
        on_grid(np.array([5.0, 5.0]), np.array([1.0, 2.0]))


def test_a_grid_a_thousand_times_longer_than_its_readings_is_refused() -> None:
    times = np.array([0.0, 1.0, 2.0, 4e10])
    with pytest.raises(InputError, match="grid"):
        on_grid(times, np.zeros(4))


@pytest.mark.parametrize(("step_s", "expected"), [
    (3600.0, (24, 168)), (1800.0, (48, 336)), (900.0, (96, 672)), (86400.0, (7, 365)), (7.0 * 86400, (1,)), (7000.0, (1,)),
])
def test_seasons_are_whole_days_and_weeks(step_s: float, expected: tuple[int, ...]) -> None:
    assert seasons(step_s) == expected


@pytest.mark.parametrize("text", ["2016-07-01 13:30:00", "2016-07-01T13:30", "1/7/16 13:30", "01/07/2016 13:30:00", "2016-07-01 13:30:00Z"])
def test_a_time_is_read_as_the_sources_write_it(text: str) -> None:
    assert times_s([text], "x")[0] == utc_s(2016, 7, 1, 13, 30)


def test_a_day_may_be_written_without_dashes() -> None:
    assert times_s(["20171124"], "x")[0] == utc_s(2017, 11, 24)


def test_times_that_cannot_be_read_are_told() -> None:
    with pytest.raises(InputError, match="yesterday"):
        times_s(["yesterday", "31/02/16 0:00"], "x")


def test_what_is_no_number_is_missing() -> None:
    np.testing.assert_array_equal(numbers(["1.5", "", "x", "inf", "-2e3"]), [1.5, np.nan, np.nan, np.nan, -2000.0])


def test_ett_gives_seven_series_named_as_the_columns(tmp_path: Path) -> None:
    lines = ["date,HUFL,HULL,MUFL,MULL,LUFL,LULL,OT"]
    lines += [f"2016-07-01 {hour:02d}:00:00,{hour},1,2,3,4,5,{-hour}" for hour in range(5)]
    with gzip.open(tmp_path / "ETTh9.csv.gz", "wt") as file:
        file.write("\n".join(lines))
    assert grid_ett.recognises(tmp_path)
    found, = grid_ett.read(tmp_path)
    assert found.name == "ETTh9"
    assert [one.name for one in found.series] == list(grid_ett.COLUMNS)
    np.testing.assert_array_equal(found.series[0].values, np.arange(5.0))
    np.testing.assert_array_equal(found.series[6].values, -np.arange(5.0))
    assert found.series[0].start_s == utc_s(2016, 7, 1)


def test_pjm_gives_a_set_a_zone_whatever_the_order_and_way_of_its_times(tmp_path: Path) -> None:
    (tmp_path / "A_hourly.csv").write_text("Datetime,A_MW\n31/12/02 2:00,20\n31/12/02 1:00,10\n31/12/02 4:00,40\n31/12/02 3:00,30\n")
    (tmp_path / "B_hourly.csv").write_text("Datetime,B_MW\n2003-01-01 00:00:00,1\n2003-01-01 01:00:00,2\n")
    (tmp_path / "notes.csv").write_text("a,b,c\n1,2,3\n")
    found = grid_pjm.read(tmp_path)
    assert [one.name for one in found] == ["A", "B"]
    np.testing.assert_array_equal(found[0].series[0].values, [10.0, 20.0, 30.0, 40.0])
    assert found[0].series[0].unit == "MW"


def test_vic_elec_reads_the_demand(tmp_path: Path) -> None:
    times = np.datetime64("2012-01-01T00:00") + np.arange(4) * np.timedelta64(30, "m")
    table = pa.table({"Time": pa.array(times.astype("datetime64[us]")), "Demand": [1.0, None, 3.0, 4.0]})
    pq.write_table(table, tmp_path / "some.parquet")
    assert grid_vic_elec.recognises(tmp_path)
    one = grid_vic_elec.read(tmp_path)[0].series[0]
    assert one.step_s == 1800.0
    np.testing.assert_array_equal(one.values, [1.0, np.nan, 3.0, 4.0])


def test_households_are_told_apart_and_their_holes_kept(tmp_path: Path) -> None:
    half_hour = np.timedelta64(30, "m")
    times = np.datetime64("2012-06-01T10:00") + np.array([0, 1, 2, 5, 0, 1]) * half_hour
    table = pa.table({
        "customer_id": ["a"] * 4 + ["b"] * 2, "reading_datetime": pa.array(times.astype("datetime64[us]")),
        "general_supply_kwh": [0.1, 0.2, 0.3, 0.6, 9.0, 8.0],
    })
    pq.write_table(table, tmp_path / "meters.parquet")
    a, b = smart_meters.read(tmp_path)[0].series
    np.testing.assert_array_equal(a.values, [0.1, 0.2, 0.3, np.nan, np.nan, 0.6])
    np.testing.assert_array_equal(b.values, [9.0, 8.0])


def test_nem12_reads_days_and_takes_out_what_is_null(tmp_path: Path) -> None:
    day = ",".join(str(n) for n in range(48))
    (tmp_path / "m.csv").write_text(
        "200,NMI1,E1,E1,E1,,METER,WH,30,\n"
        f"300,20200101,{day},V,,,20200102000000,\n400,1,46,A,,\n400,47,48,N,,\n"
        f"300,20200102,{day},A,,,,\n"
    )
    found, = nem12.read(tmp_path)
    values = found.series[0].values
    assert len(values) == 96
    np.testing.assert_allclose(values[:46], np.arange(46) / 1000)
    assert np.isnan(values[46:48]).all()
    np.testing.assert_allclose(values[48:], np.arange(48) / 1000)


def test_a_nem12_day_that_is_cut_off_is_told_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("200,NMI1,E1,E1,E1,,METER,KWH,30,\n300,20200101,1,2,3\n")
    with pytest.raises(InputError, match="line 2"):
        nem12.read(tmp_path)


def test_a_retailers_table_and_one_with_a_day_in_a_row_are_read(tmp_path: Path) -> None:
    long, wide = tmp_path / "long", tmp_path / "wide"
    long.mkdir()
    wide.mkdir()
    (long / "a.csv").write_text(
        "NMI,StartDate,EndDate,ProfileReadValue\nN1,26/9/18 0:00,26/9/18 0:29,0.5\nN1,26/9/18 0:30,26/9/18 0:59,0.7\n")
    hours = ",".join(f"Interval {n}" for n in range(1, 49))
    rows = "\n".join(f"N2,{day}/9/18,x," + ",".join(str(n * day) for n in range(48)) for day in (1, 2))
    (wide / "b.csv").write_text(f"NMI,Read Date,Kind,{hours}\n{rows}\n")
    np.testing.assert_array_equal(nem12.read(long)[0].series[0].values, [0.5, 0.7])
    np.testing.assert_array_equal(nem12.read(wide)[0].series[0].values, np.concatenate([np.arange(48), 2 * np.arange(48)]))


def test_a_folder_of_something_else_is_not_taken(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("")
    (tmp_path / "y.csv").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "z.csv.gz").write_bytes(b"no gzip")
    (tmp_path / "z.parquet").write_bytes(b"no parquet")
    assert not any(reader.recognises(tmp_path) for reader in READERS.values())


def test_series_of_another_step_than_most_are_left_out() -> None:
    hour = np.arange(4) * 3600.0
    found = gathered("s", {"a": (hour, np.ones(4)), "b": (hour * 2, np.ones(4)), "c": (hour, np.zeros(4))}, "")
    assert [one.name for one in found.series] == ["a", "c"]
    assert isinstance(found, SeriesSet)


@pytest.mark.parametrize(("folder", "sets", "series", "points"), [
    ("grid_ett", ["ETTh1"], 7, 17420), ("grid_pjm", ["COMED", "DAYTON", "PJME"], 1, 66504), ("grid_vic_elec", ["vic_elec"], 1, 52608),
    ("grid_smart_meters", ["sgsc_households"], 8, 36101), ("grid_nem12", ["grid_nem12"], 3, 49632),
])
def test_the_staged_set_is_recognised_by_its_reader_alone_and_has_its_series(
    folder: str, sets: list[str], series: int, points: int
) -> None:
    if not (DATA / folder).is_dir():
        pytest.skip(f"the staged set {folder} is not here")
    assert [name for name, reader in READERS.items() if reader.recognises(DATA / folder)] == [folder]
    found = READERS[folder].read(DATA / folder)
    assert [one.name for one in found] == sets
    assert len(found[0].series) == series
    assert len(found[0].series[0].values) == points


def test_every_reader_says_what_it_needs() -> None:
    for reader in READERS.values():
        module = importlib.import_module(reader.__name__)
        assert module.TASKS == ("forecast",)
        assert module.NEEDS.endswith(".")


@pytest.mark.parametrize("last", [3600.0 * 10**7, 1e300])
def test_a_grid_far_longer_than_its_readings_is_refused(last: float) -> None:
    times = np.append(3600.0 * np.arange(300), last)
    with pytest.raises(InputError, match=r"301 times need a grid of .* silent for long"):
        on_grid(times, np.ones(301))
