"""The loop drawn: a figure of eight with a knot for each stage, counts beside them, and beads that run when it runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from loopwright.app.console.draw.icons import PATHS
from loopwright.app.console.markup import Safe, join, tag
from loopwright.app.views import circle, shown, when

_LINKS = {
    "order": "/orders",
    "fit": "/orders",
    "design": "/orders",
    "plan": "/plan",
    "make": "/orders",
    "measure": "/orders",
    "connect": "/machines",
    "keep": "/data",
    "use": "/owner",
    "serve": "/decisions",
    "improve": "/decisions#changes",
    "release": "/decisions#changes",
}
_BEADS, _ROUND_S = 9, 22.0


def drawn(data: Mapping[str, Any]) -> Safe:
    """The whole picture, lying for a wide screen and standing for a phone; `changes` keeps it up to date."""
    wide = _eight(data, centre=262, radius=158, upright=False, box=(-560, -222, 1120, 444))
    tall = _eight(data, centre=178, radius=106, upright=True, box=(-212, -306, 424, 612))
    return tag("div", tag("div", wide, cls="wide"), tag("div", tall, cls="upright"), cls="loop")


def changes(data: Mapping[str, Any]) -> dict[tuple[str, str], str]:
    """(key, what) -> value of everything in the picture that may change."""
    out: dict[tuple[str, str], str] = {("headline", "text"): data["headline"], ("eight", "class"): _eight_class(data)}
    for stage in data["stages"]:
        name = stage["name"]
        out[f"knot-{name}", "class"] = f"knot {stage['state']}"
        out[f"count-{name}", "text"] = counted(stage)
        out[f"ribbon-{name}", "class"] = stage["state"]
        out[f"words-{name}", "text"] = stage["words"] or stage["meaning"]
        out[f"took-{name}", "text"] = shown.took(stage["seconds"]) if stage["seconds"] is not None else ""
    return out


def counted(stage: Mapping[str, Any]) -> str:
    """'12 orders', or '12 of 40 slots' while a turn counts its own."""
    if stage["count"] is not None and stage["state"] == "active" and stage["total"] > stage["count"]:
        return f"{shown.short(stage['count'])} of {shown.short(stage['total'])} {stage['counted']}"
    return f"{shown.short(max(stage['total'], stage['count'] or 0))} {stage['counted']}"


def ribbon(data: Mapping[str, Any]) -> Safe:
    """The twelve stages as words: what each does now, and how long it took."""
    cells = [
        tag(
            "div",
            tag("h3", stage["title"], tag("span", data_k=f"took-{stage['name']}")),
            tag("p", stage["meaning"], data_k=f"words-{stage['name']}"),
            data_k=f"ribbon-{stage['name']}",
        )
        for stage in data["stages"]
    ]
    return tag("div", *cells, cls="ribbon")


def feed(data: Mapping[str, Any], zone: str) -> Safe:
    """The last sentences the loop spoke, newest first."""
    if not data["recent"]:
        return tag("p", "Quiet since this console was opened.", cls="empty")
    return tag(
        "ul",
        *[
            tag("li", tag("time", when.clock_time(entry["t_ns"], zone)), tag("span", entry["words"]))
            for entry in data["recent"][:8]
        ],
        cls="feed",
    )


def _eight_class(data: Mapping[str, Any]) -> str:
    return "eight resting" if data["resting"] else "eight"


def _eight(
    data: Mapping[str, Any], *, centre: float, radius: float, upright: bool, box: tuple[int, int, int, int]
) -> Safe:
    figure = circle.figure(centre, radius, upright)
    path_id = "eight-tall" if upright else "eight-wide"
    beads = [_bead(path_id, i) for i in range(_BEADS)]
    knots = [_knot(stage, figure["places"][stage["name"]], upright) for stage in data["stages"]]
    inside = _lobes(centre, upright)
    return tag(
        "svg",
        tag("path", d=figure["path"], id=path_id, cls="track"),
        tag("path", d=figure["path"], cls="thread"),
        *beads,
        *inside,
        *knots,
        viewBox=" ".join(map(str, box)),
        cls=_eight_class(data),
        data_k="eight",
        role="img",
        aria_label="The loop: " + data["headline"],
    )


def _bead(path_id: str, i: int) -> Safe:
    """One bead; the ones that carry what was learned are copper."""
    begin = f"-{_ROUND_S * i / _BEADS:.2f}s"
    motion = tag(
        "animateMotion", tag("mpath", href=f"#{path_id}"), dur=f"{_ROUND_S}s", begin=begin, repeatCount="indefinite"
    )
    return tag("circle", motion, r="3.6", cls="mover copper" if i % 3 == 0 else "mover")


def _knot(stage: Mapping[str, Any], place: circle.Place, upright: bool) -> Safe:
    size = 19 if upright else 23
    icon = tag(
        "path",
        d=PATHS[stage["name"]],
        cls="icon",
        transform=f"translate({place.x:.1f} {place.y:.1f}) scale({size / 23 * 0.92:.3f}) translate(-12 -12)",
    )
    parts = [
        tag("circle", cx=f"{place.x:.1f}", cy=f"{place.y:.1f}", r=size, cls="halo"),
        tag("circle", cx=f"{place.x:.1f}", cy=f"{place.y:.1f}", r=size, cls="face"),
        icon,
    ]
    x, y, anchor = _label(place, size, upright)
    words = [
        tag("text", stage["title"], x=f"{x:.1f}", y=f"{y:.1f}", text_anchor=anchor, cls="name"),
        tag(
            "text",
            counted(stage),
            x=f"{x:.1f}",
            y=f"{y + 17:.1f}",
            text_anchor=anchor,
            cls="count",
            data_k=f"count-{stage['name']}",
        ),
    ]
    return tag(
        "a",
        tag("g", *parts, cls=f"knot {stage['state']}", data_k=f"knot-{stage['name']}"),
        *words,
        tag("title", stage["meaning"]),
        href=_LINKS[stage["name"]],
    )


def _label(place: circle.Place, size: float, upright: bool) -> tuple[float, float, str]:
    """Where a knot's words stand: outside the lobe, beside the knot or above and below it."""
    away = size + 12
    if abs(place.out_x) > (0.3 if upright else 0.62):
        side = 1 if place.out_x > 0 else -1
        return place.x + side * away, place.y - 3 + (8 * place.out_y if upright else 0), "start" if side > 0 else "end"
    above = place.out_y < 0
    return place.x, place.y + (-(away + 13) if above else away + 9), "middle"


def _lobes(centre: float, upright: bool) -> list[Safe]:
    """The two halves named, in the middle of each."""
    places = [(0.0, -centre), (0.0, centre)] if upright else [(-centre, 0.0), (centre, 0.0)]
    words = [("Made", "to the measure", "of a person"), ("Lived with", "heard, kept,", "learned from")]
    out = []
    for (x, y), (name, first, second) in zip(places, words, strict=True):
        out += [
            tag("text", name, x=x, y=y - 4, cls="lobe"),
            tag("text", first, x=x, y=y + 18, cls="lobe-note"),
            tag("text", second, x=x, y=y + 34, cls="lobe-note"),
        ]
    return [join(out)]
