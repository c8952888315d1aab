"""Forecasts by GIFT-Eval's protocol: windows at the end of each series, every channel a series, errors pooled.

    rows(path, models, seeds, out, progress, mapping=None) -> (list[Row], {'set/horizon': Champion})

Horizons: 48 points for steps of minutes to hours (60 of seconds, 30 of days, 8 of weeks), ten times and fifteen times
that ('short', 'medium', 'long'), where the series are long enough. Windows: min(max(1, ceil(0.1 L / H)), 20) of H
points one after another up to the end, L the length of the shortest series; a window knows everything before it.
The champion is chosen on the same windows moved back by as many (960 points of them, or 5), all before the first tested
point, by the geometric mean of MASE and CRPS.
Source: T. Aksu et al., GIFT-Eval (arXiv 2410.10393), section 3 and its public code (prediction lengths, windows).
"""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from loopwright.core import plug
from loopwright.core.errors import InputError, StoreError
from loopwright.learn.forecasting import forecast_peers
from loopwright.learn.forecasting.series import DAY_S, SeriesSet, seasons
from loopwright.learn.kept.results import library
from loopwright.learn.metrics.forecast import LEVELS, Scored, geometric_mean, relative, scores
from loopwright.learn.rows import PEER, Champion, Cost, Row, done, measured, once, over_seeds
from loopwright.learn.tables.own_map import Mapped

ROOM = "learn.models.forecast"
PEERS = forecast_peers.PEERS
BASELINE = "seasonal_naive"
TERMS = {"short": 1, "medium": 10, "long": 15}
MOST, SHARE = 20, 0.1  # windows, and the share of a series they may take
CHOOSING, LEAST_CHOOSING = 960, 5  # points ahead that a champion is chosen on, and windows at least


@dataclass(frozen=True)
class Windows:
    """What is forecast at once: for each window a batch of series, left-padded with NaN to one length.

    past    K arrays (S, T_k); truth: K arrays (S, H)
    """

    past: list[np.ndarray]
    truth: list[np.ndarray]

    def __len__(self) -> int:
        return len(self.past)


def rows(
    path: Path, models: Sequence[str], seeds: int, out: Path | None, progress: Callable[[str], None],
    mapping: Mapped | None = None,
) -> tuple[list[Row], dict[str, Champion]]:
    """Every set of the path at every horizon it is long enough for; the champion of each.

    Raises InputError for a path of no layout, and for series too short for any horizon.
    """
    found: list[Row] = []
    champion: dict[str, Champion] = {}
    layout, sets, notes = read(path, mapping)
    for one in sets:
        name = f"{layout}/{one.name}" if layout != "csv" else one.name
        for term, horizon in horizons(one).items():
            progress(f"{name}/{term}: {horizon} points ahead")
            more = _scored(one, (name, term, horizon), models, seeds, progress, notes)
            found += [done(progress, row) for row in more]
            best = _champion(one, (name, term, horizon), [m for m in models if not m.startswith(PEER)], progress)
            champion[f"{name}/{term}"] = best
            if out is not None:
                _write(out / f"{one.name}_{term}.csv", one, horizon, best.model)
    return _with_means(found), champion


def read(path: Path, mapping: Mapped | None = None) -> tuple[str, list[SeriesSet], tuple[str, ...]]:
    """(layout, sets, notes) at the path, by the first layout that recognises it, or by the mapping of a CSV."""
    if mapping is not None:
        from loopwright.learn.sets import csv as own

        sets, notes = own.series(path, mapping)
        return "csv", list(sets), tuple(notes)
    for layout in sorted(plug.find("learn.sets")):
        module = plug.load("learn.sets", layout)
        if "forecast" in module.TASKS and module.recognises(path):
            return layout, list(module.read(path)), ()
    raise InputError(str(path), "it is of no layout that is forecast", "see learn/sets, or --map for your own CSV")


def base_horizon(step_s: float) -> int:
    """Points of the short horizon for a step in seconds."""
    if step_s < 60:
        return 60
    if step_s < DAY_S:
        return 48
    return 30 if step_s < 7 * DAY_S else 8 if step_s < 28 * DAY_S else 12


def error_season(step_s: float) -> int:
    """Points of the season that MASE divides by: an hour of seconds, a day of minutes and hours, else 1 (12 of months).

    As gluonts has it for these steps.
    """
    whole = 3600.0 if step_s < 60 else DAY_S
    if step_s >= 28 * DAY_S:
        return 12
    return max(round(whole / step_s), 1) if abs(whole / step_s - round(whole / step_s)) < 1e-9 else 1


def horizons(one: SeriesSet) -> dict[str, int]:
    """Term -> points ahead, of those for which two seasons and the horizon stand before the first window."""
    length = min(len(series.values) for series in one.series)
    base, season = base_horizon(one.step_s), error_season(one.step_s)
    found = {}
    for term, times in TERMS.items():
        horizon = base * times
        if length - count(length, horizon) * horizon >= max(2 * season, horizon, 3):
            found[term] = horizon
    if not found:
        least = base + max(2 * season, base)
        raise InputError(one.name, f"its shortest series has {length} points", f"{least} or more")
    return found


def count(length: int, horizon: int) -> int:
    """Windows of a series of that length."""
    return min(max(1, math.ceil(SHARE * length / horizon)), MOST)


def windows(one: SeriesSet, horizon: int, back: int = 0, most: int = MOST) -> Windows:
    """The windows at the end, or those moved back by `back` windows; `most` of them, spread evenly.

    Windows before which less than the horizon is known are left out.
    """
    number = count(min(len(series.values) for series in one.series), horizon)
    ends = [horizon * (back + number - 1 - k) for k in range(number)]
    shortest = min(len(series.values) for series in one.series)
    ends = [end for end in ends if shortest - end - horizon >= max(horizon, 3)]
    if len(ends) > most:
        ends = [ends[i] for i in np.linspace(0, len(ends) - 1, most).round().astype(int)]
    past, truth = [], []
    for end in ends:
        known = [series.values[: len(series.values) - end - horizon] for series in one.series]
        longest = max(len(values) for values in known)
        past.append(np.stack([np.pad(v, (longest - len(v), 0), constant_values=np.nan) for v in known]))
        cut = [series.values[len(series.values) - end - horizon: len(series.values) - end] for series in one.series]
        truth.append(np.stack(cut))
    return Windows(past, truth)


def _forecast(name: str, one: SeriesSet, horizon: int, asked: Windows, seed: int) -> np.ndarray:
    """(K S, H, Q) of one model, window after window."""
    if name.startswith(PEER):
        return forecast_peers.forecast(name, asked.past, horizon, one.step_s, seed)
    predict = plug.load(ROOM, name).predict
    season = seasons(one.step_s)
    return np.concatenate([predict(past, horizon, season, LEVELS, seed) for past in asked.past])


def _measures(one: SeriesSet, asked: Windows, told: np.ndarray) -> dict[str, float | None]:
    """The metrics of forecasts (K S, H, Q)."""
    past = [_begun(row) for batch in asked.past for row in batch]
    return scores(Scored(past, np.concatenate(asked.truth), told), error_season(one.step_s))


def _begun(values: np.ndarray) -> np.ndarray:
    """A series without the padding before its first value."""
    known = np.isfinite(values)
    return values[int(np.argmax(known)):] if known.any() else values[-1:]


def _scored(
    one: SeriesSet, place: tuple[str, str, int], models: Sequence[str], seeds: int,
    progress: Callable[[str], None], notes: tuple[str, ...],
) -> list[Row]:
    """A row a model; the baseline first, what its errors are relative to.

    place  (set, term, points ahead)
    """
    name, term, horizon = place
    asked = windows(one, horizon)
    points = sum(truth.size for truth in asked.truth)
    base: dict[str, float | None] = {}
    found = []
    for model in [BASELINE, *(m for m in models if m != BASELINE)]:
        runs = seeds if model in forecast_peers.DRAW else 1

        def make(model: str = model, runs: int = runs) -> dict[str, Any]:
            with measured() as spent:
                told = [_forecast(model, one, horizon, asked, seed) for seed in range(runs)]
            cost = asdict(Cost(0.0, 1e6 * spent.cpu_s / (runs * points), spent.peak_mb))
            return {"results": [_measures(one, asked, quantiles) for quantiles in told], "cost": cost}

        said = once(progress, ("forecast", *place, model, _version(model), runs), make)
        results, cost = said["results"], Cost(**said["cost"])
        base = base or results[0]
        for result in results:
            result |= {f"{m}_to_naive": relative(result[m], base[m]) for m in ("mase", "crps")}
        mean, spread = over_seeds(results)
        words = (f"{len(asked)} windows of {horizon} points of {len(one.series)} series, step {one.step_s:g} s", *notes)
        found.append(Row(name, "forecast", term, model, BASELINE, "time", runs, mean, cost, spread, notes=words))
        progress(f"  {model}: MASE {_short(mean['mase'])}, CRPS {_short(mean['crps'])}")
    return found


def _short(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"


def _version(model: str) -> str:
    """Of the package that a peer is; '' for ours."""
    return library(model.removeprefix(PEER)) if model.startswith(PEER) else ""


def _champion(
    one: SeriesSet, place: tuple[str, str, int], models: Sequence[str], progress: Callable[[str], None]
) -> Champion:
    """The model with the least geometric mean of MASE and CRPS on windows before the tested ones.

    Where the series are too short for such windows it is the baseline.
    """
    horizon = place[2]
    number = count(min(len(series.values) for series in one.series), horizon)
    earlier = windows(one, horizon, back=number, most=max(LEAST_CHOOSING, CHOOSING // horizon))
    if not len(earlier):
        return Champion(BASELINE, "too little before the tested windows to choose: the baseline", {})
    names = dict.fromkeys([BASELINE, *models])
    told: dict[str, dict[str, float | None]] = {
        m: once(progress, ("forecast", *place, m, "earlier windows"),
                partial(_of_earlier, m, one, horizon, earlier))
        for m in names
    }
    size = {m: geometric_mean([v for v in (t["mase"], t["crps"]) if v is not None]) for m, t in told.items()}
    best = min(told, key=lambda m: math.inf if size[m] is None else float(size[m] or 0.0))
    return Champion(best, f"{len(earlier)} windows before the tested ones", told[best])


def _of_earlier(model: str, one: SeriesSet, horizon: int, earlier: Windows) -> dict[str, float | None]:
    return _measures(one, earlier, _forecast(model, one, horizon, earlier, 0))


def _with_means(found: list[Row]) -> list[Row]:
    """The rows; under the last table, each model's geometric mean to the baseline over all tables of the path."""
    places = list(dict.fromkeys(row.place for row in found))
    if len(places) < 2:
        return found
    lines = [f"geometric means over {len(places)} tables, to {BASELINE}:"]
    for model in dict.fromkeys(row.model for row in found):
        mine = [row.metrics for row in found if row.model == model]
        lines.append(f"  {model}: MASE {_short(_mean_of(mine, 'mase_to_naive'))}, "
                     f"CRPS {_short(_mean_of(mine, 'crps_to_naive'))}")
    return [replace(row, notes=(*row.notes, *lines)) if row.place == places[-1] else row for row in found]


def _mean_of(metrics: Sequence[Mapping[str, float | None]], name: str) -> float | None:
    return geometric_mean([float(value) for one in metrics if (value := one[name])])


def _write(file: Path, one: SeriesSet, horizon: int, model: str) -> None:
    """The champion's forecasts of the tested windows: a line a point."""
    asked = windows(one, horizon)
    told = _forecast(model, one, horizon, asked, 0).reshape(len(asked), len(one.series), horizon, len(LEVELS))
    try:
        with file.open("w", newline="", encoding="utf-8") as text:
            lines = csv.writer(text)
            lines.writerow(["series", "window", "ahead", "truth", *(f"q{level:g}" for level in LEVELS)])
            for k in range(len(asked)):
                for s, series in enumerate(one.series):
                    for h in range(horizon):
                        truth = asked.truth[k][s, h]
                        known = f"{truth:.9g}" if math.isfinite(truth) else ""
                        lines.writerow([series.name, k + 1, h + 1, known, *(f"{v:.9g}" for v in told[k, s, h])])
    except OSError as error:
        raise StoreError(str(file), f"it cannot be written ({error.strerror})", "", "name another folder") from error
