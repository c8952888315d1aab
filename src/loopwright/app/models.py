"""The league on a plant: a trained model is kept, stands for promotion, serves, is scored, and may be demoted.

    keep(plant, card, state, t_ns)                 its file, and the event with its card
    stand(plant, card, proof, t_ns)                proposed, gated, and on an example site approved and released

What it says live is scored, and a champion that loses demoted, by `app.scored`. A task without a model in force is
served by its simplest baseline. Everything is a fold over events.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any

import numpy as np

from loopwright.app import improving
from loopwright.app.plant import Plant
from loopwright.core.errors import InputError, NotAllowed, StoreError, UnknownName
from loopwright.core.types import Event, Model
from loopwright.govern.access import may
from loopwright.improve import approve, cycle, promotion
from loopwright.improve.promotion import Proof
from loopwright.learn import league
from loopwright.learn.kept import registry
from loopwright.store import Store

ACTOR = "league"
KINDS = (*league.KINDS, "change.proposed", "change.gated", "change.approved", "change.declined", "model.checked")


def keep(plant: Plant, card: Model, state: Any, t_ns: int) -> Event:
    """Keeps a model in the plant's folder, and its card as an event. Raises InputError for a state that cannot be kept,
    or that is not the card's."""
    name = registry.save(plant.store.path, state)
    if name != card.weights_hash:
        raise InputError(f"model {card.id}", f"what is kept is {name[:12]}", f"{card.weights_hash[:12]}, of its card")
    return plant.record("model.trained", card.id, {"card": asdict(card)}, t_ns=t_ns,
                        key=f"model/{card.id}/{card.known_by_ns}")


def cards(store: Store) -> dict[str, Model]:
    """Every model that was trained, by id, the newest card of each; in the order in which they were first trained."""
    known = {f.name for f in fields(Model)}
    found: dict[str, Model] = {}
    for event in store.recall(kind="model.trained"):
        body = {key: value for key, value in event.body["card"].items() if key in known}
        lists = {key: tuple(body[key]) for key in ("signals", "things", "worst") if key in body}
        found[event.about] = Model(**{**body, **lists})
    return found


def card_of(store: Store, model: str) -> Model:
    """The card of a model by its id, or by the beginning of its id or of the name it is kept under, where only one has
    it."""
    known = cards(store)
    if model in known:
        return known[model]
    near = [one for one in known.values() if model and (one.id.startswith(model) or one.weights_hash.startswith(model))]
    if len(near) != 1:
        raise UnknownName("model", model, known)
    return near[0]


def serving(store: Store, task: str) -> dict[str, Any] | None:
    """The model in force for a task, as `learn.league.serving`; None: the baseline serves."""
    return league.serving(store.recall(kind=league.KINDS), task)


def load(store: Store, card: Model) -> Any:
    """The kept state of a model, checked against its name."""
    return registry.load(store.path, card.weights_hash)


def stand(
    plant: Plant, card: Model, proof: Proof, t_ns: int, broken: Mapping[str, str] | None = None, proposer: str = ACTOR,
) -> str:
    """Puts a kept model up for promotion; how far it came: 'serves', 'waits', 'rejected', or what it was before.

    broken  what is wrong with it, by the name of the test; '' where nothing is
    On a site that names approvers they approve by themselves, recorded as automatic (example); else it waits for two
    people. A model that was rejected, declined or demoted is not put up again by itself (`again`).
    """
    now = serving(plant.store, card.task)
    if now is not None and now["model"] == card.id:
        return "serves"
    proposed = [e for e in plant.store.recall(kind="change.proposed")
                if e.body["change"]["target"] == "model" and e.body["change"]["after"].get("model") == card.id]
    if not proposed or proposer != ACTOR:
        _open(plant, card, proof, now, broken or {}, proposer, t_ns, again=len(proposed))
    state = cycle.read(plant.store.recall(kind=list(cycle.KINDS)), card.task, "model")
    if state.change is None or state.change.after["model"] != card.id:
        return "waits behind another"
    plant.store.record(cycle.approve(
        state, plant.site["site"]["approvers"], t_ns, lambda name: improving.may_approve(plant, name)))
    state = cycle.read(plant.store.recall(kind=list(cycle.KINDS)), card.task, "model")
    plant.store.record(cycle.release(state, card.id, plant.actor, t_ns))
    now = serving(plant.store, card.task)
    if now is not None and now["model"] == card.id:
        return "serves"
    return "waits" if cycle.due(state) else str(state.change.state if state.change else "rejected")


def _open(
    plant: Plant, card: Model, proof: Proof, now: Mapping[str, Any] | None, broken: Mapping[str, str], proposer: str,
    t_ns: int, again: int,
) -> None:
    """Records the proposal and what its gate found; an earlier one of the task that still waits ends with it."""
    earlier = cycle.read(plant.store.recall(kind=list(cycle.KINDS)), card.task, "model")
    if cycle.due(earlier) and earlier.change is not None:
        words = f"{card.id} takes its place"
        plant.store.record([approve.decline(earlier.change, ACTOR, words, t_ns, may=lambda name: None)])
    altered = registry.wrong(plant.store.path, card.weights_hash)
    tests = {"kept as it was trained": altered, **broken}
    rival = _rival(plant.store, proof, str(now["model"])) if now else None
    passed, found = promotion.gate(card, proof, rival, tests)
    why = (f"{card.id}: mean {card.loss} {np.mean(proof.ours):.4g} on {len(proof.units)} units that it had not seen, "
           f"{card.baseline.get('name', 'the baseline')} {np.mean(proof.theirs):.4g}.")
    change = promotion.propose(card, str(now["model"]) if now else "", why, proposer, again)
    plant.store.record(promotion.opened(change, passed, found, t_ns, len(proof.units)))


def proof_of(kept: Mapping[str, Any]) -> Proof:
    """What a kept model lost beside the baseline, on units that it had not seen. InputError where it keeps none."""
    losses = kept.get("losses") if isinstance(kept, Mapping) else None
    if not isinstance(losses, Mapping) or not {"units", "ours", "theirs"} <= set(losses):
        raise InputError("promotion", "the model keeps no losses on units it had not seen", "", "train it again")
    return Proof(tuple(losses["units"]), np.asarray(losses["ours"]), np.asarray(losses["theirs"]))


def _rival(store: Store, proof: Proof, model: str) -> Proof | None:
    """Both models' losses on the units that each of them left out; None when the one that serves cannot be read."""
    try:
        theirs = proof_of(load(store, card_of(store, model)))
    except (StoreError, InputError):
        return None
    other = dict(zip(theirs.units, theirs.ours.tolist(), strict=True))
    both = [i for i, unit in enumerate(proof.units) if unit in other]
    return Proof(tuple(proof.units[i] for i in both), proof.ours[both], np.array([other[proof.units[i]] for i in both]))


def promote(plant: Plant, model: str, by: str, t_ns: int) -> str:
    """Somebody puts a kept model up for promotion; in words how far it came. Raises NotAllowed for who may not."""
    allow(plant, by)
    card = card_of(plant.store, model)
    state = cycle.read(plant.store.recall(kind=list(cycle.KINDS)), card.task, "model")
    if cycle.due(state) and state.change is not None:
        given = f"{state.change.id} of {state.change.after['model']} waits"
        todo = f"loopwright changes approve or decline {state.change.id}"
        raise NotAllowed(f"promotion of {card.id}", given, "one at a time", todo)
    came = stand(plant, card, proof_of(load(plant.store, card)), t_ns, proposer=by)
    words = {"serves": "it serves", "waits": "it passed its gate and waits for two people (loopwright changes list)",
             "rejected": "its gate refused it (loopwright models show)"}
    return words.get(came, came)


def demote(plant: Plant, model: str, by: str, why: str, t_ns: int) -> str:
    """Somebody takes a model out of force; the baseline serves from then on. Raises NotAllowed for who may not, or when
    it does not serve."""
    allow(plant, by)
    card = card_of(plant.store, model)
    now = serving(plant.store, card.task)
    if now is None or now["model"] != card.id:
        raise NotAllowed(f"demotion of {card.id}", f"{now['model'] if now else 'the baseline'} serves {card.task}",
                         "the model that serves")
    if not why.strip():
        raise NotAllowed(f"demotion of {card.id}", "no reason is given", "a sentence that says why")
    plant.store.record(promotion.demoted(card.id, card.task, now["change"], why.strip(), by, t_ns))
    return f"{card.baseline.get('name', 'the baseline')} serves {card.task} from now on"


def allow(plant: Plant, name: str) -> None:
    """Raises NotAllowed unless the user of that name may approve changes."""
    users = plant.store.people.users()
    if name not in users:
        raise UnknownName("user", name, users)
    may(users[name], "change.approve")
