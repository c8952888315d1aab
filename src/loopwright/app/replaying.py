"""A log read, looked at, and its last weeks planned again: what `loopwright replay` tells.

    document = replayed(Asked(log=Path("log.csv")), say)
    print(in_words(document))
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from loopwright.core.clock import NS_PER_S
from loopwright.core.errors import InputError
from loopwright.make.past import attendance, durations
from loopwright.make.past.due import due_dates
from loopwright.make.past.floor import by, first_in
from loopwright.make.past.replay import Assumed, Planning, World, by_plan, by_rule, world_of
from loopwright.make.past.replayed import compared, drawing
from loopwright.make.past.work_log import EVENT, Work, from_event, known_by, overlaps

OPTIMISTIC = (
    "everybody does what the plan says, and a piece takes as long by whoever does it",
    "what the log does not show is no hindrance: machines, tools, material, work outside the house (--waits long keeps "
    "the long waits)",
    "routes and lots are known from an order's first work on, rework when it can begin",
    "people are there when they really were, which was when there was work for them: as it was has an advantage",
)


@dataclass(frozen=True)
class Asked:
    """What is to be replayed, and how; see `app.commands_replay`."""

    log: Path | None = None
    site: Path | None = None
    begin: str = ""
    zone: str = ""
    columns: Mapping[str, str] = field(default_factory=dict)
    who: str = "skilled"
    there: str = "seen"
    waits: str = "none"
    due: str = "same"
    tight: float = 1.0
    every_h: float = 24.0
    seconds: float = 1.0
    seed: int = 0
    svg: Path | None = None

    def __post_init__(self) -> None:
        if (self.log is None) == (self.site is None):
            raise InputError("replay", "what to replay is not clear", "one of LOG and --site SITE")
        limits = (("--every-hours", self.every_h, 0.25, 8760.0), ("--seconds", self.seconds, 0.0, 3600.0))
        for name, value, least, most in limits:
            if not least <= value <= most:
                raise InputError(name, f"{value:g}", f"{least:g} to {most:g}")


def mapping(pairs: Sequence[str]) -> dict[str, str]:
    """['machine=Anlage'] -> {'machine': 'Anlage'}; InputError for what is no such pair."""
    found = {}
    for pair in pairs:
        word, equals, name = pair.partition("=")
        if not equals or not name.strip():
            raise InputError("--column", repr(pair), "our word = the file's column: machine=Anlage")
        found[word.strip()] = name.strip()
    return found


def replayed(asked: Asked, say: Callable[[str], None]) -> dict[str, Any]:
    """Everything that the command tells, as plain data; says on the way what is being worked at."""
    works, told, zone = _works(asked)
    start_ns = _start(asked, works, zone)
    world = world_of(works, start_ns, Assumed(zone, asked.who, there=asked.there, waits=asked.waits))
    due_ns = due_dates(works, start_ns, asked.due, asked.tight)
    ways = {"as it was": {order: world.real_ns[order][1] for order in world.orders},
            "first in, first out": by_rule(world, first_in),
            "earliest due date": by_rule(world, by(lambda piece: due_ns[piece.key[0]]))}
    plans = {}
    for name, mend in (("planned", False), ("repaired", True)):
        say(f"{name}: planning every {asked.every_h:g} h from {_day(start_ns, zone)} on ...")
        how = Planning(due_ns, asked.every_h * 3600, repair=mend, seconds=asked.seconds, iterations=None,
                       seed=asked.seed)
        run = by_plan(world, how)
        ways[name] = run.ends_ns
        plans[name] = {"plans": run.plans, "largest": run.largest, "took_s": sum(run.took_s),
                       "solvers": sorted(run.solvers), "kept": sum(run.kept) / len(run.kept) if run.kept else None}
    if asked.svg:
        from loopwright.app.plan_file import write

        write(asked.svg, drawing(world, ways["as it was"], ways["planned"]))
        say(f"drawn in {asked.svg}")
    return {
        "log": told, "zone": zone, "from_ns": start_ns, "from": _day(start_ns, zone), "orders": len(world.orders),
        "at_once": _overlap(works), "shifts": _shifts(world), "durations": _durations(works, start_ns),
        "due": {"rule": asked.due, "tight": asked.tight}, "assumed": asdict(world.assumed), "plans": plans,
        "ways": [asdict(way) for way in compared(world, ways, due_ns, asked.seed)], "optimistic": list(OPTIMISTIC)}


def _works(asked: Asked) -> tuple[list[Work], dict[str, Any], str]:
    """(rows, what became of the file's rows, time zone)."""
    if asked.log is not None:
        from loopwright.packs.shop_floor.event_log import read_log

        zone = asked.zone or "UTC"
        log = read_log(asked.log, zone, asked.columns)
        if not log.works:
            first = "; ".join(f"line {line}, {what} {value!r}: {rule}" for line, what, value, rule in log.refused[:3])
            raise InputError(str(asked.log), f"none of {log.rows:,} rows can be used: {first}", "rows of work")
        told = {"rows": log.rows, "taken": len(log.works), "repeats": len(log.repeats), "refused": log.reasons,
                "first_refused": [list(row) for row in log.refused[:5]], "columns": dict(log.columns),
                "assumed": dict(log.assumed)}
        return list(log.works), told, zone
    from loopwright.app.opening import open_site, there
    from loopwright.app.site import site_of

    assert asked.site is not None
    if asked.columns:
        raise InputError("--column", "together with --site", "a LOG", "map the columns when you import it")
    site = site_of(asked.site)
    there(site)
    with open_site(site, read_only=True) as store:
        works = [from_event(event) for event in store.recall(kind=EVENT)]
    return works, {"rows": len(works), "taken": len(works), "repeats": 0, "refused": {}}, asked.zone or site.time_zone


def _start(asked: Asked, works: Sequence[Work], zone: str) -> int:
    """The first moment that is planned again: a midnight of the zone."""
    if not works:
        raise InputError("replay", "there is no work in it", "a log of some weeks")
    local = ZoneInfo(zone)
    if asked.begin:
        try:
            day = datetime.fromisoformat(asked.begin).date()
        except ValueError:
            raise InputError("--from", repr(asked.begin), "a day: '2025-03-03'") from None
    else:
        ends = sorted(work.end_ns for work in works)
        day = datetime.fromtimestamp(ends[len(ends) * 2 // 3] // NS_PER_S, UTC).astimezone(local).date() + timedelta(1)
    return int(datetime(day.year, day.month, day.day, tzinfo=local).timestamp()) * NS_PER_S


def _day(t_ns: int, zone: str) -> str:
    return str(datetime.fromtimestamp(t_ns // NS_PER_S, UTC).astimezone(ZoneInfo(zone)).date())


def _overlap(works: Sequence[Work]) -> dict[str, Any]:
    """How much of the recorded time lies over other time of the same resource."""
    found = overlaps(works)
    recorded_s, busy_s = sum(o.recorded_s for o in found), sum(o.busy_s for o in found)
    return {"resources": len(found), "recorded_h": recorded_s / 3600, "busy_h": busy_s / 3600,
            "part": 1 - busy_s / recorded_s if recorded_s else 0.0, "most": max(o.most for o in found),
            "several": sum(o.most > 1 for o in found)}


def _shifts(world: World) -> dict[str, Any]:
    """What the usual weeks are, and how well they told of the weeks that followed."""
    end_ns = max(work.end_ns for work in world.works)
    judged = attendance.judge(world.works, world.week, world.start_ns, end_ns, world.assumed.bridge_s)
    return {"rota_weeks": world.week.rota, "again": dict(world.week.again), "hit": judged.hit, "right": judged.right,
            "hours_a_week": {name: len(hours) / world.week.rota for name, hours in world.week.hours.items()},
            "skills": {name: dict(seen) for name, seen in
                       attendance.skills(known_by(world.works, world.start_ns)).items()}}


def _durations(works: Sequence[Work], start_ns: int) -> list[dict[str, Any]]:
    return [{"by": judged.name, "rows": len(judged.y), "loss_min": judged.loss_s / 60, "inside": judged.inside}
            for judged in durations.judge(works, start_ns)]


def in_words(found: Mapping[str, Any]) -> str:
    """What the command prints."""
    log, once, shifts = found["log"], found["at_once"], found["shifts"]
    refused = "".join(f"; {n:,} refused: {why}" for why, n in log["refused"].items())
    lines = [f"log       {log['rows']:,} rows: {log['taken']:,} taken, {log['repeats']:,} repeats{refused}"]
    bad = [row for row in log.get("first_refused", ()) if not row[3].startswith("marks")]
    lines += [f"          line {line}, {what} {value!r}: {rule}" for line, what, value, rule in bad]
    lines += [f"assumed   {name}: {value}" for name, value in log.get("assumed", {}).items()]
    lines += [f"at once   {once['part']:.1%} of {once['recorded_h']:,.0f} recorded hours lie over others of the same "
              f"resource (up to {once['most']} at once; {once['several']} of {once['resources']} resources)",
              f"shifts    a rota of {shifts['rota_weeks']} weeks; of later hours {shifts['hit']:.0%} were expected, "
              f"of those expected {shifts['right']:.0%} came",
              "durations on later weeks, from what was known before each (loss at 10, 50, 90 %; inside 10 to 90 %):"]
    lines += [f"          {d['by']:<20} {d['loss_min']:8.1f} min {d['inside']:7.1%}" for d in found["durations"]]
    lines += [f"replay    from {found['from']}, {found['orders']} orders; due dates by rule '{found['due']['rule']}' "
              f"times {found['due']['tight']:g}, assumed",
              f"          {'':<20} {'flow days':>9} {'median':>7} {'beside':>7} {'95 % interval':>17} {'late':>6} "
              f"{'days':>6}"]
    lines += [f"          {w['name']:<20} {w['flow_d']:9.2f} {w['median_d']:7.2f} {w['beside_d']:+7.2f} "
              f"{w['low_d']:+8.2f} {w['high_d']:+8.2f} {w['late']:6.0%} {w['late_d']:6.2f}" for w in found["ways"]]
    lines += [f"{name:<9} {p['plans']} times, up to {p['largest']} operations, {p['took_s']:.0f} s, by "
              f"{'; '.join(p['solvers'])}" + (f", kept {p['kept']:.0%}" if p["kept"] is not None else "")
              for name, p in found["plans"].items()]
    return "\n".join([*lines, "not a promise; it assumes that:",
                      *(f"- {reason}" for reason in found["optimistic"])])
