"""What a centre keeps of its edges: their books as they last told them, and the head of each one's chain of events."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from loopwright.core.errors import InputError
from loopwright.core.types import Event
from loopwright.store.journal import Work

if TYPE_CHECKING:
    from loopwright.store.cellar import Store

_PREFIX = "edge/"
_LONGEST = 1_000_000  # characters of one report


def note(store: Store, report: Mapping[str, Any]) -> None:
    """Keeps what an edge tells of itself; a head of its chain that is new is recorded as an event.

    report  edge (its name), epoch (of its numbering), t_ns, hops, state, events {count, head}
    Raises InputError for a report without these, or one that no edge would send.
    """
    name, chain = report.get("edge"), report.get("events")
    if not isinstance(name, str) or not 0 < len(name) <= 64 or not isinstance(report.get("hops"), dict):
        raise InputError("report of an edge", "it has no edge (a name) or no hops", "{edge, epoch, hops, events}")
    if not isinstance(chain, dict) or not isinstance(chain.get("count"), int) or not isinstance(chain.get("head"), str):
        raise InputError(f"report of edge {name!r}", "it has no events with count and head", "{count, head}")
    text = json.dumps(dict(report))
    if len(text) > _LONGEST or len(chain["head"]) > 200:
        raise InputError(f"report of edge {name!r}", f"{len(text):,} characters", f"at most {_LONGEST:,}")
    body = {"count": chain["count"], "head": chain["head"], "epoch": str(report.get("epoch", ""))[:64]}
    now_ns = store._clock.now_ns()
    if chain["count"]:
        key = f"{name}/{body['epoch']}/{body['count']}/{body['head']}"
        store.record([Event("edge.head", name, now_ns, f"edge {name}", body, key=key)])
    kept = json.dumps({**json.loads(text), "heard_ns": now_ns})
    with store._lock:
        store._journal.commit(Work(meta={_PREFIX + name: kept}))


def edges(store: Store) -> list[dict[str, Any]]:
    """The last report of every edge by name, with heard_ns (when it came); hops as `Hop.as_dict` gives them."""
    with store._lock:
        rows = store._journal.rows("SELECT value FROM meta WHERE substr(name, 1, ?) = ? ORDER BY name",
                                   (len(_PREFIX), _PREFIX))
    return [json.loads(row[0]) for row in rows]
