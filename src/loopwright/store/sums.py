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
    """Which books: of minutes start <= m < end of known_ns (None: open), of one source or all."""

    window: Window = (None, None)
    source: str | None = None

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

    totals   since the beginning, by hop
    rows     counts of minutes that are not sealed
    waiting  (hop, source) -> samples of the window that it holds
    """

    totals: Mapping[str, Part]
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


def parts(asked: Asked, books: Books, sealed: Snapshot, reader: Reader) -> dict[str, Part]:
    """hop -> its part of the window."""
    if asked.window == (None, None):
        return dict(books.totals)
    low, high = asked.limits
    inside = ", ".join(f"coalesce(sum({w}) FILTER (minute < {high}), 0)::BIGINT AS {w}" for w in SUMS)
    sql = (
        f"SELECT hop, reason, {inside}, sum(expected - arrived - lost)::BIGINT AS missing "
        f"FROM ({union(asked, sealed)}) WHERE minute >= {low} "
        f"AND (minute < {high} OR expected <> arrived OR lost <> 0){asked.condition('AND')} "
        "GROUP BY hop, reason"
    )
    counts: dict[str, Counts] = {key: {} for key in books.totals}
    since = dict.fromkeys(books.totals, 0)
    for row in reader.run(sql, {"open": books.rows}).to_pylist():
        key = row["hop"]
        since[key] += row["missing"]
        words = {REFUSED + row["reason"]: row["refused"]} if row["reason"] else {word: row[word] for word in WORDS}
        counts[key].update({word: n for word, n in words.items() if n})
    found = {}
    for key, total in books.totals.items():
        now = sum(sign * total.counts.get(word, 0) for word, sign in (("expected", 1), ("arrived", -1), ("lost", -1)))
        before = 0 if asked.window[0] is None else now - since[key]
        found[key] = Part(before, counts[key], total.uncounted, total.words, total.more)
    return found


def union(asked: Asked, sealed: Snapshot) -> str:
    """SQL of every row from the window's start on: those of the journal ('open'), and sealed ones."""
    files = scan(sealed, asked.limits[0], asked.source)
    return "SELECT * FROM open" + (f" UNION ALL {files}" if files else "")


def totals(asked: Asked, journal: Journal) -> dict[str, Part]:
    """Everything since the beginning, by hop."""
    where = asked.condition("WHERE")
    counts: dict[str, Counts] = {}
    uncounted: dict[str, int] = {}
    sql = f"SELECT hop, sum(counted = 0), {_TOTALS} FROM streams{where} GROUP BY hop"
    for hop, without, *sums in journal.rows(sql):
        uncounted[hop] = without
        counts[hop] = {word: n for word, n in zip(WORDS, sums, strict=False) if n}
    for hop, reason, samples in journal.rows(
        f"SELECT hop, reason, sum(samples) FROM refusals{where} GROUP BY hop, reason"
    ):
        counts[hop][REFUSED + reason] = samples
    return {hop: Part(0, counts[hop], uncounted[hop], *_words(asked, journal, hop)) for hop in counts}


def _words(asked: Asked, journal: Journal, hop: str) -> tuple[list[str], int]:
    """What was said of some sources of a hop, and of how many more."""
    where = f"FROM streams WHERE hop = ? AND (word <> '' OR counted = 0){asked.condition('AND')}"
    rows = journal.rows(f"SELECT source, word, counted {where} ORDER BY source LIMIT {SHOWN}", [hop])
    said = [
        f"{source}: {part}" for source, word, counted in rows for part in (word, "" if counted else UNCOUNTED) if part
    ]
    return said, max(0, journal.rows(f"SELECT count(*) {where}", [hop])[0][0] - SHOWN)
