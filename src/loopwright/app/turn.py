"""Exactly one turn of the loop: people -> orders -> designs -> plan -> machines heard -> units measured -> used ->
served -> improved -> the next orders.

A turn that was stopped half way is continued: every event of it has a key and every sample a number, so that what was
done already is recognised and not done twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from loopwright.app import (
    changing,
    detecting,
    forecasting,
    improving,
    releasing,
    serving,
    solids,
    turn_report,
    using,
    watching,
    words,
)
from loopwright.app.floor import Floor, floor
from loopwright.app.flow import Flow
from loopwright.app.imports import found, keep, named, read_file
from loopwright.app.learning import classes
from loopwright.app.making import Making, plain
from loopwright.app.ordering import choose, fit_orders, order_of, place
from loopwright.app.plant import Plant, open_plant
from loopwright.app.report import hops_now
from loopwright.app.site import load_site
from loopwright.core.clock import NS_PER_S, monotonic_s
from loopwright.core.pack import Imported
from loopwright.core.types import Decision, Event, Order, Thing
from loopwright.improve.outcomes import Outcome
from loopwright.improve.question import Question

DAY_NS = 86_400 * NS_PER_S
COHORT_DAYS = 14  # of the plant's own time, from one group of orders to the next
TRIAL_ORDERS = 16  # orders randomised at a time, while a trial runs
NEXT_ORDERS = 16  # orders built on a released revision, to see whether they do better
SHOTS = 20  # that a twin of a golfer hits with a new club


@dataclass
class Turn:
    """What one turn is: its number, where its time begins, what it has done so far."""

    number: int
    orders: int
    origin_ns: int
    started_ns: int
    hops_before: Mapping[str, Any]
    started_s: float = field(default_factory=monotonic_s)
    seconds: dict[str, float] = field(default_factory=dict)
    makings: list[Making] = field(default_factory=list)
    imports: list[dict[str, Any]] = field(default_factory=list)
    inputs: dict[str, list[Imported]] = field(default_factory=dict)  # files that were read and are not kept yet
    placed: list[Order] = field(default_factory=list)
    maintenance: serving.Maintenance | None = None
    detectors: detecting.Detectors | None = None
    changed: dict[str, list[int]] = field(default_factory=dict)  # machine -> runs before which its tool was changed
    codes: dict[str, str] = field(default_factory=dict)  # one-time codes of the units that were shipped now
    missing: list[str] = field(default_factory=list)
    solids: dict[str, int] = field(default_factory=dict)


def run_turn(path: Path, *, data: Path | None, orders: int | None, fresh: bool) -> dict[str, Any]:
    """Opens the site's plant, turns once and gives the report; words of progress go to standard error."""
    import sys

    from loopwright.app.show import Show

    site = load_site(path)
    flow = Flow()
    with open_plant(site, fresh=fresh, actor="turn") as plant, Show(flow, sys.stderr):
        return asyncio.run(one_turn(plant, data, orders, flow))


async def one_turn(plant: Plant, data: Path | None, orders: int | None, flow: Flow) -> dict[str, Any]:
    """One turn of an open plant; the report, which is also recorded as 'turn.finished'."""
    plant.store.flush()
    turn = _begin(plant, orders)
    turn.maintenance = serving.Maintenance(plant, turn.started_ns)
    turn.detectors = detecting.Detectors(plant)
    flow.turn(turn.number)
    releasing.warm(plant)
    solid = solids.Solids(plant, flow)
    async with floor(plant, data, flow, plant.site.seed * 1000 + turn.number) as shop:
        await _read(plant, turn, shop, data, flow)
        await _people(plant, turn, flow)
        paired = [str(e.body["right"]) for e in plant.store.recall(kind="pairing.assumed") if e.about[:7] == "player-"]
        await _cohort(plant, turn, shop, solid, flow, "A", turn.orders, None, paired)
        outcomes = await _use(plant, turn, shop, flow)
        outcomes = await _improve(plant, turn, shop, solid, outcomes, flow)
        with _stage(turn, flow, "connect", "the last samples of every machine arrive"):
            await shop.finish()
    with _stage(turn, flow, "keep", "the journal moves into the points"):
        await asyncio.to_thread(plant.store.flush)
    decisions = await _serve(plant, turn, flow)
    with _stage(turn, flow, "design", "the last solids are made"):
        await solid.finish()
    await asyncio.to_thread(turn.detectors.close)
    turn.solids = {"made": solid.made, "later": len(solid.missing()) if solid.enabled else 0}
    return _finish(plant, turn, decisions, flow)


def _begin(plant: Plant, orders: int | None) -> Turn:
    """The next turn, or the one that was begun and never finished (with the orders it has, if it has any)."""
    started = plant.store.recall(kind="turn.started")
    finished = {e.about for e in plant.store.recall(kind="turn.finished")}
    last = started[-1] if started and started[-1].about not in finished else None
    if last is None:
        number = len(started) + 1
        body = {
            "orders": orders or int(plant.site["orders"]["count"]),
            "seed": plant.site.seed,
            "number": number,
            "hops": hops_now(plant),
        }
        last = plant.record("turn.started", f"turn-{number}", body, key=f"turn.started/{number}")
    number, count = int(last.body["number"]), int(last.body["orders"])
    if orders and not any(e.body.get("turn") == number for e in plant.store.recall(kind="order.placed")):
        count = orders
    origin_ns = plant.site.origin_ns + (number - 1) * 12 * COHORT_DAYS * DAY_NS
    return Turn(number, count, origin_ns, last.known_ns, last.body["hops"])


@contextmanager
def _stage(turn: Turn, flow: Flow, name: str, words: str) -> Iterator[None]:
    """Says what happens now, and adds up how long each stage took."""
    flow.stage(name, words)
    began_s = monotonic_s()
    yield
    took_s = monotonic_s() - began_s
    turn.seconds[name] = turn.seconds.get(name, 0.0) + took_s
    flow.done(name, turn.seconds[name])


async def _read(plant: Plant, turn: Turn, shop: Floor, data: Path | None, flow: Flow) -> None:
    """Every file of the site, whole, before anything is kept: one that is wrong leaves the plant as it was."""
    known = bool(plant.store.people.find(limit=1))
    words = {"persons": "body measures", "shots": "shots", "swings": "swings"}
    with _stage(turn, flow, "order", "files are read"):
        for what, word in words.items():
            may_lack = turn.missing if known or what != "persons" else None
            for path in found(data, plant.site["input"][what], word, may_lack):
                turn.inputs.setdefault(what, []).append(await asyncio.to_thread(read_file, plant, what, path))
        await shop.prepare()


async def _people(plant: Plant, turn: Turn, flow: Flow) -> None:
    """Body measures of the site's files, and the shots that owners bring from the clubs they have."""
    with _stage(turn, flow, "order", "body measures are kept"):
        for parsed in turn.inputs.pop("persons", []):
            turn.imports.append(await asyncio.to_thread(keep, plant, parsed, named(parsed, "", plant)))
            flow.stage("order", turn.imports[-1]["says"][:140])
        for parsed in turn.inputs.pop("shots", []):
            turn.imports.append(await asyncio.to_thread(_keep_shots, plant, parsed))


def _keep_shots(plant: Plant, parsed: Imported) -> dict[str, Any]:
    """Shots of a player who is taken to be one of the persons, by assumption: the file knows no person of ours."""
    people = [p.id for p in plant.store.people.find()]
    kind = plant.product_pack.hooks.get("unit_kind", "club")

    def thing_of(key: str) -> Thing:
        slug = f"player-{key.lower().replace(' ', '-') or 'unnamed'}"
        owner = using.pair(plant, [slug], people, "player of a launch-monitor file and person").get(slug, "")
        return Thing(slug, kind, owner=owner, labels={"key": key, "assumed": "owner"})

    return keep(plant, parsed, thing_of)


async def _cohort(
    plant: Plant,
    turn: Turn,
    shop: Floor,
    solid: solids.Solids,
    flow: Flow,
    letter: str,
    count: int,
    question: Question | None,
    first: Sequence[str] = (),
) -> Making:
    """A group of orders from placing to shelf."""
    origin_ns = turn.origin_ns + len(turn.makings) * COHORT_DAYS * DAY_NS
    prefix = f"T{turn.number:03d}-{letter}"
    with _stage(turn, flow, "order", f"{count} persons order"):
        orders = _orders(plant, prefix, count, turn, origin_ns, first)
        turn.placed += orders
        flow.count("order", len(orders))
        if question is not None:
            improving.assign(plant, question, [order.id for order in orders], origin_ns)
    with _stage(turn, flow, "fit", f"{len(orders)} persons are fitted by {plant.rules.revision}"):
        designs = fit_orders(plant, orders, lambda order: improving.rules_for(plant, question, order.id), origin_ns)
        flow.count("fit", len(designs))
    said = words.first_words(designs[0]) if designs else f"none of the {count} orders can be made"
    with _stage(turn, flow, "design", said):
        if question is None:  # those of a trial wait until the plant is idle: solids are never on the path
            solid.submit(designs)
        flow.count("design", len(designs))
    making = Making(plant, orders, designs, origin_ns, shop.played, prefix)
    turn.makings.append(making)
    with _stage(turn, flow, "plan", f"{len(designs)} open orders share {len(plant.site.machines)} machines"):
        plan = await making.plan(f"{len(designs)} orders {prefix.rstrip('-')}")
        flow.count("plan", len(plan.slots))
    asked = await _change_ahead(plant, turn, making, shop, flow)
    with _stage(turn, flow, "make", "machines work through the plan"):
        await _play(plant, shop, making.current.slots if making.current else plan.slots, origin_ns, turn.changed)
    opened = [*asked, *await _maintain(turn, making, shop, flow)]
    with _stage(turn, flow, "make", f"{len(designs)} units go over the machines"):
        making.passing = lambda t_ns: changing.done(making, opened, turn.changed, t_ns)
        await making.build()
        changing.done(making, opened, turn.changed)
        flow.count("make", sum(unit.state == "made" for unit in making.units))
    _ship(plant, turn, making, flow)
    return making


def _ship(plant: Plant, turn: Turn, making: Making, flow: Flow) -> None:
    """What is made leaves, and is claimed by its buyers, or waits with a code of its own."""
    with _stage(turn, flow, "measure", "each unit is measured, shipped and claimed"):
        flow.count("measure", len(making.units))
        serials = [unit.serial for unit in making.units if unit.state == "made"]
        end_ns = max((step.end_ns or 0 for step in making.steps), default=making.origin_ns)
        codes = using.ship(plant, serials, end_ns)
        if plant.site["site"]["approvers"]:
            using.claim_by_buyers(plant, serials, end_ns)
        else:
            turn.codes |= codes


def _orders(plant: Plant, prefix: str, count: int, turn: Turn, t_ns: int, first: Sequence[str]) -> list[Order]:
    """The orders of that prefix: those of the interrupted turn when there are any, else new ones."""
    there = [e for e in plant.store.recall(kind="order.placed") if e.about.startswith(prefix)]
    if there:
        return [order_of(event) for event in there]
    return place(plant, prefix, choose(plant, count, plant.site.seed, first), t_ns, turn=turn.number)


async def _change_ahead(plant: Plant, turn: Turn, making: Making, shop: Floor, flow: Flow) -> list[Event]:
    """Tools that will wear out in this work get a window, and the plan moves round it; the work orders."""
    assert turn.maintenance is not None
    with _stage(turn, flow, "serve", "which tools will wear out in this work?"):
        opened, said = await changing.in_turn(plant, making)
        turn.maintenance.decisions += said
        turn.maintenance.workorders += opened
        for machine, run in changing.runs_before(opened, making, shop.played).items():
            turn.changed.setdefault(machine, []).append(run)
    return opened


async def _play(
    plant: Plant, shop: Floor, slots: Sequence[Any], origin_ns: int, changed: Mapping[str, Sequence[int]]
) -> None:
    """Machines that are played get their work: a twin as many runs as its plan has, with the tool changed before those
    `changed`; a recording all it holds, once."""
    jobs: list[Awaitable[Any]] = []
    for machine in plant.site.machines:
        if not (machine.plays and machine.link):
            continue
        if machine.plays["source"] == "recording":
            if machine.id not in shop.played:
                jobs.append(shop.begin(machine.id, first=0, origin_ns=plant.site.origin_ns))
            continue
        mine = sum(slot.machine == machine.id for slot in slots)
        if mine:
            first = len(shop.played.get(machine.id, []))
            new = list(changed.get(machine.id, ()))
            jobs.append(shop.play(machine.id, first=first, count=mine, origin_ns=origin_ns, changed=new))
    await asyncio.gather(*jobs)


async def _maintain(turn: Turn, making: Making, shop: Floor, flow: Flow) -> list[Event]:
    """Once the machines were heard: which tools are worn, and where the plan has to make room for a change of tool."""
    with _stage(turn, flow, "connect", "what the machines say arrives"):
        await shop.caught_up()
    assert turn.maintenance is not None
    with _stage(turn, flow, "serve", "does a machine behave unusually?"):
        await asyncio.to_thread(_detect, turn, shop)
    with _stage(turn, flow, "serve", "are the tools worn?"):
        await turn.maintenance.foresee(shop.findings, _end_ns(turn))
        await asyncio.to_thread(classes.told, shop.plant, serving.ended_runs(shop.findings), _end_ns(turn))
        shop.inspect()
        opened = await turn.maintenance.look(_end_ns(turn))
        for order in opened:
            start_ns, why = max(int(order.body["start_ns"]), making.origin_ns), f"work order on {order.body['machine']}"
            making.interrupt(start_ns, why, order.id)
        flow.count("serve", len(turn.maintenance.decisions))
    return opened


def _detect(turn: Turn, shop: Floor) -> None:
    """Judges what the machines said in the runs they played, and raises and clears the alarms of it."""
    assert turn.detectors is not None
    spans = [(play.start_ns, play.end_ns) for plays in shop.played.values() for play in plays]
    watch = watching.Watch(shop.plant)
    everything = frozenset(m.id for m in shop.plant.site.machines)
    for seen in turn.detectors.recorded(spans):
        watch.look(seen.at_ns, everything, turn.started_ns, seen, escalate=False)


async def _serve(plant: Plant, turn: Turn, flow: Flow) -> list[Decision]:
    """What every service says at the end of a turn."""
    assert turn.maintenance is not None
    now_ns = _end_ns(turn)
    windows = [(m.origin_ns, max((s.end_ns or 0 for s in m.steps), default=m.origin_ns)) for m in turn.makings]
    with _stage(turn, flow, "serve", "effectiveness of the machines, forecasts, advice for the owners"):
        said = await asyncio.to_thread(serving.effectiveness, plant, windows, now_ns)
        said += await asyncio.to_thread(serving.coach, plant, now_ns)
        said += await asyncio.to_thread(forecasting.look, plant, now_ns)
        ended = frozenset(m.id for m in plant.site.machines)
        await asyncio.to_thread(watching.watch, plant, now_ns, ended, turn.started_ns)
        flow.count("serve", len(said))
    # of an interrupted turn, what was said before it was interrupted belongs to it too
    return list(
        {d.id: d for d in [*serving.decided(plant, turn.started_ns), *turn.maintenance.decisions, *said]}.values()
    )


async def _use(plant: Plant, turn: Turn, shop: Floor, flow: Flow) -> list[Outcome]:
    """What the units did in their owners' hands: twins hit shots, or recorded swings are taken to be theirs."""
    serials = [unit.serial for making in turn.makings for unit in making.units if unit.state == "made"]
    with _stage(turn, flow, "use", f"{len(serials)} clubs are in use"):
        for parsed in turn.inputs.pop("swings", []):
            if row := await asyncio.to_thread(_keep_swings, plant, parsed, serials):
                turn.imports.append(row)
            else:
                turn.missing.append(f"{Path(parsed.path).name} was not kept: no unit has an owner yet")
        if plant.site["site"]["demo_turns"]:
            await using.hit_shots(plant, shop, turn.makings[-1], SHOTS, turn.number, flow)
    return _outcomes(plant, turn)


def _keep_swings(plant: Plant, parsed: Imported, serials: Sequence[str]) -> dict[str, Any] | None:
    """Recorded swings; each golfer is taken to play one of our units, by assumption. None when nobody has a unit."""
    shipped = {e.about: e for e in plant.store.recall(kind="unit.claimed")}
    units = [serial for serial in serials if serial in shipped] or sorted(shipped)
    if not units:
        return None

    def thing_of(key: str) -> Thing:
        serial = using.pair(plant, [key], units, "golfer of a swing file and unit").get(key)
        if serial is None:  # more golfers than units: these swings are nobody's
            return Thing(key, "swing", labels={"assumed": "unit, owner"})
        return Thing(key, "swing", unit=serial, owner=shipped[serial].body["owner"], labels={"assumed": "unit, owner"})

    return keep(plant, parsed, thing_of)


def _outcomes(plant: Plant, turn: Turn) -> list[Outcome]:
    now_ns = _end_ns(turn)
    return improving.gather(plant, using.consented(plant, improving.PURPOSE, now_ns), now_ns)


async def _improve(
    plant: Plant, turn: Turn, shop: Floor, solid: solids.Solids, outcomes: list[Outcome], flow: Flow
) -> list[Outcome]:
    """What was learned, as far as it goes: proposed, tried on the next orders, gated, released; or not supported."""
    for question in improving.questions(plant):
        with _stage(turn, flow, "improve", f"do the {question.rule} and what it does to {question.outcome} fit?"):
            state = improving.step(plant, question, outcomes, _end_ns(turn))
        trials = 0
        while state == "trial" and plant.site["site"]["demo_turns"]:
            trials += 1
            await _cohort(plant, turn, shop, solid, flow, f"B{trials}-", TRIAL_ORDERS, question)
            outcomes = await _use(plant, turn, shop, flow)
            with _stage(turn, flow, "improve", f"trial of the {question.rule}: {trials * TRIAL_ORDERS} orders so far"):
                state = improving.step(plant, question, outcomes, _end_ns(turn), final=True)
        flow.count("improve", 1)
        if trials and improving.state_of(plant, question).released and plant.site["site"]["demo_turns"]:
            with _stage(turn, flow, "release", f"in force: rules {plant.rules.revision}"):
                flow.count("release", 1)
            await _cohort(plant, turn, shop, solid, flow, "C", NEXT_ORDERS, None)
            outcomes = await _use(plant, turn, shop, flow)
            with _stage(turn, flow, "release", "the next orders, built on the new revision, are compared"):
                improving.watch_release(plant, question, outcomes, _end_ns(turn))
    return outcomes


def _end_ns(turn: Turn) -> int:
    """The plant's own time at which the last thing of this turn happened, a day after the last step."""
    ends = [step.end_ns or 0 for making in turn.makings for step in making.steps]
    return max([turn.origin_ns, *ends]) + DAY_NS


def _finish(plant: Plant, turn: Turn, decisions: Sequence[Decision], flow: Flow) -> dict[str, Any]:
    """The report, recorded once."""
    report = turn_report.report_of(plant, turn, decisions)
    plant.record("turn.finished", f"turn-{turn.number}", {"report": plain(report)}, key=f"turn.finished/{turn.number}")
    for name in ("order", "fit", "design", "plan", "make", "measure", "connect", "keep", "use", "serve", "improve"):
        flow.done(name, turn.seconds.get(name, 0.0))
    return {**report, "claim_codes": turn.codes}
