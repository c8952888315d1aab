"""Small folds over events that several views share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from loopwright.core.types import Event


def by_about(events: Iterable[Event]) -> dict[str, list[Event]]:
    """id -> its events, each list in the order they became known."""
    out: dict[str, list[Event]] = {}
    for event in sorted(events, key=lambda e: (e.known_ns, e.t_ns)):
        out.setdefault(event.about, []).append(event)
    return out


def last(events: Sequence[Event], kind: str) -> Event | None:
    """The last event of that kind, or None."""
    return next((event for event in reversed(events) if event.kind == kind), None)


def of(events: Iterable[Event], *kinds: str) -> list[Event]:
    """The events of those kinds, in time order."""
    return sorted((event for event in events if event.kind in kinds), key=lambda e: (e.t_ns, e.known_ns))


def rows(given: Any, key: str = "name") -> list[dict[str, Any]]:
    """A body's table as a list of dicts, whether it was written as a list or as {name: row} or {name: value}."""
    if isinstance(given, Mapping):
        return [
            {key: name, **(dict(row) if isinstance(row, Mapping) else {"value": row})} for name, row in given.items()
        ]
    return [dict(row) for row in given or ()]
