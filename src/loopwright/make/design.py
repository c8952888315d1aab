"""The design of one order: the parameters its rules gave, under an id with family, order and revision of the rules.

as_body and from_body carry a design through the ledger. The words of `because` name body measures, which no event may
hold: they are left out there and come back by fitting again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from loopwright.core.errors import InputError
from loopwright.core.types import Design, Order, Parameter, Person


def design(order: Order, person: Person, parameters: Sequence[Parameter], revision: str, mirrored: bool) -> Design:
    """The design of an order for a person.

    parameters  what `fit` gave
    revision    of the rules: RuleSet.revision
    mirrored    made as the mirror image (a left-handed product)
    Raises InputError when the order is of somebody else, or a parameter stands twice or not at all.
    """
    if order.person != person.id:
        raise InputError(f"order {order.id!r}", f"is of {order.person!r}, the measures are of {person.id!r}")
    names = [p.name for p in parameters]
    if not names or len(set(names)) < len(names):
        raise InputError(f"order {order.id!r}", f"parameters {names}", "each parameter once, and at least one")
    return Design(f"{order.family}/{order.id}@{revision}", order.family, revision, tuple(parameters), mirrored)


def as_body(made: Design) -> dict[str, Any]:
    """The body of an order.fitted event: plain data, without the words that hold body measures."""
    rows = [
        {field: getattr(p, field) for field in ("name", "value", "unit", "low", "high", "rule", "source")}
        for p in made.parameters
    ]
    return {
        "design": made.id, "family": made.family, "revision": made.revision, "parameters": rows,
        "mirrored": made.mirrored, "rules": [p.rule for p in made.parameters],
    }


def from_body(body: Mapping[str, Any]) -> Design:
    """The design that `as_body` wrote (its parameters' `because` is empty)."""
    parameters = tuple(Parameter(**{"because": "", **row}) for row in body["parameters"])
    return Design(body["design"], body["family"], body["revision"], parameters, body["mirrored"])
