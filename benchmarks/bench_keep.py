"""Keeping: backup beside cp, restore, export beside DuckDB's COPY, retention.

4 M points of 10 Hz data with three decimals, 12 M samples of vibration that cannot be made smaller.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from loopwright.core.clock import SimClock, monotonic_s
from loopwright.core.types import BLOCKS_IN, Batch, Kind, Signal, Thing
from loopwright.store import Store, open_store
from loopwright.store.backup import backup
from loopwright.store.export import export
from loopwright.store.restore import restore, verify
from loopwright.store.retain import Keep, retain
from loopwright.store.sql import listing

POINTS, SAMPLES, BATCH = 4_000_000, 12_000_000, 250_000
S = 1_000_000_000
_KIND = Kind("mill", "a mill", (
    Signal("speed", "rad/s", "gauge", 10.0, None, None, "How fast."),
    Signal("vibration", "m/s2", "gauge", 25_600.0, None, None, "How it shakes."),
))


def fill(store: Store, points: int, samples: int) -> None:
    """Points of four machines, one after the other, and blocks of one."""
    store.declare([_KIND], [Thing(f"mill-{i}", "mill") for i in range(4)])
    random = np.random.default_rng(1)
    for number in range(points // BATCH):
        value = np.round(np.cumsum(random.normal(0, 0.02, BATCH)) + 100, 3)
        t_ns = (number // 4 * BATCH + np.arange(BATCH)) * (S // 10)
        table = pa.table({
            "thing": pa.repeat(f"mill-{number % 4}", BATCH), "signal": pa.repeat("speed", BATCH), "t_ns": t_ns,
            "n": np.zeros(BATCH, np.int32), "value": value, "code": pa.nulls(BATCH, pa.int64()),
            "quality": np.zeros(BATCH, np.int8),
        })
        store.put(Batch("http", f"http/{number % 4}", number // 4 * BATCH, table))
        store.flush()
    for number in range(samples // 1_000_000):
        values = random.normal(0, 10, (100, 10_000)).astype(np.float32)
        rows = [{
            "thing": "mill-0", "signal": "vibration", "t_ns": (number * 100 + i) * S, "dt_ns": 39_063, "quality": 0,
            "values": block,
        } for i, block in enumerate(values)]
        store.put(Batch("mqtt", "mqtt/fast", number * 1_000_000, pa.Table.from_pylist(rows, schema=BLOCKS_IN)))
        store.flush()


def timed(do: Callable[[], Any]) -> float:
    """Seconds."""
    began = monotonic_s()
    do()
    return monotonic_s() - began


def rows(points: int = POINTS, samples: int = SAMPLES) -> list[dict[str, Any]]:
    """Every verb once, beside its peer in the same run."""
    folder = Path(tempfile.mkdtemp(prefix="loopwright-keep-"))
    try:
        with open_store(folder / "plant", SimClock()) as store:
            fill(store, points, samples)
            return _copies(store, folder) + _exports(store, folder, points) + _retention(store, points)
    finally:
        shutil.rmtree(folder)


def _copies(store: Store, folder: Path) -> list[dict[str, Any]]:
    size = sum(path.stat().st_size for path in store.path.rglob("*") if path.is_file()) / 1e6

    def copied() -> None:
        shutil.copytree(store.path, folder / "copy")
        subprocess.run(["sync", "-f", str(folder / "copy")], check=True)

    cp = timed(copied)
    first = timed(lambda: backup(store, folder / "backup"))
    again = timed(lambda: backup(store, folder / "backup"))
    checked = timed(lambda: verify(folder / "backup"))
    back = timed(lambda: restore(folder / "backup", folder / "new"))
    found = [("cp and sync", cp), ("backup", first), ("second backup", again), ("verify", checked), ("restore", back)]
    return [
        {"what": what, "MB": round(size), "seconds": seconds, "MB/s": size / seconds, "times cp": seconds / cp}
        for what, seconds in found
    ]


def _exports(store: Store, folder: Path, points: int) -> list[dict[str, Any]]:
    found = []
    for form, options in (("parquet", "FORMAT parquet, COMPRESSION zstd"), ("csv", "FORMAT csv, HEADER")):
        source = f"(SELECT * FROM {store.tables['points'].snapshot.scan()} ORDER BY thing, signal, t_ns, n)"
        target = folder / f"duck.{form}"
        with duckdb.connect(":memory:") as connection:
            copy = timed(lambda c=connection, q=f"COPY {source} TO '{target}' ({options})": c.execute(q))  # type: ignore[misc]
        ours = timed(lambda f=form: export(store, folder / f"out-{f}", form=f, what=["points"]))  # type: ignore[misc]
        found.append({
            "what": f"export {form}", "rows": points, "rows/s": points / ours, "DuckDB COPY rows/s": points / copy,
            "times COPY": ours / copy,
        })
    files = listing([str(path) for path in (folder / "out-parquet").glob("points/*/*.parquet")])
    there = duckdb.sql(f"SELECT count(*) FROM read_parquet({files})").fetchall()
    if there != [(points,)]:
        raise AssertionError(f"{there} rows were exported, {points} are there")
    return found


def _retention(store: Store, points: int) -> list[dict[str, Any]]:
    """Nine tenths of the points are too old."""
    end_ns = points // 4 // 10 * S
    line = Keep(signals=("speed",), raw_days=end_ns / 10 / (86_400 * S))
    dry = timed(lambda: retain(store, [line], end_ns, dry_run=True))
    told: list[dict[str, Any]] = []
    took = timed(lambda: told.append(retain(store, [line], end_ns)))
    again = timed(lambda: retain(store, [line], end_ns))
    gone = told[0]["rows"]
    return [
        {"what": what, "rows gone": n, "of": points, "seconds": seconds}
        for what, n, seconds in (("retain --dry-run", gone, dry), ("retain", gone, took), ("retain again", 0, again))
    ]


def main() -> None:
    """Prints the rows."""
    for row in rows():
        print(row)


if __name__ == "__main__":
    main()
