"""Whether trouble follows: detectors held to a budget of false alarms, judged by the trouble that came.

data  values (B, T, C) float64, NaN where nothing is known; things (B,), signals (C,), trouble (B, T) bool: it began in
      this step; step_s, block: steps of a block; per_day: false alarms a day of a thing; start_ns, known_by_ns

A detector says of each block of time whether it alarms; what is predicted is whether trouble begins in the next one.
The first third of the time fits it, the second sets the threshold by the budget and counts how often trouble followed
an alarm and how often none; of the last third the earlier half chooses the detector and the later proves it. The
baseline says the share of blocks in which trouble began. A unit is a thing and a day (or less) of blocks.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from loopwright.core import plug
from loopwright.core.clock import NS_PER_S, iso
from loopwright.core.errors import InputError
from loopwright.learn.kept import card as cards
from loopwright.learn.kept import drift
from loopwright.learn.league import BRIER

NAME = "anomaly"
MEANING = "Whether trouble follows, by what is unusual, beside how often there is trouble."
BASELINE = "share"
NAMES = ("robust_z", "pca", "sub_pca")
LEAST = 24  # blocks
UNITS = 24  # that the last third is parted into for each thing, at most


def candidates(data: Mapping[str, Any]) -> list[str]:
    """The share of trouble, then the detectors. Raises InputError for too little time, or trouble that never came."""
    blocks = np.asarray(data["values"]).shape[1] // int(data["block"])
    if blocks < LEAST:
        raise InputError("training", f"{blocks} blocks of {data['block']} steps", f"{LEAST} or more", "wait")
    early = np.asarray(data["trouble"])[:, :_parts(data)[1]]
    if not early.any():
        raise InputError("training", "no trouble is known of the first two thirds of the time", "one or more", "wait")
    return [BASELINE, *NAMES]


def _parts(data: Mapping[str, Any]) -> tuple[int, int, int]:
    """(steps that fit, steps until the proof begins, steps), whole blocks."""
    block = int(data["block"])
    blocks = np.asarray(data["values"]).shape[1] // block
    return blocks // 3 * block, 2 * blocks // 3 * block, blocks * block


def tried(data: Mapping[str, Any], name: str) -> dict[str, Any]:
    """{p (B, n), truth (B, n) of the n blocks of the last third, rule [{threshold, alarm, quiet}] of each thing}."""
    values, trouble = np.asarray(data["values"], dtype=np.float64), np.asarray(data["trouble"], dtype=bool)
    fit_to, prove_from, end = _parts(data)
    block = int(data["block"])
    began: np.ndarray = np.any(trouble[:, :end].reshape(len(trouble), -1, block), axis=2)  # (B, blocks)
    base = float(began[:, :prove_from // block].mean())
    rules: list[dict[str, float]] = []
    said: list[np.ndarray] = []
    for thing in range(len(values)):
        if name == BASELINE:
            rule, alarms = {"threshold": np.inf, "alarm": base, "quiet": base}, np.zeros(began.shape[1], dtype=bool)
        else:
            top = _tops(name, values[thing, :fit_to], values[thing, fit_to:end], block)
            rule = _rule(top, began[thing, fit_to // block:], (prove_from - fit_to) // block, base, data)
            alarms = np.concatenate([np.zeros(fit_to // block, dtype=bool), top > rule["threshold"]])
        before = np.append(False, alarms[:-1])[prove_from // block:]
        said.append(np.where(before, rule["alarm"], rule["quiet"]))
        rules.append(rule)
    return {"p": np.array(said), "truth": began[:, prove_from // block:], "rules": rules, "base": base}


def _tops(name: str, fitted: np.ndarray, rows: np.ndarray, block: int) -> np.ndarray:
    """(blocks,) the highest score in each block of rows (N, C) by a detector of fitted (T, C)."""
    module = plug.load("learn.models.anomaly", name)
    score, _ = module.score(module.fit(fitted), rows)
    return np.asarray(score)[:len(rows) // block * block].reshape(-1, block).max(axis=1)


def _rule(
    top: np.ndarray, began: np.ndarray, known: int, base: float, data: Mapping[str, Any]
) -> dict[str, float]:
    """The threshold that the budget allows, and how often trouble followed an alarm or none, smoothed by the share."""
    quiet = ~np.append(began[1:known], False) & ~began[:known]
    days = known * int(data["block"]) * float(data["step_s"]) / 86_400.0
    allowed = int(float(data["per_day"]) * days)
    usual = np.sort(top[:known][quiet])[::-1]
    threshold = float(usual[allowed]) if allowed < len(usual) else float(usual.min(initial=0.0))
    alarms, after = top[:known - 1] > threshold, began[1:known]
    hits, quiets = int(after[alarms].sum()), int(after[~alarms].sum())
    return {"threshold": threshold, "alarm": (hits + base) / (int(alarms.sum()) + 1.0),
            "quiet": (quiets + base) / (int((~alarms).sum()) + 1.0)}


def chosen(
    data: Mapping[str, Any], found: Mapping[str, Mapping[str, Any]]
) -> tuple[str, dict[str, Any], cards.Losses, cards.Facts]:
    """(name, what is kept of it, its losses on the last sixth of the time, facts)."""
    truth = np.asarray(found[BASELINE]["truth"], dtype=float)
    lost = {name: (np.asarray(one["p"]) - truth) ** 2 for name, one in found.items()}
    middle = truth.shape[1] // 2
    names = [name for name in found if name != BASELINE]
    name = min(names, key=lambda one: (float(lost[one][:, :middle].mean()), one))
    block, per = int(data["block"]), max(1, -(-(truth.shape[1] - middle) // UNITS))
    block_ns = round(block * float(data["step_s"]) * NS_PER_S)
    first_ns = int(data["start_ns"]) + _parts(data)[1] // block * block_ns
    units, ours, theirs, things, says = [], [], [], [], []
    for b, thing in enumerate(data["things"]):
        for at in range(middle, truth.shape[1], per):
            mine = slice(at, min(at + per, truth.shape[1]))
            units.append(f"{thing} from {iso(first_ns + at * block_ns)}")
            ours.append(float(lost[name][b, mine].mean()))
            theirs.append(float(lost[BASELINE][b, mine].mean()))
            things.append(str(thing))
            says.append(f"trouble in {int(truth[b, mine].sum())} of {truth[b, mine].size} blocks")
    losses = cards.Losses(BRIER, tuple(units), np.array(ours), np.array(theirs), {"thing": things}, tuple(says))
    values = np.asarray(data["values"], dtype=np.float64)
    fit_to = _parts(data)[0]
    flat = values.reshape(-1, values.shape[2])
    state = {"rows": values[:, -fit_to:], "rules": [dict(one) for one in found[name]["rules"]],
             "base": float(found[BASELINE]["base"]), "things": list(data["things"]), "signals": list(data["signals"]),
             "block": block, "step_s": float(data["step_s"]), "said": np.asarray(found[name]["p"])[:, middle:].ravel(),
             "truth": truth[:, middle:].ravel(), "bins": drift.fix(list(data["signals"]), flat)}
    return name, state, losses, _facts(data, found, name, middle)


def _facts(data: Mapping[str, Any], found: Mapping[str, Mapping[str, Any]], name: str, middle: int) -> cards.Facts:
    signals = tuple(str(one) for one in data["signals"])
    values = np.asarray(data["values"], dtype=np.float64)
    trouble = np.asarray(data["trouble"], dtype=bool)
    rules = found[name]["rules"]
    return cards.Facts(
        signals, tuple(data["things"]), int(data["known_by_ns"]),
        "by time: thirds that fit, set the threshold, and prove; of the last the later half",
        {"after_an_alarm": float(np.mean([rule["alarm"] for rule in rules])),
         "after_quiet": float(np.mean([rule["quiet"] for rule in rules])), "false_alarms_per_day": data["per_day"]},
        {"name": BASELINE, "share": float(found[BASELINE]["base"])},
        cards.ranges_of(signals, values.reshape(-1, values.shape[2])),
        {"troubles": int(trouble.sum()), "blocks": int(trouble.size // int(data["block"]))},
        ("What it calls unusual has no cause by itself: it only says whether trouble followed before.",))


def say(kept: Mapping[str, Any], thing: str, rows: np.ndarray) -> tuple[float, float]:
    """(probability of trouble in the next block, what the baseline says) of a thing after rows (N, C), one block."""
    state = kept["state"]
    place = list(state["things"]).index(thing)
    rule = state["rules"][place]
    top = _tops(kept["model"], np.asarray(state["rows"][place]), rows, len(rows))[-1]
    return float(rule["alarm"] if top > rule["threshold"] else rule["quiet"]), float(state["base"])
