"""From what a detector found to alarms: a thing behaves unusually, and which of its signals show it.

The detector is none of this room: what it found comes as plain data (`Seen`), with how often it may be wrong.
"""

from __future__ import annotations

from dataclasses import dataclass

from loopwright.core.errors import InputError
from loopwright.core.types import Evidence
from loopwright.serve.watch.causes import UNUSUAL, Cause

NAMED = 3  # signals that are named in the sentence; as many as make up MOST of the score, at least one
MOST = 0.8
PRIORITY = "medium"
SHOWN = 5  # signals that are given as evidence


@dataclass(frozen=True)
class Channel:
    """One signal's part in an anomaly. share: of the score, 0 to 1; value in `unit` (None: it said nothing)."""

    signal: str
    share: float
    value: float | None = None
    unit: str = ""


@dataclass(frozen=True)
class Anomaly:
    """One time in which a thing behaves unusually.

    onset_ns, last_ns  the first sample of it, and the newest
    score, threshold   of the detector, in its own measure: an alarm above the threshold
    channels           what has to do with it, the largest share first
    per_day            false alarms a day that the threshold was set for, of `of`: 'the plant' or a kind
    """

    thing: str
    onset_ns: int
    last_ns: int
    score: float
    threshold: float
    channels: tuple[Channel, ...]
    per_day: float
    of: str = "the plant"
    detector: str = ""

    def __post_init__(self) -> None:
        if self.last_ns < self.onset_ns:
            raise InputError(f"anomaly of {self.thing!r}", "ends before it begins", "last_ns at or after onset_ns")


@dataclass(frozen=True)
class Seen:
    """What a look of the detectors found. standing: anomalies that go on; looked: things that were judged at all, of
    which those without an anomaly are as usual (a thing that said nothing is not judged, and its alarm stands); at_ns:
    up to when."""

    standing: tuple[Anomaly, ...] = ()
    looked: frozenset[str] = frozenset()
    at_ns: int = 0


def unusual(seen: Seen) -> list[Cause]:
    """A cause for each anomaly."""
    return [_cause(one) for one in seen.standing]


def _cause(one: Anomaly) -> Cause:
    named = _named(one)
    rest = len(one.channels) - len(named)
    signals = ", ".join(f"{c.signal} ({c.share:.0%})" for c in named)
    more = f" and {rest} more" if rest and named else ""
    says = (
        f"{one.thing} behaves unusually: {signals or 'all signals together'}{more}. Its score is "
        f"{one.score:.3g}, an alarm begins at {one.threshold:.3g} (set for {one.per_day:g} false "
        f"alarm{'' if one.per_day == 1 else 's'} a day of {one.of})."
    )
    evidence = tuple(
        Evidence("points", one.thing, c.signal, one.onset_ns, one.last_ns, f"{c.share:.0%} of the score")
        for c in one.channels[:SHOWN]
    ) or (Evidence("points", one.thing, "", one.onset_ns, one.last_ns, "all signals together"),)
    ranking = [{"signal": c.signal, "share": round(c.share, 4), "value": c.value, "unit": c.unit}
               for c in one.channels[:SHOWN]]
    look = f"look at {named[0].signal} of {one.thing} first" if named else f"look at {one.thing}"
    body = {"ranking": ranking, "score": one.score, "threshold": one.threshold, "false_alarms_per_day": one.per_day,
            "of": one.of, "detector": one.detector}
    return Cause(UNUSUAL, one.thing, one.onset_ns, says, one.score, "1", evidence, PRIORITY, look, body)


def _named(one: Anomaly) -> tuple[Channel, ...]:
    total = 0.0
    for count, channel in enumerate(one.channels[:NAMED], 1):
        total += channel.share
        if total >= MOST:
            return one.channels[:count]
    return one.channels[:NAMED]
