"""From any event or thing back to all it rests on, and forward to all that rests on it, by index alone.

    trace(store, "T001-B3-016-1")                          the unit's steps, machines, order, design, rules, changes
    trace(store, "T001-B3-016-1", direction="forward")     what came of it, and its siblings
    trace(store, "lie@r1-62444b1b", direction="forward")   every order by that rule: the newest, and a count of the rest

Three ways lead on: `because` of an event, what an event is about, and the ids in its body (core.kinds: `links` are what
it rests on, `leads` what it was done for). A machine is looked at only around the time at which it was used.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from loopwright.core.errors import UnknownName
from loopwright.core.kinds import KINDS, called, references
from loopwright.core.types import Event
from loopwright.store.lineage import COUNTED, Lineage, Node, Window, around, widest
from loopwright.store.schema import told

if TYPE_CHECKING:
    from loopwright.store.cellar import Store

Direction = Literal["back", "forward", "both"]
AFTER = tuple(name for name, kind in KINDS.items() if kind.links)  # what they are about rests on what they name
BEFORE: dict[str, tuple[str, ...]] = {}  # noun -> kinds whose `leads` name one: it rests on what they are about
for _kind in KINDS.values():
    for _noun in (called(_path) for _path in _kind.leads):
        BEFORE[_noun] = (*BEFORE.get(_noun, ()), _kind.name)
AT_MACHINE = ("alarm.raised", "run.labelled", "workorder.opened", "workorder.done")
SHARED = ("revision", "design", "lot", "thing")  # what makes two units siblings; a machine within a time
PRIVATE = ("person",)  # named, not followed
WINDOW_S = 3600.0  # how long before and after its use a machine is looked at


@dataclass(frozen=True)
class Edge:
    """A way that was gone: from the id that was known to the one that was found, and why it belongs there."""

    source: str
    target: str
    why: str


@dataclass(frozen=True)
class More:
    """What was not walked: so many more events of a kind name `of`; noun is what they are about.

    count  of them; 100,000 (lineage.COUNTED) stands for that or more
    """

    of: str
    kind: str
    noun: str
    count: int

    @property
    def words(self) -> str:
        """'and 41,210 more orders by order.fitted'."""
        least = "at least " if self.count >= COUNTED else ""
        return f"and {least}{self.count:,} more {self.noun}{'' if self.count == 1 else 's'} by {self.kind}"


@dataclass
class Graph:
    """What a trace found. nodes: id -> Node in the order in which they were found; cut: the limit of nodes was met."""

    start: str
    direction: Direction
    nodes: dict[str, Node] = field(default_factory=dict)
    edges: list[Edge] = field(default_factory=list)
    more: list[More] = field(default_factory=list)
    cut: bool = False


def trace(
    store: Store,
    id_: str,
    direction: Direction = "back",
    *,
    depth: int = 8,
    each: int = 20,
    limit: int = 500,
    window_s: float = WINDOW_S,
) -> Graph:
    """All that an event or thing rests on (back), all that rests on it (forward), or both.

    id_       id of an event, order, unit, thing, design, rule, revision, model, change, decision, alarm ...
    depth     how many things deep
    each      how many of one kind are walked from one thing, newest first; the rest is counted
    limit     how many nodes there may be
    window_s  how long before and after its use a machine is looked at
    Raises UnknownName when nothing is known of that id.
    """
    graph = Graph(id_, direction)
    with told("read"), store._engine.connect() as connection:
        found = Lineage(connection, each)
        units = {thing.id: thing.unit for thing in store.things().values() if thing.unit}
        walk = _Walk(graph, found, units, (depth, limit, round(window_s * 1e9)))
        walk.begin()
        if direction != "forward":
            walk.go(walk.back)
        if direction != "back":
            walk.go(walk.forward)
        found.stand([node for node in graph.nodes.values() if node.noun != "event"])
    return graph


@dataclass
class _Walk:
    """One walk over the events, breadth first; ahead: what was found and not yet walked from."""

    graph: Graph
    links: Lineage
    units: Mapping[str, str]  # thing -> serial
    bounds: tuple[int, int, int]  # depth, nodes, nanoseconds around a machine's use
    root: str = ""  # what the start is about
    ahead: list[tuple[str, Window]] = field(default_factory=list)
    walked: set[str] = field(default_factory=set)
    gone: set[tuple[str, str]] = field(default_factory=set)  # from, to: each way once, and none back

    def begin(self) -> None:
        """The first node. UnknownName when nothing is known of it."""
        start = self.graph.start
        event = next(iter(self.links.events([start])), None)
        if event is not None:
            self._event(event)
            self.root = event.about
            return
        noun = self.links.noun(start) or ("thing" if start in self.units else "")
        if not noun:
            raise UnknownName("event, unit, order or anything else with events", start, self.links.newest())
        self.graph.nodes[start] = Node(start, noun)
        self.root = start if noun == "unit" else self.units.get(start, start)

    def go(self, walk: Callable[[Node, Window], None]) -> None:
        """Walks on until nothing new is found, or a bound is met."""
        self.gone.clear()
        self.ahead, self.walked = [(self.graph.start, None)], {self.graph.start}
        for _ in range(self.bounds[0]):
            now, self.ahead = self.ahead, []
            for id_, window in now:
                walk(self.graph.nodes[id_], window)
            if not self.ahead:
                return
        self.graph.cut = True

    def back(self, node: Node, window: Window) -> None:
        """What a node rests on."""
        if node.noun == "event":
            self._rests(node.id)
        elif node.noun == "thing" and window is not None:
            for event in [*self.links.about(node.id, window), *self.links.naming(node.id, AT_MACHINE, window)[0]]:
                self._found(node.id, event, "at that time")
        elif node.noun not in PRIVATE or node.id == self.graph.start:
            for event in self.links.about(node.id):
                self._found(node.id, event, "about")
            for event in self.links.naming(node.id, BEFORE.get(node.noun, ()))[0]:
                self._found(node.id, event, "led to")
        if node.id in self.units and self.units[node.id] != node.id:
            self._thing(node.id, "unit", self.units[node.id], "is")
        self._revision(node)

    def forward(self, node: Node, window: Window) -> None:
        """What rests on a node."""
        if node.noun == "event":
            self._lead(node.id)
            return
        if node.noun in PRIVATE and node.id != self.graph.start:
            return
        if node.noun == "unit" and node.id != self.root and not self._of_root(node):
            return  # a sibling: named, not followed
        self._named(node.id, None)
        own = self.links.about(node.id)
        for event in own:
            for why, noun, ref in references(event, leads=True)[: self.links.each]:
                self._thing(node.id, noun, ref, f"{why} of {event.kind}")
        for event in self.links.because([event.id for event in own]):
            self._found(node.id, event, "because of it")
        for thing, unit in self.units.items():
            if unit != thing and node.id in (unit, thing):
                self._thing(node.id, *(("thing", thing, "lives as") if node.id == unit else ("unit", unit, "is")))
        self._revision(node)
        if node.noun == "unit":
            self._siblings(node.id, own)

    def _of_root(self, node: Node) -> bool:
        """Whether a unit is one of the order that the trace began with: it is followed too."""
        root = self.graph.nodes.get(self.root)
        return root is not None and root.noun == "order" and (self.root, node.id) in self.gone

    def _rests(self, id_: str) -> None:
        """What an event rests on: its reasons, the ids in its body, and what it is about where it was not come from."""
        event = self.links.kept[id_]
        for reason in self.links.events(event.because):
            self._found(id_, reason, "because")
        self._about(event)
        for why, noun, ref in references(event):
            window = around(event, ref, self.bounds[2], heard=True) if noun == "thing" else None
            if noun == "event":
                for named in self.links.events([ref]):
                    self._found(id_, named, why)
            else:
                self._thing(id_, noun, ref, why, window)

    def _lead(self, id_: str) -> None:
        """What an event led to: events that name it as their reason, ids for which it was done, what it is about."""
        event = self.links.kept[id_]
        for later in self.links.because([id_]):
            self._found(id_, later, "because of it")
        for later in self.links.naming(id_, AFTER)[0]:
            self._found(id_, later, "named by it")
        for why, noun, ref in references(event, leads=True)[: self.links.each]:
            self._thing(id_, noun, ref, why)
        self._about(event)

    def _about(self, event: Event) -> None:
        self._thing(event.id, KINDS[event.kind].about if event.kind in KINDS else "", event.about, "about")

    def _named(self, ref: str, window: Window, only: str = "") -> None:
        """What events are about that name an id: the newest of each kind, and how many more there are.

        only  a noun: nothing else, and nothing of it is walked from
        """
        kinds = tuple(name for name in AFTER if only in ("", KINDS[name].about))
        events, more = self.links.naming(ref, kinds, window)
        named = set()
        for event in events:
            why = next((field for field, _, name in references(event) if name == ref), "")
            if why:
                named.add(event.kind)
                self._thing(ref, KINDS[event.kind].about, event.about, f"{why} of {event.kind}", None, not only)
        self.graph.more += [
            one for kind, count in more.items()
            if kind in named and (one := More(ref, kind, KINDS[kind].about, count)) not in self.graph.more
        ]

    def _siblings(self, serial: str, own: list[Event]) -> None:
        """Units that share what this one was made from, or the machine within the window."""
        shared: dict[str, tuple[str, str, Window]] = {}
        for event in own:
            for why, noun, ref in references(event):
                if noun in SHARED:
                    window = around(event, ref, self.bounds[2]) if noun == "thing" else None
                    before = shared.get(ref)
                    shared[ref] = (why, noun, widest(before[2], window) if before else window)
        for ref, (why, noun, window) in shared.items():
            self._thing(serial, noun, ref, f"same {why}", walk=False)
            self._named(ref, window, "unit")

    def _revision(self, node: Node) -> None:
        """A rule, named with its revision, belongs to that revision of the rules."""
        if node.noun == "rule" and "@" in node.id:
            self._thing(node.id, "revision", node.id.rpartition("@")[2], "revision")

    def _found(self, source: str, event: Event, why: str) -> None:
        if source == event.id or (event.id, source) in self.gone or self._full(event.id):
            return
        self._event(event)
        self._edge(source, event.id, why)
        self._open(event.id, None)

    def _thing(self, source: str, noun: str, id_: str, why: str, window: Window = None, walk: bool = True) -> None:
        if id_ == source or (source, id_) in self.gone or (id_, source) in self.gone or self._full(id_):
            return
        if id_ not in self.graph.nodes:
            known = noun or self.links.noun(id_) or "thing"
            self.graph.nodes[id_] = Node(id_, known)
        self._edge(source, id_, why)
        if walk:
            self._open(id_, window)

    def _event(self, event: Event) -> None:
        says = {
            name: value
            for name, value in event.body.items()
            if isinstance(value, (bool, int, float)) or (isinstance(value, str) and 0 < len(value) <= 120)
        }
        node = Node(event.id, "event", event.kind, event.about, event.t_ns, event.actor, says)
        self.graph.nodes.setdefault(event.id, node)

    def _edge(self, source: str, target: str, why: str) -> None:
        if (source, target) not in self.gone:
            self.gone.add((source, target))
            self.graph.edges.append(Edge(source, target, why))

    def _full(self, id_: str) -> bool:
        """Whether a node more would be one too many."""
        if id_ in self.graph.nodes or len(self.graph.nodes) < self.bounds[1]:
            return False
        self.graph.cut = True
        return True

    def _open(self, id_: str, window: Window) -> None:
        if id_ not in self.walked:
            self.walked.add(id_)
            self.ahead.append((id_, window))
