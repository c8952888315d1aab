"""Bytes a point, all columns counted, of real data sets; beside plain Parquet with zstd and DuckDB's own file.

    python -m benchmarks.bench_store_bytes

Each set is put in batches of 1,000 rows in the order of time, flushed every 10,000 rows, and compacted once. The peers
hold the columns thing, signal, t_ns, value of the same rows in the same order. Rollups and journal are stated apart.
Blocks: bytes a sample of float32 signals, beside Parquet with zstd of the samples alone.
Limits: 3 bytes a point on grid_pjm and grid_smart_meters, 4.5 on nab and skab.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.csv as pc_csv
import pyarrow.parquet as pq

from loopwright.core.clock import monotonic_s
from loopwright.core.types import BLOCKS_IN, POINTS_IN, Batch, Kind, Signal, Thing
from loopwright.store import Store, open_store, upkeep
from loopwright.store.points import STORED_POINTS, PointsTable

DATA = Path(__file__).parents[2] / "shared" / "data"
LIMITS = {"grid_pjm": 3.0, "grid_smart_meters": 3.0, "nab": 4.5, "skab": 4.5}
BATCH, FLUSH = 1_000, 10_000
S = 1_000_000_000
Series = tuple[str, str, np.ndarray, np.ndarray]  # thing, signal, t_ns, value


def pjm() -> Iterator[Series]:
    """Hourly load of three zones, MW."""
    for path in sorted((DATA / "grid_pjm").glob("*.csv.gz")):
        table = _csv(path)
        yield path.name.split("_")[0].lower(), "load", _times(table.column(0)), _floats(table.column(1))


def smart_meters() -> Iterator[Series]:
    """Half-hourly energy of eight households, kWh."""
    table = pq.read_table(DATA / "grid_smart_meters" / "sgsc_households.parquet")
    customer = table.column(0).to_numpy()
    t_ns, value = table.column(1).cast(pa.timestamp("ns")).cast(pa.int64()).to_numpy(), _floats(table.column(2))
    for name in sorted(set(customer.tolist())):
        yield f"meter-{name}", "energy", t_ns[customer == name], value[customer == name]


def nab() -> Iterator[Series]:
    """The recordings of the Numenta benchmark."""
    for path in sorted((DATA / "nab").glob("*/*.csv*")):
        table = _csv(path)
        if table.column_names[:2] == ["timestamp", "value"]:
            yield path.name.split(".")[0].lower(), "value", _times(table.column(0)), _floats(table.column(1))


def skab() -> Iterator[Series]:
    """Eight sensors of a water circuit, a recording a thing."""
    for path in sorted((DATA / "skab").rglob("*.csv.gz")):
        table = _csv(path, ";")
        t_ns = _times(table.column("datetime"))
        for name in table.column_names:
            if name not in ("datetime", "anomaly", "changepoint"):
                yield f"{path.parent.name}-{path.name.split('.')[0]}", name.lower().replace(" ", "."), t_ns, _floats(
                    table.column(name))


def live() -> Iterator[Series]:
    """No data set: 100 signals at 10 Hz, a slow sine with noise, two decimals; batches of one second."""
    random = np.random.default_rng(0)
    t_ns = 1_700_000_000 * S + np.arange(5_000) * (S // 10)
    for i in range(100):
        value = 100 + 20 * np.sin(np.arange(5_000) / 50 + i) + random.normal(0, 0.5, 5_000)
        yield f"m{i // 10}", f"s{i % 10}", t_ns, np.round(value, 2)


SETS: dict[str, Callable[[], Iterator[Series]]] = {
    "grid_pjm": pjm, "grid_smart_meters": smart_meters, "nab": nab, "skab": skab, "live": live,
}


def rows(points: int = 2_000_000) -> list[dict[str, Any]]:
    """A row a data set; points: of how many it is counted what a reader touches."""
    found: list[dict[str, Any]] = []
    for name, series in SETS.items():
        if name != "live" and not (DATA / name).is_dir():
            found.append({"set": f"{name}: skipped, ../shared/data/{name} is not there"})
            continue
        with tempfile.TemporaryDirectory() as folder:
            found.append(_row(name, list(series()), Path(folder)))
    for name, signals, rate_hz in fast():
        with tempfile.TemporaryDirectory() as folder:
            found.append(_fast_row(name, signals, rate_hz, Path(folder)))
    with tempfile.TemporaryDirectory() as folder:
        found.append(sorted_row(points, Path(folder)))
    return found


def full_rows() -> list[dict[str, Any]]:
    """The same, with ten million points where it is counted what a reader touches."""
    return rows(10_000_000)


def sorted_row(points: int, folder: Path) -> dict[str, Any]:
    """Row groups that may hold one signal's day, of 1,000 signals at 1/8 Hz, before and after compaction."""
    table, each = PointsTable(folder, False, True), 100_000
    for i in range(points // each):
        table.append(_flush(i, each), i + 1)
    before, begin = _touched(table), monotonic_s()
    table.compact()
    took_s = monotonic_s() - begin
    return {
        "set": "1,000 signals at 1/8 Hz", "samples": points,
        "compacted, B": round(int(table.snapshot.bytes.sum()) / points, 2), "compact, points/s": round(points / took_s),
        "row groups of a signal's day, as flushed": before, "compacted": _touched(table),
    }


def _flush(number: int, count: int) -> pa.Table:
    i = np.arange(number * count, (number + 1) * count)
    k = i % 1_000
    value = 50 + 20 * np.sin(i / 500_000 + k) + np.random.default_rng(number).normal(0, 0.5, count)
    things, signals = np.array([f"t{j:03}" for j in range(100)]), np.array([f"s{j}" for j in range(10)])
    columns = {
        "thing": things[k // 10], "signal": signals[k % 10],
        "t_ns": 1_700_000_000 * S + i // 1_000 * 8 * S, "n": np.zeros(count, np.int32), "value": np.round(value, 2),
        "code": pa.nulls(count, pa.int64()), "quality": np.zeros(count, np.int8), "source": pa.repeat("x", count),
        "known_ns": np.full(count, number + 1), "batch": np.full(count, number + 1), "assumed": np.zeros(count, bool),
        "correction": pa.repeat("", count),
    }
    table = pa.table(columns).select(STORED_POINTS.names).cast(STORED_POINTS)
    return table.sort_by([(name, "ascending") for name in ("thing", "signal", "t_ns")])


def _touched(table: PointsTable) -> str:
    """'of a day / all' row groups, by their statistics."""
    day_ns = 1_700_000_000 * S + 5_000 * S
    wanted = {"thing": ("t033", "t033"), "signal": ("s7", "s7"), "t_ns": (day_ns, day_ns + 86_400 * S - 1)}
    hit = total = 0
    for file in table.snapshot.files:
        metadata = pq.ParquetFile(file).metadata
        places = {metadata.schema.column(c).name: c for c in range(metadata.num_columns)}
        for g in range(metadata.num_row_groups):
            known = {name: metadata.row_group(g).column(places[name]).statistics for name in wanted}
            hit += all(known[name].min <= high and known[name].max >= low for name, (low, high) in wanted.items())
            total += 1
    return f"{hit} / {total}"


def _row(name: str, series: list[Series], folder: Path) -> dict[str, Any]:
    table = rows_of(series)
    with filled(folder / "plant", series, table) as store:
        flushed = written(store)
        upkeep.finish(store)
        compacted_once(store)
        kept, back = size(store, "points"), store.get()
        journal = (folder / "plant" / "journal.sqlite").stat().st_size
    with open_store(folder / "plant") as store:  # rollups are written when a plant is closed, at the latest
        rollups = size(store, "rollups")
    expected = table.sort_by([(c, "ascending") for c in ("thing", "signal", "t_ns")])
    same = (c.column("value").to_numpy().view(np.int64) for c in (back, expected))
    if not np.array_equal(*same):
        raise AssertionError(f"{name}: what came back is not what went in")
    four = expected.select(["thing", "signal", "t_ns", "value"])
    sizes = {"as flushed": flushed, "compacted": kept, "parquet zstd": _parquet(four, folder),
             "duckdb file": _duckdb(four, folder), "rollups": rollups, "journal file": journal}
    a_point = {f"{what}, B": round(bytes_ / table.num_rows, 2) for what, bytes_ in sizes.items()}
    return {"set": name, "samples": table.num_rows, **a_point, "limit, B": LIMITS.get(name, "")}


def rows_of(series: list[Series]) -> pa.Table:
    """POINTS_IN of all series in the order of time; of rows with one key the first."""
    parts = []
    for thing, signal, t_ns, value in series:
        _, first = np.unique(t_ns, return_index=True)
        some = first[np.isfinite(value[first])]
        parts.append(pa.table({
            "thing": [thing] * len(some), "signal": [signal] * len(some), "t_ns": t_ns[some],
            "n": np.zeros(len(some), np.int32), "value": value[some], "code": pa.nulls(len(some), pa.int64()),
            "quality": np.zeros(len(some), np.int8),
        }, schema=POINTS_IN))
    return pa.concat_tables(parts).sort_by("t_ns")


def filled(plant: Path, series: list[Series], table: pa.Table) -> Store:
    """A plant with these rows, flushed."""
    store = open_store(plant)
    store._tables[0]._compacting.acquire()  # so that it can be seen what the flushes wrote
    names = sorted({signal for _, signal, _, _ in series})
    kind = Kind("set", "a data set", tuple(Signal(n, "1", "gauge", None, None, None, "A signal of it.") for n in names))
    store.declare([kind], [Thing(thing, "set") for thing in sorted({thing for thing, _, _, _ in series})])
    for at in range(0, table.num_rows, BATCH):
        store.put(Batch("http", "http/import", at, table.slice(at, BATCH)))
        if at % FLUSH == 0:
            store.flush()
    store.flush()
    return store


def written(store: Store) -> int:
    """Bytes that the flushes wrote; lets compaction begin."""
    bytes_ = size(store, "points")
    store._tables[0]._compacting.release()
    return bytes_


def compacted_once(store: Store) -> None:
    """All files of each table joined into one sorted one, as happens by itself when there are enough of them."""
    for table in store._tables:
        if table.snapshot.files:
            table._rewrite(table.refresh(), list(table.snapshot.files))


def size(store: Store, name: str) -> int:
    """Bytes of the files that a table's newest version names."""
    return int(store.tables[name].refresh().bytes.sum())


def _parquet(table: pa.Table, folder: Path) -> int:
    pq.write_table(table, folder / "plain.parquet", compression="zstd")
    return (folder / "plain.parquet").stat().st_size


def _duckdb(table: pa.Table, folder: Path) -> int:
    with duckdb.connect(str(folder / "peer.duckdb")) as connection:
        connection.register("given", table)
        connection.execute("CREATE TABLE points AS SELECT * FROM given")
        connection.execute("CHECKPOINT")
    return (folder / "peer.duckdb").stat().st_size


def fast() -> Iterator[tuple[str, list[np.ndarray], float]]:
    """(name, float32 samples of each channel, rate in Hz) of what there is."""
    if (DATA / "bearing_femto").is_dir():
        table = pq.read_table(DATA / "bearing_femto" / "Bearing1_1.parquet")
        raw = [table.column(name).to_numpy() for name in ("horiz_g", "vert_g")]
        yield "bearing_femto, g, 25.6 kHz", raw, 25_600.0
        in_si = [(np.round(c.astype(float), 3) * 9.80665).astype("f4") for c in raw]
        yield "bearing_femto, m/s2, 25.6 kHz", in_si, 25_600.0
    if (DATA / "golf_watch_swings").is_dir():
        table = _csv(DATA / "golf_watch_swings" / "club_imu_800hz_one_swing.csv")
        axes = ["Ax", "Ay", "Az", "Gx", "Gy", "Gz"]
        yield "golf club, 800 Hz", [_floats(table.column(a)).astype("f4") for a in axes], 800.0
    if (DATA / "imu_broad").is_dir():
        table = pq.read_table(sorted((DATA / "imu_broad").glob("*.parquet"))[0])
        axes = [name for name in table.column_names if "gyr" in name or "acc" in name]
        yield "imu_broad, 286 Hz", [table.column(a).drop_null().to_numpy().astype("f4") for a in axes], 2000 / 7
    random, t_s = np.random.default_rng(0), np.arange(256_000) / 25_600
    shaken = [3 * np.sin(2 * np.pi * f * t_s) + random.normal(0, 0.2, len(t_s)) for f in (50, 87, 120, 311)]
    counted = [(np.round(c * 3276.8) / 3276.8).astype("f4") for c in shaken]
    yield "generated, 16-bit counts, 4 x 25.6 kHz", counted, 25_600.0
    yield "generated, every bit noise, 4 x 25.6 kHz", [c.astype("f4") for c in shaken], 25_600.0


def _fast_row(name: str, channels: list[np.ndarray], rate_hz: float, folder: Path) -> dict[str, Any]:
    total = sum(map(len, channels))
    with open_store(folder / "plant") as store:
        signals = tuple(Signal(f"c{i}", "1", "gauge", rate_hz, None, None, "A channel.") for i in range(len(channels)))
        store.declare([Kind("sensor", "a sensor", signals)], [Thing("s", "sensor")])
        for i, channel in enumerate(channels):
            store.put(Batch("http", "http/import", None, _blocks(f"c{i}", channel, rate_hz)))
            store.flush()
        upkeep.finish(store)
        compacted_once(store)
        for i, channel in enumerate(channels):
            back = store.get(signals=f"c{i}", blocks=True).column("values").combine_chunks()
            if back.flatten().to_numpy().tobytes() != channel.tobytes():
                raise AssertionError(f"{name}: what came back is not what went in")
        stored = size(store, "blocks") / total
    plain = sum(_parquet(pa.table({"x": c}), folder) for c in channels) / total
    return {"set": name, "samples": total, "compacted, B": round(stored, 2), "parquet zstd, B": round(plain, 2)}


def _blocks(signal: str, channel: np.ndarray, rate_hz: float) -> pa.Table:
    dt_ns, length = round(S / rate_hz), max(64, int(rate_hz / 10))
    starts = np.arange(0, len(channel), length)
    offsets = pa.array(np.append(starts, len(channel)).astype(np.int32))
    rows = len(starts)
    return pa.table({
        "thing": ["s"] * rows, "signal": [signal] * rows, "t_ns": starts * dt_ns, "dt_ns": [dt_ns] * rows,
        "values": pa.ListArray.from_arrays(offsets, pa.array(channel)), "quality": [0] * rows,
    }, schema=BLOCKS_IN)


def _csv(path: Path, delimiter: str = ",") -> pa.Table:
    options = pc_csv.ConvertOptions(column_types=dict.fromkeys(("datetime", "timestamp", "Datetime"), pa.string()))
    return pc_csv.read_csv(path, parse_options=pc_csv.ParseOptions(delimiter=delimiter), convert_options=options)


def _times(column: pa.ChunkedArray) -> np.ndarray:
    import pandas as pd

    text = column.to_pandas()
    return pd.to_datetime(text, format="mixed", dayfirst="/" in str(text.iloc[0])).astype("datetime64[ns]").astype(
        "int64").to_numpy()


def _floats(column: pa.ChunkedArray) -> np.ndarray:
    return column.to_numpy().astype(np.float64)


def main() -> None:
    """Prints the tables."""
    for row in rows():
        print(row)


if __name__ == "__main__":
    sys.exit(main())
