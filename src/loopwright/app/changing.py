"""Tools that are changed before they wear out: the league's lives, the site's two costs, a window asked of the plan.

    asked = await ahead(plant, now_ns, cycle_s, until_ns)     decisions and work orders, recorded
    at_ns = placed(order, plan)                               where a plan has the work

In a turn it is asked between the plan and the work, so that the work moves round the change; in a plant that runs, each
time a run was inspected.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace

from loopwright.app import models, scored, serving, speaking, tool_lives
from loopwright.app.floor import Played
from loopwright.app.learning import Task, learned, life, training
from loopwright.app.making import REPAIR_S, Making
from loopwright.app.plant import Plant
from loopwright.core.clock import NS_PER_S
from loopwright.core.types import Decision, Event
from loopwright.serve import maintain

KINDS = ("decision.made", "alarm.raised", "alarm.cleared", "workorder.opened", "workorder.done")


async def ahead(
    plant: Plant, now_ns: int, cycle_s: Mapping[str, float] | None = None, until_ns: int | None = None
) -> tuple[list[Event], list[Decision]]:
    """(work orders that were opened, decisions) for tools that still cut; nothing where the site states no costs.

    now_ns    from when on the tools go on cutting; cycle_s: machine -> s from run to run, None: as the runs so far
    until_ns  a window that opens later opens no work order yet; None: two weeks
    """
    task = _tools(plant)
    ask = _ask(plant, now_ns, until_ns)
    if task is None or ask is None:
        return [], []
    if await asyncio.to_thread(training.due, plant, task, plant.clock.now_ns()):
        await training.train(plant, task)
    return await asyncio.to_thread(_asked, plant, task, ask, now_ns, cycle_s)


def _tools(plant: Plant) -> Task | None:
    """The task that learns lives of tools, where the site has one."""
    return next((one for one in learned(plant) if one.kind == "life" and not one.ends), None)


def _ask(plant: Plant, now_ns: int, until_ns: int | None) -> maintain.Ask | None:
    """What the site says that both mistakes cost; None where it says nothing."""
    costs = plant.site["maintain"]
    if not (costs["early"] or costs["late"]):
        return None
    ask = maintain.Ask(float(costs["early"]), float(costs["late"]), int(costs["duration_s"]))
    return ask if until_ns is None else replace(ask, ahead_s=max(0.0, (until_ns - now_ns) / NS_PER_S))


def _asked(
    plant: Plant, task: Task, ask: maintain.Ask, now_ns: int, cycle_s: Mapping[str, float] | None
) -> tuple[list[Event], list[Decision]]:
    there = [d for d in serving.decided(plant, 0, now_ns, maintain.NAME) if d.id.endswith(f"/life/{now_ns}")]
    if there:  # of an interrupted turn: what was said then stands, and so does what it opened
        opened = [e for e in plant.store.recall(kind="workorder.opened") if e.t_ns == now_ns and "latest_ns" in e.body]
        return opened, there
    scored.check(plant, task.name, now_ns)
    units, lives, names = life.units(plant, task)
    cutting = {one.thing: unit for unit, one in zip(units, lives, strict=True) if one.goes_on}
    state = maintain.fold(plant.store.recall(kind=KINDS))
    if cycle_s is None:
        cycle_s = tool_lives.cycles(plant.store.recall(kind="run.labelled"))
    tools = tool_lives.Tools(cutting, names)
    events, decisions = tool_lives.windows(tools, _model(plant, task), cycle_s, state, ask, now_ns)
    if [d.abstains for d in decisions] != [_last(plant)]:  # why nothing is said is said once
        serving.record(plant, events, decisions, now_ns)
    life.look(plant, task, max(now_ns, plant.clock.now_ns()))
    return serving.opened(plant, events), decisions


def _model(plant: Plant, task: Task) -> tool_lives.Model:
    """The model in force, or why there is none."""
    speakers = speaking.speakers(plant, task.name)
    one = next((speaker for speaker in speakers if speaker.serves), None)
    if one is not None:
        return tool_lives.Model(one.card.id, one.kept["model"], one.kept["state"]["fitted"])
    known = life.known(plant, task, plant.clock.now_ns())
    why = f"{known} tools have been worn out, {training.LEAST['life']} are needed to learn from"
    if speakers:
        why = f"{speakers[0].card.id}, which is better than the mean life, waits for two people to approve it"
    elif known >= training.LEAST["life"]:
        cards = [card for card in models.cards(plant.store).values() if card.task == task.name]
        last = f" (the last was {cards[-1].id})" if cards else ""
        why = f"no model of the lives of {known} tools is in force{last}"
    return tool_lives.Model("", why=why)


def _last(plant: Plant) -> str:
    """Why nothing was said about lives the last time, '' where something was."""
    for event in reversed(plant.store.recall(kind="decision.made")):
        one = event.body["decision"]
        if one["service"] == maintain.NAME and "/life/" in one["id"]:
            return str(one["abstains"])
    return ""


async def in_turn(plant: Plant, making: Making) -> tuple[list[Event], list[Decision]]:
    """The same for the work of a plan that is about to begin: cycles are the planned ones, and the plan is repaired."""
    plan = making.current
    assert plan is not None
    work: dict[str, list[int]] = {}  # machine -> ends of its operations, s from the plan's beginning
    for slot in plan.slots:
        work.setdefault(slot.machine, []).append(slot.end_s)
    cycle_s = {machine: max(1.0, max(ends) / len(ends)) for machine, ends in work.items()}
    until_ns = making.origin_ns + max((max(ends) for ends in work.values()), default=0) * NS_PER_S
    opened, said = await ahead(plant, making.origin_ns, cycle_s, until_ns)
    if opened:
        why = ", ".join(sorted({str(order.body["machine"]) for order in opened}))
        await making.plan(f"tools of {why} are changed before they wear out", making.origin_ns, REPAIR_S,
                          tuple(order.id for order in opened))
    return opened, said


def runs_before(
    orders: Sequence[Event], making: Making, played: Mapping[str, Sequence[Played]]
) -> dict[str, int]:
    """machine -> the run, counted as a twin counts them, before which its tool is changed by the plan."""
    found = {}
    plan = making.current
    for order in orders:
        machine = str(order.body["machine"])
        if plan is not None:
            at_s = (placed(order, making.released) - plan.origin_ns) / NS_PER_S
            begun = sum(slot.machine == machine and slot.start_s < at_s for slot in plan.slots)
            found[machine] = len(played.get(machine, ())) + begun
    return found


def before(
    order: Event, changed: Mapping[str, Sequence[int]], played: Mapping[str, Sequence[Played]]
) -> dict[str, int]:
    """{before_ns}: when the first run with the new tool began, by the machine; {} where there was none, or no word."""
    machine = str(order.body["machine"])
    runs, new = played.get(machine, ()), changed.get(machine, ())
    if "latest_ns" not in order.body or not new or new[-1] >= len(runs):
        return {}
    return {"before_ns": runs[new[-1]].start_ns}


def done(
    making: Making, orders: Sequence[Event], changed: Mapping[str, Sequence[int]], until_ns: int | None = None
) -> None:
    """The plan was carried out until then (None: to its end), the changes of tools that stand in it too."""
    for order in orders:
        begun_ns = max(placed(order, making.released), making.origin_ns)
        at_ns = begun_ns + int(order.body["duration_s"]) * NS_PER_S
        if until_ns is None or at_ns <= until_ns:
            body = {"machine": order.body["machine"], "as": "planned", **before(order, changed, making.played)}
            making.plant.record("workorder.done", order.about, body, t_ns=at_ns, actor="shop",
                                key=f"{order.about}/done")


def placed(order: Event, plan: Event | None) -> int:
    """When the work of an order begins by a plan; where that does not know it, at its latest."""
    if plan is not None:
        begin_ns = int(plan.body["origin_ns"])
        for row in plan.body.get("shop", {}).get("closed", ()):
            if order.body["machine"] in row["machines"] and row["why"] == order.body["why"]:
                return begin_ns + int(row["start_s"]) * NS_PER_S
    return int(order.body.get("latest_ns", order.body["start_ns"]))
