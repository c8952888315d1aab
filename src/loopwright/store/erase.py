"""Erasing what things said, from the journal, the points and every older version of them.

The accounts and the intent are written first, in one transaction; the rewriting of the points can then be done again
after a crash until it is whole.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from loopwright.store.accounts import NS_PER_MINUTE, Counts
from loopwright.store.books import Books, Minute
from loopwright.store.flush import Tables, counted
from loopwright.store.journal import Entry, Journal, Work
from loopwright.store.points import PointsTable
from loopwright.store.read import Reader, quoted
from loopwright.store.rollups import RollupsTable
from loopwright.store.tail import Tail

_INTENT = "erasing"


def erase(
    things: list[str], tables: Tables, journal: Journal, tail: Tail, books: Books, reader: Reader, rollups: RollupsTable
) -> int:
    """Removes all rows of these things; the caller holds every lock. Returns the samples erased."""
    counts: dict[Minute, Counts] = {}
    changed = []
    wanted = pa.array(things, pa.string())
    for entry in counted(tail.entries(), (tables[0].snapshot, tables[1].snapshot)):
        mask = pc.is_in(entry.table.column("thing"), wanted)
        if pc.any(mask).as_py():
            rest = entry.table.filter(pc.invert(mask))
            left = Entry(entry.id, entry.hop, entry.source, entry.blocks, entry.correction, _samples(rest), rest)
            _count(
                counts,
                (entry.id // NS_PER_MINUTE, entry.hop, entry.source),
                "erased_early",
                entry.samples - left.samples,
            )
            changed.append((left, pc.invert(mask).to_numpy()))
    for minute, source, samples in _standing(things, tables, reader):
        _count(counts, (minute, books.hop_of(source), source), "erased", samples)
    work = Work(meta={_INTENT: json.dumps(things)})
    books.erase(work, counts)
    journal.replace([entry for entry, _ in changed], work)
    books.keep(work)
    for entry, rest in changed:
        tail.replace(entry, rest)
    finish((*tables, rollups), journal)
    return sum(sum(words.values()) for words in counts.values())


def finish(tables: Iterable[PointsTable | RollupsTable], journal: Journal) -> None:
    """Rewrites the points without what is to be erased, also after a crash in the middle of it."""
    things = json.loads(journal.meta(_INTENT, "[]"))
    if not things:
        return
    for table in tables:
        table.erase(things)
    journal.commit(Work(meta={_INTENT: "[]"}))
    journal.purge()


def _standing(things: list[str], tables: Tables, reader: Reader) -> Sequence[tuple[int, str, int]]:
    """(minute, source, samples) of their rows in the points."""
    found = []
    for table in tables:
        if table.snapshot.files:
            weight = "sum(samples)" if table.blocks else "count(*)"
            names = ", ".join(quoted(thing) for thing in things)
            rows = reader.run(
                f"SELECT batch // {NS_PER_MINUTE} AS minute, source, {weight}::BIGINT AS samples "
                f"FROM {table.snapshot.own(table.snapshot.files)} WHERE thing IN ({names}) GROUP BY ALL", {},
            )
            found += [(row["minute"], row["source"], row["samples"]) for row in rows.to_pylist()]
    return found


def _count(counts: dict[Minute, Counts], minute: Minute, word: str, samples: int) -> None:
    words = counts.setdefault(minute, {})
    words[word] = words.get(word, 0) + samples


def _samples(table: pa.Table) -> int:
    if "values" in table.column_names:
        return int(pc.sum(pc.list_value_length(table.column("values"))).as_py() or 0)
    return table.num_rows
