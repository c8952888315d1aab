"""Corrections as people make them: from the command line, over the API and on the console, in the same words."""

from __future__ import annotations

import getpass
import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loopwright.core.clock import iso
from loopwright.core.errors import InputError, LinkError, PlantBusy
from loopwright.core.moments import moment_ns
from loopwright.core.types import BAD, DOUBTFUL

if TYPE_CHECKING:
    from loopwright.app.site import Site
    from loopwright.store import Store
    from loopwright.store.correct import Correction, Version

_MS = 1_000_000
_QUALITY = {DOUBTFUL: " (doubtful)", BAD: " (bad)"}
_DID = {
    "set": "set to {by}", "add": "changed by {by:+g}", "scale": "multiplied by {by:g}", "bad": "marked bad",
    "good": "marked good", "gap": "taken out", "reset": "counted on over a reset", "undo": "taken back",
}


def correct_in(store: Store, author: str, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Corrects as asked: {thing, signal, start, end, how, by, reason, dry_run}, times as text; what came of it."""
    from loopwright.store.correct import correct

    start_ns, end_ns = moment_ns(asked.get("start"), "--from"), moment_ns(asked.get("end"), "--to")
    return as_data(correct(
        store, asked["thing"], asked["signal"], start_ns, end_ns, asked["how"], author, asked.get("reason") or "",
        by=None if asked.get("by") == "" else asked.get("by"), dry_run=bool(asked.get("dry_run"))))


def undo_in(store: Store, author: str, event: str, reason: str) -> dict[str, Any]:
    """Takes a correction back; what came of it."""
    from loopwright.store.correct import undo

    return as_data(undo(store, event, author, reason))


def list_in(store: Store, thing: str = "", limit: int = 100) -> list[dict[str, Any]]:
    """Corrections, newest first."""
    from loopwright.store.correct import corrections

    return [as_data(one) for one in corrections(store, thing or None, limit)]


def history_in(store: Store, thing: str, signal: str, at: str) -> list[dict[str, Any]]:
    """Every version of a value at a time; where none is, of all values in the millisecond that begins there."""
    from loopwright.store.correct import history

    t_ns = moment_ns(at, "AT")
    if t_ns is None:
        raise InputError("AT", "no time", "2026-11-21T20:17:50Z, or nanoseconds UTC")
    found = history(store, thing, signal, t_ns)
    if not found and t_ns % _MS == 0:  # times are shown to the millisecond: all that would be shown as this one
        table = store.get(things=thing, signals=[signal], start_ns=t_ns, end_ns=t_ns + _MS)
        times = sorted(set(table.column("t_ns").to_pylist()))
        found = [one for at_ns in times for one in history(store, thing, signal, at_ns)]
    return [{**asdict(one), "says": _version(one, t_ns)} for one in found]


def as_data(one: Correction) -> dict[str, Any]:
    """A correction as plain data, with a sentence about it."""
    return {**asdict(one), "says": says(one)}


def says(one: Correction) -> str:
    """What a correction did, in a sentence."""
    did = _DID.get(one.how, one.how)
    did = did.format(by=one.by) if isinstance(one.by, (int, float)) else did.partition(" {")[0]
    span = " to ".join("open" if t is None else iso(t) for t in (one.start_ns, one.end_ns))
    where = f"{one.thing} {one.signal}".strip() + ("" if (one.start_ns, one.end_ns) == (None, None) else f", {span}")
    many = f"{one.samples:,} value{'' if one.samples == 1 else 's'}"
    if one.state == "dry run":
        return f"{many} would be {did}: {where}."
    text = f"{many} {did}: {where}."
    if one.kept:
        text += f" {one.kept:,} stay as a later correction left them; take that one back first."
    return text + (" Partly done: the next correction goes on with it." if one.state == "partly done" else "")


def told(one: Mapping[str, Any]) -> str:
    """The answer of the command, with the first values before and after."""
    lines = [one["says"]]
    for shown in one["shown"]:
        before, after = (_value(shown[when], shown[f"quality_{when}"]) for when in ("before", "after"))
        lines.append(f"  {iso(shown['t_ns'])}  {before} -> {after}")
    if one["rows"] > len(one["shown"]) > 0:
        lines.append(f"  and {one['rows'] - len(one['shown']):,} more")
    if one["event"]:
        lines.append(f"Event {one['event']}; to take it back: loopwright undo --site SITE {one['event']} --reason ...")
    return "\n".join(lines)


def listed(rows: list[dict[str, Any]]) -> str:
    """Corrections in lines."""
    lines = []
    for row in rows:
        gone = f" [taken back by {row['undone_by']}]" if row["undone_by"] else ""
        lines.append(f"{row['event']}  {iso(row['known_ns'])}  {row['author']}: {row['says']} {row['reason']}{gone}")
    return "\n".join(lines) or "no corrections"


def versions(rows: list[dict[str, Any]]) -> str:
    """Versions of a value in lines."""
    none = "no value stands there, and none ever did; `correct --dry-run` shows the times of values"
    return "\n".join(row["says"] for row in rows) or none


def _version(one: Version, asked_ns: int) -> str:
    came = f"{one.author}: {one.reason} ({one.event})" if one.event else f"came by {one.source}"
    nth = f" n {one.n}" if one.n else ""
    mark = "*" if one.in_force else " "
    at = f" at {one.t_ns}" if one.t_ns != asked_ns else ""
    return f"{mark} {_value(one.value, one.quality)}{nth}{at}, known {iso(one.known_ns)}, {came}"


def _value(value: Any, quality: int) -> str:
    text = "gap" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
    return text + _QUALITY.get(quality, "")


def run_correct(path: Path, author: str, asked: dict[str, Any]) -> dict[str, Any]:
    """The command: on the plant of a site, or over the API of the process that writes it."""
    from loopwright.app.opening import open_site, there
    from loopwright.app.site import site_of

    site = site_of(path)
    there(site)
    if asked.get("dry_run"):
        with open_site(site, read_only=True) as store:
            return correct_in(store, author or me(), asked)
    try:
        with open_site(site) as store:
            done = correct_in(store, author or me(), asked)
            _follow(site, store)
            return done
    except PlantBusy as busy:
        return ask_there(site, busy, "/corrections", asked)


def run_undo(path: Path, author: str, event: str, reason: str) -> dict[str, Any]:
    """The command: on the plant of a site, or over the API of the process that writes it."""
    from loopwright.app.opening import open_site, there
    from loopwright.app.site import site_of

    site = site_of(path)
    there(site)
    try:
        with open_site(site) as store:
            done = undo_in(store, author or me(), event, reason)
            _follow(site, store)
            return done
    except PlantBusy as busy:
        return ask_there(site, busy, f"/corrections/{event}/undo", {"reason": reason})


def _follow(site: Site, store: Store) -> None:
    """Alarms, effectiveness and derived signals follow at once, as nobody else runs this plant."""
    from loopwright.app.following import follow
    from loopwright.app.plant import Plant
    from loopwright.core import plug
    from loopwright.core.clock import RealClock

    packs = {name: plug.load("packs", name).PACK for name in site["site"]["packs"]}
    follow(Plant(site, store, RealClock(), packs))


def ask_there(site: Site, busy: PlantBusy, path: str, body: dict[str, Any]) -> dict[str, Any]:
    """Sends it to the process that writes the plant, in the name of whose token LOOPWRIGHT_TOKEN holds."""
    import httpx

    from loopwright.app.remote import TOKEN_ENV, base_of

    url = base_of(site, busy) + path
    token = os.environ.get(TOKEN_ENV, "")
    try:
        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
        answer = httpx.post(url, content=json.dumps(body), headers=headers, timeout=600.0)  # inf: refused there, too
    except httpx.HTTPError as error:
        said = f"the process that writes this plant does not answer ({error})"
        raise LinkError(url, said, "", "end it, or try again") from None
    found: dict[str, Any] = answer.json()
    if answer.is_error:
        raise InputError(*(str(found.get(name, "")) for name in ("where", "given", "allowed", "todo")))
    return found


def me() -> str:
    """Who is at the keyboard, by the name of their account."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "somebody"
