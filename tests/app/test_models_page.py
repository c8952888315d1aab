"""The page of models: the league, curves and worst cases, drawn from a plant; and looked at in a browser."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from loopwright.app import models, scored
from loopwright.app.auth import Auth, Who
from loopwright.app.console import models as page
from loopwright.app.console.draw import league
from loopwright.app.console.frame import View
from loopwright.app.flow import Flow
from loopwright.app.front import Front
from loopwright.app.plant import Plant
from loopwright.app.views import models as views
from loopwright.app.views import when
from loopwright.core.clock import NS_PER_S
from loopwright.core.errors import UnknownName
from loopwright.govern.roles import EVERYONE
from loopwright.learn.wear.train import TASK
from loopwright.store import User
from tests.app.browser import Browser, found
from tests.app.small_plant import quick_hash
from tests.app.test_models import T0, inspected, opened, said, stood, trained


@pytest.fixture
def plant(tmp_path: Path) -> Iterator[Plant]:
    with opened(tmp_path, 'approvers = ["anna (example)", "bo (example)"]') as made:
        yield made


def view(plant: Plant, role: str = EVERYONE, **params: str) -> View:
    front = Front(plant.store, plant.site, Flow(), Auth(plant.store, plant.site.folder, plant.clock), plant.clock)
    return View(front, Who("anna", role, "", "session"), params=params)


def test_without_a_model_the_page_says_when_there_will_be_one(plant: Plant) -> None:
    drawn = page.draw(view(plant))
    assert list(drawn.blocks) == ["head", "none"]
    assert "a baseline serves" in drawn.blocks["none"]


def test_a_model_without_live_predictions_shows_what_it_lost_on_units_left_out(plant: Plant) -> None:
    stood(plant, trained())
    drawn = page.draw(view(plant))
    assert "Error on units left out so far" in drawn.blocks["curves"]
    assert "units left out in training" in drawn.blocks["curves"]
    assert "Worst cases among units left out" in drawn.blocks["worst"]
    assert "Better than the baseline on units it had not seen" in drawn.blocks["gate"]
    assert "Learned from 16 runs" in drawn.blocks["card"]


def test_the_card_tells_the_newest_run_it_learned_from_beside_when_that_was_known(plant: Plant) -> None:
    one, hour = trained(), 3600 * NS_PER_S
    inspected(plant, [T0 - 50 * hour, T0 - 90 * hour])
    known = plant.store.recall(kind="run.labelled")[-1].known_ns
    models.keep(plant, replace(one.card, known_by_ns=known), one.kept(), T0)
    inspected(plant, [T0 - hour])  # told after it was trained
    facts = page.draw(view(plant)).blocks["card"]
    newest = when.moment(T0 - 50 * hour, view(plant).zone)
    assert f"<dt>Newest run it learned from</dt><dd>{newest}</dd>" in facts


def test_live_predictions_are_drawn_with_their_worst_cases_and_words_under_the_pointer(plant: Plant) -> None:
    one = trained()
    stood(plant, one)
    inspected(plant, said(plant, one.card.id, 8, 0.9, 0.5)[:7])
    inspected(plant, said(plant, one.card.id, 1, 0.95, 0.5, first=20), "unworn")
    scored.check(plant, TASK, T0)
    drawn = page.draw(view(plant))
    assert "Live error so far" in drawn.blocks["curves"]
    assert 'data-words="model 0.01 after 1, up to mill-1' in drawn.blocks["curves"]
    assert "said 0.95, found 0" in drawn.blocks["worst"]
    assert ">8<" in drawn.blocks["league"], "of nine predictions eight are scored"


def test_only_who_may_approve_sees_the_button_and_a_model_is_asked_for_by_name(plant: Plant) -> None:
    one = trained()
    stood(plant, one)
    plant.store.people.save_user(User("anna", "approver", quick_hash("x"), ""))
    assert "/demote" in page.draw(view(plant, "approver")).blocks["says"]
    assert "/demote" not in page.draw(view(plant, "operator")).blocks["says"]
    assert one.card.id in page.draw(view(plant, model=one.card.id)).blocks["model-head"]
    with pytest.raises(UnknownName):
        page.draw(view(plant, model="none"))


def test_a_model_whose_file_is_gone_is_still_told_of(plant: Plant) -> None:
    one = trained()
    stood(plant, one)
    (plant.store.path / "models" / one.card.weights_hash).unlink()
    drawn = page.draw(view(plant))
    assert "its file is gone" in drawn.blocks["league"]
    assert "Learned from 16 runs" in drawn.blocks["card"]


def test_curves_of_one_unit_and_of_thousands_are_drawn() -> None:
    assert "after 1, up to a" in league.curves([0.0], [0.0], ["a"], "x", ("a", "a"))
    many = league.curves([0.1] * 5000, [0.2] * 5000, ["u"] * 5000, "x", ("a", "b"))
    assert many.count("data-words") == 2 * league.MARKS


def test_the_interval_of_an_error_curve_is_that_of_a_mean() -> None:
    """Hand calculation: 1, 2, 3, 4 have mean 2.5 and s = 1.29099, so 1.96 s / 2 = 1.26517."""
    mean, low, high = views.running(np.array([1.0, 2.0, 3.0, 4.0]))
    np.testing.assert_allclose(mean, [1.0, 1.5, 2.0, 2.5])
    assert (low[3], high[3]) == (pytest.approx(2.5 - 1.26517, abs=1e-4), pytest.approx(2.5 + 1.26517, abs=1e-4))
    assert (low[0], high[0]) == (1.0, 1.0)
    assert all(len(one) == 0 for one in views.running(np.zeros(0)))
    drawn = league.curves(mean.tolist() * 5, mean.tolist() * 5, ["u"] * 20, "x", ("a", "b"), (low.tolist() * 5, high.tolist() * 5))
    assert 'class="area"' in drawn
    assert "(1.23 to 3.77) after 12" in drawn


def test_quantiles_stand_beside_how_often_outcomes_lay_below_them() -> None:
    n = 100
    table = {"outcome": np.arange(n, dtype=float), "low": np.full(n, 9.0), "median": np.full(n, 49.0), "high": np.full(n, 89.0), "level": np.full(n, 0.8)}
    told = views.reliability(table)
    assert [(round(one["said"], 3), one["found"], one["n"]) for one in told] == [(0.1, 0.1, 100), (0.5, 0.5, 100), (0.9, 0.9, 100)]
    assert views.reliability({**table, "outcome": np.full(n, np.nan)}) == []
    assert "lay below it 90% of 100" in league.calibration(told, "live", True)


def test_what_was_said_last_of_each_thing_is_told_once() -> None:
    text = {name: np.array([word] * 4, dtype=object) for name, word in (("signal", "speed"),)}
    about = np.array(["a", "a", "b", "a"], dtype=object)
    numbers = {name: np.array([1.0, 2.0, 3.0, np.nan]) for name in ("median", "low", "high", "baseline", "outcome")}
    table = {**text, **numbers, "about": about, "due_ns": np.array([1, 9, 5, 7]), "made_ns": np.array([0, 8, 4, 6])}
    table["median"] = np.array([1.0, 2.0, 3.0, 4.0])
    rows = views.latest(table)
    assert [(one["about"], one["said"], one["found"]) for one in rows] == [("a", 2.0, 2.0), ("b", 3.0, 3.0)]


SERVED = """
import asyncio, sys
from pathlib import Path
from loopwright.app.flow import Flow
from loopwright.app.opening import open_site
from loopwright.app.serve_http import build_app, serve
from loopwright.app.site import load_site
site = load_site(Path(sys.argv[1]))
with open_site(site) as store:
    asyncio.run(serve(build_app(store, site, Flow(), console=True), "127.0.0.1", 0, ready=lambda port: print(port, flush=True)))
"""


@pytest.mark.slow
@pytest.mark.skipif(not found(), reason="no chromium here (Debian: apt-get install chromium); the page is not looked at")
@pytest.mark.xdist_group("browser")
def test_in_a_browser_nothing_overflows_and_marks_tell_their_numbers(plant: Plant, tmp_path: Path) -> None:
    pytest.importorskip("nicegui", reason="the console is not installed (pip install 'loopwright[console]')")
    one = trained()
    stood(plant, one)
    inspected(plant, said(plant, one.card.id, 30, 0.9, 0.5))
    scored.check(plant, TASK, T0)
    plant.close()
    served = subprocess.Popen([sys.executable, "-c", SERVED, str(tmp_path / "site.toml")], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert served.stdout is not None
    try:
        address = f"http://127.0.0.1:{int(served.stdout.readline())}/models"
        with Browser() as browser:
            for wide in (1280, 390):
                opened_page = browser.open(address, wide, 900)
                opened_page.until("document.querySelector('.spots .spot') !== null", 40)
                assert opened_page.evaluate("document.documentElement.scrollWidth <= innerWidth")
                assert opened_page.problems() == []
                opened_page.evaluate("document.querySelectorAll('.spots .spot')[40].focus()")
                words = "getComputedStyle(document.querySelectorAll('.spots .spot')[40], '::after').content"
                assert "model 0.01 (0.01 to 0.01) after 11" in opened_page.evaluate(words)
                opened_page.close()
    finally:
        served.kill()
        served.wait(20)
        served.stdout.close()
