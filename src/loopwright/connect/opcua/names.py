"""What both sides of our OPC UA agree on: settings, namespaces, names of nodes.

A thing is an Object in its own namespace `urn:loopwright:<thing>`; each of its signals is a Variable whose node id is
the signal's name there (`ns=3;s=spindle.speed`). Seven more variables let a reader count and resume:

    Sent     Int64    samples said so far; its source time is the arrival of the last one
    Final    Boolean  the stream is at its end
    Epoch    String   names this start of the server: a new one begins to count anew
    Behind   Int64    ns, the farthest a sample ever came behind a newer one of its signal
    Oldest   Int64    ns since 1970, oldest source time in a frame; history by arrival
    Newest   Int64    ns since 1970, newest source time in a frame; history by arrival
    Kept     Int64    written by the reader when the stream is at its end and it has stored so many samples
"""

from __future__ import annotations

import importlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from loopwright.connect.wire import LOOPBACK
from loopwright.core.errors import LinkError, MissingExtra, SiteError, UnitError
from loopwright.core.types import Kind, Thing
from loopwright.core.units import inside_unit, unit

WHERE = "connect.opcua"
Things = Mapping[str, tuple[Thing, Kind]]

DOORS = ("Sent", "Final", "Epoch", "Behind")  # watched; Oldest and Newest are asked for
FRAME_TIMES = ("Oldest", "Newest")
KEPT = "Kept"


@dataclass(frozen=True)
class Settings:
    """How an OPC UA server is read, or one of ours is opened.

    url         opc.tcp://host:port/path; '' is a server on this machine, at `port`
    nodes       for servers that are not ours: 'signal' or 'thing/signal' -> node id ('ns=2;s=Spindle.Speed'). The names
                'Sent' and 'Final' may be mapped too, when the server counts its samples or says when it is at an end
    units       'signal' -> unit in which the server gives it (default: the inside unit)
    sampling_s  how often the server looks at a node; 0: as often as it can
    publish_s   seconds between two messages with changes; for a server of ours, between two looks at its history
    queue       values of one node that the server keeps between two messages
    backlog_s   how far back to ask a foreign server's history when nothing of it is known yet
    timeout_s   longest wait for an answer
    user, password_env   name, and the environment variable with the password ('' = anonymous)
    epoch       name of the numbering that `expose` uses; '' takes a new one at every start
    """

    url: str = ""
    port: int = 4840
    nodes: Mapping[str, str] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)
    sampling_s: float = 0.0
    publish_s: float = 0.1
    queue: int = 1000
    backlog_s: float = 0.0
    timeout_s: float = 5.0
    user: str = ""
    password_env: str = ""
    epoch: str = ""

    def __post_init__(self) -> None:
        parts = urlsplit(self.address)
        if parts.scheme != "opc.tcp" or not parts.hostname:
            raise SiteError(f"{WHERE}.url", f"{self.url!r} is no OPC UA address", "opc.tcp://host:port")
        for signal, name in self.units.items():
            inside_unit(name, f"{WHERE}.units.{signal}")
        for name in ("publish_s", "timeout_s"):
            if getattr(self, name) <= 0:
                raise SiteError(f"{WHERE}.{name}", f"{getattr(self, name)} s", "more than 0")

    @property
    def address(self) -> str:
        """Where the server is."""
        return self.url or f"opc.tcp://{LOOPBACK}:{self.port}"

    @property
    def peer(self) -> tuple[str, int]:
        """Its host and port."""
        parts = urlsplit(self.address)
        return parts.hostname or "", parts.port or 4840


def namespace(thing: str) -> str:
    """The namespace in which a thing's nodes stand."""
    return f"urn:loopwright:{thing}"


def scales(settings: Settings, things: Things) -> dict[tuple[str, str], tuple[float, float]]:
    """(thing, signal) -> factor and offset to the inside unit, for what comes in another one.

    Raises UnitError when the server's unit measures something else than the signal.
    """
    found = {}
    for thing, (_, kind) in things.items():
        for signal in kind.signals:
            name = settings.units.get(f"{thing}/{signal.name}", settings.units.get(signal.name))
            if name is None or name == signal.unit:
                continue
            if inside_unit(name) != signal.unit:
                raise UnitError(f"{WHERE}.units.{signal.name}", f"{name!r} gives {inside_unit(name)!r}",
                                f"a unit of the same quantity as {signal.unit!r}")
            found[thing, signal.name] = (unit(name).factor, unit(name).offset)
    return found


def mapped(settings: Settings, thing: str, kind: Kind) -> dict[str, str]:
    """signal (or Sent, Final) -> node id text of a thing on a foreign server; {} when the server is one of ours.

    Raises UnknownName for a key that is no signal of the thing.
    """
    found = {}
    for key, node in settings.nodes.items():
        owner, _, name = key.rpartition("/")
        if owner and owner != thing:
            continue
        if name not in ("Sent", "Final"):
            kind.signal(name)
        found[name] = node
    return found


def library() -> Any:
    """asyncua, imported when it is first needed; MissingExtra names the extra when it is not installed."""
    try:
        found = importlib.import_module("asyncua")
    except ImportError:
        raise MissingExtra("connect/opcua", "asyncua", "opcua") from None
    log = logging.getLogger("asyncua")
    if log.level == logging.NOTSET:
        log.setLevel(logging.ERROR)  # it warns of every revised timeout
    return found


def no_namespace(thing: str, signal: str, known: list[str]) -> LinkError:
    """The server is none of ours and no node map is given: what there is, and what to write."""
    todo = f"if it is not a server of ours, map its nodes: nodes = {{ \"{signal}\" = \"ns=2;s=Name\" }}"
    return LinkError(WHERE, f"the server has no namespace {namespace(thing)!r}", ", ".join(known), todo)
