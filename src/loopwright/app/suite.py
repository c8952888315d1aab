"""A folder or archive of published shops, planned one after the other and held against the best known values.

    for row in rows(sources, best, asked, kept): ...        then summary(rows)

Rows are appended to a file as they come; a second start with the same seconds, seed, workers and objective goes on.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from random import Random
from statistics import fmean
from threading import Event
from time import process_time
from typing import Any

from loopwright.app.plan_file import Asked, Watched, planned
from loopwright.core.errors import InputError, LoopwrightError, StoreError
from loopwright.make.plan import plan
from loopwright.make.reading.best_known import Best, family, known
from loopwright.make.reading.files import Source
from loopwright.make.reading.shop_json import load
from loopwright.make.reading.texts import parse

Row = dict[str, Any]


def chosen(sources: Sequence[Source], best: Mapping[str, Best], wanted: str, limit: int | None) -> list[Source]:
    """The sources of a family ('' for all), the first so many."""
    having = [s for s in sources if not wanted or _family(s.name, best) == wanted]
    if not having:
        families = sorted({_family(s.name, best) for s in sources})
        raise InputError("--family", f"no instance is of {wanted!r}", ", ".join(families))
    return having[:limit]


def rows(
    sources: Sequence[Source], best: Mapping[str, Best], asked: Asked, kept: Path | None, tell: Callable[[str], None],
) -> Iterator[Row]:
    """A row an instance, of which those in `kept` are not planned again. A file that is no shop gives
    a row with `error`.

    Raises KeyboardInterrupt when Ctrl-C was pressed: the instance under way has no row.
    """
    there = _there(kept, asked) if kept else {}
    for n, source in enumerate(sources, 1):
        row = there.get(source.name)
        if row is None:
            row = _row(source, best, asked)
            if kept:
                _keep(kept, row)
        tell(f"[{n}/{len(sources)}] {_line(row)}{' (kept)' if source.name in there else ''}")
        yield row


def warm_up(tell: Callable[[str], None]) -> None:
    """Compiles the search where that was not done yet, and loads it: no instance pays for that with its seconds."""
    from loopwright.make.search import warm

    if warm.installed() and not warm.ready():
        tell("the search is compiled, once (some 20 s)")
        subprocess.run([sys.executable, "-m", warm.__name__], check=False)
    chance = Random(1)
    table = [[f"{m} {chance.randint(1, 99)}" for m in chance.sample(range(6), 6)] for _ in range(6)]
    plan(parse("6 6\n" + "\n".join(map(" ".join, table)), "warm").shop, 1.0)


def _row(source: Source, best: Mapping[str, Best], asked: Asked) -> Row:
    value = known(best, source.name)
    row: Row = {"name": source.name, "family": _family(source.name, best), "asked": _asked(asked)}
    watched = Watched(Event(), loud=False)
    began_s = process_time()
    try:
        instance = source.read()
        read_s = process_time() - began_s
        found = planned(instance.shop, asked, watched)
    except LoopwrightError as error:
        return row | {"error": str(error)}
    if watched.stop.is_set():
        raise KeyboardInterrupt
    shop = instance.shop
    comparable = value is not None and found.objective == "makespan"
    return row | {
        "jobs": len(shop.jobs), "machines": len(shop.machines),
        "operations": sum(len(job.operations) for job in shop.jobs), "dialect": instance.dialect,
        "notes": list(instance.notes), "makespan": found.makespan_s, "value": found.value, "bound": found.bound,
        "status": found.status, "best_known": value.upper if value else None,
        "best_bound": value.lower if value else None,
        "gap_percent": 100 * (found.makespan_s / value.upper - 1) if value and comparable else None,
        "proven_gap_percent": 100 * found.gap, "seconds": round(found.took_s, 3),
        "cpu_seconds": round(process_time() - began_s, 3), "read_cpu_seconds": round(read_s, 3),
        "solver": found.solver, "checked": True,
    }


def _family(name: str, best: Mapping[str, Best]) -> str:
    value = known(best, name)
    return value.family if value else family(name)


def _asked(asked: Asked) -> Row:
    return {"seconds": asked.seconds, "objective": asked.objective, "workers": asked.workers, "seed": asked.seed}


def _there(path: Path, asked: Asked) -> dict[str, Row]:
    """The rows of an earlier start, by name; a last line that was cut off is dropped."""
    if not path.exists():
        return {}
    try:
        lines = path.read_text("utf-8").splitlines(keepends=True)
    except (OSError, ValueError) as error:
        raise InputError(str(path), f"cannot be read ({error})", "rows of an earlier start, or a new file") from error
    if lines and not lines[-1].endswith("\n"):
        path.write_text("".join(lines[:-1]), "utf-8")
        lines = lines[:-1]
    found = {}
    for n, line in enumerate(lines, 1):
        row = load(line, f"{path}: line {n}")
        if not isinstance(row, dict) or "name" not in row or row.get("asked") != _asked(asked):
            other = row.get("asked") if isinstance(row, dict) else row
            raise InputError(f"{path}: line {n}", f"a row of another run: {other}"[:200], f"rows of {_asked(asked)}",
                             "name another file with --out, or ask for the same")
        if "error" not in row:
            found[row["name"]] = row
    return found


def _keep(path: Path, row: Row) -> None:
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
    except OSError as error:
        raise StoreError(str(path), f"it cannot be written ({error.strerror})", "", "name another file") from error


def summary(done: Sequence[Row]) -> Row:
    """Rows by family and in all: how many, the mean and the largest gap to best known, and how many equal it."""
    families = sorted({row["family"] for row in done})
    return {
        "instances": list(done),
        "families": [{"family": name, **_mean([r for r in done if r["family"] == name])} for name in families],
        "mean": _mean(done),
    }


def _mean(done: Sequence[Row]) -> Row:
    good = [row for row in done if "error" not in row]
    gaps = [row["gap_percent"] for row in good if row["gap_percent"] is not None]
    return {
        "instances": len(done), "errors": len(done) - len(good), "with_best_known": len(gaps),
        "gap_percent": fmean(gaps) if gaps else None, "largest_gap_percent": max(gaps, default=None),
        "at_best_known": sum(gap <= 1e-9 for gap in gaps), "optimal": sum(row["status"] == "optimal" for row in good),
        "proven_gap_percent": fmean(row["proven_gap_percent"] for row in good) if good else None,
        "seconds": round(sum(row["seconds"] for row in good), 3),
    }


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:+.2f} %"


def _line(row: Row) -> str:
    if "error" in row:
        return f"{row['name']}: {row['error']}"
    best = "no value is known"
    if row["best_known"]:
        best = f"best known {row['best_known']:,.10g}, {_percent(row['gap_percent'])}"
    size = f"{row['jobs']} x {row['machines']}"
    return (f"{row['name']} {size}: {row['makespan']:,} ({best}), bound {row['bound']:,.10g}, {row['status']}, "
            f"{row['seconds']:.1f} s, {row['solver']}")


def in_words(told: Row) -> str:
    """A table of the instances and one of the families."""
    names = ("instance", "size", "makespan", "best known", "gap", "bound", "seconds", "solver")
    table = [names]
    for row in told["instances"]:
        if "error" in row:
            table.append((row["name"], "", "", "", "", "", "", row["error"]))
            continue
        best = "-" if row["best_known"] is None else f"{row['best_known']:.10g}"
        table.append((row["name"], f"{row['jobs']} x {row['machines']}", f"{row['makespan']}", best,
                      _percent(row["gap_percent"]), f"{row['bound']:.10g}", f"{row['seconds']:.1f}", row["solver"]))
    means = [("family", "instances", "mean gap", "largest", "at best known", "optimal", "errors")]
    for row in [*told["families"], {"family": "all", **told["mean"]}]:
        means.append((row["family"], str(row["instances"]), _percent(row["gap_percent"]),
                      _percent(row["largest_gap_percent"]), str(row["at_best_known"]), str(row["optimal"]),
                      str(row["errors"])))
    return "\n".join([*_columns(table), "", *_columns(means)])


def _columns(table: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(len(cell) for cell in column) for column in zip(*[r[:-1] for r in table], strict=True)]
    return ["  ".join([*(c.ljust(w) if n == 0 else c.rjust(w) for n, (c, w) in
                         enumerate(zip(row[:-1], widths, strict=True))), row[-1]]).rstrip() for row in table]
