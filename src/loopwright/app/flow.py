"""What the loop is doing right now, kept so that any thread may say it and any page may show it.

    flow.stage("plan", "planning 12 open orders")   this stage works now, and on what
    flow.count("plan", 3)                           3 more went through it
    flow.done("plan", 0.8)                          it is finished, after 0.8 s
    flow.snapshot()                                 all twelve stages as plain data

Nothing here is kept: after a restart the counts that matter are read from the store again.
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from loopwright.core.clock import Clock, RealClock, monotonic_s
from loopwright.core.errors import UnknownName

# The order in which the loop goes round: six stages make the unit, six live with it.
STAGES = ("order", "fit", "design", "plan", "make", "measure", "connect", "keep", "use", "serve", "improve", "release")
RECENT = 12


@dataclass
class _Stage:
    state: str = "waiting"
    words: str = ""
    count: int | None = None
    seconds: float | None = None
    since_s: float = field(default_factory=monotonic_s)


class Flow:
    """Thread-safe live state of the loop. Every method returns at once.

    clock  says when each sentence was spoken
    """

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or RealClock()
        self._lock = threading.Lock()
        self._stages = {name: _Stage() for name in STAGES}
        self._recent: deque[dict[str, Any]] = deque(maxlen=RECENT)
        self._turn = 0

    def turn(self, number: int) -> None:
        """A new turn begins: every stage waits again, with no count. number is 1 for the first turn of a plant."""
        with self._lock:
            self._turn = number
            self._stages = {name: _Stage() for name in STAGES}

    def stage(self, name: str, words: str = "") -> None:
        """Stage `name` works now; words is one sentence that says on what. UnknownName lists the stages."""
        with self._lock:
            stage = self._find(name)
            if stage.state != "active":
                stage.since_s = monotonic_s()
            stage.state, stage.words, stage.seconds = "active", words, None
            if words:
                self._recent.append({"stage": name, "words": words, "t_ns": self._clock.now_ns()})

    def done(self, name: str, seconds: float | None = None) -> None:
        """Stage `name` is finished; seconds it took (None: counted from when it became active)."""
        with self._lock:
            stage = self._find(name)
            stage.seconds = monotonic_s() - stage.since_s if seconds is None else float(seconds)
            stage.state = "done"

    def count(self, name: str, n: int) -> None:
        """n more (orders, units, samples, decisions ...) went through stage `name` in this turn."""
        with self._lock:
            stage = self._find(name)
            stage.count = (stage.count or 0) + int(n)

    def snapshot(self) -> dict[str, Any]:
        """{turn, active: [names], now: {stage, words, t_ns} or None, recent: newest first, stages: in order of the
        loop}.

        A stage is {name, state: waiting|active|done, words, count: of this turn or None, seconds: so far or in all,
        or None}.
        """
        with self._lock:
            now_s = monotonic_s()
            stages = [
                {
                    "name": name,
                    "state": stage.state,
                    "words": stage.words,
                    "count": stage.count,
                    "seconds": now_s - stage.since_s if stage.state == "active" else stage.seconds,
                }
                for name, stage in self._stages.items()
            ]
            active = [stage["name"] for stage in stages if stage["state"] == "active"]
            recent = list(reversed(self._recent))
            turn = self._turn
        now = next((entry for entry in recent if entry["stage"] in active), None)
        return {"turn": turn, "active": active, "now": now, "recent": recent, "stages": stages}

    def _find(self, name: str) -> _Stage:
        if name not in self._stages:
            raise UnknownName("stage of the loop", name, STAGES)
        return self._stages[name]
