"""Ball flight against mechanics in a vacuum, published tour averages and its own finer steps."""

import math

import numpy as np
import pytest

from loopwright.core.errors import InputError
from loopwright.core.units import to_inside
from loopwright.packs.golf import flight
from loopwright.packs.golf.flight import fly, normalised_carry_m
from loopwright.packs.golf.flight_fit import leave_one_club_out, read_table

DEG, YARD = math.pi / 180, 0.9144
# Some of TrackMan's published PGA and LPGA Tour averages: mph, degrees, rpm -> carry and apex in yards.
TOUR = [(171, 10.4, 2545, 282, 35), (135, 12.1, 5280, 199, 33), (123, 16.1, 7124, 176, 34), (104, 23.7, 9316, 142, 32),
        (143, 12.6, 2506, 223, 26), (106, 18.5, 6630, 143, 26)]


def test_without_air_a_ball_flies_a_parabola():
    """Range v^2 sin(2 a) / g and height (v sin a)^2 / (2 g)."""
    speed, angle = 50.0, 30 * DEG
    found = fly([speed], [angle], [600.0], density_kg_m3=1e-9)
    assert found.carry_m[0] == pytest.approx(speed**2 * math.sin(2 * angle) / 9.80665, abs=0.05)
    assert found.apex_m[0] == pytest.approx((speed * math.sin(angle)) ** 2 / (2 * 9.80665), abs=0.01)
    assert found.descent_rad[0] == pytest.approx(angle, abs=1e-3)


def test_published_tour_averages_are_met():
    speed, launch, spin, carry, apex = (np.array(column, float) for column in zip(*TOUR, strict=True))
    found = fly(to_inside(speed, "mph"), launch * DEG, to_inside(spin, "rpm"))
    assert np.abs(found.carry_m / YARD - carry).mean() < 4.0
    assert np.abs(found.apex_m / YARD - apex).mean() < 2.5


@pytest.mark.slow
def test_on_a_club_it_has_not_seen_carry_is_3_yards_off_and_apex_one_and_a_half(shared_data):
    carry, apex, descent = leave_one_club_out(
        read_table(shared_data / "golf_launch_monitor" / "trackman_tour_averages_2023.csv"))
    losses = [float(np.abs(error).mean()) for error in (carry, apex, descent)]
    print(f"left-out club: carry {losses[0]:.2f} yd, apex {losses[1]:.2f} yd, descent {losses[2]:.2f} deg; "
          f"worst carry {carry[np.abs(carry).argmax()]:+.1f} yd")
    assert losses[0] < 3.0
    assert losses[1] < 1.5


def test_a_tilted_axis_curves_the_ball_and_the_mirror_image_curves_it_back():
    found = fly([55.0] * 3, [17 * DEG] * 3, [700.0] * 3, [0.0, 10 * DEG, -10 * DEG])
    assert found.side_m[0] == pytest.approx(0, abs=1e-9)
    assert found.side_m[1] > 5
    assert found.side_m[2] == pytest.approx(-found.side_m[1])


def test_a_start_to_the_right_lands_to_the_right_without_changing_the_flight():
    straight, right = fly([55.0], [17 * DEG], [700.0]), fly([55.0], [17 * DEG], [700.0], 0.0, 4 * DEG)
    assert right.carry_m[0] == pytest.approx(straight.carry_m[0])
    assert right.side_m[0] / right.carry_m[0] == pytest.approx(math.sin(4 * DEG))


def test_thin_air_carries_further_and_standard_air_takes_it_back():
    dense, thin = (fly([60.0], [15 * DEG], [500.0], density_kg_m3=rho).carry_m[0] for rho in (1.225, 1.0))
    assert thin > dense
    assert normalised_carry_m([thin], [60.0], [15 * DEG], [500.0], [1.0])[0] == pytest.approx(dense)


def test_coarse_steps_agree_with_fine_ones(monkeypatch):
    shots = ([76.0, 55.0, 40.0, 25.0], [10 * DEG, 16 * DEG, 30 * DEG, 45 * DEG], [270.0, 750.0, 950.0, 600.0], 5 * DEG)
    coarse = fly(*shots)
    monkeypatch.setattr(flight, "_STEP_S", 0.01)
    fine = fly(*shots)
    assert np.abs(coarse.carry_m - fine.carry_m).max() < 0.1
    assert np.abs(coarse.apex_m - fine.apex_m).max() < 0.1


def test_a_ball_that_hardly_leaves_the_club_and_one_that_is_topped_land_at_once():
    found = fly([2.0, 30.0], [20 * DEG, -4 * DEG], [100.0, 300.0])
    assert found.carry_m[0] == pytest.approx(2.0**2 * math.sin(40 * DEG) / 9.80665, rel=0.03)
    assert found.carry_m[1] == pytest.approx(0.0, abs=1e-6)


def test_more_spin_flies_higher_and_falls_steeper():
    found = fly([50.0] * 4, [20 * DEG] * 4, [200.0, 400.0, 700.0, 1000.0])
    assert (np.diff(found.apex_m) > 0).all()
    assert (np.diff(found.descent_rad) > 0).all()


def test_no_number_no_speed_and_no_air_are_refused():
    for bad in (([math.nan], [0.3], [500.0]), ([0.0], [0.3], [500.0])):
        with pytest.raises(InputError, match="ball flight"):
            fly(*bad)
    with pytest.raises(InputError, match="ball flight"):
        fly([50.0], [0.3], [500.0], density_kg_m3=0.0)
