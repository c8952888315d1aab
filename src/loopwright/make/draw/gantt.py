"""A plan as a drawing: SVG text that stands alone, without a script.

    machines(shop, plan, zone)     a lane a machine: work in the colour of its order, setup, idle and blocked time
    orders(shop, plan, zone)       a lane a job: work in the colour of its machine, release and due date
    compared(shop, plan, other_shop, other)   two plans on one axis of time, what moved joined
    DRAWINGS                       these two, and `load` and `lateness` of `make.draw.plan_charts`, by name

Resting on a box says what it is and what it waited for; in `machines` other orders fade. Names stand where they fit;
long plans are drawn wider, and what is still narrower than a pixel is drawn as one grey box with a count.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from loopwright.core.types import Plan, Slot
from loopwright.make.change.story import Story, Wait, by, story
from loopwright.make.draw.beside import compared
from loopwright.make.draw.plan_charts import lateness, load
from loopwright.make.draw.svg import (
    CHAR,
    EARLY,
    INK,
    LANE,
    LATE,
    MOST_LANES,
    MUTED,
    OTHERS,
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
from loopwright.make.reading.files import several
from loopwright.make.shop import Blocked, Job, Key, Operation, Shop, merged

__all__ = ["DRAWINGS", "compared", "lateness", "load", "machines", "orders"]
NARROWEST, WIDEST, LEGIBLE = 1040, 12_000, 16.0  # pixels of the time axis; a usual operation is LEGIBLE wide
_RIGHT, _TOP, _LANE, _ORDER_LANE = 20, 78, 34, 22
FADING = 120  # orders; with more of them hovering fades nothing


@dataclass(frozen=True)
class _Drawing:
    """What all drawings of a plan look things up in."""

    shop: Shop
    plan: Plan
    time: Time
    tints: Mapping[str, int]
    operations: Mapping[Key, Operation]
    told: Story
    late: frozenset[str]  # jobs that end after their due date
    blocked: Mapping[str, Sequence[Blocked]]


def machines(shop: Shop, plan: Plan, zone: str = "") -> str:
    """A lane a machine, from the first second of the plan to its last; zone: as in `Time`."""
    drawing = _drawing(shop, plan, zone, [m.id for m in shop.machines], [job.id for job in shop.jobs])
    lanes = by(plan.slots, "machine")
    parts = []
    shown = shop.machines[:MOST_LANES]
    places, bottom, again = _places(len(shown), _LANE)
    parts += drawing.time.axis(_TOP, bottom, again)
    span = max(1, drawing.time.last_s - drawing.time.first_s)
    for n, machine in enumerate(shown):
        y, mine = places[n], lanes.get(machine.id, [])
        work = sum(b - a for a, b in merged([(s.start_s - s.setup_s, s.end_s) for s in mine]))
        shut = merged([(max(b.start_s, drawing.time.first_s), min(b.end_s, drawing.time.last_s))
                       for b in drawing.blocked.get(machine.id, ())])
        open_s = max(work, span - sum(max(0, b - a) for a, b in shut), 1)
        parts += _lane(drawing, y, _LANE, machine.id, f"{work / open_s:.0%} busy")
        for blocked in drawing.blocked.get(machine.id, ()):
            parts += _blocked(drawing, blocked, y)
        parts += _boxes(drawing, mine, y, _LANE, lambda s: s.order, lambda s: s.order)
    style = _fading(drawing.tints) if len(drawing.tints) <= FADING else ""
    marks = [("", "work, a colour an order"), *OTHERS, *_late_mark(drawing), *_begun_mark(plan)]
    return _sheet(drawing, bottom, parts, marks, style, _more(len(shop.machines), "machines"))


def orders(shop: Shop, plan: Plan, zone: str = "") -> str:
    """A lane a job, those that begin first on top."""
    drawing = _drawing(shop, plan, zone, [job.id for job in shop.jobs], [m.id for m in shop.machines])
    lanes = by(plan.slots, "order")
    first = {order: min(s.start_s for s in mine) for order, mine in lanes.items()}
    jobs = sorted((job for job in shop.jobs if job.id in lanes), key=lambda job: (first[job.id], job.id))
    shown = jobs[:MOST_LANES]
    places, bottom, again = _places(len(shown), _ORDER_LANE)
    parts = drawing.time.axis(_TOP, bottom, again)
    for n, job in enumerate(shown):
        y, mine = places[n], lanes[job.id]
        parts += _lane(drawing, y, _ORDER_LANE, job.id, "")
        parts += _boxes(drawing, mine, y, _ORDER_LANE, lambda s: s.machine, lambda s: s.machine)
        parts += _dates(drawing, job, max(s.end_s for s in mine), y)
    marks = [("", "work, a colour a machine"), ("url(#setup)", "setup"), (LANE, "waiting"), *_begun_mark(plan)]
    if any(job.due_s is not None for job in shown):
        marks += [(_diamond(7, 6, False), "due date, kept"), (_diamond(7, 6, True), "due date, missed")]
    return _sheet(drawing, bottom, parts, marks, "", _more(len(jobs), "jobs"))


def _places(count: int, tall: float) -> tuple[list[float], float, list[float]]:
    """Where lanes begin, where the last one ends, and where the words of the axis stand again: every 30 lanes or so,
    so that they are in sight wherever one looks."""
    gap = 20.0
    every = round(900 / tall)
    places = [_TOP + n * tall + n // every * gap for n in range(count)]
    bottom = (places[-1] if places else _TOP) + tall
    return places, bottom, [places[n] - 6 for n in range(every, count, every)]


def _late_mark(drawing: _Drawing) -> list[tuple[str, str]]:
    return [(rect(0, 0, 14, 12, f' fill="{LANE}"') + _corner(14, 0), "its job ends late")] if drawing.late else []


def _begun_mark(plan: Plan) -> list[tuple[str, str]]:
    begun = any(slot.frozen for slot in plan.slots)
    return [(rect(1, 1, 12, 10, f' fill="{LANE}" stroke="{INK}" stroke-width="1.4"'), "has begun")] if begun else []


def _corner(x: float, y: float) -> str:
    """A dark triangle in the upper right corner of a box: its job ends late."""
    return f'<path d="M{number(x - 8)} {number(y)}h8v8z" fill="{LATE}" stroke="#fff" stroke-width=".6"/>'


def _diamond(x: float, y: float, late: bool) -> str:
    """A due date: hollow where it is kept, full where it is missed."""
    paint = f'fill="{LATE}" stroke="{LATE}"' if late else f'fill="#fff" stroke="{INK}"'
    return f'<path d="M{number(x)} {number(y - 5.5)}l4.5 5.5l-4.5 5.5l-4.5-5.5z" {paint} stroke-width="1.3"/>'


DRAWINGS: dict[str, Callable[[Shop, Plan, str], str]] = {
    "machines": machines, "orders": orders, "load": load, "lateness": lateness}


# what the drawings share


def _drawing(shop: Shop, plan: Plan, zone: str, lanes: Sequence[str], tints: Sequence[str]) -> _Drawing:
    first_s = min([0, *(slot.start_s - slot.setup_s for slot in plan.slots)])
    last_s = max(first_s + 1, plan.makespan_s)
    seconds = [slot.end_s - slot.start_s for slot in plan.slots] or [1]
    wide = min(WIDEST, max(NARROWEST, LEGIBLE * (last_s - first_s) / max(1.0, median(seconds))))
    time = Time(plan.origin_ns, first_s, last_s, left_of(lanes), wide, zone)
    blocked: dict[str, list[Blocked]] = {}
    for one in shop.blocked:
        blocked.setdefault(one.machine, []).append(one)
    return _Drawing(
        shop, plan, time, {name: n for n, name in enumerate(tints)},
        {o.key: o for job in shop.jobs for o in job.operations}, story(shop, plan), _late(shop, plan), blocked)


def _title(text: str) -> str:
    return f"<title>{escaped(text)}</title>"


def _late(shop: Shop, plan: Plan) -> frozenset[str]:
    ends = {order: max(s.end_s for s in mine) for order, mine in by(plan.slots, "order").items()}
    return frozenset(j.id for j in shop.jobs if j.due_s is not None and ends.get(j.id, j.due_s) > j.due_s)


def _lane(drawing: _Drawing, y: float, tall: float, name: str, under: str) -> list[str]:
    time, left = drawing.time, drawing.time.left
    label = f'<text x="12" y="{number(y + (14 if under else 15))}">{escaped(cut(name, left))}{_title(name)}</text>'
    out = [rect(time.left, y + 1, time.wide, tall - 2, ' class="l"'), label]
    if time.wide > 2 * NARROWEST:  # again at the far end, where the first has scrolled away
        out.append(words(time.left + time.wide + 6, y + tall / 2 + 4, cut(name, left)))
    return [*out, words(12, y + 27, under, ' class="m"')] if under else out


def _blocked(drawing: _Drawing, one: Blocked, y: float) -> list[str]:
    time, start_s, end_s = drawing.time, one.start_s, one.end_s
    left, right = time.x(max(start_s, time.first_s)), time.x(min(end_s, time.last_s))
    if right <= left:
        return []
    why = f": {one.why}" if one.why else ""
    says = f"{one.machine} is blocked{why}\n{time.says(start_s)} to {time.says(end_s)} ({h_min(end_s - start_s)})"
    return [titled(rect(left, y + 1, max(1, right - left), _LANE - 2, ' fill="url(#blocked)"'), says, "b")]


def _boxes(
    drawing: _Drawing, mine: Sequence[Slot], y: float, tall: float, tint: Callable[[Slot], str],
    label: Callable[[Slot], str],
) -> Iterator[str]:
    """The slots of a lane; those that run together side by side; runs of slots under a pixel as one grey box."""
    crowd: list[Slot] = []
    rows = _rows(mine)
    high = (tall - 6) / (1 + max(rows, default=0))
    for slot, row in zip(mine, rows, strict=True):
        if drawing.time.x(slot.end_s) - drawing.time.x(slot.start_s) < 1:
            if crowd and drawing.time.x(slot.start_s) - drawing.time.x(crowd[-1].end_s) > 1:
                yield _crowd(drawing, crowd, y, tall)
                crowd = []
            crowd.append(slot)
            continue
        if crowd:
            yield _crowd(drawing, crowd, y, tall)
            crowd = []
        yield _box(drawing, slot, (y + 3 + row * high, high), drawing.tints[tint(slot)], label(slot))
    if crowd:
        yield _crowd(drawing, crowd, y, tall)


def _rows(mine: Sequence[Slot]) -> list[int]:
    """Which row of the lane each slot stands in: 0, or below what runs at the same time (a batch)."""
    ends: list[int] = []
    rows = []
    for slot in mine:
        row = next((n for n, end_s in enumerate(ends) if end_s <= slot.start_s), len(ends))
        ends[row:row + 1] = [slot.end_s]
        rows.append(row)
    return rows


def _crowd(drawing: _Drawing, crowd: Sequence[Slot], y: float, tall: float) -> str:
    left, right = drawing.time.x(crowd[0].start_s), drawing.time.x(crowd[-1].end_s)
    says = f"{len(crowd)} operations, {drawing.time.says(crowd[0].start_s)} to {drawing.time.says(crowd[-1].end_s)}"
    return titled(rect(left, y + 3, max(1, right - left), tall - 6, f' fill="{MUTED}"'), says, "s")


def _box(drawing: _Drawing, slot: Slot, place: tuple[float, float], tint: int, label: str) -> str:
    """One operation, with its setup, its name where that fits, and its story as a title."""
    time, (y, tall) = drawing.time, place
    left, right, shade = time.x(slot.start_s), time.x(slot.end_s), colour(tint)
    inside = ""
    if slot.setup_s:
        from_x = time.x(slot.start_s - slot.setup_s)
        inside += rect(from_x, y, max(1, left - from_x), tall, ' fill="url(#setup)"')
    inside += rect(left, y, max(1, right - left), tall, f' fill="{shade}"')
    for text in (f"{label} {slot.operation}", label):
        if len(text) * CHAR + (15 if slot.order in drawing.late else 6) < right - left and tall >= 12:
            inside += words(left + 4, y + tall / 2 + 4, text)
            break
    if slot.order in drawing.late and right - left > 10:
        inside += _corner(right, y)
    cls = f"s o{drawing.tints.get(slot.order, tint)}{' f' if slot.frozen else ''}{' w' if dark(shade) else ''}"
    return titled(inside, _story(drawing, slot), cls)


def _story(drawing: _Drawing, slot: Slot) -> str:
    """What the slot is, when, and what it waited for, in words."""
    time = drawing.time
    took = h_min(slot.end_s - slot.start_s)
    when = f"{time.says(slot.start_s)} to {time.says(slot.end_s)} ({took})"
    lines = [f"{slot.order} {slot.operation} on {slot.machine}", when]
    if slot.setup_s:
        lines.append(f"setup {h_min(slot.setup_s)} before, from {time.says(slot.start_s - slot.setup_s)}")
    if slot.operator:
        lines.append(f"with {slot.operator}")
    return "\n".join([*lines, "has begun" if slot.frozen else _why(drawing, slot)])


def _why(drawing: _Drawing, slot: Slot) -> str:
    """What it had to wait for: all that ended or arrived exactly when it could begin."""
    if (slot.order, slot.operation) not in drawing.operations:
        return ""
    found = drawing.told.waits(slot.order, slot.operation)
    if not found:
        return "begins at once" if slot.start_s - slot.setup_s <= 0 else "waits for nothing: it could begin earlier"
    return f"waits for {'; '.join(wait_words(wait) for wait in found)}"


def wait_words(wait: Wait) -> str:
    """One thing that an operation waited for, as people say it."""
    had = " ".join(wait.by or ())
    match wait.kind:
        case "operation":
            return f"its {wait.what}" + (f" and {h_min(wait.lag_s)} after it" if wait.lag_s else "")
        case "machine":
            return f"{wait.what}, taken by {had}"
        case "closed":
            return f"{wait.what}, blocked" + (f" ({wait.why})" if wait.why else "")
        case "operator":
            return f"{wait.what}, busy with {had}" if had else f"{wait.what}, who is away"
        case "tool":
            return f"tool {wait.what}, held by {had}"
        case "material":
            return f"{wait.what}, which arrives then"
        case _:
            return "its release"


def _dates(drawing: _Drawing, job: Job, end_s: int, y: float) -> Iterator[str]:
    """Marks of the due date and of the release."""
    time = drawing.time
    if job.due_s is not None:
        shade, x = LATE if end_s > job.due_s else EARLY, min(time.x(max(job.due_s, time.first_s)), time.x(time.last_s))
        word = f"{h_min(end_s - job.due_s)} late" if end_s > job.due_s else "kept"
        mark = _diamond(x, y + _ORDER_LANE / 2, end_s > job.due_s)
        if end_s > job.due_s:
            low, end_x = number(y + _ORDER_LANE - 2), number(time.x(end_s))
            mark += f'<path d="M{number(x)} {low}H{end_x}" stroke="{LATE}" stroke-width="2" stroke-dasharray="2 2"/>'
        if job.due_s > time.last_s:  # beyond the drawing
            mark = f'<path d="M{number(x + 3)} {number(y + 5)}l8 6l-8 6z" fill="{shade}"/>'
        yield titled(mark, f"{job.id} is due {time.says(job.due_s)}: {word}", "b")
    if max(0, time.first_s) < job.release_s <= time.last_s:
        x = time.x(job.release_s)
        mark = f'<path d="M{number(x)} {number(y + 4)}V{number(y + _ORDER_LANE - 4)}" stroke="{INK}"/>'
        yield titled(mark, f"{job.id} is released {time.says(job.release_s)}", "b")


def _fading(tints: Mapping[str, int]) -> str:
    """Rules by which, while the pointer rests on an order, the others fade; no script."""
    return "".join(f"svg:has(.o{n}:hover) .s:not(.o{n}){{opacity:.2}}" for n in tints.values())


def worth(plan: Plan) -> str:
    """How good a plan is at least, in words: its value, its bound, its gap."""
    long = h_min(plan.value)
    value = {"makespan": "", "tardiness": f"{long} h late by weight, ", "setup": f"{long} h setup, "}
    said = value.get(plan.objective, f"{plan.objective} {plan.value:,.0f}, ")
    if plan.status == "optimal":
        return f"{said}optimal, no plan is better"
    if plan.bound <= 0:
        return f"{said}{plan.status}, how good is not proven"
    bound = f"{h_min(plan.bound)} h" if plan.objective in value else f"{plan.bound:,.0f}"
    return f"{said}{plan.status}, bound {bound}, gap {plan.gap:.1%}"


def _more(count: int, what: str) -> str:
    return f"the first {MOST_LANES:,} of {count:,} {what} are drawn" if count > MOST_LANES else ""


def _sheet(
    drawing: _Drawing, bottom: float, parts: list[str], marks: Sequence[tuple[str, str]], style: str, more: str
) -> str:
    plan, shop = drawing.plan, drawing.shop
    size = f"{several(len(shop.jobs), 'job')} on {several(len(shop.machines), 'machine')}"
    title = f"Plan of {size}: {h_min(plan.makespan_s)} h"
    says = escaped(f"{worth(plan)}; {plan.solver}")
    beside = f'<tspan class="m" font-weight="400" dx="12">{says}</tspan>'
    head = [f'<text x="12" y="24" class="t">{escaped(title)}{beside}</text>']
    zone = [words(12, bottom + 20, "; ".join(t for t in (f"times in {drawing.time.zone}" if drawing.time.zone
            else "hours:minutes from the start", more) if t), ' class="m"')]
    wide = drawing.time.left + drawing.time.wide + (drawing.time.left if drawing.time.wide > 2 * NARROWEST else _RIGHT)
    return sheet(wide, bottom + 34, title, [*head, *legend(marks, 12, 36), *parts, *zone], style)
