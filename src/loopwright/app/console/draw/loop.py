"""The loop drawn: a figure of eight with a knot for each stage, counts beside them, and beads that run when it runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from loopwright.app.console.draw.icons import PATHS
from loopwright.app.console.markup import Safe, div, tag
from loopwright.app.views import circle, shown, when

_LINKS = {
    "plan": "/plan", "connect": "/machines", "keep": "/data", "use": "/owner", "serve": "/decisions",
    "improve": "/decisions#changes", "release": "/decisions#changes",
}
_FEED = 8
_BEADS, _ROUND_S = 9, 22.0


def drawn(data: Mapping[str, Any]) -> Safe:
    """The whole picture, lying for a wide screen and standing for a phone; `changes` keeps it up to date."""
    wide = _eight(data, _Shape(262, 158, False, (-560, -222, 1120, 444)))
    tall = _eight(data, _Shape(178, 106, True, (-212, -306, 424, 612)))
    return div("loop", div("wide", wide), div("upright", tall))


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
    cells, now = [], changes(data)
    for stage in data["stages"]:
        took, words, whole = (f"{part}-{stage['name']}" for part in ("took", "words", "ribbon"))
        head = tag("h3", stage["title"], tag("span", now[took, "text"], data_k=took))
        cells.append(div(now[whole, "class"], head, tag("p", now[words, "text"], data_k=words), data_k=whole))
    return div("ribbon", *cells)


def feed(data: Mapping[str, Any], zone: str) -> Safe:
    """The last sentences the loop spoke, newest first."""
    if not data["recent"]:
        return tag("p", "Quiet since this console was opened.", cls="empty")
    rows = [
        tag("li", tag("time", when.clock_time(entry["t_ns"], zone)), tag("span", entry["words"]))
        for entry in data["recent"][:_FEED]
    ]
    return tag("ul", *rows, cls="feed")


@dataclass(frozen=True)
class _Shape:
    """Size of the figure of eight (see `views.circle.figure`), and the box it is drawn in: x, y, width, height."""

    centre: float
    radius: float
    upright: bool
    box: tuple[int, int, int, int]


def _eight_class(data: Mapping[str, Any]) -> str:
    return "eight resting" if data["resting"] else "eight"


def _eight(data: Mapping[str, Any], shape: _Shape) -> Safe:
    figure = circle.figure(shape.centre, shape.radius, shape.upright)
    id_ = "eight-tall" if shape.upright else "eight-wide"
    track = tag("path", d=figure["path"], id=id_, cls="track") + tag("path", d=figure["path"], cls="thread")
    beads = [_bead(id_, i) for i in range(_BEADS)]
    knots = [_knot(stage, figure["places"][stage["name"]], shape.upright) for stage in data["stages"]]
    return tag(
        "svg", track, *beads, *_lobes(shape), *knots, viewBox=" ".join(map(str, shape.box)), cls=_eight_class(data),
        data_k="eight", role="img", aria_label=f"The loop: {data['headline']}",
    )


def _bead(path_id: str, i: int) -> Safe:
    """One bead; the ones that carry what was learned are copper."""
    begin = f"-{_ROUND_S * i / _BEADS:.2f}s"
    way = tag("mpath", href=f"#{path_id}")
    motion = tag("animateMotion", way, dur=f"{_ROUND_S}s", begin=begin, repeatCount="indefinite")
    return tag("circle", motion, r="3.6", cls="mover copper" if i % 3 == 0 else "mover")


def _knot(stage: Mapping[str, Any], place: circle.Place, upright: bool) -> Safe:
    """A stage on the figure: icon, name, count."""
    name, size = stage["name"], 19 if upright else 23
    round_ = [tag("circle", cx=f"{place.x:.1f}", cy=f"{place.y:.1f}", r=size, cls=cls) for cls in ("halo", "face")]
    put = f"translate({place.x:.1f} {place.y:.1f}) scale({size / 25:.3f}) translate(-12 -12)"
    knot = tag("g", *round_, tag("path", d=PATHS[name], cls="icon", transform=put), cls=f"knot {stage['state']}",
               data_k=f"knot-{name}")
    x, y, anchor = _label(place, size, upright)
    words = tag("text", stage["title"], x=f"{x:.1f}", y=f"{y:.1f}", text_anchor=anchor, cls="name")
    count = tag("text", counted(stage), x=f"{x:.1f}", y=f"{y + 17:.1f}", text_anchor=anchor, cls="count",
                data_k=f"count-{name}")
    return tag("a", knot, words, count, tag("title", stage["meaning"]), href=_LINKS.get(name, "/orders"))


def _label(place: circle.Place, size: float, upright: bool) -> tuple[float, float, str]:
    """Where a knot's words stand: outside the lobe, beside the knot or above and below it."""
    away = size + 12
    if abs(place.out_x) > (0.3 if upright else 0.62):
        side = 1 if place.out_x > 0 else -1
        return place.x + side * away, place.y - 3 + (8 * place.out_y if upright else 0), "start" if side > 0 else "end"
    above = place.out_y < 0
    return place.x, place.y + (-(away + 13) if above else away + 9), "middle"


def _lobes(shape: _Shape) -> list[Safe]:
    """The two halves named, in the middle of each."""
    out = []
    lobes = ((-1, ("Made", "to the measure", "of a person")), (1, ("Lived with", "heard, kept,", "learned from")))
    for side, words in lobes:
        x, y = (0.0, side * shape.centre) if shape.upright else (side * shape.centre, 0.0)
        for word, down, cls in zip(words, (-4, 18, 34), ("lobe", "lobe-note", "lobe-note"), strict=True):
            out.append(tag("text", word, x=x, y=y + down, cls=cls))
    return out
