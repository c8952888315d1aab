"""The frame of every page: who looks, in which units, the bar on top, and what a page hands over to be shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape
from itertools import groupby
from typing import Any

from loopwright.app.auth import Who, cookies
from loopwright.app.console.draw.icons import icon, mark
from loopwright.app.console.markup import Safe, div, join, tag
from loopwright.app.front import Front
from loopwright.app.views import shown
from loopwright.govern import access
from loopwright.govern.roles import EVERYONE

STYLES = ("fonts/fonts.css", "loopwright.css")
UNITS_COOKIE = "loopwright_units"
# path, name, icon, the right it takes ('' for owners, and for the only person of a plant without users)
PAGES = (
    ("/", "Loop", "loop", "plant.see"), ("/orders", "Orders", "orders", "plant.see"),
    ("/plan", "Plan", "plan", "plant.see"), ("/machines", "Machines", "machines", "plant.see"),
    ("/owner", "Owner", "owner", ""), ("/decisions", "Decisions", "decisions", "plant.see"),
    ("/models", "Models", "models", "plant.see"),
    ("/data", "Data", "data", "plant.see"),
)


@dataclass(frozen=True)
class View:
    """What a page is drawn from.

    front     the plant
    who       looks
    system    'metric' or 'imperial'
    params    of the address
    base_url  where the plant is, as the browser calls it
    """

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
    """A page as it stands: blocks by key, in order, each redrawn when it changes; `fine` are changes inside a block.

    fine  (key, what) -> value of elements with that data-k: what is 'text', 'html', 'class' or an attribute; the block
          that holds such an element shows the value too, and is not sent again for it
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
    """The bar: brand, pages this person may see with how much waits there, units, who is in."""
    links = [_page_link(page, here, waiting) for page in PAGES if _may(view.who, page[3])]
    nav = tag("nav", *links, cls="nav") if len(links) > 1 else tag("span", cls="nav")
    switches = [
        tag("button", word, type="button", data_units=system, cls="on" if view.system == system else None)
        for system, word in (("metric", "m"), ("imperial", "in"))
    ]
    units = div("switch", *switches, title="Metric, or inches, yards and mph")
    return tag("header", brand(view.front.site.name), nav, div("tools", units, _who(view.who)), cls="top")


def _may(who: Who, right: str) -> bool:
    return access.can(who, right) if right else who.role in ("owner", EVERYONE)


def _page_link(page: tuple[str, str, str, str], here: str, waiting: Mapping[str, int]) -> Safe:
    path, name, picture, _ = page
    number = tag("i", waiting[path], title="waits for a person") if waiting.get(path) else None
    on = {"cls": "here", "aria_current": "page"} if path == here else {}
    return tag("a", icon(picture), tag("span", name), number, href=path, **on)


def brand(plant: str = "") -> Safe:
    """Sign, name, and the plant's name."""
    return tag("a", mark(), tag("b", "Loopwright"), tag("span", plant) if plant else None, href="/", cls="brand")


def _who(who: Who) -> Safe:
    if who.role == EVERYONE:
        words = "No users yet: the console answers on this machine only."
        return tag("span", tag("span", "this machine only"), cls="who", title=words)
    leave = tag("button", "Sign out", type="button", cls="button quiet small", data_post="/api/session/end",
                data_then="/signin")
    return tag("span", tag("b", who.name), tag("span", f", {who.role} "), leave, cls="who")


def head(title: Any, words: Any = None, *tools: Any, crumb: Any = None) -> Safe:
    """A page's title, one sentence, and what can be done at once."""
    way = tag("p", crumb, cls="crumb") if crumb else None
    return div("head", tag("div", way, tag("h1", title), tag("p", words) if words else None), *tools)


def body(drawn: Drawn) -> Safe:
    """All blocks, each in an element that the browser finds again; neighbours of one grid class share a wrapper."""
    parts = []
    for cls, group in groupby(drawn.blocks.items(), key=lambda item: drawn.grid.get(item[0], "")):
        blocks = [tag("div", block, data_k=key) for key, block in group]
        parts.append(div(cls, *blocks) if cls else join(blocks))
    return join(parts)


def title(name: str) -> str:
    """A name as people read it: 'club_length' -> 'Club length', 's.output_power' -> 'S output power'."""
    words = name.replace("_", " ").replace(".", " ").strip()
    return words[:1].upper() + words[1:]


def styles() -> Safe:
    """The style sheets of every page."""
    return join(tag("link", rel="stylesheet", href=f"/assets/{name}") for name in STYLES)


def document(page_title: str, content: Safe) -> str:
    """A whole page that needs no server push."""
    metas = tag("meta", charset="utf-8") + tag("meta", name="viewport", content="width=device-width, initial-scale=1")
    links = tag("link", rel="icon", href="/assets/mark.svg") + tag("script", src="/assets/loopwright.js", defer=True)
    head = f"<head>{metas}<title>{escape(page_title)}</title>{styles()}{links}</head>"
    return f'<!doctype html><html lang="en">{head}<body>{content}</body></html>'
