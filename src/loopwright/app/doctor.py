"""The doctor: whether anything was lost, hop by hop and source by source, and how the plant's own parts are.

    examine(path, start_ns, end_ns, source, deep)   the findings as data
    in_words(findings)                              the same, the verdict first
    healthy(findings)                               whether nothing is lost and everything holds
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from loopwright.app.opening import open_site, there
from loopwright.app.plant import open_plant
from loopwright.app.report import ALWAYS, chain_of, hops_in_words, unbalanced
from loopwright.app.site import site_of
from loopwright.core.clock import NS_PER_S, RealClock, iso
from loopwright.core.errors import PlantBusy, StoreError, UnknownName
from loopwright.core.types import Hop
from loopwright.store import Store, audit, reroll
from loopwright.store.edges import edges
from loopwright.store.state import check, rebuild

MOST_SOURCES = 1_000  # in the findings: those that lost most first
SHOWN = 20  # of them in words
_WORST = [("lost", "descending"), ("missing", "descending"), ("refused", "descending"), ("waiting", "descending")]


def examine(
    path: Path, start_ns: int | None = None, end_ns: int | None = None, source: str | None = None, deep: bool = False,
    mend: bool = False,
) -> dict[str, Any]:
    """The findings about a plant; one that another process writes is looked at beside it.

    start_ns, end_ns  only what was heard then, by known_ns, in whole minutes (older accounts: hours, days)
    source            only this one; UnknownName lists those there are
    deep              also counts every row of the points source by source, compares the rollups with them, and where
                      things stand with the events
    mend              with deep: first makes again what differs of these two, which are made of the others
    """
    with _opened(path) as store:
        if source is not None and source not in (names := {name for _, name in store.sources()}):
            raise UnknownName("source", source, names)
        hops = {name: hop.as_dict() for name, hop in store.hops(start_ns, end_ns, source).items()}
        for name in ALWAYS:
            hops.setdefault(name, Hop(name, 0, 0).as_dict())
        table = audit.by_source(store, start_ns, end_ns, source, deep)
        order = [(name, way) for name, way in _WORST if name in table.column_names]
        rows = table.sort_by(order).slice(0, MOST_SOURCES).to_pylist()
        found: dict[str, Any] = {
            "plant": str(store.path), "from_ns": start_ns, "to_ns": end_ns, "source": source, "deep": deep,
            "hops": hops, "unbalanced": unbalanced(hops), "lost": sum(row["lost"] or 0 for row in hops.values()),
            "uncounted": [name for name, row in hops.items() if row["lost"] is None],
            "sources": [row | {"refused_by_reason": dict(row["refused_by_reason"])} for row in rows],
            "sources_in_all": table.num_rows, "events": chain_of(store), "state": _state(store),
            "edges": [_edge(report) for report in edges(store)],
            "broken": [f"{file.removeprefix(f'{store.path}/')}: {why}" for table in store.tables.values()
                       for file, why in table.snapshot.broken.items()] + _models(store),
        }
        if deep:
            found["missing"] = sum(row["missing"] for row in rows)
            found["mended"] = _mended(store) if mend else []
            found["rollups"], found["states"] = _rollups(store), check(store)
    return found | {"verdict": verdict(found)}


def healthy(found: Mapping[str, Any]) -> bool:
    """Whether nothing is lost, every account adds up, the chain is whole, and the rollups say what the points say."""
    wrong = found["unbalanced"] or found["lost"] > 0 or found["broken"] or found.get("missing") or found.get("rollups")
    wrong = wrong or found.get("states")
    return not wrong and bool(found["events"]["whole"])


def verdict(found: Mapping[str, Any]) -> str:
    """The findings in one sentence or a few."""
    said = []
    if found["lost"] > 0:
        worst = [f"{row['lost']:,} of {row['source']}" for row in found["sources"] if (row["lost"] or 0) > 0][:3]
        where = [f"{row['lost']:,} in the {name}" for name, row in found["hops"].items()
                 if name in ("journal", "points") and row["lost"]]
        said.append(f"{found['lost']:,} samples are lost: {', '.join(where + worst)}")
    if found["unbalanced"]:
        said.append(f"accounts that do not add up: {', '.join(found['unbalanced'])}")
    if found["broken"]:
        more = f", and {len(found['broken']) - 1:,} more" if len(found["broken"]) > 1 else ""
        said.append(f"files to put back from a backup: {found['broken'][0]}{more}")
    if found.get("missing"):
        said.append(f"{found['missing']:,} samples that the books say stand in the points are not there")
    if found.get("rollups"):
        said.append(f"rollups differ from the points: {found['rollups'][0]} (`loopwright doctor --mend`)")
    if found.get("states"):
        said.append(f"states and links differ from the events: {found['states'][0]} (`loopwright doctor --mend`)")
    if not found["events"]["whole"]:
        said.append(found["events"]["says"])
    if said:
        return "; ".join(said)
    uncounted = f", as far as it is counted ({', '.join(found['uncounted'])}: not)" if found["uncounted"] else ""
    return f"nothing is lost{uncounted}: every sample is kept, a repeat, refused with a reason, or on its way"


@contextmanager
def _opened(path: Path) -> Iterator[Store]:
    """The plant's store; read beside the process that writes it, where there is one. StoreError when there is none."""
    site = site_of(path)
    there(site)
    try:
        if not os.access(site.folder, os.W_OK):
            raise PlantBusy(f"plant {site.folder}", "its folder may only be read")
        with open_plant(site) as plant:
            yield plant.store
    except PlantBusy:
        with open_site(site, read_only=True) as store:
            yield store


def _state(store: Store) -> dict[str, Any]:
    """How the plant's files are: what waits in the journal and since when, tables, room on the disk."""
    journal = store.path / "journal.sqlite"
    with store._lock:
        waiting, oldest = store._journal.rows("SELECT coalesce(sum(samples), 0), min(id) FROM batches")[0]
        known_ns = int(store._journal.meta("known_ns", "0"))
    disk = shutil.disk_usage(store.path)
    flushed = max(table.snapshot.flushed for table in (store.tables["points"], store.tables["blocks"]))
    return {
        "journal_bytes": journal.stat().st_size, "waiting": waiting, "known_ns": known_ns, "flushed_ns": flushed,
        "oldest_s": None if oldest is None else max(0.0, (RealClock().now_ns() - oldest) / NS_PER_S),
        "tables": {
            name: {"rows": int(table.snapshot.rows.sum()), "files": len(table.snapshot.files),
                   "bytes": int(table.snapshot.bytes.sum()), "version": table.snapshot.version}
            for name, table in store.tables.items()
        },
        "disk_free": disk.free, "disk": disk.total,
    }


def _models(store: Store) -> list[str]:
    """Kept models whose file is gone or was altered; of cards from before they were kept nothing is said."""
    from loopwright.learn.kept import registry

    cards = [event.body["card"] for event in store.recall(kind="model.trained")]
    kept = dict.fromkeys(card["weights_hash"] for card in cards if "cost" in card)
    return [f"{registry.FOLDER}/{name}: {why}" for name in kept if (why := registry.wrong(store.path, name))]


def _edge(report: Mapping[str, Any]) -> dict[str, Any]:
    """What an edge last told, the part that matters here."""
    hops = report.get("hops", {})
    return {
        "edge": report["edge"], "heard_ns": report.get("heard_ns"), "hops": hops,
        "lost": sum(hop.get("lost") or 0 for hop in hops.values() if isinstance(hop, Mapping)),
        "waiting": sum(hop.get("waiting") or 0 for hop in hops.values() if isinstance(hop, Mapping)),
    }


def _rollups(store: Store) -> list[str]:
    if store.read_only:
        return []  # who writes the plant keeps a part of them in memory
    try:
        return reroll.verify(store)
    except StoreError as error:
        return [str(error)]


def _mended(store: Store) -> list[str]:
    """Makes states, links and rollups again where they differ, in words; PlantBusy beside the process that writes."""
    if store.read_only:
        said = "it is written by another process, or may only be read"
        raise PlantBusy(f"plant {store.path}", said, "", "end that process, then mend it")
    found = []
    if wrong := check(store):
        found.append(f"states and links, from {rebuild(store):,} events ({len(wrong):,} differences)")
    if wrong := _rollups(store):
        found.append(f"rollups of {reroll.remake(store):,} series ({len(wrong):,} differences)")
    return found


# in words -----------------------------------------------------------------------------------------------------------


def in_words(found: Mapping[str, Any]) -> str:
    """What `loopwright doctor` prints."""
    wrong = found["unbalanced"]
    span = _span(found)
    lines = [
        f"plant {found['plant']}{span}", found["verdict"], "", hops_in_words(found["hops"]),
        "every account adds up" if not wrong else f"accounts that do not add up: {', '.join(wrong)}",
        f"{found['lost']} samples lost",
    ]
    if found["sources"]:
        lines += ["", "source by source, those that lost most first", *map(source_in_words, found["sources"][:SHOWN])]
        if (more := found["sources_in_all"] - SHOWN) > 0:
            lines.append(f"and {more:,} more (--source NAME, --json)")
    lines += ["", *_state_in_words(found["state"])]
    lines += [_edge_in_words(edge) for edge in found["edges"]]
    if found["deep"]:
        lines += [f"made again: {what}" for what in found["mended"]]
        lines.append(f"rollups: {'; '.join(found['rollups'][:5]) or 'they say what the points say'}")
        lines.append(f"states and links: {'; '.join(found['states'][:5]) or 'they say what the events say'}")
    lines.append(f"{found['events']['count']:,} events; {found['events']['says']}")
    return "\n".join(lines)


def source_in_words(row: Mapping[str, Any]) -> str:
    """The equation of one source in one line, and what is behind its numbers."""
    lost = "not counted" if row["lost"] is None else f"{row['lost']:,}"
    parts = [f"{row[name]:,} {word}" for name, word in (
        ("late", "late"), ("conflict", "in conflict"), ("possible_duplicate", "perhaps repeats"), ("erased", "erased"),
        ("expired", "older than they are kept"),
        ("in_journal", "in the journal"), ("in_points", "in the points"), ("missing", "MISSING in the points"),
    ) if row.get(name)]
    reasons = [f"{n:,} {reason}" for reason, n in row["refused_by_reason"].items()]
    said = [f"refused: {', '.join(reasons)}"] if reasons else []
    said += [f"of out: {', '.join(parts)}"] if parts else []
    said += [row["word"]] if row["word"] else []
    equation = (
        f"{row['source']}: in {row['in']:,} = out {row['out']:,} + duplicate {row['duplicate']:,} + refused "
        f"{row['refused']:,} + waiting {row['waiting']:,} + lost {lost}"
    )
    return equation + (f" ({'; '.join(said)})" if said else "")


def _span(found: Mapping[str, Any]) -> str:
    start, end = (iso(t)[:16] + "Z" if t is not None else "" for t in (found["from_ns"], found["to_ns"]))
    words = [f"from {start}"] if start else []
    words += [f"to {end}"] if end else []
    words += [f"source {found['source']}"] if found["source"] else []
    return f", {' '.join(words)}" if words else ""


def _state_in_words(state: Mapping[str, Any]) -> list[str]:
    waits = f"{state['waiting']:,} samples wait in the journal ({_size(state['journal_bytes'])})"
    if state["oldest_s"] is not None:
        waits += f", the oldest for {state['oldest_s']:,.0f} s"
    if state["flushed_ns"]:
        waits += f"; last flush: what was accepted until {iso(state['flushed_ns'])}"
    tables = ", ".join(
        f"{name} {table['rows']:,} rows in {table['files']:,} files ({_size(table['bytes'])})"
        for name, table in state["tables"].items()
    )
    return [waits, f"tables: {tables}", f"disk: {_size(state['disk_free'])} of {_size(state['disk'])} free"]


def _edge_in_words(edge: Mapping[str, Any]) -> str:
    heard = iso(edge["heard_ns"]) if edge["heard_ns"] else "never"
    counts = f"{edge['waiting']:,} samples wait there, {edge['lost']:,} lost there"
    return f"edge {edge['edge']}: {counts}; last heard {heard}"


def _size(n: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if n < 1000:
            return f"{n:,.0f} {unit}"
        n /= 1000
    return f"{n:,.1f} TB"
