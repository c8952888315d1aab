"""A small shop and small data for it, made up here from a seed, and the `loopwright` command as a user runs it.

    site = small_shop(tmp_path)                    site.toml beside data/: persons, eight short runs, shots, swings
    done = loopwright("turn", site, "--data", tmp_path / "data", "--json")
    points(tmp_path / "plant")                     everything that plant keeps, for comparisons

The runs have the layout of the public milling runs, the shots that of a Garmin R10 export, the swings that of CaddieSet.
Nobody's data: every number is drawn.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from loopwright.store import open_store
from tests.packs.cnc_folder import write_labels, write_run

COMMAND = Path(sys.executable).parent / "loopwright"
COUNTS = ("in", "out", "late", "duplicate", "possible_duplicate", "refused", "waiting", "lost")
SITE = """
[site]
name = "Small shop"
time_zone = "Europe/Berlin"
folder = "plant"
seed = 7
approvers = ["anna (example)", "bo (example)"]

[broker]
embedded = true

[shifts]
days = ["mon", "tue", "wed", "thu", "fri"]
hours = ["06:00-14:00", "14:00-22:00"]

[input]
persons = ["persons/*.csv*"]
shots = ["shots/*.csv*"]
swings = ["swings/*.csv*"]
runs = "runs"

[assumed]
origin = "2026-01-05T06:00:00+01:00"
spacing_s = 1800
pairing_seed = 11

[orders]
count = 4
"""
MILLS = {"mill-1": "mqtt", "mill-2": "opcua", "mill-3": "mtconnect"}
BENCHES = {"drill-1": "drill", "bend-1": "bend", "polish-1": "polish", "cut-1": "cut", "assembly-1": "assemble",
           "gauge-1": "measure"}
_SHOT_COLUMNS = (
    "Date,Player,Club Name,Club Type,Club Speed,Attack Angle,Club Path,Club Face,Face to Path,Ball Speed,Smash Factor,"
    "Launch Angle,Launch Direction,Backspin,Sidespin,Spin Rate,Spin Rate Type,Spin Axis,Apex Height,Carry Distance,"
    "Carry Deviation Angle,Carry Deviation Distance,Total Distance,Total Deviation Angle,Total Deviation Distance,Note,Tag,"
    "Air Density,Temperature,Air Pressure,Relative Humidity")
_SHOT_UNITS = (",,,,[km/h],[deg],[deg],[deg],[deg],[km/h],,[deg],[deg],[rpm],[rpm],[rpm],,[deg],[m],[m],[deg],[m],[m],[deg],[m],"
               ",,[g/L],[deg C],[kPa],[%]")
_SWING_COLUMNS = ("View,ClubType,Distance,Carry,LrDistanceOut,DirectionAngle,SpinBack,SpinSide,SpinAxis,BallSpeed,GolferId,"
                  "0-SHOULDER-ANGLE,0-STANCE-RATIO,3-SHOULDER-ANGLE,5-HEAD-LOC")


# data


def small_data(folder: Path, persons: int = 24, runs: int = 8, rows: int = 60, seed: int = 5) -> Path:
    """Fills a folder with persons/, runs/, shots/ and swings/."""
    for name in ("persons", "runs", "shots", "swings"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    write_persons(folder / "persons" / "people.csv", persons, seed)
    write_runs(folder / "runs", runs, rows)
    write_shots(folder / "shots" / "garmin_r10.csv", seed=seed)
    write_swings(folder / "swings" / "caddieset.csv", seed=seed)
    return folder


def write_persons(path: Path, count: int, seed: int = 5, first: int = 1, left: float = 0.2) -> Path:
    """Body measures in mm, one in five left-handed; wrist height and hand length in human proportion to stature."""
    rng = np.random.default_rng(seed)
    lines = ["id,stature_mm,wrist_height_mm,hand_length_mm,handedness,sex"]
    for i in range(first, first + count):
        stature = rng.normal(1740, 70)
        wrist, hand = stature * rng.normal(0.486, 0.008), stature * rng.normal(0.1095, 0.002)
        side = "left" if left and i % round(1 / left) == 0 else "right"
        lines.append(f"p-{i:03d},{stature:.0f},{wrist:.0f},{hand:.0f},{side},{'male' if i % 2 else 'female'}")
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


def write_runs(folder: Path, count: int, rows: int = 60) -> Path:
    """Recorded runs of a mill, every second one with a worn tool, and what inspection said."""
    words = ["worn" if i % 2 else "unworn" for i in range(count)]
    for i, word in enumerate(words, 1):
        write_run(folder / f"experiment_{i:02d}.csv.gz", word == "worn", rows, seed=i)
    write_labels(folder / "labels.csv", [f"{i},{(6, 20, 3)[i % 3]},4.0,{word},yes,{'yes' if word == 'unworn' else 'no'}"
                                         for i, word in enumerate(words, 1)])
    return folder


def shot_lines(count: int, seed: int = 5, player: str = "Player 1", hour: int = 18) -> list[str]:
    """Rows of a launch monitor's export, a minute apart: a 7-iron that flies 110 to 150 m, spin estimated."""
    rng = np.random.default_rng(seed)
    lines = []
    for i in range(count):
        speed = rng.normal(170, 6)
        carry, side = rng.normal(0.78, 0.02) * speed, rng.normal(2, 6)
        angle = np.degrees(np.arcsin(side / carry))
        cells = [f"10/09/2025 {hour + i // 60:02d}:{i % 60:02d}:00", player, "", "7 Iron", f"{speed / 1.33:.4f}",
                 f"{rng.normal(-3, 1):.4f}", f"{rng.normal(1, 2):.4f}", f"{rng.normal(0, 2):.4f}", "0.5", f"{speed:.4f}", "1.33",
                 f"{rng.normal(18, 1.5):.4f}", f"{angle - 0.5:.4f}", f"{rng.normal(5600, 300):.1f}", f"{rng.normal(100, 200):.1f}",
                 "5650.0", "Estimated", f"{rng.normal(2, 2):.4f}", f"{rng.normal(26, 2):.4f}", f"{carry:.4f}", f"{angle:.4f}",
                 f"{side:.4f}", f"{carry * 1.06:.4f}", f"{angle:.4f}", f"{side * 1.06:.4f}", "", "", "1.1957", "21.1", "101.0", "40"]
        lines.append(",".join(cells))
    return lines


def write_shots(path: Path, count: int = 24, repeated: int = 2, seed: int = 5, lines: Sequence[str] | None = None) -> Path:
    """A Garmin R10 export: byte-order mark, units row, the last `repeated` rows twice."""
    rows = list(shot_lines(count, seed) if lines is None else lines)
    rows += rows[len(rows) - repeated:]
    path.write_text("\r\n".join([_SHOT_COLUMNS, _SHOT_UNITS, *rows]) + "\r\n", "utf-8-sig", newline="")
    return path


def write_swings(path: Path, golfers: int = 2, each: int = 12, seed: int = 5) -> Path:
    """Swings of golfers, filmed from the front, with the flight of their balls."""
    rng = np.random.default_rng(seed)
    lines = [_SWING_COLUMNS]
    for golfer in range(1, golfers + 1):
        for _ in range(each):
            back, side, carry = rng.normal(4500, 300), rng.normal(50, 200), rng.normal(125, 8)
            lines.append(f"FACEON,I7,{carry * 1.1:.1f},{carry:.1f},{rng.normal(1, 5):.1f},{rng.normal(0.3, 2):.1f},{back:.0f},{side:.0f},"
                         f"{np.degrees(np.arctan(side / back)):.4f},{rng.normal(44, 2):.1f},{golfer},{rng.normal(8, 1):.2f},"
                         f"{rng.normal(1, .1):.2f},{rng.normal(10, 3):.2f},{rng.normal(-.6, .2):.2f}")
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


# the site


def machines(
    mills: Mapping[str, str] = MILLS, plays: str = 'plays = { source = "recording" }', more: Mapping[str, str] | None = None,
    benches: bool = True,
) -> str:
    """The [[machine]] tables: mills by id and protocol, then the benches. more: further settings of a mill's link."""
    more = more or {}
    parts = []
    for name, protocol in mills.items():
        link = f'protocol = "{protocol}"' + (f", {more[name]}" if name in more else "")
        parts.append(f'[[machine]]\nid = "{name}"\nkind = "mill"\nrole = "mill"\nideal_cycle_s = 60.0\nlink = {{ {link} }}\n{plays}\n')
    parts += [f'[[machine]]\nid = "{name}"\nkind = "bench"\nrole = "{role}"\n' for name, role in BENCHES.items() if benches]
    return "\n" + "\n".join(parts)


def small_shop(folder: Path, *, data: bool = True, text: str = SITE + machines(), **changes: str) -> Path:
    """Writes site.toml (with `old=new` of `changes` put in its place) and data/; the path of the site file."""
    if data:
        small_data(folder / "data")
    path = folder / "site.toml"
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    return path


def tight_product(folder: Path, good: float, scrap: float) -> str:
    """A product whose lie must come so near (degrees) that some units are reworked and some scrapped: lines for a site file."""
    from loopwright.packs.golf import PACK

    assert PACK.product is not None
    head, sep, tail = PACK.product.read_text("utf-8").partition('parameter = "lie"\nunit = "deg"\ngood = 0.5\nscrap = 2.5\n')
    assert sep, "the golf product has changed: correct this test"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "product.toml").write_text(f'{head}parameter = "lie"\nunit = "deg"\ngood = {good}\nscrap = {scrap}\n{tail}', "utf-8")
    return '\n[product]\npack = "golf"\nfile = "product.toml"\n'


# the command


def loopwright(*arguments: object, timeout: float = 180, **more: Any) -> subprocess.CompletedProcess[str]:
    """Runs the command to its end; standard output and error as text."""
    return subprocess.run([str(COMMAND), *map(str, arguments)], capture_output=True, text=True, timeout=timeout, **more)


def started(*arguments: object, **more: Any) -> subprocess.Popen[str]:
    """The command, running; its standard error is a pipe of lines."""
    more.setdefault("stdout", subprocess.PIPE)
    more.setdefault("stderr", subprocess.PIPE)
    return subprocess.Popen([str(COMMAND), *map(str, arguments)], text=True, **more)


@contextmanager
def running(site: Path, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    """`loopwright run`, up; Ctrl-C at the end, which must end it within seconds, with 130 and without a traceback."""
    with started("run", site, *arguments, stdout=subprocess.DEVNULL) as process:
        assert process.stderr is not None
        lines = [process.stderr.readline()]
        while lines[-1] and "console and API at" not in lines[-1]:
            lines.append(process.stderr.readline())
        assert lines[-1], f"run ended before it was up: {''.join(lines)}"
        try:
            yield process
        finally:
            family = children(process.pid)
            process.send_signal(signal.SIGINT)
            _, rest = process.communicate(timeout=20)
    assert process.returncode == 130, rest
    assert "Traceback" not in rest, rest
    assert "run it again to continue" in rest
    assert not alive(family), "what it had started ends with it"


def turned(site: Path, *arguments: object) -> dict[str, Any]:
    """The report of one turn that must succeed."""
    done = loopwright("turn", site, "--data", site.parent / "data", "--json", *arguments)
    assert done.returncode == 0, done.stderr[-3000:]
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def doctor(plant: Path) -> dict[str, Any]:
    """What the doctor says of a plant."""
    done = loopwright("doctor", "--site", plant, "--json")
    assert done.returncode == 0, done.stderr[-3000:]
    said: dict[str, Any] = json.loads(done.stdout)
    return said


# what is kept


def points(plant: Path) -> pa.Table:
    """Everything a plant keeps, sorted by thing, signal, t_ns, n; read beside whoever writes it."""
    with open_store(plant, read_only=True) as store:
        return store.get()


KEY = ("thing", "signal", "t_ns", "n")


def keyed(table: pa.Table) -> pa.Table:
    """Keys and values without when they were known, sorted: what two plants that heard the same have in common."""
    return table.select([name for name in table.column_names if name != "known_ns"]).sort_by([(name, "ascending") for name in KEY])


def repeats(table: pa.Table) -> int:
    """How many rows stand there a second time."""
    distinct: int = table.group_by(list(KEY)).aggregate([]).num_rows
    return int(table.num_rows) - distinct


def children(pid: int) -> list[int]:
    """Processes that descend from one (Linux: from /proc)."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            parents.setdefault(int(fields[1]), []).append(int(entry.name))
    found, queue = [], [pid]
    while queue:
        mine = parents.get(queue.pop(), [])
        found += mine
        queue += mine
    return found


def alive(pids: Sequence[int]) -> list[int]:
    """Those that still run (a zombie does not)."""
    found = []
    for pid in pids:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue
        if state not in "ZX":
            found.append(pid)
    return found


def environment(**more: str) -> dict[str, str]:
    """This process's environment with changes."""
    return {**os.environ, **more}
