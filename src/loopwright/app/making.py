"""Designs become units: plan, steps on machines, measurement, rework or scrap with a repaired plan, passport, shipping.

    making = Making(plant, orders, designs, origin_ns, played)
    await making.plan("12 orders")
    await making.build()

Times inside are those of the plan: the shop of a turn lives in the recorded or simulated time of its machines.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from loopwright.app import upsets
from loopwright.app.floor import Played
from loopwright.app.open_shop import Told, shop_at
from loopwright.app.planning import says
from loopwright.app.plant import Plant
from loopwright.app.releasing import Why, release, solve
from loopwright.core.clock import NS_PER_S
from loopwright.core.errors import PlanError
from loopwright.core.types import Design, Event, Order, Plan, Slot
from loopwright.make import again as repeats
from loopwright.make import measure as measures
from loopwright.make import route
from loopwright.make.bill import bill, cost_minor
from loopwright.make.open_work import OpenOrder, Step, from_body
from loopwright.twins.gauge import Gauge, Process

REPAIR_S = 0.2  # that a repair of the plan may take
MEASURE_ROLE = "measure"


@dataclass
class Unit:
    """One unit in the making: its operations so far (rework and replacement included), what it truly is, its state."""

    order: Order
    design: Design
    operations: tuple[route.RouteOperation, ...]
    serial: str
    truth: Mapping[str, float]
    number: int = 1
    attempt: int = 1
    state: str = "open"
    reworked: int = 0
    as_built: Mapping[str, float] = field(default_factory=dict)


class Making:
    """The units of one cohort of orders, from plan to shelf.

    played  machine -> the runs it played, in order: the signals that a step of a unit carries
    """

    def __init__(
        self,
        plant: Plant,
        orders: Sequence[Order],
        designs: Sequence[Design],
        origin_ns: int,
        played: Mapping[str, Sequence[Played]],
        prefix: str,
    ) -> None:
        self.plant, self.origin_ns, self.played, self.prefix = plant, origin_ns, played, prefix
        self.product, self.plans = plant.product, 0
        self.steps: list[Step] = []
        self.process = Process(plant.site.seed, self.product.tolerances)
        self.gauge = Gauge(plant.site.seed, {t.parameter: t.gauge_sigma for t in self.product.tolerances})
        # a twin plays new runs for every cohort; a recording is heard once, and its runs stand for the work in order
        self.taken = {
            m.id: len(played.get(m.id, ())) if m.plays.get("source") == "twin" else 0 for m in plant.site.machines
        }
        self.current: Plan | None = None
        self.first: Plan | None = None
        self.released: Event | None = None
        self.interrupts: list[tuple[int, str, str]] = []  # (time, why, event) at which the plan is to be repaired
        self.passing: Callable[[int], object] = int  # called with each moment before the plan is repaired then
        self.scrapped: list[Unit] = []
        by_id = {order.id: order for order in orders}
        self.units = [self._unit(by_id[_order_id(one)], one, 1) for one in designs]

    def _unit(self, order: Order, design: Design, number: int) -> Unit:
        operations = repeats.replaced(route.operations(self.product, order, design), number)
        serial = f"{order.id}-{number}"
        return Unit(order, design, operations, serial, self.process.make(design, serial), number)

    @property
    def first_plan(self) -> Plan:
        """The plan that the cohort began with."""
        if self.first is None:
            raise PlanError(f"orders {self.prefix}", "nothing was planned yet")
        return self.first

    @property
    def repairs(self) -> int:
        return max(0, self.plans - 1)

    async def plan(
        self, reason: str, at_ns: int | None = None, seconds: float = 1.0, because: tuple[str, ...] = ()
    ) -> Plan:
        """Plans every open unit of the cohort in the warm worker and releases the plan; a repair keeps what it can."""
        origin_ns = self.origin_ns if at_ns is None else at_ns
        work = tuple(
            OpenOrder(unit.order.id, unit.operations, 0, unit.order.due_ns) for unit in self.units
            if unit.state == "open")
        shop = shop_at(self.plant, origin_ns, Told(work, tuple(self.steps), plan=self.released))
        self.plans += 1
        about = f"plan-{self.prefix.rstrip('-')}-{self.plans:03d}"
        there = self.plant.store.recall(kind="plan.released", about=about)
        if there:  # of an interrupted turn: what was released stays
            self.released = there[0]
        else:
            old = self.current if at_ns is not None else None
            found = await solve(self.plant, shop, old, seconds)
            why = Why(reason, about, self.released if old else None, because)
            self.released = release(self.plant, shop, found, why)
        plan = from_body(self.released.body)
        self.current, self.first = plan, self.first or plan
        return plan

    async def build(self) -> None:
        """Carries the plan out, slot by slot in time; a unit out of tolerance goes back and the plan is repaired."""
        done: set[tuple[str, str]] = set()
        for event in self.plant.store.recall(kind=upsets.KINDS, start_ns=self.origin_ns + 1):
            self.interrupt(event.t_ns, says(event), event.id)
        while self.current is not None:
            again = self._carry_out(self.current, done)
            if again is None:
                return
            t_ns, why, because = again
            self.passing(t_ns)
            await self.plan(f"repair: {why}", t_ns, REPAIR_S, (because,) if because else ())

    def interrupt(self, t_ns: int, why: str, event: str = "") -> None:
        """Something happens at that time for which the plan has to be repaired: a work order, a machine that is down.
        event: its id."""
        self.interrupts = sorted([*self.interrupts, (t_ns, why, event)])

    def _carry_out(self, plan: Plan, done: set[tuple[str, str]]) -> tuple[int, str, str] | None:
        """Slots in the order of their ends, up to the first measurement that fails or interrupt; when, why and the
        event that says so."""
        events: list[Event] = []
        by_order = {unit.order.id: unit for unit in self.units}
        try:
            for slot in sorted(plan.slots, key=lambda s: (s.end_s, s.order, s.operation)):
                if (slot.order, slot.operation) in done:
                    continue
                if self.interrupts and plan.origin_ns + slot.end_s * NS_PER_S > self.interrupts[0][0]:
                    t_ns, why, event = self.interrupts.pop(0)
                    t_ns = max(t_ns, plan.origin_ns)
                    self._running(plan, t_ns)
                    return t_ns, why, event
                done.add((slot.order, slot.operation))
                unit = by_order[slot.order]
                end_ns = self._step(unit, slot, plan.origin_ns, events)
                operation = next(o for o in unit.operations if o.name == slot.operation)
                if operation.role == MEASURE_ROLE and self._measure(unit, end_ns, events):
                    self._running(plan, end_ns)
                    recorded, events = self.plant.store.record(events), []
                    return end_ns, f"{unit.serial} is out of tolerance", recorded[-1].id
        finally:
            self.plant.store.record(events)
        return None

    def _running(self, plan: Plan, at_ns: int) -> None:
        """Operations under way at that moment are known to have begun: the repaired plan leaves them where they are."""
        known = {(s.order, s.operation) for s in self.steps}
        for slot in plan.slots:
            start_ns = plan.origin_ns + slot.start_s * NS_PER_S
            if start_ns < at_ns and (slot.order, slot.operation) not in known:
                self.steps.append(Step(slot.order, slot.operation, slot.machine, start_ns))

    def _step(self, unit: Unit, slot: Slot, origin_ns: int, events: list[Event]) -> int:
        """Records that a slot was done; where the machine was heard, with the run and the signals it said."""
        start_ns, end_ns = origin_ns + slot.start_s * NS_PER_S, origin_ns + slot.end_s * NS_PER_S
        self.steps = [s for s in self.steps if (s.order, s.operation) != (slot.order, slot.operation)]
        self.steps.append(Step(slot.order, slot.operation, slot.machine, start_ns, end_ns))
        operation = next(o for o in unit.operations if o.name == slot.operation)
        body: dict[str, Any] = {
            "order": unit.order.id,
            "operation": slot.operation,
            "machine": slot.machine,
            "start_ns": start_ns,
            "end_ns": end_ns,
            "program_hash": operation.program_sha256,
            "signals": [],
            "run": "",
            "assumed": [],
        }
        self._heard(slot.machine, body)
        events.append(
            Event("step.finished", unit.serial, end_ns, slot.machine, body, key=f"step/{unit.serial}/{slot.operation}")
        )
        return end_ns

    def _heard(self, machine: str, body: dict[str, Any]) -> None:
        runs = self.played.get(machine, ())
        if not runs:
            return
        number = self.taken.get(machine, 0)
        self.taken[machine] = number + 1
        run = runs[number % len(runs)]
        body["run"], body["signals"] = run.id, list(run.signals)
        body["signals_start_ns"], body["signals_end_ns"] = run.start_ns, run.end_ns
        if run.assumed:
            body["assumed"].append("which recorded run this step was, and when")
        if number >= len(runs):
            body["assumed"].append("the recording is shorter than the work: a run stands for a second step")

    def _measure(self, unit: Unit, t_ns: int, events: list[Event]) -> bool:
        """Measures a unit with the gauge's twin; True when it needs work again (rework or a replacement)."""
        measured = self.gauge.measure(unit.truth)
        verdict = measures.judge(self.product, unit.design, measured, unit.attempt)
        unit.as_built = verdict.as_built
        events.append(
            Event(
                "unit.measured",
                unit.serial,
                t_ns,
                "gauge (twin)",
                {
                    "order": unit.order.id,
                    "measures": [dict(row) for row in verdict.measures],
                    "verdict": verdict.word,
                    "attempt": unit.attempt,
                    "reasons": list(verdict.reasons),
                },
                key=f"measured/{unit.serial}/{unit.attempt}",
            )
        )
        if verdict.word == "good":
            self._finish(unit, t_ns, events)
            return False
        reason = "; ".join(verdict.reasons)
        if verdict.word == "scrap":
            self._scrap(unit, reason, t_ns, events)
        else:
            self._rework(unit, verdict, reason, t_ns, events)
        return True

    def _finish(self, unit: Unit, t_ns: int, events: list[Event]) -> None:
        unit.state = "made"
        lines = bill(self.product, unit.design, self.plant.product_pack.formulas)
        body = {
            "order": unit.order.id,
            "design": unit.design.id,
            "as_built": dict(unit.as_built),
            "made_ns": t_ns,
            "revision": unit.design.revision,
            "material_cost_minor": cost_minor(lines),
            "bill": [{"item": x.item, "quantity": x.quantity, "unit": x.unit} for x in lines],
        }
        events.append(Event("unit.finished", unit.serial, t_ns, "shop", body, key=f"finished/{unit.serial}"))

    def _rework(self, unit: Unit, verdict: measures.Verdict, reason: str, t_ns: int, events: list[Event]) -> None:
        unit.attempt, unit.reworked = unit.attempt + 1, unit.reworked + 1
        tail = f"~{unit.number}" if unit.number > 1 else ""
        mine = [o for o in unit.operations if "#" not in o.name and o.name.partition("~")[2] == tail[1:]]
        first = [
            replace(o, name=o.name.removesuffix(tail), after=tuple(a.removesuffix(tail) for a in o.after)) for o in mine
        ]
        again = route.rework(self.product, first, verdict.out, unit.attempt)
        again = tuple(replace(o, name=f"{o.name}{tail}", after=tuple(f"{a}{tail}" for a in o.after)) for o in again)
        unit.operations = (*unit.operations, *again)
        fresh = self.process.make(unit.design, f"{unit.serial}#{unit.attempt}")
        unit.truth = {name: fresh[name] if name in verdict.out else value for name, value in unit.truth.items()}
        events.append(
            Event(
                "unit.reworked",
                unit.serial,
                t_ns,
                "gauge (twin)",
                {
                    "order": unit.order.id,
                    "reason": reason,
                    "attempt": unit.attempt,
                    "operations": [f"{repeats.base_of(o.name)}{tail}" for o in again],
                },
                key=f"reworked/{unit.serial}/{unit.attempt}",
            )
        )

    def _scrap(self, unit: Unit, reason: str, t_ns: int, events: list[Event]) -> None:
        events.append(
            Event(
                "unit.scrapped",
                unit.serial,
                t_ns,
                "gauge (twin)",
                {"order": unit.order.id, "reason": reason},
                key=f"scrapped/{unit.serial}",
            )
        )
        unit.state = "scrapped"
        self.scrapped.append(unit)
        fresh = self._unit(unit.order, unit.design, unit.number + 1)
        fresh.operations = (*unit.operations, *fresh.operations)
        self.units = [fresh if one is unit else one for one in self.units]


def _order_id(design: Design) -> str:
    """The order that a design '<family>/<order>@<revision>' was made for."""
    return design.id.split("/", 1)[1].rsplit("@", 1)[0]


def counts(makings: Sequence[Making]) -> dict[str, Any]:
    """Units made, reworked and scrapped over the cohorts, and their serials."""
    made = [unit for making in makings for unit in making.units if unit.state == "made"]
    scrapped = [unit for making in makings for unit in making.scrapped]
    return {
        "made": len(made),
        "reworked": sum(u.reworked > 0 for u in [*made, *scrapped]),
        "scrapped": len(scrapped),
        "repairs_of_the_plan": sum(making.repairs for making in makings),
        "serials": [u.serial for u in made],
    }


def plain(body: Mapping[str, Any]) -> Any:
    """Plain data, through JSON: what a report may hold."""
    return json.loads(json.dumps(body, default=str))
