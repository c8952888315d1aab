"""By how much each operation of a plan may slip before an order is later than it should be.

    slack(shop, plan)                           {(order, operation): seconds, or None where nothing ever becomes late}
    slack(shop, plan, plan.makespan_s)          the same, with orders without a due date to end with the plan

The total float of the critical path method. Source: J. E. Kelley and M. R. Walker, "Critical-Path Planning and
Scheduling", 1959; calendars, setups, persons, tools and lots as `change.course` counts them.
"""

from __future__ import annotations

from loopwright.core.types import Plan
from loopwright.make.change.course import course_of
from loopwright.make.promises.lines import NEVER_S
from loopwright.make.shop import Key, Shop


def slack(shop: Shop, plan: Plan, undue_s: int | None = None) -> dict[Key, int | None]:
    """By how many seconds each operation may start later without making any order late, if what follows it moves along.

    undue_s  when orders without a due date should have ended; None: nothing is asked of them
    None where nothing ever becomes late by it. An order that is late as planned may not end later than that. Machines,
    persons and tools keep the turn in which they do things; what has begun has no slack.
    """
    course, ends = course_of(shop, plan.slots), order_ends(plan)
    due = {job.id: undue_s if job.due_s is None else job.due_s for job in shop.jobs}
    limits = {job: max(due_s, ends.get(job, due_s)) for job, due_s in due.items() if due_s is not None}
    late = course.latest(limits)
    return {key: None if late[node] > NEVER_S // 2 else late[node] - course.start[node]
            for key, node in course.node.items()}


def order_ends(plan: Plan) -> dict[str, int]:
    """order -> when its last operation ends."""
    ends: dict[str, int] = {}
    for slot in plan.slots:
        ends[slot.order] = max(slot.end_s, ends.get(slot.order, slot.end_s))
    return ends
