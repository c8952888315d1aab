"""Best known values of published instances, from the files people keep them in.

    read_best("best_known.json") -> {"ta01": Best(family, lower, upper), ...}

    a list of {instance, family, lower_bound, upper_bound}           ScheduleOpt/benchmarks
    a list of {name, optimum} or {name, bounds: {lower, upper}}      tamy0612/JSPLIB, instances.json
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loopwright.core.errors import InputError
from loopwright.make.reading.files import bytes_of
from loopwright.make.reading.shop_json import load


@dataclass(frozen=True)
class Best:
    """What is proven (lower) and what somebody found (upper), in the unit of the instance's durations."""

    family: str
    lower: float
    upper: float


def read_best(path: str | Path) -> dict[str, Best]:
    """instance -> what is known of it. Raises InputError with the entry, the field, the value and the rule."""
    path = Path(path)
    given = load(bytes_of(path).decode("utf-8", "replace"), path.name)
    if not isinstance(given, list):
        raise InputError(path.name, f"{type(given).__name__}", "a list of objects, one an instance")
    found = {}
    for n, row in enumerate(given):
        name, best = _best(row, f"{path.name}: entry {n + 1}")
        if name in found:
            raise InputError(f"{path.name}: entry {n + 1}", f"{name!r} stands twice", "each instance once")
        found[name] = best
    return found


def known(best: Mapping[str, Best], name: str) -> Best | None:
    """What is known of an instance, also when the file writes its name a little differently ('orb07', 'orb7')."""
    if name in best:
        return best[name]
    same = [value for key, value in best.items() if _bare(key) == _bare(name)]
    return same[0] if len(same) == 1 else None


def family(name: str) -> str:
    """The letters that an instance's name begins with: 'ta' of 'ta01js'."""
    return re.sub(r"[\d_\-. ].*", "", name) or name


def _bare(name: str) -> str:
    short = re.sub(r"[^a-z0-9]", "", name.lower())
    return re.sub(r"0+(?=\d)", "", re.sub(r"(?<=\d)js$", "", short), count=1)


def _best(row: Any, where: str) -> tuple[str, Best]:
    if not isinstance(row, dict):
        raise InputError(where, repr(row)[:60], "an object")
    name = row.get("instance", row.get("name"))
    if not isinstance(name, str) or not name:
        raise InputError(f"{where}: instance", repr(name)[:60], "a name")
    given = row.get("bounds")
    bounds: dict[str, Any] = given if isinstance(given, dict) else {}
    lower = _first(row.get("lower_bound"), row.get("optimum"), bounds.get("lower"))
    upper = _first(row.get("upper_bound"), row.get("optimum"), bounds.get("upper"))
    for field, value in (("lower bound", lower), ("upper bound", upper)):
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e18:
            raise InputError(f"{where}: {field} of {name!r}", repr(value)[:60], "a number above 0")
    if lower > upper:
        raise InputError(f"{where}: {name!r}", f"lower bound {lower} above upper bound {upper}", "lower at most upper")
    return name, Best(str(row.get("family") or family(name)), float(lower), float(upper))


def _first(*values: Any) -> Any:
    return next((value for value in values if value is not None), None)
