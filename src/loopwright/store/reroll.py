"""Rollups computed from the samples that stand in the points: after a crash, after a correction, after a declaration.

A row that is computed from all stored samples of its bucket is whole, and puts aside every row before it.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from loopwright.core.errors import StoreError
from loopwright.store import rolling, samples, sparse
from loopwright.store.catalogue import Catalogue, Ints
from loopwright.store.check import numbers
from loopwright.store.journal import Journal, Work
from loopwright.store.keys import NEVER
from loopwright.store.levels import HOUR, LEVELS, SECOND
from loopwright.store.points import PointsTable, Snapshot
from loopwright.store.read import Reader, View
from loopwright.store.rolling import Rows
from loopwright.store.rollups import EVERYTHING, TASKS, Rollups, RollupsTable, Task, concerns, rows_of
from loopwright.store.samples import Series
from loopwright.store.sql import quoted

if TYPE_CHECKING:
    from loopwright.store.cellar import Store

_log = logging.getLogger("loopwright.store")
Tables = tuple[PointsTable, PointsTable]
Snapshots = tuple[Snapshot, Snapshot]
_MOST = 20_000_000  # samples that are folded when a plant is opened; more are left to `again`
_FROM = "rolled_from"  # where the journal keeps from which batch on there are rollups
_GAP, _SERIES = 24, 64  # hours that are read for nothing rather than asked for apart; series in one question


def touched(slot: Ints, t_ns: Ints, lasts_ns: Any = 0) -> Ints:
    """The hours (numbers of `samples.hours`) in which a value of these rows may be replaced.

    lasts_ns  how far a block, or the one that it replaces, may reach
    """
    first, last = samples.hours(slot, t_ns), samples.hours(slot, t_ns + lasts_ns)
    longest = int((last - first).max(initial=0))
    every = [np.minimum(first + i, last) for i in range(longest + 1)]
    return np.unique(np.concatenate(every)) if every else first


def whole_rows(
    reader: Reader, views: tuple[View, View], series: Series, keys: Ints, batch: int, span_ns: int,
) -> Iterator[Rows]:
    """Rows of these hours from all that the views show: a part at a time.

    views    of points and of blocks
    batch    the last one that they show
    span_ns  how long the longest block lasts
    """
    slot, start = samples.of_hours(keys)
    some = series.levels[slot].any(axis=1)
    keys, slot, start = keys[some], slot[some], start[some]
    for hour_ns, end_ns, chosen in _questions(slot, start):
        parts = []
        for view in views:
            begin_ns = hour_ns - (span_ns if view.blocks else 0)
            found = samples.stored(reader, view, series, chosen, (begin_ns, end_ns))
            parts.append(samples.partials(series, found, batch))
        rows = rolling.merged(rolling.joined(parts))
        inside = (slot >= chosen[0]) & (start >= hour_ns) & (start < end_ns) & np.isin(slot, chosen)
        rows = rolling.take(rows, np.isin(samples.hours(rows["slot"], rows["t_ns"]), keys[inside]))
        rows = rolling.joined([rows, _nothing(series, slot[inside], start[inside], batch)])
        yield rolling.merged(rows | {"whole": np.ones(len(rows["slot"]), bool)})


def kept(snapshots: Snapshots) -> tuple[View, View]:
    """What the points hold, without the journal."""
    points, blocks = (
        View(snapshot, snapshot.layout.shown.empty_table(), blocks, versions=True)
        for snapshot, blocks in zip(snapshots, (False, True), strict=True)
    )
    return points, blocks


def _questions(slot: Ints, start: Ints) -> Iterator[tuple[int, int, Ints]]:
    """(start, end, slots) of reads that together cover these hours of these slots."""
    hours = np.unique(start)
    for run in np.split(hours, np.flatnonzero(np.diff(hours) > _GAP * HOUR) + 1):
        if len(run):
            begin, end = int(run[0]), int(run[-1]) + HOUR
            own = np.unique(slot[(start >= begin) & (start < end)])
            for i in range(0, len(own), _SERIES):
                yield begin, end, own[i:i + _SERIES]


def _nothing(series: Series, slot: Ints, start: Ints, batch: int) -> Rows:
    """Empty rows of all buckets of these hours of fast signals: a shorter block may have replaced a longer one."""
    fast = series.levels[slot, LEVELS.index(SECOND)]
    slot, start = slot[fast], start[fast]
    parts = []
    for step_ns in LEVELS:
        t_ns = (start[:, None] + np.arange(0, HOUR, step_ns)).ravel()
        rows = rolling.blank(len(t_ns), batch)
        parts.append(rows | {"slot": np.repeat(slot, HOUR // step_ns), "t_ns": t_ns,
                             "level": np.full(len(t_ns), step_ns)})
    return rolling.joined(parts)


def recovered(
    table: RollupsTable, journal: Journal, tables: Tables, reader: Reader, catalogue: Catalogue, span_ns: int
) -> Rollups:
    """The rollups of a plant that is opened: what their files do not have yet is folded from the points."""
    table.refresh()
    snapshots = (tables[0].snapshot, tables[1].snapshot)
    newest = max(snapshot.flushed for snapshot in snapshots)
    after = max(table.snapshot.flushed, int(journal.meta(_FROM, "0")))
    through = max(after, snapshots[0].flushed), max(after, snapshots[1].flushed)
    rollups = Rollups(table, through, json.loads(journal.meta(TASKS, "[]")))
    if int(journal.meta("known_ns", "0")) < table.snapshot.flushed:  # it was lost: nobody knows which levels have rows
        rollups.tasks = [EVERYTHING]
        if table.writable:
            journal.commit(Work(meta={TASKS: json.dumps(rollups.tasks)}))
    if newest > after:
        series = Series.of(catalogue)
        try:
            if _beyond(reader, snapshots, after) > _MOST:
                # it was filled before there were rollups, or they are lost: one series after another, while it is used
                rollups.tasks = [EVERYTHING]
                if table.writable:
                    journal.commit(Work(meta={_FROM: str(newest), TASKS: json.dumps(rollups.tasks)}))
                return rollups
            rollups.add(_since(reader, snapshots, series, catalogue, after, span_ns), series.names, 0, 0)
        except StoreError as error:  # whoever reads hears of it; they are tried again when the plant is opened next
            _log.error("%s", error)
            rollups.stuck = True
    return rollups


def _beyond(reader: Reader, snapshots: Snapshots, after: int) -> int:
    """Samples that the points hold of batches above `after`."""
    found = 0
    for snapshot, weight in zip(snapshots, ("count(*)", "sum(samples)"), strict=True):
        if files := snapshot.since(after):
            sql = f"SELECT coalesce({weight}, 0)::BIGINT AS n FROM {snapshot.own(files)} WHERE batch > {after}"
            found += reader.run(sql, {}).column("n")[0].as_py()
    return found


def _since(
    reader: Reader, snapshots: Snapshots, series: Series, catalogue: Catalogue, after: int, span_ns: int
) -> Rows:
    """The rows of what the points hold of batches above `after`."""
    parts, keys = [rolling.empty()], []
    batch = max(snapshot.flushed for snapshot in snapshots)
    for snapshot, blocks in zip(snapshots, (False, True), strict=True):
        files = snapshot.since(after)
        if not files:
            continue
        columns = samples.BLOCK_COLUMNS if blocks else samples.POINT_COLUMNS
        found = reader.run(
            f"SELECT thing, signal, {columns}, correction <> '' AS corrects FROM {snapshot.own(files)} "
            f"WHERE batch > {after}", {},
        )
        slot, _ = catalogue.look_up(found)
        found, slot = found.filter(pa.array(slot >= 0)), slot[slot >= 0]
        make = samples.runs_of if blocks else samples.samples_of
        parts.append(samples.partials(series, make(found, slot, series.counter[slot]), batch))
        corrects = found.column("corrects").to_numpy()
        t_ns = numbers(found.column("t_ns"), np.int64)[0]
        keys.append(touched(slot[corrects], t_ns[corrects], span_ns if blocks else 0))
    rows = rolling.joined(parts)
    gone = np.unique(np.concatenate(keys)) if keys else np.zeros(0, np.int64)
    if not len(gone):
        return rows
    whole = whole_rows(reader, kept(snapshots), series, gone, batch, span_ns)
    return rolling.joined([samples.without(rows, gone), *whole])


def keep(store: Store) -> None:
    """Writes the rollups when that is due, and computes anew some of what must be. The caller holds the flushing."""
    rollups = store._memory.rollups
    if rollups.stuck:
        return
    try:
        if rollups.due():
            write(store)
        if rollups.tasks:
            again(store)
    except StoreError as error:  # they stay in memory, and the points hold what they are made of
        rollups.table.refresh()
        _log.error("%s", error)


def write(store: Store) -> None:
    """Writes the rollups that are in memory; the caller holds the flushing."""
    sparse.decide(store)
    dropped = store._memory.catalogue.dropped
    store._memory.rollups.write(store._lock, lambda rows, names: sparse.without(rows, names, dropped))


def again(store: Store, budget: int = 4_000_000) -> int:
    """Computes rollups from the stored samples, of about so many; how many series were done.

    The caller holds the flushing. What is done is kept with the rows: after a crash it goes on from there.
    """
    memory = store._memory
    rollups = memory.rollups
    with store._lock:
        series = Series.of(memory.catalogue)
        todo = [(slot, task) for task in rollups.tasks for slot in _slots(memory.catalogue, series, task)
                if memory.live.t_ns[slot] != NEVER]
    done, read = 0, 0
    ended: dict[str, list[str]] = {}
    for slot, task in todo:
        if read >= budget:
            break
        _withdraw(store, series, slot)
        for rows, count in _all_of(store, series, slot, budget):
            with store._lock:
                rollups.add(rows, series.names, count, 0)
                rollups.renumber(memory.catalogue.names)
            read += count
        ended[json.dumps(task)] = list(series.names[slot])
        done += 1
    write(store)
    left = [task for task in rollups.tasks if done < len(todo) and task in [t for _, t in todo[done:]]]
    tasks = [task | ({"after": ended[json.dumps(task)]} if json.dumps(task) in ended else {}) for task in left]
    with store._lock:
        begins = {} if tasks else {_FROM: "0"}  # the table itself says now how far it reaches
        store._journal.commit(Work(meta={TASKS: json.dumps(tasks), **begins}))
        rollups.tasks = tasks
    return done


def _withdraw(store: Store, series: Series, slot: int) -> None:
    """Takes away the whole rows of a series that say of the same batch what is now computed: they would count twice."""
    rollups, batch = store._memory.rollups, max(store._memory.rollups.through)
    with store._lock:
        rollups.renumber(series.names)
        rollups.forget(slot, batch)
    thing, signal = map(quoted, series.names[slot])
    own = f"thing = {thing} AND signal = {signal} AND whole AND batch = {batch}"
    table = rollups.table
    with table._compacting:
        snapshot = table.refresh()
        for file in snapshot.since(batch - 1):
            if store._reader.run(f"SELECT 1 FROM {snapshot.scan([file])} WHERE {own} LIMIT 1", {}).num_rows:
                table._rewrite(table.snapshot, [file], f"NOT ({own})")


def remake(store: Store) -> int:
    """Computes all rollups anew from the samples that are stored; of how many series."""
    done = 0
    with store._flushing:
        rollups = store._memory.rollups
        with store._lock:
            rollups.tasks = [EVERYTHING]
            store._journal.commit(Work(meta={TASKS: json.dumps(rollups.tasks)}))
        while rollups.tasks and not rollups.stuck:
            done += again(store)
    return done


def _slots(catalogue: Catalogue, series: Series, task: Task) -> list[int]:
    """The slots of a task that are not done, in order of name."""
    things = catalogue.things
    after = tuple(task.get("after", ()))
    found = [
        (name, slot) for slot, name in enumerate(series.names)
        if series.levels[slot].any() and name > after and concerns(task, things[name[0]].kind, *name)
    ]
    return [slot for _, slot in sorted(found)]


def _all_of(store: Store, series: Series, slot: int, budget: int) -> Iterator[tuple[Rows, int]]:
    """Whole rows of one series, and of how many samples they are, a part at a time."""
    thing, signal = series.names[slot]
    for table in store._tables:
        with store._lock:
            snapshot, batch = table.snapshot, max(store._memory.rollups.through)
        weight = "sum(samples)" if table.blocks else "count(*)"
        found = store._reader.run(
            f"SELECT min(t_ns) AS first, max(t_ns) AS last, {weight}::BIGINT AS n FROM "
            f"{snapshot.scan(snapshot.between(None, None, [thing]))} "
            f"WHERE thing = {quoted(thing)} AND signal = {quoted(signal)}", {},
        ).to_pylist()[0]
        if not found["n"]:
            continue
        span_ns = store._memory.span_ns if table.blocks else 0
        begin, hours = found["first"] // HOUR, (found["last"] + span_ns) // HOUR - found["first"] // HOUR + 1
        step = max(1, int(hours * budget / max(found["n"], budget)))
        for hour in range(begin, begin + hours, step):
            limits = hour * HOUR - span_ns, (hour + step) * HOUR
            view = kept((snapshot, snapshot))[table.blocks]
            made = samples.stored(store._reader, view, series, np.array([slot]), limits)
            rows = samples.partials(series, made, batch)
            rows = rolling.take(rows, (rows["t_ns"] >= hour * HOUR) & (rows["t_ns"] < limits[1]))
            count = int(rows["count"][rows["level"] == rows["level"].min(initial=HOUR)].sum())
            yield rows | {"whole": np.ones(len(rows["slot"]), bool)}, count


def verify(store: Store) -> list[str]:
    """Where the rollups differ from the samples that stand in the points, in words; [] when they agree."""
    with store._flushing:
        with store._lock:
            memory = store._memory
            rollups, series = memory.rollups, Series.of(memory.catalogue)
            series = Series(series.names, sparse.kept(memory.catalogue, series), series.counter)
            snapshots = (store._tables[0].snapshot, store._tables[1].snapshot)
        slots = [slot for slot in np.flatnonzero(series.levels.any(axis=1)).tolist()
                 if not rollups.lags(memory.catalogue.things[series.names[slot][0]].kind, *series.names[slot])]
        wrong: list[str] = []
        for i in range(0, len(slots), _SERIES):
            wrong += _differences(store, snapshots, series, np.array(slots[i:i + _SERIES]))
        return wrong


def _differences(store: Store, snapshots: Snapshots, series: Series, slots: Ints) -> list[str]:
    names = {series.names[slot] for slot in slots.tolist()}
    with store._lock:
        parts = [store._memory.rollups.of(store._rollups.snapshot, slots)]
    found = store._reader.run(
        f"SELECT * FROM {store._rollups.snapshot.scan()} WHERE thing IN ({', '.join(quoted(n) for n, _ in names)})", {})
    slot, _ = store._memory.catalogue.look_up(found)
    here = np.isin(slot, slots)
    have = rolling.merged(rolling.joined([*parts, rolling.take(rows_of(found, slot), here)]))
    have = rolling.take(have, series.levels[have["slot"], np.searchsorted(LEVELS, have["level"])])
    made = [samples.partials(series, samples.stored(store._reader, view, series, slots, (None, None)), 0)
            for view in kept(snapshots)]
    want = rolling.merged(rolling.joined(made))
    keys = [
        {(s, level, t): at for at, (s, level, t, size) in enumerate(zip(
            rows["slot"].tolist(), rows["level"].tolist(), rows["t_ns"].tolist(),
            (rows["count"] + rows["bad"] + rows["gaps"]).tolist(), strict=True)) if size}
        for rows in (have, want)
    ]
    wrong = []
    if store._journal.meta("retained_ns"):  # of hours whose samples are no longer kept there is nothing to compare
        alive = {samples.hours(*np.array([[slot], [t_ns]]))[0] for slot, _, t_ns in keys[1]}
        keys[0] = {k: at for k, at in keys[0].items() if samples.hours(*np.array([[k[0]], [k[2]]]))[0] in alive}
    for key in sorted(keys[0].keys() | keys[1].keys()):
        if key not in keys[0] or key not in keys[1] or not _agree(have, keys[0][key], want, keys[1][key]):
            thing, signal = series.names[key[0]]
            wrong.append(f"rollup of {thing}/{signal} at {key[2]} of {key[1] // 10**9} s is not that of its samples")
    return wrong


def _agree(have: Rows, i: int, want: Rows, j: int) -> bool:
    exact = ("count", "bad", "gaps", "last_t_ns", "last_n", "quality")
    if any(have[name][i] != want[name][j] for name in exact):
        return False
    if not have["count"][i]:
        return True
    if any(have[name][i] != want[name][j] for name in ("vmin", "vmax", "last")):
        return False
    scale = max(abs(have["vmin"][i]), abs(have["vmax"][i])) * have["count"][i]
    return bool(abs(have["vsum"][i] - want["vsum"][j]) <= 1e-9 * scale)
