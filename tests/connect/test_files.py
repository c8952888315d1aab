"""Files as a source: layouts, units, times and zones, cells that are none, and files that are broken."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from loopwright.connect import files
from loopwright.connect.batch import slices
from loopwright.core.clock import RealClock, from_iso
from loopwright.core.errors import InputError, UnitError, UnknownName
from loopwright.core.types import Batch
from loopwright.store import open_store
from tests.connect.kit import MILL, THINGS, collect, said, together

WIDE = {"Speed": "spindle.speed", "Power": "power", "State": "execution"}


async def read(path: Path, **settings: object) -> list[Batch]:
    batches: list[Batch] = []
    await collect(files, files.Settings(path=str(path), **settings), batches)  # type: ignore[arg-type]
    return batches


def rows(batches: list[Batch]) -> list[tuple[object, ...]]:
    names = ["signal", "t_ns", "n", "value", "code", "quality"]
    return [tuple(row.values()) for row in together(batches).select(names).to_pylist()]


def in_folder(path: Path) -> list[str]:
    return sorted(entry.name for entry in path.iterdir())


def written(tmp_path: Path, text: str, name: str = "run.csv", encoding: str = "utf-8") -> Path:
    path = tmp_path / name
    path.write_bytes(gzip.compress(text.encode(encoding)) if name.endswith(".gz") else text.encode(encoding))
    return path


@pytest.mark.parametrize("name", ["run.csv", "run.csv.gz", "run.parquet"])
async def test_what_was_written_is_read_back(tmp_path: Path, name: str) -> None:
    settings, table = files.Settings(path=str(tmp_path / name)), said(300)
    odd = pa.array(table.column("t_ns").to_numpy() + 7)  # ns that no float64 holds
    table = table.set_column(2, "t_ns", odd)
    assert await files.expose(settings, THINGS, list(slices(table, 100)), RealClock()) == 1200
    batches = await read(tmp_path / name)
    assert together(batches).equals(table.combine_chunks())
    assert in_folder(tmp_path) == [name], "nothing half-written stays"


async def test_a_wide_file_with_words_gaps_and_a_zone(tmp_path: Path) -> None:
    path = written(tmp_path, "Time,Speed,Power,State\n2026-07-01 12:00:00,300.5,,active\n2026-07-01 12:00:01,NaN,4e3,IDLE\n")
    batches = await read(path, columns=WIDE, time="Time", time_zone="Europe/Berlin", thing="mill-1")
    t0 = from_iso("2026-07-01T10:00:00Z")  # summer time is two hours before UTC
    assert rows(batches) == [
        ("spindle.speed", t0, 0, 300.5, None, 0), ("power", t0, 0, None, None, 0), ("execution", t0, 0, None, 1, 0),
        ("spindle.speed", t0 + 10**9, 0, None, None, 0), ("power", t0 + 10**9, 0, 4000.0, None, 0),
        ("execution", t0 + 10**9, 0, None, 0, 0),
    ]
    assert (batches[0].sequence, batches[0].sent, batches[0].known_ns) == (0, 6, None)


async def test_a_german_file_with_a_row_of_units(tmp_path: Path) -> None:
    text = "Zeit;Drehzahl;Leistung\n[];[rpm];[kW]\n31.01.2026 13:00;3000,0;4,5\n"
    path = written(tmp_path, "\ufeff" + text)
    batches = await read(
        path, columns={"Drehzahl": "spindle.speed", "Leistung": "power"}, time="Zeit", time_format="%d.%m.%Y %H:%M",
        time_zone="Europe/Berlin", thing="mill-1", decimal=",",
    )
    (_, t_ns, _, speed, _, _), (_, _, _, power, _, _) = rows(batches)
    assert t_ns == from_iso("2026-01-31T12:00:00Z")
    assert speed == pytest.approx(314.159265358979)  # 3000 / 60 * 2 pi
    assert power == pytest.approx(4500.0)


async def test_the_hour_that_comes_twice_is_told_apart_by_its_order(tmp_path: Path) -> None:
    # Europe/Berlin, 2026-10-25: 03:00 summer time becomes 02:00 (tz database)
    local = ["01:30", "02:00", "02:30", "02:00", "02:30", "03:00"]
    path = written(tmp_path, "Time,Power\n" + "".join(f"2026-10-25 {t},1\n" for t in local))
    batches = await read(path, columns={"Power": "power"}, time="Time", time_zone="Europe/Berlin", thing="mill-1")
    first = from_iso("2026-10-24T23:30:00Z")
    assert together(batches).column("t_ns").to_pylist() == [first + i * 1800 * 10**9 for i in range(6)]


async def test_the_hour_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, "Time,Power\n2026-03-29 02:30,1\n")
    with pytest.raises(InputError, match="2026-03-29 02:30: does not exist in Europe/Berlin"):
        await read(path, columns={"Power": "power"}, time="Time", time_zone="Europe/Berlin", thing="mill-1")


@pytest.mark.parametrize("cell", ["2026-01-31T12:00:00Z", "2026-01-31 13:00:00+01:00", "1769860800", "1769860800000",
                                  "1769860800000000", "1769860800000000000", "1769860800.0", "2026-01-31T12:00"])
async def test_times_are_read_as_people_write_them(tmp_path: Path, cell: str) -> None:
    path = written(tmp_path, f"Time,Power\n{cell},1\n")
    batches = await read(path, columns={"Power": "power"}, time="Time", thing="mill-1")
    assert together(batches).column("t_ns").to_pylist() == [1_769_860_800_000_000_000]


async def test_equal_times_are_numbered_over_the_borders_of_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "SAMPLES", 2)
    path = written(tmp_path, "Time,Power\n" + "1769860800,1\n" * 5 + "1769860801,1\n")
    batches = await read(path, columns={"Power": "power"}, time="Time", thing="mill-1")
    assert len(batches) == 3
    assert together(batches).column("n").to_pylist() == [0, 1, 2, 3, 4, 0]


async def test_a_long_file_takes_its_words_from_columns(tmp_path: Path) -> None:
    text = "who,what,when,how much,unsure\nmill-1,power,1769860800,5,0\nmill-1,execution,1769860800,Active,1\nx,y,1769860801,2,0\n"
    columns = {"who": "thing", "what": "signal", "how much": "value", "unsure": "quality"}
    batches = await read(written(tmp_path, text), columns=columns, time="when", units={"power": "kW"})
    assert [row[0] for row in rows(batches)] == ["power", "execution", "y"]
    assert [row[3:] for row in rows(batches)] == [(5000.0, None, 0), (None, 1, 1), (2.0, None, 0)]
    assert together(batches).column("thing").to_pylist() == ["mill-1", "mill-1", "x"]


async def test_cells_and_rows_that_are_none_are_counted_by_reason(tmp_path: Path) -> None:
    text = "Time,Power,Parts\n1769860800,12 kW,1\n1769860801,2\n1769860802,2,2.5\nsoon,3,3\n1769860804,4,4\n"
    batches = await read(written(tmp_path, text), columns={"Power": "power", "Parts": "parts"}, time="Time", thing="mill-1")
    assert [(row[0], row[3], row[4]) for row in rows(batches)] == [
        ("parts", None, 1), ("power", 2.0, None), ("power", 4.0, None), ("parts", None, 4),
    ]
    assert batches[0].refused == {
        "no time that can be read": 2, "not a value of this signal": 2, "row with too few or too many cells": 2,
    }
    assert batches[-1].sent == 10


async def test_when_it_was_known_is_a_column_or_a_delay(tmp_path: Path) -> None:
    path = written(tmp_path, "Time,Arrived,Power\n1769860800,1769860900,1\n1769860801,,2\n")
    base = {"columns": {"Power": "power"}, "time": "Time", "thing": "mill-1"}
    batch, = await read(path, **base, known="Arrived")
    assert batch.known_ns.to_pylist() == [1_769_860_900 * 10**9, 1_769_860_801 * 10**9]
    batch, = await read(path, **base, delay_s=2.5)
    assert batch.known_ns.to_pylist() == [1_769_860_802_500_000_000, 1_769_860_803_500_000_000]


async def test_a_second_import_and_one_after_a_kill_double_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "SAMPLES", 500)
    await files.expose(files.Settings(path=str(tmp_path / "run.csv")), THINGS, [said(1000)], RealClock())
    (tmp_path / "again.csv.gz").write_bytes(gzip.compress((tmp_path / "run.csv").read_bytes()))
    batches = await read(tmp_path / "run.csv")
    assert len(batches) == 8
    with open_store(tmp_path / "plant") as store:
        store.declare([MILL], [thing for thing, _ in THINGS.values()])
        for batch in batches[:3]:
            store.put(batch)
        for batch in await read(tmp_path / "run.csv"):
            store.put(batch)
        hop = store.hops()["files"]
        assert (hop.into, hop.out, hop.duplicate, hop.lost, hop.waiting) == (5500, 4000, 1500, 0, 0)
        for batch in await read(tmp_path / "again.csv.gz"):
            store.put(batch)
        assert store.hops()["files"].duplicate == 5500, "the same content, packed"
        assert store.get().num_rows == 4000


async def test_read_in_another_way_it_is_another_source(tmp_path: Path) -> None:
    path = written(tmp_path, "Time,Power\n1769860800,1\n")
    base = {"columns": {"Power": "power"}, "time": "Time", "thing": "mill-1"}
    one, = await read(path, **base)
    two, = await read(path, **base, units={"power": "kW"})
    assert one.source != two.source


@pytest.mark.parametrize(("columns", "message"), [
    ({"Powr": "power"}, r"there is no 'Powr'; allowed: Power, Time; did you mean 'Power'"),
    ({"Power": "powr"}, "did you mean 'power'"),
])
async def test_columns_that_are_not_there_are_named_with_those_that_are(
    tmp_path: Path, columns: dict[str, str], message: str,
) -> None:
    with pytest.raises(UnknownName, match=message):
        await read(written(tmp_path, "Time,Power\n1,1\n"), columns=columns, time="Time", thing="mill-1")


async def test_a_unit_of_another_quantity_is_refused(tmp_path: Path) -> None:
    base = {"columns": {"Power": "power"}, "time": "Time", "thing": "mill-1"}
    with pytest.raises(UnitError, match="'rpm' measures something else; allowed: what converts to W"):
        await read(written(tmp_path, "Time,Power\n1769860800,1\n"), **base, units={"power": "rpm"})
    with pytest.raises(UnitError, match="'horses' is not known"):
        await read(written(tmp_path, "Time,Power\n(s),[horses]\n1769860800,1\n"), **base)


async def test_broken_files_say_what_is_wrong_and_give_nothing(tmp_path: Path) -> None:
    whole = gzip.compress(("Time,Power\n" + "1769860800,1\n" * 50_000).encode())
    (tmp_path / "cut.csv.gz").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "empty.csv").write_bytes(b"")
    (tmp_path / "header.csv").write_bytes(b"Time,Power\n")
    (tmp_path / "blank.csv").write_bytes(b"\n\n")
    (tmp_path / "latin.csv").write_bytes("Time,Power\n1769860800,1\n1769860801,\u00fc\n".encode("latin-1"))
    (tmp_path / "twice.csv").write_bytes(b"Time,Power,Power\n1,2,3\n")
    (tmp_path / "cut.parquet").write_bytes(b"PAR1 and then nothing")
    expected = {
        "cut.csv.gz": r"cut\.csv\.gz line \d+: the file is cut off", "empty.csv": "is empty",
        "header.csv": "holds a header and no rows", "blank.csv": "there is no header",
        "latin.csv": r"latin\.csv line 3: byte 0xfc is not utf-8.*latin-1", "twice.csv": "columns Power stand twice",
        "cut.parquet": "is no whole Parquet file", ".": "is a folder", "nowhere.csv": "there is no such file",
    }
    for name, message in expected.items():
        with pytest.raises(InputError, match=message):
            await read(tmp_path / name, columns={"Power": "power"}, time="Time", thing="mill-1")
    batches = await read(tmp_path / "latin.csv", columns={"Power": "power"}, time="Time", thing="mill-1", encoding="latin-1")
    assert batches[0].refused == {"not a value of this signal": 1}


async def test_a_time_that_nothing_can_read_asks_for_its_format(tmp_path: Path) -> None:
    path = written(tmp_path, "Time,Power\n31/01/2026 12:00,1\n")
    with pytest.raises(InputError, match=r"run\.csv line 2: Time '31/01/2026 12:00' is no time.*time_format"):
        await read(path, columns={"Power": "power"}, time="Time", thing="mill-1")


async def test_what_cannot_be_written_is_said_before_anything_is(tmp_path: Path) -> None:
    for name, message in {"a.xlsx": "ends with '.xlsx'", "no/where.csv": "there is no folder"}.items():
        with pytest.raises(InputError, match=message):
            await files.expose(files.Settings(path=str(tmp_path / name)), THINGS, [said(1)], RealClock())
    with pytest.raises(InputError, match="without t_ns"):
        await files.expose(files.Settings(path=str(tmp_path / "a.csv")), THINGS, [said(1), pa.table({"thing": ["a"], "signal": ["b"]})], RealClock())
    assert in_folder(tmp_path) == []


async def test_parquet_with_its_own_types_is_read(tmp_path: Path) -> None:
    stamps = pa.array([1_769_860_800_000, 1_769_860_801_000], pa.timestamp("ms", "UTC"))
    table = pa.table({"Time": stamps, "Power": pa.array([1, None], pa.int16()), "State": pa.array(["idle", "active"]).dictionary_encode()})
    pq.write_table(table, tmp_path / "run.parquet")
    batches = await read(tmp_path / "run.parquet", columns={"Power": "power", "State": "execution"}, time="Time", thing="mill-1")
    assert [row[3:5] for row in rows(batches)] == [(1.0, None), (None, 0), (None, None), (None, 1)]


async def test_memory_stays_bounded_and_batches_are_of_one_size(tmp_path: Path) -> None:
    n = 40_000
    text = "Time,Speed,Power,State\n" + "".join(f"{1769860800 + i},300.5,{i},active\n" for i in range(n))
    batches = await read(written(tmp_path, text, "run.csv.gz"), columns=WIDE, time="Time", thing="mill-1")
    assert max(batch.samples for batch in batches) <= files.SAMPLES
    assert sum(batch.samples for batch in batches) == 3 * n
    power = together(batches).filter(pa.compute.equal(together(batches).column("signal"), "power")).column("value")
    assert np.array_equal(power.to_numpy(), np.arange(n))


async def test_a_real_recording_of_a_mill_is_read(shared_data: Path) -> None:
    path = shared_data / "cnc_mill_wear" / "experiment_05.csv.gz"
    with gzip.open(path, "rt") as file:
        lines = sum(1 for _ in file) - 1
    with pytest.raises(UnknownName, match="column of"):
        await read(path, columns={"S1_Speed": "power"}, time="M1_sequence_number", thing="mill-1")
    batches = await read(path, columns={"S1_OutputPower": "power"}, time="M1_sequence_number", thing="mill-1", units={"power": "kW"})
    assert sum(batch.samples for batch in batches) == lines
