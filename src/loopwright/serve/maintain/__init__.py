"""Maintenance: is the tool of this machining run worn? If so, an alarm, and a work order that the plan makes room for.

    events, decisions, state = decide(runs, prediction, state, now_ns, Settings())

The model is asked about whole runs, and about none that it was trained on (those are judged by the model without them).
When the model is not better than the majority class and the set-up alone, the decision says so and nobody is sent to
the machine. Without a model, or with too little of a run, it abstains. A judgement whose interval holds the probability
from which a tool counts as worn is a guess: somebody is asked to look at the tool, with low priority, and no tool is
changed for it.

Where a model of remaining life speaks, `window` asks the planner for a time that is neither too early nor too late.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from loopwright.core.types import Decision, Event, Evidence
from loopwright.serve.maintain.lifetime import CONDITION as END
from loopwright.serve.maintain.lifetime import Ask, Life, window

__all__ = ["Ask", "Life", "Settings", "decide", "fold", "window"]

NAME = "maintain"
MEANING = "Judges the tool of each machining run, and opens a work order when it is worn."
CONDITION = "tool worn"
LOOK = "look at the tool"


@dataclass(frozen=True)
class Settings:
    """What a judgement leads to.

    worn_at      probability from which a tool counts as worn; the printed accuracy holds for 0.5
    duration_s   how long changing a tool keeps the machine from working; look_s: looking at it
    shown        signals that are named as evidence
    """

    worn_at: float = 0.5
    duration_s: int = 900
    shown: tuple[str, ...] = ("s.acceleration", "s.current_feedback")
    priority: str = "medium"
    look_s: int = 300
    look_priority: str = "low"


State = Mapping[str, Any]  # {"decided": [run ids], "open", "look", "life": {thing: {"alarm", "workorder", "done"}}}


def decide(
    runs: Sequence[Mapping[str, Any]],
    prediction: Mapping[str, Any] | None,
    state: State,
    now_ns: int,
    settings: Settings,
) -> tuple[list[Event], list[Decision], dict[str, Any]]:
    """One Decision for each run that was not judged before, in the order of their ends.

    runs        [{run, thing, start_ns, end_ns}], finished ones
    prediction  {"model": card (core.types.Model), "evaluation": of learn.wear.evaluate, "runs": of
                learn.wear.train.judge}, or {"abstains": why}, or None
    returns     (alarm and work-order events, decisions, the new state)
    """
    decided = set(state.get("decided", ()))
    todo = sorted((run for run in runs if run["run"] not in decided), key=lambda run: (run["end_ns"], run["run"]))
    standing = {what: {thing: dict(one) for thing, one in state.get(key, {}).items()} for what, key in _KEYS.items()}
    same = {key: state[key] for key in ("life",) if key in state}
    if prediction is None or prediction.get("abstains") or not todo:
        why = (prediction or {}).get("abstains") or ("no model has been trained" if todo else "no run has ended since")
        return [], [_abstains("plant", why, now_ns)], {"decided": sorted(decided)} | _kept(standing) | same
    events: list[Event] = []
    decisions: list[Decision] = []
    for run in todo:
        judged = prediction["runs"].get(run["run"])
        decided.add(run["run"])
        if judged is None:
            why = "the run holds too little cutting to judge its tool"
            decisions.append(replace(_abstains(run["run"], why, now_ns), body={"run": run["run"]}))
            continue
        decision = _decision(run, judged, prediction, now_ns, settings)
        if decision.action:
            events += _act(run, decision, standing, now_ns, settings)
        elif decision.body["judged"] == "unworn":
            events += _clear(run, standing[CONDITION], now_ns) + _clear(run, standing[LOOK], now_ns)
        decisions.append(decision)
    return events, decisions, {"decided": sorted(decided)} | _kept(standing) | same


_KEYS = {CONDITION: "open", LOOK: "look"}  # where the state keeps what stands


def _kept(standing: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """What stands, as the state keeps it."""
    return {key: standing[what] for what, key in _KEYS.items() if standing[what] or what == CONDITION}


def fold(events: Iterable[Event]) -> dict[str, Any]:
    """The state from recorded events, in their order: which runs were judged, which alarms and work orders stand."""
    kept = list(events)
    said = [e.body["decision"] for e in kept if e.kind == "decision.made" and e.body["decision"]["service"] == NAME]
    decided = sorted({str(one["body"]["run"]) for one in said if one["body"].get("run")})
    lives = _standing(kept, END)
    standing = {what: _standing(kept, what) for what in _KEYS}
    return {"decided": decided} | _kept(standing) | ({"life": lives} if lives else {})


def _standing(events: Iterable[Event], condition: str) -> dict[str, dict[str, Any]]:
    """thing -> its alarm of this condition that is not cleared, with its work order and whether that is done."""
    standing: dict[str, dict[str, Any]] = {}
    for event in events:
        body = event.body
        if event.kind == "alarm.raised" and body["condition"] == condition:
            standing[body["thing"]] = {"alarm": event.about, "workorder": "", "done": False}
        elif event.kind == "alarm.cleared":
            standing = {thing: one for thing, one in standing.items() if one["alarm"] != event.about}
        elif event.kind == "workorder.opened" and standing.get(body["machine"], {}).get("alarm") == body["alarm"]:
            standing[body["machine"]]["workorder"] = event.about
        elif event.kind == "workorder.done" and standing.get(body["machine"], {}).get("workorder") == event.about:
            standing[body["machine"]]["done"] = True
    return standing


def _decision(
    run: Mapping[str, Any], judged: Mapping[str, Any], prediction: Mapping[str, Any], now_ns: int, settings: Settings
) -> Decision:
    """What is said about one run: how likely its tool is worn, on which evidence, and how good the model is."""
    model, evaluation = prediction["model"], prediction["evaluation"]
    worn, trusted = judged["probability"] >= settings.worn_at, bool(evaluation["better_than_baseline"])
    guess = judged["low"] < settings.worn_at <= judged["high"]
    word = "worn" if worn else "unworn"
    looks = f"may be {word}, which is a guess" if guess else f"looks {word}"
    says = (
        f"{run['run']}: the tool {looks} (probability of worn "
        f"{judged['probability']:.0%}, 90 % interval {judged['low']:.0%} to {judged['high']:.0%}). "
        f"{evaluation['verdict']}."
    )
    if worn and not trusted:
        says += " So nobody is sent to the machine."
    elif worn and guess:
        says += f" The interval holds {settings.worn_at:.0%}: a look at the tool decides, nothing is changed before it."
    because = tuple(
        Evidence("points", run["thing"], signal, run["start_ns"], run["end_ns"], "what the judgement rests on")
        for signal in settings.shown
    )
    nested, base = evaluation["nested"], evaluation["baseline"]
    body = {
        "run": run["run"], "judged": word, "guess": guess, "seen_in_training": bool(judged["seen"]),
        "better_than_baseline": trusted,
        "accuracy": nested["accuracy"], "accuracy_low": nested["low"], "accuracy_high": nested["high"],
        "correct": nested["correct"], "of": nested["of"], "baseline": base["name"],
        "baseline_accuracy": base["accuracy"], "limits": model.limits,
    }
    what = f"{LOOK} of {run['thing']}" if guess else f"change the tool of {run['thing']}"
    action = what if worn and trusted else ""
    return Decision(
        f"{NAME}/{run['run']}/{run['end_ns']}", NAME, run["run"], now_ns, says, judged["probability"], "1",
        judged["low"], judged["high"], (*because, Evidence("model", model.id)), model.id, action, body=body,
    )


def _act(
    run: Mapping[str, Any], decision: Decision, standing: dict[str, dict[str, dict[str, Any]]], now_ns: int,
    settings: Settings,
) -> list[Event]:
    """The alarm and the work order of a worn tool, or of a look at it where that is a guess.

    Nothing while the machine has an open work order that does as much; a look that is open stays beside a change.
    """
    thing, guess = run["thing"], bool(decision.body["guess"])
    over = [event for stands in standing.values() for event in _clear(run, stands, now_ns)]
    if thing in standing[CONDITION] or (guess and thing in standing[LOOK]):
        return over
    what = LOOK if guess else CONDITION
    alarm_id = f"{thing}/{what}/{run['end_ns']}"
    order_id = f"workorder/{thing}/{'look/' if guess else ''}{run['end_ns']}"
    alarm = {
        "condition": what, "thing": thing, "says": decision.says,
        "priority": settings.look_priority if guess else settings.priority,
        "evidence": [asdict(one) for one in decision.because], "decision": decision.id,
    }
    order = {
        "machine": thing, "alarm": alarm_id, "condition": what, "start_ns": int(run["end_ns"]),
        "duration_s": settings.look_s if guess else settings.duration_s, "why": f"{what}: {decision.says}",
    }
    actor = f"service:{NAME}"
    standing[what][thing] = {"alarm": alarm_id, "workorder": order_id, "done": False}
    return [
        *over,
        Event("alarm.raised", alarm_id, now_ns, actor, alarm, key=f"{alarm_id}/raised"),
        Event("workorder.opened", order_id, now_ns, actor, order, key=f"{order_id}/opened"),
    ]


def _clear(run: Mapping[str, Any], standing: dict[str, dict[str, Any]], now_ns: int) -> list[Event]:
    """The alarm is over once its work order is done and a later run was judged (worn again raises a new one)."""
    one = standing.get(run["thing"])
    if one is None or not one["done"]:
        return []
    del standing[run["thing"]]
    return [Event("alarm.cleared", one["alarm"], now_ns, f"service:{NAME}", key=f"{one['alarm']}/cleared")]


def _abstains(about: str, why: str, now_ns: int) -> Decision:
    says = f"Nothing is said about the tool: {why}."
    return Decision(f"{NAME}/{about}/{now_ns}", NAME, about, now_ns, says, abstains=why)
