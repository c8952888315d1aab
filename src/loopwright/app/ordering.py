"""People become orders, orders become designs: the first two stages of a turn.

place(plant, "T001-A", persons)          order.placed for each
fit_orders(plant, orders, rules_of)      order.fitted or order.refused for each
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from loopwright.app.plant import Plant
from loopwright.core.clock import NS_PER_S
from loopwright.core.errors import InputError
from loopwright.core.types import DOUBTFUL, Design, Event, Order, Person
from loopwright.make import design as designs
from loopwright.make.fit import RuleSet, fit

DAY_NS = 86_400 * NS_PER_S
CONTEXT = {
    "club_speed": "club.speed",
    "ball_speed": "ball.speed",
}  # what a rule may ask for -> the signal that tells it


def choose(plant: Plant, count: int, seed: int, first: Sequence[str] = ()) -> list[Person]:
    """`count` persons who have no order yet, drawn from the seed; at least the site's share of them left-handed.

    first  ids that are taken before the draw (persons who have shots)
    Raises InputError when fewer are known.
    """
    ordered = {event.body["person"] for event in plant.store.recall(kind="order.placed")}
    free = sorted((p for p in plant.store.people.find() if p.id not in ordered), key=lambda p: p.id)
    if len(free) < count:
        raise InputError(
            f"plant {plant.site.folder}",
            f"{count} orders need {count} persons, {len(free)} have none yet",
            "",
            "import more: loopwright import persons FILE --site PATH",
        )
    chance = random.Random(f"{seed}/{len(ordered)}")
    wanted = [p for p in free if p.id in set(first)][:count]
    rest = [p for p in free if p not in wanted]
    chance.shuffle(rest)
    left = [p for p in rest if p.handedness == "left"]
    least = round(count * float(plant.site["orders"]["left_share"])) or (1 if count > 1 else 0)
    short = max(0, least - sum(p.handedness == "left" for p in wanted))
    wanted += left[: min(short, count - len(wanted))]
    taken = {p.id for p in wanted}
    wanted += [p for p in rest if p.id not in taken][: count - len(wanted)]
    return wanted


def place(plant: Plant, prefix: str, persons: Sequence[Person], t_ns: int, **body: Any) -> list[Order]:
    """One order for each person; recording it again gives the same orders."""
    table, family = plant.site["orders"], plant.product.family
    due_ns = t_ns + round(float(table["due_days"]) * DAY_NS)
    orders = [
        Order(
            f"{prefix}{i:03d}",
            person.id,
            family,
            {"handedness": person.handedness},
            1,
            due_ns,
            int(table["price_minor"]),
            str(table["currency"]),
        )
        for i, person in enumerate(persons, 1)
    ]
    plant.store.record(
        [
            Event(
                "order.placed",
                order.id,
                t_ns,
                plant.actor,
                {**_without_id(order), **body},
                key=f"order.placed/{order.id}",
            )
            for order in orders
        ]
    )
    return orders


def _without_id(order: Order) -> dict[str, Any]:
    body = asdict(order)
    body.pop("id")
    return body


def context_of(plant: Plant, person: str) -> dict[str, float]:
    """Median speeds of the person's shots where there are any, inside units; doubtful values are left out."""
    things = [thing.id for thing in plant.store.things().values() if thing.owner == person]
    known: dict[str, float] = {}
    for name, signal in CONTEXT.items():
        if not things:
            break
        table = plant.store.get(things=things, signals=[signal])
        values = table.column("value").to_numpy(zero_copy_only=False)
        good = values[(table.column("quality").to_numpy() < DOUBTFUL) & np.isfinite(values)]
        if len(good) >= 3:
            known[name] = float(np.median(good))
    return known


def fit_orders(plant: Plant, orders: Sequence[Order], rules_of: Callable[[Order], RuleSet], t_ns: int) -> list[Design]:
    """The designs of the orders that can be made; each of the others is refused with the reason."""
    formulas, product = plant.product_pack.formulas, plant.product
    made, events = [], []
    for order in orders:
        person = plant.store.people.person(order.person)
        rules = rules_of(order)
        try:
            parameters = fit(rules, person.measures, context_of(plant, person.id), formulas)
            mirrored = product.mirrored_by_handedness and person.handedness == "left"
            one = designs.design(order, person, parameters, rules.revision, mirrored)
        except InputError as error:
            body = {"person": order.person, "reason": _without_measure(error)}
            events.append(Event("order.refused", order.id, t_ns, plant.actor, body, key=f"order.refused/{order.id}"))
            continue
        made.append(one)
        events.append(
            Event("order.fitted", order.id, t_ns, plant.actor, designs.as_body(one), key=f"order.fitted/{order.id}")
        )
    plant.store.record(events)
    return made


def _without_measure(error: InputError) -> str:
    """Why an order was refused, without the body measure itself: an event holds no personal data."""
    allowed = f"; allowed: {error.allowed}" if error.allowed else ""
    return f"{error.where}: outside what the rule covers{allowed}"


def order_of(event: Event) -> Order:
    """The order that an order.placed event tells of."""
    known: Mapping[str, Any] = {k: v for k, v in event.body.items() if k in Order.__dataclass_fields__}
    return Order(id=event.about, **known)
