"""`loopwright trace`: from any event or thing back to what it rests on, or forward to what rests on it, as a tree."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from loopwright.app.options import Json, SitePath, out
from loopwright.core.clock import iso

if TYPE_CHECKING:
    from loopwright.store.trace import Direction, Graph


def register(app: typer.Typer) -> None:
    """Puts the command on the app."""
    @app.command()
    def trace(
        id: Annotated[str, typer.Argument(help="of an event, unit, order, machine, rule, revision, model, alarm ...")],
        site: SitePath,
        forward: Annotated[bool, typer.Option("--forward", help="what rests on it, its siblings included")] = False,
        both: Annotated[bool, typer.Option("--both", help="what it rests on, and what rests on it")] = False,
        depth: Annotated[int, typer.Option(min=1, max=50, help="how many things deep")] = 8,
        each: Annotated[int, typer.Option(min=1, max=10_000, help="how many of a kind; the rest is counted")] = 20,
        as_json: Json = False,
    ) -> None:
        """What a thing or an event rests on, back to the first order; or forward, what rests on it."""
        found = trace_in(site, id, "both" if both else "forward" if forward else "back", depth, each)
        out(found, as_json, in_words)


def trace_in(path: Path, id_: str, direction: Direction, depth: int, each: int) -> dict[str, Any]:
    """The trace in the plant of a site, beside whatever process writes it."""
    from loopwright.app.site import site_of
    from loopwright.store import open_store
    from loopwright.store.trace import trace

    site = site_of(path)
    with open_store(site.folder, read_only=True) as store:
        return as_data(trace(store, id_, direction, depth=depth, each=each))


def as_data(graph: Graph) -> dict[str, Any]:
    """{id, direction, nodes: [{id, noun, kind, about, t_ns, actor, says}], edges: [{from, to, why}], more: [{of, kind,
    noun, count, words}], cut}: what the command, the API and the console share."""
    return {
        "id": graph.start,
        "direction": graph.direction,
        "nodes": [asdict(node) for node in graph.nodes.values()],
        "edges": [{"from": edge.source, "to": edge.target, "why": edge.why} for edge in graph.edges],
        "more": [{**asdict(one), "words": one.words} for one in graph.more],
        "cut": graph.cut,
    }


def in_words(found: Mapping[str, Any]) -> str:
    """The trace as an indented tree: every thing once, where it was found first."""
    nodes = {node["id"]: node for node in found["nodes"]}
    ways: dict[str, list[tuple[str, str]]] = {}
    for edge in found["edges"]:
        ways.setdefault(edge["from"], []).append((edge["to"], edge["why"]))
    rests: dict[str, list[str]] = {}
    for one in found["more"]:
        rests.setdefault(one["of"], []).append(one["words"])
    lines, told = [], set()
    ahead = [(found["id"], "", 0)]
    while ahead:
        id_, why, deep = ahead.pop()
        if id_ in told:
            continue
        told.add(id_)
        lines.append(f"{'  ' * deep}{_line(nodes[id_], why)}")
        lines += [f"{'  ' * (deep + 1)}... {words}" for words in rests.get(id_, ())]
        ahead += [(to, because, deep + 1) for to, because in reversed(ways.get(id_, []))]
    if found["cut"]:
        lines.append("There is more: ask with a larger --depth, or from one of the ids above.")
    return "\n".join(lines)


def _line(node: Mapping[str, Any], why: str) -> str:
    """One node in words."""
    if node["noun"] == "event":
        says = ", ".join(f"{name} {_shown(value)}" for name, value in list(node["says"].items())[:5])
        told = f": {says}" if says else ""
        return f"{iso(node['t_ns'])[:19]}Z {node['kind']} by {node['actor']}{told}  [{node['id']}]"
    stands = f", {node['kind']} {iso(node['t_ns'])[:10]}" if node["kind"] else ""
    return f"{f'{why}: ' if why not in ('', 'about') else ''}{node['noun']} {node['id']}{stands}"


def _shown(value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool) and value > 10**17:
        return f"{iso(value)[:19]}Z"
    return f"{value:.6g}" if isinstance(value, float) else str(value)
