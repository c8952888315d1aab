"""The books of one plant: numbers seen and counts, by source and minute. They stand in the journal.

A put needs the state of its own source only, so that is what memory holds, of the sources that spoke last: opening a
plant, and the memory it takes, do not grow with the sources it ever heard.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from loopwright.core.types import Batch
from loopwright.store import sums
from loopwright.store.accounts import Reading
from loopwright.store.counts import NS_PER_MINUTE, REFUSED, Booked, Counts, Key
from loopwright.store.intake import Taken
from loopwright.store.journal import Journal, Work
from loopwright.store.ranges import Ranges
from loopwright.store.sums import Asked

Minute = tuple[int, str, str]  # minute of known_ns, hop, source
_KEPT = 50_000  # sources in memory; the others are looked up when they speak again
MOST_REASONS = 40  # reasons a source; what comes beyond them is counted as OTHER
LONGEST_REASON = 100  # characters
OTHER = "another reason"
MOST_IDLE = 10_000  # sources of which nothing was ever stored; what further ones send is counted under one name
OTHERS = "others"
_STATE = "SELECT expected, arrived, lost, counted, closed_ns, word FROM streams WHERE hop = ? AND source = ?"


@dataclass(slots=True)
class Stream:
    """One source's state.

    expected  samples it has sent, as far as is known (repeats not counted)
    arrived   of these, how many came (stored, refused, or a copy of what another source brought)
    lost      of the rest, how many are given up
    counted   whether the sender counts, or numbers, what it sends
    closed_ns when its end was noted (0: open), word: what was said then
    """

    expected: int = 0
    arrived: int = 0
    lost: int = 0
    counted: bool = False
    closed_ns: int = 0
    word: str = ""


class Books:
    """What became of every sample. `enter`, `end`, `erase` prepare a change; `keep` takes it over once durable.

    corrected  things of which a value was replaced
    """

    def __init__(self, journal: Journal) -> None:
        self.corrected = {row[0] for row in journal.rows("SELECT thing FROM corrected")}
        self._journal = journal
        self._streams: dict[Key, Stream] = {}
        self._seen: dict[str, Ranges] = {}
        self._reasons: dict[Key, set[str]] = {}
        self._idle, self._idle_minute = 0, -1  # sources of which nothing was stored, and when they were counted

    def seen(self, source: str) -> Ranges:
        """The numbers of a source that came."""
        if source not in self._seen:
            _make_room(self._seen)
            rows = self._journal.rows("SELECT first, last FROM seen WHERE source = ? ORDER BY first", [source])
            self._seen[source] = Ranges(rows)
        return self._seen[source]

    def cursor(self, source: str) -> int | None:
        """The highest number of a source such that everything from its first one up to it is stored."""
        return self.seen(source).unbroken

    def sources(self) -> list[Key]:
        """(hop, source) of every source that was ever heard, sorted."""
        return self._journal.rows("SELECT hop, source FROM streams ORDER BY hop, source")

    def whole(self) -> Reading:
        """The books since the beginning, hop by hop."""
        return Reading(sums.totals(Asked(), self._journal), (None, None), 0)

    def enter(self, batch: Batch, taken: Taken, known_ns: int) -> Work:
        """What a batch changes."""
        work = Work(known_ns=known_ns)
        key = (batch.hop, batch.source)
        receipt = taken.receipt
        if not (receipt.stored or receipt.duplicate) and self._too_many(key, known_ns):
            key = (batch.hop, f"{batch.hop}/{OTHERS}")
            stream = self._stream(key)
            arrived = stream.arrived + taken.arrived
            self._book(work, key, self._bounded(key, receipt.refused), Stream(arrived, arrived))
            return work
        stream = self._stream(key)
        shown = 0
        if taken.numbers:
            ranges = self.seen(batch.source)
            gone, come = ranges.merged(*taken.numbers)
            work.seen = (batch.source, gone, come)
            first = come[0] if ranges.start is None else min(come[0], ranges.start)
            shown = max(come[1], ranges.end or come[1]) - first + 1
        arrived = stream.arrived + taken.arrived
        expected = max(stream.expected, batch.sent or 0, shown, arrived)
        counts = {
            "stored": receipt.stored, "late": receipt.late, "duplicate": receipt.duplicate, "copied": taken.copied,
            "possible_duplicate": receipt.possible_duplicate, "conflict": receipt.conflict,
            **self._bounded(key, receipt.refused),
        }
        more = expected > stream.expected  # a stream that was ended goes on
        self._book(work, key, counts, Stream(
            expected, arrived, counted=stream.counted or batch.sent is not None or batch.sequence is not None,
            closed_ns=0 if more else stream.closed_ns, word="" if more else stream.word,
        ))
        return work

    def end(self, key: Key, sent: int | None, word: str, known_ns: int) -> Work:
        """What the sender's final count changes: what it sent and did not arrive is lost from now on."""
        work = Work(known_ns=known_ns)
        old = self._stream(key)
        expected = max(old.expected, sent or 0)
        counted = old.counted or sent is not None
        self._book(work, key, {}, Stream(expected, old.arrived, 0, counted, known_ns, word[:200]))
        return work

    def erase(self, work: Work, counts: Mapping[Minute, Counts]) -> None:
        """Books samples that go, in the minutes in which they were accepted.

        words  'erased', 'erased_early' (while in the journal), 'expired' (older than they are kept)
        """
        entered = int(self._journal.meta("known_ns", "0")) // NS_PER_MINUTE
        for (minute, hop, source), words in counts.items():
            work.booked.append(Booked((hop, source), entered, minute, words))

    def keep(self, work: Work) -> None:
        """The work is durable: the memory follows."""
        if work.seen:
            source, _, numbers = work.seen
            self.seen(source).add(*numbers)
        self.corrected.update(work.corrected)
        for key, stream in work.streams.items():
            _make_room(self._streams)
            self._streams[key] = stream

    def hop_of(self, source: str) -> str:
        """The hop that a source came by."""
        rows = self._journal.rows("SELECT hop FROM streams WHERE source = ? LIMIT 1", [source])
        return str(rows[0][0]) if rows else ""

    def _stream(self, key: Key) -> Stream:
        return self._known(key) or Stream()

    def _known(self, key: Key) -> Stream | None:
        if key in self._streams:
            return self._streams[key]
        rows = self._journal.rows(_STATE, key)
        if not rows:
            return None
        expected, arrived, lost, counted, closed_ns, word = rows[0]
        return Stream(expected, arrived, lost, bool(counted), closed_ns, word)

    def _too_many(self, key: Key, known_ns: int) -> bool:
        """Whether a source of which nothing is stored must do without books of its own: it is new, and they are many.

        Names come from outside; whoever makes them up by the million fills the disk otherwise.
        """
        if self._known(key) is not None:
            return False
        if (minute := known_ns // NS_PER_MINUTE) != self._idle_minute:
            self._idle_minute = minute
            self._idle = self._journal.rows("SELECT count(*) FROM streams WHERE stored = 0 AND copied = 0")[0][0]
        self._idle += 1
        return self._idle > MOST_IDLE

    def _book(self, work: Work, key: Key, counts: Counts, now: Stream) -> None:
        old = self._stream(key)
        now.lost = now.expected - now.arrived if now.closed_ns else 0
        added = {word: getattr(now, word) - getattr(old, word) for word in ("expected", "arrived", "lost")}
        state = (now.counted, now.closed_ns, now.word)
        minute = work.known_ns // NS_PER_MINUTE
        same = state == (old.counted, old.closed_ns, old.word)
        work.booked.append(Booked(key, minute, minute, {**added, **counts}, None if same else state))
        work.streams[key] = now

    def _bounded(self, key: Key, refused: Mapping[str, int]) -> Counts:
        """Refusals as words of the books: reasons cut short, and not more of them than MOST_REASONS."""
        if not refused:
            return {}
        if key not in self._reasons:
            _make_room(self._reasons)
            rows = self._journal.rows("SELECT reason FROM refusals WHERE hop = ? AND source = ?", key)
            self._reasons[key] = {row[0] for row in rows}
        known, counts = self._reasons[key], Counts()
        for reason, samples in refused.items():
            short = reason if len(reason) <= LONGEST_REASON else reason[:LONGEST_REASON - 3] + "..."
            if short not in known and len(known) >= MOST_REASONS:
                short = OTHER
            known.add(short)
            counts[REFUSED + short] = counts.get(REFUSED + short, 0) + samples
        return counts


def _make_room(kept: dict[Key, Stream] | dict[str, Ranges] | dict[Key, set[str]]) -> None:
    """Forgets the half that was taken in first, when there are too many."""
    if len(kept) >= _KEPT:
        for key in list(kept)[:_KEPT // 2]:
            del kept[key]  # type: ignore[arg-type]
