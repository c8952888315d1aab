"""A turn plans by moves counted: how quick the machine is, and what else it does, changes no plan."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pyarrow as pa
import pytest

from loopwright.app import releasing
from loopwright.app.plant import Plant, open_plant
from loopwright.app.report import effectiveness_in_words
from loopwright.app.serving import effectiveness
from loopwright.app.site import load_site
from loopwright.core.clock import NS_PER_S, from_iso
from loopwright.core.types import POINTS_IN, Batch, Event
from loopwright.make import plan as plan_file
from loopwright.make import repair as repair_file
from loopwright.make.change.disturb import Breakdown, disturbed
from loopwright.make.cp import cpsat
from loopwright.make.plan import plan
from loopwright.make.repair import repair
from loopwright.make.shop import Blocked, Job, Machine, Operation, Shop

START_NS = from_iso("2026-11-23T06:00:00Z")
SITE = """
[site]
name = "Counted"
time_zone = "UTC"
folder = "plant"
packs = ["shop_floor"]

[shifts]
hours = ["06:00-14:00"]
days = ["mon"]

[[machine]]
id = "mill-1"
kind = "mill"
role = "mill"
link = { protocol = "mqtt" }
ideal_cycle_s = 13.0
"""


def shop_with_breaks() -> Shop:
    """Nine jobs over three machines, each shut for a while: a shop that the tabu search cannot have."""
    jobs = []
    for n in range(9):
        route = [("a", "b", "c"), ("b", "c", "a"), ("c", "a", "b")][n % 3]
        jobs.append(Job(f"j{n}", tuple(
            Operation(f"j{n}", m, ((m, 40 + (7 * n + 11 * k) % 37),), (route[k - 1],) if k else ())
            for k, m in enumerate(route)), due_s=150 + 30 * n))
    return Shop(0, tuple(Machine(m, m) for m in "abc"), tuple(jobs), tuple(Blocked(m, 200, 260) for m in "abc"))


class Hurried:
    """A clock that runs so many times as fast as the real one."""

    def __init__(self, times: float) -> None:
        self.times, self.real = times, plan_file.monotonic_s
        self.begun_s = self.real()

    def __call__(self) -> float:
        return self.begun_s + (self.real() - self.begun_s) * self.times


@pytest.mark.slow
@pytest.mark.parametrize("times", [0.2, 50.0])
def test_a_counted_plan_and_its_repair_are_the_same_however_time_passes(
    monkeypatch: pytest.MonkeyPatch, times: float
) -> None:
    pytest.importorskip("ortools")
    pytest.importorskip("numba")
    shop = shop_with_breaks()
    moves = releasing.moves_of(shop, 0.05)

    def both() -> tuple[Any, Any]:
        first = plan(shop, 0.5, iterations=moves)
        hit = disturbed(shop, first, 90, Breakdown("b", 90, 420))
        again = repair(hit, first, 0.05, 0.3, "tardiness", 0, 2, None, moves).plan
        assert ("cp-sat" in first.solver, again.solver) == (True, "repair"), "both were searched"
        return first.slots, again.slots

    usual = both()
    clock = Hurried(times)
    for file in (plan_file, repair_file, cpsat):
        monkeypatch.setattr(file, "monotonic_s", clock)
    assert both() == usual


def test_moves_go_with_the_seconds_and_fewer_with_more_operations() -> None:
    shop = shop_with_breaks()
    twice = replace(shop, jobs=(*shop.jobs, *(replace(
        job, id=f"{job.id}+", operations=tuple(replace(o, job=f"{job.id}+") for o in job.operations)) for job in shop.jobs)))
    one = releasing.moves_of(shop, 0.2)
    assert one is not None
    assert releasing.moves_of(shop, 0.4) == 2 * one
    assert abs((releasing.moves_of(twice, 0.2) or 0) - one / 2) <= 1
    assert releasing.moves_of(shop, 1e-9) == releasing.LEAST_MOVES
    assert releasing.moves_of(shop, 0.0) is None, "0 seconds: no search"


def heard(plant: Plant, seconds: int) -> str:
    """What is said of a shift in which two runs of so many seconds were heard, their parts good."""
    rows: dict[str, list[Any]] = {name: [] for name in POINTS_IN.names}
    for n, (at_s, active) in enumerate([(0, 1), (seconds, 0), (7200, 1), (7200 + seconds, 0)]):
        for signal, value, code in (("machine.state", None, active), ("part.count", float(n // 2 + n % 2), None)):
            row = {"thing": "mill-1", "signal": signal, "t_ns": START_NS + at_s * NS_PER_S, "n": n, "value": value,
                   "code": code, "quality": 0}
            for name, cell in row.items():
                rows[name].append(cell)
    plant.store.put(Batch("test", "b", None, pa.table(rows, schema=POINTS_IN)))
    for n, at_s in enumerate((0, 7200)):
        begin_ns, end_ns = START_NS + at_s * NS_PER_S, START_NS + (at_s + seconds) * NS_PER_S
        label = {"thing": "mill-1", "start_ns": begin_ns, "end_ns": end_ns, "label": "unworn"}
        unit = {"order": "o", "measures": {}, "verdict": "good", "attempt": 1}
        step = {"order": "o", "operation": "mill", "machine": "mill-1", "start_ns": 0, "end_ns": 0, "program_hash": "",
                "signals": [], "run": f"r{n}", "signals_end_ns": end_ns}
        plant.store.record([Event("run.labelled", f"r{n}", end_ns, "t", label), Event("step.finished", f"u{n}", end_ns, "t", step),
                            Event("unit.measured", f"u{n}", end_ns, "t", unit)])
    (said,) = effectiveness(plant, [(START_NS, START_NS + 8 * 3600 * NS_PER_S)], START_NS + 86_400 * NS_PER_S)
    assert said.abstains == ""
    return said.says


@pytest.mark.parametrize(("plays", "seconds", "told"), [
    ('plays = { source = "twin" }', 13, True), ('plays = { source = "twin" }', 900, False), ("", 13, False)])
def test_effectiveness_of_a_machine_that_plays_seconds_says_that_they_stand_for_longer_work(
    tmp_path: Any, plays: str, seconds: int, told: bool
) -> None:
    (tmp_path / "site.toml").write_text(SITE + plays + "\n")
    with open_plant(load_site(tmp_path / "site.toml")) as plant:
        says = heard(plant, seconds)
    assert ("Each run is played by a twin, 13 s long on average, and stands for a whole operation" in says) == told


def test_the_report_says_it_once_for_each_machine() -> None:
    rows = [{"machine": m, "says": f"{m}, shift {n}: OEE 1.0%. Each run is short.", "note": "Each run is short."}
            for m in ("mill-1", "mill-2") for n in (1, 2)]
    rows.append({"machine": "mill-3", "says": "mill-3, shift 1: OEE 60.0%."})
    assert effectiveness_in_words(rows) == [
        "mill-1, shift 1: OEE 1.0%.", "mill-1, shift 2: OEE 1.0%.", "mill-2, shift 1: OEE 1.0%.", "mill-2, shift 2: OEE 1.0%.",
        "mill-3, shift 1: OEE 60.0%.", "mill-1: Each run is short.", "mill-2: Each run is short."]
