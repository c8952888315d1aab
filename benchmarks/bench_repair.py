"""A plan mended in a second after something happened: beside a right shift and a full re-solve.

    python -m benchmarks.bench_repair                          all cases (more than an hour), goes on where it was ended
    python -m benchmarks.bench_repair --seconds 5 --sizes 100,300 --objectives makespan
    python -m benchmarks.bench_repair --each 2                 two things that happen a shop, in turn: a fair sample
    python -m benchmarks.bench_repair --processor --seconds 5  seconds of processor time, on a machine that others use
    python -m benchmarks.bench_repair --report                 the tables of what has been done

Shops and what happens in them are made from seeds (`benchmarks.repair_shops`). The plan before is made in as many
seconds as the re-solve gets.

    gap         percent of cost above the re-solve's (below: negative); endless where that costs nothing
    of flow     the same difference, in percent of the re-solve's weighted flow time (of each job with a due date, its
                weight times the seconds from its release to its end); of its makespan, where that is the objective.
                Where little is late, percents of it say little: 80 seconds more of 130 are 62 %
    kept        operations not begun on the same machine in the same order
    beside      the stricter share with the same operation right before it
    ours, as long   the repair with as many seconds as the re-solve: what it is still above the re-solve is the price of
                keeping four fifths; what ours is above it, that of having one second
With --processor all seconds are the process's processor time, halved, since two threads search; CP-SAT's part of a
re-solve still ends by the clock of the wall, so that it is short where others take the processor.
"""

from __future__ import annotations

import argparse
import importlib
import json
import math
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.repair_shops import HAPPENS, KINDS, MACHINES, happening, made
from loopwright.core.clock import monotonic_s
from loopwright.core.types import Plan, Slot
from loopwright.make.change.disturb import disturbed
from loopwright.make.change.kept import beside, kept
from loopwright.make.change.right_shift import right_shift, unstarted
from loopwright.make.check import check
from loopwright.make.objective import parse, value
from loopwright.make.plan import plan
from loopwright.make.repair import repair
from loopwright.make.shop import Shop

ROWS = Path(__file__).parent / "bench_repair.jsonl"
OBJECTIVES = ("makespan", "tardiness")
GOAL = 2.0  # percent above the re-solve
LONG = "ours, as long"
WAYS = ("right shift", "re-solve", "ours", LONG)
REPAIR_S = 1.0
Row = dict[str, Any]
COUNTING = ("plan", "repair", "anneal.general", "anneal.mender", "search.near", "search.run", "cp.cpsat", "cp.turns",
            "cp.windows", "dispatching.first", "dispatching.tuning")  # modules of make that look at the clock


@dataclass(frozen=True)
class Case:
    """A shop, its objective, and what happens; seconds: of the plan before and of the re-solve, by which clock."""

    kind: str
    size: int
    objective: str
    seed: int
    seconds: float
    processor: bool = False

    @property
    def name(self) -> str:
        by = " of processor time" if self.processor else ""
        return f"{self.kind} {self.size} {self.objective} seed {self.seed}, {self.seconds:g} s{by}"


def cases(
    seconds: float, sizes: Sequence[int], objectives: Sequence[str], seeds: int, processor: bool = False
) -> list[Case]:
    """Every shop and objective, in the order of the sizes."""
    return [Case(kind, size, aim, seed, seconds, processor)
            for seed, size, aim, kind in product(range(1, seeds + 1), sizes, objectives, KINDS)]


def before(case: Case, rows: Sequence[Row], path: Path | None) -> tuple[Shop, Plan]:
    """The shop and the plan before; a plan that was kept is taken."""
    shop = made(case.kind, case.size, case.seed)
    for row in rows:
        if row.get("plan") == case.name:
            slots = tuple(Slot(*slot) for slot in row["slots"])
            cost = value(parse(case.objective), shop, slots)
            return shop, Plan(shop.origin_ns, slots, "feasible", case.objective, cost, 0.0, row["solver"], 0.0)
    old = plan(shop, case.seconds, case.objective)
    plain = [[s.order, s.operation, s.machine, s.start_s, s.end_s, s.frozen, s.setup_s, s.operator] for s in old.slots]
    _keep(path, {"plan": case.name, "slots": plain, "solver": old.solver, "value": old.value})
    return shop, old


def taken(case: Case, nth: int, happens: Sequence[str], each: int) -> list[str]:
    """So many of what can happen in the nth shop, in turn, so that each kind of shop meets all."""
    can = [what for what in happens if case.kind == "people" or what not in ("late", "away")]
    first = (nth - 1) // len(KINDS) + 2 * ((nth - 1) % len(KINDS))
    return [can[(first + k * (len(can) // each)) % len(can)] for k in range(each)] if 0 < each < len(can) else can


def done(chosen: Sequence[Case], happens: Sequence[str], path: Path | None, each: int = 0) -> Iterator[Row]:
    """A row for each case, happening and way; those kept in the file are not done again. each: so many of the
    happenings a case, in turn; 0: all."""
    rows = there(path)
    old = {key(row): row for row in rows if "way" in row}
    _warm()
    for nth, case in enumerate(chosen, 1):
        print(f"[{nth}/{len(chosen)}] {case.name}", file=sys.stderr)
        mine = taken(case, nth, happens, each)
        known = [old.get((case.name, what, way)) for what in mine for way in WAYS]
        if all(known):
            yield from [row for row in known if row]
            continue
        shop, plan_ = before(case, rows, path)
        now_s = plan_.makespan_s // 4
        for what in mine:
            thing = happening(what, shop, plan_, now_s, case.seed)
            if thing is None:  # nobody can be away where there is nobody
                continue
            now = disturbed(shop, plan_, now_s, thing)
            for way in WAYS:
                row = old.get((case.name, what, way))
                if row is None:
                    row = {"case": case.name, **asdict(case), "what": what, "way": way, **run(way, now, plan_, case)}
                    _keep(path, row)
                yield row


def run(way: str, shop: Shop, old: Plan, case: Case) -> Row:
    """One way to go on, its plan checked."""
    clock = half_of_processor_s if case.processor else monotonic_s
    begun_s, cpu_s = clock(), time.process_time()
    note = ""
    if way in ("ours", LONG):
        again = repair(shop, old, case.seconds if way == LONG else REPAIR_S)
        slots, note, solver = again.plan.slots, again.note, again.plan.solver
    elif way == "re-solve":
        found = plan(shop, case.seconds, case.objective)
        slots, solver = found.slots, found.solver
    else:
        slots, solver = tuple(right_shift(shop, old)), way
    took_s, cpu_s = clock() - begun_s, time.process_time() - cpu_s
    cost = value(parse(case.objective), shop, slots)
    wrong = check(shop, Plan(shop.origin_ns, slots, "feasible", case.objective, cost, 0.0, solver, took_s))
    if wrong:
        raise SystemExit(f"{case.name}, {way}: {wrong[0]}")
    was, now = unstarted(shop, old), {(s.order, s.operation): s for s in slots}
    free = {k: s for k, s in now.items() if not s.frozen}
    return {"value": cost, "open": len(free), "kept": len(kept(was, now)) / max(1, len(was)), "solver": solver,
            "beside": len(beside(was, free)) / max(1, len(was)), "took_s": round(took_s, 4),
            "cpu_s": round(cpu_s, 4), "flow": flow(shop, slots, case.objective), "note": note}


def half_of_processor_s() -> float:
    """Seconds of processor time of each of two threads."""
    return time.process_time() / 2


def by_processor() -> None:
    """From now on whatever plans or repairs counts its seconds so."""
    for name in COUNTING:
        vars(importlib.import_module(f"loopwright.make.{name}"))["monotonic_s"] = half_of_processor_s


def flow(shop: Shop, slots: Sequence[Slot], objective: str) -> float:
    """Weighted seconds from release to end of all jobs with a due date; for the makespan that itself."""
    if parse(objective).only_makespan:
        return float(max((s.end_s for s in slots), default=0))
    ends: dict[str, int] = {}
    for s in slots:
        ends[s.order] = max(s.end_s, ends.get(s.order, s.end_s))
    return sum(job.weight * max(0, ends[job.id] - max(0, job.release_s)) for job in shop.jobs
               if job.due_s is not None and job.id in ends)


def key(row: Row) -> tuple[str, str, str]:
    """What makes two rows the same question."""
    return row["case"], row["what"], row["way"]


def there(path: Path | None) -> list[Row]:
    """What earlier starts have kept; a last line that was cut off is taken away."""
    text = path.read_text("utf-8") if path and path.exists() else ""
    if path and text and not text.endswith("\n"):
        text = text[: text.rfind("\n") + 1]
        path.write_text(text, "utf-8")
    return [json.loads(line) for line in text.splitlines()]


def _keep(path: Path | None, row: Row) -> None:
    if path:
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")


def _warm() -> None:
    """Compiles and loads what is measured: the first start of all is not."""
    from loopwright.make.search import warm

    if warm.installed():
        warm.main()
    shop = made("people", 30, 0)
    old = plan(shop, 0.2, "tardiness")
    thing = happening("breakdown", shop, old, old.makespan_s // 4, 0)
    if thing:
        repair(disturbed(shop, old, old.makespan_s // 4, thing), old, 0.3)


def tables(found: Sequence[Row]) -> list[Row]:
    """By size and objective, then by what happened, then by kind of shop, then the cases that were lost by most."""
    groups: dict[tuple[str, str, str], dict[str, Row]] = {}
    for row in found:
        groups.setdefault((row["case"], row["what"], ""), {})[row["way"]] = row
    whole = [ways for ways in groups.values() if len(ways) == len(WAYS)]
    out: list[Row] = []
    for label, of in (
            ("shops", lambda r: f"{r['size']} operations, {r['objective']}"), ("what", lambda r: r["what"]),
            ("kind", lambda r: r["kind"]), ("all", lambda r: f"all, re-solve {r['case'].split(', ')[-1]}")):
        names = list(dict.fromkeys(of(ways["ours"]) for ways in whole))
        out += [_line(label, name, way, [w for w in whole if of(w["ours"]) == name])
                for name in names for way in WAYS]
    lost = sorted(whole, key=lambda w: -_gap(w, "ours"))[:8]
    out += [{"lost by most": f"{w['ours']['case']}: {w['ours']['what']}", "open": w["ours"]["open"],
             "right shift": round(w["right shift"]["value"]), "re-solve": round(w["re-solve"]["value"]),
             "ours": round(w["ours"]["value"]), LONG: round(w[LONG]["value"]), "gap %": _gap(w, "ours"),
             f"gap % of {LONG}": _gap(w, LONG), "of flow %": _of_flow(w, "ours"), "kept": w["ours"]["kept"]}
            for w in lost if _gap(w, "ours") > 0]
    out += _price(whole)
    return out


def _price(whole: Sequence[dict[str, Row]]) -> list[Row]:
    """Where the gap comes from: of the cases above 2 %, how many a repair as long as the re-solve brings below it."""
    above = [w for w in whole if _gap(w, "ours") > GOAL]
    by_rule = [w for w in above if _gap(w, LONG) > GOAL]
    told = [w for w in above if "has its price" in w["ours"]["note"]]
    bound = [w for w in above if "a lower stability" in w["ours"]["note"]]
    return [{"cases": len(whole), f"within {GOAL:g} %": len(whole) - len(above),
             "above it, and below with as long": len(above) - len(by_rule),
             "above it with as long too": len(by_rule), "of those above it say what keeping costs": len(told),
             "say that all that is free has moved": len(bound)}]


def _line(label: str, name: str, way: str, whole: Sequence[dict[str, Row]]) -> Row:
    """One way over some cases."""
    gaps, flows = (sorted(of(w, way) for w in whole) for of in (_gap, _of_flow))
    one = [w[way] for w in whole]
    return {
        label: name, "way": way, "cases": len(whole), "gap % median": median(gaps), "gap % p95": _part(gaps, 0.95),
        "of flow % median": median(flows), "of flow % p95": _part(flows, 0.95),
        **{f"{what} {word}": figure for what in ("kept", "beside") for word, figure in (
            ("median", median(r[what] for r in one)), ("p5", _part(sorted(r[what] for r in one), 0.05)))},
        "took s median": median(r["took_s"] for r in one), "took s p95": _part(sorted(r["took_s"] for r in one), 0.95),
        "processor s median": median(r["cpu_s"] for r in one)}


def _gap(ways: dict[str, Row], way: str) -> float:
    """Percent above the re-solve; where that costs nothing and this does, endless."""
    cost, best = ways[way]["value"], ways["re-solve"]["value"]
    return 100.0 * (cost / best - 1.0) if best else (0.0 if not cost else math.inf)


def _of_flow(ways: dict[str, Row], way: str) -> float:
    """The same difference in percent of the re-solve's weighted flow time, or makespan."""
    whole = ways["re-solve"]["flow"]
    return 100.0 * (ways[way]["value"] - ways["re-solve"]["value"]) / whole if whole else 0.0


def _part(ordered: Sequence[float], part: float) -> float:
    """The value below which that part of them lies (nearest rank)."""
    return ordered[min(len(ordered) - 1, max(0, math.ceil(part * len(ordered)) - 1))]


def rows() -> list[Row]:
    """The short one: shops of 100 operations, 2 s for the re-solve, three things that happen."""
    return tables(list(done(cases(2.0, (100,), ("tardiness",), 1), ("breakdown", "scrap", "rush"), None)))


def full_rows() -> list[Row]:
    """All sizes and objectives, 30 s for the re-solve, everything that can happen."""
    return tables(list(done(cases(30.0, tuple(MACHINES), OBJECTIVES, 1), HAPPENS, ROWS)))


def main(given: Sequence[str] | None = None) -> None:
    """Does what is missing and prints the tables; Ctrl-C: the tables of what there is."""
    from benchmarks.run import table

    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=30.0, help="of the plan before and of the re-solve")
    parser.add_argument("--sizes", default="100,300,1000", help="open operations, about")
    parser.add_argument("--objectives", default=",".join(OBJECTIVES))
    parser.add_argument("--happens", default=",".join(HAPPENS))
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--processor", action="store_true", help="count processor time instead of the wall's")
    parser.add_argument("--each", type=int, default=0, help="so many of the happenings a shop, in turn; 0: all")
    parser.add_argument("--rows", type=Path, default=ROWS, help="the file that keeps the rows")
    parser.add_argument("--report", action="store_true", help="do nothing: tables of the rows kept")
    asked = parser.parse_args(given)
    chosen = cases(asked.seconds, [int(n) for n in asked.sizes.split(",")], asked.objectives.split(","), asked.seeds,
                   asked.processor)
    found: list[Row] = []
    if asked.processor:
        by_processor()
    if asked.report:
        names = {case.name for case in chosen}
        found = [row for row in there(asked.rows) if row.get("case") in names]
    else:
        try:
            for row in done(chosen, asked.happens.split(","), asked.rows, asked.each):
                found.append(row)
        except KeyboardInterrupt:
            print("\nended; the rows so far are kept", file=sys.stderr)
    print(table(tables(found)))


if __name__ == "__main__":
    main()
