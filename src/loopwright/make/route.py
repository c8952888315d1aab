"""The operations of one order: role, seconds, what they wait for, and the program a machine runs, with its hash.

The program is a short parametric call in the manner of ISO 6983 (G-code): the parameters of the design as variables in
mm and degrees, then the call of the operation's own macro. Equal designs give equal programs, byte for byte.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from loopwright.core.errors import InputError, UnknownName
from loopwright.core.types import Design, Order
from loopwright.core.units import INSIDE
from loopwright.make.product import Product, RouteStep

# what a controller is told in, instead of the inside unit: unit -> (its name, how many of it make one inside unit)
_ON_THE_MACHINE = {INSIDE["length"]: ("MM", 1e3), INSIDE["angle"]: ("DEG", 180 / math.pi), INSIDE["mass"]: ("G", 1e3)}
_BRACES = re.compile(r"\{([^{}]*)\}")


@dataclass(frozen=True)
class RouteOperation:
    """An operation of one order.

    seconds         on the machine, setup included
    after           operations of the same order that must have ended
    program         what the machine runs; '' where a person works
    program_sha256  its hash, which every unit carries; '' without a program
    setup           what its machine must stand in, skill: what a person must be able to do, tools and materials (lines
                    of the bill) it needs: they count where the site says what there is
    batch           operations of equal, non-empty batch may share a machine that takes several at once
    lag_s, lot_s    how it waits for `after`: see `make.product.RouteStep`
    """

    name: str
    role: str
    seconds: int
    after: tuple[str, ...] = ()
    program: str = ""
    program_sha256: str = ""
    setup: str = ""
    skill: str = ""
    tools: tuple[str, ...] = ()
    materials: tuple[str, ...] = ()
    batch: str = ""
    lag_s: int = 0
    lot_s: int | None = None


def operations(product: Product, order: Order, design: Design) -> tuple[RouteOperation, ...]:
    """The operations that make one unit of an order, in the order of the product's route."""
    if order.family != product.family:
        raise InputError(f"order {order.id!r}", f"is for {order.family!r}", f"{product.family!r}, as this route")
    made = []
    for number, step in enumerate(product.route, 1):
        text = program(design, step, number) if step.program else ""
        digest = hashlib.sha256(text.encode()).hexdigest() if text else ""
        seconds = step.seconds + step.setup_s
        made.append(RouteOperation(step.operation, step.role, seconds, step.after, text, digest,
                                   filled(design, step, step.setup), step.skill, step.tools, step.materials,
                                   filled(design, step, step.batch), step.lag_s, step.lot_s))
    return tuple(made)


def filled(design: Design, step: RouteStep, text: str) -> str:
    """The setup or batch of an operation for one design: `text`, with {parameter} and {hand} ('left', 'right') filled.

    Raises UnknownName for a parameter that the design does not have.
    """
    known: dict[str, str] = {"hand": "left" if design.mirrored else "right"}
    known |= {p.name: p.value if isinstance(p.value, str) else f"{p.value:.6g}" for p in design.parameters}
    for name in _BRACES.findall(text):
        if name not in known:
            raise UnknownName(f"operation {step.operation!r}: {text!r}", name, known)
    return _BRACES.sub(lambda match: known[match.group(1)], text)


def rework(
    product: Product, done: Iterable[RouteOperation], parameters: Iterable[str], attempt: int
) -> tuple[RouteOperation, ...]:
    """The operations a unit goes through again: those its parameters out of tolerance need, and all that follow them.

    done        the operations of the first making
    parameters  the parameters out of tolerance
    attempt     2 for the first rework: the operations are named 'bend#2', 'measure#2'
    """
    first = [_rework_step(product, name) for name in parameters]
    again: set[str] = set(first)
    for _ in product.route:  # as many rounds as the longest chain can be
        again |= {step.operation for step in product.route if again & set(step.after)}
    chosen = [operation for operation in done if operation.name in again]
    if not chosen:
        raise InputError(f"rework of {product.family}", f"nothing to do again for {first}", "operations of its route")
    return tuple(
        replace(o, name=f"{o.name}#{attempt}", after=tuple(f"{name}#{attempt}" for name in o.after if name in again))
        for o in chosen)


def _rework_step(product: Product, parameter: str) -> str:
    named = product.tolerance(parameter).rework
    programmed = [step.operation for step in product.route if step.program]
    return named or (programmed or [product.route[0].operation])[-1]


def program(design: Design, step: RouteStep, number: int) -> str:
    """The program of one operation of a design. number: the operation's place in the route, which names the macro."""
    lines = ["%", f"O{1000 + number:04d} ({_comment(step.operation)})", f"(DESIGN {_comment(design.id)})"]
    lines += ["G21 G17 G40 G90 (MM, XY PLANE)"]
    if design.mirrored:
        lines.append("G51.1 X0 (MIRROR IMAGE)")
    for index, p in enumerate(sorted(design.parameters, key=lambda p: p.name)):
        if isinstance(p.value, str):
            lines.append(f"({_comment(p.name)} {_comment(p.value)})")
            continue
        name, per_inside = _ON_THE_MACHINE.get(p.unit, (p.unit, 1.0))
        lines.append(f"#{101 + index}={p.value * per_inside:.4f} ({_comment(p.name)} {_comment(name)})")
    lines.append(f"G65 P{9000 + number}")
    if design.mirrored:
        lines.append("G50.1")
    return "\n".join([*lines, "M30", "%", ""])


def _comment(text: str) -> str:
    """A text as a controller's comment may hold it: capitals, no brackets."""
    return text.upper().replace("(", "[").replace(")", "]")
