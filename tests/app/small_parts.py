"""What a small plant is made of: signals of a mill, shots of a golfer, and the head of an iron as a solid. Nobody's data."""

from __future__ import annotations

import json
import math
import struct

import numpy as np
import pyarrow as pa

from loopwright.core.clock import NS_PER_S
from loopwright.core.types import POINTS_IN
from loopwright.core.units import to_inside

ALONG, SIDE = "carry", "carry.deviation"
Ring = list[tuple[float, float, float]]


def machine_points(rng: np.random.Generator, machine: str, start_ns: int, seconds: int, wear: float) -> pa.Table:
    """Half a dozen signals of a mill at 2 Hz: it cuts, rests between parts, and draws more power as its tool wears."""
    t = start_ns + (np.arange(seconds * 2) * NS_PER_S // 2)
    phase = (np.arange(len(t)) / 2) % 260
    cutting, setup = phase < 200, (phase >= 200) & (phase < 225)
    layers = np.sin(phase / 9.0) * 0.5 + 0.5
    speed = np.where(cutting, to_inside(3200, "rpm") + rng.normal(0, 3, len(t)), 0.0)
    columns: dict[str, np.ndarray] = {
        "s.velocity": speed,
        "s.output_power": np.where(cutting, 120 + 70 * layers + 60 * wear * phase / 200 + rng.normal(0, 6, len(t)), 2 + rng.random(len(t))),
        "s.output_current": np.where(cutting, 11 + 5 * layers + 4 * wear + rng.normal(0, 0.3, len(t)), 0.4),
        "x.position": 0.14 + 0.04 * np.sin(phase / 14.0),
        "z.position": np.where(cutting, 0.035 - 0.01 * (phase // 50), 0.12),
        "program.feed": np.where(cutting, to_inside(6.0, "mm/s") * (0.7 + 0.3 * layers), 0.0),
    }
    parts = [points_of(machine, name, t, values) for name, values in columns.items()]
    state = np.where(cutting, 1, np.where(setup, 2, 0)).astype(np.int64)
    changed = np.flatnonzero(np.diff(state, prepend=-1))
    parts.append(points_of(machine, "machine.state", t[changed], None, state[changed]))
    ended = np.flatnonzero(np.diff(cutting.astype(int)) < 0)
    parts.append(points_of(machine, "part.count", t[ended], None, 40 + np.arange(len(ended))))
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
    return pa.concat_tables([points_of(thing, name, t, column) for name, column in values.items()])


def points_of(thing: str, signal: str, t_ns: np.ndarray, value: np.ndarray | None, code: np.ndarray | None = None) -> pa.Table:
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
    vertices: Ring = []
    faces: list[tuple[int, int, int]] = []
    for rings in (_blade(math.radians(loft_deg)), _hosel(math.radians(62.5))):
        base, m = len(vertices), len(rings[0])
        vertices += [point for ring in rings for point in ring]
        for i in range(len(rings) - 1):
            for j in range(m):
                a, b = base + i * m + j, base + i * m + (j + 1) % m
                faces += [(a, b, b + m), (a, b + m, a + m)]
        last = base + (len(rings) - 1) * m
        faces += [(base, base + j + 2, base + j + 1) for j in range(m - 2)] + [(last, last + j + 1, last + j + 2) for j in range(m - 2)]
    points = np.array(vertices, np.float32) * np.array([-1 if mirrored else 1, 1, 1], np.float32)
    index = np.array(faces, np.uint32)[:, :: -1 if mirrored else 1]
    return _glb(points, index)


def _blade(loft: float) -> list[Ring]:
    """Cross sections of the blade, heel to toe."""
    rings = []
    for i in range(41):
        u = i / 40
        tall = (0.026 + 0.030 * u**0.8) * math.sqrt(max(0.02, 1 - max(0.0, (u - 0.82) / 0.19) ** 2))
        deep, thin = 0.0185 + 0.004 * u, 0.0045
        sole = [(0.0, 0.0), (0.004, -0.0018), (deep * 0.6, -0.003), (deep, 0.001), (deep * 0.86, 0.010), (thin + 0.004, 0.014)]
        profile = [*sole, (thin + 0.0015, tall * 0.7), (thin, tall - 0.001), (thin * 0.5, tall), (0.0, tall - 0.001)]
        rings.append([(0.078 * u, 0.004 * (1 - u) + y * math.cos(loft), -(z + y * math.sin(loft))) for z, y in profile])
    return rings


def _hosel(lie: float) -> list[Ring]:
    """Circles along the shaft's axis."""
    rings = []
    for k in range(15):
        s, radius = 0.062 * k / 14, 0.0068 if k < 13 else 0.0062
        x, y = 0.004 - s * math.cos(lie), 0.012 + s * math.sin(lie)
        turns = np.linspace(0, 2 * math.pi, 28, endpoint=False).tolist()
        rings.append([(x + radius * math.cos(a) * math.sin(lie), y + radius * math.cos(a) * math.cos(lie), -0.011 + radius * math.sin(a)) for a in turns])
    return rings


def _glb(points: np.ndarray, index: np.ndarray) -> bytes:
    """Triangles as a binary glTF. Source: Khronos glTF 2.0 specification, section 4.4 (GLB)."""
    body = points.tobytes() + index.tobytes()
    views = [{"buffer": 0, "byteOffset": 0, "byteLength": points.nbytes}, {"buffer": 0, "byteOffset": points.nbytes, "byteLength": index.nbytes}]
    accessors = [
        {"bufferView": 0, "componentType": 5126, "count": len(points), "type": "VEC3", "min": points.min(0).tolist(), "max": points.max(0).tolist()},
        {"bufferView": 1, "componentType": 5125, "count": index.size, "type": "SCALAR"},
    ]
    scene = {
        "asset": {"version": "2.0"}, "scene": 0, "scenes": [{"nodes": [0]}], "nodes": [{"mesh": 0}], "accessors": accessors, "bufferViews": views,
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0}, "indices": 1}]}], "buffers": [{"byteLength": len(body)}],
    }
    text = json.dumps(scene).encode()
    text += b" " * (-len(text) % 4)
    head = struct.pack("<4sII", b"glTF", 2, 28 + len(text) + len(body))
    return head + struct.pack("<I4s", len(text), b"JSON") + text + struct.pack("<I4s", len(body), b"BIN\0") + body
