"""Which files of a table are worth joining, and their rows in order, a bounded part of them at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from loopwright.core.errors import StoreError
from loopwright.store.datafile import TARGET_BYTES
from loopwright.store.snapshot import Snapshot
from loopwright.store.sql import quoted

_SMALL_BYTES = 16_000  # of the first tier of files
_GROWTH = 8  # each tier is so many times larger than the one below, and so many files of it are worth joining
_ROWS = 1_000_000  # in memory at a time; of blocks, samples


def choose(snapshot: Snapshot) -> list[str]:
    """The files to join next into one sorted run, none when that is not worth it.

    As digits carry in a counter: eight files of about one size become one, so that a row is written anew about
    log8(128 MB / size of a flush) times. Files of 64 MB and more are left alone.
    """
    size = snapshot.bytes
    tier = tiers(size)
    open_ = (size < TARGET_BYTES // 2) & np.array([file not in snapshot.broken for file in snapshot.files], bool)
    for level in range(int(tier[open_].max()) + 1 if open_.any() else 0):
        taken = np.flatnonzero(open_ & (tier <= level))
        if len(taken) >= _GROWTH:
            taken = taken[np.argsort(snapshot.low["batch"][taken], kind="stable")]
            within = np.cumsum(size[taken]) <= 2 * TARGET_BYTES
            return [snapshot.files[i] for i in taken[within]]
    return []


def tiers(size: Any) -> Any:
    """(files,) the tier of files of so many bytes."""
    return np.ceil(np.log(np.maximum(size, 1) / _SMALL_BYTES) / np.log(_GROWTH)).clip(0)


def in_order(snapshot: Snapshot, files: list[str], where: str = "true") -> Iterator[pa.Table]:
    """The rows of these files in the order in which they are kept, in parts of about a million.

    where  SQL condition of the rows that are wanted
    One core and 1 GB are enough for it, so that who puts and reads goes on beside.
    """
    layout = snapshot.layout
    also = ["writer"] if "writer" in layout.stored.names else []
    scan = snapshot.scan(files, also)
    columns = ", ".join(f'"{name}"' for name in [*layout.shown.names, *also])
    schema = pa.schema([*layout.shown, *(layout.stored.field(name) for name in also)])
    connection = duckdb.connect(":memory:", config={"threads": 1, "memory_limit": "1GB"})
    try:
        connection.execute("SET enable_progress_bar = false")
        for part in _parts(connection, scan, where, "samples" in layout.shown.names):
            order = ", ".join([*layout.order, "batch"])
            found = connection.sql(f"SELECT {columns} FROM {scan} WHERE ({where}) AND {part} ORDER BY {order}")
            yield found.to_arrow_table().cast(schema)
    except duckdb.Error as error:
        raise StoreError(
            f"points {snapshot.place.uri}", f"they cannot be read ({str(error).splitlines()[0][:250]})", "",
            "restore the plant folder from its last copy",
        ) from error
    finally:
        connection.close()


def _parts(connection: duckdb.DuckDBPyConnection, scan: str, where: str, blocks: bool) -> Iterator[str]:
    """Conditions that cut the rows into parts, each after the one before in the order of thing, signal, t_ns."""
    weight = "sum(samples)" if blocks else "count(*)"
    series = connection.sql(
        f"SELECT thing, signal, {weight}::BIGINT FROM {scan} WHERE {where} GROUP BY ALL ORDER BY ALL"
    ).fetchall()
    first, total = 0, 0
    for i, (thing, signal, samples) in enumerate(series):
        if first < i and total + samples > _ROWS:
            yield _between(series[first], series[i - 1])
            first, total = i, 0
        total += samples
        if samples > _ROWS:
            yield from _by_time(connection, f"{scan} WHERE ({where}) AND ", (thing, signal), samples)
            first, total = i + 1, 0
    if first < len(series):
        yield _between(series[first], series[-1])


def _between(first: tuple[str, str, int], last: tuple[str, str, int]) -> str:
    """The series from the first to the last; that of the things alone is what skips row groups."""
    (a, b), (c, d) = map(quoted, first[:2]), map(quoted, last[:2])
    inner = f"(thing > {a} OR signal >= {b}) AND (thing < {c} OR signal <= {d})"
    return f"thing >= {a} AND thing <= {c} AND {inner}"


def _by_time(connection: duckdb.DuckDBPyConnection, scan: str, series: tuple[str, str], samples: int) -> Iterator[str]:
    own = f"thing = {quoted(series[0])} AND signal = {quoted(series[1])}"
    pieces = -(-samples // _ROWS)
    quantiles = [i / pieces for i in range(1, pieces)]
    found = connection.sql(f"SELECT unnest(quantile_disc(t_ns, {quantiles})) FROM {scan} {own}").fetchall()
    cuts = sorted({int(row[0]) for row in found})
    for low, high in zip([None, *cuts], [*cuts, None], strict=True):
        limits = [f"t_ns {sign} {cut}" for sign, cut in ((">=", low), ("<", high)) if cut is not None]
        yield " AND ".join([own, *limits])
