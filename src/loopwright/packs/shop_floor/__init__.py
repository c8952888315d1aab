"""The shop floor: mills, benches and gauges, recorded machining runs, and twins that play them."""

from __future__ import annotations

from loopwright.core.derived import Derived, energy_j
from loopwright.core.pack import Pack
from loopwright.packs.shop_floor import wear
from loopwright.packs.shop_floor.event_log import import_log
from loopwright.packs.shop_floor.players import PLAYERS
from loopwright.packs.shop_floor.runs import import_runs
from loopwright.packs.shop_floor.signals import KINDS
from loopwright.packs.shop_floor.views import VIEWS

PACK = Pack(
    "shop_floor",
    "Machines that mill, benches where people work, gauges; recorded machining runs, event logs and twins.",
    KINDS,
    importers={"runs": import_runs, "log": import_log},
    views=VIEWS,
    players=PLAYERS,
    hooks={
        "maintain": wear,
        "derived": tuple(Derived(kind.name, "s.energy", ("s.output_power",), 60.0, 1.0, energy_j) for kind in KINDS
                         if any(signal.name == "s.energy" for signal in kind.signals)),
    },
)
