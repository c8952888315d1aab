"""What a repair moved and why, in sentences.

    "bend of A12 goes from press-1 to press-2: press-1 is down (breakdown) for another 2 h 05 min"

Reasons are read off the shop and the two plans: what an operation met where it was to be.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from loopwright.core.types import Slot
from loopwright.make.shop import Blocked, Key, Operation, Shop

if TYPE_CHECKING:
    from loopwright.make.repair import Repair

BINDS = 0.01  # kept part above the dial's, below which the dial held the repair back
NAMED = 3  # operations that a sentence names; the others are counted
CAUSES = 2  # that the sentence of those that only start later names
Slots = Mapping[Key, Slot]


@dataclass(frozen=True)
class _Look:
    """What is looked up again and again."""

    operations: Mapping[Key, Operation]
    was: Slots
    now: Slots
    lines: Mapping[str, Sequence[Key]]  # machine -> what is on it now, in turn
    turn: Mapping[Key, int]  # its number there
    added: frozenset[Key]
    struck: Mapping[Key, str]


def why(shop: Shop, was: Slots, now: Slots, moved: Sequence[Key], added: Sequence[Key]) -> tuple[str, ...]:
    """A sentence for every group of moved operations with one reason, the largest first; then what is new, and how
    many others start at another time."""
    look = _look(shop, was, now, added)
    groups: dict[tuple[str, str, str], list[Key]] = defaultdict(list)
    for key in moved:
        groups[was[key].machine, now[key].machine, _reason(look, key)].append(key)
    told = []
    for (before, after, reason), keys in sorted(groups.items(), key=lambda item: (-len(item[1]), item[0])):
        verb = "goes" if len(keys) == 1 else "go"
        to = f"from {before} to {after}" if before != after else f"into another turn on {before}"
        told.append(f"{_names(keys)} {verb} {to}: {reason}")
    return (*told, *_new(now, added), *_times(look, set(moved)))


def note(done: Repair, stability: float, free: tuple[float, int] | None) -> str:
    """What the dial made of it. free: (cost, kept operations) of a plan that was not bound to keep anything more."""
    total = len(done.kept) + len(done.moved)
    if not total:
        return "nothing of the old plan was still to be done"
    said = f"{len(done.kept)} of {total} operations ({_part(done.kept_part)}) keep machine and order"
    if done.kept_part < stability - 1e-9 and done.kept_part < 1:
        said += f"; {_part(stability)} are not kept: too many cannot stand where they stood"
    cost = done.plan.value
    if free is not None and cost > 0 and free[0] < 0.98 * cost:
        gain = (cost - free[0]) / cost
        said += (f"; keeping {_part(stability)} has its price: a plan that keeps {_part(free[1] / total)} was seen, "
                 f"{100 * gain:.1f} % better ({done.plan.objective} {free[0]:g} instead of {cost:g})")
    elif cost > done.plan.bound and 0 < stability < 1 and done.moved and done.kept_part < stability + BINDS:
        said += f"; all that {_part(stability)} leave free has moved, so a lower stability may find a better plan"
    return said


def lasting(seconds: float) -> str:
    """'45 s', '12 min', '2 h 05 min', '3 d 4 h'."""
    minutes = round(seconds / 60)
    if seconds < 120:
        return f"{seconds:g} s"
    if minutes < 60:
        return f"{minutes} min"
    if minutes < 48 * 60:
        return f"{minutes // 60} h {minutes % 60:02d} min"
    return f"{minutes // 1440} d {minutes % 1440 // 60} h"


def _part(part: float) -> str:
    return f"{100 * part:.3g} %"


def _look(shop: Shop, was: Slots, now: Slots, added: Sequence[Key]) -> _Look:
    lines = defaultdict(list)
    for key, slot in sorted(now.items(), key=lambda item: (item[1].start_s, item[0])):
        lines[slot.machine].append(key)
    turn = {key: n for line in lines.values() for n, key in enumerate(line)}
    return _Look({o.key: o for o in shop.operations}, was, now, lines, turn, frozenset(added), struck(shop, was))


def _names(keys: Sequence[Key]) -> str:
    """'bend of A12, drill of A13 and 4 others'."""
    shown = [f"{name} of {order}" for order, name in keys[:NAMED]]
    more = len(keys) - len(shown)
    if more:
        return f"{', '.join(shown)} and {more} other{'s' if more > 1 else ''}"
    return " and ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)


def struck(shop: Shop, was: Slots) -> dict[Key, str]:
    """The operations that cannot stand where they stood, whatever else is done, and why."""
    operations, blocked = {o.key: o for o in shop.operations}, defaultdict(list)
    away = {o.id: o.away for o in shop.operators}
    for b in shop.blocked:
        blocked[b.machine].append(b)
    found = {}
    for key, old in was.items():
        reason = _struck(operations[key], old, blocked[old.machine], away.get(old.operator, ()), shop.materials)
        if reason:
            found[key] = reason
    return found


def _struck(
    operation: Operation, old: Slot, blocked: Sequence[Blocked], away: Sequence[tuple[int, int]],
    materials: Mapping[str, int]
) -> str:
    """Why an operation cannot stand where it stood; '' when it can."""
    seconds = dict(operation.on).get(old.machine)
    if seconds is None:
        return f"{old.machine} can do it no more"
    for b in blocked:
        if b.start_s < old.end_s and old.start_s - old.setup_s < b.end_s:
            return f"{old.machine} is down{f' ({b.why})' if b.why else ''} for another {lasting(b.end_s)}"
    if seconds > old.end_s - old.start_s:
        return f"{old.machine} takes {lasting(seconds)} for it instead of {lasting(old.end_s - old.start_s)}"
    late = [m for m in operation.materials if materials[m] > old.start_s]
    if late:
        return f"{late[0]} arrives {lasting(materials[late[0]])} from now"
    if any(a < old.end_s and old.start_s < b for a, b in away):
        return f"{old.operator} is away then"
    return ""


def _reason(look: _Look, key: Key) -> str:
    """What an operation met where it was to be, or what it does for others."""
    old, new, operation = look.was[key], look.now[key], look.operations[key]
    if key in look.struck:
        return look.struck[key]
    for name in operation.after:
        before = look.now[operation.job, name]
        if operation.link(name).lot_s is None and before.end_s + operation.link(name).lag_s > old.start_s:
            return f"it waits for {name}, which ends {lasting(before.end_s)} from now"
    return _for_others(look, key, old, new)


def _for_others(look: _Look, key: Key, old: Slot, new: Slot) -> str:
    """Why it moves although it could have stayed."""
    first = next((other for other in look.lines[old.machine] if other in look.added
                  and look.now[other].start_s < old.end_s and old.start_s < look.now[other].end_s), None)
    if first:
        return f"{first[1]} of {first[0]} takes its turn there"
    if old.machine != new.machine:
        return "it ends sooner there" if new.end_s < old.end_s else f"that makes room on {old.machine}"
    here = look.lines[old.machine]
    passed = [other for other in here if other in look.was and look.was[other].machine == old.machine]
    behind = next((o for o in passed if look.was[o].start_s > old.start_s and look.now[o].start_s < new.start_s), None)
    ahead = next((o for o in passed if look.was[o].start_s < old.start_s and look.now[o].start_s > new.start_s), None)
    if ahead and (not behind or new.start_s <= old.start_s):
        return f"it goes before {ahead[1]} of {ahead[0]}"
    return f"it lets {behind[1]} of {behind[0]} go first" if behind else "that is better for what follows"


def _new(now: Slots, added: Sequence[Key]) -> list[str]:
    """What is new, order by order."""
    orders: dict[str, list[Key]] = defaultdict(list)
    for key in added:
        orders[key[0]].append(key)
    told = []
    for order, keys in orders.items():
        ends_s = max(now[key].end_s for key in keys)
        names = ", ".join(name for _, name in sorted(keys, key=lambda key: now[key].start_s)[:NAMED])
        more = f" and {len(keys) - NAMED} more" if len(keys) > NAMED else ""
        told.append(f"new for {order}: {names}{more}, done {lasting(ends_s)} from now")
    return told


def _cause(look: _Look, key: Key, known: dict[Key, str]) -> str:
    """What keeps an operation from its old start in the end: what struck it, or struck what it waits for, step by step;
    '' when nothing does. known: those found so far."""
    path: list[Key] = []
    at: Key | None = key
    while at is not None and at not in known:
        known[at] = look.struck.get(at) or _comes_first(look, at)
        path.append(at)
        at = None if known[at] else _hinders(look, at)
    reason = known[at] if at is not None else known[path[-1]]
    for one in path:
        known[one] = reason
    return known[key]


def _comes_first(look: _Look, key: Key) -> str:
    """What is new, or has begun and lasts, as a reason for those behind it; '' for others."""
    order, name = key
    if key in look.added:
        return f"{name} of {order} is new on {look.now[key].machine}"
    slot = look.now[key]
    return f"{name} of {order} is on {slot.machine} for another {lasting(slot.end_s)}" if slot.frozen else ""


def _hinders(look: _Look, key: Key) -> Key | None:
    """What an operation waits for that ends after its old start: of its order, or before it on its machine."""
    old, slot = look.was[key], look.now[key]
    line, at, operation = look.lines[slot.machine], look.turn[key], look.operations[key]
    ends = [(look.now[other].end_s + slot.setup_s, other) for other in line[max(0, at - 1):at]]
    for name in operation.after:
        link = operation.link(name)
        before = look.now.get((operation.job, name))
        if before:
            ends.append((before.end_s + link.lag_s if link.lot_s is None else before.start_s + link.lot_s,
                         (operation.job, name)))
    last_s, other = max(ends, default=(0, key))
    return other if last_s > old.start_s and other != key else None


def _times(look: _Look, moved: Iterable[Key]) -> list[str]:
    """How many of those that keep their turn start later, with what stood in their way most often, or earlier."""
    changes = {key: look.now[key].start_s - slot.start_s for key, slot in look.was.items() if key not in moved}
    later, earlier = [c for c in changes.values() if c > 0], [-c for c in changes.values() if c < 0]
    known: dict[Key, str] = {}
    met = Counter(cause for key, change in changes.items() if change > 0 and (cause := _cause(look, key, known)))
    told = []
    for word, found in (("later", later), ("earlier", earlier)):
        if found:
            s = "s" if len(found) == 1 else ""
            reasons = [reason for reason, _ in met.most_common(CAUSES)] if word == "later" else []
            because = f": {'; '.join(reasons)}" if reasons else ""
            told.append(
                f"{len(found)} that keep{s} machine and turn start{s} {word}, by up to {lasting(max(found))}{because}")
    return told
