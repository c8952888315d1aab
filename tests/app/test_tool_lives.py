"""Tools of machines live until a run finds them worn; the site's two costs say when the next one is to be changed."""

from __future__ import annotations

import numpy as np

from loopwright.app import tool_lives
from loopwright.core.types import Event
from loopwright.learn.lives.units import Unit
from loopwright.packs.shop_floor import wear
from loopwright.serve import maintain

HOUR_NS = 3600 * 10**9
ASK = maintain.Ask(early=1.0, late=50.0)


def label(thing: str, number: int, word: str) -> Event:
    body = {"thing": thing, "label": word, "start_ns": number * HOUR_NS, "end_ns": number * HOUR_NS + HOUR_NS // 2}
    return Event("run.labelled", f"{thing}/run-{number}", body["end_ns"], "inspector", body)


def test_a_tool_lives_from_its_first_run_to_the_one_that_finds_it_worn() -> None:
    words = ["unworn", "unworn", "worn", "worn", "unworn", "worn", "unworn", "unworn"]
    labels = [label("mill-1", n, word) for n, word in enumerate(words)]
    rows = {e.about: {"heat": float(n), "noise": -float(n)} for n, e in enumerate(labels) if n != 1}
    (tools,) = wear.lives(rows, reversed(labels)).values()
    assert [(len(tool), tool.left) for tool in tools] == [(3, 0.0), (2, 0.0), (2, None)]
    assert tools[0].values[:, 0].tolist()[0::2] == [0.0, 2.0]
    assert np.isnan(tools[0].values[1]).all(), "a run that was not heard"
    assert wear.lives({}, labels) == {"mill-1": []}
    assert wear.lives(rows, []) == {}


def shop(machines: int = 6, seed: int = 0) -> tuple[dict[str, list[Unit]], list[Event]]:
    """Each machine wore out three tools in 20 to 40 runs, and has one that has cut 15: its noise grows with its wear."""
    rng = np.random.default_rng(seed)
    tools, labels = {}, []
    for m in range(1, machines + 1):
        tools[f"mill-{m}"] = []
        for n in range(4):
            runs = int(rng.integers(20, 40))
            values = np.exp(-np.arange(runs)[::-1] / 8.0)[:, None] * 3 + rng.normal(0, 0.1, (runs, 1))
            whole = Unit(f"mill-{m}/tool-{n}", values, np.zeros((runs, 0)), 0.0)
            tools[f"mill-{m}"].append(whole if n < 3 else Unit(whole.id, values[:15], np.zeros((15, 0))))
        labels += [label(f"mill-{m}", n, "unworn") for n in range(5)]
    return tools, labels


def test_every_machine_whose_tool_still_cuts_gets_a_window_and_none_twice() -> None:
    tools, labels = shop()
    events, decisions = tool_lives.windows(tool_lives.Tools(tools, ["noise"]), labels, {}, ASK, 100 * HOUR_NS)
    assert [d.about for d in decisions] == list(tools)
    assert all(d.model.startswith("life/") and d.low <= d.value <= d.high for d in decisions if d.value is not None and d.low is not None and d.high is not None)
    assert all("It rests most on" in d.says and "noise" in d.says for d in decisions)
    orders = [e for e in events if e.kind == "workorder.opened"]
    assert len(orders) == 6
    assert all(100 * HOUR_NS <= e.body["start_ns"] <= e.body["latest_ns"] <= 145 * HOUR_NS for e in orders), "a run an hour"
    assert tool_lives.windows(tool_lives.Tools(tools, ["noise"]), labels, maintain.fold(events), ASK, 101 * HOUR_NS)[0] == []
    worn = {"open": {"mill-2": {"alarm": "a", "workorder": "w", "done": False}}}
    again = tool_lives.windows(tool_lives.Tools(tools, ["noise"]), labels, worn, ASK, 100 * HOUR_NS)[1]
    assert "mill-2" not in [d.about for d in again], "its tool is to be changed already"


def test_with_too_few_lives_or_signals_that_tell_nothing_it_says_so_and_asks_for_nothing() -> None:
    tools, labels = shop(1)
    events, (decision,) = tool_lives.windows(tool_lives.Tools(tools, ["noise"]), labels, {}, ASK, 0)
    assert events == []
    assert "3 tools have been worn out, 4 are needed" in decision.abstains
    rng = np.random.default_rng(3)
    deaf = {
        thing: [Unit(u.id, rng.normal(size=u.values.shape), u.settings, u.left) for u in mine[:3]]
        + [Unit(f"{thing}/now", np.zeros((9, 1)), np.zeros((9, 0)))]
        for thing, mine in shop()[0].items()
    }
    _, said = tool_lives.windows(tool_lives.Tools(deaf, ["noise"]), shop()[1], {}, ASK, 0)
    assert said, "it may say the age, or that the mean does as well"
    assert tool_lives.windows(tool_lives.Tools({}, []), [], {}, ASK, 0) == ([], [])
