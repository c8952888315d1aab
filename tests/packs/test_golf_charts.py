"""The fitting charts against the publications they come from, swing weight against the clubmaker's rules of thumb."""

import math
import tomllib

import pytest

from loopwright.core.errors import InputError
from loopwright.core.pack import ImportOptions
from loopwright.core.types import Order, Person
from loopwright.core.units import to_inside
from loopwright.make.bill import bill
from loopwright.make.design import design
from loopwright.make.fit import fit, load_rules
from loopwright.make.product import load_product
from loopwright.packs.golf import PACK
from loopwright.packs.golf.formulas import (
    base_length_m,
    base_lie_rad,
    chart_constants,
    flex_from_speed,
    impact,
    loft_for_landing,
)
from loopwright.packs.golf.persons import read_persons
from loopwright.packs.golf.swingweight import D0_KG_M, POINT_KG_M, Club, head_mass_kg, name, swing_weight

INCH = 0.0254
PERSON = {"stature": 70 * INCH, "wrist_height": 33.24 * INCH, "hand_length": 7.3 * INCH}


def fitted(measures, **context):
    found = fit(load_rules(PACK.rules), measures, context, PACK.formulas)
    return {p.name: p for p in found}


@pytest.mark.parametrize(("feet", "inches", "over"), [(5, 10, 0), (6, 1, 0.5), (6, 4, 1), (5, 4, -1), (4, 10, -2)])
def test_length_is_that_of_the_published_height_chart(feet, inches, over):
    """Rows of the height based length chart of the Modern Guide to Golf Clubfitting."""
    made = base_length_m({"stature": (12 * feet + inches) * INCH})
    assert made / INCH == pytest.approx(37.0 + over, abs=1e-9)


@pytest.mark.parametrize(("wrist", "colour"), [(29.25, -3.75), (33.625, 0), (34.5, 0.75), (36.125, 2.25), (38.0, 3.75)])
def test_lie_is_the_colour_of_the_wrist_to_floor_band_for_a_person_of_usual_height(wrist, colour):
    """Middles of the published wrist-to-floor bands of gold, black, blue, green and silver, in shoes."""
    barefoot, stature = (wrist - 1) * INCH, (wrist / 0.489 - 1) * INCH
    lie = base_lie_rad({"wrist_height": barefoot, "stature": stature})
    assert math.degrees(lie) == pytest.approx(62.75 + colour, abs=0.13)


def test_who_has_longer_arms_than_others_of_the_height_gets_a_flatter_club():
    flat = base_lie_rad({"stature": 1.85, "wrist_height": 0.86})
    assert flat < base_lie_rad({"stature": 1.85, "wrist_height": 0.90})


@pytest.mark.parametrize(("hand", "size"), [(5.8, 0.850), (7.0, 0.900), (8.2, 0.962), (9.3, 1.025)])
def test_grip_is_that_of_the_published_hand_length(hand, size):
    found = fitted({**PERSON, "hand_length": hand * INCH})
    assert found["grip_diameter"].value / INCH == pytest.approx(size)


@pytest.mark.parametrize(("mph", "flex"), [(55, "L"), (65, "A"), (75, "R"), (85, "S"), (95, "X"), (None, "R")])
def test_flex_follows_the_speed_with_a_seven_iron(mph, flex):
    speed = to_inside(mph, "mph") if mph else None
    assert flex_from_speed(speed, None, **chart_constants("shaft_flex")) == flex


def test_loft_is_standard_without_a_speed_and_grows_for_slow_swings_only():
    constants = chart_constants("loft")
    lofts = [math.degrees(loft_for_landing(v, None, **constants)) for v in (26, 30, 34, 38, 42)]
    assert math.degrees(loft_for_landing(None, None, **constants)) == pytest.approx(34)
    assert lofts == sorted(lofts, reverse=True)
    assert lofts[0] == pytest.approx(37)
    assert lofts[-1] == pytest.approx(34)


def test_impact_gives_the_published_six_iron_of_both_tours():
    """TrackMan tour averages: club mph, dynamic loft, attack -> ball mph, launch, spin."""
    for mph, loft, attack, ball, launch, rpm in ((94, 20.2, -3.7, 130, 14.0, 6204), (80, 23.6, -2.3, 111, 16.7, 5904)):
        found = impact(to_inside(mph, "mph"), math.radians(loft), math.radians(attack))
        assert found[0] == pytest.approx(to_inside(ball, "mph"), rel=0.03)
        assert math.degrees(found[1]) == pytest.approx(launch, abs=0.3)
        assert found[2] == pytest.approx(to_inside(rpm, "rpm"), rel=0.03)


def test_swing_weight_moves_as_clubmakers_say():
    """2 g of head a point, half an inch three points, 5 g of grip one point back (Maltby; many tables)."""
    club = Club(37 * INCH, 0.115 / (36 * INCH), 0.050)
    base = swing_weight(club, 0.272)
    assert swing_weight(club, 0.274) - base == pytest.approx(1, abs=0.1)
    assert swing_weight(Club(37.5 * INCH, 0.115 / (36 * INCH), 0.050), 0.272) - base == pytest.approx(3, abs=0.5)
    assert swing_weight(Club(37 * INCH, 0.115 / (36 * INCH), 0.055), 0.272) - base == pytest.approx(-1, abs=0.1)
    assert head_mass_kg(club, base) == pytest.approx(0.272)
    assert 0 < base < 3  # an ordinary 7-iron is D0 to D3


def test_the_scale_is_lorythmic():
    ounce_inch = to_inside(1.0, "oz") * INCH
    assert pytest.approx(213.5) == D0_KG_M / ounce_inch
    assert pytest.approx(1.75) == POINT_KG_M / ounce_inch
    assert (name(0), name(2), name(-1), name(-30)) == ("D0.0", "D2.0", "C9.0", "A0.0")
    with pytest.raises(InputError, match="A0"):
        name(-31)
    with pytest.raises(InputError, match="14 in"):
        Club(0.3, 0.12, 0.05)


def test_a_fitted_club_has_the_swing_weight_it_was_made_for():
    found = fitted(PERSON)
    club = Club(found["length"].value, 0.115 / (36 * INCH), 0.050)
    assert swing_weight(club, found["head_mass"].value) == pytest.approx(found["swing_weight"].value, abs=1e-6)
    assert 0.25 < found["head_mass"].value < 0.29


def test_every_parameter_names_its_rule_its_source_and_why():
    found = fitted(PERSON, club_speed=33.0)
    assert set(found) == {"length", "lie", "loft", "grip_diameter", "shaft_flex", "head_mass", "swing_weight"}
    for parameter in found.values():
        assert parameter.rule.split("@")[0] == parameter.name
        assert len(parameter.source) > 30
        assert parameter.because
        if not isinstance(parameter.value, str):
            assert parameter.low < parameter.value < parameter.high


def test_out_of_the_chart_is_refused_with_the_reason():
    with pytest.raises(InputError, match=r"lie.*would be"):
        fitted({**PERSON, "wrist_height": 39.5 * INCH})
    with pytest.raises(InputError, match="stature"):
        fitted({**PERSON, "stature": 1.30})


def test_every_number_of_a_chart_has_a_unit_and_a_source():
    for path in PACK.rules.glob("*.toml"):
        table = tomllib.loads(path.read_text(encoding="utf-8"))
        for value, unit, source in table.get("constants", {}).values():
            assert isinstance(value, float)
            assert unit
            assert source


def test_the_product_has_a_bill_a_route_and_tolerances_that_its_design_gives():
    product = load_product(PACK.product)
    parameters = tuple(fitted(PERSON).values())
    order, person = Order("o1", "p1", "iron"), Person("p1", PERSON)
    made = design(order, person, parameters, "r0-x", False)
    shaft = next(line for line in bill(product, made, PACK.formulas) if line.unit == "m")
    assert shaft.quantity == pytest.approx(made.number("length") - 0.03)
    assert {t.parameter for t in product.tolerances} <= {p.name for p in parameters}
    assert [step.role for step in product.route] == ["mill", "drill", "bend", "polish", "cut", "assemble", "measure"]


def test_nearly_all_of_ansur_can_be_fitted_and_the_others_know_why(shared_data):
    rules = load_rules(PACK.rules)
    for path in sorted((shared_data / "ansur2").glob("*.csv.gz")):
        persons = read_persons(path, ImportOptions()).persons[::3]
        refused = []
        for person in persons:
            try:
                fit(rules, person.measures, {}, PACK.formulas)
            except InputError as error:
                refused.append(str(error))
        print(f"{path.name}: {1 - len(refused) / len(persons):.4f} of {len(persons)} fitted")
        assert len(refused) < 0.01 * len(persons)
        assert all("rule" in words for words in refused)
