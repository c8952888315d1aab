"""Plans of large shops: seconds to the first plan, memory, and how the plan gets better in 10, 30 and 60 s.

    python -m benchmarks.bench_plan_large                        the short table on the screen
    python -m benchmarks.bench_plan_large --full                 every case, 60 s each (about half an hour)
    python -m benchmarks.bench_plan_large --case 'bel*'          some cases of the full table
    python -m benchmarks.run --full plan_large                   into benchmarks/RESULTS.md

Each case runs in a process of its own: `first s` is wall time from a shop that has been read to its first plan, bounds
and loading of the search included; `read s` what reading and the model's own checks take; `memory` the largest the
process was. Beside the plan stand its proven bound, what is known best, and CP-SAT 9.15 after 10 minutes on a larger
machine, as published with the instances. Published shops are skipped with a word where ../shared/data is not there.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
from collections.abc import Callable, Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from benchmarks.large_shops import bottleneck_shop, cut_shop, orders_shop
from loopwright.core.clock import monotonic_s
from loopwright.make.check import check
from loopwright.make.plan import plan
from loopwright.make.reading.files import listed
from loopwright.make.shop import Shop

DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "jobshop"
CURVE_S = (10.0, 30.0, 60.0)
GENERATED: dict[str, tuple[Callable[[], Shop], str]] = {  # name -> what makes it, objective
    "2,000 orders x 8 on 60 machines": (lambda: orders_shop(2_000), "tardiness"),
    "10,000 orders x 8 on 60 machines": (lambda: orders_shop(10_000), "tardiness"),
    "bottlenecks, 34,000 operations": (lambda: bottleneck_shop(5_230), "makespan"),
    "bottlenecks, 216,000 operations": (lambda: bottleneck_shop(33_200), "makespan"),
    "cut, 100 machines, 10,000 operations": (lambda: cut_shop(100, 10_000, 2_000), "makespan"),
    "cut, 1,000 machines, 100,000 operations": (lambda: cut_shop(1_000, 100_000, 20_000), "makespan"),
    "bottlenecks, 1,000,000 operations": (lambda: bottleneck_shop(154_000, 100), "makespan"),
}
PUBLISHED = (
    "bel00", "bel02", "bel03", "bel08", "bel10", "bel12", "bel16", "bel18", "dct-long-100-10000-3",
    "dct-short-100-10000-1", "tai_1000_10_2", "tai_1000_10_9", "tai_100_100_1", "tai_10_1000_2", "dmu77", "ta71js")
SHORT = (("2,000 orders x 8 on 60 machines", 5.0), ("bottlenecks, 34,000 operations", 2.0))


def case_row(name: str, seconds: float) -> dict[str, Any]:
    """Plans one case in this process."""
    begun_s = monotonic_s()
    if name in GENERATED:
        shop, objective = GENERATED[name][0](), GENERATED[name][1]
    else:
        shop, objective = next(s for s in listed(DATA / "instances.zip") if s.name == name).read().shop, "makespan"
    read_s, began_s = monotonic_s() - begun_s, monotonic_s()
    told: list[tuple[float, float]] = []
    found = plan(shop, seconds, objective, progress=lambda value: told.append((monotonic_s() - began_s, value)))
    broken = check(shop, found)
    if broken:
        raise ValueError(f"{name}: {broken[0].says}")
    first_s = told[0][0] if told else found.took_s

    def at(second: float) -> float:
        return min((value for s, value in told if s <= max(second, first_s)), default=found.value)

    known, cpsat = _known(name, "best_known.json"), _known(name, "cpsat_9_15_10min.json")
    return {
        "shop": name, "operations": len(found.slots), "objective": objective, "read s": read_s, "first s": first_s,
        "first": told[0][1] if told else found.value, **{f"{s:g} s": at(s) for s in CURVE_S if s <= seconds},
        "end": found.value, "bound": found.bound, "gap %": 100 * found.gap, "best known": known,
        "CP-SAT 10 min": cpsat, "took s": found.took_s, "asked s": seconds,
        "memory MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, "solver": found.solver}


def _known(name: str, file: str) -> float | None:
    """The best makespan that a published file tells of an instance."""
    if name in GENERATED or not (DATA / file).exists():
        return None
    for row in json.loads((DATA / file).read_text(encoding="utf-8")):
        if row["instance"] == name:
            return float(row["upper_bound"] if "upper_bound" in row else row["ub"]["value"])
    return None


def _run(cases: Sequence[tuple[str, float]]) -> list[dict[str, Any]]:
    """A row a case, each from a process of its own."""
    rows = []
    for nth, (name, seconds) in enumerate(cases, 1):
        print(f"{nth} of {len(cases)}: {name}, {seconds:g} s", file=sys.stderr, flush=True)
        command = [sys.executable, "-m", "benchmarks.bench_plan_large", "--one", name, "--seconds", str(seconds)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=600 + 10 * seconds, check=False)
        if done.returncode:
            rows.append({"shop": name, "failed": done.stderr.strip().splitlines()[-1][:200]})
        else:
            rows.append(json.loads(done.stdout.splitlines()[-1]))
    return rows


def _there() -> tuple[str, ...]:
    """The published shops, where they are."""
    if not (DATA / "instances.zip").exists():
        print("published shops are not there (../shared/data/jobshop): generated ones only", file=sys.stderr)
        return ()
    return PUBLISHED


def rows() -> list[dict[str, Any]]:
    """The short table: what is done in seconds."""
    return _run(SHORT)


def full_rows(wanted: str = "*") -> list[dict[str, Any]]:
    """Every case for 60 s, the re-entrant ones of the literature for 120 s."""
    cases = [(name, 120.0 if name.startswith(("bel", "dct")) else 60.0) for name in (*GENERATED, *_there())]
    return _run([case for case in cases if fnmatch(case[0], wanted)])


def main() -> None:
    """The table on the screen."""
    asked = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    asked.add_argument("--full", action="store_true")
    asked.add_argument("--case", default="")
    asked.add_argument("--one", help=argparse.SUPPRESS)
    asked.add_argument("--seconds", type=float, default=60.0, help=argparse.SUPPRESS)
    given = asked.parse_args()
    if given.one:
        print(json.dumps(case_row(given.one, given.seconds)))
        return
    from benchmarks.run import table

    print(table(full_rows(given.case or "*") if given.full or given.case else rows()))


if __name__ == "__main__":
    main()
