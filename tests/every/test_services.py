"""Every service, found by its file: pure, with the one signature, and silent in words where it has nothing to go by."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from loopwright.core import plug
from loopwright.core.types import POINTS, Decision, Windows

# What no service may import or call: it is handed everything, and hands everything back.
FORBIDDEN_MODULES = ("loopwright.store", "loopwright.connect", "loopwright.app", "loopwright.engine", "sqlite3", "socket", "time", "random")
FORBIDDEN_CALLS = ("open", "print", "now_ns", "monotonic_s", "input")


def _nothing() -> dict[str, Callable[[ModuleType], tuple[Any, Any]]]:
    """service -> (what it is given when there is nothing, settings)."""
    return {
        "watch": lambda m: (POINTS.empty_table(), m.Settings()),
        "maintain": lambda m: ((), m.Settings()),
        "coach": lambda m: (
            m.History("anna", np.zeros(0), "m", "less", (), np.zeros((0, 0)), np.zeros((0, 0)), np.zeros(0, dtype=np.int64)),
            m.Settings(),
        ),
        "forecast": lambda m: (
            Windows((), np.zeros((0, 0, 1)), np.zeros((0, 0, 1), dtype=bool), np.zeros(0, dtype=np.int64), ("p",), ("W",)),
            m.Settings(),
        ),
        "oee": lambda m: (m.Heard(POINTS.empty_table()), m.Settings((), "UTC", {"mill-1": 60.0})),
    }


def _given_nothing(service: ModuleType) -> tuple[Any, Any]:
    assert service.NAME in _nothing(), f"say in _nothing() what {service.NAME} is given when there is nothing"
    return _nothing()[service.NAME](service)


@pytest.fixture(params=sorted(plug.find("serve")))
def service(request: pytest.FixtureRequest) -> ModuleType:
    return plug.load("serve", request.param)


def _trees(service: ModuleType) -> list[ast.Module]:
    """The source of a service: one file, or the files of its folder."""
    path = Path(inspect.getsourcefile(service) or "")
    files = sorted(path.parent.glob("*.py")) if path.name == "__init__.py" else [path]
    return [ast.parse(file.read_text()) for file in files]


def _imported(node: ast.AST) -> list[str]:
    """The modules that a statement imports."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module or ""] if isinstance(node, ast.ImportFrom) else []


def test_it_says_what_it_is(service: ModuleType) -> None:
    assert service.__name__.rsplit(".", 1)[1] == service.NAME
    assert service.MEANING.endswith(".")
    assert service.decide.__doc__


def test_it_decides_from_what_was_heard_a_prediction_its_state_the_time_and_settings(service: ModuleType) -> None:
    names = list(inspect.signature(service.decide).parameters)
    assert len(names) == 5
    assert names[1:] == ["prediction", "state", "now_ns", "settings"]


def test_it_reads_and_writes_nothing_itself(service: ModuleType) -> None:
    for tree in _trees(service):
        for node in ast.walk(tree):
            for name in _imported(node):
                assert not name.startswith(FORBIDDEN_MODULES), name
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id not in FORBIDDEN_CALLS, node.func.id


def test_it_does_not_know_its_siblings(service: ModuleType) -> None:
    for tree in _trees(service):
        imported = {name for node in ast.walk(tree) for name in _imported(node)}
        own = service.__name__
        assert not [m for m in imported if m.startswith("loopwright.serve.") and m != own and not m.startswith(f"{own}.")]


def test_with_nothing_to_go_by_it_abstains_in_words_and_asks_for_nothing(service: ModuleType) -> None:
    heard, settings = _given_nothing(service)
    events, decisions, _ = service.decide(heard, None, {}, 1_767_600_000 * 10**9, settings)
    assert list(events) == []
    assert decisions
    for decision in decisions:
        assert isinstance(decision, Decision)
        assert decision.service == service.NAME
        assert decision.abstains
        assert not decision.action


def test_what_it_is_given_stays_as_it_was(service: ModuleType) -> None:
    heard, settings = _given_nothing(service)
    state: dict[str, Any] = {}
    service.decide(heard, None, state, 0, settings)
    assert state == {}
