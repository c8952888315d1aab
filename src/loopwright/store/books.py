"""The books of one plant: numbers seen by source and counts by source and minute, in memory and in the journal alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from loopwright.core.types import Batch, Hop
from loopwright.store.accounts import NS_PER_MINUTE, Counts, Stream, added, kept_hops, source_hop
from loopwright.store.intake import Taken
from loopwright.store.journal import Entry, Journal, Work
from loopwright.store.ranges import Ranges

Key = tuple[str, str]  # hop, source


class Books:
    """What became of every sample. `enter` and `close_stream` prepare a change; `keep` takes it over once it is durable."""

    def __init__(self, journal: Journal) -> None:
        self.seen: dict[str, Ranges] = journal.seen()
        self.streams: dict[Key, Stream] = {key: Stream(**body) for key, body in journal.sources().items()}
        self._minute: dict[tuple[int, str, str], Counts] = {}

    def cursor(self, source: str) -> int | None:
        """The highest number of a source such that everything from its first one up to it is stored."""
        return self.seen[source].unbroken if source in self.seen else None

    def enter(self, batch: Batch, taken: Taken, known_ns: int, journal: Journal) -> Work:
        """What a batch changes in the books."""
        work = Work(known_ns=known_ns)
        key = (batch.hop, batch.source)
        stream = self.streams.get(key, Stream())
        ranges = self.seen.get(batch.source, Ranges())
        shown = 0
        if taken.numbers:
            gone, (first, last) = ranges.merged(*taken.numbers)
            work.seen = (batch.source, gone, (first, last))
            start, end = ranges.start, ranges.end
            shown = max(last, end if end is not None else last) - min(first, start if start is not None else first) + 1
        arrived = stream.arrived + taken.arrived
        expected = max(stream.expected, batch.sent or 0, shown, arrived)
        receipt = taken.receipt
        counts = {
            "expected": expected - stream.expected, "arrived": taken.arrived, "stored": receipt.stored, "late": receipt.late,
            "duplicate": receipt.duplicate, "copied": taken.copied, "possible_duplicate": receipt.possible_duplicate,
            "conflict": receipt.conflict, **{f"refused:{reason}": n for reason, n in receipt.refused.items()},
        }
        open_again = expected > stream.expected
        self._book(work, key, counts, journal, {
            "expected": expected, "arrived": arrived, "closed_ns": 0 if open_again else stream.closed_ns,
            "word": "" if open_again else stream.word,
            "counted": stream.counted or batch.sent is not None or batch.sequence is not None,
        })
        return work

    def close_stream(self, key: Key, sent: int | None, word: str, known_ns: int, journal: Journal) -> Work:
        """What the sender's final count changes: what it sent and did not arrive is lost from now on."""
        work = Work(known_ns=known_ns)
        stream = self.streams.get(key, Stream())
        expected = max(stream.expected, sent or 0)
        self._book(work, key, {"expected": expected - stream.expected}, journal, {
            "expected": expected, "arrived": stream.arrived, "closed_ns": known_ns, "word": word,
            "counted": stream.counted or sent is not None,
        })
        return work

    def keep(self, work: Work) -> None:
        """The work is durable: the memory follows."""
        if work.seen:
            source, _, numbers = work.seen
            self.seen.setdefault(source, Ranges()).add(*numbers)
        for key, body in work.sources.items():
            self.streams[key] = Stream(**body)
        for minute, counts in work.minutes.items():
            if self._minute and minute[0] != next(iter(self._minute))[0]:
                self._minute.clear()
            self._minute[minute] = dict(counts)

    def hops(
        self, journal: Journal, tail: list[Entry], window: tuple[int | None, int | None], source: str | None, standing: int,
    ) -> dict[str, Hop]:
        """Every hop by name over whole minutes of known_ns; standing: samples counted in the points for the same question."""
        start, end = (None if t is None else t // NS_PER_MINUTE for t in window)
        keys = [key for key in self.streams if source is None or key[1] == source]
        inside, before = self._split(journal, keys, start, end)
        hops = {}
        for name in sorted({hop for hop, _ in keys}):
            until_ns = None if end is None else end * NS_PER_MINUTE
            hops[name] = source_hop(name, [(k[1], self.streams[k], inside[k], before[k]) for k in keys if k[0] == name], until_ns)
        total: Counts = {}
        for key in keys:
            total = added(total, inside[key])
        waiting = sum(
            e.samples for e in tail
            if (source is None or e.source == source) and (start is None or e.id // NS_PER_MINUTE >= start) and (end is None or e.id // NS_PER_MINUTE < end)
        )
        return hops | kept_hops(total.get("stored", 0), waiting, total.get("erased_early", 0), total.get("erased", 0), standing)

    def erase(self, work: Work, counts: Mapping[tuple[int, str, str], Counts], journal: Journal) -> None:
        """Books erased samples in the minutes in which they were accepted."""
        for (minute, hop, source), words in counts.items():
            stream = Stream(**work.sources.get((hop, source), self.streams[hop, source].as_dict()))
            stream.counts = added(stream.counts, words)
            work.sources[hop, source] = stream.as_dict()
            before = next((c for m, h, s, c in journal.minutes(minute, minute + 1) if (h, s) == (hop, source)), {})
            work.minutes[minute, hop, source] = added(work.minutes.get((minute, hop, source), before), words)

    def _book(self, work: Work, key: Key, counts: Counts, journal: Journal, state: dict[str, Any]) -> None:
        minute = (work.known_ns // NS_PER_MINUTE, *key)
        if minute not in self._minute:
            self._minute[minute] = next((c for m, h, s, c in journal.minutes(minute[0], minute[0] + 1) if (h, s) == key), {})
        stream = self.streams.get(key, Stream())
        work.sources[key] = {**state, "counts": added(stream.counts, counts)}
        work.minutes[minute] = added(self._minute[minute], counts)

    def _split(self, journal: Journal, keys: list[Key], start: int | None, end: int | None) -> tuple[dict[Key, Counts], dict[Key, int]]:
        """Counts of each source in the window, and how much of it was on its way when the window began."""
        if start is None and end is None:
            return {key: self.streams[key].counts for key in keys}, dict.fromkeys(keys, 0)
        inside: dict[Key, Counts] = {key: {} for key in keys}
        before = {key: self.streams[key].expected - self.streams[key].arrived for key in keys}
        for minute, hop, source, counts in journal.minutes(-(1 << 62) if start is None else start, 1 << 62):
            if (hop, source) in inside:
                before[hop, source] -= counts.get("expected", 0) - counts.get("arrived", 0)
                if end is None or minute < end:
                    inside[hop, source] = added(inside[hop, source], counts)
        return inside, before if start is not None else dict.fromkeys(keys, 0)
