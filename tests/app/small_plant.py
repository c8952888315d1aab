"""A small plant for tests of pages and the API, filled through the store's public verbs: believable, nobody's data.

    with small_plant(tmp_path) as front: ...
    python -m tests.app.small_plant FOLDER PORT [--users]        serves it, to be looked at

Twelve orders of irons on three mills, some reworked and one scrapped; shots of four owners; alarms, decisions and
changes in every state a page must show. All numbers and sources are made up.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from loopwright.app.auth import Auth
from loopwright.app.flow import STAGES, Flow
from loopwright.app.front import Front
from loopwright.app.site import load_site
from loopwright.core.clock import NS_PER_S, Clock, RealClock
from loopwright.core.types import Batch, Event, Person, Thing
from loopwright.core.units import inside_unit, to_inside
from loopwright.govern.passwords import hash_claim_code, scrypt
from loopwright.store import Store, User, open_store
from tests.app import small_story as story
from tests.app.small_parts import iron_glb, machine_points, points_of, shots

MIN, DAY = 60 * NS_PER_S, 86_400 * NS_PER_S
CODE = "K7QF2-M9P4R"  # the one-time code of every unit of the small plant
PASSWORD = "correct horse battery"
SITE = """
[site]
name = "Linden Works"
time_zone = "Europe/Berlin"
folder = "plant"

[[machine]]
id = "mill-1"
kind = "mill"
role = "mill"
link = { protocol = "mqtt" }

[[machine]]
id = "mill-2"
kind = "mill"
role = "mill"
link = { protocol = "opcua" }

[[machine]]
id = "mill-3"
kind = "mill"
role = "mill"
link = { protocol = "mtconnect" }

[[machine]]
id = "polish-1"
kind = "bench"
role = "polish"

[[machine]]
id = "assembly-1"
kind = "bench"
role = "assemble"

[[machine]]
id = "gauge-1"
kind = "gauge"
role = "measure"
"""
# operation, machines, minutes
ROUTE = (("mill head", "mill", 21), ("polish", "polish", 9), ("assemble", "assembly", 12), ("measure", "gauge", 5))
# name, value unit, mean, spread, half range, good, rule
FIT = (
    ("club_length", "in", 37.0, 0.6, 0.25, 0.125, "length from stature and wrist height"),
    ("lie", "deg", 62.5, 1.4, 0.5, 0.5, "lie from wrist height and length"),
    ("loft", "deg", 33.0, 0.6, 0.5, 0.5, "loft of a 7-iron by ball speed"),
    ("head_mass", "g", 268.0, 3.0, 1.5, 1.5, "head mass for the target swing weight"),
    ("grip_size", "in", 0.900, 0.02, 0.015, 0.01, "grip size from hand length"),
)
SOURCE, REVISION = "a chart made up for this plant", "r4-9c1e07d2"
MACHINES = ("mill-1", "mill-2", "mill-3", "polish-1", "assembly-1", "gauge-1")
HEARD = ("s.velocity", "s.output_power", "s.output_current", "program.feed")
LEFT = (4, 9)  # numbers of the persons who are left-handed


class _Filler:
    """Fills one store; every method adds one room's part of the story."""

    def __init__(self, store: Store, now_ns: int, seed: int = 7) -> None:
        self.store, self.now_ns, self.rng = store, now_ns, np.random.default_rng(seed)
        self.origin_ns = now_ns - 112 * MIN
        self.people = [f"p-{i:02d}" for i in range(1, 13)]
        self.orders = [f"L003-{i:03d}" for i in range(1, 13)]
        self.designs: dict[str, list[dict[str, Any]]] = {}
        self.ended: dict[tuple[str, str], int] = {}
        self.code = hash_claim_code(CODE)

    def say(self, kind: str, about: str, t_ns: int, actor: str = "loop", **body: Any) -> None:
        self.store.record([Event(kind, about, t_ns, actor, body)])

    def fill(self) -> None:
        self.say("turn.started", "turn-3", self.origin_ns - 5 * MIN, orders=len(self.orders), seed=1, number=3)
        for i, (order, person) in enumerate(zip(self.orders, self.people, strict=True)):
            self.order(i, order, person)
        self.plan_and_steps()
        for i, order in enumerate(self.orders):
            if (order, "measure") in self.ended:
                self.measure_and_ship(i, order)
        self.machines()
        self.use()
        units = [f"{order}-1" for order in self.orders]
        for told in (story.consents(self.now_ns, self.people), story.alarms(self.now_ns), story.decisions(self.now_ns, self.people, units), story.changes(self.now_ns)):
            self.store.record(told)
        self.store.flush()

    def order(self, i: int, order: str, person: str) -> None:
        at, hand = self.origin_ns - (28 - i) * MIN, "left" if i in LEFT else "right"
        self.store.people.save(Person(person, {"stature": 1.62 + 0.03 * i, "wrist_height": 0.80 + 0.012 * i, "hand_length": 0.18 + 0.002 * i}, hand, source="small plant"))
        self.say("person.added", person, at - MIN, source="small plant", measures_hash="5e3c", handedness=hand)
        self.say("order.placed", order, at, person=person, family="iron", wishes={}, quantity=1, due_ns=self.origin_ns + 14 * DAY, price_minor=24900, currency="EUR")
        if i == 11:
            self.say("order.refused", order, at + MIN, person=person, reason="hand_length: outside what the rule covers; allowed: 0.155 m to 0.230 m")
            return
        self.designs[order] = rows = [self.parameter(*row[:5], row[6]) for row in FIT]
        rows.append(_row("swing_weight", 2.0, "swingweight", 1.0, 3.0, "target swing weight"))
        rows.append(_row("shaft_flex", "regular" if i % 3 else "stiff", "", None, None, "flex by club speed"))
        design = f"iron/{order}@{REVISION}"
        self.say("order.fitted", order, at + MIN, design=design, family="iron", revision=REVISION, parameters=rows, mirrored=i in LEFT, rules=[r["rule"] for r in rows])
        self.solid(order, design, at + 2 * MIN, i in LEFT)

    def parameter(self, name: str, unit: str, mean: float, spread: float, half: float, rule: str) -> dict[str, Any]:
        value, around = to_inside(float(self.rng.normal(mean, spread)), unit), to_inside(half, unit)
        return _row(name, value, inside_unit(unit), value - around, value + around, rule)

    def solid(self, order: str, design: str, t_ns: int, mirrored: bool) -> None:
        folder, data = self.store.path / "solids", iron_glb(mirrored)
        folder.mkdir(exist_ok=True)
        (folder / f"{order}.glb").write_bytes(data)
        files = {"glb": {"path": f"solids/{order}.glb", "hash": hashlib.sha256(data).hexdigest()}}
        self.say("solid.made", order, t_ns, "solid", design=design, files=files, mass_kg=0.2681, cg_m=[0.031, 0.018, -0.009], volume_m3=3.351e-5)

    def plan_and_steps(self) -> None:
        slots, free = [], dict.fromkeys(MACHINES, 0)
        for order in self.orders[:11]:
            ready = 0
            for operation, role, minutes in ROUTE:
                machine = min((m for m in free if m.startswith(role)), key=lambda m: free[m])
                start = max(ready, free[machine])
                ready = free[machine] = start + minutes * 60
                slots.append({"order": order, "operation": operation, "machine": machine, "start_s": start, "end_s": ready, "frozen": False})
        last = max(slot["end_s"] for slot in slots)
        self.say("plan.released", "plan-00007", self.origin_ns, "plan", origin_ns=self.origin_ns, slots=slots, status="optimal", objective="makespan", makespan_s=last, bound_s=last,
                 solver="cp-sat", took_s=0.42, reason="11 open orders")
        for slot in slots:
            self.step(slot)

    def step(self, slot: dict[str, Any]) -> None:
        start, end = (self.origin_ns + slot[key] * NS_PER_S for key in ("start_s", "end_s"))
        serial, body = f"{slot['order']}-1", {k: slot[k] for k in ("order", "operation", "machine")}
        if end > self.now_ns:
            if start <= self.now_ns:
                self.say("step.started", serial, start, slot["machine"], **body)
            return
        mill, heard_ns = slot["machine"].startswith("mill"), self.now_ns - MIN
        spoken = {"signals": list(HEARD), "run": f"{slot['machine']}/run-{len(self.ended)}", "program_hash": hashlib.sha256(serial.encode()).hexdigest()} if mill else {"signals": [], "run": "", "program_hash": ""}
        self.say("step.finished", serial, end, slot["machine"], **body, **spoken, start_ns=start, end_ns=end, signals_start_ns=heard_ns - 12 * MIN, signals_end_ns=heard_ns, assumed=[])
        self.ended[slot["order"], slot["operation"]] = end

    def measure_and_ship(self, i: int, order: str) -> None:
        serial, end, verdict = f"{order}-1", self.ended[order, "measure"], {2: "rework", 5: "scrap"}.get(i, "good")
        rows = self.gauge(order, i, verdict)
        self.say("unit.measured", serial, end, "gauge-1", order=order, measures=rows, verdict=verdict, attempt=1, reasons=[r["words"] for r in rows if r["verdict"] != "good"])
        if verdict == "scrap":
            self.say("unit.scrapped", serial, end, "gauge-1", order=order, reason="loft is 2.6 deg above the designed value; scrap beyond 2.0 deg")
            return
        if verdict == "rework":
            self.say("unit.reworked", serial, end, "gauge-1", order=order, reason="lie is 0.8 deg below the designed value; good within 0.5 deg", attempt=1)
            rows, end = self.gauge(order, i + 20, "good"), end + 14 * MIN
            self.say("unit.measured", serial, end, "gauge-1", order=order, measures=rows, verdict="good", attempt=2, reasons=[])
        self.say("unit.finished", serial, end, order=order, design=f"iron/{order}@{REVISION}", revision=REVISION, as_built={r["name"]: r["as_built"] for r in rows}, made_ns=end)
        self.say("unit.shipped", serial, end + 5 * MIN, order=order, code_hash=self.code.hash, salt=self.code.salt)
        if i < 4:
            self.say("unit.claimed", serial, end + 9 * MIN, self.people[i], owner=self.people[i])

    def gauge(self, order: str, i: int, verdict: str) -> list[dict[str, Any]]:
        rows, wrong = [], {"rework": ("lie", -1.6), "scrap": ("loft", 5.2)}.get(verdict, ("", 0.0))
        for (name, unit, *_, good, _rule), wanted in zip(FIT, self.designs[order], strict=False):
            limit, word = to_inside(good, unit), verdict if name == wrong[0] else "good"
            chance = float(np.random.default_rng([i, len(rows)]).normal(0, 0.4))
            off = limit * (wrong[1] if word != "good" else max(-0.9, min(0.9, chance)))
            rows.append({"name": name, "unit": wanted["unit"], "designed": wanted["value"], "as_built": wanted["value"] + off, "deviation": off, "good": limit, "scrap": 4 * limit,
                         "verdict": word, "words": f"{name} is {'above' if off > 0 else 'below'} the designed value"})
        return rows

    def machines(self) -> None:
        start = self.now_ns - 24 * MIN
        for machine, hop, seconds in (("mill-1", "mqtt", 1438), ("mill-2", "opcua", 1436), ("mill-3", "mtconnect", 1040)):
            table = machine_points(self.rng, machine, start, seconds, wear=1.0 if machine == "mill-2" else 0.15).sort_by("t_ns")
            source, sent = f"{hop}/{machine}#boot-3", table.num_rows
            for at in range(0, sent, 2500):
                part = table.slice(at, 2500)
                self.store.put(Batch(hop, source, at, part, sent=at + part.num_rows))
            self.store.put(Batch(hop, source, 0, table.slice(0, 120), sent=sent))
            self.say("link.state", f"{hop}/{machine}", start, hop, state="lost" if machine == "mill-3" else "open", word="read for 24 min")
        self.store.note_sent("mtconnect", source, sent + 37, "37 samples were overwritten in the agent's buffer before they were read")
        wrong = points_of("mill-1", "s.output_current", np.array([start + 5]), np.array([9e9]))
        self.store.put(Batch("mqtt", "mqtt/mill-1#json", None, wrong))

    def use(self) -> None:
        for i, push in enumerate((5.5, -2.0, 9.0, 1.0)):
            serial, sessions = f"{self.orders[i]}-1", 6 if i == 0 else 3
            self.store.declare([], [Thing(serial, "club", unit=serial, owner=self.people[i])])
            table = pa.concat_tables([shots(self.rng, serial, self.now_ns - (25 - 4 * s) * DAY, 14 + 3 * s, 0.2 + 0.1 * s, push * (1 - 0.14 * s)) for s in range(sessions)])
            self.store.put(Batch("files", f"files/session-{i}", 0, table, sent=table.num_rows))
            self.store.note_sent("files", f"files/session-{i}", table.num_rows)


def _row(name: str, value: float | str, unit: str, low: float | None, high: float | None, rule: str) -> dict[str, Any]:
    return {"name": name, "value": value, "unit": unit, "low": low, "high": high, "rule": rule, "source": SOURCE}


@contextmanager
def small_plant(folder: Path, *, clock: Clock | None = None, users: bool = False, empty: bool = False) -> Iterator[Front]:
    """The small plant, open: a Front with store, site, flow and auth. users: one of each role, password PASSWORD."""
    clock = clock or RealClock()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "site.toml").write_text(SITE)
    site = load_site(folder / "site.toml")
    with open_store(site.folder, clock) as store:
        if not empty:
            store.declare(site.all_kinds, site.things)
            _Filler(store, clock.now_ns()).fill()
        if users:
            add_users(store)
        flow = Flow(clock)
        if not empty:
            turning(flow)
        yield Front(store, site, flow, Auth(store, site.folder, clock), clock)


def quick_hash(password: str) -> str:
    """A password's hash at a cost that tests can wait for."""
    salt = b"small plant salt"
    return f"scrypt$2$8$1${base64.b64encode(salt).decode()}${base64.b64encode(scrypt(password.encode(), salt, (2, 8, 1))).decode()}"


def add_users(store: Store) -> None:
    """mara the operator, emil the engineer, anna and bo the approvers, and the owner of the first unit."""
    seal = quick_hash(PASSWORD)
    for name, role, person in (
        ("mara", "operator", ""),
        ("emil", "engineer", ""),
        ("anna", "approver", ""),
        ("bo", "approver", ""),
        ("olga", "owner", "p-01"),
        ("otto", "owner", "p-02"),
    ):
        store.people.save_user(User(name, role, seal, person))


def turning(flow: Flow) -> None:
    """A turn half way round: orders are planned, machines cut, and what they say is kept."""
    flow.turn(3)
    words = {
        "order": "12 people ordered an iron",
        "fit": "11 fitted, 1 refused: hand length outside what the rule covers",
        "design": "11 heads modelled",
        "plan": "11 orders on 6 machines, proven optimal",
    }
    for name, seconds in zip(STAGES[:4], (0.2, 0.4, 3.1, 0.4), strict=True):
        flow.stage(name, words[name])
        flow.count(name, 11)
        flow.done(name, seconds)
    flow.stage("measure", "gauge-1 compares L003-009 with its tolerance")
    flow.stage("keep", "1,438 seconds of three mills, durable before they are acknowledged")
    flow.stage("connect", "mill-1 by MQTT, mill-2 by OPC UA, mill-3 by MTConnect")
    flow.stage("make", "mill-2 cuts the head of L003-010")


@contextmanager
def serving(folder: Path, *flags: str) -> Iterator[str]:
    """The small plant served by a process of its own; its address. flags: --users, --empty."""
    root = Path(__file__).parents[2]
    command = [sys.executable, "-m", "tests.app.small_plant", str(folder), "0", *flags]
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline().strip()
        if not line.isdigit():
            raise RuntimeError("the small plant did not start")
        yield f"http://127.0.0.1:{line}"
        process.terminate()


def main(argv: list[str]) -> None:
    """Serves the small plant at a port (0: one that is free, which is printed) until it is stopped."""
    from loopwright.app import serve_http

    with small_plant(Path(argv[0]), users="--users" in argv, empty="--empty" in argv) as front:
        app = serve_http.build_app(front.store, front.site, front.flow, front.auth, clock=front.clock)
        asyncio.run(serve_http.serve(app, "127.0.0.1", int(argv[1]), ready=lambda port: print(port, flush=True)))


if __name__ == "__main__":
    main(sys.argv[1:])
