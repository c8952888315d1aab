"""A milling machine that does not exist: it runs programs, its tool wears, and it says what a real one says.

    mill = MillTwin(seed=1, kind=MILL, thing="mill-1", start_ns=...)
    for run in mill.runs(14): run.table, run.worn, run.labelled()
    mill.begin(feed_m_s=0.006, clamp_pa=3e5); mill.step(1.0)     one second of the run, as POINTS_IN rows

It says the signals of `SIGNALS`, a part of the mill's table; what is left out (commanded positions, the axes' power and
voltages) nothing here judges by. The tool is soft and wears out within minutes, so that a demo sees it happen.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from loopwright.core.clock import NS_PER_S
from loopwright.core.errors import InputError
from loopwright.core.types import Event, Kind
from loopwright.twins.recording import rows
from loopwright.twins.spindle import Cut, Spindle, observe
from loopwright.twins.toolwear import WORN_M, Tool, ToolWear

RATE_HZ = 10
PERIOD_NS = NS_PER_S // RATE_HZ
FEEDS_M_S = (0.003, 0.006, 0.012, 0.015, 0.020)  # the feed rates and clamp pressures of the recorded runs
CLAMPS_PA = (2.5e5, 3.0e5, 4.0e5)

SIGNALS = (
    "s.velocity", "s.command_velocity", "s.acceleration", "s.current_feedback", "s.output_current", "s.output_voltage",
    "s.output_power", "s.bus_voltage", "s.vibration", "x.position", "x.velocity", "x.current_feedback", "y.position",
    "y.velocity", "y.current_feedback", "z.position", "z.velocity", "program.feed", "program.sequence",
    "program.number", "machining.process", "run.number", "machine.state", "part.count",
)


@dataclass(frozen=True)
class TwinRun:
    """One finished run of a twin: what it said, and the truth behind it, which no signal tells.

    table    POINTS_IN rows, ordered by time
    flank_m  mean flank wear over the run; worn: whether that is beyond the end of life (ISO 8688-2)
    """

    thing: str
    number: int
    table: pa.Table
    start_ns: int
    end_ns: int
    feed_m_s: float
    clamp_pa: float
    flank_m: float
    worn: bool
    finalized: bool

    @property
    def id(self) -> str:
        """What events and decisions call it."""
        return f"{self.thing}/run-{self.number}"

    def labelled(self, actor: str = "twin:inspection") -> Event:
        """The 'run.labelled' event that an inspector would record."""
        body = {
            "thing": self.thing, "start_ns": self.start_ns, "end_ns": self.end_ns,
            "label": "worn" if self.worn else "unworn", "number": self.number, "feed_m_s": self.feed_m_s,
            "clamp_pa": self.clamp_pa, "finalized": self.finalized, "passed": self.finalized and not self.worn,
        }
        return Event("run.labelled", self.id, self.end_ns, actor, body, key=f"run.labelled/{self.id}/{self.start_ns}")


@dataclass
class _Program:
    """A run under way: (n,) columns by signal, and how far they have been said."""

    columns: dict[str, np.ndarray]
    wear: np.ndarray
    feed_m_s: float
    clamp_pa: float
    finalized: bool
    start_ns: int
    said: int = 0
    tables: list[pa.Table] = field(default_factory=list)


class MillTwin:
    """A twin of a milling machine of kind `kind` (the pack's table of signals: names and codes come from it).

    seed, thing     what it draws, and who it is; two things of one seed behave differently
    start_ns        when its first run begins
    stroke_m        how far the tool goes in each of the six layers: longer strokes, longer runs
    """

    def __init__(
        self, seed: int, kind: Kind, thing: str, start_ns: int, stroke_m: float = 0.06, cut: Cut | None = None
    ) -> None:
        if stroke_m <= 0:
            raise InputError(f"twin {thing!r}", f"stroke_m is {stroke_m}", "above 0")
        self.thing, self.kind, self.now_ns, self.stroke_m = thing, kind, start_ns, stroke_m
        self._rng = np.random.default_rng([seed, *thing.encode()])
        soft = Tool(c_m_s=2.6 * (stroke_m / 0.06) ** 0.2, n=0.2)  # worn after about three runs, whatever their length
        self.spindle, self.cut, self.wear = Spindle(), cut or Cut(), ToolWear(soft, float(self._rng.uniform(0.0, 0.6)))
        self.number, self.parts = 0, 0
        self._feeds: list[float] = []
        self._clamps: list[float] = []
        self._program: _Program | None = None

    def begin(self, feed_m_s: float, clamp_pa: float) -> None:
        """Clamps a blank and starts the program. Raises InputError while a run is under way."""
        if self._program is not None:
            raise InputError(f"twin {self.thing!r}", f"run {self.number} is under way", "", "step it to its end first")
        self.number += 1
        steps, finalized = self._steps(feed_m_s, clamp_pa)
        words, feeds, layers, ups = (np.repeat([s[i] for s in steps], [s[0] for s in steps]) for i in (1, 2, 3, 4))
        cutting = layers > 0
        wear = self._wear(np.where(cutting, feeds, 0.0))
        columns = {**self._spindle(feeds * cutting, wear, len(words)), **self._axes(feeds, layers, ups)}
        codes = {word: self.kind.signal("machining.process").code_of(str(word)) for word in np.unique(words)}
        columns["program.feed"] = feeds
        columns["program.sequence"] = np.arange(len(words)) // RATE_HZ
        columns["program.number"] = np.ones(len(words))
        columns["machining.process"] = np.array([codes[word] for word in words])
        columns["run.number"] = np.full(len(words), self.number)
        self._program = _Program(columns, wear, feed_m_s, clamp_pa, finalized, self.now_ns)

    def step(self, dt_s: float) -> pa.Table:
        """What the machine says in the next dt_s seconds, POINTS_IN; without a program it says that it is idle."""
        samples = max(1, round(dt_s * RATE_HZ))
        program = self._program
        if program is None:
            t_ns = self.now_ns + np.arange(0, samples, RATE_HZ, dtype=np.int64) * PERIOD_NS
            self.now_ns += samples * PERIOD_NS
            return rows(self.thing, t_ns, {"machine.state": np.full(len(t_ns), self._state("idle"))}, self.kind)
        n = len(program.wear)
        first, last = program.said, min(program.said + samples, n)
        t_ns = program.start_ns + np.arange(first, last, dtype=np.int64) * PERIOD_NS
        wide = rows(self.thing, t_ns, {name: column[first:last] for name, column in program.columns.items()}, self.kind)
        table = pa.concat_tables([wide, self._slow(program, first, last, n)]).sort_by([("t_ns", "ascending")])
        program.said, self.now_ns = last, program.start_ns + last * PERIOD_NS
        program.tables.append(table)
        return table

    def finish(self) -> TwinRun:
        """Steps the run under way to its end and gives all of it."""
        program = self._program
        if program is None:
            raise InputError(f"twin {self.thing!r}", "no run is under way", "", "begin one")
        while program.said < len(program.wear):
            self.step(60.0)
        self._program = None
        self.parts += program.finalized
        flank_m = float(program.wear.mean()) * WORN_M
        end_ns = program.start_ns + (len(program.wear) - 1) * PERIOD_NS
        return TwinRun(
            self.thing, self.number, pa.concat_tables(program.tables), program.start_ns, end_ns, program.feed_m_s,
            program.clamp_pa, flank_m, flank_m >= WORN_M, program.finalized,
        )

    def runs(
        self, count: int, spacing_s: float = 1800.0, worn_runs: int = 3, changed: Sequence[int] = ()
    ) -> Iterator[TwinRun]:
        """`count` finished runs, spacing_s from start to start (or back to back, where they take longer).

        Feed rate and clamp pressure are dealt from shuffled decks of those of the recorded runs, whatever the wear.
        The tool wears from run to run; its edge is changed after `worn_runs` worn runs, as in a shop that notices late,
        and before the runs `changed` (counted from 0), as in one that planned it.
        """
        worn = 0
        for nth in range(count):
            if nth in changed:
                self.wear.replace()
                worn = 0
            started_ns = self.now_ns
            self.begin(self._deal(self._feeds, FEEDS_M_S), self._deal(self._clamps, CLAMPS_PA))
            run = self.finish()
            worn += run.worn
            if worn >= worn_runs:
                self.wear.replace()
                worn = 0
            self.now_ns = max(started_ns + round(spacing_s * NS_PER_S), self.now_ns + NS_PER_S)
            yield run

    def _deal(self, deck: list[float], cards: tuple[float, ...]) -> float:
        """The next card of a deck; an empty deck is shuffled anew, so that each card comes equally often."""
        if not deck:
            deck.extend(self._rng.permutation(cards).tolist())
        return deck.pop()

    def _steps(self, feed_m_s: float, clamp_pa: float) -> tuple[list[tuple[int, str, float, int, int]], bool]:
        """((samples, process, feed m/s, layer, 1 up or -1 down) .., whether the program comes to its end).

        A blank that is clamped softly may slip at a high feed; then the run is stopped after its first layer.
        """
        slips = feed_m_s >= 0.02 and clamp_pa <= 3.0e5 and self._rng.random() < 0.5
        stroke = max(RATE_HZ, round(self.stroke_m / feed_m_s * RATE_HZ))
        steps = [(5, "Starting", 0.05, 0, 1), (20, "Prep", 0.05, 0, 1)]
        for layer in (1,) if slips else (1, 2, 3):
            steps.append((stroke, f"Layer {layer} Up", feed_m_s, layer, 1))
            steps.append((8, "Repositioning", 0.05, 0, -1))
            steps.append((stroke, f"Layer {layer} Down", feed_m_s, layer, -1))
        steps.append((20, "End", 0.05, 0, 1))
        return steps, not slips

    def _wear(self, cutting_feed_m_s: np.ndarray) -> np.ndarray:
        """Cuts sample by sample; flank wear as a share of that at the end of life, (n,)."""
        speed, out = self.spindle.cutting_speed_m_s, np.empty(len(cutting_feed_m_s))
        for i, feed in enumerate(cutting_feed_m_s):
            if feed > 0:
                self.wear.cut(1.0 / RATE_HZ, speed, self.spindle.feed_tooth_m(float(feed)))
            out[i] = self.wear.flank_m / WORN_M
        return out

    def _spindle(self, cutting_feed_m_s: np.ndarray, wear: np.ndarray, n: int) -> dict[str, np.ndarray]:
        t_s = np.arange(n) / RATE_HZ
        up, down = self.spindle.ramp_rad_s2 * t_s, self.spindle.ramp_rad_s2 * t_s[::-1]
        command = np.minimum(np.minimum(up, down), self.spindle.speed_rad_s)
        return observe(self.spindle, self.cut, command, cutting_feed_m_s, wear, self._rng)

    def _axes(self, feeds: np.ndarray, layers: np.ndarray, ups: np.ndarray) -> dict[str, np.ndarray]:
        """An S-shaped path: y goes up and down the stroke while x swings, z stands at the layer's depth."""
        travelled = np.cumsum(np.where(layers > 0, feeds, 0.0) * ups) / RATE_HZ
        y = 0.08 + travelled
        x = 0.17 + 0.02 * np.sin(2.0 * np.pi * travelled / self.stroke_m)
        z = np.where(layers > 0, 0.0305 - 0.001 * layers, 0.0555)
        out: dict[str, np.ndarray] = {}
        for axis, position in (("x", x), ("y", y), ("z", z)):
            speed = np.gradient(position) * RATE_HZ
            out[f"{axis}.position"], out[f"{axis}.velocity"] = position, speed
            if axis != "z":  # friction, drag, and noise
                noise = 0.03 * self._rng.standard_normal(len(x))
                out[f"{axis}.current_feedback"] = 0.02 * np.sign(speed) + 0.6 * speed + noise
        return out

    def _slow(self, program: _Program, first: int, last: int, n: int) -> pa.Table:
        """The machine's state once a second, and the part count at both ends of the run."""
        at = np.array([i for i in range(first, last) if i % RATE_HZ == 0 or i == n - 1], dtype=np.int64)
        state = np.where(at == n - 1, self._state("idle"), self._state("active"))
        tables = [rows(self.thing, program.start_ns + at * PERIOD_NS, {"machine.state": state}, self.kind)]
        for i, parts in ((0, self.parts), (n - 1, self.parts + program.finalized)):
            if first <= i < last:
                tables.append(rows(self.thing, [program.start_ns + i * PERIOD_NS], {"part.count": [parts]}, self.kind))
        return pa.concat_tables(tables)

    def _state(self, word: str) -> int:
        return self.kind.signal("machine.state").code_of(word)
