"""A trace as plain data and as an indented tree in words, and the siblings of a unit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from loopwright.core.clock import iso

if TYPE_CHECKING:
    from loopwright.store.trace import Graph


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


def siblings(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What a unit shares with others: [{why, id, noun, units: ids, more: how many more}], from its forward trace."""
    nodes = {node["id"]: node for node in found["nodes"]}
    shared = [edge for edge in found["edges"] if edge["from"] == found["id"] and edge["why"].startswith("same ")]
    out = []
    for edge in shared:
        mine = [
            one["to"] for one in found["edges"]
            if one["from"] == edge["to"] and nodes[one["to"]]["noun"] == "unit" and one["to"] != found["id"]
        ]
        more = sum(one["count"] for one in found["more"] if one["of"] == edge["to"] and one["noun"] == "unit")
        if mine:
            out.append(
                {"why": edge["why"], "id": edge["to"], "noun": nodes[edge["to"]]["noun"], "units": mine, "more": more}
            )
    return out


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
