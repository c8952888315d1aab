"""Rules as data: what they give, why, and how each mistake in a file or a measure is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopwright.core.errors import InputError, UnitError, UnknownName
from loopwright.core.types import Parameter
from loopwright.core.units import to_inside
from loopwright.make.fit import RuleSet, apply_change, fit, load_rules, undo

LENGTH = """
[rule]
id = "length"
parameter = "length"
meaning = "Length of the club"
source = "a chart of the test"
kind = "table"
value_unit = "in"
low = 34.0
high = 41.0
plus_minus = 0.25
base = 37.0
input = "wrist_height"
input_unit = "in"
rows = [[27.0, -1.0], [32.0, -0.5], [37.0, 0.0], [inf, 1.0]]
[[inputs]]
name = "wrist_height"
unit = "in"
low = 24.0
high = 45.0
"""
LIE = """
[rule]
id = "lie"
parameter = "lie"
meaning = "Angle between shaft and ground"
source = "another chart of the test"
kind = "formula"
formula = "lie_from_length"
value_unit = "deg"
low = 55.0
high = 70.0
plus_minus = 0.5
[constants]
standard = [62.0, "deg", "the chart's standard"]
per_inch = [1.0, "deg", "the chart"]
inch = [1.0, "in", "definition"]
[[inputs]]
name = "length"
unit = "in"
low = 30.0
high = 45.0
[[inputs]]
name = "club_speed"
unit = "mph"
low = 20.0
high = 140.0
required = false
"""
FLEX = """
[rule]
id = "flex"
parameter = "shaft_flex"
meaning = "Stiffness of the shaft"
source = "a maker's table"
kind = "table"
value_unit = ""
input = "club_speed"
input_unit = "mph"
rows = [[60.0, "A"], [75.0, "R"], [inf, "S"]]
[[inputs]]
name = "club_speed"
unit = "mph"
low = 20.0
high = 140.0
"""
LINE = """
[rule]
id = "grip"
parameter = "grip"
meaning = "Diameter of the grip"
source = "a line of the test"
kind = "table"
value_unit = "mm"
low = 20.0
high = 30.0
plus_minus = 0.2
input = "hand_length"
input_unit = "mm"
interpolate = true
rows = [[160.0, 22.0], [200.0, 26.0], [220.0, 27.0]]
[[inputs]]
name = "hand_length"
unit = "mm"
low = 150.0
high = 230.0
"""


def lie_from_length(length: float, club_speed: float | None, standard: float, per_inch: float, inch: float) -> float:
    assert club_speed is None or club_speed > 0
    return standard - per_inch * (length - 37 * inch) / inch


FORMULAS = {"lie_from_length": lie_from_length}
PERSON = {"wrist_height": 0.79, "club_speed": 33.0, "hand_length": 0.18}


def folder_of(tmp_path: Path, **texts: str) -> Path:
    for name, text in texts.items():
        (tmp_path / f"{name}.toml").write_text(text)
    return tmp_path


@pytest.fixture
def rules(tmp_path: Path) -> RuleSet:
    return load_rules(folder_of(tmp_path, length=LENGTH, lie=LIE, flex=FLEX, grip=LINE))


def by_name(parameters: tuple[Parameter, ...]) -> dict[str, Parameter]:
    return {p.name: p for p in parameters}


def test_a_parameter_carries_value_range_rule_source_and_why_in_words(rules: RuleSet) -> None:
    length = by_name(fit(rules, PERSON, formulas=FORMULAS))["length"]
    assert length.value == pytest.approx(36.5 * 0.0254)  # 0.79 m = 31.1 in: below 32 in, so half an inch off 37 in
    assert (length.low, length.high) == pytest.approx((36.25 * 0.0254, 36.75 * 0.0254))
    assert (length.unit, length.rule, length.source) == ("m", f"length@{rules.revision}", "a chart of the test")
    assert length.because == "wrist_height 0.79 m (31.1 in) is below 32 in -> -0.5 in on 37 in = 0.9271 m (36.5 in)"


def test_a_rule_uses_what_another_rule_gave(rules: RuleSet) -> None:
    found = by_name(fit(rules, PERSON, formulas=FORMULAS))
    assert found["lie"].value == pytest.approx(to_inside(62.5, "deg"))  # half an inch shorter than standard: by hand
    assert found["lie"].because == "length 0.9271 m (36.5 in), club_speed 33 m/s (73.82 mph) -> 62.5 deg"


def test_an_optional_input_may_be_missing_and_a_context_may_bring_it(rules: RuleSet, tmp_path: Path) -> None:
    without = {name: value for name, value in PERSON.items() if name != "club_speed"}
    (tmp_path / "flex.toml").unlink()
    found = by_name(fit(load_rules(tmp_path), without, formulas=FORMULAS))
    assert "club_speed not known" in found["lie"].because
    assert by_name(fit(rules, without, {"club_speed": 33.0}, FORMULAS))["shaft_flex"].value == "R"


@pytest.mark.parametrize(("speed_mph", "flex"), [(59.9, "A"), (60.0, "R"), (74.0, "R"), (75.0, "S"), (120.0, "S")])
def test_a_table_of_texts_changes_at_its_bounds(rules: RuleSet, speed_mph: float, flex: str) -> None:
    found = by_name(fit(rules, {**PERSON, "club_speed": to_inside(speed_mph, "mph")}, formulas=FORMULAS))["shaft_flex"]
    assert (found.value, found.unit, found.low) == (flex, "", None)


@pytest.mark.parametrize(("hand_mm", "grip_mm"), [(160, 22.0), (180, 24.0), (200, 26.0), (210, 26.5), (220, 27.0)])
def test_a_line_runs_straight_between_its_points(rules: RuleSet, hand_mm: float, grip_mm: float) -> None:
    found = by_name(fit(rules, {**PERSON, "hand_length": hand_mm / 1000}, formulas=FORMULAS))["grip"]
    assert found.value == pytest.approx(grip_mm / 1000)


@given(st.floats(0.61, 1.14))
def test_the_value_of_a_table_is_one_of_its_rows_whatever_the_measure(wrist_m: float) -> None:
    found = fit(_table_rules(), {"wrist_height": wrist_m})[0]
    assert round(float(found.value) / 0.0254 - 37.0, 6) in (-1.0, -0.5, 0.0, 1.0)


def _table_rules() -> RuleSet:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        return load_rules(folder_of(Path(folder), length=LENGTH))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"wrist_height": None}, r"rule 'length', measure 'wrist_height': is missing; allowed: 0.6096 m \(24 in\) to 1.143 m \(45 in\)"),
        ({"wrist_height": 0.2}, r"measure 'wrist_height': 0.2 m \(7.874 in\) is out of range; allowed: 0.6096 m \(24 in\) to"),
        ({"wrist_height": -0.8}, r"-0.8 m \(-31.5 in\) is out of range"),
        ({"wrist_height": float("nan")}, "nan is not a number"),
        ({"hand_length": 0.155}, r"measure 'hand_length': 0.155 m \(155 mm\) is outside its table; allowed: 160 mm to 220 mm"),
    ],
)
def test_a_measure_that_is_missing_or_out_of_range_is_named_with_its_limits(
    rules: RuleSet, change: dict[str, float | None], message: str
) -> None:
    measures = {name: value for name, value in {**PERSON, **change}.items() if value is not None}
    with pytest.raises(InputError, match=message):
        fit(rules, measures, formulas=FORMULAS)


def test_a_value_outside_the_rules_limits_is_refused_and_never_clipped(rules: RuleSet) -> None:
    steep = {"lie_from_length": lambda **_: to_inside(71.0, "deg")}
    with pytest.raises(InputError, match=r"parameter 'lie': would be 71 deg .*allowed: 55 deg to 70 deg"):
        fit(rules, PERSON, formulas=steep)
    with pytest.raises(InputError, match=r"formula 'lie_from_length': gives nan"):
        fit(rules, PERSON, formulas={"lie_from_length": lambda **_: float("nan")})
    with pytest.raises(InputError, match=r"formula 'lie_from_length': fails with length 0.9271 m"):
        fit(rules, PERSON, formulas={"lie_from_length": lambda **_: 1 / 0})
    with pytest.raises(UnknownName, match="lie_from_length"):
        fit(rules, PERSON, formulas={})


def test_a_released_change_adds_its_offset_and_undo_gives_back_the_revision_before(rules: RuleSet) -> None:
    half_degree = to_inside(0.5, "deg")
    changed = apply_change(rules, {"rule": "lie", "offset": half_degree, "why": "ignored"})
    assert rules.revision.startswith("r0-")
    assert changed.revision.startswith("r1-")
    assert len(changed.revision) == len("r1-") + 8
    before, after = (by_name(fit(r, PERSON, formulas=FORMULAS))["lie"] for r in (rules, changed))
    assert float(after.value) - float(before.value) == pytest.approx(half_degree)
    assert after.because.endswith("+0.5 deg by released changes -> 63 deg")
    twice = apply_change(changed, {"rule": "lie", "offset": half_degree})
    assert by_name(fit(twice, PERSON, formulas=FORMULAS))["lie"].value == pytest.approx(to_inside(63.5, "deg"))
    assert undo(undo(twice)) == rules
    with pytest.raises(InputError, match="no released change"):
        undo(rules)


def test_changes_come_with_the_files_and_those_that_cannot_be_are_refused(tmp_path: Path, rules: RuleSet) -> None:
    again = load_rules(tmp_path, [{"rule": "length", "offset": 0.001}])
    assert again == apply_change(rules, {"rule": "length", "offset": 0.001})
    with pytest.raises(UnknownName, match="did you mean 'length'"):
        apply_change(rules, {"rule": "lenght", "offset": 0.001})
    with pytest.raises(InputError, match="on a text"):
        apply_change(rules, {"rule": "flex", "offset": 0.001})
    with pytest.raises(InputError, match="'offset'"):
        apply_change(rules, {"rule": "lie"})


def test_an_offset_that_leaves_the_limits_refuses_the_order(rules: RuleSet) -> None:
    changed = apply_change(rules, {"rule": "length", "offset": 0.2})
    with pytest.raises(InputError, match=r"parameter 'length': would be 1\.127 m"):
        fit(changed, PERSON, formulas=FORMULAS)


def test_the_revision_follows_the_content_of_the_files(tmp_path: Path, rules: RuleSet) -> None:
    (tmp_path / "grip.toml").write_text(LINE.replace("26.0]", "26.1]"))
    assert load_rules(tmp_path).revision != rules.revision
    (tmp_path / "grip.toml").write_text(LINE + "\n# a comment changes nothing\n")
    assert load_rules(tmp_path).revision == rules.revision


@pytest.mark.parametrize(
    ("old", "new", "error", "message"),
    [
        ("plus_minus = 0.25", "plus_minus = 0.25\nplusminus = 1", UnknownName, r"length.toml \[rule\]: field: there is no 'plusminus'.*did you mean 'plus_minus'"),
        ("plus_minus = 0.25", "plusminus = 0.25", InputError, r"has no 'plus_minus'; is 'plusminus' misspelt"),
        ('value_unit = "in"', 'value_unit = "inch"', UnitError, r"length.toml \[rule\]: value_unit: unit 'inch' is not known"),
        ('id = "length"', 'id = "lenght"', InputError, "the name of the file"),
        ('kind = "table"', 'kind = "tabel"', UnknownName, "did you mean 'table'"),
        ("low = 34.0", "low = 44.0", InputError, "low is not below high"),
        ("low = 34.0", 'low = "34"', InputError, r"low: '34' is not a number"),
        ("[32.0, -0.5]", "[22.0, -0.5]", InputError, "does not grow"),
        ("[32.0, -0.5]", "[32.0]", InputError, r"rows 2: \[32.0\]"),
        ("[32.0, -0.5]", '[32.0, "x"]', InputError, "'x' is not a number"),
        ('name = "wrist_height"', 'name = "wrist"', InputError, "has no limits"),
        ('input_unit = "in"', 'input_unit = "deg"', InputError, "units of one quantity"),
        ("high = 45.0", "high = 5.0", InputError, "not below its high"),
        ("[rule]", "[ruel]", InputError, r"has no 'rule'; is 'ruel' misspelt"),
        ('source = "a chart of the test"', 'source = ""', InputError, "source = ''"),
        ("[rule]", "rule", InputError, "is not TOML"),
        ("interpolate", "interpolate", InputError, ""),
    ],
)
def test_a_mistake_in_a_rule_is_named_with_file_and_field(tmp_path: Path, old: str, new: str, error: type[InputError], message: str) -> None:
    if old == "interpolate":
        new, old, message = "base = 37.0\ninterpolate = true", "base = 37.0", "a straight line needs numbers"
    assert old in LENGTH
    with pytest.raises(error, match=message):
        load_rules(folder_of(tmp_path, length=LENGTH.replace(old, new)))


def test_folders_that_hold_no_rules_and_rules_that_contradict_each_other_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not a folder"):
        load_rules(tmp_path / "nothing")
    with pytest.raises(InputError, match="holds no rule"):
        load_rules(tmp_path)
    folder_of(tmp_path, length=LENGTH, other=LENGTH.replace('id = "length"', 'id = "other"'))
    with pytest.raises(InputError, match="'length' and 'other' both give 'length'"):
        load_rules(tmp_path)


def test_rules_that_need_each_other_are_refused_with_the_circle(tmp_path: Path) -> None:
    back = LENGTH.replace('input = "wrist_height"', 'input = "lie"').replace('name = "wrist_height"', 'name = "lie"')
    back = back.replace('input_unit = "in"', 'input_unit = "deg"').replace('unit = "in"\nlow = 24', 'unit = "deg"\nlow = 24')
    with pytest.raises(InputError, match=r"circle: (length -> lie -> length|lie -> length -> lie)"):
        load_rules(folder_of(tmp_path, length=back, lie=LIE))


def test_the_charts_of_the_golf_pack_load_and_fit_a_person_of_average_size() -> None:
    from loopwright.packs import golf

    charts = Path(golf.__file__).parent / "charts"
    if not charts.is_dir():
        pytest.skip("the golf pack brings no charts here")
    found = by_name(fit(load_rules(charts), {"stature": 1.755, "wrist_height": 0.85, "hand_length": 0.193}, {}, golf.PACK.formulas))
    assert 0.9 < float(found["length"].value) < 1.0
    assert all(p.source and p.because for p in found.values())
