"""The tables of `bench_plan`: by goal, by family, losing cases, start-up, and every instance."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean, median
from typing import Any

Row = dict[str, Any]
RANDOM = ("ft", "la", "abz", "orb", "swv", "yn", "ta", "dmu", "tai")
SAME = 1e-9


def line(row: Row) -> str:
    """A row in a few words."""
    said = row.get("error") or f"{row['makespan']}, bound {row['bound']:g}"
    gap = _gap(row)
    more = f" ({gap:+.2f} %)" if gap is not None else ""
    return f"{row['name']} {row['solver']} {row['asked_s']:g} s: {said}{more}"


def _gap(row: Row | None, best: float | None = None) -> float | None:
    """Percent above the best known makespan."""
    best = best or (row or {}).get("best")
    if row is None or not row.get("makespan") or not best:
        return None
    return 100.0 * (row["makespan"] / best - 1.0)


def _proven(row: Row | None, best: float | None) -> float | None:
    """Percent that the bound stays below the best known makespan."""
    return None if row is None or not best else 100.0 * (1.0 - row["bound"] / best)


def _mean(values: Sequence[float | None]) -> float | None:
    there = [v for v in values if v is not None]
    return fmean(there) if there else None


Case = dict[str, Row]  # one instance at one time limit: solver -> row


def cases(rows: Sequence[Row]) -> list[Case]:
    """Rows of one instance, seconds, workers and seed together."""
    found: dict[tuple[Any, ...], Case] = {}
    for row in rows:
        found.setdefault((row["folder"], row["name"], row["asked_s"], row["workers"], row["seed"]), {})[
            row["solver"]] = row
    return list(found.values())


def _any(case: Case) -> Row:
    return next(iter(case.values()))


def _best(case: Case) -> float | None:
    """The best known makespan; where nothing is published the best that a solver here found."""
    known = _any(case)["best"]
    found = [row["makespan"] for row in case.values() if row.get("makespan")]
    return known or (min(found) if found else None)


def _solvers(all_cases: Sequence[Case]) -> list[str]:
    return [s for s in ("ours", "cpsat", "pyjobshop", "rules") if any(s in case for case in all_cases)]


def by_goal(all_cases: Sequence[Case]) -> list[Row]:
    """The goals of the planner: what was reached, beside CP-SAT where the goal names it."""
    def where(test: Any) -> list[Case]:
        return [c for c in all_cases if "ours" in c and test(_any(c))]

    js, small = (lambda r: r["folder"] == "jobshop"), (lambda r: r["operations"] <= 500)
    random, mk = (lambda r: r["family"] in RANDOM), (lambda r: r["family"] == "mk" and r["folder"] != "jobshop")
    goals = [
        ("Taillard, mean", where(lambda r: js(r) and r["family"] == "ta"), _mean, 1.0),
        ("Taillard to 500 operations, mean", where(lambda r: js(r) and small(r) and r["family"] == "ta"), _mean, 1.0),
        ("random families to 500 operations, mean", where(lambda r: js(r) and small(r) and random(r)), _mean, 2.0),
        ("Brandimarte, mean", where(mk), _mean, 1.5),
        ("Brandimarte, worst", where(mk), lambda v: max(v, default=None), 2.0),
    ]
    rows = [_goal(name, own, take, limit) for name, own, take, limit in goals if own]
    beside = [
        ("random above 500 operations, half of CP-SAT's",
         where(lambda r: js(r) and not small(r) and random(r)), 0.5),
        ("other flexible families, no worse than CP-SAT",
         where(lambda r: r["folder"] == "flexible_jobshop" and not mk(r)), 1.0),
        ("re-entrant shops, no worse than CP-SAT", where(lambda r: js(r) and not random(r)), 1.0),
    ]
    for name, own, share in beside:
        both = [c for c in own if _gap(c.get("cpsat"), _best(c)) is not None]
        if both:
            rows.append(_goal(name, both, _mean, share * (_gaps(both, "cpsat", _mean) or 0.0)))
    return rows


def _gaps(own: Sequence[Case], solver: str, take: Any) -> float | None:
    gaps = [_gap(c.get(solver), _best(c)) for c in own]
    value = take([g for g in gaps if g is not None])
    return None if value is None else float(value)


def _goal(name: str, own: Sequence[Case], take: Any, limit: float) -> Row:
    value = _gaps(own, "ours", take)
    return {"goal": name, "instances": len(own), "gap_%": value, "cpsat_gap_%": _gaps(own, "cpsat", take),
            "limit_%": limit, "met": value is not None and value <= limit + SAME}


def by_family(all_cases: Sequence[Case]) -> list[Row]:
    """Mean gaps to best known by family, and how far our bound and CP-SAT's stay below it."""
    families: dict[tuple[Any, ...], list[Case]] = {}
    for case in all_cases:
        row = _any(case)
        families.setdefault((row["folder"], row["family"], row["asked_s"]), []).append(case)
    solvers, rows = _solvers(all_cases), []
    for (folder, name, seconds), own in sorted(families.items()):
        told: Row = {"folder": folder, "family": name, "seconds": seconds, "instances": len(own)}
        told |= {f"{s}_gap_%": _gaps(own, s, _mean) for s in solvers}
        told |= {f"{s}_bound_%": _mean([_proven(c.get(s), _best(c)) for c in own]) for s in ("ours", "cpsat")
                 if s in solvers}
        rows.append(told | {"lost": sum(_lost(case) is not None for case in own)})
    return rows


def _lost(case: Case) -> Row | None:
    """Where another solver's plan is shorter than ours."""
    if "ours" not in case:
        return None
    mine = case["ours"].get("makespan") or float("inf")
    others = {s: r["makespan"] for s, r in case.items() if s != "ours" and r.get("makespan")}
    better = min(others, key=lambda s: others[s], default=None)
    if better is None or others[better] >= mine:
        return None
    row = case["ours"]
    return {"lost": row["name"], "operations": row["operations"], "seconds": row["asked_s"], "best": row["best"],
            "ours": row.get("makespan"), "better": better, "its": others[better],
            "ours_above_%": 100.0 * (mine / others[better] - 1.0) if row.get("makespan") else None}


def starting(all_cases: Sequence[Case]) -> list[Row]:
    """What a solve takes beyond its seconds: the process, its imports, reading the file, checking the plan."""
    rows = []
    for solver in _solvers(all_cases):
        own = [c[solver] for c in all_cases if c.get(solver, {}).get("process_s")]
        over = [r["seconds"] - r["asked_s"] for r in own if solver != "rules"]
        if own:
            rows.append({
                "solver": solver, "solves": len(own),
                "outside_its_call_s_median": median(r["process_s"] - r["seconds"] for r in own),
                "over_its_seconds_s_max": max([0.0, *over]),
                "cpu_s_a_second": median(r["cpu_seconds"] / max(r["seconds"], 1e-3) for r in own)})
    return rows


def by_instance(all_cases: Sequence[Case]) -> list[Row]:
    """Every instance: makespans, gaps, bounds."""
    solvers, rows = _solvers(all_cases), []
    for case in sorted(all_cases, key=lambda c: (_any(c)["folder"], _any(c)["family"], _any(c)["operations"])):
        row = _any(case)
        told: Row = {"instance": row["name"], "operations": row["operations"], "seconds": row["asked_s"],
                     "known": f"{row['best_bound']:g}..{row['best']:g}" if row["best"] else "-"}
        told |= {s: case.get(s, {}).get("makespan") for s in solvers}
        told |= {f"{s}_gap_%": _gap(case.get(s), _best(case)) for s in solvers}
        told |= {f"{s}_bound": case.get(s, {}).get("bound") for s in ("ours", "cpsat") if s in solvers}
        rows.append(told)
    return rows


def tables(rows: Sequence[Row]) -> list[Row]:
    """All tables one after another (rows with other keys start another table)."""
    all_cases = cases(rows)
    lost = [row for case in all_cases if (row := _lost(case))]
    wrong = [
        {"failed": r["name"], "solver": r["solver"], "said": str(r["error"])[:120]} for r in rows if r.get("error")]
    lost.sort(key=lambda r: -(r["ours_above_%"] or 1e9))
    return [*by_goal(all_cases), *by_family(all_cases), *starting(all_cases), *wrong, *lost, *by_instance(all_cases)]


def section(told: Sequence[Row], write: bool) -> str:
    """The section of the results; `write`: into RESULTS.md as plan_full, the other sections left as they are."""
    from benchmarks import run

    text = ("## plan_full\n\nPlans of published shops: percent above the best known makespan; bounds: percent below "
            f"it.\n\n`make bench-plan`.\n{run.table(told)}\n")
    if write:
        run.written(run.kept() | {"plan_full": text})
    return text
