"""What became of every sample: counts by source in total and by minute, and the equation over them.

    in = out + duplicate + refused + waiting + lost          (late, possible_duplicate, conflict are parts of out)

A source hop's `in` is the sender's: how many numbers it says to have used, or that its numbering shows, and every repeat on
top. What is sent and has not arrived is waiting while the stream is open, and lost when its end was noted. A window of time
begins with what was still on its way before it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
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
    closed_ns when its end was noted (0: open)
    counts    totals by word: expected, arrived, stored, late, duplicate, possible_duplicate, conflict, refused:<reason>, erased
    """

    expected: int = 0
    arrived: int = 0
    counted: bool = False
    closed_ns: int = 0
    word: str = ""
    counts: Counts = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        return vars(self)


def added(counts: Mapping[str, int], more: Mapping[str, int]) -> Counts:
    """Both, word by word; words of 0 are left out."""
    total = dict(counts)
    for word, number in more.items():
        if number:
            total[word] = total.get(word, 0) + number
    return total


def source_hop(name: str, streams: Iterable[tuple[str, Stream, Counts, int]], until_ns: int | None) -> Hop:
    """The equation of one hop over its sources.

    streams   (source, its state, its counts in the window, what was on its way when the window began)
    until_ns  end of the window: a stream closed later is still open in it
    """
    total: Counts = {}
    waiting = lost = carried = 0
    words = []
    for source, stream, counts, before in streams:
        total = added(total, counts)
        missing = before + counts.get("expected", 0) - counts.get("arrived", 0)
        carried += before
        if stream.closed_ns and (until_ns is None or stream.closed_ns < until_ns):
            lost += missing
        else:
            waiting += missing
        if stream.word:
            words.append(f"{source}: {stream.word}")
        if not stream.counted:
            words.append(f"{source}: {UNCOUNTED}")
    uncounted = any(not stream.counted for _, stream, _, _ in streams)
    if uncounted and lost:
        words.append(f"at least {lost} lost in the sources that count")
    repeats = total.get("duplicate", 0) - total.get("copied", 0)
    return Hop(
        name, into=carried + total.get("expected", 0) + repeats, out=total.get("stored", 0), late=total.get("late", 0),
        duplicate=total.get("duplicate", 0), possible_duplicate=total.get("possible_duplicate", 0),
        conflict=total.get("conflict", 0), refused=refusals(total), waiting=waiting,
        lost=None if uncounted else lost, word="; ".join(words[:5]) + (f" and {len(words) - 5} more" if len(words) > 5 else ""),
    )


def refusals(counts: Mapping[str, int]) -> Counts:
    """reason -> samples refused."""
    return {word.removeprefix("refused:"): number for word, number in counts.items() if word.startswith("refused:")}


def kept_hops(stored: int, tail: int, erased_early: int, erased: int, standing: int) -> dict[str, Hop]:
    """The equations of 'journal' and 'points'.

    stored        what the source hops let through
    tail          of it, what the journal still holds
    erased_early  erased while it was in the journal
    erased        erased from the points
    standing      samples counted in the points themselves
    """
    moved = stored - tail - erased_early
    return {
        "journal": Hop("journal", stored, moved, refused=_erased(erased_early), waiting=tail, word=_word(erased_early)),
        "points": Hop("points", moved, standing, refused=_erased(erased), lost=moved - erased - standing, word=_word(erased)),
    }


def _erased(samples: int) -> Counts:
    return {"erased": samples} if samples else {}


def _word(samples: int) -> str:
    return f"{samples} erased on request" if samples else ""
