"""Keeping a plant: backup, restore, rehearsal, retention and export, as the command line and the API ask for them."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

from loopwright.app.site import Site, site_of
from loopwright.core.clock import NS_PER_S, RealClock
from loopwright.core.errors import InputError, LinkError, LoopwrightError, PlantBusy, SiteError, UnknownName
from loopwright.core.moments import moment_ns

if TYPE_CHECKING:
    from loopwright.app.plant import Plant
    from loopwright.store import Store
    from loopwright.store.retain import Keep

DAY_NS = 86_400 * NS_PER_S
REST_S = 60.0  # after the start, and after a run that failed
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class _User:
    name: str
    role: str
    person: str = ""


def backup_plant(path: Path, dest: Path, keep: int, progress: Progress) -> dict[str, Any]:
    """Adds a generation to the backups in `dest`, with the site file; without the long list of its files."""
    from loopwright.app.opening import events_url
    from loopwright.store.backup import backup

    site = site_of(path)
    beside = {site.file.name: site.file} if site.file else {}
    found = backup(site.folder, dest, events_url=events_url(site), keep=keep, progress=progress, beside=beside)
    return {**{name: value for name, value in found.items() if name != "files"}, "folder": str(dest)}


def restore_plant(
    backup: Path, target: Path | None, generation: int | None, verify_only: bool, progress: Progress,
    path: Path | None = None,
) -> dict[str, Any]:
    """Restores a generation, or only says whether it could be. path: a site file that says where it is to stand."""
    from loopwright.app.opening import events_url, points_of
    from loopwright.store.restore import restore, verify

    if verify_only:
        return verify(backup, generation=generation, progress=progress)
    if path is not None:
        site = site_of(path)
        if target is not None:
            raise InputError("restore", f"{target} and a site, which names its folder {site.folder}", "one of them")
        where = {"events_url": events_url(site), **points_of(site)}
        return restore(backup, site.folder, generation=generation, progress=progress, **where)
    if target is None:
        raise InputError("restore", "no folder is named", "a new folder, --site SITE.toml, or --verify-only")
    return restore(backup, target, generation=generation, progress=progress)


def rehearse_plant(path: Path, backup: Path | None, keep: bool, progress: Progress) -> dict[str, Any]:
    """What opening the plant with this version would do, tried on a copy."""
    from loopwright.app.opening import events_url
    from loopwright.store.rehearse import rehearse

    site = site_of(path)
    url = "" if backup else events_url(site)
    return rehearse(site.folder, backup=backup, keep=keep, events_url=url, progress=progress)


def rules(site: Site) -> list[Keep]:
    """The [[keep]] lines of a site. SiteError for one that makes no sense."""
    from loopwright.store.retain import Keep

    found = []
    for number, row in enumerate(site.keep, 1):
        place = f"{site.file or site.folder} [[keep]] number {number}"
        for name in ("signals", "things"):
            if not row[name] or not all(isinstance(one, str) for one in row[name]):
                raise SiteError(f"{place} {name}", f"is {row[name]!r}", "a list of names or patterns, ['*'] for all")
        try:
            found.append(Keep(**{**row, "signals": tuple(row["signals"]), "things": tuple(row["things"])}))
        except InputError as error:
            raise SiteError(place, error.given, error.allowed) from None
    return found


def _lines_of(site: Site) -> list[Keep]:
    if not (lines := rules(site)):
        where = str(site.file or site.folder)
        raise InputError(where, "it has no [[keep]] lines, so everything is kept", "[[keep]] in the site file",
                         "see docs/how-to/retention-and-export.md")
    return lines


def retain_in(
    store: Store, site: Site, now_ns: int, *, dry_run: bool = False, actor: str = "retention",
    stop: Callable[[], bool] = lambda: False,
) -> dict[str, Any]:
    """Removes what the site's lines say, in a store that is open. InputError when the site has no lines."""
    from loopwright.store.retain import retain

    return retain(store, _lines_of(site), now_ns, dry_run=dry_run, actor=actor, stop=stop)


async def daily(plant: Plant) -> None:
    """Removes once a day what is older than the site's [[keep]] lines say, for as long as the plant runs."""
    from loopwright.store.retain import last_ns

    while rules(plant.site):
        due_s = (last_ns(plant.store) + DAY_NS - plant.clock.now_ns()) / NS_PER_S
        await plant.clock.sleep(max(REST_S, due_s))
        ended = threading.Event()
        try:
            now_ns = plant.clock.now_ns()
            done = partial(retain_in, plant.store, plant.site, now_ns, actor=plant.actor, stop=ended.is_set)
            told = await asyncio.to_thread(done)
            if told["rows"]:
                print(f"keep: {retained_in_words(told)}", file=sys.stderr, flush=True)
        except LoopwrightError as error:
            print(f"keep: {error}", file=sys.stderr, flush=True)
        finally:
            ended.set()
    await asyncio.Event().wait()


def retain_plant(path: Path, dry_run: bool) -> dict[str, Any]:
    """Removes what is too old, or says what would go; through the process that writes the plant, where one does."""
    from loopwright.app.opening import open_site
    from loopwright.app.plant import open_plant

    site, now_ns = site_of(path), RealClock().now_ns()
    _lines_of(site)
    if dry_run:
        with open_site(site, read_only=True) as store:
            return retain_in(store, site, now_ns, dry_run=True)
    try:
        with open_plant(site, actor="retention") as plant:
            return retain_in(plant.store, site, plant.clock.now_ns())
    except PlantBusy as busy:
        return _asked_there(site, busy)


def _asked_there(site: Site, busy: PlantBusy) -> dict[str, Any]:
    from loopwright.app.remote import TOKEN_ENV, base_of

    url = f"{base_of(site, busy)}/retain"
    token = os.environ.get(TOKEN_ENV, "")
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        answer = httpx.post(url, params={"dry_run": "false"}, headers=headers, timeout=3600.0)
    except httpx.HTTPError as error:
        said = f"the process that writes this plant does not answer ({error})"
        raise LinkError(url, said, "", "end it, or try again") from None
    told: dict[str, Any] = answer.json()
    if answer.is_error:
        raise InputError(told.get("where", url), told.get("given", answer.text), told.get("allowed", ""))
    return told


def export_plant(
    path: Path, dest: Path, asked: Mapping[str, Any], by: str, why: str, progress: Progress
) -> dict[str, Any]:
    """Writes a plant as plain files. `asked`: what store.export takes. People need `by`, a user who may, and `why`."""
    from loopwright.app.opening import open_site
    from loopwright.app.plant import open_plant
    from loopwright.govern import access
    from loopwright.govern.roles import EVERYONE
    from loopwright.store.export import export

    site = site_of(path)
    if "people" not in asked["what"]:
        with open_site(site, read_only=True) as store:
            return {"folder": str(dest), **export(store, dest, **asked, progress=progress)}
    with open_plant(site, actor=by or "export") as plant:
        users = plant.store.people.users()
        if users and by not in users:
            raise UnknownName("user", by, users)
        user = _User(by, users[by].role, users[by].person) if users else _User(by, EVERYONE)
        access.may(user, "people.export")
        return {"folder": str(dest), **export(plant.store, dest, **asked, progress=progress, by=by, why=why)}


def size(count: float) -> str:
    """Bytes as people say them."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def backed_up_in_words(told: Mapping[str, Any]) -> str:
    """What `loopwright backup` prints."""
    lines = [
        f"generation {told['generation']} in {told['folder']}: {told['samples']:,} samples, "
        f"{told['events']['count']:,} events, {size(told['bytes'])}, of which {size(told['copied']['bytes'])} are new",
    ]
    for name, why in (("generations", "too many"), ("erased", "they held what has been erased since")):
        if gone := told["removed"][name]:
            lines.append(f"removed: generation {', '.join(map(str, gone))} ({why})")
    if told["events"]["broken_at"] is not None:
        lines.append(f"the chain of events is broken: {told['events']['why']}; it was copied as it is")
    return "\n".join(lines)


def restored_in_words(told: Mapping[str, Any]) -> str:
    """What `loopwright restore` prints."""
    if told["broken"]:
        more = "\n".join(f"- {line}" for line in told["broken"])
        return f"generation {told['generation']} is broken:\n{more}"
    verb = f"restored into {told['folder']}" if told["folder"] else f"generation {told['generation']} is whole"
    says = f"{verb}: {told['samples']:,} samples, {told['events']:,} events, nothing missing (as of {told['made']})"
    if told["unbalanced"]:
        says += f"\naccounts that did not add up in the plant either: {', '.join(told['unbalanced'])}"
    if told["chain"]:
        says += f"\nthe chain of events was broken in the plant already: {told['chain']}"
    return says


def rehearsed_in_words(told: Mapping[str, Any]) -> str:
    """What `loopwright rehearse` prints."""
    lines = [f"opened in {told['seconds']:.1f} s: {told['samples']:,} samples, {told['after']['events']:,} events"]
    lines += [f"- {line}" for line in told["changed"]] or ["- nothing changes"]
    lines.append(f"{told['sampled']:,} sampled rows are what they were" if not told["broken"] else "it would break:")
    lines += [f"- {line}" for line in told["broken"]]
    if told["folder"]:
        lines.append(f"the copy is in {told['folder']}")
    return "\n".join(lines)


def retained_in_words(told: Mapping[str, Any]) -> str:
    """What `loopwright retain` prints."""
    verb = "would go" if told["dry_run"] else "went"
    lines = [f"{told['rows']:,} rows ({told['samples']:,} samples, {size(told['bytes'])}) {verb}"]
    lines += [
        f"- {row['class']}: {row['rows']:,} rows of {row['table']}, {size(row['bytes'])}" for row in told["classes"]
    ]
    lines.append(f"{told['kept']:,} ranges stay because something still stands on them")
    return "\n".join(lines)


def exported_in_words(told: Mapping[str, Any]) -> str:
    """What `loopwright export` prints."""
    rows = ", ".join(f"{n:,} {name}" for name, n in told["rows"].items()) or "nothing"
    return f"{rows}: {size(told['bytes'])} in {told['folder']}, as of {told['known_by']}; README.md there says the rest"


def chosen(
    form: str, things: Sequence[str], signals: Sequence[str], start: str, end: str, what: str
) -> dict[str, Any]:
    """The options of `loopwright export` as store.export takes them."""
    return {
        "form": form, "things": list(things) or None, "signals": list(signals) or None,
        "start_ns": moment_ns(start, "--from"),
        "end_ns": moment_ns(end, "--to"), "what": [one.strip() for one in what.split(",") if one.strip()],
    }
