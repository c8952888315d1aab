"""A user's own CSV: read as it is meant, and told where it cannot be."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loopwright.core.errors import InputError, UnknownName
from loopwright.learn.sets import csv
from loopwright.learn.tables import own_table
from loopwright.learn.tables.own_table import read
from loopwright.learn.traps import LeakError


def written(path: Path, text: str) -> Path:
    file = path / "own.csv"
    file.write_text(text, "utf-8")
    return file


def test_columns_units_and_gaps_are_those_of_the_file(tmp_path: Path) -> None:
    file = written(tmp_path, "machine,t,load,flow,state\nm1,0,1.5,,ok\nm1,1,NA,2,ok\nm2,0,-1e101,inf,bad\n")
    table = read(file, {"unit": ("machine",), "time": ("t",), "label": ("state",)})
    assert (table.units, table.channels, table.first.tolist()) == (("m1", "m2"), ("load", "flow"), [0, 2, 3])
    np.testing.assert_array_equal(table.values, [[1.5, np.nan], [np.nan, 2.0], [np.nan, np.nan]])
    assert table.words["label"].tolist() == ["ok", "ok", "bad"]
    assert table.notes == ("2 numbers are infinite or beyond 1e+100: they count as missing",)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 6), st.integers(-99, 99)), min_size=1, max_size=25))
def test_rows_stand_in_the_order_of_unit_and_time_as_pandas_puts_them(tmp_path: Path, rows: list[tuple[str, int, int]]) -> None:
    frame = pd.DataFrame(rows, columns=["u", "t", "x"])
    file = tmp_path / "own.csv"
    frame.to_csv(file, index=False)
    frame["order"] = frame["u"].map({name: i for i, name in enumerate(dict.fromkeys(frame["u"]))})
    wanted = frame.drop_duplicates(["u", "t"], keep="last").sort_values(["order", "t"])
    table = read(file, {"unit": ("u",), "time": ("t",)})
    assert table.values[:, 0].tolist() == wanted["x"].tolist()
    assert table.t_s.tolist() == wanted["t"].tolist()
    assert [name for u, name in enumerate(table.units) for _ in range(table.first[u + 1] - table.first[u])] == wanted["u"].tolist()


def test_times_that_go_back_and_times_that_stand_twice_are_put_right_and_told(tmp_path: Path) -> None:
    table = read(written(tmp_path, "t,x\n3,30\n2,20\n1,10\n2,21\n"), {"time": ("t",)})
    assert table.values[:, 0].tolist() == [10.0, 21.0, 30.0]
    assert table.notes == (
        "times go back 2 times: rows are put in the order of time",
        "1 rows have the time of a later row of their unit: the later row counts",
    )


@pytest.mark.parametrize(
    "texts", [("2026-01-31 00:00:00", "2026-01-31 01:00:00"), ("2026-01-31T00:00:00Z", "2026-01-31T01:00:00Z"),
              ("31/01/2026 00:00", "31/01/2026 01:00"), ("2026-01-31T01:00:00+01:00", "2026-01-31T02:00:00+01:00")]
)
def test_dates_are_seconds_since_1970(tmp_path: Path, texts: tuple[str, str]) -> None:
    """1769817600 s is 2026-01-31 00:00 UTC, as `date -u -d 2026-01-31 +%s` says."""
    table = read(written(tmp_path, "when,x\n" + "".join(f"{text},1\n" for text in texts)), {"time": ("when",)})
    assert table.t_s.tolist() == [1769817600.0, 1769821200.0]
    assert table.dated


def test_semicolons_decimal_commas_a_mark_of_byte_order_and_gzip_are_read(tmp_path: Path) -> None:
    file = tmp_path / "werte.csv.gz"
    file.write_bytes(gzip.compress("\ufeffAnlage;Last\nA;1,5\nB;-2,25\n".encode()))
    table = read(file, {"unit": ("Anlage",)})
    assert (table.name, table.units, table.values.tolist()) == ("werte", ("A", "B"), [[1.5], [-2.25]])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "it is empty"),
        ("u,t,x\n", "it has a header and no rows"),
        ("u,t,x\na,1,2\na,2\n", r"row 3 has 2 cells: 'a,2'.*3 cells a row"),
        ("u,t,x\na,1,2\na,2,3,4\n", "row 3 has 4 cells"),
        ("u,t,x\na,yesterday,2\n", "own.csv.*times such as 'yesterday' cannot be read"),
        ("u,t,x\na,,2\n", "own.csv, row 2: time ''"),
        ("u,t,x\na,1,two\n", "no column but those mapped holds numbers"),
        ("u,t,x,x\na,1,2,3\n", "no column|2 columns are called"),
    ],
)
def test_a_file_that_cannot_be_used_says_where_and_why(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        read(written(tmp_path, text), {"unit": ("u",), "time": ("t",)} if text else {})


def test_the_first_cell_that_is_no_number_is_named(tmp_path: Path) -> None:
    file = written(tmp_path, "t,x\n" + "".join(f"{i},{i}\n" for i in range(300)) + "300,abc\n")
    with pytest.raises(InputError, match=r"own\.csv, row 302: 'abc' in column 'x'; allowed: a number"):
        read(file, {"time": ("t",)})


def test_a_column_that_is_not_there_suggests_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match=r"column of own\.csv: there is no 'enginee'; allowed: engine, x; did you mean 'engine'"):
        read(written(tmp_path, "engine,x\na,1\n"), {"unit": ("enginee",)})


def test_a_folder_a_missing_file_a_cut_off_archive_and_bytes_that_are_no_text_are_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="it is no file"):
        read(tmp_path, {})
    whole = gzip.compress(b"t,x\n" + b"1,2\n" * 5000)
    (tmp_path / "cut.csv.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="cannot be read"):
        read(tmp_path / "cut.csv.gz", {"time": ("t",)})
    (tmp_path / "latin.csv").write_bytes("t,x,ü\n1,2,3\n".encode("latin-1"))
    with pytest.raises(InputError, match="UTF-8"):
        read(tmp_path / "latin.csv", {"time": ("t",)})


def test_a_file_larger_than_what_is_held_gives_the_same_numbers_from_its_memory_map(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    rows = "".join(f"u{i // 500},{i % 500},{a:.3f},{b:.3f}\n" for i, (a, b) in enumerate(rng.normal(size=(5000, 2))))
    file = written(tmp_path, "u,t,x,y\n" + rows)
    columns = {"unit": ("u",), "time": ("t",)}
    small = read(file, columns)
    monkeypatch.setattr(own_table, "BIG", 1000)
    monkeypatch.setattr(own_table, "BLOCK", 20_000)
    large = read(file, columns)
    assert isinstance(large.values, np.memmap)
    np.testing.assert_array_equal(large.values, small.values)
    assert (large.units, large.first.tolist()) == (small.units, small.first.tolist())
    file.write_text("u,t,x,y\n" + "a,2,1,1\na,1,1,1\n" * 100)
    with pytest.raises(InputError, match="not in the order of unit and time"):
        read(file, columns)


def test_a_mapping_is_a_role_and_a_column_and_nothing_else() -> None:
    assert csv.mapping(["unit=engine", "target=load, flow"]) == {"unit": ("engine",), "target": ("load", "flow")}
    for pair, said in (("unit", "our word"), ("unit=", "our word"), ("unitt=x", "did you mean 'unit'"), ("target=a,,b", "our word")):
        with pytest.raises(InputError, match=said):
            csv.mapping([pair])
    with pytest.raises(InputError, match="unit is given twice"):
        csv.mapping(["unit=a", "unit=b"])


def test_each_target_of_each_unit_is_a_series_on_the_grid_of_its_times(tmp_path: Path) -> None:
    file = written(tmp_path, "m,when,kw\na,2026-01-01 00:00,1\na,2026-01-01 02:00,3\na,2026-01-01 01:00,2\na,2026-01-01 04:00,5\nb,2026-01-01 00:00,9\nb,2026-01-01 01:00,8\n")
    (found,), notes = csv.series(file, csv.mapping(["unit=m", "time=when", "target=kw"]))
    assert [(one.name, one.step_s) for one in found.series] == [("a/kw", 3600.0), ("b/kw", 3600.0)]
    np.testing.assert_array_equal(found.series[0].values, [1, 2, 3, np.nan, 5])
    assert "put in the order of time" in notes[0]


def test_a_unit_is_a_case_with_one_label_and_keeps_its_group(tmp_path: Path) -> None:
    file = written(tmp_path, "run,who,t,x,y,kind\n" + "".join(f"r{r},p{r // 2},{t},{t},{r},{'ab'[r % 2]}\n" for r in range(4) for t in range(3)))
    (found,), _ = csv.cases(file, csv.mapping(["unit=run", "time=t", "label=kind", "group=who"]))
    assert found.labels == ("a", "b", "a", "b")
    assert (found.groups, found.split, found.cases.rate_hz) == (("p0", "p0", "p1", "p1"), "group", 1.0)
    np.testing.assert_array_equal(found.cases.values[3], [[0, 1, 2], [3, 3, 3]])
    with pytest.raises(InputError, match="unit 'p0': label is a and b"):
        csv.cases(file, csv.mapping(["unit=who", "label=kind"]))
    with pytest.raises(InputError, match="label not told"):
        csv.cases(file, csv.mapping(["unit=run"]))


def test_a_unit_is_a_life_that_ended_unless_the_table_says_otherwise(tmp_path: Path) -> None:
    rows = "".join(f"e{e},{t},{t * 0.1},{e},{int(e < 6)},{9 - t}\n" for e in range(7) for t in range(10))
    file = written(tmp_path, "engine,cycle,heat,altitude,failed,rul\n" + rows)
    (ended,), _ = csv.lives(file, csv.mapping(["unit=engine", "time=cycle", "target=heat", "condition=altitude"]))
    everyone = {unit.id: unit for unit in (*ended.train, *ended.test)}
    assert sorted(everyone) == [f"e{e}" for e in range(7)]
    assert {unit.left for unit in ended.train} == {0.0}
    assert all(unit.left == 10 - len(unit) for unit in ended.test)
    assert everyone["e3"].settings[0].tolist() == [3.0]
    (censored,), _ = csv.lives(file, csv.mapping(["unit=engine", "time=cycle", "target=heat", "label=failed"]))
    assert [unit.id for unit in censored.train if unit.left is None] == ["e6"]
    (known,), _ = csv.lives(file, csv.mapping(["unit=engine", "time=cycle", "target=heat", "remaining=rul"]))
    assert {unit.left for unit in known.train} == {0.0}
    with pytest.raises(InputError, match="3 units have a known end"):
        csv.lives(written(tmp_path, "u,x\na,1\na,2\nb,1\nb,2\nc,1\nc,1\nd,3\n"), csv.mapping(["unit=u"]))


@pytest.mark.slow
def test_ten_thousand_channels_are_read(tmp_path: Path) -> None:
    names = [f"c{i}" for i in range(10_000)]
    rows = "".join(f"{t}," + ",".join(["1.5"] * 10_000) + "\n" for t in range(3))
    table = read(written(tmp_path, "t," + ",".join(names) + "\n" + rows), {"time": ("t",)})
    assert table.values.shape == (3, 10_000)
    assert (table.values == 1.5).all()


def test_a_table_in_which_every_cell_is_missing_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"own\.csv, columns x: no cell holds a number"):
        read(written(tmp_path, "t,x\n1,\n2,NaN\n3,inf\n"), {"time": ("t",), "target": ("x",)})


def test_a_column_that_is_the_answer_is_refused_under_any_name_and_scale(tmp_path: Path) -> None:
    rows = "".join(f"e{e},{t},{t * 0.3 + e},{(e * 3 + 9 - t) * 60 + 7},{int(t > 6)}\n" for e in range(7) for t in range(e * 3 + 10))
    file = written(tmp_path, "engine,cycle,heat,minutes,hot\n" + rows)
    with pytest.raises(LeakError, match="column 'minutes': it is the answer on another scale"):
        csv.lives(file, csv.mapping(["unit=engine", "time=cycle"]))
    csv.lives(file, csv.mapping(["unit=engine", "time=cycle", "target=heat"]))
    cases = written(tmp_path, "run,x,code,kind\n" + "".join(f"r{r},{t},{2 + r % 2},{'ab'[r % 2]}\n" for r in range(4) for t in range(3)))
    with pytest.raises(LeakError, match="column 'code': it holds one number for each class"):
        csv.cases(cases, csv.mapping(["unit=run", "label=kind"]))
    with pytest.raises(LeakError, match="kind is label and target"):
        csv.mapping(["label=kind", "target=x,kind"])
    with pytest.raises(InputError, match="run is unit and label"):
        csv.mapping(["unit=run", "label=run"])


def test_a_row_without_its_unit_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"own\.csv, row 3: no engine is named"):
        read(written(tmp_path, "engine,x\na,1\n ,2\n"), {"unit": ("engine",)})
