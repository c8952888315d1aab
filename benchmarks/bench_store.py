"""The cellar: samples a second from put to durable, acknowledgements, flush, bytes a point, reads; beside their peers.

    python -m benchmarks.bench_store [POINTS]

The input is a fleet of 10 machines with 10 signals each at 10 Hz, values with two decimals. Peers in the same run: a
bare SQLite commit of the same rows as one Arrow blob (the least that is durable), and a bare Delta write a batch.
Limit: 50,000 samples/s in batches of 1,000.
"""

from __future__ import annotations

import sqlite3
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from deltalake import write_deltalake

from loopwright.core.clock import monotonic_s
from loopwright.core.types import POINTS_IN, Batch, Event, Kind, Signal, Thing
from loopwright.store import Store, open_store

LIMIT_PER_S = 50_000.0
START_NS, STEP_NS = 1_700_000_000_000_000_000, 100_000_000
SIGNALS = [Signal(f"s{i}", "1", "gauge", 10.0, None, None, "A signal of the benchmark.") for i in range(10)]
KIND = Kind("machine", "a machine of the benchmark", tuple(SIGNALS))
THINGS = [Thing(f"m{i}", "machine") for i in range(10)]


def table(first: int, size: int, decimals: int = 2) -> pa.Table:
    """Samples first .. first + size - 1 of the fleet: 100 signals in turn, each a slow sine with noise."""
    i = np.arange(first, first + size)
    series, t_ns = i % 100, START_NS + i // 100 * STEP_NS
    value = 100 + 20 * np.sin(i / 5000 + series) + np.random.default_rng(first).normal(0, 0.5, size)
    things, signals = np.array([t.id for t in THINGS]), np.array([s.name for s in SIGNALS])
    return pa.table({
        "thing": things[series // 10], "signal": signals[series % 10], "t_ns": t_ns, "n": np.zeros(size, np.int32),
        "value": np.round(value, decimals), "code": pa.nulls(size, pa.int64()), "quality": np.zeros(size, np.int8),
    }, schema=POINTS_IN)


def batches(count: int, size: int, source: str, numbered: bool = True) -> list[Batch]:
    """That many batches of a source, one after another."""
    return [
        Batch(
            "mqtt",
            source,
            i * size if numbered else None,
            table(i * size, size),
            sent=(i + 1) * size if numbered else None,
        )
        for i in range(count)
    ]


@contextmanager
def plant() -> Iterator[Store]:
    """An empty plant with the fleet declared."""
    with tempfile.TemporaryDirectory() as folder, open_store(Path(folder)) as store:
        store.declare([KIND], THINGS)
        yield store


def timed(call: Callable[[Any], Any], arguments: Sequence[Any]) -> tuple[float, float, float]:
    """(seconds in all, median and 99th percentile of one call in ms) of a call for each argument."""
    took = []
    for argument in arguments:
        begun_s = monotonic_s()
        call(argument)
        took.append(monotonic_s() - begun_s)
    return sum(took), float(np.median(took) * 1e3), float(np.percentile(took, 99) * 1e3)


def put_rows() -> list[dict[str, Any]]:
    """One row a batch size: samples/s and ms an acknowledgement, beside a bare SQLite commit and a bare Delta write."""
    out = []
    for size in (100, 1_000, 10_000, 100_000):
        offered = batches(max(8, min(500, 1_000_000 // size)), size, "bench")
        with plant() as store:
            total_s, p50_ms, p99_ms = timed(store.put, offered)
        per_s = len(offered) * size / total_s
        tables = [batch.table for batch in offered]
        out.append({
            "batch": size, "per_s": per_s, "p50_ms": p50_ms, "p99_ms": p99_ms, "sqlite_per_s": _sqlite_per_s(tables),
            "delta_per_s": _delta_per_s(tables[:100]), "met": size != 1_000 or per_s >= LIMIT_PER_S,
        })
    return out


def hard_rows() -> list[dict[str, Any]]:
    """Batches of 1,000 that are not simply new: samples/s and ms, over points that were flushed."""
    late = [replace(batch, table=_shifted(batch.table)) for batch in batches(100, 1_000, "late")]
    out = []
    with plant() as store:
        timed(store.put, batches(100, 1_000, "first"))
        store.flush()
        for word, offered in (
            ("repeated, by number", batches(100, 1_000, "first")),
            ("repeated, by key", batches(100, 1_000, "again", False)),
            ("late", late),
        ):
            total_s, p50_ms, p99_ms = timed(store.put, offered)
            out.append({"what": word, "per_s": 100_000 / total_s, "p50_ms": p50_ms, "p99_ms": p99_ms})
    return out


def _shifted(rows: pa.Table) -> pa.Table:
    t_ns = pa.array(rows.column("t_ns").to_numpy() + STEP_NS // 2)
    return rows.set_column(rows.schema.get_field_index("t_ns"), "t_ns", t_ns)


def bytes_a_point(decimals: int, points: int = 1_000_000) -> float:
    """Bytes on disk of a point whose value has so many decimals, after a flush."""
    with plant() as store:
        store.put(Batch("mqtt", "bench", 0, table(0, points, decimals)))
        store.flush()
        return sum(file.stat().st_size for file in (store.path / "points").glob("*.parquet")) / points


def kept_rows(points: int) -> list[dict[str, Any]]:
    """Flush, disk and reads of that many points, put and flushed in chunks of 100,000."""
    with plant() as store:
        flush_s = 0.0
        for first in range(0, points, 100_000):
            store.put(Batch("mqtt", "bench", first, table(first, 100_000)))
            begun_s = monotonic_s()
            store.flush()
            flush_s += monotonic_s() - begun_s
        last_ns = START_NS + points // 100 * STEP_NS
        things, signals = [t.id for t in THINGS], [s.name for s in SIGNALS]
        rollup = "SELECT thing, signal, t_ns // 60000000000 AS minute, avg(value), max(value) FROM points GROUP BY ALL"
        events = [Event("unit.claimed", f"u{i}", i, "bench", {"owner": "p"}) for i in range(1_000)]
        reads: list[tuple[str, Callable[[], Any]]] = [
            ("newest of 100 signals", lambda: store.newest()),
            ("one series, all of it", lambda: store.get(things="m3", signals="s4")),
            ("one series, its last 100 s", lambda: store.get(things="m3", signals="s4", start_ns=last_ns - 10**11)),
            ("windows 10 x 600 x 10, 1 s", lambda: store.windows(
                things, signals, start_ns=last_ns - 600 * 10**9, end_ns=last_ns, step_ns=10**9)),
            ("one-minute rollup of all", lambda: store.query(rollup)),
            ("hops", lambda: store.hops()),
            ("1,000 events, one transaction", lambda: store.record(events)),
        ]
        out = [
            {"what": "flush, samples/s", "value": points / flush_s},
            {"what": "bytes a point, two decimals", "value": bytes_a_point(2)},
            {"what": "bytes a point, all digits noise", "value": bytes_a_point(15)},
        ]
        out += [{"what": f"{word}, ms", "value": timed(lambda call: call(), [read] * 5)[1]} for word, read in reads]
        store.close()
        begun_s = monotonic_s()
        open_store(store.path).close()
        return [*out, {"what": "open again and close, ms", "value": (monotonic_s() - begun_s) * 1e3}]


def rows(points: int = 2_000_000) -> list[dict[str, Any]]:
    """All rows."""
    return [*put_rows(), *hard_rows(), *kept_rows(points)]


def _sqlite_per_s(tables: list[pa.Table]) -> float:
    with tempfile.TemporaryDirectory() as folder:
        database = sqlite3.connect(Path(folder) / "bare.sqlite", isolation_level=None)
        for pragma in ("journal_mode=WAL", "synchronous=FULL"):
            database.execute(f"PRAGMA {pragma}").fetchall()
        database.execute("CREATE TABLE blobs (data BLOB)")

        def write(rows: pa.Table) -> None:
            sink = pa.BufferOutputStream()
            with pa.ipc.new_stream(sink, rows.schema, options=pa.ipc.IpcWriteOptions(compression="lz4")) as writer:
                writer.write_table(rows)
            database.execute("INSERT INTO blobs VALUES (?)", [sink.getvalue().to_pybytes()])

        total_s = timed(write, tables)[0]
        database.close()
    return sum(rows.num_rows for rows in tables) / total_s


def _delta_per_s(tables: list[pa.Table]) -> float:
    with tempfile.TemporaryDirectory() as folder:
        total_s = timed(lambda rows: write_deltalake(folder, rows, mode="append"), tables)[0]
    return sum(rows.num_rows for rows in tables) / total_s


def main() -> None:
    """Prints the rows as tables."""
    points = int(sys.argv[1]) if len(sys.argv) > 1 else 2_000_000
    print(" batch   samples/s   ack p50 ms   p99 ms   bare SQLite/s   of it %   bare Delta/s   limit met")
    for r in put_rows():
        share = 100 * r["per_s"] / r["sqlite_per_s"]
        print(f"{r['batch']:6d} {r['per_s']:11,.0f} {r['p50_ms']:12.2f} {r['p99_ms']:8.2f} {r['sqlite_per_s']:15,.0f} "
              f"{share:9.0f} {r['delta_per_s']:14,.0f}   {'yes' if r['met'] else 'NO'}")
    print("\nbatches of 1,000      samples/s   ack p50 ms   p99 ms")
    for r in hard_rows():
        print(f"{r['what']:20s} {r['per_s']:10,.0f} {r['p50_ms']:12.2f} {r['p99_ms']:8.2f}")
    print(f"\n{points:,} points kept")
    for r in kept_rows(points):
        print(f"{r['what']:32s} {r['value']:14,.2f}")


if __name__ == "__main__":
    main()
