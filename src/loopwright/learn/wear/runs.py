"""What a machining run looks like to a model: a dozen numbers, none of which names the run.

    columns = from_windows(windows)          or from_points(table): signal -> (n,) on a regular grid, NaN for a gap
    row = measure(columns, settings)         name -> number
    features = assemble({"mill-1/run-3": row, ...}, clamp_pa={...})

What they measure. A worn edge cuts unevenly, so the spindle turns less steadily under the same load: the spread and the
step-to-step roughness of its acceleration and of its torque, while the tool cuts and the spindle is at speed.
Power and torque levels stand beside them: in hard materials a worn edge needs more of both. (In the recorded wax runs
the levels tell nothing; docs/decisions/0007-run-level-wear.md has the numbers.)

What is left out, because it would name the run or the tool instead: see `splits.FORBIDDEN`. Medians and percentiles are
used throughout, so a longer run does not have larger numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from loopwright.core.errors import InputError, UnknownName
from loopwright.core.types import Windows
from loopwright.learn.splits import check_names

_STATISTICS = ("spread", "high", "step", "step_high")
UNSTEADY = tuple(f"{channel}.{s}" for channel in ("acceleration", "torque") for s in _STATISTICS)
LEVELS = ("torque.level", "power.level_w", "power.cut_w")
SETUP = ("feed_m_s", "clamp_pa")
NAMES = (*SETUP, *UNSTEADY, *LEVELS)


@dataclass(frozen=True)
class RunSettings:
    """Which signals mean what, on the machine that is judged.

    cutting        codes of `process` in which the tool is in the material
    rapid_m_s      from this feed rate on a sample is rapid travel (or a faulty row) and says nothing about cutting
    least_samples  fewer cutting samples than this and the run is not judged
    """

    cutting: frozenset[int]
    process: str = "machining.process"
    speed: str = "s.velocity"
    feed: str = "program.feed"
    power: str = "s.output_power"
    channels: Mapping[str, str] = field(
        default_factory=lambda: {"acceleration": "s.acceleration", "torque": "s.current_feedback"}
    )
    rapid_m_s: float = 0.05
    least_samples: int = 20

    @property
    def signals(self) -> tuple[str, ...]:
        """Every signal that `measure` needs."""
        return (self.process, self.speed, self.feed, self.power, *self.channels.values())


@dataclass(frozen=True)
class Features:
    """Rows for models. runs (n,) ids, names (f,), values (n, f) with NaN where a number is not known."""

    runs: tuple[str, ...]
    names: tuple[str, ...]
    values: np.ndarray

    def __post_init__(self) -> None:
        if self.values.shape != (len(self.runs), len(self.names)):
            raise InputError("features", f"values are {self.values.shape}", f"({len(self.runs)}, {len(self.names)})")
        check_names(self.names)

    def columns(self, names: Sequence[str]) -> np.ndarray:
        """(n, len(names)) of these features; UnknownName lists what there is."""
        for name in names:
            if name not in self.names:
                raise UnknownName("feature", name, self.names)
        return self.values[:, [self.names.index(name) for name in names]]

    def take(self, rows: Any) -> Features:
        """Only these rows, in this order."""
        picked = np.asarray(rows, dtype=np.int64)
        return Features(tuple(self.runs[i] for i in picked), self.names, self.values[picked])


def from_windows(windows: Windows, index: int = 0) -> dict[str, np.ndarray]:
    """Signal -> (T,) of one thing of a window, NaN where there is no value."""
    values = np.where(windows.mask[index], windows.values[index], np.nan)  # (T, C)
    return {name: values[:, c].astype(np.float64) for c, name in enumerate(windows.channels)}


def from_points(table: pa.Table, period_ns: int = 100_000_000) -> dict[str, np.ndarray]:
    """Signal -> (T,) from POINTS rows of one thing, on the regular grid of period_ns from its first time on.

    The last value in each step of the grid counts; a step without one is NaN, never bridged.
    """
    if table.num_rows == 0:
        return {}
    if len(table.column("thing").unique()) > 1:
        raise InputError("run", "rows of several things are mixed", "rows of one thing")
    ordered = table.sort_by([("t_ns", "ascending"), ("n", "ascending")])
    t_ns = ordered.column("t_ns").to_numpy()
    at = (t_ns - t_ns[0] + period_ns // 2) // period_ns
    value = ordered.column("value").to_numpy()
    code = ordered.column("code").cast(pa.float64()).to_numpy()
    words = ordered.column("signal").combine_chunks().dictionary_encode()
    which, both = words.indices.to_numpy(), np.where(np.isnan(value), code, value)
    columns = {}
    for i, name in enumerate(words.dictionary.to_pylist()):
        mine = which == i
        columns[name] = np.full(int(at[-1]) + 1, np.nan)
        columns[name][at[mine]] = both[mine]
    return columns


def measure(columns: Mapping[str, np.ndarray], settings: RunSettings) -> dict[str, float] | None:
    """The numbers of one run (without its clamp pressure), or None when there is too little cutting to judge it.

    columns  signal -> (n,) at a regular rate, NaN where nothing is known
    Raises UnknownName for a signal that settings need and the run lacks.
    """
    for name in settings.signals:
        if name not in columns:
            raise UnknownName("signal of a run", name, columns)
    speed, feed = columns[settings.speed], columns[settings.feed]
    process = columns[settings.process]
    if not np.isfinite(speed).any():
        return None
    at_speed = speed >= 0.95 * np.nanquantile(speed, 0.95)
    cutting = np.isin(process, list(settings.cutting)) & at_speed & (feed < 0.999 * settings.rapid_m_s) & (speed > 0)
    air = np.isfinite(process) & ~np.isin(process, list(settings.cutting)) & at_speed & (speed > 0)
    if cutting.sum() < settings.least_samples:
        return None
    row = {"feed_m_s": float(np.median(feed[cutting]))}
    for channel, signal in settings.channels.items():
        row |= {f"{channel}.{name}": value for name, value in _unsteadiness(columns[signal], cutting).items()}
    row["torque.level"] = _median(columns[settings.channels["torque"]][cutting])
    row["power.level_w"] = _median(columns[settings.power][cutting])
    row["power.cut_w"] = row["power.level_w"] - _median(columns[settings.power][air])
    return row


def _unsteadiness(x: np.ndarray, where: np.ndarray) -> dict[str, float]:
    """How unsteady a signal is: median and 95th percentile of its distance from its median, and of its steps.

    A step counts between two neighbouring samples that are both in `where`.
    """
    inside = np.abs(x[where] - _median(x[where]))
    steps = np.abs(np.diff(x))[where[1:] & where[:-1]]
    return {
        "spread": _median(inside), "high": _high(inside),
        "step": _median(steps), "step_high": _high(steps),
    }


def _median(x: np.ndarray) -> float:
    known = x[np.isfinite(x)]
    return float(np.median(known)) if len(known) else float("nan")


def _high(x: np.ndarray) -> float:
    known = x[np.isfinite(x)]
    return float(np.quantile(known, 0.95)) if len(known) else float("nan")


def assemble(rows: Mapping[str, Mapping[str, float]], clamp_pa: Mapping[str, float | None] | None = None) -> Features:
    """Features of many runs, in the order given. clamp_pa: run -> pressure of the vise, where the set-up says it."""
    clamps = clamp_pa or {}
    known = {run: {**row, "clamp_pa": _or_nan(clamps.get(run))} for run, row in rows.items()}
    values = np.array([[row.get(name, float("nan")) for name in NAMES] for row in known.values()], dtype=np.float64)
    return Features(tuple(rows), NAMES, values.reshape(len(rows), len(NAMES)))


def _or_nan(value: float | None) -> float:
    return float("nan") if value is None else float(value)


def find_runs(t_ns: np.ndarray, number: np.ndarray) -> list[tuple[int, int, int]]:
    """(run number, start_ns, end_ns) of each stretch of one run number, from rows in the order of their times."""
    if len(t_ns) == 0:
        return []
    edges = np.flatnonzero(np.diff(number)) + 1
    starts, ends = np.concatenate([[0], edges]), np.concatenate([edges, [len(number)]])
    return [(int(number[a]), int(t_ns[a]), int(t_ns[b - 1])) for a, b in zip(starts, ends, strict=True)]
