"""What `loopwright whatif` does: on a plant that nobody runs, over the API of the process that runs it, or on a shop in
a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from loopwright.app import trying
from loopwright.app.correcting import ask_there, me
from loopwright.app.opening import open_site, there
from loopwright.app.plant import Plant, open_plant
from loopwright.app.promise_command import is_file
from loopwright.app.site import Site, site_of
from loopwright.app.whatif_words import parse_all
from loopwright.core import plug
from loopwright.core.clock import RealClock
from loopwright.core.errors import InputError, PlantBusy

READS = ("list", "show", "compare")


@dataclass(frozen=True)
class Asked:
    """What was asked: action ('': try, or list where nothing is changed), names it is about, changes as lines."""

    action: str
    names: tuple[str, ...]
    changes: tuple[str, ...]
    name: str
    seconds: float | None
    objective: str
    why: str
    author: str


def answer(path: Path, asked: Asked, draw: bool) -> tuple[dict[str, Any], str]:
    """(what came of it, the drawing when it is wanted)."""
    if asked.action and asked.changes:
        raise InputError(f"whatif {asked.action}", f"changes ({asked.changes[0]})", "changes only with a new try")
    if is_file(path):
        return _of_file(path, asked, draw)
    site = site_of(path)
    there(site)
    action = asked.action or ("try" if asked.changes or asked.name else "list")
    if action != "compare" and action not in ("list", "try") and len(asked.names) != 1:
        raise InputError(f"whatif {action}", f"names {list(asked.names)}", "one name")
    if draw and action not in ("try", "show"):
        raise InputError(f"whatif {action}", "--gantt", "with a new try, or with show NAME")
    done = _read(site, action, asked) if action in READS else _do(site, action, asked)
    return done, _drawn(site, str(done["name"])) if draw else ""


def _opened(site: Site) -> Any:
    return open_site(site, read_only=True)


def _read(site: Site, action: str, asked: Asked) -> dict[str, Any]:
    """Beside whatever process writes the plant."""
    with _opened(site) as store:
        plant = Plant(site, store, RealClock(), _packs(site), "plan")
        if action == "list":
            return trying.listed(plant)
        return trying.beside(plant, asked.names) if action == "compare" else trying.shown(plant, asked.names[0])


def _drawn(site: Site, name: str) -> str:
    with _opened(site) as store:
        return trying.svg(Plant(site, store, RealClock(), _packs(site), "plan"), name)


def _packs(site: Site) -> Mapping[str, Any]:
    return {name: plug.load("packs", name).PACK for name in site["site"]["packs"]}


def _do(site: Site, action: str, asked: Asked) -> dict[str, Any]:
    body: dict[str, Any] = {"why": asked.why}
    if action == "try":
        body |= {"changes": list(asked.changes), "name": asked.name, "seconds": asked.seconds}
    try:
        with open_plant(site, actor="plan") as plant:
            author = asked.author or me()
            if action == "try":
                return trying.try_plan(plant, author, body)
            do = trying.adopt if action == "adopt" else trying.drop
            return do(plant, author, asked.names[0], asked.why)
    except PlantBusy as busy:
        from urllib.parse import quote

        url = "/whatif" if action == "try" else f"/whatif/{quote(asked.names[0], safe='')}/{action}"
        return ask_there(site, busy, url, body)


def _of_file(path: Path, asked: Asked, draw: bool) -> tuple[dict[str, Any], str]:
    """Both plans of a shop in a file; nothing is kept."""
    from threading import Event

    from loopwright.app.plan_file import Asked as Search
    from loopwright.app.plan_file import Watched, planned
    from loopwright.make.reading.files import read
    from loopwright.make.whatif import changed, compared, drawn

    if asked.action:
        raise InputError(f"whatif {asked.action}", f"{path} is a shop, not a plant", "a site file, or changes")
    changes = parse_all(asked.changes)
    search = Search(10.0 if asked.seconds is None else asked.seconds, asked.objective)
    shop = read(path).shop
    if not shop.origin_ns and (days := [change for change in changes if change.kind.startswith("shift-")]):
        raise InputError(f"what if: {days[0].kind} {days[0].name}", f"{path.name} counts from no date",
                         "a shop whose origin_ns is a moment (ns UTC)")
    other_shop = changed(shop, changes)
    plans = []
    for one in (shop, other_shop):
        watched = Watched(Event(), loud=False)
        plans.append(planned(one, search, watched))
        if watched.stop.is_set():  # by Ctrl-C: the other is searched for as long, so that they can be compared
            search = replace(search, seconds=plans[0].took_s)
    document = {"name": asked.name or path.name, "changes": list(asked.changes), "state": "",
                "says_changes": [change.says() for change in changes],
                "table": compared(shop, plans[0], other_shop, plans[1])}
    return document, drawn(shop, plans[0], other_shop, plans[1], ("as it is", "what if")) if draw else ""
