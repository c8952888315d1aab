"""Tools of machines live until a run finds them worn; the site's two costs say when the next one is to be changed."""

from __future__ import annotations

import numpy as np

from loopwright.app import tool_lives
from loopwright.app.learning import life
from loopwright.core.types import Event
from loopwright.learn.lives.units import Unit
from loopwright.learn.models.life import survival
from loopwright.serve import maintain

HOUR_NS = 3600 * 10**9
ASK = maintain.Ask(early=1.0, late=50.0)


def label(thing: str, number: int, word: str) -> Event:
    body = {"thing": thing, "label": word, "start_ns": number * HOUR_NS, "end_ns": number * HOUR_NS + HOUR_NS // 2}
    return Event("run.labelled", f"{thing}/run-{number}", body["end_ns"], "inspector", body)


def test_a_tool_lives_from_its_first_run_to_the_one_that_finds_it_worn() -> None:
    words = ["unworn", "unworn", "worn", "worn", "unworn", "worn", "unworn", "unworn"]
    labels = [label("mill-1", n, word) for n, word in enumerate(words)] + [label("mill-2", 0, "worn")]
    told = [(one.thing, len(one.rows), one.ended is not None) for one in life.tools(list(reversed(labels)))]
    assert told == [("mill-1", 3, True), ("mill-1", 2, True), ("mill-1", 2, False), ("mill-2", 1, True)]
    assert life.tools(labels)[0].ends_ns == tuple(n * HOUR_NS + HOUR_NS // 2 for n in (0, 1, 2))
    assert life.tools([]) == []


def shop(machines: int = 6, seed: int = 0) -> tuple[list[Unit], dict[str, Unit]]:
    """Each machine wore out three tools in 20 to 40 runs, and has one that has cut 15: its noise grows with its wear."""
    rng = np.random.default_rng(seed)
    ended, cutting = [], {}
    for m in range(1, machines + 1):
        for n in range(4):
            runs = int(rng.integers(20, 40))
            values = np.exp(-np.arange(runs)[::-1] / 8.0)[:, None] * 3 + rng.normal(0, 0.1, (runs, 1))
            if n < 3:
                ended.append(Unit(f"mill-{m}/tool-{n}", values, np.zeros((runs, 0)), 0.0))
            else:
                cutting[f"mill-{m}"] = Unit(f"mill-{m}/tool-{n}", values[:15], np.zeros((15, 0)))
    return ended, cutting


def model_of(ended: list[Unit]) -> tool_lives.Model:
    return tool_lives.Model("tool-life/survival@12", "survival", survival.fit(ended))


def test_every_machine_whose_tool_still_cuts_gets_a_window_and_none_twice() -> None:
    ended, cutting = shop()
    tools, model = tool_lives.Tools(cutting, ["noise"]), model_of(ended)
    hour = dict.fromkeys(cutting, 3600.0)
    events, decisions = tool_lives.windows(tools, model, hour, {}, ASK, 100 * HOUR_NS)
    assert [d.about for d in decisions] == list(cutting)
    assert {d.model for d in decisions} == {model.id}
    assert all(d.low <= d.value <= d.high for d in decisions if d.value is not None and d.low is not None and d.high is not None)
    assert all("It rests most on" in d.says and "noise" in d.says for d in decisions)
    orders = [e for e in events if e.kind == "workorder.opened"]
    assert len(orders) == 6
    assert all(100 * HOUR_NS <= e.body["start_ns"] <= e.body["latest_ns"] <= 145 * HOUR_NS for e in orders), "a run an hour"
    assert tool_lives.windows(tools, model, hour, maintain.fold(events), ASK, 101 * HOUR_NS)[0] == []
    worn = {"open": {"mill-2": {"alarm": "a", "workorder": "w", "done": False}}}
    again = tool_lives.windows(tools, model, hour, worn, ASK, 100 * HOUR_NS)[1]
    assert "mill-2" not in [d.about for d in again], "its tool is to be changed already"
    assert tool_lives.windows(tools, model, {}, {}, ASK, 0) == ([], []), "no work is planned on them"


def test_without_a_model_in_force_it_says_why_and_asks_for_nothing() -> None:
    _, cutting = shop(1)
    why = "3 tools have been worn out, 6 are needed to learn from"
    events, (decision,) = tool_lives.windows(tool_lives.Tools(cutting, ["noise"]), tool_lives.Model("", why=why), {"mill-1": 60.0}, {}, ASK, 0)
    assert (events, decision.abstains) == ([], why)
    assert tool_lives.windows(tool_lives.Tools({}, []), tool_lives.Model("", why=why), {}, {}, ASK, 0) == ([], [])


def test_the_more_a_failure_costs_the_earlier_is_the_window_and_the_more_a_life_the_later() -> None:
    ended, cutting = shop()
    tools, model, hour = tool_lives.Tools(cutting, ["noise"]), model_of(ended), dict.fromkeys(cutting, 3600.0)
    best = [[d.body["best_ns"] for d in tool_lives.windows(tools, model, hour, {}, maintain.Ask(1.0, late), 0)[1]] for late in (2.0, 20.0, 2000.0)]
    assert all(a >= b >= c for a, b, c in zip(*best, strict=True))
    assert best[0] != best[2]


def test_a_tool_that_was_changed_before_it_was_worn_is_a_life_without_an_end() -> None:
    words = ["unworn", "unworn", "unworn", "unworn", "worn", "worn", "unworn"]
    labels = [label("mill-1", n, word) for n, word in enumerate(words)]
    assert [(len(one.rows), one.ended is not None, one.changed) for one in life.tools(labels)] == [(5, True, False), (1, False, False)]
    changed = life.tools(labels, {"mill-1": [2 * HOUR_NS]})
    assert [(len(one.rows), one.ended is not None, one.changed) for one in changed] == [(2, False, True), (3, True, False), (1, False, False)]
    now = life.tools(labels, {"mill-1": [20 * HOUR_NS]})
    assert [one.goes_on for one in now] == [False, False], "the last was changed, and nothing was cut since"
    late = life.tools(labels, {"mill-1": [5 * HOUR_NS]})
    assert [(len(one.rows), one.ended is not None) for one in late] == [(5, True), (1, True), (1, False)], "a new tool that was worn in its first run"


def test_a_run_takes_as_long_as_from_one_beginning_to_the_next() -> None:
    labels = [label("mill-1", n, "unworn") for n in (0, 1, 2, 9)] + [label("mill-2", 3, "unworn")]
    assert tool_lives.cycles(labels) == {"mill-1": 3600.0, "mill-2": 1800.0}
