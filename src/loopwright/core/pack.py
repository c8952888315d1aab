"""What a domain brings to the house, as plain data and functions: `packs/<name>/__init__.py` exposes `PACK`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from loopwright.core.types import Event, Kind, Person


@dataclass(frozen=True)
class Imported:
    """What an importer made of one file; app stores it and counts it.

    rows       data rows the file holds (header, units row and blank lines not counted)
    persons    for body measures
    table      POINTS_IN rows whose `thing` is the file's own key ('Player 1', 'golfer-3'); app maps it to a thing.
               An exact repeat of a row keeps the same key (t_ns, n) and value, so that the store counts it as duplicate
    refused    reason -> how many rows could not be used
    duplicate  rows of persons that repeat an earlier row of the file exactly
    notes      sentences for the report ('carry missing in 3 rows')
    assumed    what was not in the file and had to be assumed: name -> value ('time_zone': 'Europe/Berlin')
    """

    what: str
    path: str
    hash: str
    rows: int
    persons: tuple[Person, ...] = ()
    table: pa.Table | None = None
    events: tuple[Event, ...] = ()
    refused: Mapping[str, int] = field(default_factory=dict)
    duplicate: int = 0
    notes: tuple[str, ...] = ()
    assumed: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ImportOptions:
    """What a file does not say of itself.

    time_zone   for local times without a zone (IANA name)
    origin_ns   for rows without any time: when the first one is assumed to be
    spacing_s   for rows without any time: seconds between two rows
    day_first   whether 03/04/2025 is the 3rd of April (None: found from the file, else day first)
    columns     our word -> the file's column, where it is not called as usual (for files that may be mapped)
    """

    time_zone: str = "UTC"
    origin_ns: int = 0
    spacing_s: float = 60.0
    day_first: bool | None = None
    columns: Mapping[str, str] = field(default_factory=dict)


Importer = Callable[[Path, ImportOptions], Imported]


@dataclass(frozen=True)
class Play:
    """One finite run that a twin or a recording plays on one thing.

    id         '<thing>/run-<number>', the same every time it is played
    start_ns   time of its first sample; end_ns: of its last
    frames     gives what the machine says, in the order in which it arrives (late frames carry old times)
    signals    what it says
    events     what became known about it ('run.labelled')
    assumed    whether thing and time are assumed, because a recording says neither
    """

    id: str
    thing: str
    start_ns: int
    end_ns: int
    frames: Callable[[], Iterable[pa.Table]]
    signals: tuple[str, ...]
    events: tuple[Event, ...] = ()
    assumed: bool = False


@dataclass(frozen=True)
class PlayOptions:
    """What a player is asked to play.

    thing, things   the machine, and all machines that play from the same source, in the site's order
    folder          where recordings lie (None for a twin)
    origin_ns       when the first run of each machine begins; spacing_s: from one start to the next
    first, count    which of the machine's runs, from 0; count None: all there are (a recording), 1 for a twin
    seed            of everything drawn by chance
    changed         runs (counted as first is) before which the tool was changed as planned
    settings        the machine's `plays` table
    """

    thing: str
    things: tuple[str, ...]
    folder: Path | None
    origin_ns: int
    spacing_s: float
    first: int = 0
    count: int | None = None
    seed: int = 0
    settings: Mapping[str, Any] = field(default_factory=dict)
    changed: tuple[int, ...] = ()


Player = Callable[[PlayOptions], Sequence[Play]]


@dataclass(frozen=True)
class Pack:
    """name, one sentence, kinds of things, importers by what they import, folder of rules, formulas that rules may
    name, product file (bill, route, tolerances), views by name: function(plain data) -> plain data that app draws, and
    players by source ('twin', 'recording'): what plays a machine that is not there.

    outcome_signals  'direction' and 'distance' -> the signal of a unit in use that tells it
    questions        what is asked of the outcomes: improve.question.Question
    hooks            other functions that app binds by name: 'users' (twins of the people who use the product), 'solid'
                     (module:function that makes the solid of a design), 'coach', 'maintain', 'oee',
                     'derived' (core.derived.Derived signals)
    """

    name: str
    meaning: str
    kinds: tuple[Kind, ...] = ()
    importers: Mapping[str, Importer] = field(default_factory=dict)
    rules: Path | None = None
    formulas: Mapping[str, Callable[..., float]] = field(default_factory=dict)
    product: Path | None = None
    views: Mapping[str, Callable[..., Any]] = field(default_factory=dict)
    players: Mapping[str, Player] = field(default_factory=dict)
    outcome_signals: Mapping[str, str] = field(default_factory=dict)
    questions: tuple[Any, ...] = ()
    hooks: Mapping[str, Any] = field(default_factory=dict)
