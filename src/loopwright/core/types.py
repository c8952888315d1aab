"""The words of the house: what every room hands to every other. Frozen, checked at birth, no I/O.

Times are int64 nanoseconds UTC (`t_ns`, when it was true; `known_ns`, when we knew).
Units are those of `core.units.INSIDE`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import pyarrow as pa

from loopwright.core.errors import InputError, UnknownName
from loopwright.core.units import require_inside

GOOD, DOUBTFUL, BAD = 0, 1, 2  # quality of a value

# What `connect` hands over, and what `store` keeps (with known_ns added). Exactly one of value and code is set:
# gauges are `value`, counters and states are `code`. A null of both is a gap that the source itself reported.
POINTS_IN = pa.schema([
    ("thing", pa.string()), ("signal", pa.string()), ("t_ns", pa.int64()), ("n", pa.int32()),
    ("value", pa.float64()), ("code", pa.int64()), ("quality", pa.int8()),
])
POINTS = pa.schema([*POINTS_IN, ("known_ns", pa.int64()), ("assumed", pa.bool_())])
BLOCKS_IN = pa.schema([
    ("thing", pa.string()), ("signal", pa.string()), ("t_ns", pa.int64()), ("dt_ns", pa.int64()),
    ("values", pa.list_(pa.float32())), ("quality", pa.int8()),
])
BLOCKS = pa.schema([*BLOCKS_IN, ("known_ns", pa.int64()), ("assumed", pa.bool_())])


@dataclass(frozen=True)
class Signal:
    """One row of a table of signals.

    name     lower case, dots and underscores: 'spindle.speed'
    unit     an inside unit; '' for a state
    kind     gauge (float64), counter (int64, only grows until a reset) or state (int32 code)
    rate_hz  samples a second, None when irregular
    low      lowest value that can be true (None: no limit); outside it a value is refused
    high     highest value that can be true
    meaning  one sentence
    codes    for a state: code -> word
    shape    () for a single value, (3,) for a vector: such signals are Blocks
    """

    name: str
    unit: str
    kind: Literal["gauge", "counter", "state"]
    rate_hz: float | None
    low: float | None
    high: float | None
    meaning: str
    codes: Mapping[int, str] = field(default_factory=dict)
    shape: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        where = f"signal {self.name!r}"
        if not self.name or self.name != self.name.lower() or any(c.isspace() or c in "/#+" for c in self.name):
            raise InputError(where, "a name must be lower case without spaces, '/', '#' or '+'")
        if self.kind not in ("gauge", "counter", "state"):
            raise UnknownName(where, self.kind, ["gauge", "counter", "state"])
        if self.kind == "state":
            if not self.codes:
                raise InputError(where, "a state needs the table of its codes", "codes={0: 'idle', 1: 'active'}")
        else:
            require_inside(self.unit, where)
        if self.low is not None and self.high is not None and self.low >= self.high:
            raise InputError(where, f"low {self.low} is not below high {self.high}")
        if not self.meaning:
            raise InputError(where, "has no meaning", "one sentence that says what it measures")

    @property
    def fast(self) -> bool:
        """Whether it is kept as Blocks (a shape, or 50 Hz and more) rather than Points."""
        return bool(self.shape) or (self.rate_hz is not None and self.rate_hz >= 50)

    def code_of(self, word: str) -> int:
        """The code of a state's word."""
        for code, name in self.codes.items():
            if name.lower() == word.lower():
                return code
        raise UnknownName(f"state of signal {self.name!r}", word, self.codes.values())


@dataclass(frozen=True)
class Kind:
    """A kind of thing: the table of its signals. Everything else about it is derived from here."""

    name: str
    meaning: str
    signals: tuple[Signal, ...]

    def __post_init__(self) -> None:
        names = [s.name for s in self.signals]
        twice = sorted({n for n in names if names.count(n) > 1})
        if twice:
            raise InputError(f"kind {self.name!r}", f"signals {twice} stand twice in its table")

    def signal(self, name: str) -> Signal:
        """The signal of that name; UnknownName lists what there is."""
        for signal in self.signals:
            if signal.name == name:
                return signal
        raise UnknownName(f"signal of {self.name!r}", name, [s.name for s in self.signals])


@dataclass(frozen=True)
class Thing:
    """Something that is heard: a machine, a meter, a club in use."""

    id: str
    kind: str
    parent: str = ""
    unit: str = ""  # serial, when we made it
    owner: str = ""  # person id
    lat_deg: float | None = None
    lon_deg: float | None = None
    labels: Mapping[str, str] = field(default_factory=dict)


class Ack(Protocol):
    """Tells the sender of a batch that it is stored."""

    async def __call__(self, receipt: Receipt | None = None) -> None: ...


@dataclass(frozen=True)
class Batch:
    """What one read of a source gives, in one piece that is stored whole or not at all.

    hop        the protocol it came by: 'mqtt', 'opcua', 'mtconnect', 'http', 'files'
    source     one ordered stream with a numbering of its own: 'mqtt/mill-1#boot-17'
    sequence   number of this batch's first sample in the source's own numbering (its samples are sequence ..
               sequence + samples - 1), or None where the source numbers nothing: then equal keys tell a repeat
    table      POINTS_IN or BLOCKS_IN rows
    sent       how many samples the source says it has sent, up to the end of this batch; None when it does not count
    refused    samples that could not be decoded: reason -> how many (they are numbered too, after the rows of `table`)
    known_ns   only for a file import: when each row became known (then marked assumed); None: the journal says it
    correction event id that allows this batch to replace values
    ack        awaited once the batch is durable, and never before; given the receipt, where there is one, it can tell
               the sender what became of the samples
    """

    hop: str
    source: str
    sequence: int | None
    table: pa.Table
    sent: int | None = None
    refused: Mapping[str, int] = field(default_factory=dict)
    known_ns: int | pa.Array | None = None
    correction: str = ""
    ack: Ack | None = None

    @property
    def blocks(self) -> bool:
        return "values" in self.table.column_names

    @property
    def samples(self) -> int:
        """Numbers in it, refused ones included. A block counts each of its values."""
        if self.blocks:
            flat = self.table.column("values").combine_chunks()
            rows = len(pa.concat_arrays(flat.chunks).flatten() if isinstance(flat, pa.ChunkedArray) else flat.flatten())
        else:
            rows = self.table.num_rows
        return rows + sum(self.refused.values())


@dataclass(frozen=True)
class Receipt:
    """What became of a batch, in samples. offered = stored + duplicate + sum(refused); late is a part of stored."""

    stored: int
    late: int = 0
    duplicate: int = 0
    possible_duplicate: int = 0
    conflict: int = 0
    refused: Mapping[str, int] = field(default_factory=dict)
    known_ns: int = 0


@dataclass(frozen=True)
class Hop:
    """Loss accounting of one hop, in samples: in = out + duplicate + refused + waiting + lost.

    late, possible_duplicate and conflict are parts of out. lost is None, with a word, where the sender does not count.
    """

    name: str
    into: int
    out: int
    late: int = 0
    duplicate: int = 0
    possible_duplicate: int = 0
    conflict: int = 0
    refused: Mapping[str, int] = field(default_factory=dict)
    waiting: int = 0
    lost: int | None = 0
    word: str = ""

    def as_dict(self) -> dict[str, Any]:
        """With the names of the equation: 'in' for into, 'refused' as one number and by reason."""
        return {
            "in": self.into, "out": self.out, "late": self.late, "duplicate": self.duplicate,
            "possible_duplicate": self.possible_duplicate, "conflict": self.conflict,
            "refused": sum(self.refused.values()), "refused_by_reason": dict(self.refused), "waiting": self.waiting,
            "lost": self.lost, **({"word": self.word} if self.word else {}),
        }


@dataclass(frozen=True)
class Event:
    """One thing that happened, of a kind of `core.kinds`. The store adds id, known_ns and hash when it records it.

    key   what makes it the same event when it is recorded again ('' = never the same); recording twice gives the first
    """

    kind: str
    about: str
    t_ns: int
    actor: str
    body: Mapping[str, Any] = field(default_factory=dict)
    because: tuple[str, ...] = ()
    key: str = ""
    id: str = ""
    known_ns: int = 0
    hash: str = ""


@dataclass(frozen=True)
class Measure:
    """A number with its unit and its limits: a body measure, a parameter of a design, an as-built dimension."""

    name: str
    value: float
    unit: str
    low: float | None = None
    high: float | None = None

    def __post_init__(self) -> None:
        if not math.isfinite(self.value):
            raise InputError(f"measure {self.name!r}", f"{self.value} is not a number")


@dataclass(frozen=True)
class Person:
    """id, body measures in inside units, handedness, consents (purpose -> until t_ns).

    Kept in the erasable table only, never in an event.
    """

    id: str
    measures: Mapping[str, float]
    handedness: Literal["right", "left"] = "right"
    consents: Mapping[str, int] = field(default_factory=dict)
    source: str = ""
    group: str = ""  # for group metrics only, never an input of a rule


@dataclass(frozen=True)
class Parameter:
    """One parameter of a design, with why it is so.

    value, low, high in `unit`; rule is the id of the rule that gave it, source where the rule comes from, because the
    inputs it was computed from, in words.
    """

    name: str
    value: float | str
    unit: str
    low: float | None
    high: float | None
    rule: str
    source: str
    because: str = ""


@dataclass(frozen=True)
class Design:
    """Family at a revision, with the parameters of one order. id is '<family>/<order>@<revision>'."""

    id: str
    family: str
    revision: str
    parameters: tuple[Parameter, ...]
    mirrored: bool = False
    parent: str = ""

    def number(self, name: str) -> float:
        """The numeric value of a parameter; UnknownName lists what there is."""
        for p in self.parameters:
            if p.name == name:
                return float(p.value)
        raise UnknownName(f"parameter of {self.id}", name, [p.name for p in self.parameters])


@dataclass(frozen=True)
class Order:
    """What a person asked for."""

    id: str
    person: str
    family: str
    wishes: Mapping[str, Any] = field(default_factory=dict)
    quantity: int = 1
    due_ns: int = 0
    price_minor: int = 0
    currency: str = "EUR"


@dataclass(frozen=True)
class Slot:
    """One operation of one order on one machine; whole seconds from the plan's origin.

    setup_s   the machine is made ready for it in the seconds right before start_s
    operator  who works at it, '' when nobody has to
    """

    order: str
    operation: str
    machine: str
    start_s: int
    end_s: int
    frozen: bool = False
    setup_s: int = 0
    operator: str = ""


@dataclass(frozen=True)
class Plan:
    """Who does what when. bound_s is proven: no plan of this shop ends earlier (for the makespan objective)."""

    origin_ns: int
    slots: tuple[Slot, ...]
    status: Literal["optimal", "feasible", "infeasible"]
    objective: str
    value: float
    bound: float
    solver: str
    took_s: float

    @property
    def makespan_s(self) -> int:
        return max((slot.end_s for slot in self.slots), default=0)

    @property
    def gap(self) -> float:
        return (self.value - self.bound) / self.value if self.value else 0.0


@dataclass(frozen=True)
class Windows:
    """A dense batch for models and services: values (B, T, C), mask (B, T, C) True where there is a value, t_ns (T,).

    ids are the B things, channels and units name the C signals.
    """

    ids: tuple[str, ...]
    values: Any
    mask: Any
    t_ns: Any
    channels: tuple[str, ...]
    units: tuple[str, ...]


@dataclass(frozen=True)
class Prediction:
    """What a model says will be true at due_ns: median and quantiles {0.05: .., 0.95: ..}, in unit."""

    model: str
    about: str
    signal: str
    made_ns: int
    due_ns: int
    median: float
    quantiles: Mapping[float, float] = field(default_factory=dict)
    unit: str = "1"


@dataclass(frozen=True)
class Evidence:
    """What a decision rests on: a range of points, an event, a model or a design, named so that it can be opened.

    kind 'points': ref is thing, signal and start_ns, end_ns; 'event', 'model', 'design', 'file': ref is the id.
    """

    kind: Literal["points", "event", "model", "design", "file"]
    ref: str
    signal: str = ""
    start_ns: int = 0
    end_ns: int = 0
    note: str = ""


@dataclass(frozen=True)
class Decision:
    """What a service says, with its uncertainty and its evidence.

    says     one sentence for people
    value, unit, low, high   the number behind it (None where it has none), with its interval
    action   what it asks for ('' = nothing); `approval` whether somebody must approve it first
    abstains why it says nothing instead ('' when it speaks)
    """

    id: str
    service: str
    about: str
    made_ns: int
    says: str
    value: float | None = None
    unit: str = ""
    low: float | None = None
    high: float | None = None
    because: tuple[Evidence, ...] = ()
    model: str = ""
    action: str = ""
    approval: bool = False
    abstains: str = ""
    body: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Change:
    """A change of a design, rule, model or setting, from proposal to release.

    before, after  what it changes, as plain data; tests: what the gate ran and what came out
    state          proposed -> gated | rejected -> approved | declined -> released -> undone
    """

    id: str
    target: Literal["design", "rule", "model", "setting"]
    about: str
    before: Mapping[str, Any]
    after: Mapping[str, Any]
    why: str
    proposer: str
    tests: tuple[Mapping[str, Any], ...] = ()
    approvals: tuple[str, ...] = ()
    state: str = "proposed"
    undo: Mapping[str, Any] = field(default_factory=dict)
    touches: Literal["person", "machine", "nothing"] = "person"


@dataclass(frozen=True)
class Model:
    """A fitted model's card. known_by_ns: it has seen nothing that was known later.

    metrics, baseline  on units that it had not seen, and the simplest baseline's on the same; of the latter `name` too
    weights_hash       the name under which it is kept (`learn.kept.registry`)
    limits, split      what it may not be used for; what was left out whole to test it
    things             what it was trained on
    data               facts of the training data: how many units, the range of each input, conditions seen
    loss               what a unit's loss is ('Brier score'); smaller is better
    groups             'machine mill-1' -> {units, loss, baseline_loss}, on units that it had not seen
    worst              units with the largest loss: [{unit, loss, baseline_loss, says}]
    cost               seconds and energy of training: wall_s, cpu_s, energy_j, energy_method
    """

    id: str
    task: str
    signals: tuple[str, ...]
    known_by_ns: int
    metrics: Mapping[str, Any]
    baseline: Mapping[str, Any]
    weights_hash: str
    code_version: str
    limits: str
    split: str = ""
    things: tuple[str, ...] = ()
    data: Mapping[str, Any] = field(default_factory=dict)
    loss: str = ""
    groups: Mapping[str, Any] = field(default_factory=dict)
    worst: tuple[Mapping[str, Any], ...] = ()
    cost: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Command:
    """What a decision asks a machine to do, through the one door to the world (`connect.door`)."""

    decision: str
    thing: str
    signal: str
    value: float
    unit: str
    expires_ns: int
    actor: str


@dataclass(frozen=True)
class Sent:
    """What was really sent."""

    command: Command
    value: float
    t_ns: int
    before: float | None
