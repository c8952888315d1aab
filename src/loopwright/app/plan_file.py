"""One shop planned at the command line: in a thread, so that Ctrl-C gives the best plan so far; checked; told."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread
from typing import Any

from loopwright.core.clock import monotonic_s
from loopwright.core.errors import InputError, PlanError, StoreError
from loopwright.core.types import Plan
from loopwright.make.check import check
from loopwright.make.dispatching.tables import uncollected
from loopwright.make.plan import plan
from loopwright.make.reading.files import Instance, several
from loopwright.make.shop import Shop

LONGEST_S = 7 * 86_400.0
MOST_WORKERS = 64


@dataclass(frozen=True)
class Asked:
    """How a plan is to be made: what `make.plan.plan` takes."""

    seconds: float
    objective: str = "makespan"
    workers: int = 2
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.seconds <= LONGEST_S:
            raise InputError("--seconds", f"{self.seconds:g}", f"0 (no search) to {LONGEST_S:,.0f}")
        if not 1 <= self.workers <= MOST_WORKERS:
            raise InputError("--workers", f"{self.workers}", f"1 to {MOST_WORKERS}")
        if not 0 <= self.seed < 2**31:
            raise InputError("--seed", f"{self.seed}", f"0 to {2**31 - 1:,}")


@dataclass
class Watched:
    """Whether the person asked to stop, and when a better plan was last told of."""

    stop: Event
    loud: bool
    told_s: float = 0.0
    best: float = float("inf")

    def better(self, value: float) -> None:
        """A better plan was found: told on a terminal, at most twice a second."""
        now_s = monotonic_s()
        if value < self.best and self.loud and now_s - self.told_s > 0.5:
            self.told_s = now_s
            print(f"\r{value:,.0f} s ", end="", file=sys.stderr, flush=True)
        self.best = min(self.best, value)


def planned(shop: Shop, asked: Asked, watched: Watched) -> Plan:
    """The best plan found in the time, or until Ctrl-C (then watched.stop is set); a second Ctrl-C leaves at once.

    Raises PlanError when there is no plan, or when `make.check` finds a rule broken.
    """
    future: Future[Plan] = Future()

    def work() -> None:
        try:
            future.set_result(plan(shop, asked.seconds, asked.objective, asked.seed, asked.workers,
                                   stop=watched.stop, progress=watched.better))
        except BaseException as error:
            future.set_exception(error)

    Thread(target=work, name="plan", daemon=True).start()
    while not future.done():
        try:
            future.exception(timeout=0.2)
        except TimeoutError:
            continue
        except KeyboardInterrupt:
            if watched.stop.is_set():
                raise
            watched.stop.set()
            print("stopping with the best plan so far (Ctrl-C again: without it)", file=sys.stderr, flush=True)
    found = future.result()
    with uncollected():
        broken = check(shop, found)
    if broken:
        raise PlanError("plan", f"the plan breaks the shop's rules: {broken[0].says}", "", "report this, with the file")
    return found


def document(instance: Instance, found: Plan, stopped: bool) -> dict[str, Any]:
    """What is told of a plan; times in seconds of the file, gap a share of the value."""
    shop = instance.shop
    return {
        "name": instance.name, "dialect": instance.dialect, "notes": list(instance.notes), "jobs": len(shop.jobs),
        "machines": len(shop.machines), "operations": sum(len(job.operations) for job in shop.jobs),
        "objective": found.objective, "value": found.value, "makespan": found.makespan_s, "bound": found.bound,
        "status": found.status, "gap": found.gap, "seconds": round(found.took_s, 3), "solver": found.solver,
        "stopped": stopped, "slots": [_slot(slot) for slot in found.slots],
    }


def _slot(slot: Any) -> dict[str, Any]:
    row = {"order": slot.order, "operation": slot.operation, "machine": slot.machine, "start_s": slot.start_s,
           "end_s": slot.end_s}
    more = {"setup_s": slot.setup_s, "operator": slot.operator, "frozen": slot.frozen}
    return row | {name: value for name, value in more.items() if value}


def in_words(told: Mapping[str, Any]) -> str:
    """The plan in a few lines."""
    proof = "no plan is better" if told["gap"] <= 0 else "no plan saves more"
    size = ", ".join(several(told[f"{what}s"], what) for what in ("job", "machine", "operation"))
    rows = [
        ("shop", f"{told['name']}, {size}"),
        ("read as", told["dialect"]), *(("note", note) for note in told["notes"]),
        ("makespan", f"{told['makespan']:,} s"),
        *([(told["objective"], _seconds(told["value"]))] if told["objective"] != "makespan" else []),
        ("bound", _seconds(told["bound"])),
        ("status", told["status"] + (", stopped early" if told["stopped"] else "")),
        ("gap", f"{told['gap'] * 100:.2f} % ({proof})"), ("seconds", f"{told['seconds']:.2f}"),
        ("solver", told["solver"]),
    ]
    return "\n".join(f"{name:<9} {words}" for name, words in rows)


def _seconds(value: float) -> str:
    """Seconds, or weighted seconds, to a thousandth."""
    return f"{round(value, 3):,.15g} s"


def drawn(shop: Shop, found: Plan, zone: str, path: Path, what: str) -> list[Path]:
    """Draws the plan in a file, or with 'all' in one file a drawing; where they are."""
    from loopwright.make.draw.gantt import DRAWINGS

    places = {what: path}
    if what not in DRAWINGS:
        places = {name: path.with_name(f"{path.stem}-{name}{path.suffix}") for name in DRAWINGS}
    for name, place in places.items():
        write(place, DRAWINGS[name](shop, found, zone))
    return list(places.values())


def refuse_other_than_svg(path: Path | None) -> None:
    """InputError for a drawing in a file whose name says that it is something else."""
    if path is not None and path.suffix.lower() != ".svg":
        raise InputError("--gantt", f"{path.name!r}", "a name that ends in .svg: what is drawn is SVG")


def write(path: Path, text: str) -> None:
    """Writes a file whole, or says why not."""
    part = path.with_name(f".{path.name}.part")
    try:
        part.write_text(text, encoding="utf-8")
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise StoreError(str(path), f"it cannot be written ({error.strerror})", "", "name another file") from error
