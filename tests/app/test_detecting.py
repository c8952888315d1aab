"""Detectors on a plant: judged as it is heard and as it was recorded alike, kept over a restart, told with the right signal."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from loopwright.app import detecting
from loopwright.app.detecting import Detectors, plans
from loopwright.app.plant import Plant, open_plant
from loopwright.app.site import load_site
from loopwright.app.watching import Watch
from loopwright.core.clock import SimClock
from loopwright.core.types import POINTS_IN, Batch, Event
from loopwright.learn.detecting import surprise
from loopwright.packs.shop_floor import runs
from loopwright.packs.shop_floor.signals import MILL
from loopwright.serve.watch import Seen
from loopwright.twins.mill import MillTwin, TwinRun

S = 10**9
NOW = 1_790_000_000 * S
PUMPS = """
[site]
name = "pumps"
[[kind]]
name = "pump"
meaning = "A pump."
signal = [{ name = "flow", unit = "1/s", kind = "gauge", meaning = "Strokes." }, { name = "pressure", unit = "Pa", kind = "gauge", meaning = "Pressure." }]
"""
PUMP = """
[[machine]]
id = "pump-%d"
kind = "pump"
role = "pump"
link = { protocol = "http" }
"""


@pytest.fixture(autouse=True)
def seldom(monkeypatch: pytest.MonkeyPatch) -> None:
    """A step of these plants is a minute: what is known is kept every twenty hours, and when they are closed."""
    monkeypatch.setattr(detecting, "SAVE_S", 72_000.0)


@contextmanager
def pumps(folder: Path, count: int = 2, watch: str = "step_s = 60.0") -> Iterator[Plant]:
    """A plant of pumps, at NOW."""
    path = folder / "site.toml"
    path.write_text(PUMPS + "".join(PUMP % i for i in range(1, count + 1)) + f"[watch]\n{watch}\n")
    with open_plant(load_site(path), clock=SimClock(NOW)) as plant:
        yield plant


def put(plant: Plant, step: int, values: Any) -> None:
    """What the pumps say in one step of a minute: values (B, 2)."""
    t_ns = NOW + step * 60 * S
    rows = [{"thing": f"pump-{i + 1}", "signal": signal, "t_ns": t_ns, "n": 0, "value": float(value), "code": None, "quality": 0}
            for i, pair in enumerate(values) for signal, value in zip(("flow", "pressure"), pair, strict=True)]
    plant.store.put(Batch("http", "http/test", None, pa.Table.from_pylist(rows, schema=POINTS_IN)))


def story(steps: int, fault: int | None = None) -> np.ndarray:
    """(T, 2, 2) flow and pressure of two pumps; from step `fault` on the pressure of the second is far off for five steps."""
    values = np.array([1.0, 2e5]) + np.random.default_rng(0).standard_normal((steps, 2, 2)) * [0.01, 1e3]
    if fault is not None:
        values[fault:fault + 5, 1, 1] += 1e5
    return values


def heard(plant: Plant, detectors: Detectors, values: np.ndarray, first: int = 0) -> list[Seen]:
    """Puts step after step, and looks after each."""
    found = []
    for step, row in enumerate(values, first):
        put(plant, step, row)
        found += list(detectors.live(NOW + step * 60 * S + 62 * S))
    return found


def state(detectors: Detectors) -> surprise.State:
    return detectors._judges[0].state


def same(one: surprise.State, other: surprise.State) -> None:
    """Asserts that both know the same, digit for digit."""
    for name in ("seen", "most", "judged", "q90", "q99", "last", "parts"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    for name in ("level", "spread", "seen"):
        np.testing.assert_array_equal(getattr(one.levels.levels, name), getattr(other.levels.levels, name))
    np.testing.assert_array_equal(one.budget.points, other.budget.points)
    assert (one.budget.level, one.budget.alarms, one.steps) == (other.budget.level, other.budget.alarms, other.steps)


@pytest.mark.slow
def test_a_fault_raises_an_alarm_with_its_signal_first_and_clears_it_when_it_is_over(tmp_path: Path) -> None:
    with pumps(tmp_path) as plant:
        detectors, watch = Detectors(plant), Watch(plant)
        raised = [event for seen in heard(plant, detectors, story(190, 150)) for event in watch.look(seen.at_ns, seen=seen)]
        (alarm,) = [event for event in raised if event.body["condition"] == "unusual"]
        assert (alarm.body["thing"], alarm.body["ranking"][0]["signal"], alarm.body["ranking"][0]["unit"]) == ("pump-2", "pressure", "Pa")
        assert alarm.body["ranking"][0]["share"] > 0.9
        assert alarm.body["evidence"][0]["start_ns"] == NOW // (60 * S) * 60 * S + 150 * 60 * S
        (cleared,) = [e for e in plant.store.recall(kind="alarm.cleared") if e.about == alarm.about]
        assert cleared.t_ns > alarm.t_ns
        detectors.close()


@pytest.mark.slow
def test_what_was_judged_as_it_was_heard_is_judged_the_same_from_the_record(tmp_path: Path) -> None:
    with pumps(tmp_path) as plant:
        live = Detectors(plant)
        list(live.live(NOW))  # it listens from here on
        found = heard(plant, live, story(170, 150))
        shutil.rmtree(plant.site.folder / detecting.FOLDER, ignore_errors=True)
        again = Detectors(plant)
        told = list(again.recorded([(NOW, NOW + 169 * 60 * S)]))
        same(state(again), state(live))
        assert state(live).steps > 30
        assert next(seen.standing for seen in told if seen.standing) == next(seen.standing for seen in found if seen.standing)


@pytest.mark.slow
def test_a_restart_goes_on_with_the_same_scores_and_judges_what_came_meanwhile(tmp_path: Path) -> None:
    values = story(170, 155)
    (tmp_path / "whole").mkdir()
    (tmp_path / "parts").mkdir()
    with pumps(tmp_path / "whole") as plant:
        whole = Detectors(plant)
        alarms = [seen.standing for seen in heard(plant, whole, values) if seen.standing]
    with pumps(tmp_path / "parts") as plant:
        before = Detectors(plant)
        told = [seen.standing for seen in heard(plant, before, values[:90]) if seen.standing]
        before.close()
        for step in range(90, 150):
            put(plant, step, values[step])
    with pumps(tmp_path / "parts") as plant:
        after = Detectors(plant)
        told += [seen.standing for seen in heard(plant, after, values[150:], 150) if seen.standing]
        same(state(after), state(whole))
    assert [one[0].onset_ns for one in told] == [one[0].onset_ns for one in alarms]
    assert alarms


@pytest.mark.slow
def test_an_alarm_that_lasts_over_a_restart_is_not_cleared_by_it(tmp_path: Path) -> None:
    values = story(160, 150)
    with pumps(tmp_path) as plant:
        detectors, watch = Detectors(plant), Watch(plant)
        for seen in heard(plant, detectors, values[:152]):
            watch.look(seen.at_ns, seen=seen)
        detectors.close()
    with pumps(tmp_path) as plant:
        for seen in heard(plant, Detectors(plant), values[152:154], 152):
            Watch(plant).look(seen.at_ns, seen=seen)
        assert len([e for e in plant.store.recall(kind="alarm.raised") if e.body["condition"] == "unusual"]) == 1
        assert [e for e in plant.store.recall(kind="alarm.cleared") if "unusual" in e.about] == []


@pytest.mark.parametrize("wrong", [b"", b"LWMODEL1 and no more", b"{}"])
def test_what_was_kept_and_cannot_be_read_is_learned_anew(tmp_path: Path, wrong: bytes) -> None:
    with pumps(tmp_path) as plant:
        detectors = Detectors(plant)
        heard(plant, detectors, story(10))
        detectors.close()
        (plant.site.folder / detecting.FOLDER / "pump").write_bytes(wrong)
        assert state(Detectors(plant)).steps == 0
        assert np.isnan(state(Detectors(plant)).last).all()


def test_a_kind_with_another_machine_learns_anew(tmp_path: Path) -> None:
    with pumps(tmp_path) as plant:
        detectors = Detectors(plant)
        heard(plant, detectors, story(10))
        detectors.close()
    with pumps(tmp_path) as plant:
        assert not np.isnan(state(Detectors(plant)).last).any()
    with pumps(tmp_path, 3) as plant:
        assert np.isnan(state(Detectors(plant)).last).all()


def test_a_clock_that_was_wrong_stops_nothing(tmp_path: Path) -> None:
    with pumps(tmp_path) as plant:
        detectors = Detectors(plant)
        list(detectors.live(NOW + 10**9 * S))
        assert [seen.looked for seen in heard(plant, detectors, story(3))] == []
        assert not np.isnan(state(detectors).last).all()


def test_the_budget_is_the_plants_or_of_a_kind_and_none_is_no_detector(tmp_path: Path) -> None:
    for line, rates in (("", [1.0]), ("false_alarms_per_day = 3", [3.0]), ("false_alarms_per_day = 0", []), ("false_alarms_per_day = { pump = 0.5 }", [0.5])):
        with pumps(tmp_path, watch=line) as plant:
            assert [plan.settings.per_day for plan in plans(plant.site)] == rates


def test_a_kind_that_is_too_large_for_its_regimes_is_judged_without_and_one_that_is_too_large_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "site.toml"
    path.write_text(MILLS)
    site = load_site(path)
    one = 2 * 48 * surprise.Settings().warm  # numbers of two mills of 48 signals while they warm up
    found = []
    for most in (11, 10, 5, 1):
        monkeypatch.setattr(detecting.fleet, "LARGEST", most * one)
        (plan,) = plans(site)
        found.append((plan.state, plan.regimes))
        assert detecting.left_out(site) == []
    assert found == [("machining.process", 11), ("machine.state", 5), ("machine.state", 5), ("", 1)]
    monkeypatch.setattr(detecting.fleet, "LARGEST", one - 1)
    assert plans(site) == []
    assert detecting.left_out(site) == ["machines of kind 'mill' are too many to be judged by the detectors"]


# what people say of alarms, and what is kept

def judged(plant: Plant, verdict: str, number: int = 1, thing: str = "pump-2", condition: str = "unusual") -> None:
    body = {"condition": condition, "thing": thing, "verdict": verdict, "why": ""}
    plant.store.record([Event("alarm.judged", f"{thing}/{condition}/{number}", plant.clock.now_ns(), "mara", body)])


def test_what_people_say_of_an_alarm_reaches_the_budget_once_and_the_last_word_counts(tmp_path: Path) -> None:
    with pumps(tmp_path) as plant:
        detectors = Detectors(plant)
        level = state(detectors).budget.level
        for verdict, confirmed, wrong in (("true", 1, [0, 0]), ("true", 1, [0, 0]), ("false", 0, [0, 1]), ("unknown", 0, [0, 0])):
            judged(plant, verdict)
            judged(plant, "true", thing="pump-9")
            judged(plant, "true", condition="silent")
            list(detectors.live(NOW))
            list(detectors.live(NOW))
            after = state(detectors).budget
            assert (after.confirmed, after.wrong.tolist()) == (confirmed, wrong)
            assert after.level == pytest.approx(level - confirmed)
        judged(plant, "true")
        list(detectors.recorded([]))
        assert state(detectors).budget.confirmed == 1
        put(plant, 0, [(1.0, 2e5), (1.0, 2e5)])
        list(detectors.live(NOW + 120 * S))
        detectors.close()
        again = Detectors(plant)
        list(again.live(NOW + 120 * S))
        assert state(again).budget.confirmed == 1
        assert detecting.summaries(plant.site.folder)[0]["confirmed"] == 1
        again.close()
        shutil.rmtree(plant.site.folder / detecting.FOLDER)
        anew = Detectors(plant)  # its budget never counted the alarm: nothing is given back, but what is true of the pump is known
        assert (state(anew).budget.confirmed, state(anew).budget.right.tolist()) == (0, [0, 1])
        assert state(anew).budget.level == pytest.approx(level)


def damage(what: str, path: Path) -> None:
    data = path.read_bytes()
    if what == "cut":
        path.write_bytes(data[: len(data) // 2])
    elif what == "empty":
        path.write_bytes(b"")
    elif what == "flipped":
        path.write_bytes(data[:200] + bytes(b ^ 0xFF for b in data[200:260]) + data[260:])
    else:
        kept = detecting.registry.decode(data, "test")
        if what == "older":
            kept["plan"].pop("version")
            kept["state"]["budget"] = {"q90": np.zeros(2), "q99": np.ones(2), "threshold": 7.0}
        elif what == "other budget":
            kept["state"]["budget"].pop("points")
        elif what == "not a number":
            kept["state"]["budget"]["level"] = float("nan")
        elif what == "infinite level":
            kept["state"]["levels"]["levels"]["level"][:] = np.inf
        elif what == "other shape":
            kept["state"]["q90"] = np.zeros((1, 1))
        path.write_bytes(detecting.registry.encode(kept))


@pytest.mark.parametrize("what", ["cut", "empty", "flipped", "older", "other budget", "not a number", "infinite level", "other shape"])
def test_what_was_kept_by_an_older_version_or_is_damaged_is_learned_anew(tmp_path: Path, what: str) -> None:
    with pumps(tmp_path) as plant:
        detectors = Detectors(plant)
        heard(plant, detectors, story(5))
        detectors.close()
        path = plant.site.folder / detecting.FOLDER / "pump"
        again = Detectors(plant)
        assert state(again).heard.sum() > 0
        damage(what, path)
        anew = Detectors(plant)
        assert state(anew).heard.sum() == 0
        heard(plant, anew, story(3), 10)
        assert np.isfinite(state(anew).budget.level)
        anew.close()


def test_a_site_without_machines_has_nothing_to_judge(tmp_path: Path) -> None:
    with pumps(tmp_path, 0, "") as plant:
        detectors = Detectors(plant)
        assert list(detectors.live(NOW)) == []
        detectors.close()
        assert detecting.summaries(plant.site.folder) == []


# twins of mills

MILLS = '[site]\nname = "mills"\n[watch]\nstep_s = 1.0\n' + "".join(
    f'[[machine]]\nid = "mill-{i}"\nkind = "mill"\nrole = "mill"\nlink = {{ protocol = "mqtt" }}\n' for i in (1, 2))
RUNS, FAULTY = 60, 55


@pytest.fixture(scope="module")
def mills(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Plant, dict[str, list[TwinRun]], int]]:
    """Two mills with tools that wear, 60 runs each; in run 55 of the second its spindle takes twice the power."""
    path, fault_ns = tmp_path_factory.mktemp("mills") / "site.toml", 0
    runs: dict[str, list[TwinRun]] = {"mill-1": [], "mill-2": []}
    path.write_text(MILLS)
    with open_plant(load_site(path), clock=SimClock(NOW)) as plant:
        for thing in runs:
            for run in MillTwin(3, MILL, thing, NOW, stroke_m=0.03).runs(RUNS, spacing_s=40.0):
                table = run.table
                if (thing, run.number) == ("mill-2", FAULTY):
                    fault_ns, table = run.start_ns, faulty(table)
                plant.store.put(Batch("mqtt", f"mqtt/{thing}", None, table))
                runs[thing].append(run)
        yield plant, runs, fault_ns


def faulty(table: pa.Table) -> pa.Table:
    power = np.array(table.column("signal").to_pylist()) == "s.output_power"
    value = table.column("value").to_numpy(zero_copy_only=False)
    return table.set_column(table.column_names.index("value"), "value", pa.array(np.where(power, 2.0 * value, value), mask=np.isnan(value)))


@pytest.mark.slow
def test_twins_of_mills_raise_no_flood_and_a_planted_fault_is_told_with_its_signal_first(mills: Any) -> None:
    """No threshold was chosen on this: the site's default of one false alarm a day for the whole plant. What else is unusual here
    is a tool that is run on beyond its life, which the twins do now and then."""
    plant, runs, fault_ns = mills
    detectors, watch = Detectors(plant), Watch(plant)
    for seen in detectors.recorded([(run.start_ns, run.end_ns) for some in runs.values() for run in some]):
        watch.look(seen.at_ns, frozenset(runs), seen=seen, escalate=False)
    alarms = [e for e in plant.store.recall(kind="alarm.raised") if e.body["condition"] == "unusual"]
    planted = [e for e in alarms if e.body["thing"] == "mill-2" and fault_ns <= onset(e) < fault_ns + 60 * S]
    assert planted[0].body["ranking"][0]["signal"] == "s.output_power"
    assert len(alarms) <= 4
    for event in set(map(onset, alarms)) - set(map(onset, planted)):
        assert any(run.worn for some in runs.values() for run in some if run.start_ns <= event <= run.end_ns)


# the recorded mills of the real shop

MILL_RUNS = Path(__file__).parents[3] / "shared" / "data" / "cnc_mill_wear"


@pytest.mark.slow
@pytest.mark.skipif(not MILL_RUNS.is_dir(), reason="the recorded mill runs are not here")
def test_the_mills_of_the_real_shop_are_watched_from_their_first_runs_on(tmp_path: Path) -> None:
    """Thirteen runs of three mills, a quarter of an hour in all: too few for points of their own, enough for the range of their
    kind. What never moves on these machines is not judged, and it is said why."""
    path = tmp_path / "site.toml"
    path.write_text((Path(__file__).parents[2] / "examples" / "real_shop" / "site.toml").read_text("utf-8"))
    site = load_site(path)
    mills_ = [m.id for m in site.machines if m.kind == "mill"]
    with open_plant(site, clock=SimClock(NOW)) as plant:
        placed = runs.place(runs.read_runs(MILL_RUNS), mills_, NOW)
        for one in placed:
            plant.store.put(Batch("runs", f"runs/{one.thing}", None, runs.points(one)))
        detectors, watch = Detectors(plant), Watch(plant)
        for seen in detectors.recorded([(one.start_ns, one.end_ns) for one in placed]):
            watch.look(seen.at_ns, frozenset(mills_), seen=seen, escalate=False)
        detectors.close()
        (summary,) = detecting.summaries(plant.site.folder)
        assert summary["judged"] > 0.8
        assert summary["watched_s"] > 600.0
        alarms = [e for e in plant.store.recall(kind="alarm.raised") if e.body["condition"] == "unusual"]
        assert len(alarms) <= 1  # a day allows one
        waiting = {(row["thing"], row["signal"]): row for row in summary["waiting"]}
        assert waiting["mill-1", "s.output_power"]["known"] == "judged by the range of its kind"
        assert waiting["mill-1", "s.output_power"]["rows"] == 0
        assert waiting["mill-1", "s.output_power"]["own"] > 0
        still = {signal for (thing, signal), row in waiting.items() if thing == "mill-1" and row["known"] == "never moved"}
        assert still >= {"s.inertia", "z.current_feedback"}  # constant in every run


def onset(event: Event) -> int:
    start_ns: int = event.body["evidence"][0]["start_ns"]
    return start_ns
