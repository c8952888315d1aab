"""Rollups: what every bucket of every series holds, per second, minute and hour, kept as the points are written.

They lag behind the points on purpose. A flush folds its samples into rows in memory, and the rows become files once
they are many or a minute's worth: a row a bucket and not one a flush. The table's last batch says how far the files
reach; what the points hold beyond it is folded again when a plant is opened. Nothing can so be counted twice or missed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from loopwright.core.types import Kind, Thing
from loopwright.store import compact, rolling
from loopwright.store.catalogue import Ints, encoded
from loopwright.store.datafile import TARGET_BYTES
from loopwright.store.delta import Table
from loopwright.store.journal import Journal, Work
from loopwright.store.levels import levels_of
from loopwright.store.place import LocalPlace
from loopwright.store.rolling import Rows
from loopwright.store.snapshot import Layout, Snapshot
from loopwright.store.sql import quoted

STORED = pa.schema([
    ("level", pa.int64()), ("thing", pa.string()), ("signal", pa.string()), ("t_ns", pa.int64()),
    ("count", pa.int64()), ("bad", pa.int64()), ("gaps", pa.int64()),
    ("vmin", pa.float64()), ("vmax", pa.float64()), ("vsum", pa.float64()),
    ("last", pa.float64()), ("last_t_ns", pa.int64()), ("last_n", pa.int32()),
    ("first", pa.float64()), ("first_t_ns", pa.int64()), ("rise", pa.float64()),
    ("quality", pa.int8()), ("batch", pa.int64()), ("whole", pa.bool_()),
])
_LAYOUT = Layout(
    STORED, STORED, order=("thing", "signal", "level", "t_ns"),
    statistics=("level", "thing", "signal", "t_ns", "batch"),
    packed={"t_ns": "DELTA_BINARY_PACKED", "last_t_ns": "DELTA_BINARY_PACKED"},
)
TASKS = "reroll"  # where the journal keeps what is to be computed anew
_ROWS, _SAMPLES, _FLUSHES = 200_000, 4_000_000, 60  # with so many in memory they are written
_RUN = 8  # so many files are worth joining
Names = list[tuple[str, str]]  # slot -> (thing, signal)
Task = dict[str, Any]  # series to compute anew: of a kind, a thing, a signal (missing: any), by name beyond `after`
EVERYTHING: Task = {}


class RollupsTable(Table):
    """The Delta table. Files stand for batches one after another, so that only neighbours are ever joined."""

    def __init__(self, folder: Path, create: bool) -> None:
        super().__init__(LocalPlace(folder), _LAYOUT, create)
        self.folder, self.writable = folder, create

    def choose(self) -> list[str]:
        """Neighbours to join, of each bucket the rows."""
        return neighbours(self.snapshot)

    def erase(self, things: list[str]) -> None:
        """Rewrites the files that hold rows of these things one by one, and removes every older file."""
        gone = ", ".join(map(quoted, things))
        self._hurry.set()
        with self._compacting, self._told("erased from"):
            self._hurry.clear()
            for file in self.refresh().between(None, None, things):
                self._rewrite(self.snapshot, [file], f"thing NOT IN ({gone})")
            self.checkpoint(0)

    def _ordered(self, snapshot: Snapshot, files: list[str], where: str) -> Iterator[pa.Table]:
        for part in compact.in_order(snapshot, files, where):
            rows, names = from_table(part)
            yield to_table(rolling.merged(rows), names)


def neighbours(snapshot: Snapshot) -> list[str]:
    """The files to join next: eight or more of about one size, with no other file's batches between theirs."""
    order = np.argsort(snapshot.low["batch"], kind="stable")
    size = snapshot.bytes[order]
    tier = compact.tiers(size)
    for level in range(int(tier.max(initial=-1)) + 1):
        small = np.concatenate(([False], (tier <= level) & (size < TARGET_BYTES // 2), [False]))
        edges = np.flatnonzero(small[1:] != small[:-1])
        for begin, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
            end = begin + int((np.cumsum(size[begin:end]) <= 2 * TARGET_BYTES).sum())
            if end - begin >= _RUN:
                return [snapshot.files[i] for i in order[begin:end]]
    return []


class Rollups:
    """What the table does not hold yet, in memory. Around it the plant's lock; who writes holds the flushing, too.

    through  the last journal batch of the points, and of the blocks, that is folded
    base     the last one that the table's files hold, when the rows in memory begin after it
    tasks    series whose rows are to be computed from their samples anew (`store.reroll`): not to be read before
    stuck    the points could not be read when the plant was opened: nothing is to be read or written here
    """

    def __init__(self, table: RollupsTable, through: tuple[int, int], tasks: list[Task]) -> None:
        self.table, self.through, self.tasks = table, through, tasks
        self.base = table.snapshot.flushed
        self.stuck = False
        self._parts: list[Rows] = []
        self._aside: list[pa.Table] = []  # of series that are no longer declared
        self._names: Names = []
        self._rows = self._samples = self._flushes = 0

    def add(self, rows: Rows, names: Names, samples: int, through: int) -> None:
        """Takes in the rows of a flush that moved the journal up to `through`."""
        self.renumber(names)
        if len(rows["slot"]):
            self._parts.append(rows)
        self._rows += len(rows["slot"])
        self._samples, self._flushes = self._samples + samples, self._flushes + 1
        self.through = max(self.through[0], through), max(self.through[1], through)
        if self._rows > 2 * _ROWS:
            self.waiting()

    def renumber(self, names: Names) -> None:
        """The rows in memory follow when slots were numbered anew; it is another list then."""
        if names is self._names:
            return
        rows, old, self._names = self.waiting(), self._names, names
        if not len(rows["slot"]):
            return
        used = np.unique(rows["slot"])
        new = {name: slot for slot, name in enumerate(names)}
        moved = np.full(int(used[-1]) + 1, -1)
        moved[used] = [new.get(old[slot], -1) for slot in used.tolist()]
        at = moved[rows["slot"]]
        if (at < 0).any():
            self._aside.append(to_table(rolling.take(rows, at < 0), old))
        self._parts = [rolling.take(rows | {"slot": at}, at >= 0)]

    def waiting(self) -> Rows:
        """The rows in memory, one a series, level and bucket."""
        if len(self._parts) > 1:
            self._parts = [rolling.merged(rolling.joined(self._parts))]
        self._rows = len(self._parts[0]["slot"]) if self._parts else 0
        return self._parts[0] if self._parts else rolling.empty()

    def of(self, snapshot: Snapshot, slots: Ints) -> Rows:
        """The rows in memory of these slots, beside that snapshot of the table."""
        if snapshot.flushed > self.base or not self._parts:
            return rolling.empty()
        own = slots[0] if len(slots) == 1 else None
        return rolling.merged(rolling.joined([
            rolling.take(part, part["slot"] == own if own is not None else np.isin(part["slot"], slots))
            for part in self._parts
        ]))

    def forget(self, slot: int, batch: int) -> None:
        """Whole rows of one series as of that batch go: they are to be computed again."""
        self._parts = [rolling.take(part, ~((part["slot"] == slot) & part["whole"] & (part["batch"] == batch)))
                       for part in self._parts]

    def lags(self, kind: str, thing: str, signal: str) -> bool:
        """Whether the rows of a series are yet to be computed."""
        return self.stuck or any(
            concerns(t, kind, thing, signal) and (thing, signal) > tuple(t.get("after", ())) for t in self.tasks)

    def declared(
        self, old: tuple[Mapping[str, Kind], Mapping[str, Thing]], kinds: Iterable[Kind], things: Iterable[Thing],
        journal: Journal,
    ) -> None:
        """Kinds and things were declared anew; of signals that now have levels which they had not, rows are missing.

        old  the kinds and things as they were, by name and by id
        """
        tasks: list[Task] = []
        for kind in kinds:
            had = {s.name: levels_of(s) for s in old[0][kind.name].signals} if kind.name in old[0] else None
            if had is not None:
                tasks += [{"kind": kind.name, "signal": s.name} for s in kind.signals
                          if not set(levels_of(s)) <= set(had.get(s.name, ()))]
        tasks += [{"thing": t.id} for t in things if t.id in old[1] and old[1][t.id].kind != t.kind]
        if tasks:
            self.tasks = [*self.tasks, *tasks]
            journal.commit(Work(meta={TASKS: json.dumps(self.tasks)}))

    def due(self) -> bool:
        """Whether they are worth a file."""
        return self._samples >= _SAMPLES or self._flushes >= _FLUSHES or self._rows > _ROWS

    def drop(self, things: Iterable[str]) -> None:
        """These things are erased."""
        gone = set(things)
        rows = self.waiting()
        used = np.unique(rows["slot"])
        away = used[[self._names[slot][0] in gone for slot in used.tolist()]] if len(used) else used
        self._parts = [rolling.take(rows, ~np.isin(rows["slot"], away))]
        self._aside = []

    @property
    def names(self) -> Names:
        """slot -> (thing, signal) of the rows in memory."""
        return self._names

    def write(self, guard: Any, worth: Callable[[Rows, Names], Any]) -> None:
        """Appends the rows in memory to the table, as up to the last batch that is folded.

        worth  (rows,) which of the rows are to stand there (`store.sparse`)
        """
        with guard:
            rows, names, upto = self.waiting(), self._names, max(self.through)
            rows = rolling.take(rows, worth(rows, names))
            if upto == self.base:  # rows computed anew: readers could not tell that they stand in a file
                if len(rows["slot"]) or self._aside:
                    self._append(rows, names, upto)
                self._clear(upto)
                return
        self._append(rows, names, upto)
        with guard:
            self._clear(upto)

    def _append(self, rows: Rows, names: Names, upto: int) -> None:
        self.table.append(pa.concat_tables([*self._aside, to_table(rows, names)]), upto)

    def _clear(self, upto: int) -> None:
        self._parts, self._aside, self.base = [], [], upto
        self._rows = self._samples = self._flushes = 0


def brought_by_others(snapshots: Iterable[Snapshot]) -> bool:
    """Whether rows of another plant stand in the points: of those there are no rollups here."""
    return not all(snapshot.alone for snapshot in snapshots)


def concerns(task: Task, kind: str, thing: str, signal: str) -> bool:
    """Whether a series is among those of a task."""
    given = {"kind": kind, "thing": thing, "signal": signal}
    return all(task.get(name, "") in ("", value) for name, value in given.items())


def to_table(rows: Rows, names: Names) -> pa.Table:
    """Rows as they are stored, in the table's order. names: slot -> (thing, signal)."""
    used = np.unique(rows["slot"]).tolist()
    series = sorted((names[slot], slot) for slot in used)
    if [slot for _, slot in series] != used:
        rank = np.zeros(used[-1] + 1, np.int64)
        rank[[slot for _, slot in series]] = np.arange(len(series))
        rows = rolling.take(rows, np.argsort(rank[rows["slot"]], kind="stable"))
    at = np.searchsorted(used, rows["slot"])
    none, unset = rows["count"] == 0, rows["first_t_ns"] == rolling.LATEST
    missing = dict.fromkeys(("vmin", "vmax", "last", "last_t_ns", "last_n"), none)
    missing |= dict.fromkeys(("first", "first_t_ns", "rise"), unset)
    columns = {n: pa.array(c, mask=missing.get(n), from_pandas=False) for n, c in rows.items() if n != "slot"}
    for i, name in enumerate(("thing", "signal")):
        texts = pa.array([names[slot][i] for slot in used], pa.string())
        columns[name] = pa.DictionaryArray.from_arrays(pa.array(at), texts).cast(pa.string())
    return pa.table([columns[name].cast(STORED.field(name).type) for name in STORED.names], schema=STORED)


def from_table(table: pa.Table) -> tuple[Rows, Names]:
    """Stored rows, and the series of their slots, sorted by name."""
    (things, thing), (signals, signal) = encoded(table.column("thing")), encoded(table.column("signal"))
    pair = thing * max(1, len(signals)) + signal
    used, at = np.unique(pair, return_inverse=True)
    found = [(things[i // len(signals)], signals[i % len(signals)]) for i in used.tolist()]
    names = sorted(found)
    place = {name: slot for slot, name in enumerate(names)}
    slot = np.array([place[name] for name in found], np.int64)[at] if found else np.zeros(0, np.int64)
    return rows_of(table, slot), names


def rows_of(table: pa.Table, slot: Ints) -> Rows:
    """Stored rows (columns of the table but the names), with the slot of each (rows,)."""
    missing = {"vmin": np.inf, "vmax": -np.inf, "last_t_ns": rolling.EARLIEST, "first_t_ns": rolling.LATEST,
               "last": np.nan, "first": np.nan, "rise": np.nan, "last_n": 0}
    rows: Rows = {"slot": slot}
    for name, dtype in rolling.COLUMNS.items():
        if name != "slot":
            column = table.column(name)
            filled = column.fill_null(missing[name]) if column.null_count else column
            rows[name] = filled.to_numpy().astype(dtype, copy=False)
    return rows
