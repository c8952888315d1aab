"""The benchmark of plans: a fair sample at any time, rows kept, lost cases told, its peers checked like ourselves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks import bench_plan, plan_tables
from benchmarks.bench_plan import Instance
from benchmarks.plan_solvers import generated, solved

SHOP = "random-4x4-1"


def row(name: str, solver: str, makespan: int | None, best: float | None = 100.0, **more: Any) -> dict[str, Any]:
    return {"folder": "jobshop", "name": name, "solver": solver, "family": "ta", "operations": 225, "best": best,
            "best_bound": best, "asked_s": 10.0, "workers": 2, "seed": 0, "makespan": makespan, "bound": 90,
            "seconds": 10.0, "cpu_seconds": 20.0, "process_s": 10.5, **more}


def test_at_any_time_every_family_is_done_to_the_same_share() -> None:
    found = [Instance("jobshop", f"{family}{n}", family, 100, None, None)
             for family, many in (("la", 30), ("ta", 10), ("swv", 5)) for n in range(many)]
    ordered = bench_plan._by_turns(found)
    assert sorted(i.name for i in ordered) == sorted(i.name for i in found)
    for done in range(1, len(ordered) + 1):
        shares = [sum(i.family == f for i in ordered[:done]) / many for f, many in (("la", 30), ("ta", 10), ("swv", 5))]
        assert max(shares) - min(shares) <= 1 / 5


def test_a_row_cut_off_is_solved_again_and_the_others_are_not(tmp_path: Path) -> None:
    kept = tmp_path / "rows.jsonl"
    whole = row("ta01", "ours", 101)
    kept.write_text(json.dumps(whole) + "\n" + json.dumps(row("ta02", "ours", 102))[:40])
    assert list(bench_plan.there(kept).values()) == [whole]
    assert kept.read_text() == json.dumps(whole) + "\n"


def test_rows_of_other_sources_of_ours_are_solved_again_and_those_of_others_are_not() -> None:
    assert bench_plan.code("ours") == bench_plan.code("rules") != bench_plan.code("cpsat") == ""
    mine, other = row("ta01", "ours", 101, code="before"), row("ta01", "cpsat", 101)
    assert bench_plan.key(mine) != bench_plan.key({**mine, "code": bench_plan.code("ours")})
    assert bench_plan.key(other) == bench_plan.key({**other, "code": bench_plan.code("cpsat")})


def test_a_shorter_plan_of_another_solver_is_told_as_lost() -> None:
    told = plan_tables.tables([row("ta01", "ours", 105), row("ta01", "cpsat", 102), row("ta01", "rules", 130),
                               row("ta02", "ours", 101), row("ta02", "cpsat", 101)])
    lost = [r for r in told if "lost" in r and "better" in r]
    assert [(r["lost"], r["better"], r["its"]) for r in lost] == [("ta01", "cpsat", 102)]
    mean = next(r for r in told if r.get("goal") == "Taillard, mean")
    assert mean["gap_%"] == pytest.approx((5 + 1) / 2)
    assert not mean["met"]


def test_without_a_published_value_the_best_found_is_what_gaps_are_counted_from() -> None:
    told = plan_tables.tables([row("x", "ours", 110, None), row("x", "cpsat", 100, None)])
    assert next(r for r in told if "family" in r)["ours_gap_%"] == pytest.approx(10.0)


def test_a_solve_that_failed_is_told_and_is_no_gap() -> None:
    told = plan_tables.tables([row("x", "ours", 110), row("x", "pyjobshop", None, error="out of memory")])
    assert {"failed": "x", "solver": "pyjobshop", "said": "out of memory"} in told


def test_generated_shops_are_the_same_for_a_seed() -> None:
    assert generated(SHOP) == generated(SHOP)
    assert generated(SHOP) != generated("random-4x4-2")


@pytest.mark.parametrize("solver", ["cpsat", "pyjobshop"])
def test_peers_solve_a_small_shop_to_the_same_optimum(solver: str) -> None:
    pytest.importorskip({"cpsat": "ortools"}.get(solver, solver), reason=f"{solver} is not installed")
    asked = {"folder": "generated", "name": SHOP, "seconds": 5.0, "workers": 1, "seed": 0}
    rules = solved({**asked, "solver": "rules"})
    peer = solved({**asked, "solver": solver})
    assert "error" not in peer
    assert peer["makespan"] == peer["bound"] <= rules["makespan"]
