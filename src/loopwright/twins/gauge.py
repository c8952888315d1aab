"""Twins of a making process and of the gauge that measures what it made. They simulate; nothing here touches a machine.

    truth = Process(seed, tolerances).make(design, "o-1-1")          what the unit truly is, inside units
    as_built = Gauge(seed, sigmas).measure(truth)                    what the gauge says of it

The process scatters around the design with each tolerance's `process_sigma` (normal), now and then far out (a slipped
clamp, a wrong blank), and drifts with the wear of the tool. Draws depend only on the seed and the unit, not on the
order of the calls, so an interrupted run that goes on makes the same units.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterable, Mapping
from typing import Protocol

from loopwright.core.errors import InputError
from loopwright.core.types import Design

OUTLIER_CHANCE = 0.01  # of one parameter of one unit; assumption: about one unit in twenty has a gross error
OUTLIER_SIGMAS = (4.0, 14.0)  # process sigmas such an error adds, evenly between: most can be mended, some cannot
WEAR_SIGMAS = 2.0  # process sigmas by which a tool worn out (wear = 1) shifts what it makes; assumption


class Spread(Protocol):
    """What of a tolerance the process needs to know (`make.product.Tolerance` has it)."""

    @property
    def parameter(self) -> str: ...
    @property
    def process_sigma(self) -> float: ...


class Process:
    """The twin of making: from a design to what the unit truly is.

    seed        equal seeds make equal units
    tolerances  the toleranced parameters with their process_sigma, inside units
    """

    def __init__(self, seed: int, tolerances: Iterable[Spread]) -> None:
        self._seed = seed
        self._sigma = {t.parameter: t.process_sigma for t in tolerances}

    def make(self, design: Design, unit: str = "", wear: float = 0.0) -> dict[str, float]:
        """parameter -> true value of one unit, inside unit, for every toleranced parameter.

        unit  serial, and attempt for a rework: another unit of the same design comes out otherwise
        wear  0 (sharp) to 1 (worn out): shifts every parameter by wear * WEAR_SIGMAS of its sigma
        Raises InputError for a wear outside 0 .. 1.
        """
        if not 0.0 <= wear <= 1.0:
            raise InputError("twin of the process", f"wear {wear}", "0 (sharp) to 1 (worn out)")
        truth = {}
        for name, sigma in self._sigma.items():
            chance = _chance(self._seed, design.id, unit, name)
            error = chance.gauss(0.0, 1.0) + wear * WEAR_SIGMAS
            if chance.random() < OUTLIER_CHANCE:
                error += chance.choice((-1.0, 1.0)) * chance.uniform(*OUTLIER_SIGMAS)
            truth[name] = design.number(name) + error * sigma
        return truth


class Gauge:
    """The twin of measuring: the truth plus the gauge's own error (normal, no bias).

    sigma  parameter -> standard deviation of one reading, inside unit
    """

    def __init__(self, seed: int, sigma: Mapping[str, float]) -> None:
        self._seed, self._sigma = seed, dict(sigma)

    def measure(self, truth: Mapping[str, float], reading: int = 1) -> dict[str, float]:
        """One reading of each parameter of a unit. reading: 2, 3, ... read the same unit again, with other errors.

        Raises InputError for a parameter the gauge has no sigma for.
        """
        unknown = sorted(set(truth) - set(self._sigma))
        if unknown:
            raise InputError("twin of the gauge", f"no sigma for {unknown}", f"{sorted(self._sigma)}")
        told = repr(sorted(truth.items()))
        return {
            name: value + _chance(self._seed, told, str(reading), name).gauss(0.0, 1.0) * self._sigma[name]
            for name, value in truth.items()
        }


def _chance(seed: int, *parts: str) -> random.Random:
    """A source of chance of its own for each seed and names."""
    text = "\x00".join([str(seed), *parts])
    return random.Random(int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big"))
