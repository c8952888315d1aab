"""From an offered batch to what is stored of it: numbers seen before, refusals, equal keys, what is late. No I/O."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from loopwright.core.errors import InputError
from loopwright.core.types import Batch, Receipt
from loopwright.store import check, keys
from loopwright.store.catalogue import Catalogue, Ints
from loopwright.store.check import lists
from loopwright.store.keys import Keys
from loopwright.store.live import Live
from loopwright.store.ranges import Ranges

Lookup = Callable[[Keys], Keys]
BEGUN_AGAIN = "its number came before, its time did not: the source began its numbering again"


@dataclass(frozen=True)
class Taken:
    """What a batch comes to.

    table    rows to store, with n, known_ns and assumed (None when there are none); slot (rows,) and keys of them
    receipt  what is told to the sender
    arrived  samples that came for the first time from this source; copied of them another source had brought before
    numbers  first and last number of the source that it fills, None when it numbers nothing
    """

    table: pa.Table | None
    keys: Keys | None
    receipt: Receipt
    arrived: int
    copied: int
    numbers: tuple[int, int] | None


def take_in(batch: Batch, known_ns: int, catalogue: Catalogue, live: Live, seen: Ranges, stored: Lookup) -> Taken:
    """Decides about every sample of the batch.

    known_ns  the journal's time for it
    seen      numbers of its source that came before
    stored    gives the stored rows that share signal and time with the rows it is given
    """
    table = check.shaped(batch)
    stated = _stated(batch, table)
    offered, unreadable = int(_samples(table).sum()) + sum(batch.refused.values()), dict(batch.refused)
    check.numbered(batch, offered)
    numbers = None
    repeats = 0
    if batch.sequence is not None and offered:
        numbers = (batch.sequence, batch.sequence + offered - 1)
        overlaps = seen.seen(*numbers)
        again = _begun_again(batch, table, overlaps, catalogue, live) if overlaps else 0
        table, stated, unreadable, repeats = _unseen(batch, table, stated, unreadable, overlaps, offered)
        repeats, unreadable[BEGUN_AGAIN] = repeats - again, again
    slot, definition = catalogue.look_up(table)
    verdict = (check.blocks if batch.blocks else check.points)(table, slot, definition, catalogue)
    if stated is not None:
        verdict[(verdict == 0) & check.beyond(stated.to_numpy())] = check.REASONS.index("time out of range")
    weight = _samples(table)
    refused = {reason: n for reason, n in unreadable.items() if n}
    good = verdict == 0
    if not good.all():
        for code, reason in enumerate(check.REASONS[1:], 1):
            if samples := int(weight[verdict == code].sum()):
                refused[reason] = refused.get(reason, 0) + samples
        table, slot, weight = table.filter(pa.array(good)), slot[good], weight[good]
        stated = stated.filter(pa.array(good)) if stated is not None else None
    table, timeless = _timed(table, slot, known_ns, batch)
    rows = keys.keys_of(table, slot, known_ns, batch.source)
    orderly = keys.in_order(rows, live.t_ns)
    settled = keys.all_new(rows) if orderly else _settled(batch, rows, live, stored)
    kept, count = settled.kept, lambda mask: int(weight[mask].sum())
    late = settled.conflict[kept] if orderly else keys.late(rows.take(kept), live.t_ns)
    copied = count(~kept & ~settled.again) if batch.sequence is None else count(~kept)
    receipt = Receipt(
        stored=count(kept), late=int(weight[kept][late].sum()), duplicate=count(~kept) + repeats,
        possible_duplicate=count(kept & timeless) if batch.sequence is None else 0, conflict=count(settled.conflict),
        refused=refused, known_ns=known_ns,
    )
    result = _kept(table, settled, known_ns, stated) if kept.any() else None
    settled_keys = None
    if kept.any():
        new = Keys(slot, rows.t_ns, settled.n, rows.value, rows.batch, rows.source)
        settled_keys = new if kept.all() else new.take(kept)
    return Taken(result, settled_keys, receipt, receipt.stored + sum(refused.values()) + copied, copied, numbers)


def longest_ns(table: pa.Table) -> int:
    """How long the longest block lasts."""
    return int(((_samples(table) - 1) * check.numbers(table.column("dt_ns"), np.int64)[0]).max())


def _settled(batch: Batch, rows: Keys, live: Live, stored: Lookup) -> keys.Settled:
    if batch.correction and batch.sequence is not None:
        return keys.last_of_key(rows)
    if keys.surely_new(rows, live.t_ns):
        return keys.all_new(rows)
    old = stored(rows.take(rows.t_ns <= live.t_ns[rows.slot]))
    return keys.settle_correction(rows, old) if batch.correction else keys.settle(rows, old)


def _stated(batch: Batch, table: pa.Table) -> pa.ChunkedArray | None:
    """known_ns of every row when the batch states it: only a file may."""
    if batch.known_ns is None:
        return None
    where = f"batch of {batch.source!r}"
    if batch.hop != "files":
        raise InputError(
            where, f"it states known_ns over {batch.hop!r}", "only a file import may state when a row became known"
        )
    if batch.correction:
        raise InputError(where, "a correction states known_ns", "a correction is known from when it is made")
    if isinstance(batch.known_ns, int):
        return pa.chunked_array([pa.array(np.full(table.num_rows, batch.known_ns, np.int64))])
    if len(batch.known_ns) != table.num_rows or batch.known_ns.null_count:
        raise InputError(
            where,
            f"{len(batch.known_ns)} known_ns ({batch.known_ns.null_count} empty) for {table.num_rows} rows",
            "one a row",
        )
    return pa.chunked_array(
        [batch.known_ns.cast(pa.int64())]
        if isinstance(batch.known_ns, pa.Array)
        else batch.known_ns.cast(pa.int64()).chunks
    )


def _samples(table: pa.Table) -> Ints:
    """(rows,) samples in each row."""
    if "values" in table.column_names:
        return lists(table.column("values"))[2]
    return np.ones(table.num_rows, np.int64)


def _begun_again(
    batch: Batch, table: pa.Table, overlaps: list[tuple[int, int]], catalogue: Catalogue, live: Live
) -> int:
    """Samples whose numbers came before although all of them are newer than anything of their signal: no repeats."""
    first, before = batch.sequence or 0, np.concatenate(([0], np.cumsum(_samples(table))))
    seen = np.zeros(before[-1] + 1, np.int64)
    for begin, end in overlaps:
        seen[min(begin - first + 1, before[-1] + 1):end - first + 2] = 1
    count = np.cumsum(seen)
    whole = count[before[1:]] - count[before[:-1]] == np.diff(before)  # every sample of the row came before
    slot, definition = catalogue.look_up(table)
    good = (check.blocks if batch.blocks else check.points)(table, slot, definition, catalogue) == 0
    t_ns, timed = check.numbers(table.column("t_ns"), np.int64)
    mark = live.t_ns[np.maximum(slot, 0)] if len(live.t_ns) else np.full(len(slot), keys.NEVER)
    asked = whole & good & timed
    newer = asked & (mark != keys.NEVER) & (t_ns > mark)
    return int(np.diff(before)[newer].sum()) if (newer == asked).all() else 0


def _unseen(
    batch: Batch, table: pa.Table, stated: Any, unreadable: dict[str, int], overlaps: list[tuple[int, int]],
    offered: int,
) -> tuple[pa.Table, Any, dict[str, int], int]:
    """The part of a numbered batch whose numbers did not come before, and how many samples did."""
    if not overlaps:
        return table, stated, unreadable, 0
    first = batch.sequence or 0
    new = np.ones(offered, bool)
    for begin, end in overlaps:
        new[begin - first:end - first + 1] = False
    in_table = offered - sum(unreadable.values())
    left: dict[str, int] = {}
    at = in_table
    for reason, samples in unreadable.items():
        left[reason] = int(new[at:at + samples].sum())
        at += samples
    repeats = int((~new).sum())
    if not batch.blocks:
        mask = pa.array(new[:in_table])
        return table.filter(mask), stated.filter(mask) if stated is not None else None, left, repeats
    rows, pieces = _cut(table, new[:in_table])
    table = pa.concat_tables([table.take(rows), pieces]) if pieces is not None else table.take(rows)
    if stated is not None and pieces is not None:
        raise InputError(
            f"batch of {batch.source!r}",
            "a block of it was stored in part before",
            "the same blocks when a file is read again",
        )
    return table, stated.take(rows) if stated is not None else None, left, repeats


def _cut(table: pa.Table, new: Any) -> tuple[Ints, pa.Table | None]:
    """Rows that are new as a whole, and the new pieces of blocks of which a part came before."""
    _, starts, lengths = lists(table.column("values"))
    fresh = np.concatenate(([0], np.cumsum(new)))
    unseen = fresh[starts + lengths] - fresh[starts]
    pieces = []
    for row in np.flatnonzero((unseen > 0) & (unseen < lengths)).tolist():
        block = table.slice(row, 1).to_pylist()[0]
        own = np.concatenate(([False], new[starts[row]:starts[row] + lengths[row]], [False]))
        edges = np.flatnonzero(own[1:] != own[:-1])
        for begin, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
            pieces.append(
                {**block, "t_ns": block["t_ns"] + begin * block["dt_ns"], "values": block["values"][begin:end]}
            )
    return np.flatnonzero((unseen == lengths) & (lengths > 0)), pa.Table.from_pylist(
        pieces, schema=table.schema
    ) if pieces else None


def _timed(table: pa.Table, slot: Ints, known_ns: int, batch: Batch) -> tuple[pa.Table, Any]:
    """Rows without a time get the journal's, and an n each; returns which they were."""
    column = table.column("t_ns")
    if not column.null_count:
        return table, np.zeros(table.num_rows, bool)
    timeless = pc.is_null(column).to_numpy()
    order = np.argsort(slot[timeless], kind="stable")
    ordered = slot[timeless][order]
    starts = np.maximum.accumulate(np.where(np.append(True, ordered[1:] != ordered[:-1]), np.arange(len(ordered)), 0))
    n = check.numbers(table.column("n"), np.int64)[0].copy()
    nth = np.empty(len(ordered), np.int64)
    nth[order] = np.arange(len(ordered)) - starts
    n[timeless] = nth
    table = table.set_column(table.schema.get_field_index("t_ns"), "t_ns", pc.fill_null(column, known_ns))
    return table.set_column(table.schema.get_field_index("n"), "n", pa.array(n, pa.int32())), timeless


def _kept(table: pa.Table, settled: keys.Settled, known_ns: int, stated: Any) -> pa.Table:
    """The rows to store, with all columns that are kept."""
    rows = table.num_rows
    known = stated if stated is not None else pa.array(np.full(rows, known_ns, np.int64))
    columns = {name: table.column(name) for name in table.column_names}
    columns["n"] = pa.array(settled.n, pa.int32())
    columns |= {"known_ns": known, "assumed": pa.array(np.full(rows, stated is not None))}
    result = pa.table(columns)
    return result if settled.kept.all() else result.filter(pa.array(settled.kept))
