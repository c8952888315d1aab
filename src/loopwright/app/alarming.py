"""What people do with alarms: acknowledge, judge, shelve, let out again, take out of service, put back; and what they
ask: which there are, and how much they ask of people.

    act(plant, "mara", "shelve", "mill-1/silent", {"until": "2h", "why": "it is being moved"})

Where a process runs the plant the commands go over its API, in the name of whose token LOOPWRIGHT_TOKEN holds.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from loopwright.app import detecting, watching
from loopwright.app.correcting import ask_there, me
from loopwright.app.lasting import moment_or_length_ns
from loopwright.app.plant import Plant, open_plant
from loopwright.app.site import Site, site_of
from loopwright.app.views import alarms as views
from loopwright.core.clock import NS_PER_S, iso
from loopwright.core.errors import InputError, PlantBusy, UnknownName
from loopwright.core.types import Event
from loopwright.learn.detecting.budget import VERDICTS
from loopwright.serve.watch import SILENT, UNUSUAL, life
from loopwright.serve.watch import figures as counted
from loopwright.store import Store

MOST_SHELVED_S = 7 * 86_400  # whoever wants less of an alarm than that takes it out of service
DAY_NS = 86_400 * NS_PER_S
# what can be done -> (the right it takes, its event, whether it takes a reason)
WHATS = {
    "ack": ("alarm.acknowledge", "alarm.acknowledged", False),
    "judge": ("alarm.acknowledge", "alarm.judged", False),
    "shelve": ("alarm.shelve", "alarm.shelved", True),
    "unshelve": ("alarm.shelve", "alarm.unshelved", False),
    "suppress": ("alarm.suppress", "alarm.outofservice", True),
    "restore": ("alarm.suppress", "alarm.inservice", False),
}
_HIDES = {"shelve": "shelved", "unshelve": "shelved", "suppress": "out of service", "restore": "out of service"}


def act(plant: Plant, author: str, what: str, alarm: str, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Records what somebody does with an alarm, {says, alarm}.

    what   one of WHATS
    alarm  its id, or '<thing>/<condition>', or a thing: all of its alarms (not to be acknowledged at once)
    asked  shelve: `until`, a moment or a length of time; `why`, which shelving and taking out of service need;
           judge: `verdict`, one of VERDICTS, of an alarm that stands or is over
    Raises UnknownName for an alarm that there is not, InputError where it stands otherwise.
    """
    if what not in WHATS:
        raise UnknownName("what is done with an alarm", what, WHATS)
    now_ns = plant.clock.now_ns()
    let_out(plant, now_ns)
    if what == "ack":
        return _acknowledge(plant, author, alarm, now_ns)
    if what == "judge":
        return _judge(plant, author, alarm, now_ns, asked)
    condition, thing = _named(plant, alarm)
    why = str(asked.get("why") or "").strip()
    if WHATS[what][2] and not why:
        raise InputError(f"{what} {alarm}", "no reason is given", "a sentence that says why", "--why TEXT")
    name, hidden = _called(condition, thing), _hidden(plant, condition, thing)
    held = hidden.get(_HIDES[what])
    if what in ("unshelve", "restore") and held is None:
        where = ", ".join(f"{key.split('/', 1)[1]}/{key.split('/', 1)[0]}" for key, one in _quiet(plant).items()
                          if _HIDES[what] in one)
        raise InputError(f"{what} {alarm}", f"{name} is not {_HIDES[what]}", where or "none is")
    if what == "suppress" and held is not None:
        return {"says": f"{held.by} has taken {name} out of service already.", "alarm": alarm}
    body: dict[str, Any] = {"why": why or f"{author} wants to see it"}
    says = {"unshelve": f"Shown again: {name}.", "suppress": f"Out of service: {name}.",
            "restore": f"Back in service: {name}."}
    if what == "shelve":
        body |= {"until_ns": _until(str(asked.get("until") or ""), now_ns)}
        says["shelve"] = f"Shelved until {iso(body['until_ns'])}: {name}."
    plant.store.record([life.quiet_event(WHATS[what][1], condition, thing, now_ns, author, **body)])
    return {"says": says[what], "alarm": f"{thing}/{condition}"}


def let_out(plant: Plant, now_ns: int) -> None:
    """Ends shelving whose time is over, should nobody be watching."""
    plant.store.record(list(life.due(life.Book(_state(plant)), now_ns, life.Escalation())))


def _acknowledge(plant: Plant, author: str, alarm: str, now_ns: int) -> dict[str, Any]:
    row = _row(plant, alarm)
    if row["acknowledged_by"]:
        return {"says": f"{row['acknowledged_by']} has acknowledged it already.", "alarm": row["id"]}
    if row["hidden"]:
        raise InputError(f"alarm {alarm}", f"it is {row['state']} ({row['hidden']['why']})", "an alarm that is shown",
                         "let it out first: unshelve or restore")
    plant.store.record([Event("alarm.acknowledged", row["id"], now_ns, author, because=(row["event"],))])
    return {"says": f"Acknowledged: {row['condition']} on {row['thing']}.", "alarm": row["id"]}


def _judge(plant: Plant, author: str, alarm: str, now_ns: int, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Records what somebody says that an alarm was; the last word counts."""
    verdict, why = str(asked.get("verdict") or ""), str(asked.get("why") or "").strip()
    if verdict not in VERDICTS:
        raise UnknownName("verdict on an alarm", verdict, VERDICTS)
    row = _row(plant, alarm)
    name = f"{row['condition']} on {row['thing']}"
    if row["verdict"] == verdict:
        return {"says": f"{row['judged_by']} has said already that {name} was {verdict}.", "alarm": row["id"]}
    body = {"condition": row["condition"], "thing": row["thing"], "verdict": verdict, "why": why}
    plant.store.record([Event("alarm.judged", row["id"], now_ns, author, body, because=(row["event"],))])
    return {"says": f"Noted: {name} was {verdict}.", "alarm": row["id"]}


def _row(plant: Plant, alarm: str) -> dict[str, Any]:
    """The alarm of an id, of '<thing>/<condition>' that stands, or of its event."""
    rows = {row["id"]: row for row in standing(plant.store)}
    if alarm in rows:
        return rows[alarm]
    named = [row for row in rows.values() if alarm in (f"{row['thing']}/{row['condition']}", row["event"])]
    named = named or [row for row in views.alarms(plant.store.recall(about=alarm, kind="alarm.")) if row["id"] == alarm]
    if not named:
        raise UnknownName("alarm", alarm, rows)
    return named[0]


def _named(plant: Plant, alarm: str) -> tuple[str, str]:
    """(condition, thing) of an id, of '<thing>/<condition>', or ('*', thing)."""
    raised = plant.store.recall(about=alarm, kind=("alarm.raised", "alarm.revised"), limit=1)
    if raised:
        return str(raised[0].body["condition"]), str(raised[0].body["thing"])
    thing, _, condition = alarm.rpartition("/")
    if alarm in (known_keys := key_words(plant)):
        return condition, thing
    things = {*plant.store.things(), *(m.id for m in plant.site.machines), *(k.rpartition("/")[0] for k in known_keys)}
    if alarm in things:
        return life.ALL, alarm
    if thing not in things:
        raise UnknownName("alarm or thing", alarm, [*known_keys, *sorted(things)])
    known = {life.ALL, SILENT, UNUSUAL, *(row.partition("/")[0] for row in _conditions(plant, thing))}
    if condition not in known:
        raise UnknownName(f"alarm of {thing!r}", condition, sorted(known))
    return condition, thing


def key_words(plant: Plant) -> list[str]:
    """'<thing>/<condition>' of every alarm that stands or is hidden."""
    state = _state(plant)
    return ["/".join(reversed(key.split("/", 1))) for key in dict.fromkeys([*state["alarms"], *state["quiet"]])]


def _conditions(plant: Plant, thing: str) -> set[str]:
    """Conditions that may be raised of a thing, or were."""
    limits = {str(row["name"]) for m in plant.site.machines if m.id == thing for row in m.limits}
    was = {str(e.body["condition"]) for e in plant.store.recall(kind="alarm.raised") if e.body["thing"] == thing}
    return limits | was


def _called(condition: str, thing: str) -> str:
    return f"all alarms of {thing}" if condition == life.ALL else f"{condition} on {thing}"


def _until(text: str, now_ns: int) -> int:
    until_ns = moment_or_length_ns(text, now_ns, "--until")
    if not now_ns < until_ns <= now_ns + MOST_SHELVED_S * NS_PER_S:
        raise InputError("--until", text, "a moment of the next 7 days, or a length of time: 2h, 1d",
                         "for longer, take it out of service: suppress")
    return until_ns


def _state(plant: Plant) -> life.State:
    return life.fold(plant.store.recall(kind=life.KINDS))


def _quiet(plant: Plant) -> Mapping[str, Mapping[str, life.Quiet]]:
    found: Mapping[str, Mapping[str, life.Quiet]] = _state(plant)["quiet"]
    return found


def _hidden(plant: Plant, condition: str, thing: str) -> Mapping[str, life.Quiet]:
    return _quiet(plant).get(life.key_of(condition, thing), {})


# what is asked

def standing(store: Store) -> list[dict[str, Any]]:
    """Rows of every alarm that is not over, those that need a person first."""
    return [row for row in views.alarms(store.recall(kind=views.KINDS)) if row["state"] != "normal"]


def listed(store: Store, *, every: bool = False, state: str = "", role: str = "") -> dict[str, Any]:
    """{alarms, hidden}: alarms as they stand, with `every` those that are over too, and what is shelved, suppressed and
    out of service."""
    if state and state not in life.STATES:
        raise UnknownName("state of an alarm", state, life.STATES)
    events = store.recall(kind=views.KINDS)
    rows = [row for row in views.alarms(events) if every or state == "normal" or row["state"] != "normal"]
    rows = [row for row in rows if state in ("", row["state"]) and role in ("", row["role"])]
    return {"alarms": rows, "hidden": views.hidden(life.fold(events))}


def figures_of(store: Store, site: Site, now_ns: int, days: float) -> dict[str, Any]:
    """What the alarms of the last days asked of the site's operators: `serve.watch.figures`."""
    if not 0 < days <= 3660:
        raise InputError("--days", f"{days:g}", "more than 0, at most 3660")
    shown = counted.occurrences(store.recall(kind=life.KINDS))
    rules = watching.rules_of(site)
    found = counted.figures(shown, now_ns - round(days * DAY_NS), now_ns, rules.operators, rules.stale_s)
    unusual = [one for one in shown if one.key.startswith(f"{UNUSUAL}/") and one.shown_ns >= found["start_ns"]]
    found["unusual_per_day"] = len(unusual) / days
    found["detectors"] = detecting.summaries(site.folder)
    return found


# the commands

def run_act(path: Path, author: str, what: str, alarm: str, asked: dict[str, Any]) -> dict[str, Any]:
    """The command: on the plant of a site, or over the API of the process that runs it."""
    from loopwright.app.opening import there

    site = site_of(path)
    there(site)
    try:
        with open_plant(site, actor="alarms") as plant:
            return act(plant, author or me(), what, alarm, asked)
    except PlantBusy as busy:
        return ask_there(site, busy, f"/alarms/{quote(alarm)}/{what}", asked)


def run_list(path: Path, every: bool, state: str, role: str) -> dict[str, Any]:
    """Alarms of the plant of a site, beside whatever process writes it."""
    from loopwright.app.opening import open_site

    with open_site(path, read_only=True) as store:
        return listed(store, every=every, state=state, role=role)


def run_judged(path: Path, thing: str) -> dict[str, Any]:
    """{kinds}: what the detectors know of each kind, as it was last kept, and which signals wait, of one machine where
    `thing` is given."""
    site = site_of(path)
    if thing and thing not in (known := [m.id for m in site.machines]):
        raise UnknownName("machine", thing, known)
    kinds = detecting.summaries(site.folder)
    for one in kinds:
        one["waiting"] = [row for row in one.get("waiting", []) if thing in ("", row["thing"])]
    return {"kinds": kinds}


def run_figures(path: Path, days: float, now_ns: int) -> dict[str, Any]:
    """Figures of the plant of a site, beside whatever process writes it."""
    from loopwright.app.opening import open_site

    with open_site(path, read_only=True) as store:
        return figures_of(store, site_of(path), now_ns, days)
