"""Remaining life on NASA's C-MAPSS and the FEMTO bearings: every model beside the mean, intervals, cost.

    python -m benchmarks.run --full life       5 seeds (5 minutes of processor time)
    python -m benchmarks.run life              1 seed

The same as `loopwright evaluate life --data cmapss --seeds 5`, and with `bearing_femto`. Where a set is not there the
table says so. FD003 and FD004 are predicted blind: their truth is not published beside the data.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from loopwright.core import plug
from loopwright.core.clock import cpu_s, monotonic_s
from loopwright.learn.lives import life_rows
from loopwright.learn.lives.features import Windows
from loopwright.learn.lives.units import LifeSet, remaining
from loopwright.learn.metrics import life as metrics
from loopwright.learn.proof import life
from loopwright.learn.rows import document, peak_mb

DATA = Path(__file__).parents[2] / "shared" / "data" / "cmapss"
FEMTO = DATA.parent / "bearing_femto"
GOALS = {"FD001": (12.3, 11.3), "FD002": (None, 14.5), "FD003": (None, 11.5), "FD004": (None, 16.0)}
Row = dict[str, Any]


def rows(seeds: int = 1) -> list[Row]:
    """One row a set and model; then the anchor."""
    if not DATA.is_dir():
        return [{"set": "C-MAPSS", "word": "the set is not beside the project: nothing measured"}]
    names = sorted(plug.find("learn.models.life"))
    begun_s, wall_s, most_mb = cpu_s(), monotonic_s(), [0.0]

    def say(text: str) -> None:
        most_mb[0] = max(most_mb[0], peak_mb())
        _say(text)

    found, champion = life.rows(DATA, names, seeds, None, say)
    spent = {"all of C-MAPSS": f"{len(names)} models, {seeds} seeds, as `loopwright evaluate life` does",
             "cpu s": cpu_s() - begun_s, "wall s": monotonic_s() - wall_s, "resident, MB": most_mb[0]}
    one = life.read(DATA / "train_FD001.txt.gz")[0][0]
    return [*told(document(found, champion)), anchor(one), spent, *bearings(names, seeds)]


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def bearings(names: Sequence[str], seeds: int) -> list[Row]:
    """Each of FEMTO's learning bearings left out whole and asked at six points of its life."""
    if not FEMTO.is_dir():
        return [{"set": "FEMTO", "word": "the set is not beside the project: nothing measured"}]
    found, champion = life.rows(FEMTO, names, seeds, None, _say)
    evaluated = document(found, champion)
    best = evaluated["champion"]["bearing_femto"]["model"]
    rows = [_bearing(row, best) for row in evaluated["rows"]]
    return [*rows, {"set": "FEMTO", "in turn": evaluated["rows"][0]["notes"][3]}]


def _bearing(row: Mapping[str, Any], best: str) -> Row:
    return {
        "set": "FEMTO", "model": row["model"] + (" (champion)" if row["model"] == best else ""),
        "PHM 2012 score": _shown(row, "phm2012", 3), "RMSE, cycles of 120 s": _shown(row, "rmse_raw"),
        "of the median": _shown(row, "rmse_raw_of_median"), "capped": _shown(row, "rmse_capped"),
        "90 % held, test": _share(row["metrics"]["coverage_90"]),
        "left out: RMSE raw": _shown(row, "left_out_rmse_raw"), "left out: capped": _shown(row, "left_out_rmse_capped"),
        "fit, cpu s": f"{row['cost']['fit_s']:.2f}", "us/value": f"{row['cost']['us_per_point']:.2f}",
    }


def full_rows() -> list[Row]:
    """With five seeds."""
    return rows(5)


def told(evaluated: Mapping[str, Any]) -> list[Row]:
    """The rows of an evaluation for a table."""
    best = evaluated["champion"]
    return [_row(row, best[row["set"]]["model"]) for row in evaluated["rows"]]


def _row(row: Mapping[str, Any], best: str) -> Row:
    raw, capped = GOALS.get(row["set"].rsplit("/", 1)[-1], (None, None))
    return {
        "set": row["set"].rsplit("/", 1)[-1], "model": row["model"] + (" (champion)" if row["model"] == best else ""),
        "RMSE raw": _shown(row, "rmse_raw"), "goal raw": raw,
        "raw, of the median": _shown(row, "rmse_raw_of_median"),
        "RMSE capped": _shown(row, "rmse_capped"), "goal capped": capped,
        "S raw": _shown(row, "s_score_raw", 0), "S capped": _shown(row, "s_score_capped", 0),
        "90 % held, test": _share(row["metrics"]["coverage_90"]),
        "binomial 95 %": _between(row["metrics"]["coverage_90_low"], row["metrics"]["coverage_90_high"]),
        "left out: RMSE raw": _shown(row, "left_out_rmse_raw"), "capped": _shown(row, "left_out_rmse_capped"),
        "of the median, left out": _shown(row, "left_out_rmse_raw_of_median"),
        "90 % held": _share(row["metrics"]["left_out_coverage_90"]),
        "fit, cpu s": f"{row['cost']['fit_s']:.1f}", "us/value": f"{row['cost']['us_per_point']:.2f}",
    }


def _shown(row: Mapping[str, Any], name: str, digits: int = 2) -> str | None:
    """A metric and its standard deviation over the seeds."""
    value, off = row["metrics"][name], row.get("spread", {}).get(name)
    if value is None:
        return None
    return f"{value:,.{digits}f}" + ("" if off is None else f" ± {off:.{digits}f}")


def _share(value: float | None) -> str | None:
    return None if value is None else f"{value:.1%}"


def _between(low: float | None, high: float | None) -> str | None:
    return None if low is None or high is None else f"{low:.0%} to {high:.0%}"


def anchor(one: LifeSet) -> Row:
    """scikit-learn's boosting on statistics of a window of 30 cycles: what stands in the field's tables as a floor."""
    from sklearn.ensemble import HistGradientBoostingRegressor
    from threadpoolctl import threadpool_limits

    begun_s = cpu_s()
    frame = life_rows.fit(one.train, Windows((30,), (30,), (30,), True))
    x = np.vstack([life_rows.table(frame, unit)[:, :-1] for unit in one.train])
    left = np.minimum(np.concatenate([remaining(unit) for unit in one.train]), 125.0)
    with threadpool_limits(1):
        model = HistGradientBoostingRegressor(max_iter=300, learning_rate=0.04, random_state=0).fit(x, left)
        estimate = model.predict(life_rows.newest(frame, one.test)[:, :-1])
    truth = np.array([unit.left for unit in one.test])
    return {"set": "FD001", "anchor": "HistGradientBoosting, mean, slope, spread and newest of 30 cycles, cap 125",
            "RMSE raw": metrics.rmse(estimate, truth), "published": 12.82,
            "RMSE capped": metrics.capped(estimate, truth), "published capped": 11.54, "fit, cpu s": cpu_s() - begun_s}


def from_file(path: Path) -> Sequence[Row]:
    """The table of an evaluation that was kept by --out."""
    return told(json.loads(path.read_text("utf-8")))


if __name__ == "__main__":
    from benchmarks.run import main

    main(["--full", "life"])
