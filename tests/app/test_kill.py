"""kill -9 in the middle of a turn, again and again, at every stage and within the stream of every protocol.

The same command is started again each time. What stands in the plant at the end is what stands in one that nobody killed:
no sample lost, none twice, no order, unit or step made a second time, the chain of events whole, every account right.
"""

from __future__ import annotations

import json
import random
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from loopwright.core.clock import NS_PER_S, monotonic_s
from loopwright.core.errors import StoreError
from loopwright.core.types import Event
from loopwright.store import Store, open_store
from tests.app.shop import (
    SITE,
    alive,
    children,
    doctor,
    keyed,
    machines,
    points,
    repeats,
    small_data,
    small_shop,
    started,
    turned,
)

pytestmark = pytest.mark.slow
ORDERS, ROWS, RUNS = 3, 400, 6
PACED = 'plays = { source = "recording", pace = 40 }'  # each stream lasts 2 s, so that there is time to die within it
PROTOCOLS = ("mqtt", "opcua", "mtconnect")
LOOK_S, LONGEST_S = 0.004, 90.0
# What is said again when a turn goes on: that a file was read once more, and what is about this reading of it.
AGAIN = ("file.imported",)
ONCE = ("order.placed", "order.fitted", "step.finished", "unit.finished", "unit.shipped", "unit.claimed", "person.added",
        "solid.made", "workorder.opened", "run.labelled", "outcome.measured")
KILLED = -signal.SIGKILL
Moment = Callable[[Store], bool]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The plant of a turn that nobody disturbed, in a folder with its site and data."""
    folder = tmp_path_factory.mktemp("whole")
    site = small_shop(folder, data=False, text=SITE + machines(plays=PACED))
    small_data(folder / "data", persons=12, runs=RUNS, rows=ROWS)
    (folder / "report.json").write_text(json.dumps(turned(site, "--orders", ORDERS)))
    return folder


def copy_of(whole: Path, folder: Path) -> Path:
    """The same site and data, with no plant yet."""
    (folder / "site.toml").write_bytes((whole / "site.toml").read_bytes())
    (folder / "data").symlink_to(whole / "data")
    return folder / "site.toml"


def heard(protocol: str, count: int) -> Moment:
    """So many samples of a protocol are in the store."""
    return lambda store: store.hops()[protocol].out >= count if protocol in store.hops() else False


def told(kind: str) -> Moment:
    """An event of that kind was recorded."""
    return lambda store: bool(store.recall(kind=kind, limit=1))


def killed_at(site: Path, moment: Moment, sign: signal.Signals = signal.SIGKILL, said: Path | None = None) -> int:
    """Starts the turn, kills it (and nothing else) at that moment; its exit status. said: where its standard error goes."""
    plant, data = site.parent / "plant", site.parent / "data"
    with ExitStack() as stack:
        err = stack.enter_context(said.open("w")) if said else subprocess.DEVNULL
        process = started("turn", site, "--data", data, "--orders", ORDERS, stdout=subprocess.DEVNULL, stderr=err)
    began_s = monotonic_s()
    try:
        while not (plant / "points" / "_delta_log").exists():
            assert process.poll() is None, "the turn ended before it had a plant"
            time.sleep(LOOK_S)
        with reader(plant) as store:
            while process.poll() is None and not moment(store):
                assert monotonic_s() - began_s < LONGEST_S, "the moment never came"
                time.sleep(LOOK_S)
        family = children(process.pid)
        process.send_signal(sign)
        code = process.wait(30)
    finally:
        if process.poll() is None:
            process.kill()
    gone_s = monotonic_s() + 15
    while alive(family) and monotonic_s() < gone_s:
        time.sleep(0.05)
    assert not alive(family), "what a killed turn had started ends by itself"
    return code


def reader(plant: Path) -> Store:
    """The plant, read beside the process that writes it; it may be about to be made."""
    until_s = monotonic_s() + 20
    while True:
        try:
            return open_store(plant, read_only=True)
        except StoreError:
            if monotonic_s() > until_s:
                raise
            time.sleep(LOOK_S)


def things_done(plant: Path) -> Counter[tuple[str, str, str]]:
    """(kind, about, what else must be the same) of every event, but those that tell of a file that was read."""
    with open_store(plant, read_only=True) as store:
        events = store.recall()
    return Counter((e.kind, *_same(e)) for e in events if e.kind not in (*AGAIN, "plan.released"))


def _same(event: Event) -> tuple[str, str]:
    if event.kind == "model.trained":
        return "a model", ""  # named by what was known when it was trained, which is later after a restart
    body = event.body
    word = {"step.finished": "operation", "unit.measured": "attempt"}.get(event.kind)
    when = event.t_ns if event.kind in ("workorder.opened", "alarm.raised", "order.placed") else ""
    return event.about, str(body[word] if word else when)


def carried_out(plant: Path) -> None:
    """Every step stands in a plan that was released, no machine does two things at once, and no unit is in two places."""
    with open_store(plant, read_only=True) as store:
        plans = [e.body for e in store.recall(kind="plan.released")]
        steps = [e.body for e in store.recall(kind="step.finished")]
    slots = {(s["order"], s["operation"], s["machine"], p["origin_ns"] + s["start_s"] * NS_PER_S, p["origin_ns"] + s["end_s"] * NS_PER_S)
             for p in plans for s in p["slots"]}
    for step in steps:
        assert (step["order"], step["operation"], step["machine"], step["start_ns"], step["end_ns"]) in slots, step
    busy = sorted((s["machine"], s["start_ns"], s["end_ns"]) for s in steps)
    assert all(a[0] != b[0] or a[2] <= b[1] for a, b in pairwise(busy))
    head = sorted((s["order"], s["start_ns"], s["end_ns"]) for s in steps if not s["operation"].startswith("cut"))
    assert all(a[0] != b[0] or a[2] <= b[1] for a, b in pairwise(head)), "only the shaft is cut beside the head's way"


def same_as_undisturbed(site: Path, whole: Path, report: dict[str, Any]) -> None:
    """All that a killed and continued turn must have in common with one that was left alone."""
    plant = site.parent / "plant"
    table = points(plant)
    assert repeats(table) == 0
    assert keyed(table) == keyed(points(whole / "plant"))
    done = things_done(plant)
    assert {key: n for key, n in done.items() if key[0] in ONCE and n > 1} == {}
    assert done == things_done(whole / "plant")
    carried_out(plant)
    undisturbed = json.loads((whole / "report.json").read_text())
    for key in ("orders", "workorders", "oee"):
        assert report[key] == undisturbed[key], key
    assert report["units"]["serials"] == undisturbed["units"]["serials"]
    assert {d["id"] for d in report["decisions"]} == {d["id"] for d in undisturbed["decisions"]}
    assert report["units"]["made"] == report["orders"]["fitted"] == ORDERS
    assert report["unbalanced"] == []
    for row in report["hops"].values():
        assert row["lost"] == row["waiting"] == 0, report["hops"]
    said = doctor(plant)
    assert said["unbalanced"] == []
    assert said["lost"] == 0
    assert said["events"]["whole"], said["events"]["says"]
    assert said["hops"]["points"]["out"] == table.num_rows


def parts(plant: Path, totals: dict[str, int]) -> dict[str, float]:
    """How much of each protocol's stream stands in a plant."""
    with open_store(plant, read_only=True) as store:
        hops = store.hops()
        assert store.events.verify().broken_at is None
    return {name: hops[name].out / totals[name] if name in hops else 0.0 for name in PROTOCOLS}


def test_kill_nine_within_the_stream_of_every_protocol_loses_and_repeats_nothing(whole, tmp_path):
    site, chance = copy_of(whole, tmp_path), random.Random(20)
    with open_store(whole / "plant", read_only=True) as store:
        totals = {name: store.hops()[name].out for name in PROTOCOLS}
    inside: dict[str, list[float]] = {name: [] for name in PROTOCOLS}
    before = dict.fromkeys(PROTOCOLS, 0.0)
    for turn in range(2):
        for name in PROTOCOLS:
            wanted = max(before[name] + 0.02, (turn + chance.random()) / 2)
            if wanted >= 1.0:
                continue
            assert killed_at(site, heard(name, round(wanted * totals[name]))) == KILLED
            now = parts(tmp_path / "plant", totals)
            assert all(now[one] >= before[one] for one in PROTOCOLS), "what was stored stays stored"
            for one in PROTOCOLS:
                inside[one] += [now[one]] if 0.0 < now[one] < 1.0 else []
            before = now
    assert all(inside.values()), f"the kills did not come within the streams: {inside}"
    same_as_undisturbed(site, whole, turned(site, "--orders", ORDERS))


def flushing(plant: Path) -> Moment:
    """A new file of points has been written: the middle of a flush, before or just after it is committed."""
    folder = plant / "points"
    known = set(folder.glob("*.parquet"))
    return lambda _: bool(set(folder.glob("*.parquet")) - known)


def test_kill_nine_at_every_stage_goes_on_where_it_stood(whole, tmp_path):
    site, plant = copy_of(whole, tmp_path), tmp_path / "plant"
    moments: list[tuple[str, Moment]] = [
        ("a turn begins", told("turn.started")), ("persons are read", told("person.added")),
        ("shots are read", heard("files", 1)), ("orders are placed", told("order.placed")),
        ("orders are fitted", told("order.fitted")), ("a plan is released", told("plan.released")),
        ("a model is trained", told("model.trained")),
        ("a unit is made", told("unit.finished")), ("units are claimed", told("unit.claimed")),
        ("swings are read", told("outcome.measured")), ("improvement is weighed", told("change.notproposed")),
        ("a solid is made", told("solid.made")),
    ]
    reached = []
    for word, moment in moments:
        if plant.exists():
            with open_store(plant, read_only=True) as store:
                if moment(store):
                    continue  # an earlier kill came later than that
        if killed_at(site, moment) == KILLED:
            reached.append(word)
            parts(plant, dict.fromkeys(PROTOCOLS, 1))
    assert len(reached) >= 4, reached  # how many depends on how busy the machine is: a stage may be over before it is seen
    same_as_undisturbed(site, whole, turned(site, "--orders", ORDERS))


def test_kill_nine_while_the_journal_is_flushed_moves_nothing_twice(whole, tmp_path):
    site, plant = copy_of(whole, tmp_path), tmp_path / "plant"
    assert killed_at(site, heard("mqtt", 5000)) == KILLED
    for _ in range(2):  # the journal that was left is flushed at once when the turn goes on
        assert killed_at(site, flushing(plant)) == KILLED
    same_as_undisturbed(site, whole, turned(site, "--orders", ORDERS))


def test_ctrl_c_at_any_moment_ends_the_turn_at_once_and_the_next_goes_on(whole, tmp_path):
    site, said = copy_of(whole, tmp_path), tmp_path / "said.txt"
    for moment in (told("turn.started"), heard("mqtt", 1000), told("unit.finished"), told("solid.made")):
        assert killed_at(site, moment, signal.SIGINT, said) == 130, said.read_text()
        assert "Traceback" not in said.read_text()
        assert said.read_text().splitlines()[-1].startswith("loopwright: stopped")
    same_as_undisturbed(site, whole, turned(site, "--orders", ORDERS))
