"""Anomalies: quality on four public sets, the alarm budget over a month, and cost beside river, stumpy, scikit-learn.

    python -m benchmarks.bench_anomaly [DATA]      DATA: the folder of the public sets (default ../shared/data)

NAB: VUS-PR a file beside the published table of TSB-AD (Sub-PCA, and POLY, the best single method there); ours learn
from the first quarter and go on as a stream, the published ones see the whole file. Files marked 'chosen on' were used
to choose the detectors and constants of `fused` and have no published row here. Peers learn from the same rows and get
their thresholds as ours do. Cost is processor time of one thread.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from loopwright.core import plug
from loopwright.core.clock import NS_PER_S, cpu_s
from loopwright.learn.detecting import budget, choice, fleet, watched
from loopwright.learn.detecting.recordings import RecordingSet
from loopwright.learn.metrics.anomaly import vus_window
from loopwright.learn.proof import anomaly as proof

DATA = Path(__file__).parents[2] / "shared" / "data"
OURS = ("robust_z", "pca", "averaged_pca", "drift", "sub_pca", "left_discord", "fused")
SHOWN = ("POLY", "Sub-PCA")
# F1, false-alarm and missed-alarm rate of the leaderboard of https://github.com/waico/SKAB (README), all 34 files
SKAB_BOARD = {"Conv-AE": (0.78, 0.1355, 0.2802), "MSET": (0.78, 0.3973, 0.1413), "T2 and Q": (0.76, 0.2662, 0.2492),
              "LSTM-AE": (0.74, 0.2996, 0.2592), "T2": (0.66, 0.1921, 0.426), "LSTM-VAE": (0.56, 0.0913, 0.5503),
              "Isolation forest": (0.29, 0.0256, 0.8289)}
CHOSEN_ON = ("art_daily_jumpsdown", "elb_request", "grok_asg", "iio_us", "rds_cpu_utilization_e47b3b", "exchange-2_cpc",
             "exchange-2_cpm", "exchange-4_cpc", "exchange-4_cpm", "machine_temperature", "rogue_agent_key_updown",
             "Twitter_volume_AAPL")


def rows(data: Path = DATA) -> list[dict[str, Any]]:
    """Every section; sets that are not there are left out."""
    models = {name: plug.load(proof.ROOM, name) for name in ("chance", "flag_all", *OURS)}
    out: list[dict[str, Any]] = []
    choices: list[dict[str, Any]] = []
    if (data / "nab").is_dir():
        nab = proof.read(data / "nab")
        out += of_nab(nab, models)
        choices.append(of_nab_choice(nab, {name: models[name] for name in OURS}, out))
    for name in ("skab", "tennessee_eastman", "bearing_femto"):
        if (data / name).is_dir():
            told, chosen = of_set(data / name, list(models))
            out += told
            choices.append(chosen)
    return out + choices + of_budget() + of_cost() + of_fleet()


def of_nab(nab: RecordingSet, models: Mapping[str, ModuleType]) -> list[dict[str, Any]]:
    """VUS-PR a labelled file and model, then the means."""
    labelled = tuple(r for r in nab.recordings if r.labels.any() or (r.before is not None and r.before.any()))
    told: dict[str, list[float | None]] = {}
    for name, module in models.items():
        said = watched.scored(module, RecordingSet("nab", labelled), 0)
        told[name] = [watched.vus_pr_of(r, s)[0] for r, s in zip(labelled, said, strict=True)]
    told["offline Sub-PCA"] = [_offline(r) for r in labelled]
    whole = models["fused"]
    told["fused, whole file"] = [_seen_whole(whole, r) for r in labelled]
    out = []
    for n, recording in enumerate(labelled):
        theirs = nab.published.get(recording.name, {})
        kind = "chosen on" if any(part in recording.name for part in CHOSEN_ON) else "published" if theirs else "other"
        out.append(
            {"nab file": recording.name, "kind": kind}
            | {name: values[n] for name, values in told.items()}
            | {f"published {name}": theirs.get(name) for name in SHOWN}
        )
    groups = {"published files": [row["kind"] == "published" for row in out],
              "not chosen on": [row["kind"] != "chosen on" for row in out], "all": [True] * len(out)}
    files = list(out)
    for group, inside in groups.items():
        chosen = [row for row, one in zip(files, inside, strict=True) if one]
        out.append({"nab file": f"mean of {len(chosen)}: {group}", "kind": ""}
                   | {name: watched.mean([row[name] for row in chosen]) if chosen[0]["kind"] == "published"
                      or not name.startswith("published") else None for name in list(files[0])[2:]})
    return out


def _seen_whole(module: ModuleType, recording: Any) -> float | None:
    """VUS-PR where the model learns from the whole file without labels, as the published methods do."""
    state = module.fit(np.vstack((recording.fit, recording.asked)), 0)
    scores, lag = state["fit_scores"], int(state["lag"])
    cut = len(recording.fit)
    return watched.vus_pr_of(recording, watched.Told(scores[:cut], scores[cut:], lag, 0.0))[0]


def _offline(recording: Any) -> float | None:
    """VUS-PR of Sub-PCA as the published table computes it: distances to all components of all windows of the file."""
    x = np.vstack((recording.fit, recording.asked))[:, 0]
    x = np.where(np.isfinite(x), x, np.nanmean(x))
    window = vus_window(x)
    windows = np.lib.stride_tricks.sliding_window_view(x, window).astype(float)
    z = (windows - windows.mean(axis=0)) / np.where(windows.std(axis=0) > 0, windows.std(axis=0), 1.0)
    _, strength, axes = np.linalg.svd(z, full_matrices=False)
    weight = np.maximum(strength**2 / np.maximum((strength**2).sum(), 1e-300), 1e-300)
    apart = np.sqrt(np.maximum((z**2).sum(axis=1)[:, None] + 1.0 - 2.0 * z @ axes.T, 0.0))
    scores = np.minimum((apart / weight).sum(axis=1), 1e300)
    before = window // 2
    scores = np.concatenate((np.full(before, scores[0]), scores, np.full(window - 1 - before, scores[-1])))
    cut = len(recording.fit)
    return watched.vus_pr_of(recording, watched.Told(scores[:cut], scores[cut:], 0, 0.0))[0]


def of_set(path: Path, models: list[str]) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """(the rows of `loopwright evaluate anomaly` for one set with its champion, then peers; how it was chosen)."""
    found, champion = proof.rows(path, models, 5, None, lambda text: None)
    asked = proof.read(path)
    best = champion[asked.name]
    told = [{row.set: row.model + ("*" if best.model == row.model else "")} | dict(row.metrics)
            | {"us a point": row.cost.us_per_point} for row in found]
    areas = {name.removeprefix("vus_pr_"): area for name, area in best.metrics.items()}
    measures = ("lead_share", "false_alarms_per_1000") if asked.protocol == "life" else ("vus_pr", "f1")
    real = {row.model: ", ".join(f"{row.metrics[one]:.3g}" for one in measures) for row in found}
    peers = of_peers(asked, list(found[0].metrics)) + (_board(list(told[0])) if asked.name == "skab" else [])
    return told + peers, _choice(asked, areas, best.model, real, ", ".join(measures))


def _board(keys: list[str]) -> list[dict[str, Any]]:
    """The published leaderboard of SKAB in the columns of our table."""
    names = ("f1", "false_alarm_rate", "missed_alarm_rate")
    return [dict.fromkeys(keys) | {"skab": f"published: {method}"} | dict(zip(names, numbers, strict=True))
            for method, numbers in SKAB_BOARD.items()]


def of_nab_choice(nab: RecordingSet, models: Mapping[str, ModuleType], table: list[dict[str, Any]]) -> dict[str, Any]:
    """What planted anomalies would choose on NAB, where 12 labelled files choose, beside the 13 other files."""
    areas = {name: choice.on_planted(nab.recordings, module) for name, module in models.items()}
    [others] = [row for row in table if "not chosen on" in row["nab file"]]
    best = choice.best(areas, proof.DEFAULT)
    return _choice(nab, {name: float(area.mean()) for name, area in areas.items()}, best, others, "vus_pr, 13 files")


def _choice(
    asked: RecordingSet, areas: Mapping[str, float | None], best: str, real: Mapping[str, Any], measure: str
) -> dict[str, Any]:
    default = proof.default_of(asked)
    return {"chosen by planted anomalies": asked.name} | {name: areas.get(name) for name in OURS} | {
        "default": default, "chosen": best, "measure": measure, "of the default": real[default],
        "of the chosen": real[best],
    }


def of_peers(asked: RecordingSet, names: list[str]) -> list[dict[str, Any]]:
    """The same protocol with detectors of other packages, where they are installed."""
    out = []
    for name, make in _detectors().items():
        peer = Peer(make)
        said = watched.scored(peer, asked, 0)  # type: ignore[arg-type]
        told = watched.lives(asked.recordings, said) if asked.protocol == "life" else (
            watched.labelled(asked.recordings, said) | watched.by_fault(asked.recordings, said))
        rows = max((recording.asked for recording in asked.recordings), key=lambda one: one.size)
        state = peer.fit(asked.recordings[0].fit, 0)
        us = _us(lambda p=peer, s=state, r=rows: p.score(s, r), rows.size)  # type: ignore[misc]
        out.append({asked.name: f"peer: {name}"} | {metric: told[metric] for metric in names} | {"us a point": us})
    return out


class Peer:
    """A detector of another package with ours' two verbs; missing values are the median of training."""

    BASELINE = False

    def __init__(self, make: Callable[[], tuple[Any, Callable[[Any, np.ndarray], np.ndarray]]]) -> None:
        self.make = make

    def fit(self, values: np.ndarray, seed: int = 0) -> dict[str, Any]:
        middle = np.nan_to_num(np.nanmedian(values, axis=0))
        detector, scores = self.make()
        rows = np.where(np.isfinite(values), values, middle)
        detector.fit(rows)
        return {"lag": 0, "of": detector, "scores": scores, "middle": middle, "fit_scores": scores(detector, rows)}

    def score(self, state: dict[str, Any], values: np.ndarray) -> tuple[np.ndarray, dict[str, Any]]:
        rows = np.where(np.isfinite(values), values, state["middle"])
        return np.asarray(state["scores"](state["of"], rows), dtype=float), state


def _detectors() -> dict[str, Callable[[], Any]]:
    """name -> what makes (detector, how it scores rows), of the packages that are installed."""
    found: dict[str, Callable[[], Any]] = {}
    try:
        from sklearn.ensemble import IsolationForest

        found["scikit-learn IsolationForest"] = lambda: (
            IsolationForest(random_state=0, n_jobs=1), lambda forest, rows: -forest.score_samples(rows) + 1.0)
    except ImportError:
        pass
    try:
        from pyod.models.copod import COPOD
        from pyod.models.ecod import ECOD
        from pyod.models.pca import PCA

        for name, kind in (("PCA", PCA), ("ECOD", ECOD), ("COPOD", COPOD)):
            found[f"pyod {name}"] = lambda kind=kind: (kind(), lambda one, rows: one.decision_function(rows))  # type: ignore[misc]
    except ImportError:
        pass
    return found


def of_budget() -> list[dict[str, Any]]:
    """A month of scores at one a minute, none of them anomalous: alarms beside what was allowed."""
    out = []
    for per_day, things in ((1.0, 1), (1.0, 20), (15.0, 20), (40.0, 5)):
        for kind in ("normal", "heavy tails", "daily rhythm", "drift to twice", "autoregressive, 0.99"):
            told = budget.Settings(per_day, 60.0, 600.0)
            scores = _usual(kind, 33 * 1440, things)
            state, count = budget.calibrate(scores[: 3 * 1440], told), 0
            for i, row in enumerate(scores[3 * 1440 :]):
                state, alarms = budget.step(state, i * 60 * NS_PER_S, row, told)
                count += len(alarms)
            allowed = 30 * per_day
            low, high = _poisson(allowed)
            out.append({"budget": kind, "things": things, "a day": per_day, "allowed in a month": allowed,
                        "alarms": count, "95 % Poisson": f"{low} to {high}", "holds": low <= count <= high})
    return out


def _usual(kind: str, count: int, things: int) -> np.ndarray:
    random = np.random.default_rng(7)
    noise = random.standard_t(3, (count, things)) if kind == "heavy tails" else random.normal(size=(count, things))
    if kind.startswith("autoregressive"):
        for i in range(1, count):
            noise[i] = 0.99 * noise[i - 1] + np.sqrt(1.0 - 0.99**2) * noise[i]
        noise = np.exp(noise)
    t = np.arange(count)[:, None]
    if kind == "daily rhythm":
        noise *= 1 + 0.7 * np.sin(2 * np.pi * t / 1440)
    if kind == "drift to twice":
        noise *= 2.0 ** (t / count)
    return np.abs(noise) * 10.0 ** random.uniform(-3, 3, things)


def _poisson(mean: float) -> tuple[int, int]:
    """The 2.5 % and 97.5 % points of a Poisson count."""
    most = int(3 * mean) + 50
    chance = np.cumsum(np.exp(np.arange(most) * np.log(mean) - mean - _log_factorials(most)))
    return int(np.searchsorted(chance, 0.025)), int(np.searchsorted(chance, 0.975))


def _log_factorials(count: int) -> np.ndarray:
    return np.concatenate(([0.0], np.cumsum(np.log(np.arange(1, count)))))


def of_cost(points: int = 20_000) -> list[dict[str, Any]]:
    """Processor microseconds a point of one channel: ours streamed, peers where they are installed."""
    t = np.arange(points + 1000)
    values = (np.sin(2 * np.pi * t / 100) + 0.1 * np.random.default_rng(3).normal(size=len(t)))[:, None]
    out = []
    for name in OURS:
        module = plug.load(proof.ROOM, name)
        state = module.fit(values[:1000], 0)
        module.score(state, values[1000:1010])
        us = _us(lambda m=module, s=state: m.score(s, values[1000:]), points)  # type: ignore[misc]
        limit = 5.0 if name in ("robust_z", "sub_pca") else None
        out.append({"cost": name, "us a point": us, "limit us": limit, "met": None if limit is None else us <= limit,
                    "how": "stream, window 128, bounded memory"})
    for name, (how, count, call) in _peers(values[:, 0]).items():
        out.append({"cost": f"peer: {name}", "us a point": _us(call, count), "limit us": None, "met": None, "how": how})
    return out


def _us(call: Callable[[], Any], points: int) -> float:
    begun = cpu_s()
    call()
    return 1e6 * (cpu_s() - begun) / points


def _peers(x: np.ndarray) -> dict[str, tuple[str, int, Callable[[], Any]]]:
    """name -> (how, points, call) of the peers that are installed."""
    found: dict[str, tuple[str, int, Callable[[], Any]]] = {}
    try:
        from river import anomaly

        trees = anomaly.HalfSpaceTrees(seed=1)

        def river() -> None:
            for value in x[:2000].tolist():
                trees.score_one({"x": value})
                trees.learn_one({"x": value})

        found["river HalfSpaceTrees"] = ("stream, one value a row", 2000, river)
    except ImportError:
        pass
    try:
        import stumpy

        stumpy.stump(x[:1000], 100)  # compile
        stream = stumpy.stumpi(x[:4096].copy(), 100, egress=True)
        found["stumpy stump"] = ("batch, window 100", len(x), lambda: stumpy.stump(x, 100))
        found["stumpy stumpi"] = ("stream, 4,096 samples, window 100", 200, lambda: [stream.update(v) for v in x[:200]])
    except ImportError:
        pass
    try:
        from sklearn.ensemble import IsolationForest

        windows = np.lib.stride_tricks.sliding_window_view(x, 100)
        forest = IsolationForest(random_state=0, n_jobs=1).fit(windows[:900])
        call = lambda: forest.score_samples(windows)  # noqa: E731
        found["scikit-learn IsolationForest"] = ("batch of windows of 100", len(windows), call)
    except ImportError:
        pass
    return found


def of_fleet() -> list[dict[str, Any]]:
    """100,000 signals in one call a second."""
    out = []
    for model in fleet.MODELS:
        random, told = np.random.default_rng(1), fleet.Settings(model)
        state = fleet.start(12_500, 8, told)
        spent = []
        for i in range(told.warm + 20):
            values = random.normal(size=(12_500, 8))
            begun = cpu_s()
            _, state = fleet.step(state, values, None, i * NS_PER_S)
            spent.append(cpu_s() - begun)
        out.append({"fleet of 100,000 signals": model, "ms a step": 1e3 * float(np.mean(spent[told.warm + 2 :])),
                    "the step that learns, ms": 1e3 * max(spent), "limit ms": 1000.0, "met": max(spent) <= 1.0})
    return out


if __name__ == "__main__":
    from benchmarks.run import table

    print(table(rows(Path(sys.argv[1]) if len(sys.argv) > 1 else DATA)))
