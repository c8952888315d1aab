"""What changed in the past: where values came late, were corrected or erased, so that whatever was computed follows.

The feed is written in the transaction of the batch that changed something. It names times, never values: who follows
reads them again. A range may be wider than what really changed, never narrower. Ranges of one signal that came within a
minute and lie within an hour of each other are one, so that a replay of a million late values costs a few rows.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from loopwright.core.clock import NS_PER_S
from loopwright.core.types import Batch
from loopwright.store.accounts import NS_PER_MINUTE
from loopwright.store.catalogue import Catalogue, Ints
from loopwright.store.check import lists, numbers
from loopwright.store.journal import Journal, Work
from loopwright.store.live import Live

if TYPE_CHECKING:
    from loopwright.store.cellar import Store
    from loopwright.store.intake import Taken

LATE, DELAYED, CORRECTED, ERASED, TRIMMED = "late", "delayed", "corrected", "erased", "trimmed"
DELAYED_NS = 600 * NS_PER_S  # in order, but so long after it was true that others may have gone on without it
KEEP_NS = 30 * 86_400 * NS_PER_S  # how long the feed is kept, by known_ns
EVER = 1 << 62
_NEAR_NS = 3600 * NS_PER_S  # ranges so near to each other are one
_MOST = 64  # ranges of one signal, in a minute or of all its corrections; beyond that the nearest two are joined
_STEP_NS = 600 * NS_PER_S  # delayed ranges are widened to whole steps, so that most batches of a stream change nothing
Span = tuple[int, int]
Key = tuple[str, str, str, str]  # thing, signal, why, event


@dataclass(frozen=True)
class Touched:
    """Something in start_ns <= t_ns < end_ns is no longer as it was.

    thing, signal  '' for any of them
    why            'late': below the newest value of its signal; 'delayed': in order, but ten minutes or more after it
                   was true; 'corrected'; 'erased'; 'trimmed': the feed no longer reaches back so far, so all may differ
    known_ns       when it was known last (of 'delayed': the end of that minute, as more may follow in it)
    event          the correction that did it
    """

    thing: str
    signal: str
    start_ns: int
    end_ns: int
    why: str
    known_ns: int
    event: str = ""


def changes(store: Store, after_known_ns: int = 0) -> list[Touched]:
    """What changed in the past and was known after that time, in the order in which it was known.

    Ask next time with what `now` said before this call. Kept for 30 days; who asks for more gets one row of everything,
    'trimmed', first.
    """
    with store._lock:
        rows = store._journal.changed(after_known_ns)
        since_ns = int(store._journal.meta("changed_since", "0"))
    found = [Touched(*row) for row in rows]
    if after_known_ns < since_ns:
        found.insert(0, Touched("", "", -EVER, EVER, TRIMMED, since_ns))
    return found


def now(store: Store) -> int:
    """The plant's time of the newest thing it knows: who follows the feed asks next time for what came after."""
    with store._lock:
        return store._known


def bookmarked(store: Store, name: str) -> str:
    """What somebody who follows the feed has kept under a name, '' at first."""
    with store._lock:
        return store._journal.meta(f"bookmark/{name}")


def bookmark(store: Store, name: str, text: str) -> None:
    """Keeps, across restarts, how far somebody has followed."""
    store._writable("bookmark")
    with store._lock:
        store._journal.commit(Work(meta={f"bookmark/{name}": text}))


def trim(store: Store) -> None:
    """Deletes what was known more than 30 days ago."""
    store._journal.trim_changes(store._known - KEEP_NS)


def erased(store: Store, things: Iterable[str]) -> None:
    """Says that these things are about to be erased; the caller holds the lock."""
    work = Work(known_ns=store._next_known(0))
    store._memory.past.erase(things, work)
    store._commit(work)
    store._memory.past.keep(work)


class Past:
    """The feed's open minute, and where values were replaced. `enter` prepares; `keep` takes over once durable.

    spans  (thing, signal) -> [(start_ns, end_ns)] within which values were replaced; signal '' for all of a thing's
    """

    def __init__(self, journal: Journal, corrected: Iterable[str]) -> None:
        self.spans, self._number = journal.past()
        known = {thing for thing, _ in self.spans}
        self.spans |= {(thing, ""): [(-EVER, EVER)] for thing in corrected if thing not in known}
        self._signals: dict[str, set[str]] = {}  # thing -> signals of `spans`
        self._index(self.spans)
        self._minute = -1
        self._open: dict[Key, list[tuple[int, int, int]]] = {}  # key -> (number, start_ns, end_ns)

    def enter(self, batch: Batch, taken: Taken, work: Work, live: Live, catalogue: Catalogue) -> None:
        """Puts into the work what a batch changes of the past. `live` does not hold the batch yet."""
        keys = taken.keys
        if keys is None or taken.table is None:
            return
        if batch.correction:
            rows: Any = np.ones(len(keys.slot), bool)
        else:
            rows = keys.t_ns <= live.t_ns[keys.slot]
            first_ns = int(keys.t_ns.min())
            if work.known_ns - first_ns > DELAYED_NS:
                self._delayed(keys.slot, first_ns, int(keys.t_ns.max()), work, catalogue)
            if not rows.any():
                return
        last_ns = _last_ns(taken.table, batch.blocks, keys.t_ns)
        why, event = (CORRECTED, batch.correction) if batch.correction else (LATE, "")
        for slot, spans in _ranges(keys.slot[rows], keys.t_ns[rows], last_ns[rows]).items():
            thing, signal = catalogue.names[slot]
            self._touch((thing, signal, why, event), spans, work)
            if batch.correction:
                work.spans[thing, signal] = _joined([*self.spans.get((thing, signal), []), *spans])

    def erase(self, things: Iterable[str], work: Work) -> None:
        """These things are erased: what was known of them before is gone, and that is all that is said."""
        for thing in things:
            self._touch((thing, "", ERASED, ""), [(-EVER, EVER)], work)

    def keep(self, work: Work) -> None:
        """The work is durable: the memory follows."""
        self.spans.update(work.spans)
        self._index(work.spans)
        for number in work.unchanged:
            for ranges in self._open.values():
                ranges[:] = [one for one in ranges if one[0] != number]
        for number, thing, signal, start_ns, end_ns, why, known_ns, event in work.changed:
            self._number = max(self._number, number)
            if known_ns // NS_PER_MINUTE != self._minute:
                self._minute = known_ns // NS_PER_MINUTE
                self._open.clear()
            ranges = self._open.setdefault((thing, signal, why, event), [])
            ranges[:] = [one for one in ranges if one[0] != number] + [(number, start_ns, end_ns)]

    def replaced(
        self, things: list[str] | None, signals: list[str] | None, start_ns: int | None, end_ns: int | None
    ) -> bool:
        """Whether a value of these things and signals in start_ns <= t_ns < end_ns may have been replaced."""
        low, high = -EVER if start_ns is None else start_ns, EVER if end_ns is None else end_ns
        names = None if signals is None else set(signals)
        return any(
            first < high and last > low
            for thing in (self._signals if things is None else things)
            for signal in self._signals.get(thing, ()) if names is None or not signal or signal in names
            for first, last in self.spans[thing, signal]
        )

    def _index(self, spans: Iterable[tuple[str, str]]) -> None:
        for thing, signal in spans:
            self._signals.setdefault(thing, set()).add(signal)

    def _delayed(self, slot: Ints, first_ns: int, last_ns: int, work: Work, catalogue: Catalogue) -> None:
        """One range a batch, of its thing and signal when it has only one: this stands on the way of every batch."""
        low, high = catalogue.names[int(slot.min())], catalogue.names[int(slot.max())]  # a thing's slots lie together
        names = low if low == high else (low[0] if low[0] == high[0] else "", "")
        span = first_ns // _STEP_NS * _STEP_NS, (last_ns // _STEP_NS + 1) * _STEP_NS
        for _, start_ns, end_ns in self._now((*names, DELAYED, ""), work):
            if start_ns <= span[0] and span[1] <= end_ns:
                return
        self._touch((*names, DELAYED, ""), [span], work)

    def _now(self, key: Key, work: Work) -> list[tuple[int, int, int]]:
        """The ranges of a key in the work's minute."""
        return self._open.get(key, []) if work.known_ns // NS_PER_MINUTE == self._minute else []

    def _touch(self, key: Key, spans: list[Span], work: Work) -> None:
        """Ranges of this minute, joined with those near to them; once for a key in a batch."""
        there = {number: (start_ns, end_ns) for number, start_ns, end_ns in self._now(key, work)}
        mine, number, touched = dict(there), self._number + len(work.changed), set()
        for span in spans:
            near = [n for n, (start, end) in mine.items() if start - _NEAR_NS <= span[1] and span[0] <= end + _NEAR_NS]
            if not near and len(mine) >= _MOST:
                near = [min(mine, key=lambda n: max(mine[n][0] - span[1], span[0] - mine[n][1]))]
            joined = [span, *(mine.pop(n) for n in near)]
            number += not near
            at = near[0] if near else number
            mine[at] = min(one[0] for one in joined), max(one[1] for one in joined)
            touched.add(at)
        work.unchanged += [n for n in there if n not in mine]
        thing, signal, why, event = key
        known_ns = work.known_ns if why != DELAYED else (work.known_ns // NS_PER_MINUTE + 1) * NS_PER_MINUTE - 1
        work.changed += [(n, thing, signal, *mine[n], why, known_ns, event) for n in sorted(touched & mine.keys())]


def _last_ns(table: Any, blocks: bool, t_ns: Ints) -> Ints:
    """(rows,) the time just after each row's last sample."""
    if not blocks:
        return t_ns + 1
    lengths = lists(table.column("values"))[2]
    return t_ns + np.maximum(lengths - 1, 0) * numbers(table.column("dt_ns"), np.int64)[0] + 1


def _ranges(slot: Ints, start_ns: Ints, end_ns: Ints) -> dict[int, list[Span]]:
    """slot -> (start_ns, end_ns) of each run of its rows with less than an hour between them."""
    order = np.lexsort((start_ns, slot))
    slot, start_ns, end_ns = slot[order], start_ns[order], end_ns[order]
    far = np.append(True, (slot[1:] != slot[:-1]) | (start_ns[1:] - start_ns[:-1] > _NEAR_NS))[:len(slot)]
    begins = np.flatnonzero(far)
    found: dict[int, list[Span]] = {}
    for one, *span in zip(*(column.tolist() for column in (
        slot[begins], start_ns[begins], np.maximum.reduceat(end_ns, begins))), strict=True):
        found.setdefault(one, []).append((span[0], span[1]))
    return found


def _joined(spans: list[Span]) -> list[Span]:
    """Sorted and disjoint, near ones joined, at most 64."""
    found: list[Span] = []
    for start_ns, end_ns in sorted(spans):
        if found and start_ns <= found[-1][1] + _NEAR_NS:
            found[-1] = found[-1][0], max(found[-1][1], end_ns)
        else:
            found.append((start_ns, end_ns))
    while len(found) > _MOST:
        at = min(range(len(found) - 1), key=lambda i: found[i + 1][0] - found[i][1])
        found[at:at + 2] = [(found[at][0], found[at + 1][1])]
    return found
