"""A model's card, made from facts when it is trained: nothing on it is written by hand.

    with spent() as cost: state = fit(...)                  seconds and energy
    losses = Losses("Brier score", units, ours, theirs)     on units that neither had seen
    made = card("tool-wear", "ridge", name, losses, Facts(...), cost)

Energy is read from the processor's own counter (RAPL) where it may be read ("measured"), else it is processor seconds
times a power that the site states ("estimated"); the card says which. Headings after M. Mitchell et al., "Model cards
for model reporting" (2019).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from loopwright.core.clock import cpu_s, monotonic_s
from loopwright.core.errors import InputError
from loopwright.core.types import Model

WATTS = 12.0  # of one busy processor core, where nothing can be measured: an assumption, said on every card
MEASURED, ESTIMATED = "measured", "estimated"
RAPL = Path("/sys/class/powercap")
WORST, FEWEST = 10, 3  # units named as worst; a group with fewer units is not judged


@dataclass(frozen=True)
class Losses:
    """What a model and the simplest baseline lost on units that neither had seen (smaller is better).

    name      what it is: 'Brier score', 'absolute error'
    units     (n,) ids; ours, theirs (n,): the model's and the baseline's loss of each
    groups    name of a grouping -> (n,) the group of each unit: {'machine': ['mill-1', ...]}
    says      (n,) a sentence for each unit, or none at all
    """

    name: str
    units: tuple[str, ...]
    ours: np.ndarray
    theirs: np.ndarray
    groups: Mapping[str, Sequence[str]] = field(default_factory=dict)
    says: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        n = len(self.units)
        lengths = {"ours": len(self.ours), "theirs": len(self.theirs), **{k: len(v) for k, v in self.groups.items()}}
        for name, length in lengths.items():
            if length != n:
                raise InputError("losses", f"{name} has {length} values for {n} units", "one for each unit")
        if not n or len(set(self.units)) < n:
            raise InputError("losses", f"{n} units, {len(set(self.units))} different", "at least one, each once")
        if not (np.isfinite(self.ours).all() and np.isfinite(self.theirs).all()):
            raise InputError("losses", "one of them is no number", "a finite loss for each unit")

    def plain(self) -> dict[str, Any]:
        """As it is kept with the model: {name, units, ours, theirs}."""
        return {"name": self.name, "units": list(self.units), "ours": np.asarray(self.ours, dtype=np.float64),
                "theirs": np.asarray(self.theirs, dtype=np.float64)}


@dataclass(frozen=True)
class Facts:
    """What training knows of itself.

    signals      inputs; things: what they were heard from
    known_by_ns  nothing that was known later was used
    split        what was left out whole; metrics, baseline: numbers on what was left out (baseline with its `name`)
    ranges       input -> [lowest, highest] value seen
    seen         'runs' -> 18, 'kinds of cut' -> ['dry', 'wet']: counts, and lists of conditions that were seen
    beyond       sentences that follow from the task and not from the numbers
    """

    signals: tuple[str, ...]
    things: tuple[str, ...]
    known_by_ns: int
    split: str
    metrics: Mapping[str, Any]
    baseline: Mapping[str, Any]
    ranges: Mapping[str, Sequence[float]] = field(default_factory=dict)
    seen: Mapping[str, Any] = field(default_factory=dict)
    beyond: tuple[str, ...] = ()


def card(task: str, name: str, kept: str, losses: Losses, facts: Facts, cost: Mapping[str, Any]) -> Model:
    """The card of a model of that file name, kept under the name `kept`."""
    return Model(
        id=f"{task}/{name}@{kept[:8]}", task=task, signals=facts.signals, known_by_ns=facts.known_by_ns,
        metrics=_told(facts.metrics) | {"loss": float(np.mean(losses.ours))},
        baseline=_told(facts.baseline) | {"loss": float(np.mean(losses.theirs))}, weights_hash=kept,
        code_version=_version(), limits=limits_of(facts), split=facts.split,
        things=facts.things, data={**facts.seen, "ranges": {k: [float(x) for x in v] for k, v in facts.ranges.items()}},
        loss=losses.name, groups=by_group(losses), worst=worst(losses), cost=dict(cost),
    )


def by_group(losses: Losses) -> dict[str, dict[str, Any]]:
    """'machine mill-1' -> {units, loss, baseline_loss}, in the order of the names; every group, however small."""
    found: dict[str, dict[str, Any]] = {}
    for grouping, rows in losses.groups.items():
        of = np.asarray(rows, dtype=str)
        for group in sorted(set(of.tolist())):
            mine = of == group
            found[f"{grouping} {group}"] = {"units": int(mine.sum()), "loss": float(losses.ours[mine].mean()),
                                            "baseline_loss": float(losses.theirs[mine].mean())}
    return found


def worst(losses: Losses, most: int = WORST) -> tuple[dict[str, Any], ...]:
    """The units with the largest loss, the largest first; of equal ones the earlier."""
    order = np.argsort(-np.asarray(losses.ours), kind="stable")[:most].tolist()
    return tuple({"unit": losses.units[i], "loss": float(losses.ours[i]), "baseline_loss": float(losses.theirs[i]),
                  "says": losses.says[i] if losses.says else ""} for i in order)


def ranges_of(names: Sequence[str], values: np.ndarray) -> dict[str, list[float]]:
    """Input -> [lowest, highest] known value of values (n, f); an input that was never known is left out."""
    found = {}
    for name, column in zip(names, np.asarray(values, dtype=np.float64).T, strict=True):
        known = column[np.isfinite(column)]
        if len(known):
            found[name] = [float(known.min()), float(known.max())]
    return found


def outside(ranges: Mapping[str, Sequence[float]], names: Sequence[str], row: Sequence[float]) -> list[str]:
    """Inputs of one row that lie outside what was seen in training, in words; [] where it may be used."""
    found = []
    for name, value in zip(names, row, strict=True):
        low, high = ranges.get(name, (-math.inf, math.inf))
        if math.isfinite(value) and not low <= value <= high:
            found.append(f"{name} is {value:.4g}, in training it was {low:.4g} to {high:.4g}")
    return found


def limits_of(facts: Facts) -> str:
    """What a model may not be used for, as its training data says: sentences."""
    counts = [f"{value} {word}" for word, value in facts.seen.items() if isinstance(value, int)]
    lists = [f"{word}: {', '.join(map(str, value)) or 'none'}" for word, value in facts.seen.items()
             if isinstance(value, (list, tuple))]
    heard = f"{len(facts.things)} thing{'s' if len(facts.things) != 1 else ''} ({', '.join(facts.things[:5])}" + (
        f" and {len(facts.things) - 5} more)" if len(facts.things) > 5 else ")")
    parts = [f"Learned from {', '.join(counts) or 'data that was not counted'} of {heard}."]
    parts += [f"Seen: {'; '.join(lists)}."] if lists else []
    parts += ["It has not been shown that it holds for other things or other conditions."]
    if facts.ranges:
        parts.append(f"Its {len(facts.ranges)} inputs were seen within the ranges on this card only.")
    return " ".join([*parts, *facts.beyond])


@contextmanager
def spent(watts: float = WATTS) -> Iterator[dict[str, Any]]:
    """What the block took, filled in when it ends: wall_s, cpu_s, energy_j, energy ('measured' or 'estimated'),
    energy_method.

    watts  W, of one busy core, where nothing can be measured ([learning] watts of the site)
    RAPL counts the whole processor package, other programs included, so it may read high; a machine that hides it (most
    virtual ones) gets cpu_s times watts.
    """
    cost: dict[str, Any] = {}
    counters = _counters()
    before, wall, cpu = [_energy_uj(one) for one in counters], monotonic_s(), cpu_s()
    try:
        yield cost
    finally:
        cost["wall_s"], cost["cpu_s"] = monotonic_s() - wall, cpu_s() - cpu
        after = [_energy_uj(one) for one in counters]
        if counters and None not in before and None not in after:
            used = [_rise(one, a, b) for one, a, b in zip(counters, before, after, strict=True)]  # type: ignore[arg-type]
            cost["energy_j"] = sum(used) / 1e6
            cost["energy"] = MEASURED
            cost["energy_method"] = "read from the processor (RAPL), other programs included"
        else:
            cost["energy_j"] = cost["cpu_s"] * watts
            cost["energy"] = ESTIMATED
            cost["energy_method"] = f"processor seconds x {watts:g} W"


def together(parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What several blocks took in all; its energy is measured only where that of all of them is."""
    kinds = {str(one["energy"]) for one in parts}
    method = next(one["energy_method"] for one in parts if len(kinds) == 1 or one["energy"] == ESTIMATED)
    summed = {key: sum(float(one[key]) for one in parts) for key in ("wall_s", "cpu_s", "energy_j")}
    return {**summed, "energy": MEASURED if kinds == {MEASURED} else ESTIMATED, "energy_method": method}


def _told(numbers: Mapping[str, Any]) -> dict[str, Any]:
    """The same with None for what is no number: a card holds no NaN."""
    return {name: None if isinstance(value, (float, np.floating)) and not math.isfinite(value) else value
            for name, value in numbers.items()}


def _version() -> str:
    try:
        return version("loopwright")
    except PackageNotFoundError:
        return "not installed"


def _counters() -> list[Path]:
    """Energy counters of whole processor packages that may be read."""
    found = sorted(RAPL.glob("intel-rapl:[0-9]*")) if RAPL.is_dir() else []
    whole = [path for path in found if path.name.count(":") == 1]
    return [path for path in whole if _energy_uj(path) is not None]


def _energy_uj(counter: Path) -> int | None:
    try:
        return int((counter / "energy_uj").read_text("ascii"))
    except (OSError, ValueError):
        return None


def _rise(counter: Path, before: int, after: int) -> int:
    """Microjoule between two readings; the counter begins again at its highest value."""
    if after >= before:
        return after - before
    try:
        return after - before + int((counter / "max_energy_range_uj").read_text("ascii"))
    except (OSError, ValueError):
        return 0
