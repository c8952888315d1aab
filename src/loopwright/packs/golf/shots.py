"""Shots of a launch monitor export as points of clubs in use.

    read_shots(path, ImportOptions(time_zone="Europe/Berlin"))      -> Imported; thing = the player's name in the file

Local times become UTC with the zone of the options. Spin that the device only estimated is stored as doubtful, with
spin.kind 'estimated'. A missing number is a gap, never zero. Carry is also given as it would be in standard air. Rows
that repeat a shot exactly keep its key; of two copies of one shot, one without its carry, the poorer adds nothing.
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np

from loopwright.core.clock import NS_PER_S
from loopwright.core.errors import InputError
from loopwright.core.pack import Imported, ImportOptions
from loopwright.core.types import BAD, DOUBTFUL, GOOD
from loopwright.packs.golf.flight import normalised_carry_m, typical_spin_rad_s
from loopwright.packs.golf.launch_file import LaunchFile, Row, club_type, read_launch_file, spin_kind
from loopwright.packs.golf.sheets import Point, count_note, points_table
from loopwright.packs.golf.signals import CLUB

# our word -> signal
_SIGNALS = {
    "club_speed": "club.speed", "attack_angle": "attack.angle", "club_path": "club.path", "face_angle": "face.angle",
    "face_to_path": "face.to.path", "ball_speed": "ball.speed", "smash": "smash", "launch_angle": "launch.angle",
    "launch_direction": "launch.direction", "back_spin": "back.spin", "side_spin": "side.spin", "spin": "ball.spin",
    "spin_axis": "ball.spin.axis", "apex": "apex", "carry": "carry", "carry_deviation": "carry.deviation",
    "carry_deviation_angle": "carry.deviation.angle", "total": "total", "air_density": "air.density",
    "air_temperature": "air.temperature", "air_pressure": "air.pressure", "humidity": "humidity",
}
_OF_SPIN = {"ball.spin", "back.spin", "side.spin", "ball.spin.axis"}
_FROM_CLUB_SPEED, _FROM_FACE = "smash", "face_to_path"  # worked out by the device from numbers that may be missing
_WHEN = re.compile(r"(\d{1,4})[-./](\d{1,2})[-./](\d{1,4})[ T](\d{1,2}):(\d{2})(?::(\d{2})(?:\.\d+)?)?\s*([AaPp][Mm])?")
_DAY_MONTH = re.compile(r"(\d{1,2})[/-](\d{1,2})[/-]\d")
_IN_NAME = re.compile(r"(20\d\d)-(\d\d)-(\d\d)")


def read_shots(path: Path, options: ImportOptions) -> Imported:
    """The shots of one file as points. Raises InputError, UnitError or UnknownName; nothing is half read.

    options.time_zone  zone of the file's local times
    options.day_first  whether 03/04/2025 is the 3rd of April; None: found from the dates and the name of the file
    """
    zone = _zone(options.time_zone)
    launch = read_launch_file(Path(path))
    day_first, assumed = _day_first(launch, options)
    refused: Counter[str] = Counter()
    lines = [f"line {line}: cut off" for line in launch.cut_off]
    refused.update({"row cut off or too long": len(launch.cut_off)} if launch.cut_off else {})
    timed: list[tuple[int, Row]] = []
    for row in launch.rows:
        when = parse_time(row.texts["date"], day_first)
        reason = "time not readable" if when is None else "" if _is_shot(row) else "no ball speed and no carry"
        if when is None or reason:
            refused[reason] += 1
            lines.append(f"line {row.line}: {reason} ({row.texts['date']!r})")
            continue
        timed.append((round(when.replace(tzinfo=zone).astimezone(UTC).timestamp()) * NS_PER_S, row))
    if not timed:
        given = f"no row can be used: {count_note(lines, 3)}"
        raise InputError(str(path), given, "shots with a date and a ball speed or a carry")
    keyed, poorer = _keys(timed)
    points = [point for t_ns, n, row, full in keyed for point in _points(t_ns, n, row, launch.columns, full)]
    points += _normalised(keyed)
    notes = [*launch.notes, *_notes([row for _, row in timed], poorer)]
    notes += [f"refused: {count_note(lines)}"] if lines else []
    return Imported(
        "shots", str(path), launch.sheet.hash, len(launch.rows) + len(launch.cut_off), table=points_table(points),
        refused=dict(refused), notes=tuple(notes),
        assumed={"time_zone": options.time_zone, **launch.assumed, **assumed})


def parse_time(text: str, day_first: bool) -> datetime | None:
    """A local time as exports write it, without a zone; None when it is none or no real date.

    2025-09-10 18:45:04, 10/09/2025 18:45:04, 14.02.24 13:33:18 (always day first), 4/19/26 6:58:02 PM; years of the
    Buddhist era (2568) are turned into common years.
    """
    found = _WHEN.fullmatch(text.strip())
    if not found:
        return None
    a, b, c, hour, minute, second = (int(part or 0) for part in found.groups()[:6])
    if len(found[1]) == 4:
        year, month, day = a, b, c
    else:
        year = c
        day, month = (a, b) if day_first or "." in text.split()[0] else (b, a)
    year += 2000 if year < 100 else -543 if year > 2400 else 0
    half = (found[7] or "").lower()
    if half and hour <= 12:
        hour = hour % 12 + (12 if half == "pm" else 0)
    if not 2010 <= year <= 2100:
        return None
    try:
        return datetime(year, month, day, hour, minute, second)
    except ValueError:
        return None


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        allowed = "an IANA name such as 'Europe/Berlin' or 'UTC'"
        raise InputError("time zone", f"{name!r} is not known", allowed) from error


def _day_first(launch: LaunchFile, options: ImportOptions) -> tuple[bool, dict[str, bool]]:
    """Whether the day stands first, and what had to be assumed for it."""
    if options.day_first is not None:
        return options.day_first, {}
    starts = [_DAY_MONTH.match(row.texts["date"]) for row in launch.rows]
    pairs = [(int(start[1]), int(start[2])) for start in starts if start]
    day, month = any(a > 12 for a, _ in pairs), any(b > 12 for _, b in pairs)
    if day and month:
        where = f"{launch.sheet.path}, dates"
        raise InputError(where, "some have the day first and some the month", "one order in a file")
    if day or month or not pairs:
        return not month, {}
    named = _IN_NAME.search(launch.sheet.path.name)  # the app names an export after the day of the session
    wanted = (int(named[2]), int(named[3])) if named else (0, 0)
    first = pairs[0]
    if first[0] != first[1] and wanted in (first, first[::-1]):
        return wanted == first[::-1], {}
    return True, {"day_first": True}


def _is_shot(row: Row) -> bool:
    return row.numbers.get("ball_speed", 0.0) > 0 or row.numbers.get("carry", 0.0) > 0


def _keys(timed: Sequence[tuple[int, Row]]) -> tuple[list[tuple[int, int, Row, bool]], int]:
    """(t_ns, n, row, whether its gaps are told) for each row, and how many rows were poorer copies of another.

    Shots of one player in the same second get n = 0, 1, ...; a row all of whose cells stand in another row of that
    second is a copy of it and shares its n.
    """
    groups: dict[tuple[str, int], list[Row]] = defaultdict(list)
    for t_ns, row in timed:
        groups[_thing(row), t_ns].append(row)
    place: dict[int, tuple[int, bool]] = {}
    for rows in groups.values():
        whole: list[Row] = []
        leader: dict[int, Row] = {}
        for row in sorted(rows, key=lambda r: (-sum(map(bool, r.cells)), r.line)):
            leader[row.line] = next((kept for kept in whole if _within(row.cells, kept.cells)), row)
            if leader[row.line] is row:
                whole.append(row)
        order = {row.line: n for n, row in enumerate(sorted(whole, key=lambda r: r.line))}
        for row in rows:
            lead = leader[row.line]
            place[row.line] = (order[lead.line], row.cells == lead.cells)
    keyed = [(t_ns, place[row.line][0], row, place[row.line][1]) for t_ns, row in timed]
    return keyed, sum(not same for _, same in place.values())


def _within(cells: Sequence[str], other: Sequence[str]) -> bool:
    return all(not a or a == b for a, b in zip(cells, other, strict=True))


def _points(t_ns: int, n: int, row: Row, columns: Mapping[str, int], with_gaps: bool) -> Iterator[Point]:
    thing, numbers = _thing(row), dict(row.numbers)
    for name in _unfounded(numbers):
        del numbers[name]
    kind = _spin_kind(row)
    for name, signal in _SIGNALS.items():
        value = numbers.get(name)
        if value is None:
            if with_gaps and name in columns:
                yield Point(thing, signal, t_ns, n, None, None, BAD)
            continue
        doubtful = signal in _OF_SPIN and kind != "measured"
        yield Point(thing, signal, t_ns, n, value, None, DOUBTFUL if doubtful else GOOD)
    club = club_type(row.texts.get("club_type", "") or row.texts.get("club_name", ""))
    yield Point(thing, "club.type", t_ns, n, None, CLUB.signal("club.type").code_of(club))
    yield Point(thing, "spin.kind", t_ns, n, None, CLUB.signal("spin.kind").code_of(kind or "not known"))


def _unfounded(numbers: Mapping[str, float]) -> list[str]:
    """Numbers that the device wrote although what they come from is missing: zeros, and ratios to a speed of zero."""
    out = [name for name in ("club_speed", "ball_speed", "carry", "total") if numbers.get(name, 1.0) <= 0.0]
    if _FROM_CLUB_SPEED in numbers and (numbers.get("club_speed", 0.0) <= 0.0 or numbers.get("ball_speed", 0.0) <= 0.0):
        out.append(_FROM_CLUB_SPEED)
    if _FROM_FACE in numbers and ("club_path" not in numbers or "face_angle" not in numbers):
        out.append(_FROM_FACE)
    if "carry" in out or "carry" not in numbers:
        out += [name for name in ("carry_deviation", "carry_deviation_angle") if name in numbers]
    return out


def _normalised(keyed: Sequence[tuple[int, int, Row, bool]]) -> list[Point]:
    """carry.normalised of every shot that has what it takes; doubtful where the spin was not measured."""
    wanted = ("carry", "ball_speed", "launch_angle", "air_density")
    have = [(t, n, r) for t, n, r, _ in keyed if all(r.numbers.get(w, 0.0) > 0 for w in wanted)]
    if not have:
        return []
    carry, speed, launch, density = (np.array([r.numbers[w] for _, _, r in have]) for w in wanted)
    measured = np.array([_spin_kind(r) == "measured" and r.numbers.get("spin", 0.0) > 0 for _, _, r in have])
    spin = np.where(measured, [r.numbers.get("spin", 0.0) for _, _, r in have], typical_spin_rad_s(speed, launch))
    values = normalised_carry_m(carry, np.clip(speed, 1, 110), launch, spin, np.clip(density, 0.6, 1.6))
    return [
        Point(_thing(r), "carry.normalised", t, n, float(v), None, GOOD if known else DOUBTFUL)
        for (t, n, r), v, known in zip(have, values, measured, strict=True) if math.isfinite(v)]


def _spin_kind(row: Row) -> str:
    return spin_kind(row.texts.get("spin_kind", ""))


def _thing(row: Row) -> str:
    return row.texts.get("player", "") or "player"


def _notes(rows: Sequence[Row], poorer: int) -> list[str]:
    estimated = sum(_spin_kind(row) == "estimated" for row in rows)
    no_carry = sum(row.numbers.get("carry", 0.0) <= 0 for row in rows)
    unfounded = sum(bool({_FROM_CLUB_SPEED, _FROM_FACE} & set(_unfounded(row.numbers))) for row in rows)
    clubs = {row.texts.get("club_type", "") or row.texts.get("club_name", "") for row in rows}
    unknown = sorted(club for club in clubs if club_type(club) == "not known")
    notes = [
        (estimated, f"spin is estimated by the device in {estimated} of {len(rows)} rows: stored as doubtful"),
        (no_carry, f"carry is missing in {no_carry} rows: a gap, not zero"),
        (unfounded, f"smash factor or face to path left out in {unfounded} rows: what they come from is missing"),
        (poorer, f"{poorer} rows are copies of another shot of the same second with cells missing: they add nothing"),
        (len(unknown), f"clubs not known: {', '.join(unknown)}"),
    ]
    return [text for count, text in notes if count]
