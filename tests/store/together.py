"""A process that appends to a table which others write, too, and compacts it meanwhile.

    python -m tests.store.together PLACE NAME CACHE OPTIONS

PLACE is a folder or s3://...; says how often a compaction of its own was the one that counted.
"""

from __future__ import annotations

import ast
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from loopwright.store.bucket import BucketPlace
from loopwright.store.place import LocalPlace
from loopwright.store.points import STORED_POINTS, PointsTable

TIMES, ROWS = 40, 50


def table_at(place: str, name: str, cache: Path, options: dict[str, str]) -> PointsTable:
    """The points at a place, opened by one of several writers."""
    where = BucketPlace(place, cache, options) if "://" in place else LocalPlace(Path(place))
    return PointsTable(where, False, True, name)


def rows(name: str, turn: int) -> pa.Table:
    """ROWS points of one thing; batch numbers are the same in every process."""
    number = np.arange(turn * ROWS, (turn + 1) * ROWS)
    columns: dict[str, Any] = {
        "thing": pa.repeat(f"thing-{name}", ROWS), "signal": pa.repeat("s", ROWS), "t_ns": number,
        "n": np.zeros(ROWS, np.int32), "value": number.astype(float), "code": pa.nulls(ROWS, pa.int64()),
        "quality": np.zeros(ROWS, np.int8), "known_ns": np.full(ROWS, turn + 1), "assumed": np.zeros(ROWS, bool),
        "batch": np.full(ROWS, turn + 1), "source": pa.repeat(name, ROWS), "correction": pa.repeat("", ROWS),
    }
    return pa.table(columns).select(STORED_POINTS.names).cast(STORED_POINTS)


def main(place: str, name: str, cache: Path, options: dict[str, str]) -> None:
    """Appends, and compacts in a thread beside it."""
    table = table_at(place, name, cache, options)
    over = threading.Event()
    counted = [0]

    def compact() -> None:
        while not over.is_set():
            if table.compact():
                counted[0] += 1
                table.checkpoint(2)
            over.wait(0.05)

    beside = threading.Thread(target=compact)
    beside.start()
    try:
        for turn in range(TIMES):
            table.append(rows(name, turn), turn + 1)
            if table.snapshot.flushed != turn + 1:
                raise SystemExit(f"flushed is {table.snapshot.flushed} after {turn + 1}")
    finally:
        over.set()
        beside.join()
    print(counted[0])


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]), ast.literal_eval(sys.argv[4]))
