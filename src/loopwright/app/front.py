"""What the console and the API stand on: one open plant, its live state, who may do what, and reads that many pages
share.

A read is done once for all pages that ask within the same moment: events are read again only when a new one was
recorded.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from loopwright.core import plug
from loopwright.core.clock import Clock, RealClock, monotonic_s
from loopwright.core.pack import Pack
from loopwright.core.types import Event, Kind

if TYPE_CHECKING:
    from loopwright.app.auth import Auth
    from loopwright.app.flow import Flow
    from loopwright.app.site import Site
    from loopwright.engine.local import Workers
    from loopwright.store import Store

T = TypeVar("T")


@dataclass
class Front:
    """store, site, flow, auth, clock of one plant that is served. Any thread may use it.

    workers  warm worker processes, once somebody asks for them: what every `Plant` made from it shares
    """

    store: Store
    site: Site
    flow: Flow
    auth: Auth
    clock: Clock = field(default_factory=RealClock)
    workers: list[Workers] = field(default_factory=list)
    _kept: dict[Any, tuple[Any, Any]] = field(default_factory=dict)
    _rolled: dict[Any, tuple[Any, Any]] = field(default_factory=dict)
    _rolling: threading.Lock = field(default_factory=threading.Lock)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def now_ns(self) -> int:
        """The plant's now."""
        return self.clock.now_ns()

    @property
    def zone(self) -> str:
        """The plant's time zone, an IANA name."""
        return self.site.time_zone

    @property
    def packs(self) -> Mapping[str, Pack]:
        """The site's packs by name."""
        return {name: plug.load("packs", name).PACK for name in self.site["site"]["packs"]}

    def kinds(self) -> dict[str, Kind]:
        """Kinds of things by name: declared in the store, else of the site."""
        return self.store.kinds()

    def events(self, *kinds: str) -> list[Event]:
        """All events of these kinds (or of a prefix that ends with '.'), in the order they were recorded."""
        last = self.store.events.last_known_ns()
        return self.once(("events", kinds), last, lambda: self.rolled("events", kinds, _none, _append)[:])

    def rolled(self, name: str, kinds: tuple[str, ...], fresh: Callable[[], T], step: Callable[[T, Event], None]) -> T:
        """A value that every event of these kinds moves a step, in the order of recording; each event is read once.

        It is the value itself that every caller gets: it is not to be changed, and it moves on.
        """
        with self._rolling:
            after, value = self._rolled.get((name, kinds), ("", None))
            value = fresh() if value is None else value
            for event in self.store.recall(kind=list(kinds), after=after):
                step(value, event)
                after = event.id
            self._rolled[name, kinds] = after, value
        return value

    def folded(self, fold: Callable[[list[Event]], T], *kinds: str) -> T:
        """What `fold` makes of all events of these kinds; folded again only when one was recorded.

        Everybody gets the same value: it is not to be changed.
        """
        last = self.store.events.last_known_ns()
        return self.once(("folded", fold, kinds), last, lambda: fold(self.events(*kinds)))

    def often(self, key: Any, every_s: float, read: Callable[[], T]) -> T:
        """What `read` gives, read again at most once in every_s seconds whoever asks."""
        return self.once(("often", key), int(monotonic_s() / every_s), read)

    def counted(self, *kinds: str) -> dict[str, int]:
        """kind -> how many events of it there are; only new ones are counted again."""
        with self._rolling:
            number, counts = self._rolled.get(("counted", kinds), (0, {}))
            length = self.store.events.length()
            if length > number:
                for kind, count in self.store.events.count(kinds, number, length).items():
                    counts[kind] = counts.get(kind, 0) + count
                self._rolled["counted", kinds] = length, counts
            return dict(counts)

    def once(self, key: Any, version: Any, read: Callable[[], T]) -> T:
        """What `read` gave for this key at this version; read again when the version is another."""
        with self._lock:
            known = self._kept.get(key)
            if known is not None and known[0] == version:
                return known[1]
        value = read()
        with self._lock:
            if len(self._kept) > 500:
                self._kept.clear()
            self._kept[key] = (version, value)
        return value


def _none() -> list[Event]:
    return []


def _append(events: list[Event], event: Event) -> None:
    events.append(event)
