"""Verified restore: every hash checked, the plant opened, its chain of events verified, its samples counted again.

The folder appears in one rename when all of that was found right; until then the work stands beside it, under a name
that begins with a dot, and a restore that was interrupted goes on there.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from loopwright.core.clock import Clock
from loopwright.core.errors import InputError, StoreError
from loopwright.core.types import Event
from loopwright.store import cellar, shared
from loopwright.store.backup import Progress, chosen, content, lay_out, quiet
from loopwright.store.place import durable
from loopwright.store.sql import listing
from loopwright.store.transfer import into

_CHUNK = 1 << 20
_SHOWN = 5  # broken things that a message names


def restore(
    backup: Path, target: Path, *, generation: int | None = None, events_url: str = "", points_url: str = "",
    storage_options: Mapping[str, str] | None = None, progress: Progress = quiet, actor: str = "restore",
    clock: Clock | None = None,
) -> dict[str, Any]:
    """Makes the plant of a generation (None: the newest) in the new or empty folder `target`, and says what is in it.

    events_url  an empty database that events and people are to stand in; '' is events.sqlite in the folder
    points_url  a prefix of an object store with nothing below it, which the points are to stand under; '' is the folder
    Recorded in the plant as event plant.restored. Raises InputError for a target that is not empty, StoreError naming
    everything that is broken; then there is no target.
    """
    backup, target = Path(backup).absolute(), Path(target).absolute()
    manifest = chosen(backup, generation)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise InputError(f"folder {target}", "it is not empty", "a new folder, or an empty one",
                         "a restore never replaces anything")
    if points_url:
        shared.require_empty(points_url, storage_options)
    half = target.with_name(f".{target.name}.restoring")
    checked = Checked(backup, manifest, progress)
    try:
        shutil.rmtree(half, ignore_errors=True)
        lay_out(backup, manifest, half, False, checked.place)
        broken = checked.broken or differing(manifest, said(half))
        if not broken and points_url:
            shared.move_out(half, points_url, storage_options)
            where = {"points_url": points_url, "storage_options": storage_options}
            broken = differing(manifest, said(half, **where))
            for name in ("points", "blocks"):
                shutil.rmtree(half / name)
        if not broken:
            _recorded(half, manifest, events_url, actor, clock)
            durable(sorted({path.parent for path in half.rglob("*")}))
            if target.is_dir():
                target.rmdir()
            half.replace(target)
            durable([target.parent])
    except OSError as error:
        raise StoreError(
            f"folder {target}", f"it cannot be restored ({error.strerror or error})",
            "a disk with room, that you may write", f"free it and run this again; {half} holds the half of it",
        ) from error
    if broken:
        shutil.rmtree(half, ignore_errors=True)
        raise _refused(backup, manifest, broken)
    return _report(manifest, str(target))


def _recorded(half: Path, manifest: Mapping[str, Any], events_url: str, actor: str, clock: Clock | None) -> None:
    """Puts the events where they are to stand, and says in the ledger that the plant was restored."""
    if events_url:
        into(events_url, half / "events.sqlite")
        for path in half.glob("events.sqlite*"):
            path.unlink()
    with cellar.open_store(half, clock, events_url=events_url) as store:
        body = {name: manifest[name] for name in ("generation", "made_ns")}
        body["head"] = manifest["events"]["head"]
        store.record([Event("plant.restored", manifest["plant"], store._clock.now_ns(), actor, body)])


def verify(backup: Path, *, generation: int | None = None, progress: Progress = quiet) -> dict[str, Any]:
    """Does all that a restore does, and leaves nothing. `broken` names what was found; empty when all is well."""
    backup = Path(backup).absolute()
    manifest = chosen(backup, generation)
    checked = Checked(backup, manifest, progress)
    with tempfile.TemporaryDirectory(prefix="loopwright-verify-") as folder:
        lay_out(backup, manifest, Path(folder) / "plant", True, checked.place)
        for entry in manifest["files"]:
            if entry["sha256"] not in checked.seen:
                checked.read(entry)
        broken = checked.broken or differing(manifest, said(Path(folder) / "plant"))
    return {**_report(manifest, ""), "broken": broken}


def said(plant: Path, **where: Any) -> dict[str, Any]:
    """What a copied plant says of itself: its accounts, its chain, how many rows its tables really hold."""
    with cellar.open_store(plant, **where) as store:
        hops = {name: hop.as_dict() for name, hop in store.hops().items()}
        chain = store.events.verify()
        rows = {}
        for name, table in store.tables.items():
            files = table.snapshot.place.local(table.snapshot.names)
            sql = f"SELECT count(*)::BIGINT AS n FROM read_parquet({listing(files)})"
            rows[name] = store._reader.run(sql, {}).column("n")[0].as_py() if files else 0
        refused = [hop["refused_by_reason"].get("erased", 0) for hop in hops.values()]
        return {
            "hops": hops, "counted": rows, "known_ns": store._known, "samples": hops["points"]["out"] + _waiting(hops),
            "events": {"count": chain.length, "head": chain.head, "broken_at": chain.broken_at, "why": chain.why},
            "erased": {"samples": sum(refused), "persons": len(store.recall(kind="person.erased"))},
        }


def differing(manifest: Mapping[str, Any], found: Mapping[str, Any]) -> list[str]:
    """What a restored plant says otherwise than its manifest, in words."""
    broken = []
    if found["events"] != manifest["events"]:
        if found["events"]["broken_at"] is not None:
            broken.append(f"the chain of events: {found['events']['why']}")
        broken.append(f"events: {found['events']['count']} with head {found['events']['head'][:12]}, "
                      f"{manifest['events']['count']} with head {manifest['events']['head'][:12]} were kept")
    for name, rows in manifest["counted"].items():
        if found["counted"].get(name) != rows:
            broken.append(f"table {name}: {found['counted'].get(name)} rows, {rows} were kept")
    for name, hop in manifest["hops"].items():
        now = found["hops"].get(name, {})
        if not now or any(now[word] != number for word, number in hop.items() if word in now and word != "word"):
            broken.append(f"hop {name}: {found['hops'].get(name)}, {hop} was kept")
    return broken


def unbalanced(hops: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Hops whose equation does not hold."""
    return [
        name for name, hop in hops.items() if hop["lost"] is not None
        and hop["in"] != hop["out"] + hop["duplicate"] + hop["refused"] + hop["waiting"] + hop["lost"]
    ]


class Checked:
    """Copies contents while hashing them; `broken` names those that are gone or changed."""

    def __init__(self, backup: Path, manifest: Mapping[str, Any], progress: Progress) -> None:
        self.backup, self.progress, self.done = backup, progress, 0
        self.total = sum(entry["bytes"] for entry in manifest["files"])
        self.broken: list[str] = []
        self.seen: set[str] = set()

    def read(self, entry: Mapping[str, Any], path: Path | None = None) -> None:
        """Reads one content through, writing it to `path` if asked."""
        digest = hashlib.sha256()
        self.seen.add(entry["sha256"])
        target = path.open("wb") if path else None
        try:
            with content(self.backup, entry["sha256"]).open("rb") as source:
                while chunk := source.read(_CHUNK):
                    digest.update(chunk)
                    if target:
                        target.write(chunk)
                    self.done += len(chunk)
                    self.progress(entry["path"], self.done, self.total)
        except FileNotFoundError:
            self.broken.append(f"{entry['path']}: its content {entry['sha256'][:12]} is gone")
            return
        finally:
            if target:
                target.close()
        if digest.hexdigest() != entry["sha256"]:
            self.broken.append(f"{entry['path']}: its content {entry['sha256'][:12]} was changed")

    def place(self, entry: Mapping[str, Any], path: Path) -> None:
        """Writes a content to `path`, durable."""
        self.read(entry, path)
        if path.exists():
            path.chmod(entry.get("mode", 0o644) | 0o200)
            durable([path])


def _refused(backup: Path, manifest: Mapping[str, Any], broken: list[str]) -> StoreError:
    more = f"; and {len(broken) - _SHOWN} more" if len(broken) > _SHOWN else ""
    said = f"generation {manifest['generation']} is broken: {'; '.join(broken[:_SHOWN])}{more}"
    return StoreError(f"backup {backup}", said, "", "restore another generation: --generation")


def _report(manifest: Mapping[str, Any], folder: str) -> dict[str, Any]:
    return {
        "folder": folder, **{name: manifest[name] for name in ("generation", "made", "samples")},
        "events": manifest["events"]["count"], "head": manifest["events"]["head"], "bytes": manifest["bytes"],
        "hops": manifest["hops"], "unbalanced": unbalanced(manifest["hops"]), "broken": [],
        "chain": manifest["events"]["why"],
    }


def _waiting(hops: Mapping[str, Mapping[str, Any]]) -> int:
    return int(hops["journal"]["waiting"])
