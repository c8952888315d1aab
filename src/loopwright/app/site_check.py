"""What of a site file one key alone cannot show: names that must exist, values that must fit together."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from loopwright.app.site_tables import DAYS, LIMIT_KEYS
from loopwright.connect.wire import from_table
from loopwright.core import plug
from loopwright.core.errors import SiteError, UnknownName
from loopwright.govern.roles import STAFF

if TYPE_CHECKING:
    from loopwright.app.site import Machine, Site

MOST_ALARMS = 10_000  # false alarms a day that anybody would ask for


def check(site: Site, where: str) -> None:
    """Raises SiteError or UnknownName for the first thing that cannot be. where: the file's name."""
    _check_times(site, where)
    approvers = site["site"]["approvers"]
    if approvers and len(set(approvers)) < 2:
        raise SiteError(f"{where} [site] approvers", f"{approvers}", "two different names, or none")
    _check_rooms(site, where)
    _check_maintain(site, where)
    kinds = {kind.name for kind in site.all_kinds}
    seen: set[str] = set()
    for machine in site.machines:
        place = f"{where} machine {machine.id!r}"
        if machine.id in seen:
            raise SiteError(place, "stands twice", "a name of its own for each machine")
        seen.add(machine.id)
        if machine.kind not in kinds:
            raise UnknownName(f"kind of {place}", machine.kind, kinds)
        if machine.link:
            _check_link(machine, place)
        _check_limits(machine, site, place)
        if not machine.stale_after_s > 0:
            raise SiteError(f"{place} stale_after_s", f"is {machine.stale_after_s}", "seconds above 0")
        if not 1 <= machine.batch <= 10_000:
            raise SiteError(f"{place} batch", f"is {machine.batch}", "pieces at once, from 1 to 10,000")
        _check_plays(machine, place)


def _check_maintain(site: Site, where: str) -> None:
    costs = site["maintain"]
    for key in ("early", "late"):
        if not 0 <= costs[key] <= 1e12:
            raise SiteError(f"{where} [maintain] {key}", f"is {costs[key]}", "a cost from 0 to 1e12")
    if not 0 < costs["duration_s"] <= 366 * 86_400:
        raise SiteError(f"{where} [maintain] duration_s", f"is {costs['duration_s']}", "1 to 31,622,400 s")


def _check_times(site: Site, where: str) -> None:
    try:
        ZoneInfo(site.time_zone)
    except (ZoneInfoNotFoundError, ValueError):
        raise SiteError(f"{where} [site] time_zone", f"{site.time_zone!r} is no IANA time zone",
                        "for example 'Europe/Berlin' or 'UTC'") from None
    try:
        _ = site.origin_ns
    except ValueError as error:
        raise SiteError(f"{where} [assumed] origin", str(error), "2026-01-05T06:00:00+01:00") from None
    for day in site["shifts"]["days"]:
        if day not in DAYS:
            raise UnknownName(f"{where} [shifts] days", str(day), DAYS)


def _check_rooms(site: Site, where: str) -> None:
    """The tables that a module of their own knows; it is loaded only when there is such a table."""
    if site["edge"]["name"] or site["edge"]["centre"]:
        from loopwright.app import edge_site

        edge_site.check(site["edge"], f"{where} [edge]")
    if any(site["store"].values()):
        from loopwright.app import opening

        opening.check(site, f"{where} [store]")
    if site.keep:
        from loopwright.app.keep import rules

        rules(site)
    from loopwright.app import resources

    resources.check(site, where)
    from loopwright.app import learning

    learning.check(site, where)
    _check_watch(site, f"{where} [watch]")


def _check_watch(site: Site, where: str) -> None:
    """The life of alarms, and how often detectors may be wrong."""
    table = site["watch"]
    kinds = {machine.kind for machine in site.machines}
    rates = table["false_alarms_per_day"]
    for kind in rates if isinstance(rates, dict) else ():
        if kind not in kinds:
            raise UnknownName(f"kind of {where} false_alarms_per_day", kind, kinds)
    for rate in rates.values() if isinstance(rates, dict) else (rates,):
        if isinstance(rate, bool) or not isinstance(rate, (int, float)) or not 0 <= rate <= MOST_ALARMS:
            raise SiteError(f"{where} false_alarms_per_day", f"{rate!r}", f"a number from 0 to {MOST_ALARMS}")
    for key, low, high in (("step_s", 0.01, 3600), ("escalate_min", 0, 525_600), ("stale_h", 0, 8760),
                           ("operators", 1, 1000)):
        if not low <= table[key] <= high:
            raise SiteError(f"{where} {key}", f"{table[key]}", f"{low} to {high}")
    for role in table["escalate_to"]:
        if role not in STAFF:
            raise UnknownName(f"role of {where} escalate_to", str(role), STAFF)
    for word in table["suppress_states"]:
        if not isinstance(word, str):
            raise SiteError(f"{where} suppress_states", f"{word!r}", "words of the signal machine.state")


def _check_plays(machine: Machine, place: str) -> None:
    if machine.plays and machine.plays.get("source") not in ("twin", "recording"):
        raise SiteError(f"{place} plays", f"source is {machine.plays.get('source')!r}", "'twin' or 'recording'")
    outside = machine.plays.get("outside", False)
    if outside not in (False, True) or (outside and not (machine.link and machine.plays["source"] == "recording")):
        raise SiteError(f"{place} plays", f"outside is {outside!r}", "true, for a recording over a link")
    pace = machine.plays.get("pace", 0)
    if not isinstance(pace, (int, float)) or isinstance(pace, bool) or not pace >= 0:
        raise SiteError(f"{place} plays", f"pace is {pace!r}",
                        "seconds of its time in one second; 0: as fast as it goes")


def _check_limits(machine: Machine, site: Site, place: str) -> None:
    from loopwright.app.site import limit_of

    kind = next(kind for kind in site.all_kinds if kind.name == machine.kind)
    for limit in machine.limits:
        for key in limit:
            if key not in LIMIT_KEYS:
                raise UnknownName(f"key of {place} limits", key, LIMIT_KEYS)
        if "name" not in limit or "signal" not in limit:
            raise SiteError(f"{place} limits", f"{dict(limit)} lacks name or signal", ", ".join(LIMIT_KEYS))
        limit_of(limit, machine.id, kind.signal(str(limit["signal"])).unit)


def _check_link(machine: Machine, place: str) -> None:
    if not machine.protocol:
        raise SiteError(f"{place} link", "has no protocol", ", ".join(sorted(plug.find("connect"))))
    settings = {key: value for key, value in machine.link.items() if key != "protocol"}
    wanted = plug.load("connect", machine.protocol).Settings
    from_table(wanted, settings, f"{place} link")
    if machine.played_here and "port" not in {field.name for field in fields(wanted)}:
        raise SiteError(f"{place} plays", f"cannot be played over {machine.protocol}", "mqtt, mtconnect, opcua")
