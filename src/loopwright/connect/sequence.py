"""Which samples of a numbered source have arrived, which are missing, and when a stream is over.

    Arrived    a set of numbers kept as runs: add(first, stop), missing(stop)
    Stream     one source in one epoch
    Streams    the current stream of every thing: what to ask for again, and whether all is said
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from loopwright.connect.payload import Head

ASK_AFTER_S = 0.3  # a gap may be a message on another way; younger ones are not asked for
HOLD_S = 2.0  # how long a source that was never heard before is held back for its beginning
RUNS_ASKED = 20  # most gaps named in one request


class Arrived:
    """A set of whole numbers from 0, as sorted runs [first, stop) that do not touch."""

    def __init__(self) -> None:
        self._firsts: list[int] = []
        self._stops: list[int] = []

    def add(self, first: int, stop: int) -> bool:
        """first .. stop - 1 have arrived; True when any of them is new."""
        if stop <= first:
            return False
        i, j = bisect_left(self._stops, first), bisect_right(self._firsts, stop)
        if i < j and self._firsts[i] <= first and self._stops[i] >= stop:
            return False
        if i < j:
            first, stop = min(first, self._firsts[i]), max(stop, self._stops[j - 1])
        self._firsts[i:j], self._stops[i:j] = [first], [stop]
        return True

    def missing(self, stop: int) -> list[tuple[int, int]]:
        """The runs [first, stop) below `stop` that have not arrived."""
        gaps, at = [], 0
        for first, end in zip(self._firsts, self._stops, strict=True):
            if first >= stop:
                break
            if first > at:
                gaps.append((at, first))
            at = end
        if at < stop:
            gaps.append((at, stop))
        return gaps


@dataclass
class Stream:
    """One source in one epoch, as far as it was heard.

    sent      samples it says it has numbered
    final     it says that nothing follows
    said      it was heard itself, not only a note that the broker keeps of it
    heard_s   when it was last heard
    new_s     when it was first heard, if nothing of it was stored before
    gap_s     since when its first gap (at `gap`) has stood; asked: how often it was asked for, asked_s: when last
    gave_up   below this number nothing is waited for any more
    owed      batches of it that the consumer has not acknowledged
    thanked   it was told that everything is stored
    """

    source: str
    thing: str
    epoch: str
    heard_s: float
    new_s: float | None = None
    arrived: Arrived = field(default_factory=Arrived)
    sent: int = 0
    final: bool = False
    said: bool = False
    gap: int | None = None
    gap_s: float = 0.0
    asked: int = 0
    asked_s: float = float("-inf")
    asked_to: int = 0
    gave_up: int = 0
    owed: int = 0
    thanked: bool = False

    @property
    def complete(self) -> bool:
        """Everything it numbered has arrived."""
        return self.final and not self.arrived.missing(self.sent)

    def held(self, now_s: float) -> bool:
        """Whether it is new and its beginning may still come: stored from the middle, nobody can tell what it lacks."""
        return self.new_s is not None and now_s - self.new_s < HOLD_S and bool(self.arrived.missing(1))

    def gaps(self) -> list[tuple[int, int]]:
        """What is missing and still waited for."""
        return [(first, stop) for first, stop in self.arrived.missing(self.sent) if stop > self.gave_up]

    def watch(self, now_s: float) -> list[tuple[int, int]]:
        """The gaps, after noting since when the first of them has stood."""
        gaps = self.gaps()
        first = gaps[0][0] if gaps else None
        if first != self.gap:
            self.gap, self.gap_s, self.asked, self.asked_s = first, now_s, 0, float("-inf")
        return gaps


class Streams:
    """Every numbered source that one link has heard.

    hop        'mqtt', 'http': the first word of every source's name
    cursor     highest sequence of a source up to which everything is stored, or None
    patience_s how long missing samples are waited for
    """

    def __init__(self, hop: str, cursor: Callable[[str], int | None], patience_s: float) -> None:
        self._hop, self._cursor, self._patience_s = hop, cursor, patience_s
        self._streams: dict[str, Stream] = {}

    def note(self, head: Head, samples: int, now_s: float, *, kept: bool = False) -> Stream:
        """A message of that head with so many samples has arrived (kept: the broker kept it from an earlier time)."""
        source = f"{self._hop}/{head.source}#{head.epoch}"
        if source not in self._streams:
            stored = self._cursor(source)
            stream = Stream(source, head.source, head.epoch, now_s, now_s if stored is None else None)
            stream.arrived.add(0, 0 if stored is None else stored + 1)
            self._streams[source] = stream
        stream = self._streams[source]
        stream.arrived.add(head.sequence, head.sequence + samples)
        stream.sent = max(stream.sent, head.sent)
        if head.final or (samples == 0 and not kept):  # an empty one that is not the last begins anew
            stream.final = head.final
        if not kept:
            stream.said, stream.thanked, stream.heard_s = True, False, now_s
        stream.watch(now_s)
        return stream

    def to_ask(self, now_s: float) -> list[tuple[Stream, list[tuple[int, int]]]]:
        """Streams with gaps that are due to be asked for, each after a longer wait than the time before."""
        due = []
        for stream in self._streams.values():
            gaps = stream.watch(now_s)
            if not gaps:
                continue
            if now_s - stream.gap_s > self._patience_s:
                stream.gave_up = max(stream.asked_to, gaps[0][1])
                continue
            at_once = stream.held(now_s) and not stream.asked
            if at_once or now_s - max(stream.gap_s, stream.asked_s) >= ASK_AFTER_S * 2**stream.asked:
                gaps = gaps[:RUNS_ASKED]
                stream.asked, stream.asked_s, stream.asked_to = stream.asked + 1, now_s, gaps[-1][1]
                due.append((stream, gaps))
        return due

    def to_thank(self) -> list[Stream]:
        """Streams that are whole and acknowledged, and have not been told so."""
        whole = [s for s in self._streams.values() if s.complete and not s.owed and not s.thanked]
        for stream in whole:
            stream.thanked = True
        return whole

    def over(self, things: Iterable[str], now_s: float) -> bool:
        """Whether all of these things have said all that will come; never when there are none.

        That is: one numbering of the thing is final and nothing it lacks is waited for any more, and no other one was
        heard for the patience. Where only the broker's notes are known, the patience must pass too: the device may be
        about to begin.
        """
        of: dict[str, list[Stream]] = {thing: [] for thing in things}
        for stream in self._streams.values():
            of.get(stream.thing, []).append(stream)
        return bool(of) and all(self._is_over(streams, now_s) for streams in of.values())

    def _is_over(self, streams: list[Stream], now_s: float) -> bool:
        heard = [stream for stream in streams if stream.said]
        ended = [stream for stream in heard or streams if stream.final and not stream.gaps()]
        others = [stream for stream in heard or streams if not heard or stream not in ended]
        return bool(ended) and all(now_s - stream.heard_s > self._patience_s for stream in others)
