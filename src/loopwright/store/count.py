"""How many samples really stand in the points: counted there, not in the books.

Files that lie in the range as a whole are counted by their statistics (of points: their rows); of the others, and where
one source is asked for, the column of batches (or sources) is read.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from loopwright.store.points import Snapshot
from loopwright.store.read import Reader
from loopwright.store.sql import quoted

Batches = tuple[int | None, int | None]  # start <= batch < end, None: open
_LIMIT = np.iinfo(np.int64).max


def standing(snapshots: Sequence[Snapshot], reader: Reader, batches: Batches, source: str | None) -> int:
    """Samples of these batches, of one source or all. snapshots: of points and of blocks."""
    low, high = (limit if given is None else given for given, limit in zip(batches, (-_LIMIT, _LIMIT), strict=True))
    total = 0
    for blocks, snapshot in enumerate(snapshots):
        first, last = snapshot.low["batch"], snapshot.high["batch"]
        reach = (last >= low) & (first < high)
        whole = reach & (first >= low) & (last < high) & (not blocks) & (source is None) & snapshot.alone
        total += int(snapshot.rows[whole].sum())
        files = [snapshot.files[i] for i in np.flatnonzero(reach & ~whole)]
        if files:
            weight = "sum(samples)" if blocks else "count(*)"
            where = "" if source is None else f" AND source = {quoted(source)}"
            sql = (
                f"SELECT coalesce({weight}, 0)::BIGINT AS n FROM {snapshot.own(files)} "
                f"WHERE batch >= {low} AND batch < {high}{where}"
            )
            total += reader.run(sql, {}).column("n")[0].as_py()
    return total


def by_source(snapshots: Sequence[Snapshot], reader: Reader, batches: Batches) -> dict[str, int]:
    """source -> samples of these batches, every row counted."""
    low, high = (limit if given is None else given for given, limit in zip(batches, (-_LIMIT, _LIMIT), strict=True))
    found: dict[str, int] = {}
    for blocks, snapshot in enumerate(snapshots):
        if snapshot.files:
            weight = "sum(samples)" if blocks else "count(*)"
            rows = reader.run(
                f"SELECT source, {weight}::BIGINT AS n FROM {snapshot.own(snapshot.files)} "
                f"WHERE batch >= {low} AND batch < {high} GROUP BY source", {},
            )
            for source, n in zip(rows.column("source").to_pylist(), rows.column("n").to_pylist(), strict=True):
                found[source] = found.get(source, 0) + n
    return found
