"""One turn of the loop as a user runs it: the command, its report, and what the plant keeps afterwards."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc
import pytest

from loopwright.core.clock import RealClock
from loopwright.make.passport import passport
from loopwright.packs.shop_floor.signals import COLUMNS
from loopwright.store import open_store
from tests.app.shop import (
    COUNTS,
    MILLS,
    SITE,
    doctor,
    loopwright,
    machines,
    points,
    repeats,
    small_data,
    small_shop,
    tight_product,
    turned,
    write_persons,
)

pytestmark = pytest.mark.slow
HOPS = ("mqtt", "opcua", "mtconnect", "files", "journal", "points")
TIGHT = (0.15, 0.3)  # degrees of lie: good, scrap
ROWS, RUNS = 60, 8
SAMPLES = len(COLUMNS) + 2  # of one row of a run: the columns, the step of the program, the number of the run


class Shop:
    """Two turns of one small shop whose lie must come near, so that some units are reworked and some scrapped."""

    def __init__(self, folder: Path) -> None:
        self.plant = folder / "plant"
        self.site = small_shop(folder, text=SITE + machines() + tight_product(folder, *TIGHT))
        self.began_ns = RealClock().now_ns()
        done = loopwright("turn", self.site, "--data", folder / "data", "--orders", 5, "--json")
        assert done.returncode == 0, done.stderr[-3000:]
        self.stdout, self.stderr = done.stdout, done.stderr
        self.first: dict[str, Any] = json.loads(done.stdout)
        self.ended_ns = RealClock().now_ns()
        shutil.copytree(self.plant, folder / "after-one")
        self.after_one = folder / "after-one"
        self.second = turned(self.site, "--orders", 3)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    return Shop(tmp_path_factory.mktemp("shop"))


def adds_up(row: Mapping[str, Any]) -> bool:
    return bool(row["in"] == row["out"] + row["duplicate"] + row["refused"] + row["waiting"] + row["lost"])


def balanced(hops: Mapping[str, Mapping[str, Any]]) -> None:
    """Every hop is there with every count, adds up exactly, and lost nothing; what one gives the next takes."""
    assert set(HOPS) <= set(hops)
    for name, row in hops.items():
        assert set(COUNTS) <= set(row), name
        assert all(isinstance(row[key], int) for key in COUNTS), (name, row)
        assert adds_up(row), (name, row)
        assert row["lost"] == row["waiting"] == 0, (name, row)
        assert row["late"] <= row["out"]
    sources = [row for name, row in hops.items() if name not in ("journal", "points")]
    assert hops["journal"]["in"] == sum(row["out"] for row in sources)
    assert hops["points"]["in"] == hops["journal"]["out"]
    assert hops["points"]["out"] == hops["journal"]["out"]


def test_every_hop_counts_every_sample_and_loses_none(shop):
    hops = shop.first["hops"]
    balanced(hops)
    assert shop.first["unbalanced"] == []
    dealt = {name: len(range(i, RUNS, len(MILLS))) for i, name in enumerate(MILLS)}
    for machine, protocol in MILLS.items():
        # a state once a second (and at the end), a part count at both ends of a run
        slow = len(range(0, ROWS, 10)) + 1 + 2
        assert hops[protocol]["in"] == dealt[machine] * (ROWS * SAMPLES + slow), protocol


def test_what_the_accounts_say_stands_in_the_points(shop):
    table = points(shop.after_one)
    assert table.num_rows == shop.first["hops"]["points"]["out"]
    assert repeats(table) == 0
    said = doctor(shop.after_one)
    assert said["unbalanced"] == []
    assert said["lost"] == 0
    assert said["events"]["whole"]


def test_the_second_turn_makes_the_next_orders_for_other_persons(shop):
    assert (shop.first["turn"], shop.second["turn"]) == (1, 2)
    assert shop.second["orders"]["placed"] == shop.second["units"]["made"] == 3
    assert not set(shop.first["units"]["serials"]) & set(shop.second["units"]["serials"])
    with open_store(shop.plant, read_only=True) as store:
        persons = [e.body["person"] for e in store.recall(kind="order.placed")]
    assert len(persons) == len(set(persons)) == 8


def test_old_input_is_counted_as_duplicate_in_the_second_turn(shop):
    balanced(shop.second["hops"])
    for name in ("mqtt", "opcua", "mtconnect"):
        first, second = shop.first["hops"][name], shop.second["hops"][name]
        assert (second["in"], second["out"], second["duplicate"]) == (first["in"], 0, first["in"]), name
    for row in shop.second["imports"]:
        assert (row["stored"], row["duplicate"]) == (0, row["rows"]), row["says"]
    assert points(shop.plant).num_rows == points(shop.after_one).num_rows
    assert doctor(shop.plant)["unbalanced"] == []


def test_rows_that_stand_twice_in_a_file_are_counted_as_duplicate(shop):
    shots = next(row for row in shop.first["imports"] if row["what"] == "shots")
    assert (shots["rows"], shots["stored"], shots["duplicate"], shots["refused"]) == (26, 24, 2, {})


def test_orders_units_and_plan_are_those_that_were_asked_for(shop):
    report = shop.first
    assert report["orders"]["placed"] == 5
    assert report["orders"]["fitted"] + len(report["orders"]["refused"]) == 5
    units = report["units"]
    assert units["made"] == report["orders"]["fitted"] == len(units["serials"])
    assert units["reworked"] > 0
    assert units["scrapped"] > 0
    plan = report["plan"]
    assert plan["makespan"] >= plan["bound"] > 0
    assert plan["status"] in ("optimal", "feasible")
    assert plan["slots"] == 5 * 7  # seven operations an iron


def test_a_rework_and_a_scrap_repair_the_plan(shop):
    with open_store(shop.after_one, read_only=True) as store:
        released = store.recall(kind="plan.released")
        again = store.recall(kind=("unit.reworked", "unit.scrapped"))
        steps = store.recall(kind="step.finished")
    reasons = [event.body["reason"] for event in released]
    assert {e.kind for e in again} == {"unit.reworked", "unit.scrapped"}
    for event in again:
        assert any(event.about in reason for reason in reasons), f"no plan was released because of {event.about}"
    assert shop.first["units"]["repairs_of_the_plan"] == len(released) - 1
    reworked = [e for e in again if e.kind == "unit.reworked"]
    assert all(any(s.about == e.about and "#" in s.body["operation"] and s.body["start_ns"] >= e.t_ns for s in steps)
               for e in reworked), "a reworked unit goes back over a machine, after it was measured"
    busy = sorted((s.body["machine"], s.body["start_ns"], s.body["end_ns"]) for s in steps)
    assert all(a[0] != b[0] or a[2] <= b[1] for a, b in pairwise(busy)), "no machine does two things at once"


def test_what_ships_is_as_built_and_within_tolerance(shop):
    with open_store(shop.after_one, read_only=True) as store:
        last = {e.about: e for e in store.recall(kind="unit.measured")}
        finished = {e.about: e for e in store.recall(kind="unit.finished")}
        shipped = {e.about for e in store.recall(kind="unit.shipped")}
        scrapped = {e.about for e in store.recall(kind="unit.scrapped")}
    assert shipped == set(finished) == set(shop.first["units"]["serials"])
    assert not shipped & scrapped
    for serial, event in finished.items():
        rows = {row["name"]: row for row in last[serial].body["measures"]}
        assert event.body["as_built"] == {name: row["as_built"] for name, row in rows.items()}
        assert abs(np.degrees(rows["lie"]["deviation"])) <= TIGHT[0] * (1 + 1e-6)
        assert any(row["as_built"] != row["designed"] for row in rows.values())


def test_every_units_passport_tells_serial_machine_times_program_and_signals(shop):
    with open_store(shop.after_one, read_only=True) as store:
        events = store.recall()
        for serial in shop.first["units"]["serials"]:
            told = passport(events, serial)
            assert told["serial"] == serial
            assert told["order"]["id"] == serial.rsplit("-", 1)[0]
            assert told["as_built"]
            assert told["shipping"]["shipped_ns"]
            assert told["plans"]
            milled = [step for step in told["steps"] if step["machine"] in MILLS]
            assert milled
            for step in told["steps"]:
                assert step["end_ns"] > step["start_ns"]
                assert step["machine"] == step["said_by"]
            for step in milled:
                assert len(step["program_hash"]) == 64
                heard = store.get(things=[step["machine"]], signals=step["signals"], start_ns=step["signals_start_ns"],
                                  end_ns=step["signals_end_ns"] + 1)
                assert heard.num_rows >= ROWS * len(COLUMNS), "what the step's machine said is kept"
                assert step["assumed"], "which recorded run a step was is assumed, and says so"


def test_decisions_name_their_evidence(shop):
    decisions = shop.first["decisions"]
    assert {d["service"] for d in decisions} >= {"maintain"}
    for decision in decisions:
        assert decision["says"] or decision["abstains"]
        if decision["says"]:
            assert decision["because"], decision["id"]
    worn = [d for d in decisions if d["service"] == "maintain" and "worn" in d["says"]]
    assert worn
    assert all(d["low"] <= d["value"] <= d["high"] for d in worn)
    evidence = {one["kind"] for d in worn for one in d["because"]}
    assert {"points", "model"} <= evidence


def test_a_worn_tool_becomes_a_work_order_that_the_plan_makes_room_for(shop):
    """Every second recorded run has a worn tool that shows plainly, so that the wear is found."""
    orders = shop.first["workorders"]
    assert orders
    alarms = {alarm["id"] for alarm in shop.first["alarms"]}
    assert all(order["alarm"] in alarms for order in orders)
    with open_store(shop.after_one, read_only=True) as store:
        reasons = [e.body["reason"] for e in store.recall(kind="plan.released")]
    assert any("work order" in reason for reason in reasons)


def test_maintenance_is_told_beside_its_baselines(shop):
    told = shop.first["maintenance"]
    assert told["runs"] == RUNS
    assert {"majority", "feed_clamp"} <= set(told["models"])
    assert told["accuracy"]["low"] <= told["accuracy"]["accuracy"] <= told["accuracy"]["high"]
    assert told["split"] == "leave one run out"


def test_no_effect_is_claimed_across_an_assumed_pairing(shop):
    changes = shop.first["changes"]
    assert changes
    assert all(change["state"] == "not supported" for change in changes)
    assert all("not supported, because" in change["says"] and "assumed" in change["says"] for change in changes)
    assert any("pairings" in line for line in shop.first["assumed"])
    assert any("recorded runs have no date" in line for line in shop.first["assumed"])


def test_the_report_says_how_long_each_stage_took(shop):
    seconds = shop.first["seconds"]
    assert set(seconds) >= {"order", "fit", "design", "plan", "make", "measure", "connect", "keep", "use", "serve", "improve", "total"}
    assert all(value >= 0 for value in seconds.values())
    assert seconds["total"] <= (shop.ended_ns - shop.began_ns) / 1e9


def test_standard_output_is_one_json_document_and_the_rest_goes_to_standard_error(shop):
    document, end = json.JSONDecoder().raw_decode(shop.stdout)
    assert document["turn"] == 1
    assert shop.stdout[end:].strip() == ""
    for word in ("order", "fit", "plan", "make", "measure", "connect", "use", "serve", "improve"):
        assert any(line.startswith(word) for line in shop.stderr.splitlines()), word
    assert "Traceback" not in shop.stderr


def test_every_row_has_both_times(shop):
    table = points(shop.after_one)
    for name in ("t_ns", "known_ns"):
        assert table.column(name).null_count == 0
    known = pc.min_max(table.column("known_ns")).as_py()
    assert shop.began_ns <= known["min"] <= known["max"] <= shop.ended_ns
    with open_store(shop.after_one, read_only=True) as store:
        events = store.recall()
    known_ns = [event.known_ns for event in events]
    assert known_ns == sorted(known_ns)
    assert all(event.t_ns > 0 for event in events)
    assert shop.began_ns <= known_ns[0] <= known_ns[-1] <= shop.ended_ns


def test_the_report_can_be_read_again(shop):
    again = loopwright("report", "--site", shop.after_one, "--json")
    codes = {"claim_codes": shop.first["claim_codes"]}  # told once, and not kept in the ledger
    assert {**json.loads(again.stdout), **codes} == shop.first
    words = loopwright("report", "--site", shop.after_one)
    assert words.stdout.startswith("Small shop: turn 1\n")
    for name in HOPS:
        assert f"\n{name}" in words.stdout


def test_a_fresh_turn_starts_with_an_empty_plant_and_is_the_first_again(shop, tmp_path):
    site = small_shop(tmp_path, data=False, text=SITE + machines() + tight_product(tmp_path, *TIGHT))
    shutil.copytree(shop.site.parent / "data", tmp_path / "data")
    shutil.copytree(shop.plant, tmp_path / "plant")
    report = turned(site, "--orders", 5, "--fresh")
    assert report["turn"] == 1
    for key in ("hops", "orders", "units", "revision"):
        assert report[key] == shop.first[key], key
    assert points(tmp_path / "plant").drop(["known_ns"]) == points(shop.after_one).drop(["known_ns"])


def test_persons_whom_a_rule_does_not_cover_are_refused_with_the_reason(tmp_path):
    site = small_shop(tmp_path, data=False)
    small_data(tmp_path / "data", persons=0, runs=3)
    path = write_persons(tmp_path / "data" / "persons" / "people.csv", 2, left=0)
    path.write_text(path.read_text() + "p-900,2250,1090,246,right,male\n")
    report = turned(site, "--orders", 3)
    refused = report["orders"]["refused"]
    assert [row["person"] for row in refused] == ["p-900"]
    assert "allowed" in refused[0]["reason"]
    assert report["units"]["made"] == 2
    balanced(report["hops"])


def test_an_owner_claims_a_unit_by_its_serial_and_the_code_on_its_card(tmp_path):
    """On a site without approvers of its own, people claim their units."""
    text = SITE.replace('approvers = ["anna (example)", "bo (example)"]', "approvers = []") + machines({"mill-1": "mqtt"}, "")
    site = small_shop(tmp_path, text=text.replace('swings = ["swings/*.csv*"]', "").replace("embedded = true", "embedded = false")
                      .replace('link = { protocol = "mqtt" }', ""))
    serial = turned(site, "--orders", 1)["units"]["serials"][0]
    card = tmp_path / "plant" / "cards" / f"{serial}.txt"
    assert card.stat().st_mode & 0o077 == 0
    assert card.read_text().split()[0] == serial
    code = card.read_text().split()[1]
    assert code.encode() not in b"".join(p.read_bytes() for p in (tmp_path / "plant").glob("events.sqlite*"))
    wrong = loopwright("claim", serial, "AAAAA-AAAAA", "--person", "p-001", "--site", site)
    assert (wrong.returncode, "Traceback" in wrong.stderr) == (7, False)
    assert "the code is not the one that came with it" in wrong.stderr
    claimed = loopwright("claim", serial, code.lower(), "--person", "p-001", "--site", site)
    assert claimed.returncode == 0, claimed.stderr
    assert not card.exists()
    again = loopwright("claim", serial, code, "--person", "p-002", "--site", site)
    assert again.returncode == 7
    assert "claimed already" in again.stderr


def test_left_handed_persons_get_mirrored_solids(shop):
    with open_store(shop.plant, read_only=True) as store:
        solids = {e.about: e.body for e in store.recall(kind="solid.made")}
        orders = {e.about: e.body for e in store.recall(kind="order.placed")}
        fitted = {e.about: e.body for e in store.recall(kind="order.fitted")}
    assert set(solids) == set(fitted)
    hands = {order: body["wishes"]["handedness"] for order, body in orders.items()}
    assert {"left", "right"} == set(hands.values())
    for order, body in fitted.items():
        assert body["mirrored"] == (hands[order] == "left")
    for body in solids.values():
        for kind in ("step", "stl", "glb"):
            assert (shop.plant / "solids").exists()
            assert kind in json.dumps(body)


def test_twelve_orders_on_real_input(shared_data, tmp_path):
    """The acceptance case: every number of the small shop's tests, on the public data sets."""
    site = tmp_path / "site.toml"
    site.write_text((Path(__file__).parents[2] / "examples" / "real_shop" / "site.toml").read_text("utf-8"))
    done = loopwright("turn", site, "--data", shared_data, "--orders", 12, "--json", timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    report = json.loads(done.stdout)
    balanced(report["hops"])
    assert report["orders"]["placed"] == 12
    assert report["units"]["made"] == report["orders"]["fitted"]
    assert report["plan"]["makespan"] >= report["plan"]["bound"] > 0
    assert report["seconds"]["total"] < 300
    assert report["maintenance"]["runs"] == len(list((shared_data / "cnc_mill_wear").glob("experiment_*")))
    assert report["changes"]
    assert all("not supported, because" in change["says"] for change in report["changes"])
    assert all(d["because"] for d in report["decisions"] if d["says"])
    assert points(tmp_path / "plant").num_rows == report["hops"]["points"]["out"]
