"""One plant, opened: its site, its store, its clock and its warm workers, and what is in force in it now.

    with open_plant(site) as plant:
        plant.rules, plant.product, plant.store ...
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loopwright.app.opening import open_site, there
from loopwright.core import plug
from loopwright.core.clock import Clock, RealClock
from loopwright.core.errors import SiteError
from loopwright.core.pack import Pack
from loopwright.core.types import Event, Thing
from loopwright.store import Store

if TYPE_CHECKING:
    from loopwright.app.site import Site
    from loopwright.engine.local import Workers
    from loopwright.make.fit import RuleSet
    from loopwright.make.product import Product


@dataclass
class Plant:
    """site, store, clock; packs by name; warm workers by name, made when first asked for."""

    site: Site
    store: Store
    clock: Clock
    packs: Mapping[str, Pack]
    actor: str = "loop"
    _workers: list[Workers] = field(default_factory=list)

    @property
    def workers(self) -> Workers:
        """Warm worker processes for planning and solids."""
        if not self._workers:
            from loopwright.engine.local import Workers

            self._workers.append(Workers())
        return self._workers[0]

    @property
    def product_pack(self) -> Pack:
        """The pack that brings the product; an empty one for a product of the site's own files."""
        table = self.site["product"]
        name = table["pack"]
        if not name and table["file"]:
            return Pack("site", "The site's own product.")
        having = [pack.name for pack in self.packs.values() if pack.product]
        if not name and len(having) == 1:
            name = having[0]
        if name not in self.packs:
            raise SiteError("[product] pack", f"{name!r} is not among the site's packs that bring a product",
                            ", ".join(having), "name one, or give the site's own product: file = \"product.toml\"")
        return self.packs[name]

    @property
    def product(self) -> Product:
        """Bill, route and tolerances: the site's own file, else the pack's."""
        from loopwright.make.product import load_product

        own = self.site["product"]["file"]
        path = self._beside(own) if own else self.product_pack.product
        if path is None:
            raise SiteError("[product] file", f"pack {self.product_pack.name!r} brings no product", "a product file")
        return load_product(path)

    @property
    def rules(self) -> RuleSet:
        """The rules in force now: the base, with every released change that was not undone."""
        from loopwright.make.fit import load_rules

        return load_rules(self.rules_folder, self.released())

    @property
    def rules_folder(self) -> Path:
        """Where the charts of the product's rules stand: the site's own, else its pack's."""
        own = self.site["product"]["rules"]
        folder = self._beside(own) if own else self.product_pack.rules
        if folder is None:
            raise SiteError("[product] rules", f"pack {self.product_pack.name!r} brings no rules", "a folder of rules")
        return folder

    def released(self) -> list[dict[str, Any]]:
        """Released changes of rules, in the order of their release."""
        from loopwright.improve.release import in_force

        events = self.store.recall(kind=("change.released", "change.undone"))
        return list(in_force(events))

    def record(self, kind: str, about: str, body: Mapping[str, Any] | None = None, **more: Any) -> Event:
        """Records one event; `more`: t_ns, actor, because, key."""
        more.setdefault("t_ns", self.clock.now_ns())
        more.setdefault("actor", self.actor)
        return self.store.record([Event(kind, about, body=body or {}, **more)])[0]

    def add(self, things: Iterable[Thing]) -> None:
        """Things that may be heard from now on; those that are known as they are stay.

        Recorded first, then declared, so that a program that is killed between the two does both again.
        """
        known = self.store.things()
        new = [thing for thing in things if known.get(thing.id) != thing]
        if not new:
            return
        now_ns = self.clock.now_ns()
        self.store.record([
            Event("thing.added", t.id, now_ns, self.actor, {"kind": t.kind}, key=f"thing.added/{t.id}") for t in new
        ])
        self.store.declare([], new)

    def _beside(self, name: str) -> Path:
        return (self.site.file.parent if self.site.file else self.site.folder) / name

    def close(self) -> None:
        for workers in self._workers:
            workers.close()
        self._workers.clear()
        self.store.close()


@contextmanager
def open_plant(site: Site, *, clock: Clock | None = None, fresh: bool = False, actor: str = "loop") -> Iterator[Plant]:
    """Opens the site's plant for writing; an empty one is made when there is none. PlantBusy when another writes it.

    fresh  empties the plant first (refused for a folder that is not a plant)
    """
    clock = clock or RealClock()
    if fresh:
        empty(site, clock)
    packs = packs_of(site)
    store = open_site(site, clock)
    plant = Plant(site, store, clock, packs, actor)
    try:
        store.declare(site.all_kinds, site.things)
        yield plant
    finally:
        plant.close()


@contextmanager
def read_plant(site: Site, *, actor: str = "loop") -> Iterator[Plant]:
    """Opens the site's plant for reading, beside whatever process writes it. StoreError where there is none."""
    there(site)
    plant = Plant(site, open_site(site, read_only=True), RealClock(), packs_of(site), actor)
    try:
        yield plant
    finally:
        plant.close()


def packs_of(site: Site) -> dict[str, Pack]:
    """The site's packs by name."""
    return {name: plug.load("packs", name).PACK for name in site["site"]["packs"]}


def empty(site: Site, clock: Clock) -> None:
    """Removes a plant's data. Refuses a folder that holds anything but a plant, a plant that somebody writes, and one
    of which a part stands elsewhere."""
    folder = site.folder
    if not folder.exists() or not any(folder.iterdir()):
        return
    if not (folder / "journal.sqlite").exists():
        raise SiteError(str(folder), "is not the folder of a plant, so it is not emptied", "", "name another folder")
    with open_site(site, clock) as store:
        elsewhere = store.tables["points"].place.shared or site["store"]["events_url_env"]
    if elsewhere:
        raise SiteError(str(folder), "a part of this plant stands elsewhere, so it is not emptied", "",
                        "name another folder, points_url and database in the site file")
    shutil.rmtree(folder)
