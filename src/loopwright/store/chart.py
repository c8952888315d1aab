"""Charts of any range in an instant: the coarsest rows that still give the buckets exactly, else the samples.

Extremes are exact at every zoom: a bucket holds the lowest and the highest of all samples in it, not of some. Buckets
are whole steps of round length; the range is made longer to whole buckets, so that no bucket is cut.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from loopwright.core.errors import InputError, UnknownName
from loopwright.core.types import Signal
from loopwright.store import reroll, rolling, samples
from loopwright.store.keys import NEVER
from loopwright.store.levels import level_for, snapped, step_for
from loopwright.store.read import View, Wanted
from loopwright.store.rolling import Rows
from loopwright.store.rollups import STORED, brought_by_others, rows_of
from loopwright.store.sparse import levels_at
from loopwright.store.sql import quoted

if TYPE_CHECKING:
    from loopwright.store.cellar import Store

CHART = pa.schema([
    ("t_ns", pa.int64()), ("count", pa.int64()), ("bad", pa.int64()), ("gaps", pa.int64()), ("min", pa.float64()),
    ("max", pa.float64()), ("mean", pa.float64()), ("last", pa.float64()), ("quality", pa.int8()),
])
FOREVER = (-(1 << 63), (1 << 63) - 1)


@dataclass(frozen=True)
class One:
    """One series: whose, and the levels at which its rollups can be read."""

    thing: str
    signal: Signal
    slot: int
    levels: tuple[int, ...]

    @property
    def where(self) -> str:
        """As SQL."""
        return f"thing = {quoted(self.thing)} AND signal = {quoted(self.signal.name)}"


def chart(
    store: Store, thing: str, signal: str, start_ns: int | None = None, end_ns: int | None = None, pixels: int = 1000,
    known_by_ns: int | None = None,
) -> pa.Table:
    """At most `pixels` buckets of a series over start_ns <= t < end_ns (None: from its first, to its last sample).

    known_by_ns  only what was known by then: from samples, however many
    returns      a row for every bucket with something in it: t_ns (its start), count (samples of quality good and
                 doubtful), bad, gaps (that the source reported), min, max, mean and last of the counted ones (null:
                 none), quality (the worst). Its schema's metadata: start_ns, end_ns (the range, in whole buckets),
                 step_ns, level (of the rows that were read, ns; 0: samples), unit.
    Raises UnknownName for a thing or signal that is not declared, InputError for an empty range or a vector signal.
    """
    store._look_again()
    one = one_of(store, thing, signal)
    first_ns, last_ns = _extent(store, one, known_by_ns) if None in (start_ns, end_ns) else (0, 0)
    begin_ns = first_ns if start_ns is None else start_ns
    stop_ns = max(last_ns, begin_ns) + 1 if end_ns is None else end_ns
    step_ns = step_for(begin_ns, stop_ns, pixels)
    limits = snapped(begin_ns, stop_ns, step_ns)
    level = level_for(step_ns, one.levels) if known_by_ns is None else 0
    if level:
        rows = level_rows(store, one, level, limits)
        rows = rows if level == step_ns else rolling.coarser(rows, step_ns)
    else:
        rows = sample_rows(store, one, step_ns, limits, known_by_ns)
    told = {"start_ns": limits[0], "end_ns": limits[1], "step_ns": step_ns, "level": level, "unit": one.signal.unit}
    return shown(rows).replace_schema_metadata({name: str(value) for name, value in told.items()})


def shown(rows: Rows) -> pa.Table:
    """Rows as the columns of CHART; buckets with nothing in them are left out."""
    rows = rolling.take(rows, rows["count"] + rows["bad"] + rows["gaps"] > 0)
    none = rows["count"] == 0
    mean = rows["vsum"] / np.maximum(rows["count"], 1)
    values = (pa.array(column, mask=none) for column in (rows["vmin"], rows["vmax"], mean, rows["last"]))
    counts = (rows[name] for name in ("t_ns", "count", "bad", "gaps"))
    return pa.table([*counts, *values, rows["quality"].astype(np.int8)], schema=CHART)


def level_rows(store: Store, one: One, level: int, limits: tuple[int, int]) -> Rows:
    """The rows of one series at a level it has, merged, begin <= t_ns < end; both are whole steps of it."""
    return store._again(lambda: _level_rows(store, one, level, limits))


def _level_rows(store: Store, one: One, level: int, limits: tuple[int, int]) -> Rows:
    memory, slots = store._memory, np.array([one.slot])
    with store._lock:
        if level in memory.catalogue.dropped.get((one.thing, one.signal.name), ()):
            return _sample_rows(store, one, level, limits, None)  # it was left out while somebody asked
        snapshot = memory.rollups.table.snapshot
        waiting = memory.rollups.of(snapshot, slots)
        series = samples.Series.of(memory.catalogue)
        tails = [
            memory.tail.of(slots, blocks, memory.rollups.through[blocks], _early(memory.span_ns, blocks, limits))
            for blocks in (False, True)
        ]
    parts = [_filed(store, snapshot, one, level, limits), waiting]
    hours = []
    for rows, blocks in zip(tails, (False, True), strict=True):
        slot = np.full(rows.num_rows, one.slot)
        make = samples.runs_of if blocks else samples.samples_of
        parts.append(samples.partials(series, make(rows, slot, series.counter[slot]), rolling.LATEST))
        corrects = rows.column("correction").to_numpy(zero_copy_only=False) != ""
        t_ns = rows.column("t_ns").to_numpy()
        hours.append(reroll.touched(slot[corrects], t_ns[corrects], memory.span_ns if blocks else 0))
    gone = np.unique(np.concatenate(hours))
    found = rolling.joined(parts)
    if len(gone):
        views = (_view(store, one, False, FOREVER), _view(store, one, True, FOREVER))
        whole = reroll.whole_rows(store._reader, views, series, gone, rolling.LATEST, memory.span_ns)
        found = rolling.joined([samples.without(found, gone), *whole])
    inside = (found["level"] == level) & (found["t_ns"] >= limits[0]) & (found["t_ns"] < limits[1])
    return rolling.merged(rolling.take(found, inside))


def sample_rows(
    store: Store, one: One, step_ns: int, limits: tuple[int, int], known_by_ns: int | None = None
) -> Rows:
    """Buckets of one series folded from its samples, begin <= t_ns < end."""
    return store._again(lambda: _sample_rows(store, one, step_ns, limits, known_by_ns))


def _sample_rows(store: Store, one: One, step_ns: int, limits: tuple[int, int], known_by_ns: int | None) -> Rows:
    rows = folded(store, one, step_ns, limits, known_by_ns)
    return rolling.take(rows, (rows["t_ns"] >= limits[0]) & (rows["t_ns"] < limits[1]))


def folded(store: Store, one: One, step_ns: int, limits: tuple[int, int], known_by_ns: int | None = None) -> Rows:
    """Buckets of the samples with begin <= t_ns < end (of blocks: of all that reach into it)."""
    parts = []
    for blocks in (False, True) if one.signal.fast else (False,):
        span = _early(store._memory.span_ns, blocks, limits)
        wanted = Wanted([one.thing], [one.signal.name], *span, known_by_ns)
        columns = samples.BLOCK_COLUMNS if blocks else samples.POINT_COLUMNS
        found = store._reader.columns(_view(store, one, blocks, span), wanted, columns)
        slot = np.full(found.num_rows, one.slot)
        counter = np.full(found.num_rows, one.signal.kind == "counter")
        if blocks:
            parts.append(rolling.fold_runs(samples.runs_of(found, slot, counter), step_ns))
        else:
            parts.append(rolling.fold(samples.samples_of(found, slot, counter), step_ns))
    return rolling.merged(rolling.joined(parts))


def unusable(store: Store) -> bool:
    """Whether the samples must answer for everything: another plant brought some, or a rollups file is damaged.

    Where samples are no longer kept, a damaged file is told by whoever reads it, and not passed over.
    """
    if store._rollups.snapshot.broken and not store._journal.meta("retained_ns"):
        return True
    return brought_by_others(t.refresh() if t.place.shared else t.snapshot for t in store._tables)


def one_of(store: Store, thing: str, signal: str) -> One:
    """A series by name; UnknownName lists what there is."""
    with store._lock:
        memory = store._memory
        catalogue = memory.catalogue
        others = unusable(store)
        if thing not in catalogue.things:
            raise UnknownName("thing", thing, catalogue.things)
        kind = catalogue.kinds[catalogue.things[thing].kind]
        found = kind.signal(signal)
        if found.shape:
            said = f"it is a vector {found.shape}"
            raise InputError(f"chart of {thing}/{signal}", said, "a signal of single numbers", "read it with get")
        slot = int(catalogue.slots([thing], [signal])[0])
        levels = () if others or memory.rollups.lags(kind.name, thing, signal) else levels_at(
            catalogue, samples.Series.of(catalogue), slot)
        return One(thing, found, slot, levels)


def _view(store: Store, one: One, blocks: bool, limits: tuple[int, int]) -> View:
    """What stands of one series, of the journal only its own rows."""
    with store._lock:
        memory = store._memory
        snapshot = store._tables[blocks].snapshot
        tail = memory.tail.of(np.array([one.slot]), blocks, snapshot.flushed, limits)
        versions = memory.past.replaced([one.thing], [one.signal.name], *limits)
        return View(snapshot, tail, blocks, versions)


def _filed(store: Store, snapshot: Any, one: One, level: int, limits: tuple[int, int]) -> Rows:
    """The rows in the rollups' files, not merged."""
    files = snapshot.between(*limits, [one.thing])
    if not files:
        return rolling.empty()
    names = ", ".join(f'"{name}"' for name in STORED.names if name not in ("thing", "signal"))
    found = store._reader.run(
        f"SELECT {names} FROM {snapshot.scan(files)} WHERE level = {level} AND {one.where} "
        f"AND t_ns >= {limits[0]} AND t_ns < {limits[1]}", {},
    )
    return rows_of(found, np.full(found.num_rows, one.slot))


def _extent(store: Store, one: One, known_by_ns: int | None) -> tuple[int, int]:
    """The times of the first and of the last sample of a series. Raises InputError when it has none."""
    with store._lock:
        memory = store._memory
        newest_ns = int(memory.live.t_ns[one.slot])
    empty = InputError(
        f"chart of {one.thing}/{one.signal.name}", "it has no samples yet, so no range", "start_ns and end_ns")
    if newest_ns == NEVER and one.levels:
        raise empty
    times: list[int] = []
    if known_by_ns is not None or not one.levels:
        early = late = FOREVER
    else:
        times.append(newest_ns)
        coarsest = max(one.levels)
        begin_ns = _first_row(store, one, coarsest)
        early, late = (begin_ns, begin_ns + coarsest), (newest_ns, newest_ns + 1)
    for blocks in (False, True) if one.signal.fast else (False,):
        end = "t_ns + (len(values) - 1) * dt_ns" if blocks else "t_ns"
        span_ns = memory.span_ns if blocks else 0
        for column, limits in (("min(t_ns)", early), (f"max({end})", late)):
            limits = (max(limits[0] - span_ns, FOREVER[0]), limits[1])
            wanted = Wanted([one.thing], [one.signal.name], *limits, known_by_ns)
            found = store._reader.columns(_view(store, one, blocks, limits), wanted, f"{column} AS t_ns")
            times += [t_ns for t_ns in found.column("t_ns").to_pylist() if t_ns is not None]
    if not times:
        raise empty
    if one.levels and known_by_ns is None and min(times) >= early[1]:
        times.append(early[0])  # the samples are no longer kept, only their rows
    return min(times), max(times)


def _first_row(store: Store, one: One, level: int) -> int:
    """The earliest bucket of a level in which a series has a sample."""
    with store._lock:
        snapshot = store._memory.rollups.table.snapshot
        waiting = store._memory.rollups.of(snapshot, np.array([one.slot]))
        tails = [store._memory.tail.of(np.array([one.slot]), blocks, 0, FOREVER) for blocks in (False, True)]
    found = store._reader.run(
        f"SELECT min(t_ns) AS t_ns FROM {snapshot.scan(snapshot.between(None, None, [one.thing]))} "
        f"WHERE level = {level} AND {one.where}", {},
    ) if snapshot.files else pa.table({"t_ns": pa.array([None], pa.int64())})
    times = [t_ns for t_ns in found.column("t_ns").to_pylist() if t_ns is not None]
    times += waiting["t_ns"][waiting["level"] == level].tolist()
    times += [int(rows.column("t_ns").to_numpy().min()) for rows in tails if rows.num_rows]
    return min(times, default=0) // level * level


def _early(span_ns: int, blocks: bool, limits: tuple[int, int]) -> tuple[int, int]:
    """The times of first samples of blocks that may reach into the range."""
    return (max(limits[0] - span_ns, FOREVER[0]), limits[1]) if blocks else limits
