"""The accounts source by source, a row each, without a loop over sources: a plant may have heard a million of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from loopwright.store.accounts import UNCOUNTED
from loopwright.store.counts import SUMS
from loopwright.store.journal import Journal
from loopwright.store.read import Reader
from loopwright.store.snapshot import Snapshot
from loopwright.store.sums import Asked, Books, union

BY_SOURCE = pa.schema([
    ("hop", pa.string()), ("source", pa.string()),
    *((name, pa.int64()) for name in ("in", "out", "late", "duplicate", "possible_duplicate", "conflict", "refused")),
    ("refused_by_reason", pa.map_(pa.string(), pa.int64())), ("waiting", pa.int64()), ("lost", pa.int64()),
    ("word", pa.string()), ("erased", pa.int64()), ("expired", pa.int64()), ("in_journal", pa.int64()),
    ("in_points", pa.int64()),
])
_STREAMS = ("hop", "source", "counted", "word", *SUMS)
_REASONS = ("hop", "source", "reason", "samples")
_TEXTS = ("hop", "source", "word", "reason")
_EQUATION = f"""
    SELECT hop, source, before + expected + duplicate - copied AS "in", stored AS out, late, duplicate,
    possible_duplicate, conflict, refused, coalesce(by_reason, MAP {{}}) AS refused_by_reason,
    before + expected - arrived - lost AS waiting, CASE WHEN counted = 0 THEN NULL ELSE lost END AS lost,
    concat_ws('; ', nullif(word, ''), CASE WHEN counted = 0 THEN '{UNCOUNTED}' END) AS word,
    erased + erased_early AS erased, expired, coalesce(held, 0) AS in_journal,
    stored - erased - erased_early - expired - coalesce(held, 0) AS in_points
    FROM inside LEFT JOIN reasons_of USING (hop, source) LEFT JOIN held USING (hop, source) ORDER BY hop, source"""


def take(asked: Asked, journal: Journal) -> dict[str, pa.Table]:
    """What the journal knows of every source now, as columns."""
    where = asked.condition("WHERE")
    return {
        "streams": _columns(_STREAMS, journal.rows(f"SELECT {', '.join(_STREAMS)} FROM streams{where}")),
        "reasons": _columns(_REASONS, journal.rows(f"SELECT {', '.join(_REASONS)} FROM refusals{where}")),
    }


def table(
    asked: Asked, taken: Mapping[str, pa.Table], books: Books, sealed: Snapshot, reader: Reader
) -> pa.Table:
    """BY_SOURCE rows, sorted by hop and source."""
    hops, sources = ([key[i] for key in books.waiting] for i in (0, 1))
    held = pa.table([pa.array(hops, pa.string()), pa.array(sources, pa.string()),
                     pa.array(list(books.waiting.values()), pa.int64())], names=["hop", "source", "held"])
    whole = asked.window == (None, None)
    inside = "SELECT *, 0 AS before FROM streams" if whole else _inside(asked, sealed)
    reasons = "SELECT * FROM reasons" if whole else _reasons(asked, sealed)
    by_reason = "map(list(reason ORDER BY reason), list(samples ORDER BY reason)) AS by_reason"
    sql = (
        f"WITH inside AS ({inside}), reasons_of AS (SELECT hop, source, {by_reason} FROM ({reasons}) "
        f"GROUP BY hop, source) {_EQUATION}"
    )
    return reader.run(sql, {**taken, "open": books.rows, "held": held}).cast(BY_SOURCE)


def _inside(asked: Asked, sealed: Snapshot) -> str:
    """SQL of the sums of the window by source, and of what was on its way when it began."""
    low, high = asked.limits
    sums = ", ".join(f"coalesce(sum({w}) FILTER (minute < {high}), 0)::BIGINT AS {w}" for w in SUMS)
    within = (
        f"SELECT hop, source, {sums}, sum(expected - arrived - lost)::BIGINT AS since FROM ({union(asked, sealed)}) "
        f"WHERE minute >= {low} AND (minute < {high} OR expected <> arrived OR lost <> 0){asked.condition('AND')} "
        "GROUP BY hop, source"
    )
    names = ", ".join(f"coalesce(w.{word}, 0) AS {word}" for word in SUMS)
    before = "0" if asked.window[0] is None else "s.expected - s.arrived - s.lost - coalesce(w.since, 0)"
    columns = f"s.hop, s.source, s.counted, s.word, {names}, {before} AS before"
    return f"SELECT {columns} FROM streams s LEFT JOIN ({within}) w USING (hop, source)"


def _reasons(asked: Asked, sealed: Snapshot) -> str:
    low, high = asked.limits
    return (
        f"SELECT hop, source, reason, sum(refused)::BIGINT AS samples FROM ({union(asked, sealed)}) "
        f"WHERE reason <> '' AND minute >= {low} AND minute < {high}{asked.condition('AND')} "
        "GROUP BY hop, source, reason"
    )


def _columns(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> pa.Table:
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(names)
    types = [pa.string() if name in _TEXTS else pa.int64() for name in names]
    return pa.table([pa.array(c, t) for c, t in zip(columns, types, strict=True)], names=list(names))
