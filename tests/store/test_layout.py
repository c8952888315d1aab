"""How points stand in their files: exactly, small, sorted, and readable by others; tables of before go on."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from deltalake import CommitProperties as Commit
from deltalake import DeltaTable, Transaction, WriterProperties, write_deltalake
from hypothesis import given, settings
from hypothesis import strategies as st

from loopwright.core.clock import SimClock
from loopwright.core.types import BLOCKS, POINTS
from loopwright.store import Store, compact, open_store, pack, upkeep
from loopwright.store.points import STORED_BLOCKS, STORED_POINTS, PointsTable, Snapshot
from tests.store.plant import S, balanced, blocks, numbered, points, speeds

HARD = [0.0, -0.0, 5e-324, -5e-324, 2.2250738585072014e-308, 1e22, 1e23, -1e-22, 0.1, 0.1 + 0.2, 1 / 3, 123456.789,
        float(2**53), float(2**53 + 2), -float(2**53 - 1), 1.7976931348623157e308, 9007199254740.993, 1e15, 0.5]
decimal = st.builds(lambda digits, places: float(f"{digits}e-{places}"), st.integers(-10**12, 10**12), st.integers(0, 9))
number = st.one_of(st.sampled_from(HARD), decimal, st.floats(allow_nan=False, allow_infinity=False))
single = st.floats(allow_nan=False, allow_infinity=False, width=32)


def bits(values: Any) -> Any:
    """The values as the bytes that they are, so that -0.0 is not 0.0."""
    return np.asarray(values, np.float64).view(np.int64).tolist()


@given(st.lists(st.lists(number, min_size=1, max_size=40), min_size=1, max_size=4))
@settings(max_examples=300, deadline=None)
def test_every_number_is_given_back_bit_for_bit(series: list[list[float]]) -> None:
    value = np.array([v for one in series for v in one])
    starts = np.cumsum([0, *(len(one) for one in series[:-1])])
    digits, divisor = pack.decimals(value, starts)
    with np.errstate(divide="ignore", invalid="ignore"):
        assert bits(np.where(divisor > 0, digits / divisor, value)) == bits(value)
    assert set(divisor.tolist()) <= {0.0, *(10.0**i for i in range(16))}


@given(st.lists(st.lists(st.one_of(single, st.integers(-2000, 2000).map(lambda i: float(np.float32(i / 100)))),
                         min_size=1, max_size=20), min_size=1, max_size=5))
@settings(max_examples=300, deadline=None)
def test_every_sample_of_a_block_is_given_back_bit_for_bit(rows: list[list[float]]) -> None:
    flat = np.array([v for row in rows for v in row], np.float32)
    sizes = np.array([len(row) for row in rows])
    digits, divisor = pack.counts(flat, np.cumsum(sizes) - sizes)
    by = np.repeat(divisor, sizes)
    with np.errstate(divide="ignore", invalid="ignore"):
        back = np.where(by > 0, (digits / by).astype(np.float32), flat)
    assert back.view(np.int32).tolist() == flat.view(np.int32).tolist()


def test_decimals_are_packed_and_noise_is_not() -> None:
    digits, divisor = pack.decimals(np.array([1.25, 3.5, -7.0, 810.55]), np.array([0]))
    assert (digits.tolist(), divisor.tolist()) == ([125, 350, -700, 81055], [100.0] * 4)
    noise = np.random.default_rng(1).normal(size=1000)
    assert not pack.decimals(noise, np.array([0]))[1].any()
    most = np.append(np.arange(99) / 10, 0.123456)  # one of a hundred does not decide how the others stand
    digits, divisor = pack.decimals(most, np.array([0]))
    assert divisor.tolist() == [10.0] * 99 + [0.0]


def put_hard(store: Store) -> tuple[list[float], list[int], list[list[float]]]:
    """Puts every sort of number; what was put."""
    whole = [0, 1, -1, 2**53 + 1, 2**63 - 1, 7]
    runs = [[1.5, -0.0, 3.25], [float(np.float32(v)) for v in (0.1, 1e-40, 3.4e38)], [0.5, 0.25], [12.0]]
    store.put(numbered(points(*(("mill-1", "level", i, v) for i, v in enumerate(HARD))), 0))
    store.put(numbered(points(*(("mill-1", "parts", i, v) for i, v in enumerate(whole)), ("mill-1", "level", 99, None)), 100))
    store.put(numbered(blocks(*(("mill-1", "wave", i * S, 1000, run) for i, run in enumerate(runs))), 200))
    return HARD, whole, runs


def hard_store(folder: Path) -> Store:
    """A plant without limits on what its signals may say."""
    from loopwright.core.types import Kind, Signal, Thing

    store = open_store(folder, SimClock())
    store.declare([Kind("any", "anything", (
        Signal("level", "1", "gauge", None, None, None, "Any number."),
        Signal("parts", "1", "counter", None, None, None, "Any whole number."),
        Signal("wave", "1", "gauge", 1000.0, None, None, "Any samples."),
    ))], [Thing("mill-1", "any")])
    return store


def test_every_reader_gives_the_same_bits_before_and_after_a_flush_and_a_compaction(tmp_path: Path) -> None:
    with hard_store(tmp_path) as store:
        values, whole, runs = put_hard(store)

        def check() -> None:
            level = store.get(signals="level").column("value")
            assert bits(level.drop_null()) == bits(values)
            assert level.null_count == 1
            assert store.get(signals="parts").column("code").to_pylist() == whole
            back = store.get(signals="wave", blocks=True).column("values").to_pylist()
            assert [np.array(r, np.float32).tobytes() for r in back] == [np.array(r, np.float32).tobytes() for r in runs]
            flat = store.get(signals="wave").column("value").to_numpy()
            assert bits(flat) == bits([float(np.float32(v)) for run in runs for v in run])
            asked = store.query("SELECT value FROM points WHERE signal = 'level' AND value IS NOT NULL ORDER BY t_ns")
            assert bits(asked.column("value")) == bits(values)
            assert store.get().column("known_ns").null_count == 0
            balanced(store.hops())

        check()
        store.flush()
        check()
        for table in store._tables:
            assert table._rewrite(table.snapshot, list(table.snapshot.files))
        check()
        again = store.put(numbered(points(*(("mill-1", "level", i, v) for i, v in enumerate(values))), 500, "http/b"))
        assert again.duplicate == len(values)  # found by key and value in the files
    (tmp_path / "live.arrow").unlink()
    with open_store(tmp_path, SimClock()) as store:
        check()
        assert store.newest(signals="parts").column("code").to_pylist() == [7]


def test_others_read_the_files_by_the_expressions_of_the_docs(tmp_path: Path) -> None:
    with hard_store(tmp_path) as store:
        values, _, _ = put_hard(store)
        store.flush()
        known_ns = store.get().column("known_ns").to_pylist()
    given = DeltaTable(str(tmp_path / "points")).to_pyarrow_table()
    rows = duckdb.from_arrow(given).query("given", """
        SELECT signal, coalesce(value, digits / divisor) AS value, coalesce(known_ns, batch) AS known_ns
        FROM given ORDER BY thing, signal, t_ns
    """).to_arrow_table()
    level = rows.filter(pc.equal(rows.column("signal"), "level"))
    assert bits(level.column("value").drop_null()) == bits(values)
    assert rows.column("known_ns").to_pylist() == known_ns
    runs = DeltaTable(str(tmp_path / "blocks")).to_pyarrow_table().sort_by("t_ns")
    assert runs.column("vmax").to_pylist()[2:] == [0.5, 12.0]
    assert runs.column("vmin").to_pylist()[2:] == [0.25, 12.0]
    assert runs.column("vsum").to_pylist()[2:] == [0.75, 12.0]
    assert runs.column("vlast").to_pylist()[2:] == [0.25, 12.0]
    assert runs.column("samples").to_pylist() == [3, 3, 2, 1]


OLD_INNER = [("batch", pa.int64()), ("source", pa.string()), ("correction", pa.string())]
OLD_POINTS = pa.schema([*POINTS, *OLD_INNER])
OLD_BLOCKS = pa.schema([*BLOCKS, ("n", pa.int32()), ("samples", pa.int32()), *OLD_INNER])


def as_before(plant: Path) -> None:
    """Rewrites a plant's tables as the version before wrote them: by delta-rs, without the columns that came later."""
    for name, schema, own in (("points", OLD_POINTS, STORED_POINTS), ("blocks", OLD_BLOCKS, STORED_BLOCKS)):
        assert schema.names == own.names
        snapshot = PointsTable(plant / name, name == "blocks", False).snapshot
        rows = duckdb.sql(f"SELECT * FROM {snapshot.scan()}").to_arrow_table().cast(schema)
        shutil.rmtree(plant / name)
        table = DeltaTable.create(str(plant / name), schema=schema, configuration={
            "delta.enableDeletionVectors": "false", "delta.dataSkippingStatsColumns": "thing,signal,t_ns,batch"})
        write_deltalake(
            table, rows, mode="append", writer_properties=WriterProperties(compression="ZSTD"),
            commit_properties=Commit(app_transactions=[Transaction("loopwright-flush", snapshot.flushed)]),
        )


@pytest.mark.slow
def test_a_table_of_before_is_read_written_and_joined(tmp_path: Path) -> None:
    with hard_store(tmp_path) as store:
        values, _, runs = put_hard(store)
        store.flush()
        before, blocks_before = store.get(), store.get(blocks=True)
    as_before(tmp_path)
    with open_store(tmp_path, SimClock(), read_only=True) as reader:
        assert reader.get() == before
    with open_store(tmp_path, SimClock()) as store:
        assert store.get() == before
        assert store.get(blocks=True) == blocks_before
        assert store.flush() == 0
        store.put(numbered(points(("mill-1", "level", 1000, 2.25)), 1000))
        store.put(numbered(blocks(("mill-1", "wave", 50 * S, 1000, runs[0])), 1001))
        assert store.flush() == 1 + len(runs[0])
        mixed = store.get()
        assert mixed.slice(0, len(values) + 1) == before.slice(0, len(values) + 1)
        balanced(store.hops())
        for table in store._tables:
            assert table._rewrite(table.snapshot, list(table.snapshot.files))
        assert store.get() == mixed
        assert store.get(blocks=True).num_rows == len(runs) + 1
        assert all(name.startswith("v2-") for name in store._tables[0].snapshot.names)


def rows_at(number: int, count: int, things: int) -> pa.Table:
    """A flush of `count` rows of 1-second data of `things` things, as the points take it."""
    i = np.arange(number * count, (number + 1) * count)
    rows = pa.table({
        "thing": pa.array(np.array([f"t{k:04}" for k in range(things)])[i % things]), "signal": pa.repeat("s", count),
        "t_ns": i // things * S, "n": np.zeros(count, np.int32), "value": np.round(np.sin(i / 50), 2),
        "code": pa.nulls(count, pa.int64()), "quality": np.zeros(count, np.int8), "known_ns": np.full(count, number + 1),
        "assumed": np.zeros(count, bool), "batch": np.full(count, number + 1), "source": pa.repeat("x", count),
        "correction": pa.repeat("", count),
    })
    return rows.select(STORED_POINTS.names).cast(STORED_POINTS).sort_by([(c, "ascending") for c in ("thing", "t_ns")])


def groups_with(table: PointsTable, thing: str) -> tuple[int, int]:
    """(row groups that may hold rows of that thing, row groups there are), by their statistics."""
    touched = total = 0
    for file in table.snapshot.files:
        metadata = pq.ParquetFile(file).metadata
        for g in range(metadata.num_row_groups):
            statistics = metadata.row_group(g).column(0).statistics
            total += 1
            touched += statistics.min <= thing <= statistics.max
    return touched, total


@pytest.mark.slow
def test_compaction_lays_a_series_together_and_rewrites_a_row_few_times(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loopwright.store.datafile.ROW_GROUP", 4096)
    table = PointsTable(tmp_path, False, True)
    flushes, count = 128, 4_000
    rewritten = 0
    keep = table._commit

    def counting(come: Any, gone: Any, *rest: Any) -> bool:
        nonlocal rewritten
        rewritten += sum(added.rows for added in come) if gone else 0
        return keep(come, gone, *rest)

    monkeypatch.setattr(table, "_commit", counting)
    for i in range(flushes):
        table.append(rows_at(i, count, 200), i + 1)
    before, _ = groups_with(table, "t0077")
    assert before == flushes  # every flush holds every thing
    while table.compact():
        pass
    after, total = groups_with(table, "t0077")
    assert total > 100
    assert after <= 2 * len(table.snapshot.files) <= 8
    assert rewritten / (flushes * count) <= 3  # log8(128) is 2.3
    rows = duckdb.sql(f"SELECT count(*), count(DISTINCT (thing, t_ns)), sum(batch) FROM {table.snapshot.scan()}").fetchall()
    assert rows == [(flushes * count, flushes * count, count * flushes * (flushes + 1) // 2)]


def test_large_files_are_sorted_as_a_whole_a_bounded_part_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compact, "_ROWS", 1_000)  # a thing has 1,024 rows: it is cut by time
    table = PointsTable(tmp_path, False, True)
    for i in range(8):
        table.append(rows_at(i, 512, 4), i + 1)
    parts = list(compact.in_order(table.snapshot, list(table.snapshot.files)))
    assert len(parts) == 8
    assert max(part.num_rows for part in parts) <= 1_000
    together = pa.concat_tables(parts).to_pylist()
    assert together == sorted(together, key=lambda row: (row["thing"], row["signal"], row["t_ns"], row["n"]))
    assert len(together) == 8 * 512
    assert table.compact()
    file, = table.snapshot.files
    assert pq.read_table(file, columns=["batch"], partitioning=None).num_rows == 8 * 512


def by_file(snapshot: Snapshot) -> dict[str, Any]:
    """What is known of each file."""
    columns = [snapshot.rows, snapshot.bytes, *snapshot.low.values(), *snapshot.high.values()]
    return dict(zip(snapshot.files, zip(*(c.tolist() for c in columns), strict=True), strict=True))


def test_files_are_left_out_by_thing_and_by_time(tmp_path: Path) -> None:
    table = PointsTable(tmp_path, False, True)
    for i, things in enumerate((2, 3)):
        rows = rows_at(i, 12, things)
        table.append(rows, i + 1)
    first, second = table.snapshot.files
    assert table.snapshot.between(None, None, ["t0002"]) == [second]
    assert table.snapshot.between(None, None, ["t0001", "zebra"]) == [first, second]
    assert table.snapshot.between(None, None, ["a", "zebra"]) == table.snapshot.between(None, None, []) == []
    assert table.snapshot.between(0, 4 * S, None) == [first]
    reopened = PointsTable(tmp_path, False, False).snapshot  # the same from the log as from memory
    assert by_file(reopened) == by_file(table.snapshot)


def test_statistics_of_long_names_are_bounds(tmp_path: Path) -> None:
    table = PointsTable(tmp_path, False, True)
    long = "é" * 200
    rows = rows_at(0, 3, 1).set_column(0, "thing", pa.array([long + "b", long + "c", long + "d"]))
    table.append(rows, 1)
    assert table.snapshot.between(None, None, [long + "d"]) == list(table.snapshot.files)
    assert len(json.loads((tmp_path / "_delta_log" / f"{1:020}.json").read_text().splitlines()[2])["add"]["stats"]) < 2000


@pytest.mark.parametrize("name", ["\U0010ffff", "😀", "it's; DROP", "a\0b", "zeile\n", "x" * 500, 'q"uote'])
def test_things_of_any_name_are_found_in_the_log_and_erased(tmp_path: Path, name: str) -> None:
    table = PointsTable(tmp_path, False, True)
    for number in range(8):
        table.append(rows_at(number, 2, 1).set_column(0, "thing", pa.array(["", name])), number + 1)
    assert table.compact()
    reopened = PointsTable(tmp_path, False, True)
    assert reopened.snapshot.between(None, None, [name]) == list(table.snapshot.files)
    reopened.erase([name])
    assert duckdb.sql(f"SELECT DISTINCT thing FROM {reopened.snapshot.scan()}").fetchall() == [("",)]


@pytest.mark.slow
def test_upkeep_runs_beside_puts_and_stops_when_the_plant_is_closed(store: Store) -> None:
    for i in range(40):
        store.put(numbered(speeds([i], i * S), i))
        store.flush()
    assert store._keeper is not None
    upkeep.finish(store)
    store.close()
    assert not store._keeper.is_alive()
    with open_store(store.path, SimClock()) as again:
        assert again.get().column("value").to_pylist() == list(range(40))
        assert len(again._tables[0].snapshot.files) < 16
