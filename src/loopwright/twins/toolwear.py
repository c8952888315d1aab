"""How a cutting tool wears: Taylor's tool life, and flank wear that grows in three stages.

Sources: F. W. Taylor, On the Art of Cutting Metals, Trans. ASME 28 (1907): v * T**n = C, and its extension with the
feed; ISO 8688-2:1989 (tool-life testing, end milling): a tool is worn at a mean flank wear of 0.3 mm. Three stages of
wear (running in, steady, accelerated) are what every textbook of metal cutting shows; their shares here are chosen.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from loopwright.core.errors import InputError

WORN_M = 0.3e-3  # mean flank wear at the end of life, ISO 8688-2


@dataclass(frozen=True)
class Tool:
    """What decides how long a tool lives.

    c_m_s      cutting speed at which it lives one second, m/s (Taylor's C)
    n          Taylor's exponent: 0.1-0.15 high-speed steel, 0.2-0.3 carbide
    feed_exp   exponent of the feed a tooth, relative to feed_ref_m (0: the feed does not matter)
    """

    c_m_s: float = 12.0
    n: float = 0.2
    feed_exp: float = 0.15
    feed_ref_m: float = 0.1e-3

    def __post_init__(self) -> None:
        if not (self.c_m_s > 0 and 0 < self.n < 1 and self.feed_ref_m > 0):
            raise InputError("tool", f"C {self.c_m_s}, n {self.n}", "C above 0, n between 0 and 1")


def life_s(tool: Tool, cutting_speed_m_s: float, feed_tooth_m: float | None = None) -> float:
    """Seconds of cutting until the tool is worn.

    v * T**n * (f / f_ref)**a = C, so T = (C / (v * (f / f_ref)**a)) ** (1 / n).
    Holds between the speeds that Taylor's constants were fitted at; at very low speeds a built-up edge wears faster.
    """
    if cutting_speed_m_s <= 0:
        return float("inf")
    feed = 1.0 if feed_tooth_m is None or feed_tooth_m <= 0 else (feed_tooth_m / tool.feed_ref_m) ** tool.feed_exp
    return float((tool.c_m_s / (cutting_speed_m_s * feed)) ** (1.0 / tool.n))


def flank_wear_m(spent: np.ndarray | float) -> np.ndarray:
    """Mean flank wear at each part of the tool's life.

    spent    (n,)  share of life used; 1 is worn, beyond it the tool is run on
    returns  (n,)  m

    VB(x) = VB_end * (0.25 * (1 - exp(-x / 0.05)) + 0.25 * x + 0.5 * x**8): a quick start, a steady middle, a steep end.
    VB(1) = VB_end within 1e-8; beyond it the wear goes on with the slope it has there (4.25 * VB_end a life). The
    shares of the stages are chosen.
    """
    x = np.maximum(np.asarray(spent, dtype=np.float64), 0.0)
    within = np.minimum(x, 1.0)
    return WORN_M * (0.25 * (1.0 - np.exp(-within / 0.05)) + 0.25 * within + 0.5 * within**8 + 4.25 * (x - within))


class ToolWear:
    """A tool in use: cut(), replace(), and how far gone it is.

    spent is the share of its life that is used; changing conditions add up by Miner's rule (dx = dt / T(v, f)).
    """

    def __init__(self, tool: Tool | None = None, spent: float = 0.0) -> None:
        self.tool = tool or Tool()
        self.spent = spent

    def cut(self, dt_s: float, cutting_speed_m_s: float, feed_tooth_m: float | None = None) -> float:
        """Cuts for dt_s and returns the flank wear after it, m. In air (speed 0) nothing wears."""
        self.spent += dt_s / life_s(self.tool, cutting_speed_m_s, feed_tooth_m)
        return self.flank_m

    def replace(self) -> None:
        """A new edge."""
        self.spent = 0.0

    @property
    def flank_m(self) -> float:
        """Mean flank wear now, m."""
        return float(flank_wear_m(self.spent))

    @property
    def worn(self) -> bool:
        """Whether the flank wear has reached the end of life (ISO 8688-2)."""
        return self.flank_m >= WORN_M
