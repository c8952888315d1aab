"""`loopwright alarms`: which there are, what people do with them, and how much they ask of people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from loopwright.app.options import Json, SitePath, out

Alarm = Annotated[str, typer.Argument(help="its id, '<thing>/<condition>', or a thing: all alarms of it")]
Author = Annotated[str, typer.Option(help="who does it (default: your account; over the API the user)")]
Why = Annotated[str, typer.Option(help="the reason, in a sentence")]
alarms = typer.Typer(help="Alarms: which stand, what is done, what they ask of people.",
                     no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Puts the commands on the app."""
    app.add_typer(alarms, name="alarms")


@alarms.command("list")
def list_(
    site: SitePath,
    every: Annotated[bool, typer.Option("--all", help="those that are over too")] = False,
    state: Annotated[str, typer.Option(help="only in this state: unacknowledged, acknowledged, returned, shelved, "
                                            "suppressed, 'out of service', normal")] = "",
    role: Annotated[str, typer.Option(help="only those that this role is to look at")] = "",
    as_json: Json = False,
) -> None:
    """Alarms by the states of ISA-18.2. Those that need a person first, and what is hidden."""
    from loopwright.app.alarming import run_list

    out(run_list(site, every, state, role), as_json, _list_in_words)


@alarms.command()
def ack(alarm: Alarm, site: SitePath, author: Author = "", as_json: Json = False) -> None:
    """Says that somebody has seen an alarm."""
    _act(site, author, "ack", alarm, {}, as_json)


@alarms.command()
def judge(
    alarm: Alarm, site: SitePath,
    verdict: Annotated[str, typer.Option(help="what it was: true, false, unknown")],
    why: Why = "", author: Author = "", as_json: Json = False,
) -> None:
    """Says what an alarm was. A true one is given back to the budget of false alarms; until somebody says so, every
    alarm counts as false."""
    _act(site, author, "judge", alarm, {"verdict": verdict, "why": why}, as_json)


@alarms.command()
def shelve(
    alarm: Alarm, site: SitePath,
    until: Annotated[str, typer.Option(help="a moment, or a length of time: 2h, 30min, 1d")],
    why: Why, author: Author = "", as_json: Json = False,
) -> None:
    """Hides an alarm until a time, with a reason. Then it comes back by itself."""
    _act(site, author, "shelve", alarm, {"until": until, "why": why}, as_json)


@alarms.command()
def unshelve(alarm: Alarm, site: SitePath, why: Why = "", author: Author = "", as_json: Json = False) -> None:
    """Shows a shelved alarm again."""
    _act(site, author, "unshelve", alarm, {"why": why}, as_json)


@alarms.command()
def suppress(alarm: Alarm, site: SitePath, why: Why, author: Author = "", as_json: Json = False) -> None:
    """Takes an alarm out of service, with a reason. `restore` puts it back.

    Suppression by design needs no command: [watch] suppress_states and suppress_down of the site file.
    """
    _act(site, author, "suppress", alarm, {"why": why}, as_json)


@alarms.command()
def restore(alarm: Alarm, site: SitePath, why: Why = "", author: Author = "", as_json: Json = False) -> None:
    """Puts an alarm back in service."""
    _act(site, author, "restore", alarm, {"why": why}, as_json)


@alarms.command()
def judged(
    site: SitePath, thing: Annotated[str, typer.Option(help="only of this machine")] = "", as_json: Json = False,
) -> None:
    """Which signals the detectors judge. Of those that they do not yet: why, and how many values they need."""
    from loopwright.app.alarming import run_judged

    out(run_judged(site, thing), as_json, _judged_in_words)


@alarms.command()
def figures(
    site: SitePath,
    days: Annotated[float, typer.Option(help="how many days back")] = 30.0,
    as_json: Json = False,
) -> None:
    """What alarms asked of people, beside ISA-18.2 and EEMUA 191. Rates, floods, the most frequent,
    chattering, fleeting and stale ones."""
    from loopwright.app.alarming import run_figures
    from loopwright.core.clock import RealClock

    out(run_figures(site, days, RealClock().now_ns()), as_json, _figures_in_words)


def _act(site: Any, author: str, what: str, alarm: str, asked: dict[str, Any], as_json: bool) -> None:
    from loopwright.app.alarming import run_act

    out(run_act(site, author, what, alarm, asked), as_json, lambda done: str(done["says"]))


def _judged_in_words(found: Mapping[str, Any]) -> str:
    lines = []
    for one in found["kinds"]:
        lines.append(f"{one['things']} of kind {one['kind']}: {one['judged']:.0%} of what they say is judged "
                     f"after {one['watched_s'] / 3600:.2f} h")
        lines += [f"  {row['thing']:<16}{row['signal']:<28}{row['known']}, {_needs(row)}" for row in one["waiting"]]
    return "\n".join(lines) or "no detector has listened yet"


def _needs(row: Mapping[str, Any]) -> str:
    if row["known"] == "never moved":
        return "needs a value that differs"
    return f"needs {row['rows']} values more" if row["rows"] else f"{row['own']} values more for points of its own"


def _list_in_words(found: Mapping[str, Any]) -> str:
    from loopwright.core.clock import iso

    lines = []
    for row in found["alarms"]:
        role = f", for the {row['role']}" if row["role"] not in ("", "operator") else ""
        lines += [f"{row['state']:<16}{row['priority']:<8}{row['id']}  (since {iso(row['since_ns'])}{role})",
                  f"{'':<24}{row['says']}"]
        if row["verdict"]:
            lines.append(f"{'':<24}{row['judged_by']} says that it was {row['verdict']}")
        if row["hidden"]:
            lines.append(f"{'':<24}{_why(row['hidden'])}")
    lines = lines or ["no alarms"]
    if found["hidden"]:
        lines += ["", "hidden:"]
        lines += [f"{row['state']:<16}{row['thing']}/{row['condition']}: {_why(row)}" for row in found["hidden"]]
    return "\n".join(lines)


def _why(row: Mapping[str, Any]) -> str:
    from loopwright.core.clock import iso

    until = f" until {iso(row['until_ns'])}" if row["until_ns"] else ""
    return f"by {row['by']}{until}: {row['why']}"


def _figures_in_words(found: Mapping[str, Any]) -> str:
    days = (found["end_ns"] - found["start_ns"]) / 86_400e9
    lines = [f"{found['alarms']} alarms in {days:g} days, for {found['operators']} operator(s)", "",
             f"{'figure':<62}{'value':>10}{'acceptable':>12}{'at most':>10}  verdict"]
    for one in found["verdicts"].values():
        numbers = "".join(f"{_number(one[key]):>{width}}" for key, width in
                          (("value", 10), ("acceptable", 12), ("manageable", 10)))
        lines.append(f"{one['says']:<62}{numbers}  {one['verdict']}")
    for title, rows in (("most frequent", found["most_frequent"]), ("chattering", found["chattering_alarms"]),
                        ("fleeting", found["fleeting_alarms"])):
        if rows:
            lines += ["", f"{title}:", *(f"  {row['alarm']:<40}{row['times']:>6} times{row['share']:>8.0%}"
                                         for row in rows)]
    for one in found["detectors"]:
        lines += ["", f"detectors of {one['things']} {one['kind']}: {one['judged']:.0%} of their signals are judged, "
                      f"{one['raised']} alarms in {one['watched_s'] / 3600:.1f} h of watching "
                      f"({one['per_day']:g} a day allowed), {one.get('confirmed', 0)} of them called true"]
        if one.get("waiting"):
            lines.append(f"  {len(one['waiting'])} signals learn still: loopwright alarms judged")
    if found["stale_alarms"]:
        lines += ["", "stale:", *(f"  {row['id']} for {row['stands_s'] / 3600:.0f} h" for row in found["stale_alarms"])]
    return "\n".join(lines)


def _number(value: float) -> str:
    return f"{value:.3g}"
