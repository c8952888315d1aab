"""From any event or thing back to what it rests on, and forward to what rests on it: found by index, told completely."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from loopwright.core.clock import SimClock
from loopwright.core.errors import UnknownName
from loopwright.core.kinds import KINDS, references
from loopwright.core.types import Event, Kind, Thing
from loopwright.store import Store, lineage, open_store
from loopwright.store.trace import Graph, trace
from tests.store.databases import server, url
from tests.store.test_state import PLACED, claimed, finished, step

__all__ = ["server", "url"]  # fixtures: both databases

H = 3_600_000_000_000  # an hour


@pytest.fixture
def store(url: str, tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path / "plant", SimClock(), events_url=url) as opened:
        yield opened


def fitted(order: str, by: str, t_ns: int = 1) -> Event:
    body = {"design": f"iron/{order}@{by}", "family": "iron", "revision": by, "parameters": [], "mirrored": False, "rules": [f"lie@{by}", f"loft@{by}"]}
    return Event("order.fitted", order, t_ns, "shop", body)


def plan(id_: str, orders: list[str], t_ns: int = 1) -> Event:
    slots = [{"order": order, "operation": "cut", "machine": "mill-1", "start_s": 0, "end_s": 9} for order in orders]
    body: dict[str, Any] = {"origin_ns": 0, "slots": slots, "status": "optimal", "objective": "makespan", "makespan_s": 9, "bound_s": 9, "solver": "x", "took_s": 1, "reason": "orders"}
    return Event("plan.released", id_, t_ns, "shop", body)


def released(change: str, revision: str) -> list[Event]:
    body = {"target": "rule", "rule": "lie", "before": {}, "after": {}, "revision": revision}
    return [Event("change.proposed", change, 1, "improve", {"change": {"about": "lie"}}), Event("change.approved", change, 2, "anna", {"automatic": False}),
            Event("change.released", change, 3, "bo", body)]


def made(unit: str, order: str, machine: str, t_ns: int, by: str = "r1", **more: Any) -> list[Event]:
    """A unit from its order to its outcome."""
    return [
        Event("order.placed", order, t_ns, "shop", PLACED | {"person": f"p-{unit}"}), fitted(order, by, t_ns), plan(f"plan-{order}", [order], t_ns),
        step(unit, order, machine, t_ns + H), finished(unit, order, t_ns + 2 * H, revision=by, **more),
        claimed(unit, f"p-{unit}", t_ns + 3 * H), Event("outcome.measured", unit, t_ns + 4 * H, "improve", {"outcome": {}, "as_built": {}}),
    ]


def ids(graph: Graph, noun: str) -> set[str]:
    return {node.id for node in graph.nodes.values() if node.noun == noun}


def kinds(graph: Graph) -> set[str]:
    return {node.kind for node in graph.nodes.values() if node.noun == "event"}


def test_a_bad_outcome_leads_back_to_machine_rule_change_plan_and_order(store: Store) -> None:
    alarm = Event("alarm.raised", "a-1", 101 * H, "maintain", {"condition": "tool worn", "thing": "mill-1", "says": "worn", "evidence": [], "priority": "high"})
    far = Event("alarm.raised", "a-2", 400 * H, "maintain", {"condition": "tool worn", "thing": "mill-1", "says": "worn", "evidence": [], "priority": "high"})
    store.record([*released("change-1", "r2"), *made("u-1", "o-1", "mill-1", 100 * H, "r2"), alarm, far, *made("u-2", "o-2", "mill-2", 100 * H)])
    bad = store.recall(kind="outcome.measured", about="u-1")[0]
    graph = trace(store, bad.id)
    assert ids(graph, "unit") == {"u-1"}
    assert ids(graph, "order") == {"o-1"}
    assert ids(graph, "thing") == {"mill-1"}
    assert ids(graph, "rule") == {"lie@r2", "loft@r2"}
    assert ids(graph, "design") == {"d-o-1"}
    assert ids(graph, "plan") == {"plan-o-1"}
    assert ids(graph, "change") == {"change-1"}
    assert ids(graph, "alarm") == {"a-1"}, "the one at that time, not the one a fortnight later"
    assert {"change.proposed", "change.approved", "change.released", "order.placed", "step.finished"} <= kinds(graph)
    assert not graph.cut


def test_what_a_person_has_is_not_followed_from_a_unit_but_from_the_person(store: Store) -> None:
    store.record([*made("u-1", "o-1", "mill-1", H), Event("consent.given", "p-u-1", 1, "p", {"purpose": "coaching", "until_ns": 9})])
    assert "consent.given" not in kinds(trace(store, "u-1"))
    assert "consent.given" in kinds(trace(store, "p-u-1"))
    assert "u-1" in trace(store, "p-u-1", "forward").nodes


def test_reasons_are_followed_however_far_back(store: Store) -> None:
    first = store.record([claimed("u-0", "p")])[0]
    chain = [first]
    for i in range(1, 30):
        chain += store.record([Event("alarm.acknowledged", f"a-{i}", i, "p", because=(chain[-1].id,))])
    graph = trace(store, chain[-1].id, depth=100)
    assert {event.id for event in chain} <= graph.nodes.keys()
    assert trace(store, first.id, "forward", depth=100).nodes.keys() >= {event.id for event in chain}
    short = trace(store, chain[-1].id, depth=3)
    assert short.cut
    assert first.id not in short.nodes


def test_a_rule_leads_forward_to_the_newest_orders_and_counts_the_rest(store: Store) -> None:
    for i in range(57):
        store.record(made(f"u-{i:02}", f"o-{i:02}", "mill-1", i * 100 * H))
    store.record(made("u-99", "o-99", "mill-1", H, "r9"))
    graph = trace(store, "lie@r1", "forward", each=5, limit=1000)
    assert ids(graph, "order") == {f"o-{i}" for i in range(52, 57)}
    assert [(one.kind, one.count, one.words) for one in graph.more if one.of == "lie@r1"] == [("order.fitted", 52, "and 52 more orders by order.fitted")]
    assert ("unit.finished", 52) in [(one.kind, one.count) for one in graph.more if one.of == "r1"]
    assert "o-99" not in graph.nodes


def test_beyond_a_bound_the_rest_is_told_as_at_least_so_many(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lineage, "COUNTED", 10)
    monkeypatch.setattr(sys.modules["loopwright.store.trace"], "COUNTED", 10)
    store.record([step(f"u-{i}", f"o-{i}", "mill-1", i) for i in range(40)])
    assert [one.words for one in trace(store, "mill-1", "forward", each=5).more] == ["and at least 10 more units by step.finished"]
    assert [one.words for one in trace(store, "mill-1", "forward", each=31).more] == ["and 9 more units by step.finished"]


def test_siblings_are_of_the_same_revision_lot_or_machine_at_that_time(store: Store) -> None:
    store.record([
        *made("u-1", "o-1", "mill-1", 100 * H, "r1", lots=["steel-7"]), *made("near", "o-2", "mill-1", 101 * H, "r2"), *made("far", "o-3", "mill-1", 500 * H, "r2"),
        *made("lot", "o-4", "mill-9", 900 * H, "r3", lots=["steel-7"]), *made("rule", "o-5", "mill-8", 900 * H, "r1"), *made("none", "o-6", "mill-8", 900 * H, "r4", lots=["steel-8"]),
    ])
    graph = trace(store, "u-1", "forward")
    assert ids(graph, "unit") == {"u-1", "near", "lot", "rule"}
    why = {(edge.source, edge.target): edge.why for edge in graph.edges}
    assert why["u-1", "mill-1"] == "same machine"
    assert why["mill-1", "near"] == "machine of step.finished"
    assert why["steel-7", "lot"] == "lots of unit.finished"
    assert why["r1", "rule"] == "revision of unit.finished"
    assert "far" in trace(store, "u-1", "forward", window_s=500 * 3600).nodes


def test_a_correction_and_its_undoing_lead_to_each_other(store: Store) -> None:
    wrong = store.record([Event("points.corrected", "mill-1", 5, "erika", {"reason": "a loose sensor"})])[0]
    undone = store.record([Event("points.undone", "mill-1", 6, "erika", {"reason": "it was not loose", "undoes": wrong.id})])[0]
    assert wrong.id in trace(store, undone.id).nodes
    assert undone.id in trace(store, wrong.id, "forward").nodes
    assert {wrong.id, undone.id} <= trace(store, "mill-1").nodes.keys()


def test_a_thing_in_use_leads_to_the_unit_it_is(store: Store) -> None:
    store.declare([Kind("club", "a club", ())], [Thing("club-7", "club", unit="u-1")])
    store.record(made("u-1", "o-1", "mill-1", H))
    assert "o-1" in trace(store, "club-7").nodes
    assert "club-7" in trace(store, "u-1", "forward").nodes


def test_nothing_known_of_an_id_is_said(store: Store) -> None:
    with pytest.raises(UnknownName, match="u-404"):
        trace(store, "u-404")


def test_the_limit_of_nodes_is_kept_and_said(store: Store) -> None:
    for i in range(40):
        store.record(made(f"u-{i}", f"o-{i}", "mill-1", i * H))
    graph = trace(store, "mill-1", "forward", each=40, limit=30)
    assert graph.cut
    assert len(graph.nodes) == 30
    assert {end for edge in graph.edges for end in (edge.source, edge.target)} <= graph.nodes.keys()


def plain_back(events: list[Event], start: str) -> set[str]:
    """Everything that is reached backward by about, because and declared fields, written plainly over all events; for
    histories without machines."""
    seen, ahead = {start}, [start]
    by_id = {event.id: event for event in events}
    while ahead:
        one = ahead.pop()
        event = by_id.get(one)
        if event:
            found = {*event.because, event.about, *(ref for _, _, ref in references(event))}
        else:
            if one.startswith("p-"):
                continue
            found = {e.id for e in events if e.about == one} | {e.id for e in events if one in [r for _, _, r in references(e, leads=True)]}
            found |= {one.rpartition("@")[2]} if one.startswith(("lie@", "loft@")) else set()
        ahead += found - seen
        seen |= found
    return seen


def test_back_finds_what_a_plain_walk_over_all_events_finds(store: Store) -> None:
    recorded = store.record([*released("change-1", "r2"), *(e for i in range(6) for e in made(f"u-{i}", f"o-{i // 2}", "m", i * H, f"r{i % 3}") if not e.kind.startswith("step"))])
    recorded += store.record([Event("alarm.acknowledged", "a", 1, "x", because=(recorded[5].id, recorded[17].id))])
    for start in ("u-1", "o-2", "change-1", "plan-o-1", "lie@r2", recorded[-1].id, recorded[9].id):
        assert trace(store, start, each=1000, limit=10_000, depth=50).nodes.keys() == plain_back(recorded, start), start


def test_no_kind_of_event_is_declared_twice() -> None:
    names = re.findall(r'EventKind\("([a-z.]+)"', Path(sys.modules["loopwright.core.kinds"].__file__ or "").read_text("utf-8"))
    assert sorted(names) == sorted(KINDS)


def test_every_declared_field_of_ids_is_one_that_the_kind_can_have() -> None:
    for kind in KINDS.values():
        for path in (*kind.links, *kind.leads):
            assert path.split(".")[0] in (*kind.body, "lots", "revision", "decision"), f"{kind.name}: {path}"


def test_a_trace_sends_no_more_statements_than_it_has_nodes(store: Store) -> None:
    """Every statement is one search of an index, so their number is the cost, whatever the plant holds."""
    for i in range(60):
        store.record(made(f"u-{i}", f"o-{i}", "mill-1", i * H))
    sent = []
    sa.event.listen(store._engine, "before_cursor_execute", lambda *given: sent.append(given[2]))
    graph = trace(store, "u-30", "both")
    assert len(sent) <= 3 * len(graph.nodes) + 20


def test_the_page_on_traces_runs_and_says_what_it_prints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    page = (Path(__file__).parents[2] / "docs" / "how-to" / "trace.md").read_text(encoding="utf-8")
    code = "\n".join(re.findall(r"```python\n(.*?)```", page, re.S))
    exec(compile(code, "trace.md", "exec"), {"__name__": "page"})
    assert capsys.readouterr().out.splitlines() == [line.strip().removeprefix("# ") for line in code.splitlines() if line.strip().startswith("# ")]
