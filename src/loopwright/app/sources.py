"""From what machines say to what the planner knows: a machine is down while its state says so, or an alarm stands.

Which states and alarms mean that, the site says: [plan] down_states and down_alarms.
"""

from __future__ import annotations

from collections.abc import Sequence

from loopwright.app.plant import Plant
from loopwright.app.upsets import upsets
from loopwright.core.types import Event

KINDS = ("alarm.raised", "alarm.cleared")
STATE = "machine.state"


def translated(plant: Plant, events: Sequence[Event]) -> list[Event]:
    """Events without the alarms among them; those that mean that a machine is down, or works again, are recorded as
    that, once, and are read at the next look."""
    conditions = set(plant.site["plan"]["down_alarms"])
    machines = {machine.id for machine in plant.site.machines}
    made = []
    for event in events if conditions else ():
        if event.kind == "alarm.raised" and event.body["condition"] in conditions and event.body["thing"] in machines:
            body = {"until_ns": 0, "why": str(event.body["condition"]), "source": event.about}
            made.append(Event("machine.down", str(event.body["thing"]), event.t_ns, "plan", body, (event.id,),
                              f"down/{event.about}"))
        elif event.kind == "alarm.cleared":
            made += _cleared(plant, event)
    plant.store.record(made)
    return [event for event in events if event.kind not in KINDS]


def _cleared(plant: Plant, event: Event) -> list[Event]:
    """The end of what an alarm began."""
    downs = plant.store.recall(kind="machine.down", because=_raised(plant, event))
    return [Event("machine.up", down.about, event.t_ns, "plan", {"why": f"{down.body['why']} is over"}, (event.id,),
                  f"up/{event.about}") for down in downs[:1]]


def _raised(plant: Plant, cleared: Event) -> str:
    raised = plant.store.recall(kind="alarm.raised", about=cleared.about, limit=1)
    return raised[0].id if raised else cleared.id


def heard(plant: Plant) -> None:
    """Looks at the newest state of every machine, where states are named that mean that it is down."""
    words = set(plant.site["plan"]["down_states"])
    if not words:
        return
    kinds = {kind.name: kind for kind in plant.site.all_kinds}
    codes = {m.id: signal.codes for m in plant.site.machines for signal in kinds[m.kind].signals
             if signal.name == STATE}
    if not codes:
        return
    now_ns = plant.clock.now_ns()
    down = upsets(plant, now_ns).down()
    for row in plant.store.newest(list(codes), [STATE]).to_pylist():
        machine, t_ns = row["thing"], min(int(row["t_ns"]), now_ns)
        word = codes[machine].get(int(row["code"] if row["code"] is not None else row["value"] or 0), "")
        known = down.get(machine)
        if word in words and known is None:
            body = {"until_ns": 0, "why": word, "source": STATE}
            plant.record("machine.down", machine, body, t_ns=t_ns, actor=machine, key=f"down/{machine}/{row['t_ns']}")
        elif word not in words and known and known.event.body.get("source") == STATE and t_ns > known.start_ns:
            plant.record("machine.up", machine, {"why": word}, t_ns=t_ns, actor=machine,
                         key=f"up/{machine}/{row['t_ns']}")
