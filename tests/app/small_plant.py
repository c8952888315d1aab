"""A small plant for tests of pages and the API, filled through the store's public verbs: believable, drawn from a
seed, nobody's data.

    with small_plant(tmp_path) as front: ...
    python -m tests.app.small_plant FOLDER PORT [--users]        serves it, to be looked at

Twelve orders of irons on three mills, some reworked and one scrapped; shots of four owners; alarms, decisions and
changes in
every state a page must show. Golf numbers are made up in the range a club golfer shows.
"""

from __future__ import annotations

import hashlib
import json
import math
import struct
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from loopwright.app.auth import Auth
from loopwright.app.flow import STAGES, Flow
from loopwright.app.front import Front
from loopwright.app.site import load_site
from loopwright.core.clock import NS_PER_S, Clock, RealClock
from loopwright.core.types import POINTS_IN, Batch, Change, Decision, Event, Evidence, Parameter, Person, Thing
from loopwright.core.units import to_inside
from loopwright.govern.passwords import hash_claim_code, hash_password
from loopwright.store import Store, User, open_store

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
# operation, role, minutes
ROUTE = (("mill head", "mill", 21), ("polish", "polish", 9), ("assemble", "assemble", 12), ("measure", "measure", 5))
# name, value unit, mean, spread, half range, good, rule, source
FIT = (
    (
        "club_length",
        "in",
        37.0,
        0.6,
        0.25,
        0.125,
        "length from stature and wrist height",
        "Wishon, The Search for the Perfect Golf Club (2005), table 2",
    ),
    (
        "lie",
        "deg",
        62.5,
        1.4,
        0.5,
        0.5,
        "lie from wrist height and length",
        "Maltby, Golf Club Design (1982), fitting chart 4",
    ),
    ("loft", "deg", 33.0, 0.6, 0.5, 0.5, "loft of a 7-iron by ball speed", "Tutelman, Club design notes (2006)"),
    (
        "head_mass",
        "g",
        268.0,
        3.0,
        1.5,
        1.5,
        "head mass for the target swing weight",
        "Kennerly swing-weight scale, 14 in fulcrum",
    ),
    ("grip_size", "in", 0.900, 0.02, 0.015, 0.01, "grip size from hand length", "Golf Pride size chart"),
)
ALONG, SIDE = "carry", "carry.deviation"


def machine_points(rng: np.random.Generator, machine: str, start_ns: int, seconds: int, wear: float) -> pa.Table:
    """Half a dozen signals of a mill at 2 Hz: it cuts, rests between parts, and draws more power as its tool wears."""
    t = start_ns + (np.arange(seconds * 2) * NS_PER_S // 2)
    phase = (np.arange(len(t)) / 2) % 260
    cutting, setup = phase < 200, (phase >= 200) & (phase < 225)
    layers = np.sin(phase / 9.0) * 0.5 + 0.5
    speed = np.where(cutting, to_inside(3200, "rpm") + rng.normal(0, 3, len(t)), 0.0)
    columns: dict[str, np.ndarray] = {
        "s.velocity": speed,
        "s.output_power": np.where(
            cutting, 120 + 70 * layers + 60 * wear * phase / 200 + rng.normal(0, 6, len(t)), 2 + rng.random(len(t))
        ),
        "s.output_current": np.where(cutting, 11 + 5 * layers + 4 * wear + rng.normal(0, 0.3, len(t)), 0.4),
        "x.position": 0.14 + 0.04 * np.sin(phase / 14.0),
        "z.position": np.where(cutting, 0.035 - 0.01 * (phase // 50), 0.12),
        "program.feed": np.where(cutting, to_inside(6.0, "mm/s") * (0.7 + 0.3 * layers), 0.0),
    }
    parts = [_points(machine, name, t, values) for name, values in columns.items()]
    state = np.where(cutting, 1, np.where(setup, 2, 0)).astype(np.int64)
    changed = np.flatnonzero(np.diff(state, prepend=-1))
    parts.append(_points(machine, "machine.state", t[changed], None, state[changed]))
    ended = np.flatnonzero(np.diff(cutting.astype(int)) < 0)
    parts.append(_points(machine, "part.count", t[ended], None, 40 + np.arange(len(ended))))
    return pa.concat_tables(parts)


def shots(rng: np.random.Generator, thing: str, start_ns: int, count: int, skill: float, push: float) -> pa.Table:
    """A session on the range: carry and deviation in metres, speeds in m/s; `push` is how far to the right it goes
    on average."""
    t = start_ns + np.cumsum(rng.integers(25, 70, count)) * NS_PER_S
    speed = rng.normal(37.5 + 3 * skill, 0.9, count)
    values = {
        "club.speed": speed,
        "ball.speed": speed * rng.normal(1.33, 0.02, count),
        ALONG: rng.normal(122 + 16 * skill, 7 - 3 * skill, count),
        SIDE: rng.normal(push, 9 - 4 * skill, count),
        "launch.angle": to_inside(rng.normal(17, 1.6, count), "deg"),
    }
    return pa.concat_tables([_points(thing, name, t, column) for name, column in values.items()])


def _points(
    thing: str, signal: str, t_ns: np.ndarray, value: np.ndarray | None, code: np.ndarray | None = None
) -> pa.Table:
    n = len(t_ns)
    return pa.table(
        {
            "thing": pa.array([thing] * n),
            "signal": pa.array([signal] * n),
            "t_ns": pa.array(t_ns, pa.int64()),
            "n": pa.array(np.zeros(n), pa.int32()),
            "value": pa.nulls(n, pa.float64()) if value is None else pa.array(value, pa.float64()),
            "code": pa.nulls(n, pa.int64()) if code is None else pa.array(code, pa.int64()),
            "quality": pa.array(np.zeros(n), pa.int8()),
        },
        POINTS_IN,
    )


def iron_glb(mirrored: bool = False, loft_deg: float = 33.0) -> bytes:
    """A head like that of an iron as a binary glTF 2.0: cross sections from heel to toe, and a hosel. Metres, y up."""
    loft, steps = math.radians(loft_deg), 40
    vertices: list[tuple[float, float, float]] = []
    faces: list[tuple[int, int, int]] = []

    def tube(rings: list[list[tuple[float, float, float]]]) -> None:
        base, m = len(vertices), len(rings[0])
        for ring in rings:
            vertices.extend(ring)
        for i in range(len(rings) - 1):
            for j in range(m):
                a, b = base + i * m + j, base + i * m + (j + 1) % m
                faces.extend([(a, b, b + m), (a, b + m, a + m)])
        for first, last, way in ((base, base + m, 1), (base + (len(rings) - 1) * m, base + len(rings) * m, -1)):
            faces.extend((first, first + j + 1, first + j + 2)[::-way] for j in range(last - first - 2))

    rings = []
    for i in range(steps + 1):
        u = i / steps
        x, tall = 0.078 * u, (0.026 + 0.030 * u**0.8) * math.sqrt(max(0.02, 1 - max(0.0, (u - 0.82) / 0.19) ** 2))
        deep, thin = 0.0185 + 0.004 * u, 0.0045
        profile = [
            (0.0, 0.0),
            (0.004, -0.0018),
            (deep * 0.6, -0.003),
            (deep, 0.001),
            (deep * 0.86, 0.010),
            (thin + 0.004, 0.014),
            (thin + 0.0015, tall * 0.7),
            (thin, tall - 0.001),
            (thin * 0.5, tall),
            (0.0, tall - 0.001),
        ]
        rings.append(
            [(x, 0.004 * (1 - u) + y * math.cos(loft) - 0.0 * z, -(z + y * math.sin(loft))) for z, y in profile]
        )
    tube(rings)
    lie = math.radians(62.5)
    hosel = []
    for k in range(15):
        s, radius = 0.062 * k / 14, 0.0068 if k < 13 else 0.0062
        cx, cy = 0.004 - s * math.cos(lie), 0.012 + s * math.sin(lie)
        hosel.append(
            [
                (
                    cx + radius * math.cos(a) * math.sin(lie),
                    cy + radius * math.cos(a) * math.cos(lie),
                    -0.011 + radius * math.sin(a),
                )
                for a in np.linspace(0, 2 * math.pi, 28, endpoint=False).tolist()
            ]
        )
    tube(hosel)
    points = np.array(vertices, np.float32) * np.array([-1 if mirrored else 1, 1, 1], np.float32)
    index = np.array(faces, np.uint32)[:, :: -1 if mirrored else 1]
    body = points.tobytes() + index.tobytes()
    scene = {
        "asset": {"version": "2.0"},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0}],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0}, "indices": 1}]}],
        "accessors": [
            {
                "bufferView": 0,
                "componentType": 5126,
                "count": len(points),
                "type": "VEC3",
                "min": points.min(0).tolist(),
                "max": points.max(0).tolist(),
            },
            {"bufferView": 1, "componentType": 5125, "count": index.size, "type": "SCALAR"},
        ],
        "bufferViews": [
            {"buffer": 0, "byteOffset": 0, "byteLength": points.nbytes},
            {"buffer": 0, "byteOffset": points.nbytes, "byteLength": index.nbytes},
        ],
        "buffers": [{"byteLength": len(body)}],
    }
    text = json.dumps(scene).encode()
    text += b" " * (-len(text) % 4)
    return (
        struct.pack("<4sII", b"glTF", 2, 28 + len(text) + len(body))
        + struct.pack("<I4s", len(text), b"JSON")
        + text
        + struct.pack("<I4s", len(body), b"BIN\0")
        + body
    )


class _Filler:
    """Fills one store; every method adds one room's part of the story."""

    def __init__(self, store: Store, now_ns: int, seed: int = 7) -> None:
        self.store, self.now_ns, self.rng = store, now_ns, np.random.default_rng(seed)
        self.origin_ns = now_ns - 112 * MIN
        self.people = [f"p-{i:02d}" for i in range(1, 13)]
        self.orders = [f"L003-{i:03d}" for i in range(1, 13)]
        self.designs: dict[str, list[dict[str, Any]]] = {}
        self.code = hash_claim_code(CODE)

    def say(
        self, kind: str, about: str, t_ns: int, actor: str = "loop", because: tuple[str, ...] = (), **body: Any
    ) -> Event:
        return self.store.record([Event(kind, about, t_ns, actor, body, because)])[0]

    def fill(self) -> None:
        self.say("turn.started", "turn-3", self.origin_ns - 5 * MIN, orders=len(self.orders), seed=1, number=3)
        self.persons_and_orders()
        self.plan_and_steps()
        self.measure_and_ship()
        self.machines()
        self.use()
        self.alarms_and_decisions()
        self.changes()
        self.store.flush()

    def persons_and_orders(self) -> None:
        for i, person in enumerate(self.people):
            hand = "left" if i in (4, 9) else "right"
            self.store.people.save(
                Person(
                    person,
                    {"stature": 1.62 + 0.03 * i, "wrist_height": 0.80 + 0.012 * i, "hand_length": 0.18 + 0.002 * i},
                    hand,
                    source="small plant",
                )
            )
            self.say(
                "person.added",
                person,
                self.origin_ns - 30 * MIN,
                source="small plant",
                measures_hash="5e3c",
                handedness=hand,
            )
        for i, (order, person) in enumerate(zip(self.orders, self.people, strict=True)):
            at = self.origin_ns - (28 - i) * MIN
            self.say(
                "order.placed",
                order,
                at,
                person=person,
                family="iron",
                wishes={},
                quantity=1,
                due_ns=self.origin_ns + 14 * DAY,
                price_minor=24900,
                currency="EUR",
            )
            if i == 11:
                self.say(
                    "order.refused",
                    order,
                    at + MIN,
                    person=person,
                    reason="hand_length: outside what the rule covers; allowed: 0.155 m to 0.230 m",
                )
                continue
            self.designs[order] = rows = []
            for name, unit, mean, spread, half, good, rule, source in FIT:
                value = to_inside(float(self.rng.normal(mean, spread)), unit)
                half_m = to_inside(half, unit)
                inside = {"in": "m", "deg": "rad", "g": "kg"}[unit]
                rows.append(
                    {
                        k: v
                        for k, v in asdict(
                            Parameter(name, value, inside, value - half_m, value + half_m, rule, source)
                        ).items()
                        if k != "because"
                    }
                )
            rows.append(
                {
                    "name": "swing_weight",
                    "value": 2.0,
                    "unit": "swingweight",
                    "low": 1.0,
                    "high": 3.0,
                    "rule": "target swing weight",
                    "source": "the order",
                }
            )
            rows.append(
                {
                    "name": "shaft_flex",
                    "value": "regular" if i % 3 else "stiff",
                    "unit": "",
                    "low": None,
                    "high": None,
                    "rule": "flex by club speed",
                    "source": "True Temper chart (2015)",
                }
            )
            design = f"iron/{order}@r4-9c1e07d2"
            self.say(
                "order.fitted",
                order,
                at + MIN,
                design=design,
                family="iron",
                revision="r4-9c1e07d2",
                parameters=rows,
                mirrored=i in (4, 9),
                rules=[r["rule"] for r in rows],
            )
            self.solid(order, design, at + 2 * MIN, mirrored=i in (4, 9))

    def solid(self, order: str, design: str, t_ns: int, mirrored: bool) -> None:
        folder = self.store.path / "solids"
        folder.mkdir(exist_ok=True)
        data = iron_glb(mirrored)
        (folder / f"{order}.glb").write_bytes(data)
        files = {"glb": {"path": f"solids/{order}.glb", "hash": hashlib.sha256(data).hexdigest()}}
        self.say(
            "solid.made",
            order,
            t_ns,
            "solid",
            design=design,
            files=files,
            mass_kg=0.2681,
            cg_m=[0.031, 0.018, -0.009],
            volume_m3=3.351e-5,
        )

    def plan_and_steps(self) -> None:
        slots, free, self.steps = (
            [],
            dict.fromkeys(("mill-1", "mill-2", "mill-3", "polish-1", "assembly-1", "gauge-1"), 0),
            {},
        )
        for order in self.orders[:11]:
            ready = 0
            for operation, role, minutes in ROUTE:
                machine = min(
                    (
                        m
                        for m in free
                        if m.startswith("gauge" if role == "measure" else "assembly" if role == "assemble" else role)
                    ),
                    key=lambda m: free[m],
                )
                start = max(ready, free[machine])
                ready = free[machine] = start + minutes * 60
                slots.append(
                    {
                        "order": order,
                        "operation": operation,
                        "machine": machine,
                        "start_s": start,
                        "end_s": ready,
                        "frozen": False,
                    }
                )
        self.slots, last = slots, max(s["end_s"] for s in slots)
        self.say(
            "plan.released",
            "plan-00007",
            self.origin_ns,
            "plan",
            origin_ns=self.origin_ns,
            slots=slots,
            status="optimal",
            objective="makespan",
            makespan_s=last,
            bound_s=last,
            solver="cp-sat",
            took_s=0.42,
            reason="11 open orders",
        )
        for slot in slots:
            start, end = self.origin_ns + slot["start_s"] * NS_PER_S, self.origin_ns + slot["end_s"] * NS_PER_S
            serial, body = f"{slot['order']}-1", {k: slot[k] for k in ("order", "operation", "machine")}
            if end <= self.now_ns:
                heard = (
                    ["s.velocity", "s.output_power", "s.output_current", "program.feed"]
                    if slot["machine"].startswith("mill")
                    else []
                )
                end_heard = self.now_ns - 60 * NS_PER_S
                self.say(
                    "step.finished",
                    serial,
                    end,
                    slot["machine"],
                    **body,
                    start_ns=start,
                    end_ns=end,
                    signals=heard,
                    run=f"{slot['machine']}/run-{len(self.steps)}" if heard else "",
                    program_hash=hashlib.sha256(serial.encode()).hexdigest() if heard else "",
                    signals_start_ns=end_heard - 12 * MIN,
                    signals_end_ns=end_heard,
                    assumed=[],
                )
                self.steps[slot["order"], slot["operation"]] = end
            elif start <= self.now_ns:
                self.say("step.started", serial, start, slot["machine"], **body)

    def measure_and_ship(self) -> None:
        for i, order in enumerate(self.orders[:11]):
            end = self.steps.get((order, "measure"))
            if end is None:
                continue
            serial, verdict = f"{order}-1", "rework" if i == 2 else "scrap" if i == 5 else "good"
            rows = self.gauge(order, i, verdict)
            self.say(
                "unit.measured",
                serial,
                end,
                "gauge-1",
                order=order,
                measures=rows,
                verdict=verdict,
                attempt=1,
                reasons=[r["words"] for r in rows if r["verdict"] != "good"],
            )
            if verdict == "scrap":
                self.say(
                    "unit.scrapped",
                    serial,
                    end,
                    "gauge-1",
                    order=order,
                    reason="loft 36.1 deg is 2.6 deg above the designed 33.5 deg; scrap beyond 2.0 deg",
                )
                continue
            if verdict == "rework":
                self.say(
                    "unit.reworked",
                    serial,
                    end,
                    "gauge-1",
                    order=order,
                    reason="lie 61.1 deg is 0.8 deg below the designed 61.9 deg; good within 0.5 deg",
                    attempt=1,
                )
                rows = self.gauge(order, i + 20, "good")
                end += 14 * MIN
                self.say(
                    "unit.measured",
                    serial,
                    end,
                    "gauge-1",
                    order=order,
                    measures=rows,
                    verdict="good",
                    attempt=2,
                    reasons=[],
                )
            self.say(
                "unit.finished",
                serial,
                end,
                order=order,
                design=f"iron/{order}@r4-9c1e07d2",
                as_built={r["name"]: r["as_built"] for r in rows},
                made_ns=end,
            )
            if i < 6:
                self.say(
                    "unit.shipped", serial, end + 5 * MIN, order=order, code_hash=self.code.hash, salt=self.code.salt
                )
            if i < 4:
                self.say("unit.claimed", serial, end + 9 * MIN, self.people[i], owner=self.people[i])

    def gauge(self, order: str, i: int, verdict: str) -> list[dict[str, Any]]:
        rows = []
        for name, unit, *_, good, _rule, _source in FIT:
            wanted = next(r for r in self.designs[order] if r["name"] == name)
            limit = to_inside(good, unit)
            off = float(np.random.default_rng([i, len(rows)]).normal(0, 0.4)) * limit
            word = "good"
            if verdict != "good" and name == ("lie" if verdict == "rework" else "loft"):
                off, word = (-1.6 * limit, "rework") if verdict == "rework" else (5.2 * limit, "scrap")
            off = off if word != "good" else max(-0.9 * limit, min(0.9 * limit, off))
            rows.append(
                {
                    "name": name,
                    "unit": wanted["unit"],
                    "designed": wanted["value"],
                    "as_built": wanted["value"] + off,
                    "deviation": off,
                    "good": limit,
                    "scrap": 4 * limit,
                    "verdict": word,
                    "words": f"{name} is {'above' if off > 0 else 'below'} the designed value",
                }
            )
        return rows

    def machines(self) -> None:
        start = self.now_ns - 24 * MIN
        for machine, hop, seconds in (
            ("mill-1", "mqtt", 1438),
            ("mill-2", "opcua", 1436),
            ("mill-3", "mtconnect", 1040),
        ):
            table = machine_points(self.rng, machine, start, seconds, wear=1.0 if machine == "mill-2" else 0.15)
            table, sent = table.sort_by("t_ns"), table.num_rows
            source, at = f"{hop}/{machine}#boot-3", 0
            while at < sent:
                part = table.slice(at, 2500)
                self.store.put(Batch(hop, source, at, part, sent=min(sent, at + part.num_rows)))
                at += part.num_rows
            self.store.put(Batch(hop, source, 0, table.slice(0, 120), sent=sent))
            self.say(
                "link.state",
                f"{hop}/{machine}",
                start,
                hop,
                state="open" if machine != "mill-3" else "lost",
                word="reads since 24 min",
            )
            if machine == "mill-3":
                self.store.note_sent(
                    hop, source, sent + 37, "37 samples were overwritten in the agent's buffer before they were read"
                )
        wrong = _points("mill-1", "s.output_current", np.array([start + 5]), np.array([9e9]))
        self.store.put(Batch("mqtt", "mqtt/mill-1#json", None, wrong))

    def use(self) -> None:
        for i, push in enumerate((5.5, -2.0, 9.0, 1.0)):
            serial = f"{self.orders[i]}-1"
            self.store.declare([], [Thing(serial, "club", unit=serial, owner=self.people[i])])
            parts = [
                shots(
                    self.rng, serial, self.now_ns - (25 - 4 * s) * DAY, 14 + 3 * s, 0.2 + 0.1 * s, push * (1 - 0.14 * s)
                )
                for s in range(6 if i == 0 else 3)
            ]
            table = pa.concat_tables(parts)
            self.store.put(Batch("files", f"files/session-{i}", 0, table, sent=table.num_rows))
            self.store.note_sent("files", f"files/session-{i}", table.num_rows)
        for purpose in ("coaching", "improvement"):
            self.say(
                "consent.given",
                self.people[0],
                self.now_ns - 20 * DAY,
                self.people[0],
                purpose=purpose,
                until_ns=self.now_ns + 340 * DAY,
            )
        self.say(
            "consent.given",
            self.people[1],
            self.now_ns - 20 * DAY,
            self.people[1],
            purpose="coaching",
            until_ns=self.now_ns + 340 * DAY,
        )
        self.say("consent.withdrawn", self.people[1], self.now_ns - 3 * DAY, self.people[1], purpose="coaching")

    def alarms_and_decisions(self) -> None:
        now = self.now_ns
        worn = self.say(
            "alarm.raised",
            "alarm-0012",
            now - 11 * MIN,
            "maintain",
            condition="tool worn",
            thing="mill-2",
            priority="high",
            says="Tool on mill-2 is probably worn: 0.86 (interval 0.71 to 0.95) over its last run; feed and clamp alone would say 0.52.",
            evidence=[
                asdict(
                    Evidence(
                        "points",
                        "mill-2",
                        "s.output_power",
                        now - 24 * MIN,
                        now - 12 * MIN,
                        "power under load rose by 31 %",
                    )
                ),
                asdict(Evidence("model", "wear-logistic@3")),
            ],
        )
        self.say(
            "alarm.raised",
            "alarm-0013",
            now - 6 * MIN,
            "watch",
            condition="stale",
            thing="mill-3",
            priority="medium",
            says="mill-3 has been silent for 6 minutes; it speaks every second.",
            evidence=[],
        )
        self.say(
            "alarm.raised",
            "alarm-0009",
            now - 140 * MIN,
            "watch",
            condition="limit",
            thing="mill-1",
            priority="low",
            says="Spindle power of mill-1 above 260 W for 20 s.",
            evidence=[],
        )
        self.say("alarm.acknowledged", "alarm-0009", now - 132 * MIN, "mara")
        self.say("alarm.cleared", "alarm-0009", now - 130 * MIN, "watch")
        self.say(
            "workorder.opened",
            "wo-0004",
            now - 10 * MIN,
            "maintain",
            machine="mill-2",
            alarm="alarm-0012",
            duration_s=1500,
            why="change the tool of mill-2",
            start_ns=now + 4 * MIN,
        )
        club, person = f"{self.orders[0]}-1", self.people[0]
        rows = [
            Decision(
                "d-0031",
                "maintain",
                "mill-2",
                now - 11 * MIN,
                "Change the tool of mill-2 before its next part.",
                0.86,
                "1",
                0.71,
                0.95,
                (
                    Evidence(
                        "points",
                        "mill-2",
                        "s.output_power",
                        now - 24 * MIN,
                        now - 12 * MIN,
                        "power under load rose by 31 % over the run",
                    ),
                    Evidence("event", worn.id, note="the alarm"),
                ),
                "wear-logistic@3",
                "open a work order of 25 minutes",
                True,
            ),
            Decision(
                "d-0030",
                "coach",
                person,
                now - 2 * DAY,
                "Your shots start 5 m right on average. Closing the face by about 1.5° at impact is expected to bring 4.1 m of it back.",
                4.1,
                "m",
                1.6,
                6.4,
                (Evidence("points", club, SIDE, now - 25 * DAY, now - 5 * DAY, "117 shots in 6 sessions"),),
                "side-by-face@2",
                "",
                False,
                body={"feature": "face.angle", "kind": "observational: other things may have changed with it"},
            ),
            Decision(
                "d-0029",
                "coach",
                self.people[1],
                now - 2 * DAY,
                "",
                None,
                because=(),
                abstains="the owner has withdrawn consent to coaching",
            ),
            Decision(
                "d-0028",
                "oee",
                "mill-1",
                now - 90 * MIN,
                "mill-1 was effective for 71 % of its planned time.",
                0.71,
                "1",
                None,
                None,
                (Evidence("points", "mill-1", "machine.state", now - 480 * MIN, now, "one shift"),),
            ),
        ]
        for row in rows:
            self.say("decision.made", row.id, row.made_ns, row.service, decision=asdict(row))

    def changes(self) -> None:
        now, touch = self.now_ns, {"touches": "person"}
        tests = [
            {
                "name": "benefit in a randomised trial",
                "passed": True,
                "says": "mean side 6.2 m by the old rule, 2.9 m by the new; nearer by at least 1.1 m (95 % however often one looks)",
            },
            {"name": "enough units", "passed": True, "says": "24 complete pairs, 12 needed"},
            {
                "name": "no group worse than the limit",
                "passed": True,
                "says": "left-handed 1.0 m nearer, right-handed 3.4 m nearer",
            },
        ]
        for number, days, offset, state in (
            (3, 9, 0.0122, "released"),
            (4, 0.02, -0.0085, "gated"),
            (5, 0.01, 0.004, "proposed"),
        ):
            id_, t = f"change-{number:04d}", now - round(days * DAY)
            rule = "lie" if number != 5 else "club_length"
            change = Change(
                id_,
                "rule",
                rule,
                {"rule": rule, "offset": 0.0},
                {"rule": rule, "offset": offset},
                f"Shots of {20 + number} units miss to one side by more the further their {rule.replace('_', ' ')} is from where it would be straight.",
                "propose",
                **touch,
            )
            self.say("change.proposed", id_, t, "propose", change=asdict(change))
            if state == "proposed":
                continue
            for who in ("anna", "bo"):
                self.say("change.approved", id_, t + MIN, who, automatic=False, purpose="trial")
            self.say("change.gated", id_, t + 2 * MIN, "gate", tests=tests, passed=True)
            self.say("change.approved", id_, t + 3 * MIN, "anna", automatic=False, purpose="release")
            if state == "released":
                self.say("change.approved", id_, t + 4 * MIN, "bo", automatic=False, purpose="release")
                self.say(
                    "change.released",
                    id_,
                    t + 5 * MIN,
                    "release",
                    target="rule",
                    rule=rule,
                    before=change.before,
                    after=change.after,
                    revision="r4-9c1e07d2",
                )
        self.say(
            "change.notproposed",
            "look-0011",
            now - 4 * DAY,
            "propose",
            reason="grip size: the interval of its effect on side, -2.1 m to 1.8 m, holds zero (31 units)",
            evidence=[],
        )


@contextmanager
def small_plant(
    folder: Path, *, clock: Clock | None = None, users: bool = False, empty: bool = False
) -> Iterator[Front]:
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


def add_users(store: Store) -> None:
    """mara the operator, emil the engineer, anna and bo the approvers, and the owner of the first unit."""
    seal = hash_password(PASSWORD)
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


def main(argv: list[str]) -> None:
    """Serves the small plant at a port until Ctrl-C."""
    import asyncio

    from loopwright.app import serve_http

    folder, port = Path(argv[0]), int(argv[1])
    with small_plant(folder, users="--users" in argv, empty="--empty" in argv) as front:
        app = serve_http.build_app(front.store, front.site, front.flow, front.auth, clock=front.clock)
        asyncio.run(serve_http.serve(app, "127.0.0.1", port))


if __name__ == "__main__":
    main(sys.argv[1:])
