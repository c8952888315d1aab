"""A new plan that changes as little as it can, after a breakdown, a rework or a new order.

What has begun stays; of the rest as many operations as possible keep machine and start, as long as the makespan does
not suffer by more than `cpsat.STABILITY` for all of them together.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from loopwright.core.clock import NS_PER_S
from loopwright.core.types import Plan, Slot
from loopwright.make.plan import plan
from loopwright.make.shop import Key, Shop


@dataclass(frozen=True)
class Repair:
    """The new plan; of the operations of the old one that had not begun, those that stay and those that move; and what
    is new. All (order, operation)."""

    plan: Plan
    kept: tuple[Key, ...]
    moved: tuple[Key, ...]
    added: tuple[Key, ...]

    @property
    def kept_part(self) -> float:
        """Part of the operations not begun that keep machine and start; 1 when there were none."""
        return len(self.kept) / (len(self.kept) + len(self.moved)) if self.kept or self.moved else 1.0


def repair(shop: Shop, old: Plan, seconds: float = 1.0, seed: int = 0, workers: int = 2) -> Repair:
    """The old plan fitted to the shop as it is now, from the shop's origin on.

    shop  from `shop_from` at the moment of the change: finished work is gone, running work frozen, new work there
    Raises PlanError as `plan` does.
    """
    free = {o.key for o in shop.operations if not o.frozen}
    keep = {key: slot for slot in _moved_to(old, shop.origin_ns) if (key := (slot.order, slot.operation)) in free}
    new = plan(shop, seconds, seed=seed, workers=workers, keep=keep)
    at = {(s.order, s.operation): (s.machine, s.start_s) for s in new.slots}
    kept = tuple(sorted(key for key, slot in keep.items() if at[key] == (slot.machine, slot.start_s)))
    moved = tuple(sorted(set(keep) - set(kept)))
    return Repair(new, kept, moved, tuple(sorted(free - set(keep))))


def _moved_to(old: Plan, origin_ns: int) -> list[Slot]:
    """The old plan's slots in seconds from another origin (to the nearest second)."""
    shift_s = round((origin_ns - old.origin_ns) / NS_PER_S)
    return [replace(slot, start_s=slot.start_s - shift_s, end_s=slot.end_s - shift_s) for slot in old.slots]
