"""The one file that describes a plant: machines, links, people, product, inputs, and what plays what is not there.

    site = load_site(Path("examples/real_shop/site.toml"))
    site = bare_site(Path("my.plant"))          a folder that holds one plant's data

An unknown key is an error that names the nearest; secrets never stand here (a key ending in `_env` names a variable).
Every key is described in `site_tables.TABLES`, from which the reference is made.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loopwright.app.site_check import check
from loopwright.app.site_tables import LISTS, TABLES
from loopwright.core import plug
from loopwright.core.clock import from_iso
from loopwright.core.errors import InputError, LoopwrightError, SiteError, UnknownName
from loopwright.core.types import Kind, Signal, Thing

if TYPE_CHECKING:
    from loopwright.serve.watch import Limit

@dataclass(frozen=True)
class Machine:
    """One machine of the site. `link` is {} for a station that nobody listens to."""

    id: str
    kind: str
    role: str
    link: Mapping[str, Any] = field(default_factory=dict)
    stale_after_s: float = 60.0
    ideal_cycle_s: float = 0.0
    limits: tuple[Mapping[str, Any], ...] = ()
    plays: Mapping[str, Any] = field(default_factory=dict)
    setup: str = ""
    batch: int = 1

    @property
    def protocol(self) -> str:
        return str(self.link.get("protocol", ""))

    @property
    def played_here(self) -> bool:
        """Whether a process of ours plays it over its link."""
        return bool(self.plays and self.link and not self.plays.get("outside"))

    @property
    def thing(self) -> Thing:
        return Thing(self.id, self.kind, labels={"role": self.role, **({"twin": "yes"} if self.plays else {})})


@dataclass(frozen=True)
class Site:
    """A site file as it was resolved. `tables` holds every table but machines and kinds, with defaults filled in."""

    name: str
    file: Path | None
    folder: Path
    machines: tuple[Machine, ...]
    kinds: tuple[Kind, ...]
    tables: Mapping[str, Mapping[str, Any]]
    hash: str
    keep: tuple[Mapping[str, Any], ...] = ()
    shop: Mapping[str, tuple[Mapping[str, Any], ...]] = field(default_factory=dict)  # operator, setup, learn ...

    def __getitem__(self, table: str) -> Mapping[str, Any]:
        return self.tables[table]

    @property
    def time_zone(self) -> str:
        return str(self["site"]["time_zone"])

    @property
    def seed(self) -> int:
        return int(self["site"]["seed"])

    @property
    def origin_ns(self) -> int:
        return from_iso(self["assumed"]["origin"])

    @property
    def things(self) -> tuple[Thing, ...]:
        return tuple(machine.thing for machine in self.machines)

    @property
    def all_kinds(self) -> tuple[Kind, ...]:
        """The packs' kinds of things, then the site's own."""
        packs = [plug.load("packs", name).PACK for name in self["site"]["packs"]]
        return tuple(kind for pack in packs for kind in pack.kinds) + self.kinds


def load_site(path: Path) -> Site:
    """The site of that file. Raises SiteError: where, what was given, what is allowed, what to do."""
    if path.is_dir():
        raise SiteError(str(path), "is a folder", "a site file (.toml)", f"try {path / 'site.toml'}")
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        raise SiteError(
            str(path), "there is no such file", "a site file (.toml)", "copy examples/real_shop/site.toml and change it"
        ) from None
    except OSError as error:
        raise SiteError(str(path), f"cannot be read ({error.strerror})") from None
    try:
        raw = tomllib.loads(text.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SiteError(str(path), f"is not TOML ({error})", "", "see docs/reference/site.md") from None
    return _resolve(raw, path, hashlib.sha256(text).hexdigest())


def bare_site(folder: Path) -> Site:
    """A site without a file: the plant in that folder, with every pack and no machines."""
    if folder.exists() and not folder.is_dir():
        raise SiteError(str(folder), "is a file", "a site file (.toml) or the folder of a plant")
    raw = {"site": {"name": folder.name, "folder": str(folder.resolve()), "packs": sorted(plug.find("packs"))}}
    return _resolve(raw, None, "")


def site_of(path: Path) -> Site:
    """What `--site PATH` means: a site file, or a folder that holds one plant (made empty when it does not exist)."""
    return load_site(path) if path.suffix == ".toml" or path.is_file() else bare_site(path)


def _resolve(raw: Mapping[str, Any], path: Path | None, digest: str) -> Site:
    where = str(path or raw["site"]["folder"])
    for name in raw:
        if name not in TABLES:
            raise UnknownName(f"table of {where}", name, TABLES)
    tables = {name: _table(raw.get(name, {}), name, where) for name in TABLES if name not in LISTS}
    rows = {name: [_table(row, name, where, i) for i, row in enumerate(_rows(raw, name, where))] for name in LISTS}
    base = path.parent if path else Path()
    folder = base / tables["site"]["folder"]
    site = Site(
        tables["site"]["name"],
        path,
        folder,
        tuple(Machine(**row) for row in rows["machine"]),
        tuple(_kind(row, where) for row in rows["kind"]),
        tables,
        digest,
        tuple(rows["keep"]),
        {name: tuple(rows[name]) for name in ("operator", "setup", "tool", "material", "learn")},
    )
    check(site, where)
    return site


def _rows(raw: Mapping[str, Any], name: str, where: str) -> list[Any]:
    rows = raw.get(name, [])
    if not isinstance(rows, list):
        raise SiteError(f"{where} [{name}]", "is one table", f"[[{name}]] once for each")
    return rows


def _table(given: Any, name: str, where: str, row: int | None = None) -> dict[str, Any]:
    """One table with its defaults; every key known, every value of its type."""
    place = f"{where} [{name}]" if row is None else f"{where} [[{name}]] number {row + 1}"
    if not isinstance(given, dict):
        raise SiteError(place, f"is {given!r}", "a table of keys")
    keys = TABLES[name]
    for key in given:
        if key not in keys:
            raise UnknownName(f"key of {place}", key, keys)
    out = {}
    for key, (wanted, meaning, default) in keys.items():
        if key not in given:
            if default is ... and (row is not None or given or name == "site"):
                raise SiteError(place, f"has no {key!r}", meaning)
            out[key] = default
            continue
        value = given[key]
        kinds = wanted if isinstance(wanted, tuple) else (wanted,)
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            names = " or ".join(k.__name__ for k in kinds)
            raise SiteError(f"{place} {key}", f"{value!r} is {type(value).__name__}", f"{names}: {meaning}")
        out[key] = value
    return out


def _kind(row: Mapping[str, Any], where: str) -> Kind:
    place = f"{where} [[kind]] {row['name']!r}"
    signals = []
    for number, given in enumerate(row["signal"], 1):
        allowed = {"name", "unit", "kind", "low", "high", "meaning", "rate_hz", "codes"}
        for key in given:
            if key not in allowed:
                raise UnknownName(f"key of {place} signal {number}", key, allowed)
        if missing := sorted({"name", "kind", "meaning"} - set(given)):
            raise SiteError(f"{place} signal {number}", f"has no {', '.join(missing)}", "name, kind and meaning")
        codes = {int(code): str(word) for code, word in given.get("codes", {}).items()}
        signals.append(
            Signal(
                given["name"],
                given.get("unit", ""),
                given["kind"],
                given.get("rate_hz"),
                given.get("low"),
                given.get("high"),
                given["meaning"],
                codes,
            )
        )
    return Kind(row["name"], row["meaning"], tuple(signals))


def limit_of(row: Mapping[str, Any], machine: str, unit: str) -> Limit:
    """A machine's [[machine.limits]] line as the alarm service takes it; InputError for one that cannot be."""
    from loopwright.serve.watch import Limit

    return Limit(
        str(row["name"]), str(row["signal"]), row.get("low"), row.get("high"), row.get("deadband", 0.0), unit,
        frozenset({machine}), str(row.get("priority", "medium")))


def checked(site: Site) -> list[tuple[str, str]]:
    """What `loopwright check` prints: each thing that was resolved, in words."""
    rows = [
        ("name", site.name),
        ("plant data", str(site.folder)),
        ("time zone", site.time_zone),
        ("packs", ", ".join(site["site"]["packs"])),
        ("seed", str(site.seed)),
    ]
    for machine in site.machines:
        how = f"{machine.protocol or 'not listened to'}"
        if machine.plays:
            how += f", played by a {machine.plays['source']}"
        rows.append((f"machine {machine.id}", f"{machine.kind}, does {machine.role}; {how}"))
    approvers = site["site"]["approvers"]
    rows.append(("approvals", f"automatic (example) by {', '.join(approvers)}" if approvers else "by people"))
    if any(site["store"].values()):
        from loopwright.app import opening

        rows += opening.rows(site)
    rows.append(("console", f"http://{site['server']['host']}:{site['server']['port']}"))
    return rows


def explain(error: LoopwrightError) -> dict[str, str]:
    """An error as data, for --json and the API."""
    return {
        "error": type(error).__name__,
        "where": error.where,
        "given": error.given,
        "allowed": error.allowed,
        "todo": error.todo,
    }


__all__ = ["TABLES", "InputError", "Machine", "Site", "bare_site", "checked", "explain", "load_site", "site_of"]
