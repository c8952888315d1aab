"""Pieces of a page that more than one page shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from loopwright.app.console.markup import Safe, div, join, note, pill, tag
from loopwright.app.views import when

THREE = "/assets/three/index.js"  # three.js, in the copy that NiceGUI brings


def station(name: Any, t_ns: int | None, zone: str, *parts: Any, pending: bool = False, bad: bool = False) -> Safe:
    """One station on the thread of a unit."""
    time = tag("time", when.moment(t_ns, zone)) if t_ns else None
    return tag("li", tag("h2", name, time), *parts, cls="pending" if pending else "bad" if bad else None)


def assumed(things: Sequence[str]) -> Safe | None:
    """That shots were joined to somebody by assumption, not by fact."""
    if not things:
        return None
    words = f" What {', '.join(things)} did is taken to be done with this; nobody knows that it was."
    return note(pill("assumed", "warn"), words)


def pairs(facts: Mapping[str, Any]) -> Safe:
    """Names and values, one a line; None is left out."""
    rows = [tag("dt", name) + tag("dd", value) for name, value in facts.items() if value is not None]
    return tag("dl", join(rows), cls="pairs")


def rangebar(value: Any, low: float | None, high: float | None) -> Safe | None:
    """Where a value stands between its low and its high."""
    if low is None or high is None or high <= low or not isinstance(value, (int, float)):
        return None
    at = max(0.0, min(1.0, (value - low) / (high - low))) * 100
    return div("rangebar", tag("i", style=f"left:calc({at:.1f}% - 1.5px)"))


def solid(serial: str, files: Mapping[str, Any]) -> Safe:
    """A solid to be turned: the GLB where there is one, else the STL."""
    kind = next((kind for kind in ("glb", "stl") if kind in files), "")
    if not kind:
        return div("solid", div("word", "Only a STEP file was made; open it in a CAD program."))
    version = str(files[kind].get("hash", ""))[:12]
    return div(
        "solid", div("word", "Loading the solid"), data_solid=f"/api/units/{serial}/solid.{kind}?v={version}",
        data_module="/assets/solid.js", data_three=THREE, data_up="y" if kind == "glb" else "z", data_keep=True,
        data_key=f"{serial}-{version}", role="img", aria_label=f"The solid model of {serial}",
    )
