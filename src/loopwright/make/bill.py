"""The bill of materials of one design: what goes into one unit, how much of it, and what it costs."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from loopwright.core.errors import InputError, UnknownName
from loopwright.core.types import Design
from loopwright.make.product import Product


@dataclass(frozen=True)
class Line:
    """item, quantity in `unit`, and the cost of this quantity in minor units of the order's currency."""

    item: str
    quantity: float
    unit: str
    cost_minor: int


Formulas = Mapping[str, Callable[..., float]]


def bill(product: Product, design: Design, formulas: Formulas | None = None) -> tuple[Line, ...]:
    """The lines for one unit of a design.

    formulas  functions that the product file names as quantity_formula: f(design) -> quantity in the line's unit
    Raises UnknownName for a formula that is not there, InputError when one does not give a positive number.
    """
    lines, known = [], formulas or {}
    for item in product.bill:
        quantity = item.quantity
        if item.formula:
            if item.formula not in known:
                raise UnknownName(f"bill of {product.family}, {item.item!r}: quantity_formula", item.formula, known)
            quantity = known[item.formula](design)
        if not (math.isfinite(quantity) and quantity > 0):
            raise InputError(f"bill of {design.id}, {item.item!r}", f"quantity {quantity!r}", "a number above 0")
        lines.append(Line(item.item, quantity, item.unit, round(item.cost_minor * quantity)))
    return tuple(lines)


def cost_minor(lines: tuple[Line, ...]) -> int:
    """What the materials of one unit cost, in minor units."""
    return sum(line.cost_minor for line in lines)
