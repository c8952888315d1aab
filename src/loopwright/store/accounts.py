"""What became of every sample: the equation of every hop, in total, by source, over any range of time.

    in = out + duplicate + refused + waiting + lost       (late, possible_duplicate, conflict are parts of out)

A source hop's `in` is the sender's: how many samples it says it has sent, or that its numbering shows, and every
repeat on top. What is sent and has not arrived is waiting while the stream is open, and lost once its end is noted.
A range of time begins with what was on its way before it. Every other number is a sum over the minutes of the range, so
ranges that lie side by side add up to the whole; `lost` of one range is negative where samples came in it that an
earlier one had given up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from loopwright.core.types import Hop
from loopwright.store.counts import NS_PER_MINUTE, Counts, refusals

__all__ = ["NS_PER_MINUTE", "Counts"]  # where they stood before

UNCOUNTED = "the source does not count what it sends"
SHOWN = 5  # words of sources that stand in the word of their hop


@dataclass(frozen=True)
class Part:
    """The books of one hop over a range.

    before     what was on its way when the range began
    counts     sums of the range by word
    uncounted  how many of its sources do not count what they send
    words      what was said of some of them, and of how many more
    """

    before: int = 0
    counts: Counts = field(default_factory=dict)
    uncounted: int = 0
    words: Sequence[str] = ()
    more: int = 0


@dataclass(frozen=True)
class Reading:
    """The books over a range, all read at one moment.

    parts    hop -> its part
    window   minutes start <= m < end as they were counted, None: open (older accounts stand by the hour or the day)
    waiting  samples of it that the journal holds
    """

    parts: Mapping[str, Part]
    window: tuple[int | None, int | None]
    waiting: int

    @property
    def batches(self) -> tuple[int | None, int | None]:
        """The window as ids of batches: start <= id < end."""
        start, end = (None if minute is None else minute * NS_PER_MINUTE for minute in self.window)
        return start, end


def hops(reading: Reading, standing: int) -> dict[str, Hop]:
    """The equation of every hop by name, 'journal' and 'points' among them.

    standing  samples of the reading that were counted in the points themselves
    """
    found = {name: hop_of(name, part) for name, part in sorted(reading.parts.items())}

    def total(word: str) -> int:
        return sum(part.counts.get(word, 0) for part in reading.parts.values())

    stored, early = total("stored"), total("erased_early")
    moved = stored - reading.waiting - early
    gone = {word: n for word in ("erased", "expired") if (n := total(word))}
    lost = moved - sum(gone.values()) - standing
    return found | {
        "journal": Hop(
            "journal", stored, moved, refused={"erased": early} if early else {}, waiting=reading.waiting,
            word=_said({"erased": early}),
        ),
        "points": Hop("points", moved, standing, refused=gone, lost=lost, word=_said(gone)),
    }


def hop_of(name: str, part: Part) -> Hop:
    """The equation of one hop."""
    counts = part.counts
    lost = counts.get("lost", 0)
    words = list(part.words)
    if part.more:
        words.append(f"and {part.more} more")
    if part.uncounted and lost > 0:
        words.insert(0, f"at least {lost} lost in the sources that count")
    if lost < 0:
        words.insert(0, f"{-lost} came after all that had been given up before")
    repeats = counts.get("duplicate", 0) - counts.get("copied", 0)
    expected, arrived = counts.get("expected", 0), counts.get("arrived", 0)
    return Hop(
        name, into=part.before + expected + repeats, out=counts.get("stored", 0), late=counts.get("late", 0),
        duplicate=counts.get("duplicate", 0), possible_duplicate=counts.get("possible_duplicate", 0),
        conflict=counts.get("conflict", 0), refused=refusals(counts), waiting=part.before + expected - arrived - lost,
        lost=None if part.uncounted else lost, word="; ".join(words),
    )


def _said(gone: Mapping[str, int]) -> str:
    words = {"erased": "erased on request", "expired": "older than they are kept"}
    return "; ".join(f"{n} {words[word]}" for word, n in gone.items() if n)
