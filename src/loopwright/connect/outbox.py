"""What a device has to say: frames gathered into messages, numbered thing by thing, and kept for whoever missed them.

Every protocol in which we are the one who numbers shares it (MQTT, HTTP).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import pyarrow as pa

from loopwright.connect import payload
from loopwright.connect.batch import Frame, by_thing, empty, samples_in, slices
from loopwright.connect.payload import Head
from loopwright.core.errors import UnknownName


class Numbered(NamedTuple):
    """One message: samples first .. stop - 1 of a thing. dropped: it shall get lost on the way."""

    thing: str
    first: int
    stop: int
    body: bytes
    dropped: bool = False


class Outbox:
    """Frames of some things, on their way out.

    epoch   name of the numbering, the same for all of its things
    rows    most samples in one message
    buffer  samples kept to send again
    """

    def __init__(self, things: Iterable[str], epoch: str, rows: int, buffer: int) -> None:
        self.epoch, self._rows, self._buffer = epoch, rows, buffer
        self.numbered: dict[str, int] = dict.fromkeys(things, 0)  # samples so far
        self._final = False
        self._kept = deque[Numbered]()
        self._kept_samples = 0
        self._waiting: dict[tuple[str, bool, bool], list[pa.Table]] = {}  # by thing, dropped or not, blocks or not
        self._waiting_samples = 0

    @property
    def waits(self) -> bool:
        """Whether anything waits."""
        return bool(self._waiting)

    @property
    def full(self) -> bool:
        """Whether a whole message waits."""
        return self._waiting_samples >= self._rows

    def put(self, frame: Frame) -> None:
        """Takes one frame; UnknownName for a thing that was not announced."""
        for thing, table in by_thing(frame.table):
            if thing not in self.numbered:
                raise UnknownName("thing to expose", thing, self.numbered)
            key = (thing, frame.deliver == "drop", "values" in table.column_names)
            self._waiting.setdefault(key, []).append(table)
            self._waiting_samples += samples_in(table)

    def messages(self) -> Iterator[Numbered]:
        """What waits, as messages of at most `rows`, numbered in the order they are taken."""
        waiting, self._waiting, self._waiting_samples = self._waiting, {}, 0
        for (thing, dropped, _), tables in waiting.items():
            whole = pa.concat_tables(tables)
            rows = max(1, self._rows * whole.num_rows // max(1, samples_in(whole)))  # a block holds many samples
            for table in slices(whole, rows):
                yield self._message(thing, table, dropped)

    def note(self, thing: str) -> Numbered:
        """An empty message: how far the thing has counted, and whether that was all."""
        return self._message(thing, empty(), False)

    def first(self) -> list[Numbered]:
        """A note a thing: it begins."""
        return [self.note(thing) for thing in self.numbered]

    def last(self) -> list[Numbered]:
        """A note a thing: nothing follows."""
        self._final = True
        return [self.note(thing) for thing in self.numbered]

    def again(self, thing: str, first: int, stop: int) -> list[Numbered]:
        """The kept messages that hold any of the samples first .. stop - 1."""
        return [m for m in self._kept if m.thing == thing and m.first < stop and m.stop > first]

    def _message(self, thing: str, table: pa.Table, dropped: bool) -> Numbered:
        first = self.numbered[thing]
        stop = first + samples_in(table)
        body = payload.encode(table, Head(thing, self.epoch, first, stop, self._final))
        message = Numbered(thing, first, stop, body, dropped)
        self.numbered[thing] = stop
        if stop > first:
            self._kept.append(message)
            self._kept_samples += stop - first
        while self._kept_samples > self._buffer:
            oldest = self._kept.popleft()
            self._kept_samples -= oldest.stop - oldest.first
        return message
