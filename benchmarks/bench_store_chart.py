"""Charts of any range: milliseconds by zoom, warm and from a cold file cache, beside DuckDB over the same samples.

    python -m benchmarks.bench_store_chart [POINTS] [SHAPE] [FOLDER]

    POINTS  1_000_000, up to 1_000_000_000
    SHAPE   signals (1,000 at 1 Hz), years (one at 10 Hz), blocks (100 at 1 kHz, blocks of a second), all
    FOLDER  where the plants are kept: a run that was stopped goes on there, and a later one only measures

Filled by put and flush, rollups on; then compacted. The peer in the same run reads the samples of the same range from
the same files with DuckDB (min, max, mean a bucket). Limit: 200 ms for any range.
"""

from __future__ import annotations

import cProfile
import os
import pstats
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from benchmarks.bench_store import KIND, THINGS, batches
from loopwright.core.clock import monotonic_s
from loopwright.core.types import BLOCKS_IN, POINTS_IN, Batch, Kind, Signal, Thing
from loopwright.store import Store, flush, open_store, reroll
from loopwright.store.chart import chart

LIMIT_MS = 200.0
START_NS, S = 1_700_000_000_000_000_000, 1_000_000_000
_BATCH = 100_000
_SPANS_S = (10, 60, 600, 3_600, 6 * 3_600, 86_400, 7 * 86_400, 30 * 86_400, 365 * 86_400)
SHAPES = ("signals", "years", "blocks")


def series(shape: str) -> list[tuple[str, str]]:
    """(thing, signal) of a shape."""
    count = {"signals": 1_000, "years": 1, "blocks": 100}[shape]
    return [(f"m{i // 10}", f"s{i % 10}") for i in range(count)]


def declare(store: Store, shape: str) -> None:
    """Declares the fleet of a shape."""
    rate_hz = {"signals": 1.0, "years": 10.0, "blocks": 1000.0}[shape]
    signals = tuple(Signal(f"s{i}", "1", "gauge", rate_hz, None, None, "Of the benchmark.") for i in range(10))
    store.declare([Kind(shape, "of the benchmark", signals)],
                  [Thing(thing, shape) for thing in sorted({thing for thing, _ in series(shape)})])


def table(shape: str, first: int, size: int) -> pa.Table:
    """Samples first .. first + size - 1 of a shape: slow sines with noise, two decimals, now and then a peak."""
    names = series(shape)
    random = np.random.default_rng(first)
    value = np.round(100 + 20 * np.sin(np.arange(first, first + size) / 5e4) + random.normal(0, 0.5, size), 2)
    value[random.integers(0, size, 3)] = 500.0
    if shape == "blocks":
        row = np.arange(first // 1000, (first + size) // 1000)
        which, nth = row % len(names), row // len(names)
        values = pa.ListArray.from_arrays(np.arange(0, size + 1, 1000, dtype=np.int32), value.astype(np.float32))
        columns = {"dt_ns": np.full(len(row), S // 1000), "values": values, "t_ns": START_NS + nth * S + 370_000_000}
    else:
        row = np.arange(first, first + size)
        which, nth = row % len(names), row // len(names)
        columns = {"t_ns": START_NS + nth * (S if shape == "signals" else S // 10), "value": value,
                   "code": pa.nulls(size, pa.int64()), "n": np.zeros(size, np.int32)}
    for i, name in enumerate(("thing", "signal")):
        texts = pa.array([pair[i] for pair in names], pa.string())
        columns[name] = pa.DictionaryArray.from_arrays(pa.array(which.astype(np.int32)), texts).cast(pa.string())
    columns["quality"] = np.zeros(len(row), np.int8)
    schema = BLOCKS_IN if shape == "blocks" else POINTS_IN
    return pa.table([columns[name] for name in schema.names], schema=schema)


def fill(store: Store, shape: str, points: int) -> float:
    """Puts and flushes what is missing up to that many points; returns points a second (0: nothing was missing)."""
    source = f"bench/{shape}"
    begun = done = (store.cursor(source) or -1) + 1
    begun_s = told_s = monotonic_s()
    while done < points:
        store.put(Batch("http", source, done, table(shape, done, _BATCH)))
        done += _BATCH
        if done % 1_000_000 == 0 or done >= points:
            store.flush()
        if monotonic_s() - told_s > 30:
            told_s = monotonic_s()
            print(f"  {shape}: {done:,} of {points:,} points, {(done - begun) / (told_s - begun_s):,.0f}/s", flush=True)
    took_s = monotonic_s() - begun_s
    with store._flushing:
        reroll.write(store)
    for kept in store.tables.values():
        while kept.compact():
            pass
        kept.checkpoint(0)
    return (done - begun) / took_s if done > begun else 0.0


def chart_rows(store: Store, shape: str, points: int) -> list[dict[str, Any]]:
    """A row a zoom: median and worst of charts of 1,000 pixels at places by chance; cold; the peer's."""
    random = np.random.default_rng(1)
    names = series(shape)
    last_ns = START_NS + points // len(names) * {"signals": S, "years": S // 10, "blocks": S // 1000}[shape]
    whole_s = (last_ns - START_NS) / S
    out = []
    for span_s in [*(s for s in _SPANS_S if s < whole_s), whole_s]:
        took, cold, peer, level = [], [], [], 0
        for nth in range(12):
            thing, signal = names[random.integers(len(names))]
            begin_ns = START_NS + int(random.uniform(0, max(whole_s - span_s, 1e-9)) * S)
            limits = begin_ns, begin_ns + int(span_s * S)
            if nth < 2:
                forget(store.path)
            made, ms = timed(chart, store, thing, signal, *limits)
            (cold if nth < 2 else took).append(ms)
            level = int(made.schema.metadata[b"level"])
            if nth in (2, 3):
                peer.append(timed(plainly, store, (thing, signal), made, shape == "blocks")[1])
        out.append({
            "shape": shape, "points": points, "span_s": span_s, "level_s": level // S, "p50_ms": float(np.median(took)),
            "worst_ms": max(took), "cold_ms": max(cold), "peer_ms": min(peer), "met": max(took) < LIMIT_MS,
        })
    return out


def timed(call: Callable[..., Any], *arguments: Any) -> tuple[Any, float]:
    """What it gives, and how long it takes in ms."""
    begun_s = monotonic_s()
    found = call(*arguments)
    return found, (monotonic_s() - begun_s) * 1e3


def plainly(store: Store, of: tuple[str, str], made: pa.Table, blocks: bool) -> pa.Table:
    """The same buckets by DuckDB from the samples."""
    told = {key.decode(): int(value) for key, value in made.schema.metadata.items() if key != b"unit"}
    snapshot = store.tables["blocks" if blocks else "points"].snapshot
    where = (f"thing = '{of[0]}' AND signal = '{of[1]}' AND t_ns >= {told['start_ns'] - S} "
             f"AND t_ns < {told['end_ns']}")
    rows = f"SELECT t_ns, value FROM {snapshot.scan()} WHERE {where}"
    if blocks:
        rows = (f"SELECT t_ns + dt_ns * unnest(range(len(values))) AS t_ns, unnest(values) AS value "
                f"FROM {snapshot.scan()} WHERE {where}")
    return duckdb.sql(
        f"SELECT t_ns // {told['step_ns']} AS bucket, min(value), max(value), avg(value) FROM ({rows}) GROUP BY ALL"
    ).to_arrow_table()


def forget(folder: Path) -> None:
    """Asks the system to drop a plant's files from its cache."""
    for path in folder.rglob("*.parquet"):
        handle = os.open(path, os.O_RDONLY)
        os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(handle)


def flush_rows(points: int = 1_000_000) -> list[dict[str, Any]]:
    """Where the time of put and flush goes, in batches of 10,000: ms for a million points."""
    steps = {"sorting.py:sort": "sort", "samples.py:partials": "rollup", "datafile.py:write": "parquet",
             "place.py:durable": "of it fsync", "delta.py:_commit": "Delta commit", "journal.py:trim": "trim"}
    with tempfile.TemporaryDirectory() as folder, open_store(Path(folder)) as store:
        store.declare([KIND], THINGS)
        offered = batches(points // 10_000, 10_000, "bench")
        eager, flush.EAGER_SAMPLES = flush.EAGER_SAMPLES, points + 1  # all of it in one flush
        begun_s = monotonic_s()
        for batch in offered:
            store.put(batch)
        put_s = monotonic_s() - begun_s
        profile = cProfile.Profile()
        begun_s = monotonic_s()
        profile.runcall(store.flush)
        flush_s = monotonic_s() - begun_s
        flush.EAGER_SAMPLES = eager
    found = [{"step": "put", "ms": put_s * 1e3}, {"step": "flush", "ms": flush_s * 1e3}]
    for (file, _, name), (_, _, _, cumulative, _) in pstats.Stats(profile).stats.items():  # type: ignore[attr-defined]
        word = steps.get(f"{Path(file).name}:{name}")
        found += [{"step": word, "ms": cumulative * 1e3}] if word else []
    return found


@contextmanager
def plant(folder: str, shape: str) -> Iterator[Store]:
    """The plant of a shape in that folder, or in one that goes away."""
    with tempfile.TemporaryDirectory() as other, open_store(Path(folder or other) / shape) as store:
        declare(store, shape)
        yield store


def rows(points: int = 1_000_000, shapes: tuple[str, ...] = SHAPES, folder: str = "") -> list[dict[str, Any]]:
    """All rows."""
    out = []
    for shape in shapes:
        with plant(folder, shape) as store:
            per_s = fill(store, shape, points)
            size = {name: sum(f.stat().st_size for f in (store.path / name).rglob("*.parquet"))
                    for name in ("points", "blocks", "rollups")}
            said = f"filled at {per_s:,.0f}/s" if per_s else "as it stood"
            print(f"{shape}: {points:,} points, {said}; B a point: {(size['points'] + size['blocks']) / points:.2f}, "
                  f"rollups {size['rollups'] / points:.3f}", flush=True)
            out += chart_rows(store, shape, points)
    return out


def full_rows() -> list[dict[str, Any]]:
    """10^7, 10^8 and 10^9 points of every shape: an hour, and 5 GB in the folder for temporary files."""
    out = []
    with tempfile.TemporaryDirectory() as folder:
        for points in (10**7, 10**8, 10**9):
            out += [{"points": points, **row} for row in rows(points, SHAPES, folder)]
    return [*out, *flush_rows()]


def main() -> None:
    """Prints the rows as tables."""
    points = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    shapes = SHAPES if len(sys.argv) < 3 or sys.argv[2] == "all" else (sys.argv[2],)
    found = rows(points, shapes, sys.argv[3] if len(sys.argv) > 3 else "")
    print("shape          range s   level s   p50 ms   worst ms   cold ms   DuckDB on samples ms   limit met")
    for r in found:
        print(f"{r['shape']:10s} {r['span_s']:11,.0f} {r['level_s']:9d} {r['p50_ms']:8.1f} {r['worst_ms']:10.1f} "
              f"{r['cold_ms']:9.1f} {r['peer_ms']:22.1f}   {'yes' if r['met'] else 'NO'}")
    print("\na million points, batches of 10,000      ms")
    for r in flush_rows():
        print(f"{r['step']:38s} {r['ms']:6.0f}")


if __name__ == "__main__":
    main()
