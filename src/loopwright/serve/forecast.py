"""What a signal will do in the next hours: when it is highest, and whether it will pass a limit.

    predictions, decisions, state = decide(heard, told, state, now_ns, Settings(...))

heard is a window of one signal of many things (`core.types.Windows`), told is what a model said of each: quantiles of
every step ahead, beside the simplest baseline. Each thing gets one Decision a step, with the time and interval of its
highest expected value; a limit that is passed with the asked probability asks somebody to look. A thing of which too
little is known, or none at all without a model, gets words instead, kept once. The predictions of all things come back
to be kept and scored when their time has come.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np

from loopwright.core.clock import NS_PER_S
from loopwright.core.errors import InputError
from loopwright.core.types import Decision, Event, Evidence, Prediction, Windows

NAME = "forecast"
MEANING = "Says what signals will do in the next hours, with intervals that hold, and when a limit will be passed."
State = Mapping[str, Mapping[str, Any]]  # '<thing>/<signal>' -> {"made_ns": the step it was last spoken of}


@dataclass(frozen=True)
class Told:
    """What a model said of B things.

    model      its name
    levels     Q quantile levels, rising; 0.5 among them
    quantiles  (B, H, Q) of the H steps after the window, in the signal's unit
    baseline   (B, H) what the simplest baseline says of the same
    """

    model: str
    levels: Sequence[float]
    quantiles: np.ndarray
    baseline: np.ndarray

    def __post_init__(self) -> None:
        if self.quantiles.ndim != 3 or self.quantiles.shape[:2] != self.baseline.shape:
            given = f"quantiles {self.quantiles.shape}, baseline {self.baseline.shape}"
            raise InputError("forecast", given, "(B, H, Q) and (B, H)")
        if 0.5 not in self.levels or len(self.levels) != self.quantiles.shape[2]:
            raise InputError("forecast", f"levels {tuple(self.levels)}", "one a quantile, 0.5 among them")
        if not (np.isfinite(self.quantiles).all() and np.isfinite(self.baseline).all()):
            raise InputError("forecast", "a forecast that is not finite", "numbers only")


@dataclass(frozen=True)
class Settings:
    """least   values that must be known of a thing before anything is said of it
    high       thing -> limit that it should stay under, in the signal's unit
    likely     probability of passing it from which somebody is asked to look
    """

    least: int = 48
    high: Mapping[str, float] = field(default_factory=dict)
    likely: float = 0.5

    def __post_init__(self) -> None:
        if self.least < 1 or not 0.0 < self.likely < 1.0:
            given = f"least {self.least}, likely {self.likely}"
            raise InputError("forecast", given, "least 1 or more, likely between 0 and 1")


def decide(
    heard: Windows, prediction: Told | None, state: State, now_ns: int, settings: Settings
) -> tuple[list[Prediction], list[Decision], dict[str, dict[str, Any]]]:
    """(predictions to keep, one Decision a thing that has a new step, the new state)."""
    new = {key: dict(said) for key, said in state.items()}
    if not heard.ids or len(heard.t_ns) < 2 or prediction is None:
        why = "no signal was heard" if not heard.ids or len(heard.t_ns) < 2 else "no model has been asked"
        return [], [_abstains("plant", why, now_ns)], new
    if prediction.quantiles.shape[0] != len(heard.ids):
        given = f"{prediction.quantiles.shape[0]} forecasts of {len(heard.ids)} things"
        raise InputError("forecast", given, "one a thing")
    step_ns = int(heard.t_ns[1]) - int(heard.t_ns[0])
    last_ns = int(heard.t_ns[-1])
    known = np.asarray(heard.mask)[:, :, 0].sum(axis=1)
    predictions: list[Prediction] = []
    decisions: list[Decision] = []
    for b, thing in enumerate(heard.ids):
        key = f"{thing}/{heard.channels[0]}"
        if new.get(key, {}).get("made_ns") == last_ns:
            continue
        new[key] = {"made_ns": last_ns}
        if known[b] < settings.least:
            why = f"{known[b]} values of {heard.channels[0]} are known, {settings.least} are needed"
            seen = (Evidence("points", thing, heard.channels[0], int(heard.t_ns[0]), last_ns, "what is known"),)
            decisions.append(_abstains(thing, why, now_ns, {"key": key, "last_ns": last_ns}, seen))
            continue
        due_ns = [last_ns + step_ns * (h + 1) for h in range(prediction.quantiles.shape[1])]
        ahead = [h for h, at_ns in enumerate(due_ns) if at_ns > now_ns]
        predictions += [_prediction(heard, prediction, b, h, due_ns[h], now_ns) for h in ahead]
        decisions.append(_decision(heard, prediction, b, due_ns, now_ns, settings))
    return predictions, decisions, new


def fold(events: Iterable[Event]) -> dict[str, dict[str, Any]]:
    """The state from recorded decisions, in their order."""
    state: dict[str, dict[str, Any]] = {}
    for event in events:
        decision = event.body.get("decision") if event.kind == "decision.made" else None
        if decision and decision["service"] == NAME and decision["body"].get("key"):
            state[decision["body"]["key"]] = {"made_ns": decision["body"]["last_ns"]}
    return state


def _abstains(
    thing: str, why: str, now_ns: int, body: Mapping[str, Any] | None = None, because: tuple[Evidence, ...] = ()
) -> Decision:
    told = dict(body or {})
    name = f"{NAME}/{told.get('key', thing)}/too-little"
    says = f"No forecast for {thing}: {why}."
    return Decision(name, NAME, thing, now_ns, says, abstains=why, because=because, body=told)


def _prediction(heard: Windows, told: Told, b: int, h: int, due_ns: int, now_ns: int) -> Prediction:
    row = told.quantiles[b, h]
    middle = list(told.levels).index(0.5)
    quantiles = {float(level): float(row[q]) for q, level in enumerate(told.levels) if q != middle}
    unit, signal = heard.units[0], heard.channels[0]
    return Prediction(told.model, heard.ids[b], signal, now_ns, due_ns, float(row[middle]), quantiles, unit)


def _decision(
    heard: Windows, told: Told, b: int, due_ns: Sequence[int], now_ns: int, settings: Settings
) -> Decision:
    """What is said of one thing: its highest expected value, and whether its limit will be passed."""
    thing, signal, unit = heard.ids[b], heard.channels[0], heard.units[0]
    quantiles = told.quantiles[b]
    median = quantiles[:, list(told.levels).index(0.5)]
    top = int(np.argmax(median))
    low, high = float(quantiles[top, 0]), float(quantiles[top, -1])
    share = 100.0 * (told.levels[-1] - told.levels[0])
    says = (f"{thing}: {signal} is highest at {_iso(due_ns[top])}, about {median[top]:.4g} {unit} "
            f"({share:.0f} % between {low:.4g} and {high:.4g}).")
    limit, action = settings.high.get(thing), ""
    body: dict[str, Any] = {"key": f"{thing}/{signal}", "last_ns": int(heard.t_ns[-1]), "steps": len(due_ns)}
    if limit is not None:
        beyond = [_above(quantiles[h], told.levels, limit) for h in range(len(due_ns))]
        first = next((h for h, p in enumerate(beyond) if p >= settings.likely), None)
        body |= {"limit": limit, "beyond": max(beyond)}
        if first is not None:
            says += f" It will pass {limit:g} {unit} by {_iso(due_ns[first])} ({100 * beyond[first]:.0f} % likely)."
            action = f"look at {thing} before {_iso(due_ns[first])}"
    because = (Evidence("points", thing, signal, int(heard.t_ns[0]), int(heard.t_ns[-1]), "what it was forecast from"),)
    return Decision(f"{NAME}/{thing}/{signal}/{body['last_ns']}", NAME, thing, now_ns, says, float(median[top]), unit,
                    low, high, because, told.model, action, body=body)


def _above(row: np.ndarray, levels: Sequence[float], limit: float) -> float:
    """Probability of being above the limit, by a line between the quantiles; beyond them it is the outermost level."""
    return float(1.0 - np.interp(limit, row, levels, left=levels[0], right=levels[-1]))


def _iso(t_ns: int) -> str:
    return datetime.fromtimestamp(t_ns // NS_PER_S, UTC).strftime("%Y-%m-%d %H:%M")
