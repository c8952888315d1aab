"""A real metal shop's three months: what its log tells, durations on weeks not fitted to, its last weeks again.

    python -m benchmarks.bench_event_log [DRAWING.svg]

Peers in the same run: the median of each activity and one median of all (durations); what really happened, first in
first out, earliest due date (replay). The log names neither due dates nor free machines; each row says under which
assumptions it holds, and docs/how-to/replay-a-shop.md what they mean. Where ../shared/data is not there, the small log
made up of examples/ stands in and the rows say so. Plans by a budget of moves and seed 0; waiting time is wall time.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from loopwright.core.clock import NS_PER_S
from loopwright.make.check import check
from loopwright.make.past import attendance, durations
from loopwright.make.past.due import RULES, due_dates
from loopwright.make.past.floor import as_it_was, by, first_in
from loopwright.make.past.replay import Assumed, Planning, World, by_plan, by_rule, world_of
from loopwright.make.past.replayed import compared, drawing
from loopwright.make.past.work_log import Work, overlaps
from loopwright.make.shop import Shop
from loopwright.packs.shop_floor.event_log import read_log

HERE = Path(__file__).parent
REAL = HERE.parents[1] / "shared" / "data" / "factory_event_log" / "production_dev.csv.gz"
MADE_UP = HERE.parent / "examples" / "event_log" / "log.csv"
MOVES, SECONDS = 5_000, 0.25  # of the annealing; of CP-SAT, counted as work: the same plan on every machine
WORLDS = (
    Assumed(who="skilled"), Assumed(who="skilled", waits="idle"), Assumed(who="skilled", waits="long"),
    Assumed(who="skilled", bridge_s=0.0), Assumed(who="skilled", there="usual"), Assumed(who="same"),
)


def log_and_start() -> tuple[str, list[Work], int, dict[str, Any]]:
    """(what it is, its rows, the first moment planned again, what became of the file's rows)."""
    real = REAL.is_file()
    log = read_log(REAL if real else MADE_UP)
    day = datetime(2012, 3, 5, tzinfo=UTC) if real else datetime(2025, 2, 3, tzinfo=UTC)
    name = "real shop" if real else "made-up log (../shared/data is not there)"
    took = {"log": name, "rows": log.rows, "taken": len(log.works), "repeats": len(log.repeats),
            "refused": "; ".join(f"{n} {why}" for why, n in log.reasons.items()) or "none"}
    return name, list(log.works), int(day.timestamp()) * NS_PER_S, took


def rows() -> list[dict[str, Any]]:
    """Everything but the worlds beyond the first and third, and the variants of planning."""
    _, works, start_ns, took = log_and_start()
    return [took, *told(works, start_ns), *replays(works, start_ns, (WORLDS[0], WORLDS[2]))]


def full_rows() -> list[dict[str, Any]]:
    """All worlds, all variants, due dates by every rule: a quarter of an hour."""
    _, works, start_ns, took = log_and_start()
    return [took, *told(works, start_ns), *replays(works, start_ns, WORLDS), *variants(works, start_ns)]


def told(works: Sequence[Work], start_ns: int) -> list[dict[str, Any]]:
    """What the log tells of overlaps and shifts, and how durations hold on later weeks."""
    found = overlaps(works)
    recorded_h, busy_h = sum(o.recorded_s for o in found) / 3600, sum(o.busy_s for o in found) / 3600
    week = attendance.learn(works, "UTC", start_ns)
    judged = attendance.judge(works, week, start_ns, max(w.end_ns for w in works))
    out: list[dict[str, Any]] = [{
        "resources": len(found), "recorded h": recorded_h, "with others at once": f"{1 - busy_h / recorded_h:.1%}",
        "at once, most": max(o.most for o in found), "rota, weeks": week.rota, "later hours expected": judged.hit,
        "of expected came": judged.right}]
    first = min(w.start_ns for w in works)
    ways = durations.judge(works, first + (start_ns - first) // 2)
    peer = next(w for w in ways if w.name == "median of activity")
    for way in ways:
        low, high = _interval(works, way, peer)
        out.append({"durations by": way.name, "held-out rows": len(way.y), "pinball loss, min": way.loss_s / 60,
                    "less than median of activity":
                    f"{(way.loss_s - peer.loss_s) / 60:+.2f} ({low:+.2f} to {high:+.2f})",
                    "inside 10-90 %": way.inside})
    return out


def _interval(works: Sequence[Work], way: durations.Judged, peer: durations.Judged) -> tuple[float, float]:
    """95 % interval of the difference in minutes, orders drawn with replacement."""
    orders = sorted({works[k].order for k in way.row})
    place = {order: n for n, order in enumerate(orders)}
    at = np.array([place[works[k].order] for k in way.row])
    total = np.bincount(at, (way.losses() - peer.losses()) / 60)
    count = np.bincount(at)
    draw = np.random.default_rng(0).integers(0, len(orders), (2_000, len(orders)))
    low, high = np.quantile(total[draw].sum(axis=1) / count[draw].sum(axis=1), [0.025, 0.975])
    return float(low), float(high)


def replays(works: Sequence[Work], start_ns: int, worlds: Sequence[Assumed]) -> list[dict[str, Any]]:
    """Every world, worked by rules, planned daily, and repaired daily."""
    out = []
    for assumed in worlds:
        world = world_of(works, start_ns, assumed)
        due_ns = due_dates(works, start_ns)
        ways = {
            "as it was": {o: world.real_ns[o][1] for o in world.orders},
            "the model of it": by_rule(world, as_it_was(world.pieces)),
            "first in, first out": by_rule(world, first_in),
            "earliest due date": by_rule(world, by(lambda p, due=due_ns: due[p.key[0]]))}  # type: ignore[misc]
        took: dict[str, str] = {}
        for name, mend in (("planned daily", False), ("repaired daily", True)):
            ways[name], took[name] = _plan(world, Planning(due_ns, repair=mend, iterations=MOVES, seconds=SECONDS))
        out += _table(world, ways, due_ns, took)
    return out


def variants(works: Sequence[Work], start_ns: int) -> list[dict[str, Any]]:
    """In the first world: planned more often, told the durations, without a search; due dates by every rule."""
    world = world_of(works, start_ns, WORLDS[0])
    real = {o: world.real_ns[o][1] for o in world.orders}
    out = []
    for rule in RULES:
        for tight in (0.5, 1.0, 2.0):
            due_ns = due_dates(works, start_ns, rule, tight)
            name = f"planned daily, due by {rule} x {tight:g}"
            ends, took = _plan(world, Planning(due_ns, iterations=MOVES, seconds=SECONDS))
            fifo = by_rule(world, first_in)
            out += _table(world, {"as it was": real, "first in, first out": fifo, name: ends}, due_ns, {name: took})
    due_ns = due_dates(works, start_ns)
    for name, how in (("planned every 8 h", Planning(due_ns, 8 * 3600.0, iterations=MOVES, seconds=SECONDS)),
                      ("planned daily, durations known",
                       Planning(due_ns, told=True, iterations=MOVES, seconds=SECONDS)),
                      ("planned daily, no search", Planning(due_ns, seconds=0.0))):
        ends, took = _plan(world, how)
        out += _table(world, {"as it was": real, name: ends}, due_ns, {name: took})[1:]
    return out


def _plan(world: World, how: Planning) -> tuple[dict[str, int], str]:
    def sound(shop: Shop, plan: Any) -> None:
        wrong = check(shop, plan)
        assert not wrong, wrong[:3]

    done = by_plan(world, how, sound)
    kept = f", kept {sum(done.kept) / len(done.kept):.0%}" if done.kept else ""
    return done.ends_ns, f"{done.plans} of up to {done.largest} operations, {sum(done.took_s):.0f} s{kept}"


def _table(
    world: World, ways: dict[str, dict[str, int]], due_ns: dict[str, int], took: dict[str, str]
) -> list[dict[str, Any]]:
    a = world.assumed
    says = f"{a.who}, {a.there}, bridge {a.bridge_s / 3600:g} h, waits {a.waits}"
    fifo = {k: ways[k] for k in ("first in, first out", *ways) if k in ways}
    beside = {w.name: w for w in compared(world, fifo, due_ns)} if "first in, first out" in ways else {}
    return [{
        "assumed": says, "way": w.name, "orders": w.orders, "flow days": round(w.flow_d, 2),
        "median": round(w.median_d, 2), "beside as it was": f"{w.beside_d:+.2f} ({w.low_d:+.2f} to {w.high_d:+.2f})",
        "beside first in": "-" if (b := beside.get(w.name)) is None else
        f"{b.beside_d:+.2f} ({b.low_d:+.2f} to {b.high_d:+.2f})",
        "late": f"{w.late:.0%}", "days late": round(w.late_d, 2), "plans": took.get(w.name, "-")}
        for w in compared(world, ways, due_ns)]


def draw(path: Path) -> None:
    """Planned beside real flow times of the first world, an order a line."""
    _, works, start_ns, _ = log_and_start()
    world = world_of(works, start_ns, WORLDS[0])
    ends, _ = _plan(world, Planning(due_dates(works, start_ns), iterations=MOVES, seconds=SECONDS))
    path.write_text(drawing(world, {o: world.real_ns[o][1] for o in world.orders}, ends), "utf-8")


if __name__ == "__main__":
    from benchmarks.run import table

    if len(sys.argv) > 1:
        draw(Path(sys.argv[1]))
    else:
        print(table(full_rows()))
