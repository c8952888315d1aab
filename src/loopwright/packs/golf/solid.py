"""The head of an iron as a parametric solid: STEP for machines, STL and GLB for eyes, with its mass, centre and
inertia.

    make_solid({"id": ..., "parameters": {"loft": .., "lie": .., "head_mass": ..}, "mirrored": False}, folder)  -> dict

Axes: x from heel to toe, y to the target, z up from the ground; the shaft's axis meets the ground at x = 0. A bar with
a wedge-shaped section is cut to the blade's outline; a neck blends its heel into the hosel; a cavity is cut from
behind, as deep as the head's mass asks for. A left-handed head is the mirror image. Millimetres in here, as the kernel
has them; what comes out is in inside units. Needs the extra `solid` (build123d).
"""

from __future__ import annotations

import hashlib
import math
import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from loopwright.core.clock import monotonic_s
from loopwright.core.errors import InputError, MissingExtra

DENSITY_KG_M3 = 7900.0  # stainless steel 1.4307 (AISI 304L), EN 10088-1
_LIMITS = {
    "loft": (math.radians(28), math.radians(42)), "lie": (math.radians(54), math.radians(72)),
    "head_mass": (0.23, 0.32),
}
_FLOOR_MM = (2.0, 6.0)  # thickness of the face behind the cavity
_HEEL_MM, _TOP_HEEL_MM = 9.0, 34.5  # where the blade begins, and how high its face is there
_AXIS_Y_MM = -3.4  # the shaft's axis is this far behind the leading edge
_HOSEL_R_MM, _BORE_R_MM = 6.75, 4.55  # 13.5 mm outside; a bore for a tip of 0.355 in (9.0 mm) and epoxy
_HOSEL_START_MM, _HOSEL_END_MM, _BORE_START_MM = 33.0, 68.0, 37.0  # along the axis, from the ground
_BORE_MM3 = math.pi * _BORE_R_MM**2 * (_HOSEL_END_MM - _BORE_START_MM)
_FIRST_DAY = datetime(2000, 1, 1, tzinfo=UTC)  # written into STEP headers, so that equal designs give equal files


@dataclass(frozen=True)
class Shape:
    """loft_rad, lie_rad, mass_kg as wanted; bulk_mm: how much thicker than the lightest blade its back is."""

    loft_rad: float
    lie_rad: float
    mass_kg: float
    bulk_mm: float = 0.0

    def section(self, depth: float, up: float) -> tuple[float, float]:
        """(y, z) of the point `depth` behind the face and `up` along it from the leading edge, mm."""
        c, s = math.cos(self.loft_rad), math.sin(self.loft_rad)
        return -depth * c - up * s, -depth * s + up * c

    @property
    def sole_mm(self) -> float:
        return 21.0 + 0.6 * self.bulk_mm


@dataclass(frozen=True)
class Head:
    """The finished body (a build123d Solid in mm) and the thickness of the face behind its cavity, mm."""

    body: Any
    floor_mm: float


def make_solid(design: Mapping[str, Any], folder: str | Path) -> dict[str, Any]:
    """Makes the head of a design and writes <id>.step, .stl and .glb into the folder, each whole or not at all.

    design   id; parameters: {name: value} or rows with name and value (loft and lie in rad, head_mass in kg); mirrored
    returns  design, files {kind: {path (within the folder), sha256, bytes}}, mass_kg, cg_m, volume_m3, inertia_kg_m2
             (about the centre of gravity), floor_m, mirrored, took_s; plain data, that travels between processes
    Raises InputError for a parameter that is missing, out of range or impossible; MissingExtra without build123d.
    """
    start_s = monotonic_s()
    head = build(shape_of(design))
    body = head.body.mirror(_kernel().Plane.YZ) if design.get("mirrored") else head.body
    files = _write(body, str(design.get("id") or "head"), Path(folder))
    return {
        "design": str(design.get("id") or ""), "files": files, **properties(body), "floor_m": head.floor_mm * 1e-3,
        "mirrored": bool(design.get("mirrored")), "took_s": round(monotonic_s() - start_s, 3),
    }


def warm() -> str:
    """Loads the kernel and makes one head, so that the next is made at once; returns the kernel's version."""
    build(Shape(math.radians(34), math.radians(62), 0.270))
    return str(_kernel().__version__)


def shape_of(design: Mapping[str, Any]) -> Shape:
    """The shape a design asks for; InputError names the parameter that is missing or out of range."""
    given = design.get("parameters") or {}
    values = dict(given) if isinstance(given, Mapping) else {row["name"]: row["value"] for row in given}
    numbers = {}
    for name, (low, high) in _LIMITS.items():
        value = values.get(name)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
            where = f"solid of {design.get('id') or 'a design'}, parameter {name!r}"
            raise InputError(where, f"{value!r}", f"{low:.4g} to {high:.4g} (rad, kg)")
        numbers[name] = float(value)
    return Shape(numbers["loft"], numbers["lie"], numbers["head_mass"])


def build(shape: Shape) -> Head:
    """The head of a shape, its mass within 0.05 g of what was asked.

    The back of the blade is first made as thick as the mass asks for; then the cavity's floor is found: the volume a
    cavity takes is the integral of (depth of the back - floor) over its outline, known before anything is cut. Where
    the kernel's cut fails, the back is made a little thicker and it is tried again.
    """
    usual_kg = 0.3607 - 0.002707 * math.degrees(shape.loft_rad)  # with a floor of 3.8 mm; 9.2 g more per mm of bulk
    shape = replace(shape, bulk_mm=max(-1.2, (shape.mass_kg - usual_kg) / 0.00922))
    for _ in range(5):
        body, profile = _uncut(shape)
        floor = _floor_mm(shape, profile, volume_mm3(body) - _BORE_MM3 - shape.mass_kg / DENSITY_KG_M3 * 1e9)
        if not _FLOOR_MM[0] <= floor <= _FLOOR_MM[1]:
            shape = replace(shape, bulk_mm=shape.bulk_mm + (floor - 3.8) * 1.15)  # a mm of floor weighs 10.8 g
            continue
        head, missing_kg = _cut(body, shape, floor)
        if 5e-5 < abs(missing_kg) < 5e-4:  # the kernel moved an edge: once more, with what it left out
            head, missing_kg = _cut(body, shape, floor + missing_kg / 0.0108)
        if head and abs(missing_kg) <= 5e-5:
            return head
        shape = replace(shape, bulk_mm=shape.bulk_mm + 0.23)
    given = f"{shape.mass_kg * 1e3:.1f} g with a loft of {math.degrees(shape.loft_rad):.1f} degrees cannot be reached"
    raise InputError("solid of a head", given, "", "another head mass or loft")


def _cut(body: Any, shape: Shape, floor: float) -> tuple[Head | None, float]:
    """The head with cavity and bore (None where it is not one closed body) and the mass it lacks, kg."""
    axis, foot = _axis(shape)
    bore = _cylinder(foot + axis * _BORE_START_MM, axis, _BORE_R_MM, 40.0)
    solids = body.cut(_extruded(_cavity_outline(shape), shape, floor, 40.0), bore).solids()
    if len(solids) != 1 or not solids[0].is_valid:
        return None, math.inf
    return Head(solids[0], floor), shape.mass_kg - volume_mm3(solids[0]) * 1e-9 * DENSITY_KG_M3


def properties(body: Any) -> dict[str, Any]:
    """Mass, centre of gravity, volume and inertia of a body in inside units, from the kernel's exact surfaces.

    Centre and inertia come from the kernel's plain integration, scaled to the exact volume: good to 0.1 mm and 0.5 %.
    """
    volume = volume_mm3(body)
    centre = body.center(_kernel().CenterOf.MASS)
    scale = 1e-15 * DENSITY_KG_M3 * volume / body.volume  # mm5 -> kg.m2
    return {
        "mass_kg": volume * 1e-9 * DENSITY_KG_M3, "volume_m3": volume * 1e-9,
        "cg_m": [centre.X * 1e-3, centre.Y * 1e-3, centre.Z * 1e-3],
        "inertia_kg_m2": [[value * scale for value in row] for row in body.matrix_of_inertia],
    }


def volume_mm3(body: Any) -> float:
    """Volume of a body by adaptive (Gauss-Kronrod) integration, to 1e-5.

    The kernel's plain integration is up to 0.5 % off on the neck's surface (9108 mm3 where the mesh converges to 9152).
    """
    from OCP.BRepGProp import BRepGProp
    from OCP.GProp import GProp_GProps

    found = GProp_GProps()
    BRepGProp.VolumePropertiesGK_s(body.wrapped, found, 1e-5, False, True, False, False, False)
    return float(found.Mass())


def _kernel() -> Any:
    try:
        import build123d
    except ImportError as error:
        raise MissingExtra("packs/golf/solid", "build123d", "solid") from error
    return build123d


def _one(shape: Any) -> Any:
    """The single solid of a result that may be a list."""
    solids = shape.solids()
    if len(solids) != 1:
        raise InputError("solid of a head", f"fell into {len(solids)} pieces", "one closed body")
    return solids[0]


def _uncut(shape: Shape) -> tuple[Any, np.ndarray]:
    """The head without cavity and bore, and the back of its blade as (n, 2) points (up the face, depth behind it)."""
    bar, profile = _bar(shape)
    blade = _one(_extruded(_blade_outline(), shape, 0.0, 45.0).intersect(bar))
    axis, foot = _axis(shape)
    hosel = _cylinder(foot + axis * _HOSEL_START_MM, axis, _HOSEL_R_MM, _HOSEL_END_MM - _HOSEL_START_MM)
    return _one(blade.fuse(_neck(shape), hosel)), profile


def _cylinder(foot: Any, axis: Any, radius: float, height: float) -> Any:
    b = _kernel()
    return b.Solid.make_cylinder(radius, height, b.Plane(origin=foot, z_dir=axis))


def _axis(shape: Shape) -> tuple[Any, Any]:
    """Direction of the shaft, upwards, and the point where its axis meets the ground."""
    b = _kernel()
    return b.Vector(-math.cos(shape.lie_rad), 0, math.sin(shape.lie_rad)), b.Vector(0, _AXIS_Y_MM, 0)


def _bar(shape: Shape) -> tuple[Any, np.ndarray]:
    """The blade's section (face, sole, back) drawn out from heel to toe, and its back as points."""
    b = _kernel()
    leading, trailing = (0.0, 1.7), (-shape.sole_mm, 3.2)
    thick = shape.bulk_mm
    middle, top = shape.section(9.6 + thick, 26.0), shape.section(6.2 + 0.7 * thick, 64.0)
    upwards = (top[0] - middle[0], top[1] - middle[1])
    start = (trailing[0] - 1.5, 7.0)
    back = b.Edge.make_spline([trailing, start, middle, top], tangents=[(-0.45, 1.0), upwards])
    edge, ridge = b.Edge, shape.section(0.0, 64.0)
    outline = [
        edge.make_three_point_arc(leading, (-0.45 * shape.sole_mm, 0.0), trailing), back,
        edge.make_line(top, ridge), edge.make_line(ridge, leading),
    ]
    plane = b.Plane(origin=(-40, 0, 0), x_dir=(0, 1, 0), z_dir=(1, 0, 0))
    section = b.Face(b.Wire(outline)).moved(plane.location)
    yz = np.array([(p.X, p.Y) for p in (back.position_at(t) for t in np.linspace(0, 1, 160))])
    c, s = math.cos(shape.loft_rad), math.sin(shape.loft_rad)
    profile = np.stack([yz[:, 1] * c - yz[:, 0] * s, -yz[:, 0] * c - yz[:, 1] * s], axis=1)
    return b.Solid.extrude(section, b.Vector(140, 0, 0)), profile


def _blade_outline() -> list[Any]:
    """Edges of the blade seen square to its face, (along the face to the toe, up the face), mm."""
    b = _kernel()
    toe, top_heel = (73.5, 57.0), (_HEEL_MM, _TOP_HEEL_MM)
    return [
        b.Edge.make_line((_HEEL_MM, -14), (58, -14)),
        b.Edge.make_spline(
            [(58, -14), (74.6, 4), (80.6, 20), (81.2, 36), (78.8, 50.5), toe], tangents=[(1, 0.35), (-1, -0.12)]),
        b.Edge.make_spline([toe, (43, 46.4), top_heel], tangents=[(-1, -0.12), (-1, -0.16)]),
        b.Edge.make_line(top_heel, (_HEEL_MM, -14)),
    ]


def _cavity_outline(shape: Shape) -> list[Any]:
    """Edges of the cavity, in the same view; its lower edge stays above the sole's trailing edge."""
    b = _kernel()
    spline = b.Edge.make_spline
    trailing = shape.sole_mm * math.sin(shape.loft_rad) + 3.2 * math.cos(shape.loft_rad)
    low = max(17.0, trailing + 2.4)
    return [
        spline([(20, low + 2), (60, low)], tangents=[(1, -0.06), (1, 0)]),
        spline([(60, low), (70.5, low + 4), (74.6, 33), (72.4, 45.5), (66.5, 49.3)], tangents=[(1, 0), (-1, -0.1)]),
        spline([(66.5, 49.3), (42, 40.0), (20, 33.6)], tangents=[(-1, -0.14), (-1, -0.2)]),
        spline([(20, 33.6), (13.0, 27.0), (20, low + 2)], tangents=[(-1, -0.2), (1, -0.06)]),
    ]


def _extruded(outline: Sequence[Any], shape: Shape, depth: float, amount: float) -> Any:
    """An outline drawn out backwards from a plane `depth` behind the face."""
    b = _kernel()
    back = b.Vector(0, -math.cos(shape.loft_rad), -math.sin(shape.loft_rad))
    plane = b.Plane(origin=back * depth, x_dir=(1, 0, 0), z_dir=back)
    face = b.Face(b.Wire(outline)).moved(plane.location)
    return b.Solid.extrude(face, back * amount)


def _floor_mm(shape: Shape, profile: np.ndarray, take_mm3: float) -> float:
    """Thickness that the cavity must leave to take this volume out.

    volume = integral over the outline of (depth of the back - floor); the back depends on `up` alone, so Green's
    theorem turns it into a sum along the outline: integral of D(up) d(along), where D' is the depth.
    """
    up, depth = profile[np.argsort(profile[:, 0])].T
    primitive = np.concatenate([[0.0], np.cumsum(np.diff(up) * (depth[1:] + depth[:-1]) / 2)])
    points = [edge.position_at(t) for edge in _cavity_outline(shape) for t in np.linspace(0, 1, 120, endpoint=False)]
    u, w = np.array([(p.X, p.Y) for p in points]).T
    step = np.roll(u, -1) - u
    middle = (np.interp(w, up, primitive) + np.interp(np.roll(w, -1), up, primitive)) / 2
    whole, area = abs(float(np.sum(middle * step))), abs(float(np.sum((w + np.roll(w, -1)) / 2 * step)))
    return (whole - take_mm3) / area


def _neck(shape: Shape) -> Any:
    """What joins heel and hosel: a loft from the heel's section along a curve to a circle round the shaft's axis."""
    b = _kernel()
    heel = _heel_section(shape)
    centre = heel.mean(axis=0)
    turn = math.atan2(heel[0, 1] - centre[1], heel[0, 0] - centre[0]) + 2 * math.pi * np.arange(len(heel)) / len(heel)
    circle = np.stack([np.cos(turn), np.sin(turn)], axis=1)
    axis, foot = _axis(shape)
    a, o = np.array(tuple(axis)), np.array(tuple(foot))
    start, end = np.array([_HEEL_MM, *centre]), o + a * 30.0 - np.array([0, 0.5, 0])

    def wire(middle: np.ndarray, offsets: np.ndarray, tilt: float) -> Any:
        across = np.array([math.sin(tilt), 0.0, math.cos(tilt)])
        ring = middle + offsets[:, :1] * np.array([0.0, 1.0, 0.0]) + offsets[:, 1:] * across  # (n, 3)
        even = np.linspace(0.0, 1.0, len(ring) + 1).tolist()  # the same knots in every wire: a surface with few spans
        return b.Wire([b.Edge.make_spline([tuple(p) for p in ring], periodic=True, parameters=even)])

    wires = []
    for t in (0.0, 0.3, 0.62, 1.0):
        share = 3 * t * t - 2 * t**3
        curve = start * (1 - share) + end * share
        curve = curve + np.array([-24.0, 0, 0]) * (t**3 - 2 * t * t + t) + a * 22.0 * (t**3 - t * t)
        wires.append(wire(curve, (1 - share) * (heel - centre) + share * 7.6 * circle, share * shape.lie_rad))
    wires.append(wire(o + a * 46.0, 6.1 * circle, shape.lie_rad))  # within the hosel
    return b.Solid.make_loft(wires)


def _heel_section(shape: Shape) -> np.ndarray:
    """(10, 2) points (y, z) of the blade's section at the heel, a little inside it, from the leading edge over
    the top."""
    top, sole, thick = _TOP_HEEL_MM, shape.sole_mm, shape.bulk_mm
    return np.array([
        shape.section(0.3, 10), shape.section(0.3, 22), shape.section(0.6, top - 1.5), shape.section(2.6, top - 0.3),
        shape.section(6.4 + 0.6 * thick, top - 3.0), shape.section(8.6 + 0.8 * thick, 26.0), (-sole + 0.1, 12.0),
        (-sole + 1.0, 4.4), (-0.55 * sole, 0.6), (-2.2, 1.7),
    ])


def _write(body: Any, design_id: str, folder: Path) -> dict[str, dict[str, Any]]:
    """STEP, STL and GLB of a body, written beside their names and then moved there."""
    b = _kernel()
    stem = re.sub(r"[^A-Za-z0-9._-]+", "-", design_id).strip("-.") or "head"
    folder.mkdir(parents=True, exist_ok=True)
    written = {}
    with tempfile.TemporaryDirectory(dir=folder, prefix=".solid-") as scratch:
        paths = {kind: Path(scratch) / f"{stem}.{kind}" for kind in ("step", "stl", "glb")}
        done = [
            b.export_step(body, paths["step"], timestamp=_FIRST_DAY),
            b.export_stl(body, paths["stl"], tolerance=0.06, angular_tolerance=0.25),
            b.export_gltf(body, paths["glb"], binary=True, linear_deflection=0.06, angular_deflection=0.25),
        ]
        if not all(done):
            where = f"solid of {design_id}"
            raise InputError(where, f"could not be written to {folder}", "a folder with room that may be written")
        for kind, path in paths.items():
            data = path.read_bytes()
            written[kind] = {"path": path.name, "sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
        for path in paths.values():
            path.replace(folder / path.name)
    return written
