"""The frame of every page: who looks, in which units, the bar on top, and what a page hands over to be shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from loopwright.app.auth import Who, cookies
from loopwright.app.console.draw.icons import icon, mark
from loopwright.app.console.markup import Safe, join, tag
from loopwright.app.front import Front
from loopwright.app.views import shown
from loopwright.govern import access
from loopwright.govern.roles import EVERYONE

STYLES = ("fonts/fonts.css", "loopwright.css")
UNITS_COOKIE = "loopwright_units"
# path, name, icon, the right it takes ('' for owners, and for the only person of a plant without users)
PAGES = (
    ("/", "Loop", "loop", "plant.see"),
    ("/orders", "Orders", "orders", "plant.see"),
    ("/plan", "Plan", "plan", "plant.see"),
    ("/machines", "Machines", "machines", "plant.see"),
    ("/owner", "Owner", "owner", ""),
    ("/decisions", "Decisions", "decisions", "plant.see"),
    ("/data", "Data", "data", "plant.see"),
)


@dataclass(frozen=True)
class View:
    """What a page is drawn from: the plant, who looks, 'metric' or 'imperial', parameters of the address, and where
    the plant is."""

    front: Front
    who: Who
    system: str = "metric"
    params: Mapping[str, str] = field(default_factory=dict)
    base_url: str = ""

    @property
    def zone(self) -> str:
        """The plant's time zone."""
        return self.front.zone


@dataclass(frozen=True)
class Drawn:
    """A page as it stands: blocks by key, in order, each redrawn when it changes; `fine` are small changes inside a
    block.

    fine  (key, what) -> value of elements with that data-k: what is 'text', 'class' or an attribute
    grid  key -> class of the wrapper that neighbours of the same class share ('' for none)
    """

    title: str
    blocks: Mapping[str, Safe]
    fine: Mapping[tuple[str, str], str] = field(default_factory=dict)
    grid: Mapping[str, str] = field(default_factory=dict)


def system_of(headers: Mapping[str, str]) -> str:
    """The units this browser asked for: 'metric' until it says otherwise."""
    wanted = cookies(headers).get(UNITS_COOKIE, "")
    return wanted if wanted in shown.SYSTEMS else "metric"


def top(view: View, here: str, waiting: Mapping[str, int]) -> Safe:
    """The bar: brand, pages this person may see, units, who is in."""
    links = []
    for path, name, picture, what in PAGES:
        if access.can(view.who, what) if what else view.who.role in ("owner", EVERYONE):
            number = tag("i", waiting[path], title="waits for a person") if waiting.get(path) else None
            links.append(
                tag(
                    "a",
                    icon(picture),
                    tag("span", name),
                    number,
                    href=path,
                    cls="here" if path == here else None,
                    aria_current="page" if path == here else None,
                )
            )
    units = tag(
        "div",
        *[
            tag("button", word, type="button", data_units=system, cls="on" if view.system == system else None)
            for system, word in (("metric", "m"), ("imperial", "in"))
        ],
        cls="switch",
        title="Metric, or inches, yards and mph",
    )
    return tag(
        "header",
        brand(view.front.site.name),
        tag("nav", *links, cls="nav") if len(links) > 1 else tag("span", cls="nav"),
        tag("div", units, _who(view.who), cls="tools"),
        cls="top",
    )


def brand(plant: str = "") -> Safe:
    """Sign, name, and the plant's name."""
    return tag("a", mark(), tag("b", "Loopwright"), tag("span", plant) if plant else None, href="/", cls="brand")


def _who(who: Who) -> Safe:
    if who.role == EVERYONE:
        return tag(
            "span",
            tag("span", "this machine only"),
            cls="who",
            title="No users yet: the console answers on this machine only.",
        )
    return tag(
        "span",
        tag("b", who.name),
        tag("span", f", {who.role} "),
        tag(
            "button",
            "Sign out",
            type="button",
            cls="button quiet small",
            data_post="/api/session/end",
            data_then="/signin",
        ),
        cls="who",
    )


def head(title: Any, words: Any = None, *tools: Any, crumb: Any = None) -> Safe:
    """A page's title, one sentence, and what can be done at once."""
    return tag(
        "div",
        tag(
            "div", tag("p", crumb, cls="crumb") if crumb else None, tag("h1", title), tag("p", words) if words else None
        ),
        *tools,
        cls="head",
    )


def body(drawn: Drawn) -> Safe:
    """All blocks of a page, each in a wrapper that the browser can find again; neighbours of one grid class share a
    wrapper."""
    parts = []
    for cls, group in groupby(drawn.blocks.items(), key=lambda item: drawn.grid.get(item[0], "")):
        blocks = [tag("div", block, data_k=key) for key, block in group]
        parts.append(tag("div", *blocks, cls=cls) if cls else join(blocks))
    return tag("main", *parts, cls="page")


def title(name: str) -> str:
    """A name as people read it: 'club_length' -> 'Club length', 's.output_power' -> 'S output power'."""
    words = name.replace("_", " ").replace(".", " ").strip()
    return words[:1].upper() + words[1:]


def document(page_title: str, content: Safe, *, scripts: bool = True) -> str:
    """A whole page that needs no server push: for the door and for the public page."""
    metas = tag("meta", charset="utf-8") + tag("meta", name="viewport", content="width=device-width, initial-scale=1")
    style = join(tag("link", rel="stylesheet", href=f"/assets/{name}") for name in STYLES) + tag(
        "link", rel="icon", href="/assets/mark.svg"
    )
    script = tag("script", src="/assets/loopwright.js", defer=True) if scripts else ""
    return f'<!doctype html><html lang="en"><head>{metas}<title>{tag("b", page_title)[3:-4]}</title>{style}{script}</head><body>{content}</body></html>'
