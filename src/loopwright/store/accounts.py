"""What became of every sample: counts by source, in total and by minute, and the equation over them.

    in = out + duplicate + refused + waiting + lost       (late, possible_duplicate, conflict are parts of out)

A source hop's `in` is the sender's: how many samples it says it has sent, or that its numbering shows, and every
repeat on top. What is sent and has not arrived is waiting while the stream is open, and lost once its end is noted.
A window of time begins with what was on its way before it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from loopwright.core.types import Hop

NS_PER_MINUTE = 60_000_000_000
UNCOUNTED = "the source does not count what it sends"
Key = tuple[str, str]  # hop, source
Counts = dict[str, int]


@dataclass
class Stream:
    """One source's state.

    expected  samples it has sent, as far as is known (repeats not counted)
    arrived   of these, how many came (stored, refused, or a copy of what another source brought)
    counted   whether the sender counts, or numbers, what it sends
    closed_ns when its end was noted (0: open), word: what was said then
    counts    totals by word: expected, arrived, stored, late, duplicate, copied (duplicates of what another source
              brought), possible_duplicate, conflict, refused:<reason>, erased, erased_early (while in the journal)
    """

    expected: int = 0
    arrived: int = 0
    counted: bool = False
    closed_ns: int = 0
    word: str = ""
    counts: Counts = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """As plain data that JSON can hold."""
        return dict(vars(self))


@dataclass(frozen=True)
class Reading:
    """The books of some sources over a window of time.

    streams   their state now
    inside    their counts in the window
    before    what was on its way to each when the window began
    window    whole minutes, None: open
    """

    streams: dict[Key, Stream]
    inside: dict[Key, Counts]
    before: dict[Key, int]
    window: tuple[int | None, int | None]

    def holds(self, number: int, source: str) -> bool:
        """Whether a batch of that id and source belongs to it."""
        start, end = self.window
        minute = number // NS_PER_MINUTE
        named = any(key[1] == source for key in self.streams)
        return named and (start is None or minute >= start) and (end is None or minute < end)


def added(counts: Mapping[str, int], more: Mapping[str, int]) -> Counts:
    """Both, word by word; words of 0 are left out."""
    total = dict(counts)
    for word, number in more.items():
        if number:
            total[word] = total.get(word, 0) + number
    return total


def hops(reading: Reading, waiting: int, standing: int) -> dict[str, Hop]:
    """The equation of every hop by name, 'journal' and 'points' among them.

    waiting   samples of the reading that the journal still holds
    standing  samples of it that were counted in the points themselves
    """
    found = {name: _source_hop(name, reading) for name in sorted({hop for hop, _ in reading.streams})}
    total: Counts = {}
    for counts in reading.inside.values():
        total = added(total, counts)
    stored, early, erased = (total.get(word, 0) for word in ("stored", "erased_early", "erased"))
    moved = stored - waiting - early
    lost = moved - erased - standing
    return found | {
        "journal": Hop("journal", stored, moved, refused=_erased(early), waiting=waiting, word=_word(early)),
        "points": Hop("points", moved, standing, refused=_erased(erased), lost=lost, word=_word(erased)),
    }


def _source_hop(name: str, reading: Reading) -> Hop:
    total: Counts = {}
    waiting = lost = carried = 0
    words = []
    until = reading.window[1]
    keys = [key for key in reading.streams if key[0] == name]
    for key in keys:
        stream, counts, before = reading.streams[key], reading.inside[key], reading.before[key]
        total = added(total, counts)
        missing = before + counts.get("expected", 0) - counts.get("arrived", 0)
        carried += before
        if stream.closed_ns and (until is None or stream.closed_ns // NS_PER_MINUTE < until):
            lost += missing
        else:
            waiting += missing
        words += [f"{key[1]}: {word}" for word in (stream.word, "" if stream.counted else UNCOUNTED) if word]
    uncounted = any(not reading.streams[key].counted for key in keys)
    if uncounted and lost:
        words.insert(0, f"at least {lost} lost in the sources that count")
    repeats = total.get("duplicate", 0) - total.get("copied", 0)
    return Hop(
        name, into=carried + total.get("expected", 0) + repeats, out=total.get("stored", 0), late=total.get("late", 0),
        duplicate=total.get("duplicate", 0), possible_duplicate=total.get("possible_duplicate", 0),
        conflict=total.get("conflict", 0), refused=refusals(total), waiting=waiting,
        lost=None if uncounted else lost, word=_joined(words),
    )


def refusals(counts: Mapping[str, int]) -> Counts:
    """reason -> samples refused."""
    return {word.removeprefix("refused:"): number for word, number in counts.items() if word.startswith("refused:")}


def _erased(samples: int) -> Counts:
    return {"erased": samples} if samples else {}


def _word(samples: int) -> str:
    return f"{samples} erased on request" if samples else ""


def _joined(words: list[str]) -> str:
    return "; ".join(words[:5]) + (f"; and {len(words) - 5} more" if len(words) > 5 else "")
