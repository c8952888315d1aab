"""The plan of a running plant follows its shop: what happens repairs it, without anybody asking.

    planning = Planning(plant)
    event = planning.step(monotonic_s())        looks once; the plan.released event of a plan or a repair, or None

Nothing is kept here that is not in the events: the plan in force names the last event that it knows of (`seen`), so a
process that was killed between an event and its repair makes the repair after its start. Why: docs/decisions/0025.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field

from loopwright.app import sources
from loopwright.app.flow import Flow
from loopwright.app.idle import Idle, improved
from loopwright.app.open_shop import Told, in_force, open_work, shop_at
from loopwright.app.plant import Plant
from loopwright.app.releasing import Found, Why, release, solve_now
from loopwright.app.steps import step_of
from loopwright.core.clock import NS_PER_S, iso, monotonic_s
from loopwright.core.errors import LoopwrightError, PlanError
from loopwright.core.types import Event, Slot
from loopwright.make.open_work import from_body
from loopwright.make.shop import Key

# kind of event -> the word of [plan] repairs that lets it repair the plan
WORDS = {
    "order.fitted": "order", "order.due": "due", "workorder.opened": "workorder", "workorder.done": "workorder",
    "step.started": "started", "step.finished": "finished", "unit.scrapped": "scrapped", "unit.reworked": "rework",
    "machine.down": "down", "machine.up": "up", "machine.slower": "slower", "operator.away": "away",
    "operator.back": "away", "material.late": "late",
}
KINDS = (*WORDS, *sources.KINDS)
LOOK_S = 0.2  # how often a running plant looks at its events, and at the states of its machines
HEAR_S = 1.0
TOLD = 3  # events that a reason names
AGAIN_S = 30.0  # after what could not be planned, when nothing else happens
_LONGEST_S = 86_400.0


@dataclass
class Planning:
    """Looks at what happened since the plan in force, waits until it is quiet, and repairs the plan once for all.

    pending   events that call for a repair, in their order; after: id of the last event that was looked at
    plan      id of the event of the plan that they were compared with
    """

    plant: Plant
    pending: list[Event] = field(default_factory=list)
    after: str = ""
    plan: str = ""
    _length: int = -1
    _heard_s: float = -_LONGEST_S
    _first_s: float = 0.0
    _last_s: float = 0.0
    _overdue_ns: int = 0
    _refused_s: float = -_LONGEST_S
    _quiet: Idle = field(default_factory=Idle)

    def step(self, now_s: float) -> Event | None:
        """One look, at a time of the monotonic clock. Raises PlanError when there is no plan; it is tried again when
        something else happens, or after a while."""
        if now_s - self._heard_s >= HEAR_S:
            self._heard_s = now_s
            sources.heard(self.plant)
        self.look(now_s)
        settle_s = float(self.plant.site["plan"]["settle_s"])
        quiet = now_s - self._last_s >= settle_s or now_s - self._first_s >= 10 * settle_s
        if self.pending and quiet and now_s - self._refused_s >= AGAIN_S:
            return self.repair(now_s)
        return (self._overdue(now_s) or self._idle(now_s)) if not self.pending else None

    def look(self, now_s: float) -> None:
        """Reads what was recorded since the last look."""
        length = self.plant.store.events.length()
        if length == self._length:
            return
        plan = in_force(self.plant)
        if plan and plan.id != self.plan:  # what it knows of is settled, whoever released it
            self.plan, self.after = plan.id, str(plan.body.get("seen") or plan.id)
            self.pending, self._refused_s = [], -_LONGEST_S
        new = self.plant.store.recall(kind=KINDS, after=self.after)
        if self._length < 0 and not new:
            new = self._uncovered(plan)
        self._length = length
        if new:
            self.after = new[-1].id
            new = sources.translated(self.plant, new)
        calling = calling_for(self.plant, plan, new)
        if calling:
            self._first_s = self._first_s if self.pending else now_s
            self._last_s, self._refused_s = now_s, -_LONGEST_S
            self.pending += calling
        self._overdue_ns = 0

    def repair(self, now_s: float) -> Event | None:
        """A repair for all that is pending, now."""
        try:
            event = mend(self.plant, self.pending)
        except LoopwrightError:
            self._refused_s = now_s
            raise
        self.pending = []
        return event

    def _uncovered(self, plan: Event | None) -> list[Event]:
        """At the start: the fitted orders that the plan in force knows nothing of, as after an interrupted turn."""
        told = open_work(self.plant)
        known = {slot["order"] for slot in plan.body["slots"]} if plan else set()
        missing = [order.id for order in told.work if order.id not in known]
        return self.plant.store.recall(kind="order.fitted", about=missing) if missing else []

    def _overdue(self, now_s: float) -> Event | None:
        """A repair for operations that should have ended and have not; the more of them in a row, the later."""
        now_ns = self.plant.clock.now_ns()
        if now_ns < self._overdue_ns or "overdue" not in self.plant.site["plan"]["repairs"]:
            return None
        told = open_work(self.plant)
        late, next_ns = overdue(self.plant, told, now_ns)
        self._overdue_ns = next_ns
        if not late or now_s - self._refused_s < AGAIN_S:
            return None
        try:
            return mend(self.plant, [], [f"{s.operation} of {s.order} should have ended on {s.machine}" for s in late])
        except LoopwrightError:
            self._refused_s = now_s
            raise


    def _idle(self, now_s: float) -> Event | None:
        """A better plan, where the site wants that one is looked for while nothing happens."""
        seconds = self._quiet.seconds(self.plan, now_s, float(self.plant.site["plan"]["idle_s"]))
        if not seconds:
            return None
        event = improved(self.plant, seconds, next_name(self.plant))
        if event is None:
            self._quiet.failed(now_s + seconds, seconds)
        return event


def calling_for(plant: Plant, plan: Event | None, events: Sequence[Event]) -> list[Event]:
    """Those of the events for which the plan has to be repaired, as the site wants it: an operation that begins and
    ends as planned, or of an order that is closed, calls for nothing."""
    wanted = set(plant.site["plan"]["repairs"])
    late_ns = round(float(plant.site["plan"]["late_s"]) * NS_PER_S)
    slots = {(s["order"], s["operation"]): Slot(**s) for s in plan.body["slots"]} if plan else {}
    origin_ns = int(plan.body["origin_ns"]) if plan else 0
    found = []
    for event in events:
        if WORDS.get(event.kind) not in wanted:
            continue
        if event.kind.startswith("step.") and as_planned(event, slots, origin_ns, late_ns):
            continue
        if plan and set(event.because) & set(plan.because):  # it came with the plan
            continue
        found.append(event)
    return found


def as_planned(event: Event, slots: dict[Key, Slot], origin_ns: int, late_ns: int) -> bool:
    """Whether an operation began, or ended, where the plan says, and when it says, or nearly so."""
    step = step_of(event)
    slot = slots.get((step.order, step.operation))
    if slot is None:
        return step.order not in {order for order, _ in slots}
    at_ns, planned_s = (step.start_ns, slot.start_s) if step.end_ns is None else (step.end_ns, slot.end_s)
    return slot.machine == step.machine and abs(origin_ns + planned_s * NS_PER_S - at_ns) <= late_ns


def overdue(plant: Plant, told: Told, now_ns: int) -> tuple[list[Slot], int]:
    """(operations that should have ended, in a plant that tells when they do; when to look again, ns)."""
    plan = told.plan
    again_ns = now_ns + 5 * NS_PER_S
    if plan is None or not told.steps:
        return [], again_ns
    wait_s = min(_LONGEST_S, float(plant.site["plan"]["late_s"]) * 2 ** _in_a_row(plant))
    ended = {(s.order, s.operation) for s in told.steps if s.end_ns is not None}
    there = {(order.id, o.name) for order in told.work for o in order.operations}
    left = [s for row in plan.body["slots"] if (s := Slot(**row)) and (s.order, s.operation) in there - ended]
    limit_ns = {id(s): int(plan.body["origin_ns"]) + round((s.end_s + wait_s) * NS_PER_S) for s in left}
    late = [s for s in left if limit_ns[id(s)] < now_ns]
    return late, max(again_ns, min(limit_ns.values(), default=again_ns))


def _in_a_row(plant: Plant) -> int:
    """How many of the last plans were repairs for overdue operations alone."""
    last = plant.store.recall(kind="plan.released", limit=12, newest_first=True)
    count = 0
    for event in last:
        if not event.body.get("overdue"):
            break
        count += 1
    return count


def mend(plant: Plant, events: Sequence[Event], overdue: Sequence[str] = ()) -> Event | None:
    """Plans what is open now, or repairs the plan in force; None when nothing is open.

    events  those for which this is done; overdue: sentences about operations that should have ended
    Raises PlanError when there is no plan, or another one was released meanwhile.
    """
    store = plant.store
    newest = store.recall(limit=1, newest_first=True)
    told = open_work(plant)
    now_ns = plant.clock.now_ns()
    shop = shop_at(plant, now_ns, told)
    if not shop.jobs:
        return None
    table, base = plant.site["plan"], told.plan
    old = from_body(base.body) if base and knows(base, told) else None
    found: Found = solve_now(plant, shop, old, float(table["repair_s"] if old else table["seconds"]))
    reasons = [*(says(event) for event in events), *overdue]
    reason = f"{'repair: ' if old else ''}{in_short(reasons) or f'{len(shop.jobs)} open orders'}"
    more = {"seen": newest[0].id if newest else "", **({"overdue": True} if overdue and not events else {})}
    because = tuple(event.id for event in events[-100:])
    return release(plant, shop, found, Why(reason, next_name(plant), base, because, True, more=more))


def next_name(plant: Plant) -> str:
    """What the next plan is called."""
    events = plant.store.events
    return f"plan-{events.count(['plan.released'], 0, events.length()).get('plan.released', 0) + 1:05d}"


def knows(base: Event, told: Told) -> bool:
    """Whether the plan in force plans anything of what is open."""
    planned = {row["order"] for row in base.body["slots"]}
    return any(order.id in planned for order in told.work)


def in_short(reasons: Sequence[str]) -> str:
    """The first few reasons, and how many more."""
    known = list(dict.fromkeys(reasons))
    more = f"; and {len(known) - TOLD} more" if len(known) > TOLD else ""
    return "; ".join(known[:TOLD]) + more


def says(event: Event) -> str:
    """An event in a few words, as a reason for a plan."""
    body, about = event.body, event.about
    why = f" ({body['why']})" if body.get("why") else ""
    if event.kind.startswith("step."):
        word = "began" if event.kind == "step.started" else "ended"
        return f"{body['operation']} of {body['order']} {word} on {body['machine']} at {_when(event.t_ns)}"
    until = f" until {_when(int(body['until_ns']))}" if body.get("until_ns") else ""
    words = {
        "order.fitted": f"new order {about}", "order.due": f"order {about} is due at another time{why}",
        "workorder.opened": f"work order on {body.get('machine', about)}{why}",
        "workorder.done": f"work order {about} is done",
        "unit.scrapped": f"{about} is scrapped: {body.get('reason', '')}",
        "unit.reworked": f"{about} goes back: {body.get('reason', '')}",
        "machine.down": f"{about} is down{until}{why}", "machine.up": f"{about} works again",
        "machine.slower": f"{about} takes {body.get('factor', 1):g} times as long{why}",
        "operator.away": f"{about} is away{until}{why}", "operator.back": f"{about} is back",
        "material.late": f"{about} arrives at {_when(int(body.get('arrives_ns', 0)))}{why}",
    }
    return words.get(event.kind, event.kind)


def _when(t_ns: int) -> str:
    """A moment to the second."""
    return iso(t_ns).partition(".")[0].removesuffix("Z") + "Z"


async def keep_planned(plant: Plant, flow: Flow) -> None:
    """Looks again and again, for as long as a plant runs."""
    if not plant.site["plan"]["repairs"]:
        await asyncio.Event().wait()
    planning, said = Planning(plant), ""
    try:
        while True:
            said = await _looked(planning, flow, said)
            await plant.clock.sleep(LOOK_S)
    finally:
        plant.workers.close()  # whoever ends the plant does not wait for a plan


async def _looked(planning: Planning, flow: Flow, said: str) -> str:
    """One look, told; the last error that was told."""
    try:
        event = await asyncio.to_thread(planning.step, monotonic_s())
    except LoopwrightError as error:
        if said != str(error):
            flow.stage("plan", f"no plan: {error}"[:300])
            print(f"plan: {error}", file=sys.stderr, flush=True)
        return str(error)
    if event is None:
        return said
    flow.stage("plan", str(event.body["reason"]))
    flow.count("plan", len(event.body["slots"]))
    flow.done("plan", float(event.body["took_s"]))
    return ""


def catch_up(plant: Plant) -> Event | None:
    """Repairs the plan at once for all that happened, where no process runs the plant; None when nothing calls for it.

    What cannot be planned is left to the next look: the events stand.
    """
    planning = Planning(plant)
    sources.heard(plant)
    for _ in range(2):  # what the first one translates, the second one reads
        planning.look(monotonic_s())
    if not planning.pending:
        return None
    try:
        return planning.repair(monotonic_s())
    except PlanError:
        return None
