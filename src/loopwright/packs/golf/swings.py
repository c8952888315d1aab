"""Recorded swings of CaddieSet: posture at the events of a swing, and the flight of its ball, as points of things
'golfer-<id>'.

The file has no times: the first swing is at options.origin_ns and the next ones options.spacing_s apart, in the order
of the file, and both are marked as assumed. A swing filmed from two sides stands in two rows with the same flight:
they get one time, the face-on row n = 0 and the down-the-line row n = 1. An exact repeat of a row keeps its key.

LrDistanceOut is taken as metres from the target line where the ball landed, DirectionAngle and SpinAxis as degrees,
all positive to the right. The data set does not say so: LrDistanceOut against DirectionAngle and SpinAxis has positive
slopes for each of golfers 1 to 5 (0.6 to 1.1 and 0.16 to 0.27), SpinAxis is the angle of SpinSide over SpinBack, so
the three agree; that positive is right is assumed, and marked so.
"""

from __future__ import annotations

import difflib
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from loopwright.core.clock import NS_PER_S
from loopwright.core.errors import InputError
from loopwright.core.pack import Imported, ImportOptions
from loopwright.core.types import BAD
from loopwright.core.units import to_inside
from loopwright.packs.golf.launch_file import club_type
from loopwright.packs.golf.sheets import Point, Sheet, count_note, points_table, read_sheet, to_number
from loopwright.packs.golf.signals import FEATURES, SWING, feature_name

# column -> (signal, unit in the file)
_FLIGHT = {
    "Carry": ("carry", "m"), "Distance": ("total", "m"), "LrDistanceOut": ("carry.deviation", "m"),
    "DirectionAngle": ("launch.direction", "deg"), "SpinBack": ("back.spin", "rpm"), "SpinSide": ("side.spin", "rpm"),
    "SpinAxis": ("ball.spin.axis", "deg"), "BallSpeed": ("ball.speed", "m/s"),
}
_NEEDED = ("View", "ClubType", "GolferId", *_FLIGHT)
_VIEWS = {"FACEON": 0, "DTL": 1}


def read_swings(path: Path, options: ImportOptions) -> Imported:
    """The swings of one file as points. Raises InputError for a file or column that cannot be used; nothing is half
    read.

    Infinite ratios (a body width of zero in the image) and cells that are no number are gaps of doubtful origin, not
    values. A row is refused when its golfer, view or carry is not known.
    """
    sheet = read_sheet(Path(path))
    missing = [name for name in _NEEDED if name not in sheet.header]
    if missing:
        near = {name: difflib.get_close_matches(name, sheet.header, n=1) for name in missing}
        hints = [f"{name} (is it {found[0]!r}?)" if found else name for name, found in near.items()]
        given = f"columns are missing: {', '.join(hints)}"
        raise InputError(f"{path} header", given, "a CaddieSet table (CaddieSet.csv)")
    index = {name: i for i, name in enumerate(sheet.header)}
    refused: Counter[str] = Counter()
    lines: list[str] = []
    good: list[tuple[str, ...]] = []
    for line, cells in sheet.rows:
        reason = _unusable(cells, index, sheet)
        if reason:
            refused[reason] += 1
            lines.append(f"line {line}: {reason}")
        else:
            good.append(cells)
    if not good:
        raise InputError(str(path), f"no row can be used: {count_note(lines, 3)}", "rows with GolferId, View and Carry")
    keys = _keys(good, index, options)
    points = [p for cells, (t_ns, n) in zip(good, keys, strict=True) for p in _points(cells, t_ns, n, index)]
    return Imported(
        "swings", str(path), sheet.hash, len(sheet.rows), table=points_table(points), refused=dict(refused),
        notes=tuple(_notes(points, [t_ns for t_ns, _ in keys], sheet, lines)),
        assumed={"origin_ns": options.origin_ns, "spacing_s": options.spacing_s, "right_is_positive": True})


def _unusable(cells: Sequence[str], index: Mapping[str, int], sheet: Sheet) -> str:
    if len(cells) != len(sheet.header):
        return "row cut off or too long"
    golfer = to_number(cells[index["GolferId"]])
    if golfer is None or not math.isfinite(golfer) or golfer != int(golfer):
        return "golfer not known"
    if cells[index["View"]].upper() not in _VIEWS:
        return "view not known"
    carry = to_number(cells[index["Carry"]])
    return "" if carry is not None and math.isfinite(carry) and carry > 0 else "carry not above 0"


def _keys(rows: Sequence[Sequence[str]], index: Mapping[str, int], options: ImportOptions) -> list[tuple[int, int]]:
    """(t_ns, n) of each row: one time for every swing of a golfer, n = 0 face on and 1 down the line.

    Different rows of one view with the very same flight are told apart by n = 2, 3, ...; a repeated row keeps its n.
    """
    parts, view = [index[name] for name in ("GolferId", "ClubType", *_FLIGHT)], index["View"]
    number: dict[tuple[str, ...], int] = {}
    same: dict[tuple[int, int], list[Sequence[str]]] = {}
    spacing_ns, keys = round(options.spacing_s * NS_PER_S), []
    for cells in rows:
        swing, side = number.setdefault(tuple(cells[i] for i in parts), len(number)), _VIEWS[cells[view].upper()]
        stand = same.setdefault((swing, side), [])
        if cells not in stand:
            stand.append(cells)
        keys.append((options.origin_ns + swing * spacing_ns, side + 2 * stand.index(cells)))
    return keys


def _points(cells: Sequence[str], t_ns: int, n: int, index: Mapping[str, int]) -> Iterator[Point]:
    thing = f"golfer-{int(float(cells[index['GolferId']]))}"
    view = _VIEWS[cells[index["View"]].upper()]
    yield Point(thing, "view", t_ns, n, None, view)
    club = SWING.signal("club.type").code_of(club_type(cells[index["ClubType"]]))
    yield Point(thing, "club.type", t_ns, n, None, club)
    inside: dict[str, float] = {}
    wanted = [(column, *row) for column, row in _FLIGHT.items()]
    wanted += [(column, feature_name(column), unit) for column, unit in FEATURES.items() if column in index]
    for column, signal, unit in wanted:
        cell = cells[index[column]]
        if not cell and column in FEATURES:
            continue  # this camera does not see it
        value = to_number(cell)
        if value is None or not math.isfinite(value):
            yield Point(thing, signal, t_ns, n, None, None, BAD)
            continue
        inside[signal] = to_inside(value, unit)
        yield Point(thing, signal, t_ns, n, inside[signal])
    if {"carry", "carry.deviation"} <= set(inside):
        angle = math.asin(max(-1.0, min(1.0, inside["carry.deviation"] / inside["carry"])))
        yield Point(thing, "carry.deviation.angle", t_ns, n, angle)
    if {"back.spin", "side.spin"} <= set(inside):
        yield Point(thing, "ball.spin", t_ns, n, math.hypot(inside["back.spin"], inside["side.spin"]))


def _notes(points: Sequence[Point], times: Sequence[int], sheet: Sheet, lines: Sequence[str]) -> list[str]:
    notes = [f"{len(times)} rows are {len(set(times))} swings: a swing filmed from two sides stands in two rows"]
    gaps = Counter(p.signal for p in points if p.quality == BAD)
    if gaps:
        which = count_note(sorted(gaps), 3)
        notes.append(f"{sum(gaps.values())} values that are infinite or no number are gaps ({which})")
    unused = [name for name in sheet.header if name not in _NEEDED and name not in FEATURES]
    if unused:
        notes.append(f"columns not used: {count_note(unused)}")
    if lines:
        notes.append(f"refused: {count_note(lines)}")
    return notes
