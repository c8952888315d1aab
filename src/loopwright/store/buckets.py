"""Rollups of many series at once, per minute or hour, and what a counter rose by."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from loopwright.core.errors import InputError, UnknownName
from loopwright.store import chart, reroll, rolling, samples, sparse
from loopwright.store.catalogue import Ints
from loopwright.store.chart import FOREVER, One
from loopwright.store.levels import HOUR, LEVELS, NAMES, level_for
from loopwright.store.read import Names, View, Wanted, listed
from loopwright.store.rolling import Rows
from loopwright.store.rollups import to_table
from loopwright.store.samples import Series

if TYPE_CHECKING:
    from loopwright.store.cellar import Store

# of each bucket the rows that a whole row does not make superfluous, put together
_MERGED = """
SELECT thing, signal, t_ns, sum("count")::BIGINT AS "count", sum(bad)::BIGINT AS bad, sum(gaps)::BIGINT AS gaps,
       min(vmin) AS "min", max(vmax) AS "max", sum(vsum) / nullif(sum("count"), 0) AS mean,
       arg_max("last", (last_t_ns, last_n, "last")) AS "last", max(last_t_ns) AS last_t_ns, max(quality) AS quality
FROM ({rows}) AS a ANTI JOIN (
    SELECT thing, signal, t_ns, max(batch) AS newest FROM ({rows}) WHERE whole GROUP BY ALL
) AS w ON a.thing = w.thing AND a.signal = w.signal AND a.t_ns = w.t_ns
      AND (a.batch < w.newest OR (a.batch = w.newest AND NOT a.whole))
GROUP BY thing, signal, t_ns HAVING sum("count") + sum(bad) + sum(gaps) > 0
"""
_COLUMNS = "thing, signal, t_ns, count, bad, gaps, vmin, vmax, vsum, last, last_t_ns, last_n, quality, batch, whole"


def rollup(
    store: Store, things: Names = None, signals: Names = None, step: str = "minute", start_ns: int | None = None,
    end_ns: int | None = None,
) -> pa.Table:
    """What every minute or hour of these series holds, sorted by thing, signal, t_ns (its start).

    step     'minute' or 'hour'; start_ns <= t_ns < end_ns
    returns  count (samples of quality good and doubtful), bad, gaps, min, max, mean, last, last_t_ns, quality (the
             worst); only what has something in it. Of signals that are too slow for rows of that step, and of those
             whose rows are yet to be computed, from their samples; vectors are left out.
    """
    if step not in ("minute", "hour"):
        raise UnknownName("step of a rollup", step, ["minute", "hour"])
    store._look_again()
    wanted = Wanted(listed(things), listed(signals), start_ns, end_ns)

    def read() -> pa.Table:
        sql, tables = relation(store, step, wanted, "waiting")
        return store._reader.run(f"SELECT * FROM ({sql}) ORDER BY thing, signal, t_ns", tables)

    return store._again(read)


def relation(store: Store, step: str, wanted: Wanted, name: str) -> tuple[str, dict[str, pa.Table]]:
    """SQL that gives `rollup`'s columns, and the table, called `name`, that it reads beside files."""
    level = NAMES[step]
    limits = FOREVER[0] if wanted.start_ns is None else wanted.start_ns // level * level, (
        FOREVER[1] if wanted.end_ns is None else -(-wanted.end_ns // level) * level)
    with store._lock:  # all of one moment
        snapshot = store._rollups.snapshot
        series, own, rest = _slots(store, level, wanted)
        memory = store._memory
        waiting = memory.rollups.of(snapshot, own)
        tails = [
            memory.tail.of(own, blocks, memory.rollups.through[blocks],
                           (limits[0] - (memory.span_ns if blocks else 0), limits[1]))
            for blocks in (False, True)
        ]
        tail_slots = [memory.catalogue.look_up(rows)[0] for rows in tails]
        corrected = any(pc.any(pc.not_equal(rows.column("correction"), "")).as_py() for rows in tails)
        views = (memory.view(False, Wanted()), memory.view(True, Wanted())) if corrected or len(rest) else None
    parts = [waiting, *_tail(store, series, list(zip(tails, tail_slots, strict=True)), views)]
    if views and len(rest):
        only = np.zeros_like(series.levels)
        only[rest, LEVELS.index(level)] = True
        parts += _all(store, Series(series.names, only, series.counter), rest, limits, views)
    rows = rolling.joined(parts)
    beside = to_table(rolling.take(rows, rows["level"] == level), series.names)
    columns = ", ".join(f'"{column}"' for column in _COLUMNS.split(", "))
    where = wanted.condition()
    relations = [f"SELECT {columns} FROM {name}{where}"]
    if (len(own) or not len(rest)) and (files := snapshot.between(wanted.start_ns, wanted.end_ns, wanted.things)):
        where = f"{where} AND level = {level}" if where else f" WHERE level = {level}"
        relations.append(f"SELECT {columns} FROM {snapshot.scan(files)}{where}")
    return _MERGED.format(rows=" UNION ALL ".join(relations)), {name: beside}


def _slots(store: Store, level: int, wanted: Wanted) -> tuple[Series, Ints, Ints]:
    """Everything declared; of the wanted series the slots that have rows of the level, and those that have not."""
    memory, catalogue = store._memory, store._memory.catalogue
    series, slots = Series.of(catalogue), catalogue.slots(wanted.things, wanted.signals)
    scalar = catalogue.width[catalogue.definitions()[slots]] == 1
    kept = sparse.kept(catalogue, series)[slots, LEVELS.index(level)] & (not chart.unusable(store))
    if memory.rollups.tasks or memory.rollups.stuck:
        kept = kept & np.array([
            not memory.rollups.lags(catalogue.things[thing].kind, thing, signal)
            for thing, signal in (series.names[slot] for slot in slots.tolist())
        ], bool)
    return series, slots[kept], slots[~kept & scalar]


def _tail(
    store: Store, series: Series, tails: list[tuple[pa.Table, Ints]], views: tuple[View, View] | None
) -> list[Rows]:
    """Rows of what the journal holds beyond the rollups; hours with corrections in it computed from the views."""
    parts, hours = [], []
    for rows, slot in tails:
        blocks = "values" in rows.column_names
        make = samples.runs_of if blocks else samples.samples_of
        parts.append(samples.partials(series, make(rows, slot, series.counter[slot]), rolling.LATEST))
        corrects = rows.column("correction").to_numpy(zero_copy_only=False) != ""
        lasts_ns = store._memory.span_ns if blocks else 0
        hours.append(reroll.touched(slot[corrects], rows.column("t_ns").to_numpy()[corrects], lasts_ns))
    gone = np.unique(np.concatenate(hours))
    if views and len(gone):
        whole = reroll.whole_rows(store._reader, views, series, gone, rolling.LATEST, store._memory.span_ns)
        parts = [samples.without(rows, gone) for rows in parts] + list(whole)
    return parts


def _all(
    store: Store, series: Series, slots: Ints, limits: tuple[int, int], views: tuple[View, View]
) -> list[Rows]:
    """Rows of these slots from all of their samples."""
    parts = []
    for view in views:
        begin_ns = max(limits[0] - (store._memory.span_ns if view.blocks else 0), FOREVER[0])
        found = samples.stored(store._reader, view, series, slots, (begin_ns, limits[1]))
        parts.append(samples.partials(series, found, rolling.LATEST))
    rows = rolling.merged(rolling.joined(parts))
    return [rows | {"whole": np.ones(len(rows["slot"]), bool)}]


def increase(
    store: Store, thing: str, signal: str, start_ns: int, end_ns: int, step_ns: int | None = None
) -> pa.Table:
    """What a counter rose by over start_ns <= t < end_ns; a drop is a reset, after which it counts from zero.

    step_ns  of the buckets (None: one for all of the range)
    returns  t_ns (start of the bucket, not before start_ns), increase: the sum of the steps that lead to a sample in
             it, also from the last sample before the range. Values of quality bad do not count.
    Raises InputError for a signal that is no counter.
    """
    store._look_again()
    one = chart.one_of(store, thing, signal)
    where = f"increase of {thing}/{signal}"
    if one.signal.kind != "counter" or one.signal.fast:
        raise InputError(where, f"it is a {'fast ' * one.signal.fast}{one.signal.kind}", "a counter below 50 Hz")
    if end_ns <= start_ns or (step_ns is not None and step_ns <= 0):
        raise InputError(where, f"from {start_ns} to {end_ns} in steps of {step_ns} ns", "an end after the start")
    level = level_for(step_ns or HOUR, one.levels)
    rows = store._again(lambda: _rises(store, one, (start_ns, end_ns), level or step_ns or HOUR, bool(level)))
    before = store._again(lambda: _before(store, one, start_ns))
    some = rows["count"] > 0
    last, first, t_ns = rows["last"][some], rows["first"][some], rows["t_ns"][some]
    if not len(last):
        return pa.table({"t_ns": pa.array([], pa.int64()), "increase": pa.array([], pa.float64())})
    steps = rows["rise"][some]
    steps[1:] += rolling.jump(last[:-1], first[1:])
    steps[0] += 0.0 if before is None else float(rolling.jump(before, first[0]))
    bucket = np.zeros_like(t_ns) if step_ns is None else t_ns // step_ns
    at = np.flatnonzero(np.append(True, bucket[1:] != bucket[:-1]))
    starts = np.array([start_ns]) if step_ns is None else np.maximum(bucket[at] * step_ns, start_ns)
    return pa.table({"t_ns": starts, "increase": np.add.reduceat(steps, at)})


def _rises(store: Store, one: One, limits: tuple[int, int], step_ns: int, kept: bool) -> Rows:
    """Rows of a counter over the range in order of time, each with its rise; the edges from samples."""
    begin, end = -(-limits[0] // step_ns) * step_ns, limits[1] // step_ns * step_ns
    if not kept or end <= begin:
        return chart.folded(store, one, step_ns, limits)
    middle = chart.level_rows(store, one, step_ns, (begin, end))
    unclear = np.isnan(middle["rise"]) & (middle["count"] > 0)  # late samples came between others
    parts = [chart.folded(store, one, step_ns, (limits[0], begin)), rolling.take(middle, ~unclear)]
    for run in np.split(middle["t_ns"][unclear], np.flatnonzero(np.diff(middle["t_ns"][unclear]) > step_ns) + 1):
        if len(run):
            parts.append(chart.folded(store, one, step_ns, (int(run[0]), int(run[-1]) + step_ns)))
    parts.append(chart.folded(store, one, step_ns, (end, limits[1])))
    rows = rolling.joined([part for part in parts if len(part["slot"])])
    return rolling.take(rows, np.argsort(rows["t_ns"], kind="stable"))


def _before(store: Store, one: One, start_ns: int) -> Any:
    """The last value of a series before that time, None where there is none."""
    edge = start_ns // HOUR * HOUR
    near = chart.folded(store, one, HOUR, (edge, start_ns)) if start_ns > edge else rolling.empty()
    if not near["count"].any():
        whole = (FOREVER[0], edge)
        read = chart.level_rows if HOUR in one.levels else chart.folded
        near = read(store, one, HOUR, whole)
    values = near["last"][near["count"] > 0]
    return values[-1] if len(values) else None


