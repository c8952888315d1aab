"""Two plans in one drawing, on one axis of time: every machine has a lane of two halves, before above and after below.

An operation on another machine, or in another order on it, is outlined and joined with where it stood; the others are
pale. What only one of the plans has is marked + or x.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import chain
from statistics import median

from loopwright.core.clock import NS_PER_S
from loopwright.core.types import Plan, Slot
from loopwright.make.change.compare import Compared, Move
from loopwright.make.change.compare import compared as beside
from loopwright.make.change.story import by
from loopwright.make.draw.svg import (
    CHAR,
    INK,
    LANE,
    MUTED,
    Time,
    colour,
    cut,
    dark,
    escaped,
    h_min,
    left_of,
    legend,
    number,
    rect,
    sheet,
    titled,
    words,
)
from loopwright.make.shop import Key, Shop

_TOP, _HALF, _GAP = 78, 17, 12
JOINED = 150  # moved operations; with more of them lines would hide the plan, and the words of a box say where it stood
NARROWEST, WIDEST, LEGIBLE = 1040, 12_000, 16.0
_STYLE = f".q{{opacity:.42}}.j{{stroke:{INK};stroke-width:1.2;fill:none}}.o rect{{stroke:{INK};stroke-width:1.8}}"


def compared(
    before_shop: Shop, before: Plan, after_shop: Shop, after: Plan, names: tuple[str, str] = ("before", "after"),
    zone: str = "",
) -> str:
    """Both plans, machine by machine; each may count from an origin of its own. zone: as in `make.draw.svg.Time`."""
    told = beside(before, after)
    shift_s = round((after.origin_ns - before.origin_ns) / NS_PER_S)
    old = [replace(s, start_s=s.start_s - shift_s, end_s=s.end_s - shift_s) for s in before.slots]
    machines = list(dict.fromkeys(m.id for shop in (after_shop, before_shop) for m in shop.machines))
    room = min(140.0, 16 + CHAR * max(map(len, names)))
    time = _time(after.origin_ns, [*old, *after.slots], left_of(machines) - 8 + room, zone)
    tints = {job.id: n for n, job in enumerate(chain(after_shop.jobs, before_shop.jobs))}
    moved = {move.key: move for move in told.moved}
    places = {machine: _TOP + n * (2 * _HALF + _GAP) for n, machine in enumerate(machines)}
    bottom = _TOP + len(machines) * (2 * _HALF + _GAP)
    parts = time.axis(_TOP, bottom)
    only = ({(s.order, s.operation) for s in told.gone if s.end_s > shift_s},  # what ended before was done
            {(s.order, s.operation) for s in told.added})
    for half, (slots, ones) in enumerate(((old, only[0]), (after.slots, only[1]))):
        lanes = by(slots, "machine")
        for machine in machines:
            y = places[machine] + half * _HALF
            parts += _lane(time, y, machine if not half else "", names[half], room)
            parts += [_box(time, slot, y, tints[slot.order], (_moves(moved, shift_s, half), ones, half))
                      for slot in lanes.get(machine, [])]
    parts += _joined(told, time, places, shift_s) if len(told.moved) <= JOINED else []
    return _sheet(told, (before, after), names, time, parts, bottom)


def _moves(moved: Mapping[Key, Move], shift_s: int, half: int) -> dict[Key, Slot]:
    """Where each moved operation stands in the other plan, in seconds of the second."""
    before = {key: replace(m.before, start_s=m.before.start_s - shift_s) for key, m in moved.items()}
    return before if half else {key: move.after for key, move in moved.items()}


def _time(origin_ns: int, slots: Sequence[Slot], left: float, zone: str) -> Time:
    first_s = min([0, *(s.start_s - s.setup_s for s in slots)])
    last_s = max([first_s + 1, *(s.end_s for s in slots)])
    usual = median([s.end_s - s.start_s for s in slots] or [1])
    wide = min(WIDEST, max(NARROWEST, LEGIBLE * (last_s - first_s) / max(1.0, usual)))
    return Time(origin_ns, first_s, last_s, left, wide, zone)


def _lane(time: Time, y: float, machine: str, name: str, room: float) -> list[str]:
    out = [rect(time.left, y, time.wide, _HALF - 1, ' class="l"')]
    out.append(words(time.left - 6, y + 12, cut(name, room + 10), ' class="m" text-anchor="end"'))
    if machine:
        label = escaped(cut(machine, time.left - room + 8))
        out.append(f'<text x="12" y="{number(y + _HALF + 4)}">{label}<title>{escaped(machine)}</title></text>')
    return out


def _box(time: Time, slot: Slot, y: float, tint: int, marks: tuple[Mapping[Key, Slot], set[Key], int]) -> str:
    """marks: where it stands in the other plan if it moved, what only this plan has, 0 in the first and 1 in the
    second."""
    moved, only, half = marks
    sign = "+" if half else "\u00d7"
    key, left, right = (slot.order, slot.operation), time.x(slot.start_s), time.x(slot.end_s)
    wide = max(1.0, right - left)
    shade, tall = colour(tint), _HALF - 3.0
    inside = ""
    if slot.setup_s:
        from_x = time.x(slot.start_s - slot.setup_s)
        inside += rect(from_x, y + 1, max(1.0, left - from_x), tall, ' fill="url(#setup)"')
    inside += rect(left, y + 1, wide, tall, f' fill="{shade}"')
    name = f"{sign} {slot.order}" if key in only else slot.order
    short = next((text for text in (name, sign if key in only else "") if len(text) * CHAR + 6 < wide and text), "")
    inside += words(left + 3, y + 12, short) if short else ""
    when = f"{time.says(slot.start_s)} to {time.says(slot.end_s)} ({h_min(slot.end_s - slot.start_s)})"
    word = ("gone", "new")[half] if key in only else "kept, or done"
    if other := moved.get(key):
        word = f"moved: {('goes to', 'stood on')[half]} {other.machine}, {time.says(other.start_s)}"
    cls = "s" + (" o" if key in moved or key in only else " q") + (" w" if dark(shade) else "")
    return titled(inside, f"{slot.order} {slot.operation} on {slot.machine}\n{when}\n{word}", cls)


def _joined(told: Compared, time: Time, places: Mapping[str, float], shift_s: int) -> list[str]:
    """A line from where each moved operation stood to where it stands."""
    out = []
    for move in told.moved:
        x0 = time.x((move.before.start_s + move.before.end_s) / 2 - shift_s)
        x1 = time.x((move.after.start_s + move.after.end_s) / 2)
        y0, y1 = places[move.before.machine] + _HALF - 2, places[move.after.machine] + _HALF + 1
        bend = 14 if y1 >= y0 else -14
        out.append(f'<path class="j" d="M{number(x0)} {number(y0)}C{number(x0)} {number(y0 + bend)} {number(x1)} '
                   f'{number(y1 - bend)} {number(x1)} {number(y1)}"/>')
        out.append(f'<circle cx="{number(x1)}" cy="{number(y1)}" r="2.4" fill="{INK}"/>')
    return out


def _sheet(
    told: Compared, plans: tuple[Plan, Plan], names: tuple[str, str], time: Time, parts: list[str], bottom: float
) -> str:
    shift_s = round((plans[1].origin_ns - plans[0].origin_ns) / NS_PER_S)
    spans = " to ".join(h_min(plan.makespan_s) for plan in plans)
    title = f"{names[0]} and {names[1]}: {spans} h"
    kept = f"{told.kept_part:.0%} of {len(told.both)} operations kept, {len(told.moved)} moved"
    done = sum(s.end_s <= shift_s for s in told.gone)
    says = f"{kept}, {len(told.added)} new, {done} done, {len(told.gone) - done} gone"
    beside = f'<tspan class="m" font-weight="400" dx="12">{escaped(says)}</tspan>'
    head = [f'<text x="12" y="24" class="t">{escaped(title)}{beside}</text>']
    pale = rect(0, 0, 14, 12, f' fill="{colour(0)}" opacity=".42"')
    firm = rect(1, 1, 12, 10, f' fill="{colour(0)}" stroke="{INK}" stroke-width="1.8"')
    line = f'<path class="j" d="M0 12L12 2"/><circle cx="12" cy="2" r="2.4" fill="{INK}"/>'
    joins = [(line, "from where it stood")] if len(told.moved) <= JOINED else []
    marks = [(pale, "kept: same machine, same order"), (firm, "moved, new (+) or gone (\u00d7)"), *joins,
             ("url(#setup)", "setup"), (LANE, "idle")]
    zone = f"times in {time.zone}" if time.zone else "hours:minutes from the start of the second"
    foot = [words(12, bottom + 18, zone, f' class="m" fill="{MUTED}"')]
    return sheet(time.left + time.wide + 20, bottom + 32, title, [*head, *legend(marks, 12, 36), *parts, *foot], _STYLE)
