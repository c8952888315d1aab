"""The loop as one picture: twelve stages on a figure of eight, with what went through each and what flows now."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from loopwright.core.types import Hop

# stage -> (title, what is counted, one sentence)
STAGES: dict[str, tuple[str, str, str]] = {
    "order": ("Order", "orders", "A person asks for something made to measure."),
    "fit": ("Fit", "fitted", "Body measures become parameters, each by a rule with its source."),
    "design": ("Design", "solids", "Parameters become a parametric solid, a bill and a route."),
    "plan": ("Plan", "slots", "All open orders share the machines, with a proven bound."),
    "make": ("Make", "made", "Machines make the unit; every step keeps its program and signals."),
    "measure": ("Measure", "measured", "Each unit meets its tolerance, is reworked, or is scrapped."),
    "connect": ("Connect", "heard", "Machines and products speak; every sample is counted."),
    "keep": ("Keep", "kept", "Durable before it is acknowledged, with both times, never changed."),
    "use": ("Use", "shots", "The owner plays; the product reports."),
    "serve": ("Serve", "decisions", "Services say something useful, with evidence, or say why not."),
    "improve": ("Improve", "looked at", "Outcomes are weighed; a change is proposed only when it is supported."),
    "release": ("Release", "released", "Tested, approved by two people, in force for the next order."),
}
_FROM_EVENTS = {
    "order": ("order.placed",),
    "fit": ("order.fitted",),
    "design": ("solid.made",),
    "make": ("unit.finished",),
    "measure": ("unit.measured",),
    "serve": ("decision.made",),
    "improve": ("change.proposed", "change.notproposed"),
    "release": ("change.released",),
}
_LAST = ("journal", "points")


class Place(NamedTuple):
    """A point of the figure and the direction in which its label stands (unit vector from the lobe's centre)."""

    x: float
    y: float
    out_x: float
    out_y: float


def counts(kinds: Mapping[str, int], hops: Mapping[str, Hop], slots: int = 0, shots: int = 0) -> dict[str, int]:
    """What went through each stage since the plant began: kinds is how many events there are of each kind."""
    out = {stage: sum(kinds.get(kind, 0) for kind in wanted) for stage, wanted in _FROM_EVENTS.items()}
    heard = sum(hop.into for name, hop in hops.items() if name not in _LAST)
    kept = hops["journal"].into if "journal" in hops else 0
    return {**out, "plan": slots, "connect": heard, "keep": kept, "use": shots}


def picture(snapshot: Mapping[str, Any], totals: Mapping[str, int]) -> dict[str, Any]:
    """The loop as it stands: {stages: [{name, title, meaning, counted, total, count, state, words, seconds}],
    active, headline, recent, turn}.

    snapshot  `Flow.snapshot()`; totals: `counts(...)`. count is of the turn that runs, None when it has none.
    """
    stages = []
    for stage in snapshot["stages"]:
        title, counted, meaning = STAGES[stage["name"]]
        stages.append(
            {**stage, "title": title, "counted": counted, "meaning": meaning, "total": totals.get(stage["name"], 0)}
        )
    now = snapshot["now"]
    done = [stage["name"] for stage in snapshot["stages"] if stage["state"] == "done"]
    if now:
        headline = now["words"]
    elif snapshot["active"]:
        headline = STAGES[snapshot["active"][0]][2]
    elif len(done) == len(STAGES):
        headline = "The turn is complete. The next order is made from what was learned."
    else:
        headline = "The loop rests. The next order sets it moving."
    return {
        "stages": stages,
        "active": snapshot["active"],
        "headline": headline,
        "recent": snapshot["recent"],
        "turn": snapshot["turn"],
        "resting": not snapshot["active"],
    }


def figure(centre: float, radius: float, upright: bool = False) -> dict[str, Any]:
    """The figure of eight: two circles of `radius` at -centre and +centre, joined by their crossing tangents, round
    (0, 0).

    returns  {path: SVG path of one whole turn, places: stage -> Place}, in the units of the arguments; upright turns
             it by a
             quarter, so that the first lobe is on top

    The tangent points lie at angle acos(radius / centre) from the axis. One turn: first lobe top to bottom, cross,
    second lobe top to bottom.
    """
    if centre <= radius:
        raise ValueError(f"centre {centre} must be larger than radius {radius}: the lobes would overlap")
    open_angle = math.acos(radius / centre)

    def turned(x: float, y: float) -> tuple[float, float]:
        return (-y, x) if upright else (x, y)

    def at(sign: int, angle: float) -> tuple[float, float]:
        return turned(sign * (centre - radius * math.cos(angle)), -radius * math.sin(angle))

    enter, leave = open_angle, 2 * math.pi - open_angle
    points = [at(-1, enter), at(-1, leave), at(1, enter), at(1, leave)]
    sweep = (0, 1)
    first, second, third, last = (f"{x:.2f} {y:.2f}" for x, y in points)
    path = (
        f"M{first}A{radius:g} {radius:g} 0 1 {sweep[0]} {second}L{third}A{radius:g} {radius:g} 0 1 {sweep[1]} {last}Z"
    )
    names = list(STAGES)
    places: dict[str, Place] = {}
    for i, name in enumerate(names):
        sign, k = (-1, i) if i < 6 else (1, i - 6)
        angle = enter + (leave - enter) * (k + 0.5) / 6
        x, y = at(sign, angle)
        cx, cy = turned(sign * centre, 0.0)
        places[name] = Place(x, y, (x - cx) / radius, (y - cy) / radius)
    return {"path": path, "places": places}
