"""Adding up the books over a range of time: totals from the journal, minutes from it and from the table of accounts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from loopwright.store.accounts import SHOWN, UNCOUNTED, Part
from loopwright.store.counts import NS_PER_MINUTE, REFUSED, SUMS, WORDS, Counts
from loopwright.store.journal import Journal
from loopwright.store.read import Reader
from loopwright.store.sealed import as_table, scan
from loopwright.store.snapshot import Snapshot
from loopwright.store.sql import quoted

_LATEST = 1 << 53  # a minute that nobody lives to see
ROWS = f"SELECT minute, 1, hop, source, reason, {', '.join(SUMS)} FROM counts"
_TOTALS = ", ".join(f"sum({word})" for word in SUMS)
Window = tuple[int | None, int | None]


@dataclass(frozen=True)
class Asked:
    """Which books: of minutes start <= m < end of known_ns (None: open), of one source or all; hop by hop, or source
    by source.
    """

    window: Window = (None, None)
    source: str | None = None
    by_source: bool = False

    @property
    def key(self) -> str:
        """What the numbers are grouped by, as SQL."""
        return "hop, source" if self.by_source else "hop"

    @property
    def limits(self) -> tuple[int, int]:
        """The window with numbers for what is open."""
        start, end = self.window
        return -_LATEST if start is None else start, _LATEST if end is None else end

    def condition(self, word: str) -> str:
        """That it is the source, as SQL that begins with `word`."""
        return "" if self.source is None else f" {word} source = {quoted(self.source)}"


@dataclass(frozen=True)
class Books:
    """What the journal says at one moment.

    totals   since the beginning, by key
    rows     counts of minutes that are not sealed
    waiting  (hop, source) -> samples of the window that it holds
    """

    totals: Mapping[Any, Part]
    rows: pa.Table
    waiting: Mapping[tuple[str, str], int]


def take(asked: Asked, journal: Journal, sealed: int, flushed: Sequence[int]) -> Books:
    """Reads the journal; the caller keeps everybody from writing it meanwhile.

    sealed   rows that were entered before this minute are left out
    flushed  batches up to these (points, blocks) stand in the tables
    """
    found = totals(asked, journal)
    rows: list[Any] = []
    low, high = asked.limits
    if asked.window != (None, None):
        rows = journal.rows(f"{ROWS} WHERE minute >= ? AND entered >= ?{asked.condition('AND')}", [low, sealed])
    held = journal.rows(
        "SELECT hop, source, sum(samples) FROM batches WHERE id > CASE blocks WHEN 0 THEN ? ELSE ? END "
        f"AND id / {NS_PER_MINUTE} >= ? AND id / {NS_PER_MINUTE} < ?{asked.condition('AND')} GROUP BY hop, source",
        [*flushed, low, high],
    )
    return Books(found, as_table(rows), {(hop, source): samples for hop, source, samples in held})


def parts(asked: Asked, books: Books, sealed: Snapshot, reader: Reader) -> dict[Any, Part]:
    """Key (hop, or hop and source) -> its part of the window."""
    if asked.window == (None, None):
        return dict(books.totals)
    low, high = asked.limits
    union = "SELECT * FROM open"
    if files := scan(sealed, low, asked.source):
        union += f" UNION ALL {files}"
    inside = ", ".join(f"coalesce(sum({w}) FILTER (minute < {high}), 0)::BIGINT AS {w}" for w in SUMS)
    sql = (
        f"SELECT {asked.key}, reason, {inside}, sum(expected - arrived - lost)::BIGINT AS missing FROM ({union}) "
        f"WHERE minute >= {low} AND (minute < {high} OR expected <> arrived OR lost <> 0){asked.condition('AND')} "
        f"GROUP BY {asked.key}, reason"
    )
    counts: dict[Any, Counts] = {key: {} for key in books.totals}
    since = dict.fromkeys(books.totals, 0)
    for row in reader.run(sql, {"open": books.rows}).to_pylist():
        key = (row["hop"], row["source"]) if asked.by_source else row["hop"]
        since[key] += row["missing"]
        words = {REFUSED + row["reason"]: row["refused"]} if row["reason"] else {word: row[word] for word in WORDS}
        counts[key].update({word: n for word, n in words.items() if n})
    found = {}
    for key, total in books.totals.items():
        now = sum(sign * total.counts.get(word, 0) for word, sign in (("expected", 1), ("arrived", -1), ("lost", -1)))
        before = 0 if asked.window[0] is None else now - since[key]
        found[key] = Part(before, counts[key], total.uncounted, total.words, total.more)
    return found


def totals(asked: Asked, journal: Journal) -> dict[Any, Part]:
    """Everything since the beginning, by key."""
    at = 2 if asked.by_source else 1
    where = asked.condition("WHERE")
    counts: dict[Any, Counts] = {}
    heads: dict[Any, tuple[int, str]] = {}
    sql = f"SELECT {asked.key}, sum(counted = 0), max(word), {_TOTALS} FROM streams{where} GROUP BY {asked.key}"
    for row in journal.rows(sql):
        key = row[:2] if asked.by_source else row[0]
        heads[key] = row[at], row[at + 1]
        counts[key] = {word: n for word, n in zip(WORDS, row[at + 2:], strict=False) if n}
    sql = f"SELECT {asked.key}, reason, sum(samples) FROM refusals{where} GROUP BY {asked.key}, reason"
    for row in journal.rows(sql):
        counts[row[:2] if asked.by_source else row[0]][REFUSED + row[at]] = row[at + 1]
    if not asked.by_source:
        return {key: Part(0, counts[key], heads[key][0], *_words(asked, journal, key)) for key in counts}
    return {
        key: Part(0, counts[key], uncounted, [w for w in (word, UNCOUNTED if uncounted else "") if w])
        for key, (uncounted, word) in heads.items()
    }


def _words(asked: Asked, journal: Journal, hop: str) -> tuple[list[str], int]:
    """What was said of some sources of a hop, and of how many more."""
    where = f"FROM streams WHERE hop = ? AND (word <> '' OR counted = 0){asked.condition('AND')}"
    rows = journal.rows(f"SELECT source, word, counted {where} ORDER BY source LIMIT {SHOWN}", [hop])
    said = [
        f"{source}: {part}" for source, word, counted in rows for part in (word, "" if counted else UNCOUNTED) if part
    ]
    return said, max(0, journal.rows(f"SELECT count(*) {where}", [hop])[0][0] - SHOWN)
