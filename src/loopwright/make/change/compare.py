"""Two plans side by side: what stays, what moved, what is new, what is gone.

An operation stays when it is on the same machine in the same order (`change.kept`); the others moved. Times may shift
without a move.
"""

from __future__ import annotations

from dataclasses import dataclass

from loopwright.core.clock import NS_PER_S
from loopwright.core.types import Plan, Slot
from loopwright.make.change.kept import kept
from loopwright.make.shop import Key


@dataclass(frozen=True)
class Move:
    """An operation in both plans. shift_s: how much later it starts, negative for earlier; kept: machine and order."""

    before: Slot
    after: Slot
    shift_s: int
    kept: bool

    @property
    def key(self) -> Key:
        return self.after.order, self.after.operation


@dataclass(frozen=True)
class Compared:
    """both: operations in both plans that had not begun when the second was made, those that moved most first.

    added  only in the second plan; gone  only in the first (done, or no longer wanted)
    """

    both: tuple[Move, ...]
    added: tuple[Slot, ...]
    gone: tuple[Slot, ...]

    @property
    def moved(self) -> tuple[Move, ...]:
        """Those on another machine, or in another order on it."""
        return tuple(move for move in self.both if not move.kept)

    @property
    def kept_part(self) -> float:
        """Share of `both` on the same machine in the same order; 1 when there are none."""
        return sum(move.kept for move in self.both) / len(self.both) if self.both else 1.0


def compared(before: Plan, after: Plan) -> Compared:
    """The second plan beside the first; each may count from an origin of its own."""
    shift_s = round((after.origin_ns - before.origin_ns) / NS_PER_S)  # seconds of `before` at which `after` begins
    old = {(s.order, s.operation): s for s in before.slots}
    new = {(s.order, s.operation): s for s in after.slots}
    common = {key for key, slot in new.items() if key in old and not slot.frozen and not old[key].frozen}
    stays = kept({key: old[key] for key in common}, {key: new[key] for key in common})
    both = [Move(old[key], new[key], new[key].start_s + shift_s - old[key].start_s, key in stays) for key in common]
    both.sort(key=lambda m: (m.kept, m.before.machine == m.after.machine, -abs(m.shift_s), m.after.start_s, m.key))
    added = sorted((s for key, s in new.items() if key not in old), key=_when)
    gone = sorted((s for key, s in old.items() if key not in new), key=_when)
    return Compared(tuple(both), tuple(added), tuple(gone))


def _when(slot: Slot) -> tuple[int, str, str]:
    return slot.start_s, slot.order, slot.operation
