"""What a family of products is made of and how: bill, route and tolerances, read from one TOML file and checked.

    load_product(path) -> Product

The format stands in docs/how-to/make-a-product.md.
"""

from __future__ import annotations

import graphlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loopwright.core.errors import InputError, UnknownName
from loopwright.core.units import inside_unit, unit
from loopwright.make.fields import Fields, read_toml, width_to_inside


@dataclass(frozen=True)
class Item:
    """A line of the bill of materials.

    quantity    in `unit` ('piece' or one of the table), unless `formula` names a function of the design that gives it
    cost_minor  of one `unit`, in minor units of the order's currency (cents)
    """

    item: str
    unit: str
    cost_minor: int
    quantity: float = 0.0
    formula: str = ""


@dataclass(frozen=True)
class RouteStep:
    """An operation of the route: who can do it, for how long, after which others, and whether a program runs.

    setup      what its machine must stand in ('{parameter}' and '{hand}' are filled in by the design); '': anything
    skill      what a person must be able to do, who is busy with it; '': nobody is
    tools      tools it holds; materials: lines of the bill that must have arrived
    batch      what goes into an oven together carries equal text ('{parameter}' and '{hand}' filled in); '': alone
    lag_s      so long after what it waits for has ended (cooling, drying, transport)
    lot_s      transfer lots: it may start so long after the start of what it waits for, and ends `lag_s` after its end
               at the earliest; None: it waits for its end
    """

    operation: str
    role: str
    seconds: int
    setup_s: int
    program: bool
    after: tuple[str, ...]
    setup: str = ""
    skill: str = ""
    tools: tuple[str, ...] = ()
    materials: tuple[str, ...] = ()
    batch: str = ""
    lag_s: int = 0
    lot_s: int | None = None


@dataclass(frozen=True)
class Tolerance:
    """How far as-built may be from as-designed, all widths in the inside unit; `people` is the unit it is read in.

    good           at most this far: good
    scrap          further than this: scrap; between: rework
    process_sigma  spread of the process, one standard deviation (for the twin of the process)
    gauge_sigma    spread of the gauge (for the twin of the gauge)
    rework         the operation a unit goes back to; '' = the last one that runs a program
    """

    parameter: str
    people: str
    good: float
    scrap: float
    process_sigma: float
    gauge_sigma: float
    rework: str = ""


@dataclass(frozen=True)
class Product:
    """A family: what it is called, whether left-handed is its mirror image, bill, route and tolerances."""

    family: str
    name: str
    mirrored_by_handedness: bool
    bill: tuple[Item, ...]
    route: tuple[RouteStep, ...]
    tolerances: tuple[Tolerance, ...]

    def tolerance(self, parameter: str) -> Tolerance:
        """The tolerance of a parameter; UnknownName lists what there is."""
        for tolerance in self.tolerances:
            if tolerance.parameter == parameter:
                return tolerance
        raise UnknownName(f"tolerance of {self.family}", parameter, [t.parameter for t in self.tolerances])


def load_product(path: Path) -> Product:
    """The product of a TOML file. Raises InputError, UnknownName or UnitError that names the file and the field."""
    path = Path(path)
    top = Fields(read_toml(path), path.name)
    f = Fields(top.take("product"), f"{path.name} [product]")
    family, name, mirrored = f.text("family"), f.text("name"), f.flag("mirrored_by_handedness", False)
    f.end()
    bill = tuple(_item(row, where) for where, row in top.rows("bill"))
    route = _route(top, path.name)
    items = {line.item for line in bill}
    for step in route:
        for material in step.materials:
            if material not in items:
                raise UnknownName(f"{path.name} [[route]] {step.operation!r}: materials", material, items)
    tolerances = tuple(_tolerance(row, where, route) for where, row in top.rows("tolerance"))
    top.end()
    twice = [t.parameter for t in tolerances]
    if len(set(twice)) < len(twice):
        raise InputError(f"{path.name} [[tolerance]]", f"parameters {twice}", "each parameter once")
    return Product(family, name, mirrored, bill, route, tolerances)


def _item(row: Any, where: str) -> Item:
    f = Fields(row, where)
    item, cost = f.text("item"), f.number("cost_minor")
    name = f.text("unit", "piece")
    if name != "piece":
        unit(name, f"{where}: unit ('piece' or a unit of the table)")
    formula = f.text("quantity_formula", "")
    quantity = f.number("quantity", 0.0)
    f.end()
    if cost < 0 or cost != int(cost):
        raise InputError(f"{where}: cost_minor", f"{cost:g}", "a whole number of minor units (cents), 0 or more")
    if bool(formula) == (quantity > 0):
        raise InputError(where, f"{item!r} has quantity {quantity:g} and quantity_formula {formula!r}", "one of them")
    return Item(item, name, int(cost), quantity, formula)


def _route(top: Fields, file: str) -> tuple[RouteStep, ...]:
    """The operations; without `after` one follows the operation written above it."""
    steps: list[RouteStep] = []
    for where, row in top.rows("route"):
        f = Fields(row, where)
        name, after = f.text("operation"), f.names("after")
        if after is None:
            after = (steps[-1].operation,) if steps else ()
        minutes, setup = f.number("minutes"), f.number("setup_minutes", 0.0)
        if minutes <= 0 or setup < 0:
            raise InputError(where, f"minutes {minutes:g}, setup_minutes {setup:g}", "minutes > 0, setup_minutes >= 0")
        role, runs_program = f.text("role"), f.flag("program", False)
        needs = f.text("setup", ""), f.text("skill", ""), f.names("tools") or (), f.names("materials") or ()
        waits = f.text("batch", ""), *_waits(f, where, after)
        steps.append(RouteStep(name, role, round(minutes * 60), round(setup * 60), runs_program, after, *needs, *waits))
        f.end()
    names = [step.operation for step in steps]
    if not names or len(set(names)) < len(names):
        raise InputError(f"{file} [[route]]", f"operations {names}", "each operation once, and at least one")
    for step in steps:
        for before in step.after:
            if before not in names:
                raise UnknownName(f"{file} [[route]] {step.operation!r}: after", before, names)
    try:
        graphlib.TopologicalSorter({s.operation: s.after for s in steps}).prepare()
    except graphlib.CycleError as error:
        circle = " -> ".join(reversed(error.args[1]))
        raise InputError(f"{file} [[route]]", f"operations wait for each other: {circle}") from error
    return tuple(steps)


def _waits(f: Fields, where: str, after: tuple[str, ...]) -> tuple[int, int | None]:
    """(lag_s, lot_s) of an operation."""
    wait, lot = f.number("wait_minutes", 0.0), f.number("lot_minutes", -1.0)
    if wait < 0 or (lot < 0 and lot != -1.0):
        raise InputError(where, f"wait_minutes {wait:g}, lot_minutes {lot:g}", "0 or more")
    if not after and (wait or lot >= 0):
        raise InputError(where, "wait_minutes or lot_minutes, and it waits for nothing", "an operation in `after`")
    return round(wait * 60), None if lot < 0 else round(lot * 60)


def _tolerance(row: Any, where: str, route: tuple[RouteStep, ...]) -> Tolerance:
    f = Fields(row, where)
    parameter, people = f.text("parameter"), f.unit("unit")
    good, scrap, process, gauge = (
        width_to_inside(f.number(key), people) for key in ("good", "scrap", "process_sigma", "gauge_sigma"))
    rework = f.text("rework", "")
    f.end()
    if not (0 < good <= scrap and process >= 0 and gauge >= 0):
        raise InputError(where, "widths do not fit together", "0 < good <= scrap, process_sigma and gauge_sigma >= 0")
    if rework and rework not in [step.operation for step in route]:
        raise UnknownName(f"{where}: rework", rework, [step.operation for step in route])
    inside_unit(people, where)
    return Tolerance(parameter, people, good, scrap, process, gauge, rework)
