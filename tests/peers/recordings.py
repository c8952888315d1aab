"""A recording in the forms that outside peers play.

    lines(table, kind, path)            JSON lines for opcua_player.js
    node_map(kind)                      the node ids of that player, as `nodes` of connect.opcua
    documents(table, thing, kind, ..)   a folder of MTConnect documents, as an agent would have served it
"""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa

from loopwright.connect.batch import slices
from loopwright.connect.mtconnect import Settings
from loopwright.connect.mtconnect.agent import Agent
from loopwright.core.clock import RealClock
from loopwright.core.types import Kind, Thing

SILENT = ""
TYPES = {"gauge": "Double", "counter": "Int32", "state": "Int32"}


def lines(table: pa.Table, kind: Kind, path: Path) -> int:
    """Writes the rows of one thing, moment by moment (times in whole ms); how many changes the player will make.

    A row without a value is a gap that the player says; of a signal without a row at a moment it says nothing.
    """
    names = table.column("signal").unique().to_pylist()
    place = {name: i for i, name in enumerate(names)}
    moments: dict[int, list[float | int | str | None]] = {}
    for signal, t_ns, value, code in zip(
        *(table.column(name).to_pylist() for name in ("signal", "t_ns", "value", "code")), strict=True
    ):
        moments.setdefault(t_ns // 1_000_000, [SILENT] * len(names))[place[signal]] = code if value is None else value
    with path.open("w") as file:
        file.write(json.dumps({"signals": {name: TYPES[kind.signal(name).kind] for name in names}}) + "\n")
        for t_ms, values in moments.items():
            file.write(json.dumps({"t": t_ms, "v": values}) + "\n")
    return table.num_rows


def node_map(kind: Kind) -> dict[str, str]:
    """Signal -> node id on opcua_player.js, its counters included."""
    return {name: f"ns=1;s={name}" for name in (*(signal.name for signal in kind.signals), "Sent", "Final")}


def documents(table: pa.Table, thing: Thing, kind: Kind, folder: Path, count: int = 10_000) -> None:
    """Writes probe.xml and sample_0001.xml .. into the folder, `count` observations each."""
    agent = Agent(Settings(buffer=max(count, 2 * table.num_rows + 10), epoch="recorded"), {thing.id: (thing, kind)}, RealClock())
    for piece in slices(table, 50_000):
        agent.say(piece, heard=True)
    agent.end()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "probe.xml").write_text(agent.answer("/probe")[1])
    for part, first in enumerate(range(1, table.num_rows + 3, count), 1):
        (folder / f"sample_{part:04d}.xml").write_text(agent.answer(f"/sample?from={first}&count={count}")[1])
