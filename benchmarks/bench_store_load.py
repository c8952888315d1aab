"""The cellar under load: acknowledgements at 50,000 samples/s, and bulk with rollups on; where the time goes.

    python -m benchmarks.bench_store_load [SECONDS] [POINTS]

Steady: batches of 1,000 at their times for so many seconds, while flushes run by themselves and a reader asks for the
sample it last heard was stored (wire to query). Bulk: that many samples in batches of 10,000 and 100,000, as fast as
they are taken, until the last of them stands in the points and the rollups. Peer in the same run: the same bulk
through bare SQLite commits and then a bare Delta write of sorted chunks of a million. Limits: p99 of an
acknowledgement 20 ms at 50,000 samples/s; 1,000,000 durable samples/s in bulk on 2 cores.
"""

from __future__ import annotations

import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from deltalake import write_deltalake

from benchmarks.bench_store import STEP_NS, _sqlite_per_s, plant, table
from loopwright.core.clock import monotonic_s
from loopwright.core.types import Batch

PER_S = 50_000


def steady(seconds: float) -> dict[str, Any]:
    """Acknowledgements, and wire to query, in ms, at 50,000 samples/s."""
    acks: list[float] = []
    asked: list[float] = []
    newest: list[tuple[int, float]] = []
    over = threading.Event()
    with plant() as store:

        def look() -> None:
            while not over.wait(0.05):
                if newest:
                    first, sent_s = newest[-1]
                    last = table(first + 999, 1)
                    row = last.to_pylist()[0]
                    found = store.get(things=row["thing"], signals=row["signal"], start_ns=row["t_ns"],
                                      end_ns=row["t_ns"] + STEP_NS)
                    assert found.num_rows == 1
                    asked.append(monotonic_s() - sent_s)

        reader = threading.Thread(target=look)
        reader.start()
        begun_s = monotonic_s()
        count = int(seconds * PER_S / 1000)
        offered = [Batch("mqtt", "steady", i * 1000, table(i * 1000, 1000), sent=(i + 1) * 1000) for i in range(count)]
        behind_s = 0.0
        begun_s = monotonic_s()
        for i, batch in enumerate(offered):
            due_s = begun_s + i * 1000 / PER_S
            if (wait_s := due_s - monotonic_s()) > 0:
                time.sleep(wait_s)
            behind_s = max(behind_s, monotonic_s() - due_s)
            sent_s = monotonic_s()
            store.put(batch)
            acks.append(monotonic_s() - sent_s)
            newest.append((i * 1000, sent_s))
        over.set()
        reader.join()
    p50, p99 = (float(np.percentile(acks, q) * 1e3) for q in (50, 99))
    return {
        "steady": f"{PER_S:,} samples/s for {seconds:g} s", "ack_p50_ms": p50, "ack_p99_ms": p99,
        "ack_max_ms": max(acks) * 1e3, "behind_s": behind_s,
        "put_to_answer_p99_ms": float(np.percentile(asked, 99) * 1e3), "limit_ms": 20, "met": p99 < 20,
    }


def bulk(points: int, size: int) -> dict[str, Any]:
    """Samples/s from the first put until all stand in the points, and where the time went."""
    chunk = [table(i, size) for i in range(0, 1_000_000, size)]  # made before the clock starts
    made_s = 0.0
    with plant() as store:
        put_s = 0.0
        begun_s, begun_cpu = monotonic_s(), time.process_time()
        for i in range(points // size):
            at_s = monotonic_s()
            batch = Batch("mqtt", "bulk", i * size, _shifted(chunk, i), sent=(i + 1) * size)
            made_s += monotonic_s() - at_s
            store.put(batch)
            put_s += monotonic_s() - at_s
        durable_s = monotonic_s() - begun_s - made_s
        store.flush()
        took_s = monotonic_s() - begun_s - made_s
        cpu_s = time.process_time() - begun_cpu
        hops = store.hops()
        assert hops["points"].out == points, hops
    return {
        "bulk": f"{points:,} in batches of {size:,}",
        "durable_per_s": points / durable_s, "kept_per_s": points / took_s,
        "put_share": put_s / took_s, "cpu_s_per_million": cpu_s / points * 1e6, "met": points / took_s >= 1e6,
    }


def peer(points: int) -> dict[str, Any]:
    """The same rows through what cannot be left out: a durable blob, and a sorted Parquet file a million."""
    sqlite_per_s = _sqlite_per_s([table(i, 10_000) for i in range(0, min(points, 2_000_000), 10_000)])
    with tempfile.TemporaryDirectory() as folder:
        rows = table(0, 1_000_000)
        begun_s = monotonic_s()
        sorted_rows = rows.sort_by([("thing", "ascending"), ("signal", "ascending"), ("t_ns", "ascending")])
        write_deltalake(folder, sorted_rows, mode="append")
        delta_per_s = 1_000_000 / (monotonic_s() - begun_s)
        size = sum(path.stat().st_size for path in Path(folder).glob("*.parquet"))
    both = 1 / (1 / sqlite_per_s + 1 / delta_per_s)
    return {"bare": "SQLite blobs of 10,000, then sorted Delta files", "sqlite_per_s": sqlite_per_s,
            "delta_per_s": delta_per_s, "one_after_the_other_per_s": both, "bytes_a_point": size / 1e6}


def _shifted(chunk: Sequence[pa.Table], nth: int) -> pa.Table:
    """The nth batch of an endless stream made of one million rows: the same values, later times."""
    base = chunk[nth % len(chunk)]
    turn = nth // len(chunk)
    if not turn:
        return base
    t_ns = base.column("t_ns").to_numpy() + turn * 10_000 * STEP_NS
    return base.set_column(base.schema.get_field_index("t_ns"), "t_ns", pa.array(t_ns))


def rows(seconds: float = 10, points: int = 5_000_000) -> list[dict[str, Any]]:
    """All rows."""
    return [steady(seconds), bulk(points, 10_000), bulk(points, 100_000), peer(points)]


def full_rows() -> list[dict[str, Any]]:
    """Longer."""
    return rows(60, 20_000_000)


if __name__ == "__main__":
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 10
    for row in rows(seconds, int(sys.argv[2]) if len(sys.argv) > 2 else 5_000_000):
        print(row)
