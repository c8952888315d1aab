"""Tool life and flank wear."""

from __future__ import annotations

import numpy as np
import pytest

from loopwright.core.errors import InputError
from loopwright.twins.toolwear import WORN_M, Tool, ToolWear, flank_wear_m, life_s


def test_taylors_equation_gives_the_lives_of_a_textbook() -> None:
    """M. P. Groover, Fundamentals of Modern Manufacturing, the worked example of Taylor's equation: n = 0.223 and C = 229
    (m/min, lives in minutes); 160 m/min live 5 min, 100 m/min live 41 min."""
    n = 0.223
    tool = Tool(c_m_s=229 / 60 * 60**n, n=n)  # C for lives in seconds
    assert life_s(tool, 160 / 60) == pytest.approx(5 * 60, rel=0.01)
    assert life_s(tool, 100 / 60) == pytest.approx(41 * 60, rel=0.01)


def test_a_tool_in_air_lives_for_ever_and_a_larger_feed_shortens_its_life() -> None:
    tool = Tool()
    assert life_s(tool, 0.0) == float("inf")
    assert life_s(tool, 1.0, 0.2e-3) < life_s(tool, 1.0, 0.1e-3) == life_s(tool, 1.0)


def test_flank_wear_grows_without_a_jump_from_nothing_to_the_limit_of_iso_8688() -> None:
    x = np.linspace(0, 1.5, 1501)
    wear = flank_wear_m(x)
    assert wear[0] == 0.0
    assert wear[1000] == pytest.approx(WORN_M, rel=1e-7)
    assert pytest.approx(0.3e-3) == WORN_M
    assert (np.diff(wear) > 0).all()
    assert np.diff(wear).max() < 0.02 * WORN_M


def test_wear_adds_up_over_changing_conditions_and_a_new_edge_is_new() -> None:
    """Half a life at one speed and half a life at another is one life (Miner)."""
    wear = ToolWear(Tool())
    for speed in (4.0, 5.0):
        wear.cut(life_s(wear.tool, speed) / 2, speed)
    assert wear.spent == pytest.approx(1.0)
    assert wear.flank_m == pytest.approx(WORN_M)
    wear.replace()
    assert wear.flank_m == 0.0
    assert not wear.worn


def test_a_tool_that_cannot_be_is_refused() -> None:
    with pytest.raises(InputError, match="n between 0 and 1"):
        Tool(n=1.2)
