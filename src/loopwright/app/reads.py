"""What pages and the API show, read from the store and handed to the views. Nothing here writes, nothing here draws."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from loopwright.app import plan_reads, standing
from loopwright.app.front import Front
from loopwright.app.views import alarms as alarm_views
from loopwright.app.views import circle, landing, loss, machines, plan, series, unit
from loopwright.app.views import decisions as decision_views
from loopwright.app.views import owner as owner_views
from loopwright.core.clock import NS_PER_S
from loopwright.core.errors import LoopwrightError, UnknownName
from loopwright.core.types import Event
from loopwright.govern import consent
from loopwright.store import audit
from loopwright.store.state import state

_COUNTED = (
    "order.placed",
    "order.fitted",
    "solid.made",
    "plan.released",
    "unit.finished",
    "unit.measured",
    "decision.made",
    "change.proposed",
    "change.notproposed",
    "change.released",
)
LIVE_S = 600  # what a live chart shows
STATE_BACK = 4  # a state is told when it changes: so many spans further back the one that stands now is looked for
SHOT = ("carry", "carry.deviation")  # how far along the line, how far beside it: in the table of a thing that is played


def picture(front: Front) -> dict[str, Any]:
    """The loop with live counts: `views.circle.picture`."""
    kinds = front.counted(*_COUNTED)
    last_plan = front.store.recall(kind="plan.released", limit=1, newest_first=True)
    slots = len(last_plan[0].body["slots"]) if last_plan else 0
    return circle.picture(front.flow.snapshot(), circle.counts(kinds, hops(front), slots, shot_count(front)))


def hops(
    front: Front, start_ns: int | None = None, end_ns: int | None = None, source: str | None = None
) -> dict[str, Any]:
    """Loss accounting by hop, read at most once a second."""
    return front.often(("hops", start_ns, end_ns, source), 1.0, lambda: front.store.hops(start_ns, end_ns, source))


def loss_table(
    front: Front, start_ns: int | None = None, end_ns: int | None = None, source: str | None = None
) -> dict[str, Any]:
    """{rows, total}: `views.loss` over a time and a source."""
    rows = loss.loss_rows(hops(front, start_ns, end_ns, source))
    return {"rows": rows, "total": loss.total(rows)}


def source_rows(
    front: Front, start_ns: int | None, end_ns: int | None, source: str | None, most: int
) -> dict[str, Any]:
    """{rows, count}: the equation of each source (`store.by_source`), those that lost most first, at most so many."""

    def read() -> dict[str, Any]:
        table = audit.by_source(front.store, start_ns, end_ns, source)
        worst = [("lost", "descending"), ("refused", "descending"), ("waiting", "descending"), ("source", "ascending")]
        return {"rows": table.sort_by(worst).slice(0, most).to_pylist(), "count": table.num_rows}

    return front.often(("sources", start_ns, end_ns, source), 5.0, read)


def shot_count(front: Front) -> int:
    """How many shots the plant knows, counted at most every five seconds."""
    things = [t.id for t in front.store.things().values() if SHOT[0] in _signals(front, t.kind)]
    if not things:
        return 0
    return int(front.often("shots", 5.0, lambda: front.store.get(things=things, signals=[SHOT[0]]).num_rows))


def _signals(front: Front, kind: str) -> set[str]:
    known = front.kinds().get(kind)
    return {signal.name for signal in known.signals} if known else set()


def order_rows(front: Front, state: str = "", text: str = "", limit: int = standing.SHOWN) -> dict[str, Any]:
    """{rows, states, count}: the orders that were asked for, and how many there are in each state."""
    return standing.order_page(front, state, text, limit)


def unit_thread(front: Front, serial: str) -> dict[str, Any]:
    """The whole thread of a unit; UnknownName when nothing is known of that serial."""
    store = front.store
    mine = store.recall(about=serial)
    order = next((str(e.body["order"]) for e in mine if "order" in e.body), "")
    if not order:
        raise UnknownName("unit", serial, _serials(front))
    of_order = store.recall(about=order)
    things = [t.id for t in store.things().values() if t.unit == serial]
    thread = unit.thread(serial, [*mine, *of_order, *store.recall(mentions=order, kind="plan.released")])
    thread["decisions"] = decisions(front, [serial, order, *things])
    thread["things"] = things
    card = pack_view(front, "spec_card", thread["design"]["parameters"])
    thread["in_words"] = {row[0]: row[3] for row in card.get("rows", ())}
    return thread


def _serials(front: Front) -> list[str]:
    return sorted(one.about for one in state(front.store, "unit"))


def step_series(front: Front, step: Mapping[str, Any], system: str, n: int, most: int = 4) -> list[dict[str, Any]]:
    """The signals that a step's machine spoke while it ran, at most `most` of them, as lines of at most n points."""
    thing = front.store.things().get(step["machine"])
    kind = front.kinds().get(thing.kind) if thing else None
    if thing is None or kind is None or not step["signals"] or not step["heard_end_ns"]:
        return []
    wanted = [s.name for s in machines.chart_signals(kind, step["signals"]) if s.name in set(step["signals"])][:most]
    table = front.store.get(
        things=[thing.id], signals=wanted, start_ns=step["heard_start_ns"], end_ns=step["heard_end_ns"]
    )
    return [series.series(table, thing.id, kind, name, system=system, n=n) for name in wanted]


def pack_view(front: Front, name: str, *given: Any) -> dict[str, Any]:
    """What a pack shows under that name, as plain data; {} where none of the site's packs has such a view."""
    for pack in front.packs.values():
        if name in pack.views:
            shown: dict[str, Any] = pack.views[name](*given)
            return shown
    return {}


def solid_file(front: Front, serial: str, kind: str) -> Path:
    """The file of a unit's solid model; UnknownName where there is none, or where it would lie outside the plant."""
    solid = unit_thread(front, serial)["solid"]
    if kind not in solid["files"]:
        raise UnknownName(f"solid of {serial}", kind, solid["files"])
    root, given = front.store.path.resolve(), Path(solid["files"][kind]["path"])
    folder = root / "solids" / str(solid["design"]).replace("/", "_").replace("@", "_")
    for path in (given if given.is_absolute() else root / given, folder / given):
        if path.is_file() and path.resolve().is_relative_to(root):
            return path.resolve()
    raise UnknownName(f"solid of {serial}", kind)


def public_unit(front: Front, serial: str) -> dict[str, Any]:
    """What anybody may see of a unit; UnknownName (without naming other serials) when there is none or it is not
    made yet."""
    try:
        whole = unit_thread(front, serial)
    except UnknownName:
        raise UnknownName("unit", serial) from None
    if whole["state"] in ("making", "unknown"):
        raise UnknownName("unit", serial)
    return unit.public(
        whole, whole["owner"] in consent.who(front.events(*consent.KINDS), "public page", front.now_ns())
    )


def gantt(front: Front) -> dict[str, Any]:
    """The plan in force: `views.plan.gantt`, {} when there is none."""
    return plan.gantt(plan_reads.chart(front))


def alarms(front: Front) -> list[dict[str, Any]]:
    """All alarms as they stand, those that need a person first."""
    last = front.store.events.last_known_ns()

    def read() -> list[dict[str, Any]]:
        return alarm_views.alarms(standing.alarm_events(front), standing.alarm_state(front))

    return front.once("alarms", last, read)


def machine_cards(front: Front) -> list[dict[str, Any]]:
    """Every machine of the site as it stands."""
    rows = machine_rows(front)
    table = front.often("newest", 0.9, lambda: front.store.newest([row["id"] for row in rows]))
    newest = series.newest(table, {row["id"]: row for row in rows})
    links = standing.links(front.store)
    return machines.cards(rows, front.kinds(), newest, alarms(front), links, front.now_ns())


def effectiveness(front: Front, machine: str) -> list[dict[str, Any]]:
    """Overall equipment effectiveness of a machine, shift by shift, newest first (a pack's view, {} without one)."""
    rows = pack_view(front, "effectiveness", decisions(front)).get("rows", ())
    return sorted((row for row in rows if row["machine"] == machine), key=lambda row: -row["start_ns"])


def wear(front: Front, machine: str) -> list[dict[str, Any]]:
    """How likely the tool was worn in each run of a machine, in order (a pack's view, [] without one)."""
    found = {e.about: str(e.body["label"]) for e in front.events("run.labelled")}
    judged = [row for row in decisions(front) if "judged" in row.get("body", {})]
    judged.sort(key=lambda row: (row["made_ns"], max((e.get("end_ns", 0) for e in row["because"]), default=0)))
    rows = pack_view(front, "wear_by_run", judged, found).get("rows", ())
    return [row for row in rows if str(row["run"]).partition("/")[0] == machine]


def machine_rows(front: Front) -> list[dict[str, Any]]:
    """The site's machines as plain rows: id, kind, role, protocol, stale_after_s, twin."""
    return [
        {
            "id": m.id,
            "kind": m.kind,
            "role": m.role,
            "protocol": m.protocol,
            "stale_after_s": m.stale_after_s,
            "twin": str(m.plays.get("source", "")),
        }
        for m in front.site.machines
    ]


def machine_card(front: Front, machine: str) -> dict[str, Any]:
    """One machine; UnknownName lists the machines there are."""
    for card in machine_cards(front):
        if card["id"] == machine:
            return card
    raise UnknownName("machine", machine, [m.id for m in front.site.machines])


def machine_lines(
    front: Front,
    card: Mapping[str, Any],
    system: str,
    *,
    span_s: int = LIVE_S,
    most: int = machines.CHARTS,
    n: int = 400,
) -> dict[str, Any]:
    """{start_ns, end_ns, lines, states}: the machine's last `span_s` seconds, ending with the last thing it said.

    It begins with the first thing it said in that time, so that a short stretch fills the picture.
    """
    kind, end_ns = front.kinds().get(card["kind"]), card["last_ns"]
    if kind is None or end_ns is None:
        return {"start_ns": 0, "end_ns": 0, "lines": [], "states": []}
    signals = machines.chart_signals(kind, card["values"])[:most]
    names = [s.name for s in signals]
    start_ns = end_ns - span_s * NS_PER_S

    def heard(of: list[str], since_ns: int) -> pa.Table:
        key = ("lines", card["id"], tuple(of), span_s)
        return front.once(
            key, end_ns, lambda: front.store.get(things=[card["id"]], signals=of, start_ns=since_ns, end_ns=end_ns + 1)
        )

    table = heard(names, start_ns)
    lines = [series.series(table, card["id"], kind, name, system=system, n=n) for name in names]
    start_ns = max(start_ns, min((line["t_ns"][0] for line in lines if line["t_ns"]), default=start_ns))
    state = machines.state_signal(kind)
    states = (
        series.strip(heard([state.name], start_ns - STATE_BACK * span_s * NS_PER_S), state, end_ns) if state else []
    )
    return {"start_ns": start_ns, "end_ns": end_ns, "lines": lines, "states": states}


def decisions(front: Front, about: Sequence[str] | None = None) -> list[dict[str, Any]]:
    """All decisions, or those about some ids."""
    rows = front.folded(decision_views.decisions, *decision_views.KINDS)
    return rows if about is None else [row for row in rows if row["about"] in set(about)]


def changes(front: Front) -> list[dict[str, Any]]:
    """All changes, newest first."""
    return front.folded(decision_views.changes, *decision_views.CHANGE_KINDS)


def waiting(front: Front) -> dict[str, int]:
    """How many things wait for a person, by page: the number beside a page's name."""
    open_decisions = sum(row["state"] == "open" for row in decisions(front))
    open_changes = sum(row["state"] in ("proposed", "gated") and row["passed"] is not False for row in changes(front))
    return {
        "/machines": len(alarm_views.waiting(alarms(front))),
        "/decisions": open_decisions + open_changes,
    }


# an owner's own


def owner_things(front: Front, person: str) -> list[str]:
    """Ids of the things that speak for a person: those they own, and those of the units they hold."""
    serials = {row["serial"] for row in owned(front, person)}
    return [
        t.id
        for t in front.store.things().values()
        if t.owner == person or (t.unit and t.unit in serials) or t.id == person
    ]


def owned(front: Front, person: str) -> list[dict[str, Any]]:
    """The units that a person holds."""
    return owner_views.owned(front.events("unit.claimed"), person)


def owner_shots(front: Front, things: Sequence[str], system: str) -> dict[str, Any]:
    """{range, trend, count, assumed}: where the shots of these things landed, and session by session.

    assumed  ids of things whose shots were joined to their owner by assumption
    """
    if not things:
        return {"range": {}, "trend": {"unit": "", "sessions": []}, "count": 0, "assumed": []}
    table = front.store.get(things=list(things), signals=list(SHOT))
    shots = landing.landed(landing.pivot(table), *SHOT)
    known, heard = front.store.things(), {shot["thing"] for shot in shots}
    return {
        "range": landing.on_range(shots, system), "trend": landing.trend(shots, system), "count": len(shots),
        "assumed": [name for name in things if name in heard and known[name].labels.get("assumed")],
    }


def consents(front: Front, person: str) -> list[dict[str, Any]]:
    """What the person agreed to, purpose by purpose."""
    events = front.events(*consent.KINDS)
    return owner_views.consents(events, person, consent.PURPOSES, consent.valid(events, person, front.now_ns()))


def owner_of(front: Front) -> Callable[[str], str]:
    """id of a unit, thing or order -> the person it belongs to, '' for nobody's: what govern.access asks."""
    things = front.store.things()
    ordered = front.rolled("persons", ("order.placed",), _no_one, _asked)
    claimed = front.rolled("owners", ("unit.claimed",), _no_one, _claimed)

    def owner(id_: str) -> str:
        thing = things.get(id_)
        if thing is not None and thing.owner:
            return thing.owner
        return claimed.get(thing.unit if thing is not None and thing.unit else id_, "") or ordered.get(id_, "")

    return owner


def _no_one() -> dict[str, str]:
    return {}


def _asked(persons: dict[str, str], event: Event) -> None:
    persons[event.about] = str(event.body["person"])


def _claimed(owners: dict[str, str], event: Event) -> None:
    owners[event.about] = str(event.body["owner"])


def sources(front: Front) -> list[str]:
    """Names of all sources that were ever heard, sorted."""
    return front.often("sources", 2.0, lambda: sorted({source for _, source in front.store.sources()}))


def stands(front: Front, person: str) -> list[dict[str, Any]]:
    """Where a person stands on the fitting charts: {name, value, standard, low, high, unit, words} (a pack's view)."""
    try:
        rows = pack_view(front, "chart_position", front.store.people.person(person).measures).get("charts", ())
    except LoopwrightError:  # the person is gone, or a measure that the charts need is not known
        return []
    return list(rows)


def owners(front: Front) -> list[str]:
    """Persons who hold a unit, for a plant without users, where one person plays all; those with advice first."""
    advised = {row["about"] for row in decisions(front) if row["service"] == "coach" and row["says"]}
    known = {str(e.body["owner"]) for e in front.events("unit.claimed")}
    return sorted(known, key=lambda person: (person not in advised, person))


def event_row(event: Event) -> dict[str, Any]:
    """An event as the API gives it."""
    return {
        "id": event.id,
        "kind": event.kind,
        "about": event.about,
        "t_ns": event.t_ns,
        "known_ns": event.known_ns,
        "actor": event.actor,
        "body": dict(event.body),
        "because": list(event.because),
        "hash": event.hash,
    }
