"""Fits the coefficients of flight.py to a table of published tour averages, and says how well they do on an unseen
club.

    python -m loopwright.packs.golf.flight_fit FOLDER/trackman_tour_averages_2023.csv

Columns: tour, club, ball_speed_mph, launch_angle_deg, spin_rpm, apex_yd, descent_angle_deg, carry_yd (24 rows).
Weights: 3 yd of carry, 1.2 yd of apex and 8 degrees of descent count as one; every coefficient is held to its prior
(the power-law lift of Smits and Smith and round numbers) by a spread, so that eight numbers can be fitted to 24 rows.
The averages mix altitudes and temperatures; standard air is assumed. The form of the coefficients and the weights were
chosen by looking at the left-out error of about ten variants of this table, so that error is a little better than it
would be on new clubs.
"""

from __future__ import annotations

import csv
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from loopwright.core.units import to_inside
from loopwright.packs.golf.flight import Array, fly

PRIOR = np.array([0.18, 0.24, -0.05, 0.03, 0.50, 0.40, -0.10, 2.0])
SPREAD = np.array([0.05, 0.15, 0.05, 0.03, 0.10, 0.10, 0.15, 0.4])
_YARD = 0.9144


@dataclass(frozen=True)
class Table:
    """Tour averages, (24,) each, in inside units."""

    club: list[str]
    tour: list[str]
    launch: tuple[Array, Array, Array]  # ball speed, launch angle, spin
    carry_m: Array
    apex_m: Array
    descent_rad: Array


def read_table(path: Path) -> Table:
    """The table of a CSV file with the columns named above."""
    with Path(path).open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))

    def column(name: str, unit: str) -> Array:
        return np.array([to_inside(float(row[name]), unit) for row in rows])

    launch = (column("ball_speed_mph", "mph"), column("launch_angle_deg", "deg"), column("spin_rpm", "rpm"))
    return Table(
        [row["club"] for row in rows], [row["tour"] for row in rows], launch,
        column("carry_yd", "yd"), column("apex_yd", "yd"), column("descent_angle_deg", "deg"))


def errors(table: Table, coefficients: Array) -> tuple[Array, Array, Array]:
    """Model minus table: carry (yd), apex (yd), descent (deg), (24,) each."""
    flown = fly(*table.launch, coefficients=tuple(coefficients))
    return (
        (flown.carry_m - table.carry_m) / _YARD, (flown.apex_m - table.apex_m) / _YARD,
        np.degrees(flown.descent_rad - table.descent_rad))


def fit(table: Table, rows: Array, start: Array = PRIOR, rounds: int = 12) -> Array:
    """Coefficients that fit the chosen rows: Gauss-Newton with the priors as further rows, damped when a step
    is too far."""
    def residuals(z: Array) -> Array:
        carry, apex, descent = errors(table, PRIOR + SPREAD * z)
        return np.concatenate([carry[rows] / 3.0, apex[rows] / 1.2, descent[rows] / 8.0, z])

    z, damping = (start - PRIOR) / SPREAD, 0.1
    now = residuals(z)
    for _ in range(rounds):
        slope = np.stack([(residuals(z + 1e-4 * e) - now) / 1e-4 for e in np.eye(len(z))], axis=1)
        step = np.linalg.solve(slope.T @ slope + damping * np.eye(len(z)), -slope.T @ now)
        later = residuals(z + step)
        if np.sum(later**2) < np.sum(now**2):
            z, now, damping = z + step, later, damping / 3
        else:
            damping *= 5
    return PRIOR + SPREAD * z


def leave_one_club_out(table: Table) -> tuple[Array, Array, Array]:
    """Errors on each row by coefficients fitted without any row of that club, on either tour."""
    everything = fit(table, np.ones(len(table.club), bool))
    left = [np.zeros(len(table.club)) for _ in range(3)]
    for club in sorted(set(table.club)):
        out = np.array([name == club for name in table.club])
        for store, error in zip(left, errors(table, fit(table, ~out, everything, 6)), strict=True):
            store[out] = error[out]
    return left[0], left[1], left[2]


def main(path: str) -> None:
    """Prints coefficients, errors on all rows and on left-out clubs, and the row with the greatest loss."""
    table = read_table(Path(path))
    coefficients = fit(table, np.ones(len(table.club), bool))
    print("COEFFICIENTS =", tuple(round(float(c), 4) for c in coefficients))
    for name, found in (("all rows", errors(table, coefficients)), ("left-out club", leave_one_club_out(table))):
        carry, apex, descent = (float(np.abs(e).mean()) for e in found)
        worst = int(np.abs(found[0]).argmax())
        print(f"{name:>14}: mean absolute error carry {carry:.2f} yd, apex {apex:.2f} yd, descent {descent:.2f} deg; "
              f"worst carry {found[0][worst]:+.1f} yd ({table.tour[worst]} {table.club[worst]})")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m loopwright.packs.golf.flight_fit TABLE.csv")
    main(sys.argv[1])
