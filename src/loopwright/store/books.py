"""The books of one plant: numbers seen and counts, by source and minute, in memory and in the journal alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from loopwright.core.types import Batch
from loopwright.store.accounts import NS_PER_MINUTE, Counts, Key, Reading, Stream, added
from loopwright.store.intake import Taken
from loopwright.store.journal import Journal, Work
from loopwright.store.ranges import Ranges

Minute = tuple[int, str, str]  # minute of known_ns, hop, source
_EVER = 1 << 62


class Books:
    """What became of every sample. `enter`, `end`, `erase` prepare a change; `keep` takes it over once durable.

    seen       source -> the numbers of it that came
    corrected  things of which a value was replaced
    """

    def __init__(self, journal: Journal) -> None:
        self.seen, totals, self.corrected = journal.books()
        self._journal = journal
        self._streams: dict[Key, Stream] = {key: Stream(**body) for key, body in totals.items()}
        self._minute: dict[Minute, Counts] = {}

    def cursor(self, source: str) -> int | None:
        """The highest number of a source such that everything from its first one up to it is stored."""
        return self.seen[source].unbroken if source in self.seen else None

    def sources(self) -> list[Key]:
        """(hop, source) of every source that was ever heard, sorted."""
        return sorted(self._streams)

    def enter(self, batch: Batch, taken: Taken, known_ns: int) -> Work:
        """What a batch changes."""
        work = Work(known_ns=known_ns)
        key = (batch.hop, batch.source)
        stream = self._streams.get(key, Stream())
        shown = 0
        if taken.numbers:
            ranges = self.seen.get(batch.source, Ranges())
            gone, come = ranges.merged(*taken.numbers)
            work.seen = (batch.source, gone, come)
            shown = (
                max(come[1], ranges.end or come[1])
                - min(come[0], come[0] if ranges.start is None else ranges.start)
                + 1
            )
        arrived = stream.arrived + taken.arrived
        expected = max(stream.expected, batch.sent or 0, shown, arrived)
        receipt = taken.receipt
        counts = {
            "expected": expected - stream.expected, "arrived": taken.arrived, "stored": receipt.stored,
            "late": receipt.late, "duplicate": receipt.duplicate, "copied": taken.copied,
            "possible_duplicate": receipt.possible_duplicate, "conflict": receipt.conflict,
            **{f"refused:{reason}": n for reason, n in receipt.refused.items()},
        }
        more = expected > stream.expected  # a stream that was ended goes on
        self._book(work, key, counts, {
            "expected": expected, "arrived": arrived, "closed_ns": 0 if more else stream.closed_ns,
            "word": "" if more else stream.word,
            "counted": stream.counted or batch.sent is not None or batch.sequence is not None,
        })
        return work

    def end(self, key: Key, sent: int | None, word: str, known_ns: int) -> Work:
        """What the sender's final count changes: what it sent and did not arrive is lost from now on."""
        work = Work(known_ns=known_ns)
        stream = self._streams.get(key, Stream())
        expected = max(stream.expected, sent or 0)
        self._book(work, key, {"expected": expected - stream.expected}, {
            "expected": expected, "arrived": stream.arrived, "closed_ns": known_ns, "word": word,
            "counted": stream.counted or sent is not None,
        })
        return work

    def erase(self, work: Work, counts: Mapping[Minute, Counts]) -> None:
        """Books erased samples in the minutes in which they were accepted."""
        for minute, words in counts.items():
            key = minute[1:]
            stream = Stream(**work.sources.get(key, self._streams.get(key, Stream()).as_dict()))
            stream.counts = added(stream.counts, words)
            work.sources[key] = stream.as_dict()
            work.minutes[minute] = added(work.minutes.get(minute) or self._of_minute(minute), words)

    def keep(self, work: Work) -> None:
        """The work is durable: the memory follows."""
        if work.seen:
            source, _, numbers = work.seen
            self.seen.setdefault(source, Ranges()).add(*numbers)
        self.corrected.update(work.corrected)
        for key, body in work.sources.items():
            self._streams[key] = Stream(**body)
        for minute, counts in work.minutes.items():
            if self._minute and minute[0] != next(iter(self._minute))[0]:
                self._minute.clear()
            self._minute[minute] = dict(counts)

    def read(self, start_ns: int | None, end_ns: int | None, source: str | None) -> Reading:
        """The books of all sources, or one, over whole minutes of known_ns."""
        start, end = (None if t is None else t // NS_PER_MINUTE for t in (start_ns, end_ns))
        streams = {key: stream for key, stream in self._streams.items() if source is None or key[1] == source}
        before = dict.fromkeys(streams, 0)
        if start is None and end is None:
            return Reading(streams, {key: stream.counts for key, stream in streams.items()}, before, (start, end))
        inside: dict[Key, Counts] = {key: {} for key in streams}
        if start is not None:
            before = {key: stream.expected - stream.arrived for key, stream in streams.items()}
        for minute, hop, name, counts in self._journal.minutes(-_EVER if start is None else start, _EVER):
            key = (hop, name)
            if key in streams and start is not None:
                before[key] -= counts.get("expected", 0) - counts.get("arrived", 0)
            if key in streams and (end is None or minute < end):
                inside[key] = added(inside[key], counts)
        return Reading(streams, inside, before, (start, end))

    def hop_of(self, source: str) -> str:
        """The hop that a source came by."""
        return next((hop for hop, name in self._streams if name == source), "")

    def _book(self, work: Work, key: Key, counts: Counts, state: dict[str, Any]) -> None:
        minute = (work.known_ns // NS_PER_MINUTE, *key)
        work.sources[key] = {**state, "counts": added(self._streams.get(key, Stream()).counts, counts)}
        work.minutes[minute] = added(self._of_minute(minute), counts)

    def _of_minute(self, minute: Minute) -> Counts:
        if minute in self._minute:
            return self._minute[minute]
        rows = self._journal.minutes(minute[0], minute[0] + 1)
        return next((counts for _, hop, source, counts in rows if (hop, source) == minute[1:]), {})
