"""Plans of published job shops: ours, CP-SAT alone, PyJobShop and dispatching rules, same cores and seconds.

    python -m benchmarks.bench_plan                                  all of it (hours), into RESULTS.md
    python -m benchmarks.bench_plan --seconds 10 --only 'ta*' --solvers ours,cpsat
    python -m benchmarks.bench_plan --limit 60                       the first 60 instances of the balanced order
    python -m benchmarks.bench_plan --report                         the tables of what has been done

Rows are kept in a file as JSON lines; a second start goes on where the first was ended (equal solver, instance,
seconds, workers and seed are not solved again, unless our own planner's sources have changed since). Families take
turns, so that whatever has been done is a fair sample.
Each solve runs in a process of its own, pinned to `--workers` cores: what it takes to start is told too.
Without the folder of published shops small generated ones take their place, and the table says so.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import cache
from pathlib import Path
from typing import Any

from benchmarks import plan_tables
from benchmarks.plan_solvers import DATA, GENERATED, SOLVERS, shop_of
from loopwright import make
from loopwright.core.clock import monotonic_s
from loopwright.make.reading.best_known import known, read_best
from loopwright.make.reading.files import listed

FOLDERS = ("jobshop", "flexible_jobshop")
ROWS = Path(__file__).parent / "bench_plan.jsonl"
REENTRANT = ("bel", "dct")
WAIT_S = 180.0  # that a process may take beyond its seconds before it is ended
PEERS = "pip install -c constraints.txt -e '.[plan,bench]'"
FEW = ("ft06", "la02", "orb08", "ta01js", "ta34js", "swv07", "dmu45", "mk01", "mk06", "behnke30", "la25_vdata")
Row = dict[str, Any]


@dataclass(frozen=True)
class Instance:
    """A published shop: where it stands, its family, how many operations, and what is known of it."""

    folder: str
    name: str
    family: str
    operations: int
    lower: float | None
    upper: float | None

    @property
    def seconds(self) -> float:
        """The time of its goal: 10 s to 500 operations, 60 s above, 20 s flexible, 120 s for re-entrant shops."""
        if self.folder == "flexible_jobshop":
            return 20.0
        if self.family in REENTRANT:
            return 120.0
        return 10.0 if self.operations <= 500 else 60.0


def instances() -> list[Instance]:
    """All of them, families by turns, within a family in an order drawn by name; generated ones where no folder is."""
    found: list[Instance] = []
    for folder in FOLDERS:
        place = DATA / folder
        if not (place / "instances.zip").exists():
            continue
        best = read_best(place / "best_known.json")
        for source in listed(place / "instances.zip"):
            value = known(best, source.name)
            size = len(source.read().shop.operations)
            lower, upper = (value.lower, value.upper) if value else (None, None)
            found.append(Instance(folder, source.name, value.family if value else folder, size, lower, upper))
    if not found:
        print("no ../shared/data/jobshop: small generated shops instead", file=sys.stderr)
        names = [f"{kind}-{size}-{n}" for kind in ("random", "flexible") for size in ("6x6", "15x10") for n in (1, 2)]
        found = [Instance(GENERATED, n, n.split("-")[0], len(shop_of(GENERATED, n).operations), None, None)
                 for n in names]
    return _by_turns(found)


def _by_turns(found: Sequence[Instance]) -> list[Instance]:
    """Of every family as large a share done at any time: the k-th of n at place (k + 1/2) / n."""
    families: dict[tuple[str, str], list[Instance]] = {}
    for one in sorted(found, key=lambda i: hashlib.sha256(i.name.encode()).digest()):
        families.setdefault((one.folder, one.family), []).append(one)
    placed = [((k + 0.5) / len(own), one) for own in families.values() for k, one in enumerate(own)]
    return [one for _, one in sorted(placed, key=lambda p: (p[0], p[1].name))]


def solve(one: Instance, solver: str, seconds: float, workers: int, seed: int) -> Row:
    """One solve in a process of its own. `process_s`: from its start to its end, `seconds`: the solver's call."""
    asked = {"folder": one.folder, "name": one.name, "solver": solver, "seconds": seconds, "workers": workers,
             "seed": seed}
    row: Row = {**asked, "asked_s": seconds, "code": code(solver), "family": one.family,
                "operations": one.operations, "best": one.upper, "best_bound": one.lower}
    command = [sys.executable, "-m", "benchmarks.plan_solvers", json.dumps(asked)]
    begun_s = monotonic_s()
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=seconds + WAIT_S)
    except subprocess.TimeoutExpired:
        return row | {"error": f"no answer {WAIT_S:g} s after its time was over", "makespan": None, "bound": 0}
    if done.returncode:
        said = (done.stderr.strip().splitlines() or [f"exit {done.returncode}"])[-1]
        return row | {"error": said, "makespan": None, "bound": 0}
    return row | json.loads(done.stdout.splitlines()[-1]) | {"process_s": round(monotonic_s() - begun_s, 3)}


@cache
def code(solver: str) -> str:
    """What our planner's sources say, in few letters; '' for other people's solvers."""
    if solver not in ("ours", "rules"):
        return ""
    found = hashlib.blake2b(digest_size=8)
    for path in sorted(Path(make.__file__).parent.rglob("*.py")):
        found.update(path.read_bytes())
    return found.hexdigest()


def key(row: Row) -> tuple[Any, ...]:
    """What makes two rows the same question."""
    return tuple(row.get(name, "") for name in ("folder", "name", "solver", "asked_s", "workers", "seed", "code"))


def there(path: Path) -> dict[tuple[Any, ...], Row]:
    """Rows of earlier starts; a last line that was cut off is taken away, so that what is appended stands alone."""
    found = {}
    text = path.read_text("utf-8") if path.exists() else ""
    if text and not text.endswith("\n"):
        text = text[: text.rfind("\n") + 1]
        path.write_text(text, "utf-8")
    for line in text.splitlines():
        try:
            row = json.loads(line)
        except ValueError:
            continue
        found[key(row)] = row
    return found


def done(
    chosen: Sequence[Instance], solvers: Sequence[str], asked: argparse.Namespace, kept: Path | None
) -> Iterator[Row]:
    """A row for each instance and solver, those in `kept` not solved again; tells how far it is."""
    old = there(kept) if kept else {}
    todo = [(one, solver, asked.seconds or one.seconds) for one in chosen for solver in solvers]
    left_s, begun_s, planned_s, spent_s = sum(t for *_, t in todo), monotonic_s(), 0.0, 0.0
    for n, (one, solver, seconds) in enumerate(todo, 1):
        left_s -= seconds
        row = old.get((one.folder, one.name, solver, seconds, asked.workers, asked.seed, code(solver)))
        if row is None:
            row = solve(one, solver, seconds, asked.workers, asked.seed)
            planned_s, spent_s = planned_s + seconds, monotonic_s() - begun_s
            if kept:
                with kept.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(row) + "\n")
        rest_s = left_s * (spent_s / planned_s if planned_s else 1.0)
        print(f"[{n}/{len(todo)}] {plan_tables.line(row)}; at most {rest_s / 60:.0f} min left", file=sys.stderr)
        yield row


def usable(names: str) -> list[str]:
    """The solvers asked for; one that is not installed is passed over with a word."""
    solvers = names.split(",") if names else list(SOLVERS)
    if unknown := [s for s in solvers if s not in SOLVERS]:
        raise SystemExit(f"--solvers: no {', '.join(unknown)}; there are {', '.join(SOLVERS)}")
    needs = {"cpsat": "ortools", "pyjobshop": "pyjobshop"}
    missing = [s for s in solvers if s in needs and importlib.util.find_spec(needs[s]) is None]
    for solver in missing:
        print(f"{solver} is not installed, so it is left out; {PEERS}", file=sys.stderr)
    return [s for s in solvers if s not in missing]


def compiled() -> None:
    """Compiles our search where that was not done yet: the first start of all is not what is measured here."""
    from loopwright.make.search import warm

    if warm.installed() and not warm.ready():
        print("the search is compiled, once", file=sys.stderr)
        subprocess.run([sys.executable, "-m", warm.__name__], check=False)


def rows() -> list[Row]:
    """The short one: a few instances of different families, 2 s each."""
    compiled()
    found = instances()
    chosen = [one for one in found if one.name in FEW or one.folder == GENERATED]
    asked = argparse.Namespace(seconds=2.0, workers=2, seed=0)
    return plan_tables.tables(list(done(chosen, usable(""), asked, None)))


def full_rows() -> list[Row]:
    """All instances at the seconds of their goals, going on from what has been kept."""
    compiled()
    asked = argparse.Namespace(seconds=None, workers=2, seed=0)
    return plan_tables.tables(list(done(instances(), usable(""), asked, ROWS)))


def _arguments(given: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, help="for every solve; otherwise as the goals say: 10, 20, 60, 120")
    parser.add_argument("--only", default="*", help="instances whose name, family or folder is like this: 'ta*,mk*'")
    parser.add_argument("--solvers", default="", help="ours,cpsat,pyjobshop,rules")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--most", type=int, default=10**9, help="operations at most")
    parser.add_argument("--limit", type=int, help="the first so many instances")
    parser.add_argument("--rows", type=Path, default=ROWS, help="the file that keeps the rows")
    parser.add_argument("--report", action="store_true", help="solve nothing: tables of the rows kept")
    parser.add_argument("--results", action="store_true", help="write the section of benchmarks/RESULTS.md")
    return parser.parse_args(given)


def main(given: Sequence[str] | None = None) -> None:
    """Solves what is missing and prints the tables; Ctrl-C: the tables of what there is."""
    asked = _arguments(given)
    patterns = asked.only.split(",")
    chosen = [one for one in instances() if one.operations <= asked.most and any(
        fnmatch(word, p) for p in patterns for word in (one.name, one.family, one.folder))][: asked.limit]
    if not chosen:
        raise SystemExit(f"--only: no instance is like {asked.only!r}")
    solvers, found = usable(asked.solvers), list[Row]()
    if asked.report:
        keys = {(o.folder, o.name, s, asked.seconds or o.seconds, asked.workers, asked.seed)
                for o in chosen for s in solvers}
        latest = {k[:-1]: row for k, row in there(asked.rows).items() if k[:-1] in keys}  # whatever our sources were
        found = list(latest.values())
    else:
        compiled()
        try:
            for row in done(chosen, solvers, asked, asked.rows):
                found.append(row)
        except KeyboardInterrupt:
            print("\nended; the rows so far are kept", file=sys.stderr)
    told = plan_tables.tables(found)
    print(plan_tables.section(told, asked.results))


if __name__ == "__main__":
    main()
