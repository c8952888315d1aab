"""The document of `loopwright evaluate --json`, as it was promised: which keys, of which kind, and nothing that is no JSON."""

from __future__ import annotations

import json
import math
from typing import Any

TASKS = ("life", "forecast", "anomaly", "class")
ROW = {"set": str, "task": str, "horizon": (str, type(None)), "model": str, "baseline": str, "split": str, "seeds": int,
       "metrics": dict, "cost": dict}
MORE_OF_ROW = {"spread": dict, "threshold": str, "notes": list}
DOCUMENT = {"rows": list, "champion": dict}
MORE_OF_DOCUMENT = {"stopped": bool, "skipped": dict}
COST = {"fit_s", "us_per_point", "peak_mb", "fit_wall_s"}
CHAMPION = {"model": str, "chosen_on": str, "metrics": dict}


def strict(text: str) -> Any:
    """The JSON of a text, in which NaN and infinities are an error."""
    def refuse(word: str) -> None:
        raise ValueError(f"{word} in JSON")

    return json.loads(text, parse_constant=refuse)


def has_the_schema(told: dict[str, Any]) -> None:
    """Asserts that a finished document is as promised, and says something."""
    _keys(told, DOCUMENT, MORE_OF_DOCUMENT)
    assert told["rows"]
    places = set()
    for row in told["rows"]:
        _keys(row, ROW, MORE_OF_ROW)
        assert row["task"] in TASKS
        assert row["seeds"] >= 1
        assert row["metrics"]
        assert set(row["cost"]) == COST
        assert {"fit_s", "us_per_point", "peak_mb"} <= {name for name, value in row["cost"].items() if value is not None}
        for numbers in (row["metrics"], row["cost"], row.get("spread", {})):
            _numbers(numbers)
        places.add((row["set"], row["horizon"], row["model"]))
    assert len(places) == len(told["rows"])
    assert all((row["set"], row["horizon"], row["baseline"]) in places for row in told["rows"])
    for place, best in told["champion"].items():
        _keys(best, CHAMPION, {})
        _numbers(best["metrics"])
        assert not best["model"].startswith("peer:")
        assert "test" not in best["chosen_on"].split()
        assert any(best["model"] == model and place in (name, f"{name}/{horizon}") for name, horizon, model in places)


def _keys(given: dict[str, Any], needed: dict[str, Any], allowed: dict[str, Any]) -> None:
    assert set(needed) <= set(given) <= set(needed) | set(allowed)
    for key, kind in {**needed, **allowed}.items():
        if key in given:
            assert isinstance(given[key], kind), key
            assert kind is not int or not isinstance(given[key], bool)


def _numbers(given: dict[str, Any]) -> None:
    for name, value in given.items():
        assert isinstance(name, str)
        assert value is None or (isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)), name
