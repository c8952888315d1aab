"""What can be taken out of a shop, one rule at a time: an order, a closed shift, an arrival, a person, a tool.

    rules_of(shop)            every rule that could be why not everything ends in time
    without(shop, rules)      the shop where these no longer hold
    says(shop, rule)          the rule in words
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from typing import NamedTuple

from loopwright.make.shop import Job, Machine, Operation, Shop, merged

SHOWN = 3  # intervals or operations that a sentence names


class Rule(NamedTuple):
    """kind: job, release, material, hours, away, skill, tool, setup, frozen, lags or turns; name: of the job, machine,
    person, skill, tool or material."""

    kind: str
    name: str


def rules_of(shop: Shop) -> list[Rule]:
    """Every rule of a shop that can be taken out; orders first."""
    free = [o for o in shop.operations if not o.frozen]
    machines = [m.id for m in shop.machines]
    closed = {b.machine for b in shop.blocked}
    used = {m for o in free for m, _ in o.on}
    begun = {o.frozen.machine for o in shop.operations if o.frozen}
    changed = {s.machine for s in shop.setups if s.seconds}
    needed = {material for o in free for material in o.materials}
    return [
        *(Rule("job", job.id) for job in shop.jobs if any(not o.frozen for o in job.operations)),
        *(Rule("release", job.id) for job in shop.jobs if job.release_s > 0),
        *(Rule("material", name) for name, t in shop.materials.items() if t > 0 and name in needed),
        *(Rule("lags", job.id) for job in shop.jobs if any(o.links for o in job.operations)),
        *(Rule("away", person.id) for person in shop.operators if person.away),
        *(Rule("skill", skill) for skill in sorted({o.skill for o in free if o.skill})),
        *(Rule("tool", tool) for tool in sorted({tool for o in free for tool in o.tools})),
        *(Rule("setup", m) for m in machines if m in changed & used),
        *(Rule("frozen", m) for m in machines if m in begun),
        *(Rule("turns", m) for m in machines if m in used),
        *(Rule("hours", m) for m in machines if m in closed & used)]


def without(shop: Shop, rules: Collection[Rule]) -> Shop:
    """The shop in which these rules no longer hold.

    job      what of it has not begun need not be done
    release, material    it may begin at once, it is there
    lags     what waits, waits for the end of the other, or its first lot, and no longer
    away, hours, setup   never away, never closed, no time for setups
    skill, tool          nobody and nothing is needed for it
    frozen   what has begun on the machine is done
    turns    the machine takes all its operations at once
    """
    gone: dict[str, set[str]] = {}
    for kind, name in rules:
        gone.setdefault(kind, set()).add(name)

    def out(kind: str) -> set[str]:
        return gone.get(kind, set())

    jobs = [_job(job, out) for job in shop.jobs]
    shop = replace(
        shop, jobs=tuple(job for job in jobs if job.operations),
        blocked=tuple(b for b in shop.blocked if b.machine not in out("hours")),
        operators=tuple(replace(p, away=()) if p.id in out("away") else p for p in shop.operators),
        setups=tuple(s for s in shop.setups if s.machine not in out("setup")),
        materials={name: 0 if name in out("material") else t for name, t in shop.materials.items()})
    return _at_once(shop, out("turns")) if out("turns") else shop


def _job(job: Job, out: Callable[[str], set[str]]) -> Job:
    """A job without what is taken out of it."""
    left = [
        o for o in job.operations
        if not (o.frozen and o.frozen.machine in out("frozen")) and not (not o.frozen and job.id in out("job"))]
    names = {o.name for o in left}
    made = [replace(
        o, after=tuple(name for name in o.after if name in names),
        links=tuple(
            replace(link, lag_s=0) if job.id in out("lags") else link for link in o.links if link.operation in names),
        skill="" if o.skill in out("skill") and not o.frozen else o.skill,
        tools=tuple(tool for tool in o.tools if tool not in out("tool"))) for o in left]
    return replace(job, operations=tuple(made), release_s=0 if job.id in out("release") else job.release_s)


def _at_once(shop: Shop, machines: Collection[str]) -> Shop:
    """Each operation that has not begun gets a copy of these machines for itself."""
    copies: dict[str, list[str]] = {machine: [] for machine in machines}

    def own(o: Operation) -> Operation:
        if o.frozen:
            return o
        on = []
        for machine, seconds in o.on:
            name = machine
            if machine in copies:
                name = f"{machine}~{len(copies[machine])}"
                copies[machine].append(name)
            on.append((name, seconds))
        return replace(o, on=tuple(on))

    jobs = tuple(replace(job, operations=tuple(own(o) for o in job.operations)) for job in shop.jobs)
    more: list[Machine] = []
    for machine in shop.machines:
        more += [replace(machine, id=name) for name in copies.get(machine.id, ())]
    return replace(
        shop, jobs=jobs, machines=(*shop.machines, *more),
        blocked=(*shop.blocked, *(replace(b, machine=n) for b in shop.blocked for n in copies.get(b.machine, ()))),
        setups=(*shop.setups, *(replace(s, machine=n) for s in shop.setups for n in copies.get(s.machine, ()))))


def says(shop: Shop, rule: Rule, beside: Collection[Rule] = ()) -> str:
    """The rule in words. beside: the rules it stands with; orders that are not among them are not counted."""
    kind, name = rule
    jobs = {job.id: job for job in shop.jobs}
    orders = {r.name for r in beside if r.kind == "job"} or set(jobs)
    if kind == "job":
        work = ", ".join(f"{o.name} {time(min(s for _, s in o.on))} on {_either(o)}"
                         for o in jobs[name].operations[:SHOWN] if not o.frozen and o.on)
        more = len(jobs[name].operations) - SHOWN
        return f"order {name!r} is to be done ({work}{f' and {more} more' if more > 0 else ''})"
    if kind == "release":
        return f"order {name!r} is released after {time(jobs[name].release_s)}"
    if kind == "material":
        who = [f"{o.job}/{o.name}" for o in shop.operations if name in o.materials and o.job in orders]
        return f"{name!r} arrives after {time(shop.materials[name])}, and {_list(who)} cannot start before"
    if kind == "lags":
        lags = [f"{o.name} {time(link.lag_s)} after {link.operation}"
                for o in jobs[name].operations for link in o.links if link.lag_s]
        return f"order {name!r} waits between operations ({_list(lags) or 'lots'})"
    return _says_means(shop, kind, name, orders)


def _says_means(shop: Shop, kind: str, name: str, orders: Collection[str]) -> str:
    """The rule of a person, tool or machine in words."""
    free = [o for o in shop.operations if not o.frozen and o.job in orders]
    if kind == "away":
        away = next(p.away for p in shop.operators if p.id == name)
        return f"{name!r} is away {_times(away)}"
    if kind == "skill":
        who = [p.id for p in shop.operators if name in p.skills]
        return f"{name!r} takes a person, and only {_list(who)} can ({_load(o for o in free if o.skill == name)})"
    if kind == "tool":
        return f"there is {shop.tools[name]} of tool {name!r} ({_load(o for o in free if name in o.tools)})"
    if kind == "setup":
        most = max(s.seconds for s in shop.setups if s.machine == name)
        return f"changing {name} over takes up to {time(most)}"
    if kind == "frozen":
        begun = [f"{o.job}/{o.name} until {time(o.frozen.end_s)}" for o in shop.operations
                 if o.frozen and o.frozen.machine == name]
        return f"on {name} stands what has begun or is frozen: {_list(begun)}"
    if kind == "turns":
        machine = next(m for m in shop.machines if m.id == name)
        many = "one operation" if machine.batch == 1 else f"one batch of up to {machine.batch}"
        return f"{name} does {many} at a time ({_load(o for o in free if [m for m, _ in o.on] == [name])} only there)"
    hours = [(b.start_s, b.end_s) for b in shop.blocked if b.machine == name]
    longest = _longest_open(merged(hours), shop.horizon_s)
    return f"{name} is closed {_times(hours)}, and open for at most {time(longest)} in one piece"


def _longest_open(closed: list[tuple[int, int]], horizon_s: int | None) -> int:
    """The longest piece that is open before the horizon, or before it closes the last time."""
    last = horizon_s if horizon_s is not None else max(end for _, end in closed)
    edges = [0, *(min(max(t, 0), last) for pair in closed for t in pair), last]
    return max(b - a for a, b in zip(edges[::2], edges[1::2], strict=True))


def todo(rule: Rule) -> str:
    """What would take the rule out of the way."""
    words = {
        "job": "do order {!r} later", "release": "release order {!r} earlier", "material": "have {!r} there earlier",
        "lags": "shorten the waiting of order {!r}", "away": "have {!r} stay", "skill": "have more people for {!r}",
        "tool": "have more of tool {!r}", "setup": "change {!r} over faster", "frozen": "free {!r} earlier",
        "turns": "have another machine like {!r}", "hours": "open {!r} longer"}
    return words[rule.kind].format(rule.name)


def time(seconds: int) -> str:
    """A duration as people say it: '45 s', '6 h', '1 h 30 min', '2 d 4 h'."""
    parts, left = [], abs(seconds)
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)):
        if left >= size:
            parts.append(f"{left // size} {unit}")
            left %= size
    return ("-" if seconds < 0 else "") + (" ".join(parts) or "0 s")


def _either(o: Operation) -> str:
    return " or ".join(m for m, _ in o.on[:SHOWN]) + (" or others" if len(o.on) > SHOWN else "")


def _list(words: Collection[str]) -> str:
    shown = list(words)[:SHOWN]
    return ", ".join(shown) + (f" and {len(words) - SHOWN} more" if len(words) > SHOWN else "")


def _times(intervals: Collection[tuple[int, int]]) -> str:
    return _list([f"from {time(a)} to {time(b)}" for a, b in sorted(intervals)])


def _load(operations: Iterable[Operation]) -> str:
    """How many operations, and how long they take at least."""
    found = list(operations)
    seconds = sum(min(s for _, s in o.on) for o in found if o.on)
    return f"{len(found)} operation{'' if len(found) == 1 else 's'}, {time(seconds)} of work"
