"""How busy the machines of a plan are and how late its jobs, as SVG text that stands alone.

    load(shop, plan)       how much of the time each machine works, is set up, is blocked, is idle
    lateness(shop, plan)   how early or late each job with a due date ends
"""

from __future__ import annotations

from collections.abc import Sequence

from loopwright.core.types import Plan, Slot
from loopwright.make.change.story import by
from loopwright.make.draw.svg import (
    EARLY,
    LANE,
    LATE,
    MOST_LANES,
    OTHERS,
    Time,
    colour,
    cut,
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
from loopwright.make.shop import Shop, merged


def load(shop: Shop, plan: Plan, zone: str = "") -> str:
    """Shares of the time from the origin to the plan's end: work, setup, blocked, idle, a bar a machine."""
    lanes, end_s = by(plan.slots, "machine"), max(1, plan.makespan_s)
    left, wide, tall = left_of([m.id for m in shop.machines]), 700, 26
    parts = [words(12, 24, f"Machine load over {h_min(end_s)} h", ' class="t"')]
    for share in range(0, 101, 20):
        x = left + wide * share / 100
        parts.append(f'<path class="h" d="M{number(x)} 72V{number(80 + tall * len(shop.machines[:MOST_LANES]))}"/>')
        parts.append(words(x, 68, f"{share} %", ' class="m" text-anchor="middle"'))
    for n, machine in enumerate(shop.machines[:MOST_LANES]):
        parts += _load(shop, lanes.get(machine.id, []), machine.id, end_s, (left, wide, 80 + n * tall))
    parts += legend([(colour(0), "work"), *OTHERS], 12, 38)
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
    parts, x = [words(12, y + 15, cut(machine, left))], left
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
    title = f"Lateness: {sum(s > 0 for s, _ in late)} of {several(len(late), 'job')} late"
    if not late:
        return sheet(700, 70, title, [words(12, 24, "Lateness", ' class="t"'), words(12, 50, "No job has a due date.")])
    left, wide, tall, shown = left_of([job.id for _, job in late]), 620.0, 20, late[:MOST_LANES]
    low, high = min(0, late[-1][0]), max(0, late[0][0])
    time = Time(plan.origin_ns, low, max(high, low + 1), left + 70, wide)
    parts = [words(12, 24, title, ' class="t"'), *time.axis(76, 80 + tall * len(shown))]
    for n, (seconds, job) in enumerate(shown):
        y, x0, x1 = 80 + n * tall, time.x(min(0, seconds)), time.x(max(0, seconds))
        word = f"{h_min(abs(seconds))} {'late' if seconds > 0 else 'early'}" if seconds else "on time"
        says = f"{job.id} ends {h_min(ends[job.id])}, due {h_min(job.due_s or 0)}: {word}, weight {job.weight:g}"
        fill = LATE if seconds > 0 else EARLY
        parts.append(titled(rect(x0, y + 2, max(1.5, x1 - x0), 15, f' fill="{fill}"'), says, "s"))
        parts.append(words(12, y + 14, cut(job.id, left)))
        end = ' class="m" text-anchor="end"' if seconds <= 0 else ' class="m"'
        parts.append(words(x0 - 5 if seconds <= 0 else x1 + 5, y + 14, word, end))
    parts.append(f'<path class="d" d="M{number(time.x(0))} 72V{number(84 + tall * len(shown))}"/>')
    parts += legend([(LATE, "late"), (EARLY, "early")], 12, 38)
    return sheet(left + wide + 170, 96 + tall * len(shown), title, parts)
