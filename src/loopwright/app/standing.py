"""Lists read through where things stand, so that a page costs what it shows and not what the plant has ever done."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from loopwright.app.front import Front
from loopwright.app.views import orders
from loopwright.app.views import trace as trace_views
from loopwright.core.types import Event
from loopwright.serve.watch import life
from loopwright.store import Store
from loopwright.store.state import state, tally
from loopwright.store.trace import trace

SHOWN = 400  # orders on a page
ALARMS = 500  # alarms that are over
SIBLINGS = 12  # units that share one thing with a unit
_STANDS = {
    "ordered": ("order.placed",), "refused": ("order.refused",), "fitted": ("order.fitted",),
    "making": ("step.started", "step.finished", "unit.measured"), "rework": ("unit.reworked",),
    "finished": ("unit.finished",), "shipped": ("unit.shipped",), "claimed": ("unit.claimed",),
    "scrapped": ("unit.scrapped",),
}  # state of an order in the list -> its last event


def order_page(front: Front, wanted: str = "", text: str = "", limit: int = SHOWN) -> dict[str, Any]:
    """{rows, states, count}: the orders in a state ('' = all) that moved last, and how many there are in each state.

    text  only rows that hold it, of the `limit` that moved last; an order, serial, person or revision that is given in
          full is found however old it is
    """
    store, last = front.store, front.store.events.last_known_ns()
    page = front.once(("orders", wanted, text.strip(), limit), last, lambda: read_page(store, wanted, text, limit))
    return {**front.once("order states", last, lambda: order_states(store)), "rows": page}


def order_states(store: Store) -> dict[str, Any]:
    """{states, count}: how many orders there are in each state, in the order in which one passes them, and in all."""
    found = tally(store, "order")
    states = {name: sum(found.get(kind, 0) for kind in kinds) for name, kinds in _STANDS.items()}
    planned = len(state(store, "order", about=_planned(store), status="fitted", limit=None))
    states |= {"fitted": states["fitted"] - planned, "planned": planned}
    return {"states": {n: states[n] for n in orders.STATES if states.get(n)}, "count": sum(found.values())}


def read_page(store: Store, wanted: str = "", text: str = "", limit: int = SHOWN) -> list[dict[str, Any]]:
    """The rows of such a page."""
    planned = _planned(store)
    about = list(planned) if wanted == "planned" else None
    status = _STANDS["fitted" if wanted == "planned" else wanted] if wanted else None
    most = limit + (len(planned) if wanted == "fitted" else 0)
    page = [one.about for one in state(store, "order", about=about, status=status, limit=most)]
    if text.strip():
        page += _named(store, text.strip(), limit)
    rows = orders.order_rows(_events(store, dict.fromkeys(page)))
    return orders.filtered(rows, wanted, text)[:limit]


def _named(store: Store, text: str, limit: int) -> list[str]:
    """Orders by their id, the serial of a unit, or an id that they name: a person, a revision."""
    found = [one.about for one in state(store, "order", about=text)]
    found += [one.parent for one in state(store, "unit", about=text) if one.parent]
    return found + [e.about for e in store.recall(mentions=text, kind="order.", limit=limit, newest_first=True)]


def _events(store: Store, ids: Iterable[str]) -> list[Event]:
    """All that the list says of these orders: their events, those of their units, the plan in force."""
    about = list(ids)
    units = [one.about for one in state(store, "unit", parent=about, limit=None)] if about else []
    kinds = [kind for kind in orders.KINDS if kind.startswith("order.")]
    found = store.recall(about=about, kind=kinds) + store.recall(about=units, kind=("step.", "unit."))
    return found + store.recall(kind="plan.released", limit=1, newest_first=True)


def _planned(store: Store) -> Collection[str]:
    """Orders of the plan in force."""
    last = store.recall(kind="plan.released", limit=1, newest_first=True)
    return {str(slot["order"]) for event in last for slot in event.body["slots"]}


def alarm_events(front: Front) -> list[Event]:
    """Events of every alarm that is not over, and of the others that moved last."""
    store = front.store

    def read() -> list[Event]:
        ids = [alarm.id for alarm in alarm_state(front)["alarms"].values()]
        ids += [one.about for one in state(store, "alarm", limit=ALARMS)]
        return store.recall(about=list(dict.fromkeys(ids)), kind="alarm.")

    return front.once("alarm events", store.events.last_known_ns(), read)


def alarm_state(front: Front) -> life.State:
    """Where every alarm stands that is not over, and what is hidden; each event is read once."""
    return front.rolled("alarm life", ("alarm.",), lambda: life.Book({}), life.Book.apply).state()


def links(store: Store) -> list[Event]:
    """The last state of every link, as an event."""
    found = state(store, "link", limit=None, bodies=True)
    return [Event(one.kind, one.about, one.since_ns, "link", one.body, known_ns=one.known_ns) for one in found]


def siblings(front: Front, serial: str) -> list[dict[str, Any]]:
    """What a unit shares with others, and with which: `views.trace.siblings`."""
    last = front.store.events.last_known_ns()

    def read() -> list[dict[str, Any]]:
        graph = trace(front.store, serial, "forward", each=SIBLINGS, depth=1)
        return trace_views.siblings(trace_views.as_data(graph))

    return front.once(("siblings", serial), last, read)
