"""Events: recorded, recalled, traced, folded and verified, on SQLite and PostgreSQL; beside bare inserts.

    python -m benchmarks.bench_events [UNITS] [sqlite|postgres ...]

Every unit has ten events: ordered, fitted by seven rules, three steps on machines, measured, finished, shipped,
claimed, and its outcome; a plan for each hundred orders. They are recorded a thousand at a time. Peer: the same rows
into a table without any index, in the same transactions (PostgreSQL: COPY). Limit: a trace under 1 s.
PostgreSQL is started for the run where its programs are there.
"""

from __future__ import annotations

import random
import resource
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import sqlalchemy as sa

from loopwright.app import standing
from loopwright.app.views import orders
from loopwright.core.clock import monotonic_s
from loopwright.core.types import Event
from loopwright.store import Store, open_store
from loopwright.store import schema as tables
from loopwright.store.state import state, tally
from loopwright.store.trace import trace

LIMIT_S = 1.0
FOLDED = 10_000  # units up to which a page is also made by folding everything
BATCH = 100  # units whose events are recorded together
START_NS, APART_NS = 1_700_000_000_000_000_000, 60_000_000_000
RULES = ("grip_diameter", "length", "loft", "shaft_flex", "lie", "swing_weight", "head_mass")
STEPS = (("saw", 4), ("mill", 12), ("bend", 4))  # operation, machines


def revision(i: int) -> str:
    """The revision of the rules by which order i was fitted: a new one for every 50,000."""
    return f"r{i // 50_000}-62444b1b"


def chain(first: int) -> list[Event]:
    """The events of units first .. first + BATCH - 1, as a plant records them."""
    placed, made = [], []
    slots = []
    for i in range(first, first + BATCH):
        t_ns = START_NS + i * APART_NS
        ordered, made_of = _order(i, t_ns)
        placed += ordered
        made += made_of
        slots += [
            {"order": f"o-{i:07}", "operation": name, "machine": f"{name}-{i % n}", "start_s": i, "end_s": i + 1}
            for name, n in STEPS
        ]
    plan = {
        "origin_ns": START_NS, "slots": slots, "status": "optimal", "objective": "makespan", "makespan_s": 6000,
        "bound_s": 6000, "solver": "cp-sat", "took_s": 1.0, "reason": "orders",
    }
    return [*placed, Event("plan.released", f"plan-{first}", START_NS + first * APART_NS, "shop", plan), *made]


def _order(i: int, t_ns: int) -> tuple[list[Event], list[Event]]:
    """(events of the order, events of its unit)."""
    order, unit, person, by = f"o-{i:07}", f"u-{i:07}", f"p-{i % 70_000:05}", revision(i)
    design = f"iron/{order}@{by}"
    wished = {
        "person": person, "family": "iron", "wishes": {"handedness": "right"}, "quantity": 1, "due_ns": t_ns + 10**15,
        "price_minor": 24900, "currency": "EUR",
    }
    rules = [f"{rule}@{by}" for rule in RULES]
    parameters = [{"name": r, "value": 0.1 + i % 97 / 1e3, "unit": "m", "low": 0.1, "high": 0.3} for r in RULES]
    fitted = {
        "design": design, "family": "iron", "revision": by, "parameters": parameters, "mirrored": False, "rules": rules,
    }
    placed = [
        Event("order.placed", order, t_ns, "shop", wished, key=f"order.placed/{order}"),
        Event("order.fitted", order, t_ns, "shop", fitted, key=f"order.fitted/{order}"),
    ]
    made = []
    for n, (name, machines) in enumerate(STEPS):
        end_ns = t_ns + (n + 1) * APART_NS
        machine = f"{name}-{i % machines}"
        body = {
            "order": order, "operation": name, "machine": machine, "start_ns": end_ns - APART_NS, "end_ns": end_ns,
            "program_hash": f"{i:064x}", "signals": [], "run": "", "assumed": [],
        }
        made.append(Event("step.finished", unit, end_ns, machine, body, key=f"step/{unit}/{name}"))
    built = {"loft": 0.59, "lie": 1.12, "length": 0.94}
    measures = [{"name": n, "as_built": v, "designed": v, "verdict": "good"} for n, v in built.items()]
    after = (
        ("unit.measured", {"order": order, "measures": measures, "verdict": "good", "attempt": 1}),
        ("unit.finished", {"order": order, "design": design, "as_built": built, "made_ns": t_ns, "revision": by}),
        ("unit.shipped", {"order": order, "code_hash": f"{i:064x}", "salt": f"{i:032x}"}),
        ("unit.claimed", {"owner": person}),
        ("outcome.measured", {"outcome": {"direction_error": 0.01 * (i % 7)}, "as_built": built, "shots": 20}),
    )
    made += [
        Event(kind, unit, t_ns + (n + 4) * APART_NS, "shop", body, key=f"{kind}/{unit}")
        for n, (kind, body) in enumerate(after)
    ]
    return placed, made


def filled(store: Store, units: int) -> tuple[int, float]:
    """(events recorded, seconds in record)."""
    count, took = 0, 0.0
    for first in range(0, units, BATCH):
        events = chain(first)
        began = monotonic_s()
        store.record(events)
        took += monotonic_s() - began
        count += len(events)
    return count, took


def bare(url: str, store: Store, most: int = 100_000) -> float:
    """Rows a second of the same columns into a table without an index, in the same transactions."""
    engine = tables.connect(url)
    table = sa.Table("bare", sa.MetaData(), *[sa.Column(c.name, c.type) for c in tables.events.c])
    parts = list(store.events.rows(0, most))
    with engine.begin() as connection:
        table.create(connection)
    count, began = 0, monotonic_s()
    for part in parts:
        for at in range(0, len(part), 1000):
            with engine.connect().execution_options(writes=True) as connection, connection.begin():
                tables.insert(connection, table, part[at:at + 1000])
            count += len(part[at:at + 1000])
    took = monotonic_s() - began
    with engine.begin() as connection:
        connection.execute(sa.text("DROP TABLE bare"))
    engine.dispose()
    return count / took


def size(store: Store) -> int:
    """Bytes of the database, its write-ahead log written back."""
    if store._engine.dialect.name == "postgresql":
        with store._engine.connect() as connection:
            return int(connection.execute(sa.text("SELECT pg_database_size(current_database())")).scalar_one())
    with store._engine.connect() as connection:
        connection.exec_driver_sql("ROLLBACK")
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        connection.exec_driver_sql("BEGIN")
    return sum(path.stat().st_size for path in store.path.glob("events.sqlite*"))


def timed(ask: Callable[[int], Any], times: int) -> tuple[float, float]:
    """(median, 99th percentile) of milliseconds."""
    took = []
    for i in range(times):
        began = monotonic_s()
        ask(i)
        took.append((monotonic_s() - began) * 1e3)
    took.sort()
    return median(took), took[min(len(took) - 1, int(0.99 * len(took)))]


def asked(store: Store, units: int) -> list[tuple[str, Callable[[int], Any], int]]:
    """(what, ask number i, how often) of every question whose time is told."""
    chance = random.Random(1)
    some = [chance.randrange(units) for _ in range(200)]
    hour_ns = 3_600_000_000_000

    def early(i: int) -> int:
        return START_NS + some[i] * APART_NS

    return [
        ("trace back from a unit", lambda i: trace(store, f"u-{some[i]:07}"), 200),
        ("trace forward from a unit", lambda i: trace(store, f"u-{some[i]:07}", "forward"), 200),
        ("trace forward from a rule", lambda i: trace(store, f"lie@{revision(some[i])}", "forward"), 20),
        ("trace forward from a machine", lambda i: trace(store, f"mill-{i % 12}", "forward"), 20),
        ("trace back from an outcome", lambda i: trace(
            store, store.recall(kind="outcome.measured", about=f"u-{some[i]:07}")[0].id), 50),
        ("recall about a unit", lambda i: store.recall(about=f"u-{some[i]:07}"), 200),
        ("recall a page of 50 of a kind", lambda i: store.recall(kind="unit.claimed", limit=50, newest_first=True), 50),
        ("recall a page of 50 of a prefix", lambda i: store.recall(kind="unit.", limit=50, newest_first=True), 50),
        ("recall an hour of a kind", lambda i: store.recall(
            kind="unit.shipped", start_ns=early(i), end_ns=early(i) + hour_ns), 50),
        ("recall what names an order", lambda i: store.recall(mentions=f"o-{some[i]:07}"), 200),
        ("state of a page of 50 orders", lambda i: state(store, "order", limit=50), 50),
        ("state of a unit with its fields", lambda i: state(store, "unit", about=f"u-{some[i]:07}", bodies=True), 200),
        ("tally of all units", lambda i: tally(store, "unit"), 5),
        ("page of 400 orders with their units", lambda i: standing.read_page(store), 5),
        *([("the same, by folding all events", lambda i: orders.order_rows(store.recall(kind=list(orders.KINDS))), 1)]
          if units <= FOLDED else []),
        ("query: count by kind, first", lambda i: store.query("SELECT kind, count(*) FROM events GROUP BY kind"), 1),
        ("query: count by kind, again", lambda i: store.query("SELECT kind, count(*) FROM events GROUP BY kind"), 5),
    ]


def measured(database: str, url: str, folder: Path, units: int) -> list[dict[str, Any]]:
    """All figures of one database."""
    with open_store(folder / "plant", events_url=url) as store:
        count, took = filled(store, units)
        bytes_ = size(store)
        plain = bare(url or f"sqlite:///{folder / 'bare.sqlite'}", store)
        began = monotonic_s()
        chain_ = store.events.verify()
        verify_s = monotonic_s() - began
        assert (chain_.length, chain_.broken_at) == (count, None)
        rows: list[dict[str, Any]] = [{
            "database": database, "units": units, "events": count, "events/s": count / took, "bare rows/s": plain,
            "record / bare": count / took / plain, "bytes an event": bytes_ / count,
            "verify events/s": count / verify_s,
        }]
        for what, ask, times in asked(store, units):
            middle, worst = timed(ask, times)
            rows.append({
                "database": database, "units": units, "asked": what, "median ms": middle, "p99 ms": worst,
                "limit": "1,000 ms" if "trace" in what else "-",
            })
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        rows.append({"database": database, "units": units, "peak memory, MB": peak})
    return rows


@contextmanager
def server(database: str, folder: Path) -> Iterator[str]:
    """URL of the database: '' for the plant's own SQLite file."""
    if database == "sqlite":
        yield ""
        return
    from tests.store import postgres

    with postgres.server() as url:
        yield url


def rows(units: int = 10_000, databases: tuple[str, ...] = ("sqlite", "postgres")) -> list[dict[str, Any]]:
    """Figures of both databases at a number of units."""
    found: list[dict[str, Any]] = []
    for database in databases:
        with tempfile.TemporaryDirectory() as folder, server(database, Path(folder)) as url:
            found += measured(database, url, Path(folder), units)
    return found


def full_rows() -> list[dict[str, Any]]:
    """A million units on SQLite, a hundred thousand on both."""
    return [*rows(1_000_000, ("sqlite",)), *rows(100_000)]


def main() -> None:
    from benchmarks.run import table

    units = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    print(table(rows(units, tuple(sys.argv[2:]) or ("sqlite", "postgres"))))


if __name__ == "__main__":
    main()
