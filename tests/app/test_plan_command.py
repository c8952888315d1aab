"""`loopwright plan`: a file, a suite, a plant's open orders; checked, told, drawn, stopped, gone on with."""

from __future__ import annotations

import _thread
import json
import re
import shutil
import threading
import zipfile
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from loopwright.app import suite
from loopwright.app.imports import keep, named, read_file
from loopwright.app.open_shop import open_orders
from loopwright.app.ordering import fit_orders, place
from loopwright.app.plan_file import Asked, Watched, planned
from loopwright.app.plant import open_plant
from loopwright.app.site import load_site
from loopwright.core.clock import NS_PER_S
from loopwright.core.errors import InputError, PlanError
from loopwright.core.kinds import KINDS
from loopwright.core.types import Event, Plan, Slot
from loopwright.make.check import check
from loopwright.make.reading.files import listed, read
from loopwright.make.reading.shop_json import to_json
from tests.app.commands import runner
from tests.make.shops import FT06, FT06_OPTIMUM, club_shop, job_shop

STICKS = Path(__file__).parents[2] / "examples" / "walking_stick"
FT06_TEXT = "6 6\n" + "\n".join(" ".join(f"{m} {s}" for m, s in row) for row in FT06) + "\n"
# one machine, so that the sum of the seconds is the shortest makespan
ONE_MACHINE = "3 1\n0 5\n0 7\n0 4\n"


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Any:
    """The command, in this process."""
    return runner(capsys, "plan")


@pytest.fixture
def ft06(tmp_path: Path) -> Path:
    path = tmp_path / "ft06.jsp"
    path.write_text(FT06_TEXT)
    return path


def plan_of(told: dict[str, Any]) -> Plan:
    slots = tuple(Slot(**row) for row in told["slots"])
    return Plan(0, slots, told["status"], told["objective"], told["value"], told["bound"], told["solver"], told["seconds"])


@pytest.mark.slow
def test_a_file_is_planned_to_its_published_optimum_and_the_plan_keeps_the_rules(run: Any, ft06: Path) -> None:
    done = run(ft06, "--seconds", "20", "--json")
    told = done.told
    assert (done.code, told["makespan"], told["bound"], told["status"], told["gap"]) == (
        0, FT06_OPTIMUM, FT06_OPTIMUM, "optimal", 0)
    assert told["dialect"] == "job shop, machines from 0"
    assert check(read(ft06).shop, plan_of(told)) == []


def test_the_words_say_makespan_bound_status_gap_seconds_and_solver(run: Any, tmp_path: Path) -> None:
    (tmp_path / "one.jsp").write_text(ONE_MACHINE)
    done = run(tmp_path / "one.jsp", "--seconds", "0")
    told = dict(line.split(None, 1) for line in done.out.splitlines())
    assert told["makespan"] == told["bound"] == "16 s"
    assert told["status"] == "optimal"
    assert {"gap", "seconds", "solver", "read", "shop"} <= told.keys()


def test_a_drawing_is_written_beside_the_plan(run: Any, ft06: Path, tmp_path: Path) -> None:
    for what in ("machines", "orders", "load", "lateness"):
        assert run(ft06, "--seconds", "0", "--gantt", tmp_path / f"{what}.svg", "--draw", what).code == 0
        assert ElementTree.parse(tmp_path / f"{what}.svg").getroot().tag.endswith("svg")


def test_notes_of_the_file_are_said(run: Any, tmp_path: Path) -> None:
    (tmp_path / "zero.jsp").write_text("2 2\n0 3 1 0\n0 2 1 4\n")
    done = run(tmp_path / "zero.jsp", "--seconds", "0", "--json")
    assert "operations of 0 s are left out" in done.said
    assert "j0/op1" in done.told["notes"][0]


def test_one_job_is_one_job(run: Any, tmp_path: Path) -> None:
    (tmp_path / "one.jsp").write_text("1 1\n0 3\n")
    assert "1 job, 1 machine, 1 operation\n" in run(tmp_path / "one.jsp", "--seconds", "0").out


@pytest.mark.parametrize(("arguments", "says"), [
    ([], "what to plan is not clear"),
    (["FILE", "--suite", "."], "what to plan is not clear"),
    (["FILE", "--limit", "3"], "together with --suite"),
    (["--suite", ".", "--gantt", "x.svg"], "--gantt"),
    (["FILE", "--gantt", "x.png"], "--gantt: 'x.png'; allowed: a name that ends in .svg"),
    (["FILE", "--draw", "all"], "--draw all; allowed: together with --gantt"),
    (["FILE", "--objective", "makespan:1e300"], "a number from 0 to"),
    (["FILE", "--seconds", "-1"], "--seconds: -1; allowed: 0"),
    (["FILE", "--seconds", "nan"], "--seconds: nan; allowed"),
    (["FILE", "--workers", "0"], "--workers: 0; allowed: 1 to"),
    (["FILE", "--objective", "makespann"], "did you mean 'makespan'"),
    (["FILE", "--format", "flexibel"], "did you mean 'flexible'"),
    (["FILE", "--format", "flexible"], "allowed: nothing more: the row says 2 operations"),
    (["gone.jsp"], "cannot be read"),
    (["FILE", "--seconds", "0", "--gantt", "no/such/folder/x.svg"], "it cannot be written"),
])
def test_what_cannot_be_done_is_said_in_a_sentence(run: Any, ft06: Path, arguments: list[str], says: str) -> None:
    done = run(*[str(ft06) if word == "FILE" else word for word in arguments])
    assert done.code > 0
    assert says in done.said
    assert "Traceback" not in done.said


def test_ctrl_c_gives_the_best_plan_so_far() -> None:
    watched = Watched(threading.Event(), loud=False)
    shop = club_shop(60)
    timer = threading.Timer(1.5, _thread.interrupt_main)
    timer.start()
    found = planned(shop, Asked(120), watched)
    timer.join()
    if found.status != "optimal":
        assert watched.stop.is_set()
    assert found.took_s < 60
    assert check(shop, found) == []


# suites


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "suite"
    place.mkdir()
    (place / "one1.txt").write_text(ONE_MACHINE)
    (place / "one2.txt").write_text(ONE_MACHINE.replace("7", "9"))
    (place / "two1.jsp").write_text(FT06_TEXT)
    (tmp_path / "best.json").write_text(json.dumps([
        {"instance": "one1", "family": "one", "lower_bound": 16, "upper_bound": 16},
        {"instance": "one2", "family": "one", "lower_bound": 8, "upper_bound": 12}]))
    return place


def test_a_suite_gives_gap_per_instance_by_family_and_the_mean(run: Any, folder: Path, tmp_path: Path) -> None:
    done = run("--suite", folder, "--best-known", tmp_path / "best.json", "--seconds", "0", "--json")
    told = done.told
    rows = {row["name"]: row for row in told["instances"]}
    assert [(n, r["makespan"], r["best_known"], r["gap_percent"]) for n, r in rows.items()][:2] == [
        ("one1", 16, 16, 0.0), ("one2", 18, 12, 50.0)]
    assert rows["two1"]["gap_percent"] is None
    assert {f["family"]: (f["instances"], f["gap_percent"]) for f in told["families"]} == {"one": (2, 25.0), "two": (1, None)}
    assert (told["mean"]["gap_percent"], told["mean"]["at_best_known"], told["mean"]["with_best_known"]) == (25.0, 1, 2)
    assert "[1/3] one1 3 x 1: 16 (best known 16, +0.00 %)" in done.said


def test_a_suite_can_be_cut_to_a_family_and_a_number(run: Any, folder: Path, tmp_path: Path) -> None:
    names = [row["name"] for row in run("--suite", folder, "--seconds", "0", "--family", "one", "--json").told["instances"]]
    assert names == ["one1", "one2"]
    names = [row["name"] for row in run("--suite", folder, "--seconds", "0", "--limit", "1", "--json").told["instances"]]
    assert names == ["one1"]
    assert "allowed: one, two" in run("--suite", folder, "--family", "ta").said


def test_rows_are_kept_and_a_second_start_goes_on(run: Any, folder: Path, tmp_path: Path) -> None:
    kept = tmp_path / "rows.jsonl"
    first = run("--suite", folder, "--seconds", "0", "--limit", "2", "--out", kept, "--json").told["instances"]
    with kept.open("a") as file:
        file.write('{"name": "two1", "cut off')
    done = run("--suite", folder, "--seconds", "0", "--out", kept, "--json")
    assert done.told["instances"][:2] == first
    assert done.said.count("(kept)") == 2
    assert [json.loads(line)["name"] for line in kept.read_text().splitlines()] == ["one1", "one2", "two1"]
    other = run("--suite", folder, "--seconds", "1", "--out", kept)
    assert (other.code, "a row of another run" in other.said) == (2, True)


def test_a_file_that_is_no_shop_is_a_row_with_its_error(run: Any, folder: Path) -> None:
    (folder / "bad.txt").write_text("2 2\n0 1 1 -2\n1 3 0 4\n")
    done = run("--suite", folder, "--seconds", "0", "--json")
    assert done.code == InputError.exit_code
    assert "line 2, number 4" in done.told["instances"][0]["error"]
    assert (done.told["mean"]["instances"], done.told["mean"]["errors"]) == (4, 1)


def test_a_suite_that_is_stopped_tells_what_is_done_and_goes_on_later(run: Any, folder: Path, tmp_path: Path) -> None:
    (folder / "zlong.json").write_text(to_json(club_shop(60)))
    (folder / "two1.jsp").unlink()
    kept = tmp_path / "rows.jsonl"
    done: list[str] = []

    def told(line: str) -> None:
        done.append(line.split()[1])
        if done[-1] == "one2":
            threading.Timer(1.0, _thread.interrupt_main).start()

    rows = suite.rows(listed(folder), {}, Asked(60), kept, told)
    with pytest.raises(KeyboardInterrupt):
        list(rows)
    assert done == ["one1", "one2"]
    assert [json.loads(line)["name"] for line in kept.read_text().splitlines()] == done


# a plant's own orders


def finished(order: str) -> dict[str, Any]:
    return dict.fromkeys(KINDS["unit.finished"].body, 0) | {"order": order}


@pytest.fixture
def sticks(tmp_path: Path) -> Path:
    """A plant with three fitted orders of walking sticks, of which one step is done and one order is finished."""
    where = tmp_path / "sticks"
    shutil.copytree(STICKS, where, ignore=shutil.ignore_patterns("plant"))
    site = load_site(where / "site.toml")
    with open_plant(site) as plant:
        parsed = read_file(plant, "persons", where / "persons.csv")
        keep(plant, parsed, named(parsed, "", plant))
        t_ns = 1_768_000_000 * NS_PER_S
        orders = place(plant, "S", plant.store.people.find()[:3], t_ns)
        made = fit_orders(plant, orders, lambda _: plant.rules, t_ns)
        assert len(made) == 3
        first = plant.product.route[0].operation
        end_ns = t_ns + 60 * NS_PER_S
        body = {"order": "S001", "operation": first, "machine": "lathe-1", "start_ns": t_ns, "end_ns": end_ns}
        plant.record("step.finished", "S001-1", {**body, "program_hash": "", "signals": [], "run": ""}, t_ns=end_ns)
        plant.record("unit.finished", "S003-1", finished("S003"), t_ns=t_ns)
    return where / "site.toml"


def test_a_plants_open_orders_are_planned_from_its_last_moment_and_nothing_is_changed(run: Any, sticks: Path) -> None:
    instance, zone = open_orders(sticks)
    shop = instance.shop
    assert [job.id for job in shop.jobs] == ["S001", "S002"]
    assert len(shop.jobs[0].operations) == len(shop.jobs[1].operations) - 1
    assert shop.origin_ns == (1_768_000_000 + 60) * NS_PER_S
    assert zone == "Europe/Vienna"
    assert all(job.due_s is not None for job in shop.jobs)
    done = run("--site", sticks, "--seconds", "1", "--json")
    assert {slot["order"] for slot in done.told["slots"]} == {"S001", "S002"}
    with open_plant(load_site(sticks)) as plant:
        assert not plant.store.recall(kind="plan.released")
        plant.store.record([Event("unit.finished", f"{o}-1", 1, "x", finished(o)) for o in ("S001", "S002")])
    with pytest.raises(PlanError, match="no order is open"):
        open_orders(sticks)


def test_a_shop_of_ours_is_planned_from_json(run: Any, tmp_path: Path) -> None:
    (tmp_path / "club.json").write_text(to_json(job_shop(FT06[:2])))
    told = run(tmp_path / "club.json", "--seconds", "2", "--json").told
    assert told["dialect"] == "loopwright shop 1"
    assert told["jobs"] == 2


# the page


@pytest.mark.slow
def test_the_page_does_what_it_says(run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """docs/how-to/plan-a-file.md: its file is planned to what stands there, its commands and its code run."""
    page = (Path(__file__).parents[2] / "docs" / "how-to" / "plan-a-file.md").read_text("utf-8")
    monkeypatch.chdir(tmp_path)
    for name, text in re.findall(r"<!-- file: (\S+) -->\n```(?:text|json)\n(.*?)```", page, re.DOTALL):
        Path(name).write_text(text)
    Path("cut.jsp").write_text("2 2\n0 1 1 2\n1 3 0\n")
    with zipfile.ZipFile("instances.zip", "w") as archive:
        archive.writestr("Taillard/ta91.txt", ONE_MACHINE)
    Path("best_known.json").write_text('[{"instance": "ta91", "family": "ta", "lower_bound": 16, "upper_bound": 16}]')
    ran = 0
    for block in re.findall(r"```console\n\$ loopwright plan (.*?)```", page, re.DOTALL):
        command, _, golden = block.partition("\n")
        if "--site" not in command:
            done = run(*command.split())
            assert golden.strip() in done.out + done.said
            ran += 1
    assert ran == 4
    assert Path("ft06.svg").exists()
    for code in re.findall(r"```python\n(.*?)```", page, re.DOTALL):
        exec(compile(code, "plan-a-file.md", "exec"), {})
