"""A plan as a drawing: SVG text that stands alone, without a script.

    machines(shop, plan, zone)     a lane a machine: work in the colour of its order, setup, idle and blocked time
    orders(shop, plan, zone)       a lane a job: work in the colour of its machine, release and due date
    load(shop, plan)               how much of the time each machine works, is set up, is blocked, is idle
    lateness(shop, plan)           how early or late each job with a due date ends

Resting on a box says what it is and what it waited for; in `machines` other orders fade. Names stand where they fit;
long plans are drawn wider, and what is still narrower than a pixel is drawn as one grey box with a count.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from loopwright.core.types import Plan, Slot
from loopwright.make.shop import Blocked, Job, Key, Operation, Shop, merged
from loopwright.make.story import Story, Wait, by, story
from loopwright.make.svg import (
    EARLY,
    INK,
    LANE,
    LATE,
    LINE,
    MUTED,
    Time,
    colour,
    dark,
    escaped,
    h_min,
    number,
    rect,
    sheet,
    titled,
    words,
)

NARROWEST, WIDEST, LEGIBLE = 1040, 12_000, 16.0  # pixels of the time axis; a usual operation is LEGIBLE wide
_RIGHT, _TOP, _LANE, _ORDER_LANE = 20, 78, 34, 22
_CHAR = 6.3  # pixels of a letter, at most for most
FADING = 120  # orders; with more of them hovering fades nothing
MOST_LANES = 2_000
_OTHERS = (("url(#setup)", "setup"), ("url(#blocked)", "blocked"), (LANE, "idle"))


@dataclass(frozen=True)
class _Drawing:
    """What all drawings of a plan look things up in."""

    shop: Shop
    plan: Plan
    time: Time
    tints: Mapping[str, int]
    operations: Mapping[Key, Operation]
    told: Story
    blocked: Mapping[str, Sequence[Blocked]]


def machines(shop: Shop, plan: Plan, zone: str = "", until_s: int = 0) -> str:
    """A lane a machine, from the first second of the plan to its last, or to until_s; zone: as in `Time`."""
    drawing = _drawing(shop, plan, zone, [m.id for m in shop.machines], [job.id for job in shop.jobs], until_s)
    lanes = by(plan.slots, "machine")
    parts = []
    shown = shop.machines[:MOST_LANES]
    bottom = _TOP + _LANE * len(shown)
    parts += drawing.time.axis(_TOP, bottom)
    span = max(1, drawing.time.last_s - drawing.time.first_s)
    for n, machine in enumerate(shown):
        y, mine = _TOP + n * _LANE, lanes.get(machine.id, [])
        work = sum(b - a for a, b in merged([(s.start_s - s.setup_s, s.end_s) for s in mine]))
        parts += _lane(drawing, y, _LANE, machine.id, f"{work / span:.0%} busy")
        for blocked in drawing.blocked.get(machine.id, ()):
            parts += _blocked(drawing, blocked, y)
        parts += _boxes(drawing, mine, y, _LANE, lambda s: s.order, lambda s: s.order)
    style = _fading(drawing.tints) if len(drawing.tints) <= FADING else ""
    legend = [("", "work, a colour an order"), *_OTHERS]
    return _sheet(drawing, bottom, parts, legend, style, _more(len(shop.machines), "machines"))


def orders(shop: Shop, plan: Plan, zone: str = "") -> str:
    """A lane a job, those that begin first on top."""
    drawing = _drawing(shop, plan, zone, [job.id for job in shop.jobs], [m.id for m in shop.machines])
    lanes = by(plan.slots, "order")
    first = {order: min(s.start_s for s in mine) for order, mine in lanes.items()}
    jobs = sorted((job for job in shop.jobs if job.id in lanes), key=lambda job: (first[job.id], job.id))
    shown = jobs[:MOST_LANES]
    bottom = _TOP + _ORDER_LANE * len(shown)
    parts = drawing.time.axis(_TOP, bottom)
    for n, job in enumerate(shown):
        y, mine = _TOP + n * _ORDER_LANE, lanes[job.id]
        parts += _lane(drawing, y, _ORDER_LANE, job.id, "")
        parts += _boxes(drawing, mine, y, _ORDER_LANE, lambda s: s.machine, lambda s: s.machine)
        parts += _dates(drawing, job, max(s.end_s for s in mine), y)
    legend = [("", "work, a colour a machine"), ("url(#setup)", "setup"), (LANE, "waiting")]
    if any(job.due_s is not None for job in shown):
        legend += [(EARLY, "due date, kept"), (LATE, "due date, missed")]
    return _sheet(drawing, bottom, parts, legend, "", _more(len(jobs), "jobs"))


def load(shop: Shop, plan: Plan, zone: str = "") -> str:
    """Shares of the time from the origin to the plan's end: work, setup, blocked, idle, a bar a machine."""
    lanes, end_s = by(plan.slots, "machine"), max(1, plan.makespan_s)
    left, wide, tall = _left([m.id for m in shop.machines]), 700, 26
    parts = [words(12, 24, f"Machine load over {h_min(end_s)} h", ' class="t"')]
    for share in range(0, 101, 20):
        x = left + wide * share / 100
        parts.append(f'<path class="h" d="M{number(x)} 72V{number(80 + tall * len(shop.machines[:MOST_LANES]))}"/>')
        parts.append(words(x, 68, f"{share} %", ' class="m" text-anchor="middle"'))
    for n, machine in enumerate(shop.machines[:MOST_LANES]):
        parts += _load(shop, lanes.get(machine.id, []), machine.id, end_s, (left, wide, 80 + n * tall))
    legend = [(colour(0), "work"), *_OTHERS]
    parts += _legend(legend, 12, 38)
    bottom = 96 + tall * len(shop.machines[:MOST_LANES])
    return sheet(left + wide + 110, bottom, "Machine load", parts)


def _load(
    shop: Shop, mine: Sequence[Slot], machine: str, end_s: int, place: tuple[float, float, float]
) -> list[str]:
    """A machine's bar and its number."""
    left, wide, y = place
    work = sum(b - a for a, b in merged([(max(0, s.start_s), s.end_s) for s in mine if s.end_s > 0]))
    setup = sum(b - a for a, b in merged([(max(0, s.start_s - s.setup_s), s.start_s) for s in mine if s.setup_s]))
    shut = [(max(0, b.start_s), min(b.end_s, end_s)) for b in shop.blocked if b.machine == machine]
    blocked = min(end_s - work - setup, sum(b - a for a, b in merged([p for p in shut if p[0] < p[1]])))
    parts, x = [words(12, y + 15, _cut(machine, left))], left
    shares = ((work, colour(0), "work"), (setup, "url(#setup)", "setup"), (max(0, blocked), "url(#blocked)", "blocked"),
              (max(0, end_s - work - setup - max(0, blocked)), LANE, "idle"))
    for seconds, fill, word in shares:
        size = wide * seconds / end_s
        if seconds:
            says = f"{machine}: {h_min(seconds)} h {word}, {seconds / end_s:.1%}"
            parts.append(titled(rect(x, y, size, 20, f' fill="{fill}"'), says, "s"))
        x += size
    return [*parts, words(left + wide + 8, y + 15, f"{(work + setup) / end_s:.0%} busy", ' class="m"')]


def lateness(shop: Shop, plan: Plan, zone: str = "") -> str:
    """A bar a job with a due date, the latest on top: to the right what it is late, to the left what it is early."""
    ends = {order: max(s.end_s for s in mine) for order, mine in by(plan.slots, "order").items()}
    late = sorted(((ends[j.id] - j.due_s, j) for j in shop.jobs if j.due_s is not None and j.id in ends),
                  key=lambda pair: (-pair[0], pair[1].id))
    title = f"Lateness: {sum(s > 0 for s, _ in late)} of {len(late)} jobs late"
    if not late:
        return sheet(700, 70, title, [words(12, 24, "Lateness", ' class="t"'), words(12, 50, "No job has a due date.")])
    left, wide, tall, shown = _left([job.id for _, job in late]), 620.0, 20, late[:MOST_LANES]
    low, high = min(0, late[-1][0]), max(0, late[0][0])
    time = Time(plan.origin_ns, low, max(high, low + 1), left + 70, wide)
    parts = [words(12, 24, title, ' class="t"'), *time.axis(76, 80 + tall * len(shown))]
    for n, (seconds, job) in enumerate(shown):
        y, x0, x1 = 80 + n * tall, time.x(min(0, seconds)), time.x(max(0, seconds))
        word = f"{h_min(abs(seconds))} {'late' if seconds > 0 else 'early'}" if seconds else "on time"
        says = f"{job.id} ends {h_min(ends[job.id])}, due {h_min(job.due_s or 0)}: {word}, weight {job.weight:g}"
        fill = LATE if seconds > 0 else EARLY
        parts.append(titled(rect(x0, y + 2, max(1.5, x1 - x0), 15, f' fill="{fill}"'), says, "s"))
        parts.append(words(12, y + 14, _cut(job.id, left)))
        end = ' class="m" text-anchor="end"' if seconds <= 0 else ' class="m"'
        parts.append(words(x0 - 5 if seconds <= 0 else x1 + 5, y + 14, word, end))
    parts.append(f'<path class="d" d="M{number(time.x(0))} 72V{number(84 + tall * len(shown))}"/>')
    parts += _legend([(LATE, "late"), (EARLY, "early")], 12, 38)
    return sheet(left + wide + 170, 96 + tall * len(shown), title, parts)


DRAWINGS: dict[str, Callable[[Shop, Plan, str], str]] = {
    "machines": machines, "orders": orders, "load": load, "lateness": lateness}


# what the drawings share


def _drawing(
    shop: Shop, plan: Plan, zone: str, lanes: Sequence[str], tints: Sequence[str], until_s: int = 0
) -> _Drawing:
    first_s = min([0, *(slot.start_s - slot.setup_s for slot in plan.slots)])
    last_s = max(first_s + 1, plan.makespan_s, until_s)
    seconds = [slot.end_s - slot.start_s for slot in plan.slots] or [1]
    wide = min(WIDEST, max(NARROWEST, LEGIBLE * (last_s - first_s) / max(1.0, median(seconds))))
    time = Time(plan.origin_ns, first_s, last_s, _left(lanes), wide, zone)
    blocked: dict[str, list[Blocked]] = {}
    for one in shop.blocked:
        blocked.setdefault(one.machine, []).append(one)
    return _Drawing(
        shop, plan, time, {name: n for n, name in enumerate(tints)},
        {o.key: o for job in shop.jobs for o in job.operations}, story(shop, plan), blocked)


def _left(names: Sequence[str]) -> float:
    return min(210.0, max(110.0, 24 + _CHAR * max((len(name) for name in names), default=0)))


def _cut(name: str, left: float) -> str:
    most = int((left - 20) / _CHAR)
    return name if len(name) <= most else name[:most - 1] + "…"


def _title(text: str) -> str:
    return f"<title>{escaped(text)}</title>"


def _lane(drawing: _Drawing, y: float, tall: float, name: str, under: str) -> list[str]:
    time, left = drawing.time, drawing.time.left
    label = f'<text x="12" y="{number(y + (14 if under else 15))}">{escaped(_cut(name, left))}{_title(name)}</text>'
    out = [rect(time.left, y + 1, time.wide, tall - 2, ' class="l"'), label]
    if time.wide > 2 * NARROWEST:  # again at the far end, where the first has scrolled away
        out.append(words(time.left + time.wide + 6, y + tall / 2 + 4, _cut(name, left)))
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
        if len(text) * _CHAR + 6 < right - left and tall >= 12:
            inside += words(left + 4, y + tall / 2 + 4, text)
            break
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
        mark = f'<path d="M{number(x)} {number(y)}V{number(y + _ORDER_LANE)}" stroke="{shade}" stroke-width="3"/>'
        if job.due_s > time.last_s:  # beyond the drawing
            mark = f'<path d="M{number(x + 3)} {number(y + 5)}l8 6l-8 6z" fill="{shade}"/>'
        yield titled(mark, f"{job.id} is due {time.says(job.due_s)}: {word}", "b")
    if time.first_s < job.release_s <= time.last_s:
        x = time.x(job.release_s)
        mark = f'<path d="M{number(x)} {number(y + 4)}V{number(y + _ORDER_LANE - 4)}" stroke="{INK}"/>'
        yield titled(mark, f"{job.id} is released {time.says(job.release_s)}", "b")


def _fading(tints: Mapping[str, int]) -> str:
    """Rules by which, while the pointer rests on an order, the others fade; no script."""
    return "".join(f"svg:has(.o{n}:hover) .s:not(.o{n}){{opacity:.2}}" for n in tints.values())


def _legend(rows: Sequence[tuple[str, str]], x: float, y: float) -> list[str]:
    out = []
    for fill, word in rows:
        if fill:
            out.append(rect(x, y, 14, 12, f' fill="{fill}" stroke="{LINE}"'))
        else:
            out += [rect(x + 5 * n, y, 5, 12, f' fill="{colour(n)}"') for n in range(3)]
        out.append(words(x + 20, y + 10.5, word, ' class="m"'))
        x += 34 + _CHAR * len(word)
    return out


def _more(count: int, what: str) -> str:
    return f"the first {MOST_LANES:,} of {count:,} {what} are drawn" if count > MOST_LANES else ""


def _sheet(
    drawing: _Drawing, bottom: float, parts: list[str], legend: Sequence[tuple[str, str]], style: str, more: str
) -> str:
    plan, shop = drawing.plan, drawing.shop
    title = f"Plan of {len(shop.jobs):,} jobs on {len(shop.machines):,} machines: {h_min(plan.makespan_s)} h"
    proof = "no plan is better" if plan.status == "optimal" else f"at most {plan.gap:.1%} could be saved"
    says = escaped(f"{plan.status}, {proof}; {plan.solver}")
    beside = f'<tspan class="m" font-weight="400" dx="12">{says}</tspan>'
    head = [f'<text x="12" y="24" class="t">{escaped(title)}{beside}</text>']
    zone = [words(12, bottom + 20, "; ".join(t for t in (f"times in {drawing.time.zone}" if drawing.time.zone
            else "hours:minutes from the start", more) if t), ' class="m"')]
    wide = drawing.time.left + drawing.time.wide + (drawing.time.left if drawing.time.wide > 2 * NARROWEST else _RIGHT)
    return sheet(wide, bottom + 34, title, [*head, *_legend(legend, 12, 36), *parts, *zone], style)
