"""Flight of a golf ball: a point with drag, lift and a spin that decays, in still air.

    dv/dt = -k v (C_D v + C_L l) + g,   k = rho A / (2 m),   l: unit vector across v in which the spin lifts
    dw/dt = -c_w w |v| / r                                   (Smits and Smith 1994, as Penner 2001 eq. 16 gives it)
    S = r w / |v| (spin parameter),  L = ln(|v| / 45 m/s) (Reynolds number, against that at 45 m/s)
    C_D = d0 + d1 S / (S + 0.25) + d2 L + d3 L^2
    C_L = l0 S^l1 + l2 L min(1, S / 0.05)

That lift grows like a power of S near 0.4 and drag with S and with falling Reynolds number is what wind tunnels show:
Bearman and Harvey, Aeronautical Quarterly 27 (1976), 112-122; Smits and Smith, Science and Golf II (1994), 340-347
(0.04 < S < 1.4, 40,000 < Re < 250,000). The numbers of COEFFICIENTS are a fit to 24 published tour averages
(flight_fit.py, which also says how well it does on a club it has not seen). Outside those ranges the numbers are a
guess.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from loopwright.core.errors import InputError

STANDARD_DENSITY_KG_M3 = 1.225  # ISO 2533 standard atmosphere at sea level
BALL_MASS_KG = 0.04593  # Rules of Golf, equipment rules part 4: at most 1.620 oz
BALL_RADIUS_M = 0.021335  # at least 1.680 in across
_GRAVITY_M_S2 = 9.80665
_STEP_S, _LONGEST_S = 0.1, 20.0
_REFERENCE_M_S = 45.0

# d0, d1, d2, d3, l0, l1, l2, c_w x 1e5: written by flight_fit.py
COEFFICIENTS: tuple[float, ...] = (0.1948, 0.2242, -0.1237, 0.0335, 0.4383, 0.3329, -0.1255, 2.0138)

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Flight:
    """What became of n shots; every field (n,).

    carry_m      straight from the start to where the ball is back at its starting height, as launch monitors give it
    side_m       from the target line where it lands, right positive
    apex_m       greatest height
    descent_rad  angle of descent, below the horizontal
    time_s       time in the air
    """

    carry_m: Array
    side_m: Array
    apex_m: Array
    descent_rad: Array
    time_s: Array


def fly(
    ball_speed_m_s: ArrayLike, launch_rad: ArrayLike, spin_rad_s: ArrayLike, axis_rad: ArrayLike = 0.0,
    direction_rad: ArrayLike = 0.0, density_kg_m3: ArrayLike = STANDARD_DENSITY_KG_M3,
    coefficients: tuple[float, ...] = COEFFICIENTS,
) -> Flight:
    """Where n balls land.

    ball_speed_m_s  (n,)  speed after impact
    launch_rad      (n,)  above the horizontal
    spin_rad_s      (n,)  total spin
    axis_rad        (n,)  tilt of the spin axis, positive curves to the right
    direction_rad   (n,)  start direction, right positive
    density_kg_m3   (n,)  density of the air
    returns         Flight of n shots (all arguments broadcast against each other)

    Classical Runge-Kutta with steps of 0.1 s for all shots at once; the moment of landing is that of the parabola
    through the last step. Against steps of 0.01 s the carry differs by less than 0.1 m.
    Raises InputError for a number that is not finite, a speed not above 0 or a density not above 0.
    """
    given = (ball_speed_m_s, launch_rad, spin_rad_s, axis_rad, direction_rad, density_kg_m3)
    arrays = np.broadcast_arrays(*(np.atleast_1d(np.asarray(a, float)) for a in given))
    speed, launch, spin, axis, direction, density = (np.array(a, float) for a in arrays)
    if not all(np.isfinite(a).all() for a in arrays) or (speed <= 0).any() or (density <= 0).any():
        given_words = "a shot with a missing number, or a speed or air density not above 0"
        raise InputError("ball flight", given_words, "finite numbers")
    state = np.zeros((7, len(speed)))  # (7, n): x to the target, y to the left, z up, vx, vy, vz, spin
    state[3] = speed * np.cos(launch) * np.cos(direction)
    state[4] = -speed * np.cos(launch) * np.sin(direction)
    state[5] = speed * np.sin(launch)
    state[6] = np.abs(spin)
    level = np.cos(axis)
    spin_axis = np.array([-np.sin(direction) * level, -np.cos(direction) * level, -np.sin(axis)])  # (3, n)
    k = 0.5 * density * np.pi * BALL_RADIUS_M**2 / BALL_MASS_KG
    return _until_landed(state, spin_axis, k, coefficients)


def _until_landed(state: Array, axis: Array, k: Array, c: tuple[float, ...]) -> Flight:
    n, h = state.shape[1], _STEP_S
    landing, velocity = np.full((4, n), np.nan), np.full((3, n), np.nan)  # x, y, height, time; vx, vy, vz
    apex, open_ = np.zeros(n), np.ones(n, bool)
    for step in range(round(_LONGEST_S / h)):
        k1 = _rate(state, axis, k, c)
        k2 = _rate(state + h / 2 * k1, axis, k, c)
        k3 = _rate(state + h / 2 * k2, axis, k, c)
        k4 = _rate(state + h * k3, axis, k, c)
        later = state + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        apex = np.where(open_, np.maximum(apex, _peak(state[2], state[5], later[2], later[5])), apex)
        down = open_ & (later[2] <= 0.0)
        if down.any():
            part = _share_until_ground(state[2, down], state[5, down], later[5, down])
            landing[:3, down] = state[:3, down] + part * (later - state)[:3, down]
            landing[3, down] = (step + part) * h
            velocity[:, down] = state[3:6, down] + part * (later - state)[3:6, down]
            open_ &= ~down
            if not open_.any():
                break
        state = later
    descent = np.arctan2(-velocity[2], np.hypot(velocity[0], velocity[1]))
    return Flight(np.hypot(landing[0], landing[1]), -landing[1] + 0.0, apex, descent, landing[3])


def _share_until_ground(z0: Array, v0: Array, v1: Array) -> Array:
    """Share of a step until the height is 0: the root of the parabola through height and both vertical speeds."""
    fall = np.maximum((v0 - v1) / _STEP_S, 1e-9)
    seconds = (v0 + np.sqrt(np.maximum(v0 * v0 + 2 * fall * z0, 0.0))) / fall
    return np.clip(seconds / _STEP_S, 0.0, 1.0)


def _peak(z0: Array, v0: Array, z1: Array, v1: Array) -> Array:
    """Greatest height between two steps: the parabola through both heights with both speeds, where it turns."""
    turns = (v0 > 0) & (v1 < 0)
    rise = np.where(turns, 0.5 * v0 * v0 * _STEP_S / np.where(turns, v0 - v1, 1.0), 0.0)
    return np.where(turns, np.maximum(z0 + rise, z1), np.maximum(z0, z1))


def _rate(s: Array, axis: Array, k: Array, c: tuple[float, ...]) -> Array:
    """d(state)/dt, (7, n)."""
    vx, vy, vz = s[3], s[4], s[5]
    v = np.sqrt(vx * vx + vy * vy + vz * vz) + 1e-9
    drag, lift = aerodynamics(v, BALL_RADIUS_M * s[6] / v, c)
    lx, ly, lz = axis[1] * vz - axis[2] * vy, axis[2] * vx - axis[0] * vz, axis[0] * vy - axis[1] * vx
    across = k * v * v * lift / (np.sqrt(lx * lx + ly * ly + lz * lz) + 1e-9)
    along = -k * v * drag
    rate = np.empty_like(s)
    rate[0:3] = s[3:6]
    rate[3], rate[4] = along * vx + across * lx, along * vy + across * ly
    rate[5] = along * vz + across * lz - _GRAVITY_M_S2
    rate[6] = -c[7] * 1e-5 / BALL_RADIUS_M * v * s[6]
    return rate


def aerodynamics(speed_m_s: Array, spin_parameter: Array, c: tuple[float, ...] = COEFFICIENTS) -> tuple[Array, Array]:
    """Drag and lift coefficient at a speed and a spin parameter S = r w / v. See the top of this file."""
    spin = np.maximum(spin_parameter, 1e-9)
    re = np.log(np.maximum(speed_m_s, 1.0) / _REFERENCE_M_S)
    drag = c[0] + c[1] * spin / (spin + 0.25) + c[2] * re + c[3] * re * re
    lift = c[4] * spin ** c[5] + c[6] * re * np.minimum(1.0, spin / 0.05)
    return drag, np.maximum(lift, 0.0)


def normalised_carry_m(
    carry_m: ArrayLike, ball_speed_m_s: ArrayLike, launch_rad: ArrayLike, spin_rad_s: ArrayLike,
    density_kg_m3: ArrayLike,
) -> Array:
    """Carry as it would be in standard air at sea level: carry x (modelled in standard air / modelled in the air there
    was).

    Only the ratio of two modelled carries is used, so that what the model gets wrong for a ball falls out.
    """
    here = fly(ball_speed_m_s, launch_rad, spin_rad_s, density_kg_m3=density_kg_m3).carry_m
    standard = fly(ball_speed_m_s, launch_rad, spin_rad_s).carry_m
    ratio: Any = np.where(here > 1.0, standard / np.maximum(here, 1.0), 1.0)
    return np.asarray(carry_m, float) * ratio


def typical_spin_rad_s(ball_speed_m_s: ArrayLike, launch_rad: ArrayLike) -> Array:
    """Spin that usually goes with a ball speed and a launch angle, for shots whose spin was not measured.

    ln(spin / rpm) = 7.483 + 0.0928 launch_deg - 0.00125 launch_deg^2 - 0.0076 (v - 55 m/s)
    A least-squares line through the 24 published tour averages (mean error 18 %); never stored as a spin.
    """
    launch = np.clip(np.degrees(np.asarray(launch_rad, float)), 5.0, 40.0)
    log_rpm = 7.483 + 0.0928 * launch - 0.00125 * launch**2 - 0.0076 * (np.asarray(ball_speed_m_s, float) - 55.0)
    return np.asarray(np.exp(log_rpm) * np.pi / 30.0)
