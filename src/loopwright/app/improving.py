"""What products did in use, weighed into changes: proposed, tried, gated, approved, released - or honestly not.

outcomes = gather(plant, question)         outcome.measured for every unit with enough shots
step(plant, question, outcomes, t_ns)      as far as the improvement of that rule can go now
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from loopwright.app.imports import renamed
from loopwright.app.plant import Plant
from loopwright.core.errors import NotAllowed
from loopwright.core.types import Event
from loopwright.improve import cycle
from loopwright.improve.outcomes import Built, Outcome, ShotSignals, as_body, measure
from loopwright.improve.question import Limits, Question
from loopwright.improve.release import check, undo
from loopwright.make.fit import RuleSet, apply_change, load_rules

PURPOSE = "improvement"  # what an owner consents to, so that their shots may change a rule


def questions(plant: Plant) -> list[Question]:
    """What the product's pack asks of its outcomes, with the limits of the rule as it stands."""
    return [_with_limits(plant, question) for question in plant.product_pack.questions]


def _with_limits(plant: Plant, question: Question) -> Question:
    rule = plant.rules.rule(question.rule)
    limits = question.limits
    low = rule.low if rule.low is not None else limits.low
    high = rule.high if rule.high is not None else limits.high
    return replace(question, limits=Limits(low, high, limits.largest_step, limits.group_worse, limits.group_units))


def gather(plant: Plant, consented: set[str], t_ns: int) -> list[Outcome]:
    """One outcome per finished unit with enough shots of an owner who agreed; recorded as events."""
    signals = plant.product_pack.outcome_signals
    if not signals:
        return []
    built = _built(plant, consented)
    if not built:
        return []
    units = {thing.id: thing.unit for thing in plant.store.things().values() if thing.unit}
    wanted = {unit.unit for unit in built}
    heard = [thing for thing, unit in units.items() if unit in wanted]
    points = plant.store.get(things=heard, signals=list(signals.values()))
    # a shot filmed from two sides says the same twice
    points = points.group_by(
        [name for name in points.column_names if name in ("thing", "signal", "t_ns", "value", "quality")]
    )
    renamed_points = renamed(points.aggregate([]), {thing: units[thing] for thing in heard})
    found = measure(renamed_points, built, ShotSignals(signals["direction"], signals["distance"]))[0]
    plant.store.record(
        [
            Event("outcome.measured", one.unit, t_ns, plant.actor, as_body(one), key=f"outcome/{one.unit}/{one.shots}")
            for one in found
        ]
    )
    return found


def _built(plant: Plant, consented: set[str]) -> list[Built]:
    fitted = {event.about: event.body for event in plant.store.recall(kind="order.fitted")}
    owners = {event.about: event.body for event in plant.store.recall(kind="unit.claimed")}
    paired = {thing.unit for thing in plant.store.things().values() if thing.unit and thing.labels.get("assumed")}
    persons = {p.id: p for p in plant.store.people.find(ids={body["owner"] for body in owners.values()})}
    rows = []
    for event in plant.store.recall(kind="unit.finished"):
        owner = owners.get(event.about)
        person = persons.get(owner["owner"]) if owner else None
        if owner is None or person is None or person.id not in consented:
            continue
        order = event.body["order"]
        designed = {p["name"]: p["value"] for p in fitted[order]["parameters"] if isinstance(p["value"], (int, float))}
        group = f"{person.group or 'unknown'}/{person.handedness}"
        stature = {"stature": person.measures["stature"]} if "stature" in person.measures else {}
        rows.append(
            Built(
                event.about,
                person.id,
                str(event.body["revision"]),
                dict(event.body["as_built"]),
                designed,
                person.handedness,
                group,
                event.about in paired,
                order,
                covariates=stature,
            )
        )
    return rows


def state_of(plant: Plant, question: Question) -> cycle.State:
    """Where the improvement of the question's rule stands."""
    return cycle.read(plant.store.recall(kind=list(cycle.KINDS)), question.rule)


def rules_for(plant: Plant, question: Question | None, order: str) -> RuleSet:
    """The rules one order is fitted with: those in force, with the change on trial where the order drew it."""
    if question is None:
        return plant.rules
    state = state_of(plant, question)
    arm = next((a.arm for a in state.assigned if a.order == order), "old")
    return load_rules(plant.rules_folder, cycle.arms(state)[arm if state.on_trial else "old"])


def assign(plant: Plant, question: Question, orders: Sequence[str], t_ns: int) -> None:
    """Tosses for each of the orders whether it is built by the old or the new rule, while a trial runs."""
    plant.store.record(cycle.assign(state_of(plant, question), orders, plant.site.seed, t_ns))


def step(plant: Plant, question: Question, outcomes: Sequence[Outcome], t_ns: int, final: bool = False) -> str:
    """Goes on as far as it can without new orders: 'trial' when orders are to be randomised now, else ''.

    final  no further outcome of the orders made so far will come: a full trial ends with what it has

    People approve a real site's changes; an example site's named approvers do it by themselves, and it says so.
    """
    for _ in range(8):
        state = state_of(plant, question)
        revision = plant.rules.revision if state.stage == "watching" else ""
        events = cycle.advance(state, outcomes, question, t_ns, revision, final=final)
        if not events:
            events = cycle.approve(state, plant.site["site"]["approvers"], t_ns, lambda name: may_approve(plant, name))
        if not events and state.change is not None:
            next_one = apply_change(plant.rules, state.change.after).revision if state.stage == "approved" else ""
            events = cycle.release(state, next_one, plant.actor, t_ns)
        if not events:
            break
        plant.store.record(events)
        if events[0].kind == "change.notproposed":
            break
        if events[0].kind == "change.released":
            break
    return "trial" if state_of(plant, question).on_trial else ""


def may_approve(plant: Plant, name: str) -> None:
    """Raises NotAllowed unless an example site names that approver."""
    if name not in plant.site["site"]["approvers"]:
        raise NotAllowed(
            f"approval by {name!r}", "is not one of the site's approvers", ", ".join(plant.site["site"]["approvers"])
        )


def watch_release(plant: Plant, question: Question, outcomes: Sequence[Outcome], t_ns: int) -> dict[str, Any] | None:
    """How the orders since the last release of this rule did, beside those before it; undone when they did worse."""
    state = state_of(plant, question)
    if state.change is None or state.change.state != "released":
        return None
    now = plant.rules.revision
    arms = {e.about: e.body["arm"] for e in plant.store.recall(kind="trial.assigned")}
    after = [o for o in outcomes if o.revision == now and o.order not in state.tried]
    before = [o for o in outcomes if o.revision != now and arms.get(o.order, "old") == "old"]
    found = check(before, after, question)
    plant.record(
        "change.checked", state.change.id, {"check": found}, t_ns=t_ns, key=f"checked/{state.change.id}/{len(after)}"
    )
    if found.get("worse"):
        plant.store.record([undo(state.change, plant.actor, str(found["says"]), t_ns)])
    return found


def in_report(plant: Plant, since_ns: int, target: str = "rule") -> list[dict[str, Any]]:
    """What became of every change since a time, one row each, with the sentence that the report prints.

    target  of rules, of models, '' for all
    """
    rows: dict[str, dict[str, Any]] = {}
    events = plant.store.recall(kind="change.")
    proposed = {e.about: e.body["change"] for e in events if e.kind == "change.proposed"}
    models = {about for about, change in proposed.items() if change["target"] == "model"}
    for event in events:
        if event.known_ns < since_ns or target not in ("", "model" if event.about in models else "rule"):
            continue
        if event.about not in rows:
            of = proposed.get(event.about)
            says = f"{of['target']} {of['about']}: proposed before" if of else event.about
            rows[event.about] = {"id": event.about, "state": "", "says": says, "events": []}
        rows[event.about]["events"].append(event.id)
        _tell(rows[event.about], event)
    return list(rows.values())


def _tell(row: dict[str, Any], event: Event) -> None:
    """One event more of a change, in its row."""
    word, body = event.kind.removeprefix("change."), event.body
    if word == "notproposed":
        says = f"rule {body['rule']}: not supported, because {body['reason']}"
        row.update(state="not supported", says=says, evidence=body["evidence"])
    elif word == "proposed":
        change = body["change"]
        says = f"{change['target']} {change['about']}: proposed; {change['why']}"
        row.update(state=word, rule=change["about"], before=change["before"], after=change["after"], why=change["why"],
                   says=says)
    elif word == "gated":
        trial = {key: value for key, value in body["trial"].items() if key != "sequence"}
        row.update(state="gated" if body["passed"] else "rejected", tests=body["tests"], trial=trial)
        row["says"] += f"; {'passed' if body['passed'] else 'failed'} its gate"
    elif word == "approved":
        by = {"by": event.actor, "purpose": body.get("purpose", ""), "automatic": body["automatic"]}
        row.setdefault("approved_by", []).append(by)
    elif word in ("released", "declined", "undone"):
        row["state"] = word
        row["says"] += f"; {word}" + (f" as {body['revision']}" if word == "released" else "")
    elif word == "checked":
        row["after_release"] = dict(body["check"])
        row["says"] += f"; since then {body['check']['says']}"
