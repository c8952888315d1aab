"""A derived signal: a function over windows of other signals of the same thing, computed when they come and again when
they change."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from loopwright.core.clock import NS_PER_S
from loopwright.core.errors import InputError

Of = Callable[[Any, Any, float], tuple[Any, Any]]


@dataclass(frozen=True)
class Derived:
    """One derived signal of a kind of thing; it stands in the kind's table like any other.

    inputs    signals it is computed from
    window_s  it has one value for every window of that length since 1970, whose time is the window's start
    sample_s  the grid of the inputs: the last good value in each step, none where there is none
    of        of(values (B, N, K, C), mask (B, N, K, C), sample_s) -> values (B, N), mask (B, N): N windows of K samples
              of C inputs of B things; each window by itself, without I/O, the same for the same input
    """

    kind: str
    signal: str
    inputs: tuple[str, ...]
    window_s: float
    sample_s: float
    of: Of

    def __post_init__(self) -> None:
        ratio = self.window_s / self.sample_s if self.sample_s > 0 else 0.0
        if ratio < 1 or ratio != round(ratio) or not self.inputs:
            given = f"window {self.window_s} s of samples {self.sample_s} s, inputs {list(self.inputs)}"
            raise InputError(f"derived signal {self.signal!r}", given, "a window of whole samples, and inputs")

    @property
    def window_ns(self) -> int:
        return round(self.window_s * NS_PER_S)

    @property
    def sample_ns(self) -> int:
        return self.window_ns // round(self.window_s / self.sample_s)


def energy_j(values: Any, mask: Any, sample_s: float) -> tuple[Any, Any]:
    """Energy of each window in J, from power in W: the sum of power times the time of each sample that is there.

    Time without a sample counts nothing (a gap is never bridged); a window without any sample has no value.
    """
    power, there = values[..., 0], mask[..., 0]
    return (power * there).sum(axis=-1) * sample_s, there.any(axis=-1)
