"""Levels that are not worth their rows: what a series without a declared rate really does decides which it has.

Rows are folded for every level that a signal may have. Before they are written it is counted how many samples a bucket
of each series holds; where these are few, rows of that level are left out, and readers take the samples, which are few
as well. A series that becomes denser gets its rows again, computed from its samples (`store.reroll`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from loopwright.store import rolling
from loopwright.store.catalogue import Catalogue
from loopwright.store.journal import Journal, Work
from loopwright.store.levels import LEVELS
from loopwright.store.rolling import Rows

if TYPE_CHECKING:
    from loopwright.store.cellar import Store
    from loopwright.store.samples import Series

WORTH, AGAIN = 20, 30  # samples a bucket below which a level is left out, and from which on it comes back
LEAST, MOST = 256, 8192  # so many samples decide; from so many on older ones count half
EVERY = "all_levels"  # where the journal keeps that rows are wanted however few the samples are
Name = tuple[str, str]
Key = tuple[Name, int]
Dropped = Mapping[Name, frozenset[int]]  # (thing, signal) -> its levels that are left out


def loaded(journal: Journal) -> Dropped:
    """As the journal says."""
    found: dict[Name, frozenset[int]] = {}
    if journal.rows("SELECT 1 FROM sqlite_master WHERE name = 'sparse'"):
        for thing, signal, level in journal.rows("SELECT thing, signal, level FROM sparse"):
            found[thing, signal] = found.get((thing, signal), frozenset()) | {level}
    return found


def mask(names: list[Name], dropped: Dropped) -> Any:
    """(slots, LEVELS) whether the rows of a level are left out."""
    found = np.zeros((len(names), len(LEVELS)), bool)
    if dropped:
        for slot, name in enumerate(names):
            for level in dropped.get(name, ()):
                found[slot, LEVELS.index(level)] = True
    return found


def without(rows: Rows, names: list[Name], dropped: Dropped) -> Any:
    """(rows,) whether a row is of a level that its series has."""
    kept = np.ones(len(rows["slot"]), bool)
    if dropped and len(kept):
        used, at = np.unique(rows["slot"], return_inverse=True)
        out = mask([names[slot] for slot in used.tolist()], dropped)
        kept = ~out[at, np.searchsorted(LEVELS, rows["level"])]
    return kept


@dataclass
class Density:
    """Samples and buckets of every series and level since the plant was opened, by name."""

    samples: dict[Key, int] = field(default_factory=dict)
    buckets: dict[Key, int] = field(default_factory=dict)
    last: dict[Key, int] = field(default_factory=dict)

    def count(self, rows: Rows, names: list[Name]) -> None:
        """Takes in rows, one a bucket, sorted by slot, level and time; those computed anew say nothing."""
        which = np.flatnonzero(~rows["whole"])
        if not len(which):
            return
        slot, level, t_ns = (rows[name][which] for name in ("slot", "level", "t_ns"))
        size = (rows["count"] + rows["bad"] + rows["gaps"])[which]
        edge = np.append(True, (slot[1:] != slot[:-1]) | (level[1:] != level[:-1]))
        at = np.flatnonzero(edge)
        ends = np.append(at[1:], len(slot)) - 1
        table = zip(slot[at].tolist(), level[at].tolist(), np.add.reduceat(size, at).tolist(), (ends - at + 1).tolist(),
                    t_ns[at].tolist(), t_ns[ends].tolist(), strict=True)
        for series, step_ns, samples, buckets, first, last in table:
            key = names[series], step_ns
            old, had = self.samples.get(key, 0), self.buckets.get(key, 0)
            if old > MOST:
                old, had = old // 2, had // 2
            self.samples[key] = old + samples
            self.buckets[key] = had + buckets - (self.last.get(key) == first)
            self.last[key] = last

    def changes(self, dropped: Dropped) -> tuple[set[Key], set[Key]]:
        """(name, level) that are to be left out from now on, and those that come back."""
        goes, comes = set(), set()
        for (name, level), samples in self.samples.items():
            if samples >= LEAST:
                each = samples / max(1, self.buckets[name, level])
                if level in dropped.get(name, ()):
                    if each >= AGAIN:
                        comes.add((name, level))
                elif each < WORTH:
                    goes.add((name, level))
        return goes, comes

    def forget(self, keys: set[Key]) -> None:
        """Begins to count these anew."""
        for key in keys:
            self.samples.pop(key, None)
            self.buckets.pop(key, None)


def decide(store: Store) -> None:
    """Looks at the rows in memory, before they are written, which levels are worth their rows. The caller holds the
    flushing."""
    memory = store._memory
    with store._lock:
        catalogue, rows, names = memory.catalogue, memory.rollups.waiting(), memory.rollups.names
        if names is not catalogue.names or store._journal.meta(EVERY, ""):
            return
        unrated = catalogue.unrated[catalogue.definitions()]
        for slot in np.flatnonzero(mask(names, catalogue.dropped).any(axis=1)):
            unrated[slot] = True
    memory.density.count(rolling.take(rows, unrated[rows["slot"]]), names)
    goes, comes = memory.density.changes(catalogue.dropped)
    if goes or comes:
        memory.density.forget(goes | comes)
        with store._lock:
            _change(store, goes, comes)


def every_level(store: Store) -> None:
    """Rows are wanted however few the samples are, from now on: samples will go, and their rows are to stay."""
    with store._lock:
        comes = {(name, level) for name, levels in store._memory.catalogue.dropped.items() for level in levels}
        if comes or not store._journal.meta(EVERY, ""):
            _change(store, set(), comes, {EVERY: "1"})


def _change(store: Store, goes: set[Key], comes: set[Key], meta: Mapping[str, str] = MappingProxyType({})) -> None:
    catalogue, rollups = store._memory.catalogue, store._memory.rollups
    dropped = dict(catalogue.dropped)
    for name, level in goes:
        dropped[name] = dropped.get(name, frozenset()) | {level}
    for name, level in comes:
        dropped[name] = dropped[name] - {level}
    tasks = [*rollups.tasks, *({"thing": thing, "signal": signal} for thing, signal in sorted({n for n, _ in comes}))]
    work = Work(meta={**meta, **({"reroll": json.dumps(tasks)} if comes else {})})
    work.also += [("INSERT OR REPLACE INTO sparse VALUES (?, ?, ?)", [*name, level]) for name, level in sorted(goes)]
    work.also += [("DELETE FROM sparse WHERE thing = ? AND signal = ? AND level = ?", [*name, level])
                  for name, level in sorted(comes)]
    store._journal.commit(work)
    rollups.tasks = tasks
    catalogue.dropped = {name: levels for name, levels in dropped.items() if levels}


def kept(catalogue: Catalogue, series: Series) -> Any:
    """(slots, LEVELS) the levels that readers find rows of."""
    return series.levels & ~mask(series.names, catalogue.dropped) if catalogue.dropped else series.levels


def levels_at(catalogue: Catalogue, series: Series, slot: int) -> tuple[int, ...]:
    """Of one series."""
    out = catalogue.dropped.get(series.names[slot], frozenset())
    return tuple(level for level, has in zip(LEVELS, series.levels[slot].tolist(), strict=True)
                 if has and level not in out)

