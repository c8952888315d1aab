"""People approve or decline changes: two of them where a person or a machine is touched, and nobody their own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from loopwright.app import improving, models
from loopwright.app.opening import there
from loopwright.app.plant import Plant, open_plant, read_plant
from loopwright.app.site import site_of
from loopwright.core.errors import NotAllowed, UnknownName
from loopwright.govern.access import may
from loopwright.improve import approve, cycle
from loopwright.make.fit import apply_change


def list_changes(path: Path) -> list[dict[str, Any]]:
    """Every change of the plant, with its state and its reason."""
    with read_plant(site_of(path)) as plant:
        rows = improving.in_report(plant, 0, "")
        return [{"id": row["id"], "state": row["state"], "why": row["says"]} for row in rows]


def under_way(plant: Plant, change: str) -> cycle.State:
    """The state of the change of that id; UnknownName lists those that wait."""
    waiting = {}
    makes = plant.site["product"]["file"] or any(pack.product for pack in plant.packs.values())
    for question in improving.questions(plant) if makes else []:
        state = improving.state_of(plant, question)
        if state.change is not None and cycle.due(state):
            waiting[state.change.id] = state
    for task in sorted({card.task for card in models.cards(plant.store).values()}):
        state = cycle.read(plant.store.recall(kind=list(cycle.KINDS)), task, "model")
        if state.change is not None and cycle.due(state):
            waiting[state.change.id] = state
    if change not in waiting:
        raise UnknownName("change that waits for approval", change, waiting)
    return waiting[change]


def allow(plant: Plant, name: str, proposer: str = "") -> None:
    """Raises NotAllowed unless the user of that name may approve changes."""
    users = plant.store.people.users()
    if name not in users:
        raise UnknownName("user", name, users)
    may(users[name], "change.approve", proposer=proposer)


def approve_change(path: Path, change: str, by: str) -> str:
    """One approval; when it was the last one needed and the gate was passed, the change is released."""
    site = site_of(path)
    there(site)
    with open_plant(site) as plant:
        return approve_in(plant, change, by)


def approve_in(plant: Plant, change: str, by: str) -> str:
    """The same in an open plant; in words what the change waits for now."""
    state = under_way(plant, change)
    assert state.change is not None
    purpose, proposer = cycle.due(state), state.change.proposer
    event = approve.approve(
        state.change,
        purpose,
        by,
        plant.clock.now_ns(),
        may=lambda name: allow(plant, name, proposer),
        earlier=state.approved.get(purpose, ()),
    )
    plant.store.record([event])
    now = cycle.read(plant.store.recall(kind=list(cycle.KINDS)), state.rule, state.target)
    if now.stage == "approved" and now.change is not None:
        model = state.target == "model"
        revision = str(now.change.after["model"]) if model else apply_change(plant.rules, now.change.after).revision
        plant.store.record(cycle.release(now, revision, by, plant.clock.now_ns()))
        return f"released as {revision}"
    if now.on_trial:
        return "approved for a trial: the next orders are randomised"
    missing = approve.needed(state.change) - len(now.approved.get(purpose, ()))
    return f"approved by {by}; {missing} more needed"


def decline_change(path: Path, change: str, by: str, why: str) -> None:
    """One decline ends a change."""
    site = site_of(path)
    there(site)
    with open_plant(site) as plant:
        decline_in(plant, change, by, why)


def decline_in(plant: Plant, change: str, by: str, why: str) -> None:
    """The same in an open plant."""
    state = under_way(plant, change)
    if state.change is None:
        raise NotAllowed(f"decline of {change}", "it is not under way")
    plant.store.record(
        [approve.decline(state.change, by, why, plant.clock.now_ns(), may=lambda name: allow(plant, name))]
    )
