"""Alarms: the budget on recorded weeks and months that nobody calls anomalous, and where the cause of a fault stands.

    python -m benchmarks.bench_alarms [DATA]      DATA: the folder of the public sets (default ../shared/data)

The budget: a detector learns from the first 60 % of the first quarter of a series (at most 90 days of it), the budget
is calibrated on the rest of that quarter and replayed on up to 60 days after it; rows inside NAB's labelled windows are
left out. Where one alarm would have to come in fewer than 12 rows, nothing is asked. Seeds and constants were fixed on
made-up scores. The cause: Tennessee Eastman, faults whose disturbed quantity is known (J. Downs and E. Vogel, Comput.
Chem. Eng. 17 (1993) 245, table 8) and has a channel of its own or one valve that answers it; the ranking of
`learn.detecting.causes` when the alarm has lasted 3 rows (9 minutes) and 20 rows (an hour).
"""

from __future__ import annotations

import csv
import gzip
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from benchmarks.bench_anomaly import DATA, OURS, _poisson
from loopwright.core import plug
from loopwright.core.clock import NS_PER_S
from loopwright.learn.detecting import budget, causes
from loopwright.learn.detecting.budget import tail_point
from loopwright.learn.proof import anomaly as proof
from loopwright.learn.sets import grid_ett, grid_pjm, grid_vic_elec, nab, nem12, smart_meters, tennessee_eastman

A_DAY = (1.0, 5.0, 15.0)
LEAST_ROWS, DAYS, PAST_DAYS = 12, 60, 90
SHOWN = ("realKnownCause/machine_temperature", "realKnownCause/cpu_utilization", "realKnownCause/nyc_taxi",
         "realTweets/Twitter_volume_FB", "realAdExchange/exchange-2_cpc", "artificialNoAnomaly/art_noisy")
ROOTS = {  # fault -> channels that the disturbance acts on, or the valve of the loop that answers it
    "fault_01": ("xmeas_4", "xmv_4", "xmeas_1", "xmv_3"), "fault_02": ("xmeas_10", "xmv_6"),
    "fault_04": ("xmv_10", "xmeas_9"), "fault_05": ("xmv_11", "xmeas_22"), "fault_06": ("xmeas_1", "xmv_3"),
    "fault_07": ("xmeas_4", "xmv_4"), "fault_11": ("xmv_10", "xmeas_9"), "fault_12": ("xmv_11", "xmeas_22"),
    "fault_14": ("xmv_10", "xmeas_9", "xmeas_21")}


def rows(data: Path = DATA) -> list[dict[str, Any]]:
    """Both parts; sets that are not there are left out."""
    models = {name: plug.load(proof.ROOM, name) for name in OURS}
    out = [row for name, step_s, values, odd in recorded(data) for row in of_budget(name, step_s, values, odd, models)]
    held = sum(row["held"] for row in out)
    asked = sum(row["asked"] for row in out)
    out.append(dict.fromkeys(out[0], "") | {"recorded": "in all", "held": held, "asked": asked} if out else {})
    te = data / "tennessee_eastman"
    return [row for row in out if row] + (of_roots(te, models) if te.is_dir() else [])


def recorded(data: Path) -> Iterator[tuple[str, float, np.ndarray, np.ndarray]]:
    """(name, step_s, values (T, C), rows (T,) that are labelled anomalous) of each recording."""
    for reader in (grid_pjm, grid_vic_elec, smart_meters, nem12, grid_ett):
        folder = data / (reader.NAME if reader.NAME.startswith("grid") else f"grid_{reader.NAME}")
        for found in reader.read(folder) if folder.is_dir() else []:
            parts = [found.series] if reader is grid_ett else [[one] for one in found.series[:2]]
            for part in parts:
                values = np.stack([np.asarray(one.values, float) for one in part], axis=1)
                values = values[-round((PAST_DAYS + DAYS + 90) * 86_400 / found.step_s):]
                label = found.name if len(part) > 1 or len(found.series) == 1 else f"{found.name}/{part[0].name}"
                yield label, found.step_s, values, np.zeros(len(values), dtype=bool)
    if (data / "nab").is_dir():
        for one in nab.read(data / "nab").recordings:
            if one.name.startswith(SHOWN) and one.before is not None:
                labels = np.concatenate((one.before, one.labels)) > 0
                yield one.name.split("/")[1][:28], one.step_s, np.vstack((one.fit, one.asked)), labels
    week = data / "traffic_metr_la_week" / "los_speed_dev.csv.gz"
    if week.is_file():
        with gzip.open(week, "rt") as text:
            table = np.array([[float(cell) for cell in row] for row in list(csv.reader(text))[1:]])
        for place in (0, 100):
            yield f"metr_la/{place}", 300.0, table[:, [place]], np.zeros(len(table), dtype=bool)
    if (data / "tennessee_eastman").is_dir():
        normal = tennessee_eastman.read(data / "tennessee_eastman").recordings[0]
        values = np.vstack((normal.fit, normal.calm))
        yield "tennessee d00", normal.step_s, values, np.zeros(len(values), dtype=bool)


def of_budget(
    name: str, step_s: float, values: np.ndarray, odd: np.ndarray, models: Mapping[str, ModuleType]
) -> list[dict[str, Any]]:
    """One row for each number of alarms a day: what each detector's budget brought, beside the interval."""
    quarter = min(len(values) // 4, round(PAST_DAYS * 86_400 / step_s))
    learned = int(0.6 * quarter)
    scores = {}
    for model, module in models.items():
        state = module.fit(values[:learned], 0)
        scores[model] = np.asarray(module.score(state, values[learned:])[0])
    past, calm = ~odd[learned:quarter], ~odd[quarter:]
    most = round(DAYS * 86_400 / step_s)
    out = []
    for per_day in A_DAY:
        asked = int(min(calm.sum(), most))
        allowed = asked * step_s / 86_400 * per_day
        if asked < LEAST_ROWS * allowed or past.sum() < 20:
            continue
        low, high = _poisson(allowed)
        row: dict[str, Any] = {"recorded": name, "days": asked * step_s / 86_400, "a day": per_day,
                               "95 % Poisson": f"{low} to {high}"}
        for model, told in scores.items():
            row[model] = replayed(told[: len(past)][past], told[len(past):][calm][:asked], step_s, per_day)
        counts = [row[model] for model in scores]
        out.append(row | {"held": sum(low <= count <= high for count in counts), "asked": len(counts)})
    return out


def replayed(past: np.ndarray, scores: np.ndarray, step_s: float, per_day: float) -> int:
    """Alarms of one thing."""
    told = budget.Settings(per_day, step_s)
    state = budget.calibrate(past[-3000:], told)
    for i, score in enumerate(scores):
        state, _ = budget.step(state, round(i * step_s) * NS_PER_S, np.array([score]), told)
    return state.alarms


def of_roots(path: Path, models: Mapping[str, ModuleType]) -> list[dict[str, Any]]:
    """Where the cause stands in the ranking, a fault a row, then the shares of first and of the first three."""
    found = {one.name: one for one in tennessee_eastman.read(path).recordings}
    names = [name for name in ("pca", "robust_z", "sub_pca", "fused") if name in models]
    fitted = {}
    for name in names:
        one = next(iter(found.values()))
        state = models[name].fit(one.fit, 0)
        fitted[name] = state, tail_point(np.asarray(models[name].score(dict(state), one.calm)[0]), 0.01)
    out: list[dict[str, Any]] = []
    for fault, roots in ROOTS.items():
        row: dict[str, Any] = {"fault": fault, "cause": " ".join(roots)}
        for rows_ in (3, 20):
            for name in names:
                row[f"{name}, {rows_} rows"] = rank_of(models[name], *fitted[name], found[fault], roots, rows_)
        out.append(row)
    for most, words in ((1, "first"), (3, "among the first three")):
        row = {"fault": f"share {words}", "cause": ""}
        for key in list(out[0])[2:]:
            row[key] = float(np.mean([one[key] is not None and one[key] <= most for one in out[: len(ROOTS)]]))
        out.append(row)
    return out


def rank_of(
    module: ModuleType, state: dict[str, Any], threshold: float, run: Any, roots: tuple[str, ...], after: int
) -> int | None:
    """The best place of a true cause in the ranking, `after` rows into the first three rows in alarm of the fault."""
    scores = np.asarray(module.score(dict(state), run.asked)[0])
    above = (scores > threshold) & (run.labels > 0)
    begun = np.flatnonzero(above[:-2] & above[1:-1] & above[2:])
    if not len(begun):
        return None
    first = max(0, int(begun[0]) - 60)
    before = module.score(dict(state), run.asked[:first])[1] if first else dict(state)
    ranked = [one.channel for one in causes.explain(module, before, run.asked[first : begun[0] + after], run.channels)]
    return 1 + min(ranked.index(root) for root in roots)


if __name__ == "__main__":
    from benchmarks.run import table

    print(table(rows(Path(sys.argv[1]) if len(sys.argv) > 1 else DATA)))
