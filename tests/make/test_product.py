"""From a product file to bill, operations with programs, and the verdict on what was made."""

from __future__ import annotations

import hashlib
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopwright.core.errors import InputError, UnitError, UnknownName
from loopwright.core.types import Design, Order, Parameter, Person
from loopwright.make.bill import bill, cost_minor
from loopwright.make.design import as_body, design, from_body
from loopwright.make.measure import judge
from loopwright.make.product import Item, Product, RouteStep, Tolerance, load_product
from loopwright.make.route import operations, rework

TEXT = """
[product]
family = "iron"
name = "Made-to-measure 7-iron"
mirrored_by_handedness = true
[[bill]]
item = "head blank"
quantity = 1.0
cost_minor = 1800
[[bill]]
item = "shaft"
quantity_formula = "shaft_m"
unit = "m"
cost_minor = 2400
[[route]]
operation = "mill"
role = "mill"
minutes = 18.0
setup_minutes = 3.0
program = true
[[route]]
operation = "cut"
role = "saw"
minutes = 2.5
after = []
[[route]]
operation = "bend"
role = "bench"
minutes = 4
after = ["mill"]
[[route]]
operation = "measure"
role = "gauge"
minutes = 4
after = ["cut", "bend"]
[[tolerance]]
parameter = "lie"
unit = "deg"
good = 0.5
scrap = 2.0
process_sigma = 0.2
gauge_sigma = 0.05
rework = "bend"
[[tolerance]]
parameter = "length"
unit = "mm"
good = 2.0
scrap = 8.0
process_sigma = 0.8
gauge_sigma = 0.2
"""
ORDER, PERSON = Order("o-1", "p-1", "iron"), Person("p-1", {"stature": 1.8})
PARAMETERS = (
    Parameter("lie", math.radians(62), "rad", None, None, "lie@r0", "chart", "wrist_height 0.79 m is below 32 in"),
    Parameter("length", 0.94, "m", 0.93, 0.95, "length@r0", "chart"),
    Parameter("shaft_flex", "R", "", None, None, "flex@r0", "table"),
)


@pytest.fixture
def product(tmp_path: Path) -> Product:
    return load_product(written(tmp_path, TEXT))


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "product.toml"
    path.write_text(text)
    return path


def made(mirrored: bool = False) -> Design:
    return design(ORDER, PERSON, PARAMETERS, "r0-abc", mirrored)


def test_a_product_is_read_into_inside_units(product: Product) -> None:
    assert product.bill[0] == Item("head blank", "piece", 1800, 1.0)
    assert product.route[0] == RouteStep("mill", "mill", 1080, 180, True, ())
    assert product.route[2].after == ("mill",)
    assert product.tolerance("length") == Tolerance("length", "mm", 0.002, 0.008, 0.0008, 0.0002)
    assert product.tolerance("lie").good == pytest.approx(math.radians(0.5))
    with pytest.raises(UnknownName, match="lie"):
        product.tolerance("lye")


def test_an_operation_without_after_follows_the_one_above_it(tmp_path: Path) -> None:
    route = load_product(written(tmp_path, TEXT.replace("after = []\n", ""))).route
    assert route[1].after == ("mill",)


def test_batches_waits_and_lots_of_a_route_are_read(tmp_path: Path) -> None:
    more = 'minutes = 4\nbatch = "{shaft_flex}, {hand}"\nwait_minutes = 1.5\nlot_minutes = 2\n'
    product = load_product(written(tmp_path, TEXT.replace("minutes = 4\n", more, 1)))
    step = product.route[2]
    assert (step.batch, step.lag_s, step.lot_s) == ("{shaft_flex}, {hand}", 90, 120)
    assert (product.route[0].batch, product.route[0].lag_s, product.route[0].lot_s) == ("", 0, None)
    bend = operations(product, ORDER, made())[2]
    assert (bend.batch, bend.lag_s, bend.lot_s) == ("R, right", 90, 120)


@pytest.mark.parametrize(
    ("old", "new", "error", "message"),
    [
        ("minutes = 18.0", "minutes = 0", InputError, r"\[\[route\]\] 1: minutes 0.*minutes > 0"),
        ('after = ["mill"]', 'after = ["mil"]', UnknownName, "did you mean 'mill'"),
        ("minutes = 4\n", "minutes = 4\nwait_minutes = -1\n", InputError, "wait_minutes -1.*0 or more"),
        ("after = []", "after = []\nwait_minutes = 1", InputError, "it waits for nothing"),
        ('after = ["mill"]', 'after = ["measure"]', InputError, "wait for each other"),
        ('after = ["mill"]', 'after = "mill"', InputError, "a list of texts"),
        ('role = "saw"', 'rolle = "saw"', InputError, "has no 'role'; is 'rolle' misspelt"),
        ("program = true", 'program = "yes"', InputError, "true or false"),
        ("scrap = 2.0", "scrap = 0.2", InputError, "0 < good <= scrap"),
        ('unit = "deg"', 'unit = "degree"', UnitError, "'degree' is not known"),
        ('rework = "bend"', 'rework = "bent"', UnknownName, "did you mean 'bend'"),
        ("cost_minor = 1800", "cost_minor = 18.5", InputError, "a whole number of minor units"),
        ("quantity = 1.0", "", InputError, "'head blank' has quantity 0 and quantity_formula ''"),
        ('operation = "cut"', 'operation = "mill"', InputError, "each operation once"),
        ('parameter = "length"', 'parameter = "lie"', InputError, "each parameter once"),
        ("mirrored_by_handedness = true", "mirrored_by_hand = true", UnknownName, r"\[product\]: field.*did you mean 'mirrored_by_handedness'"),
    ],
)
def test_a_mistake_in_a_product_is_named(tmp_path: Path, old: str, new: str, error: type[InputError], message: str) -> None:
    assert old in TEXT
    with pytest.raises(error, match=message):
        load_product(written(tmp_path, TEXT.replace(old, new, 1)))


def test_a_product_without_a_route_or_that_is_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="at least one"):
        load_product(written(tmp_path, '[product]\nfamily = "x"\nname = "x"\n'))
    with pytest.raises(InputError, match="is not a file"):
        load_product(tmp_path)


def test_a_design_is_named_by_family_order_and_revision_and_its_ledger_body_holds_no_body_measure() -> None:
    one = made()
    assert one.id == "iron/o-1@r0-abc"
    body = as_body(one)
    assert "0.79" not in str(body)
    assert [p.name for p in from_body(body).parameters] == ["lie", "length", "shaft_flex"]
    assert from_body(body).number("length") == 0.94
    with pytest.raises(InputError, match="is of 'p-1', the measures are of 'p-2'"):
        design(ORDER, Person("p-2", {}), PARAMETERS, "r0", False)


def test_the_bill_takes_quantities_from_the_design(product: Product) -> None:
    lines = bill(product, made(), {"shaft_m": lambda d: d.number("length") - 0.05})
    assert [(line.item, line.unit, line.cost_minor) for line in lines] == [("head blank", "piece", 1800), ("shaft", "m", 2136)]
    assert lines[1].quantity == pytest.approx(0.89)  # 0.89 m * 24.00 = 21.36
    assert cost_minor(lines) == 3936
    with pytest.raises(UnknownName, match="shaft_m"):
        bill(product, made())
    with pytest.raises(InputError, match="a number above 0"):
        bill(product, made(), {"shaft_m": lambda d: -1.0})


def test_operations_carry_seconds_with_setup_and_the_hash_of_their_program(product: Product) -> None:
    mill, cut, bend, measure = operations(product, ORDER, made())
    assert (mill.seconds, cut.seconds, bend.after, measure.after) == (1260, 150, ("mill",), ("cut", "bend"))
    assert mill.program_sha256 == hashlib.sha256(mill.program.encode()).hexdigest()
    assert (cut.program, cut.program_sha256) == ("", "")
    assert mill.program.splitlines() == [
        "%", "O1001 (MILL)", "(DESIGN IRON/O-1@R0-ABC)", "G21 G17 G40 G90 (MM, XY PLANE)", "#101=940.0000 (LENGTH MM)",
        "#102=62.0000 (LIE DEG)", "(SHAFT_FLEX R)", "G65 P9001", "M30", "%"]


def test_equal_designs_have_equal_programs_and_mirrored_or_changed_ones_have_not(product: Product) -> None:
    first, again, left = (operations(product, ORDER, made(m))[0] for m in (False, False, True))
    assert first == again
    assert left.program_sha256 != first.program_sha256
    assert "G51.1 X0 (MIRROR IMAGE)" in left.program
    with pytest.raises(InputError, match="'iron', as this route"):
        operations(product, Order("o-1", "p-1", "putter"), made())


def test_rework_repeats_what_the_parameter_needs_and_all_that_follows(product: Product) -> None:
    done = operations(product, ORDER, made())
    again = rework(product, done, ["lie"], 2)
    assert [(o.name, o.after) for o in again] == [("bend#2", ()), ("measure#2", ("bend#2",))]
    whole = rework(product, done, ["length"], 3)  # names no operation: the last one that runs a program, and what follows
    assert [(o.name, o.after) for o in whole] == [("mill#3", ()), ("bend#3", ("mill#3",)), ("measure#3", ("bend#3",))]


def measured(lie_deg: float = 62.0, length_mm: float = 940.0) -> dict[str, float]:
    return {"lie": math.radians(lie_deg), "length": length_mm / 1000}


@pytest.mark.parametrize(
    ("lie_deg", "length_mm", "word"),
    [(62.0, 940.0, "good"), (62.5, 938.0, "good"), (61.49, 940.0, "rework"), (64.0, 940.0, "rework"), (64.01, 940.0, "scrap"),
     (62.0, 942.1, "rework"), (62.0, 931.9, "scrap"), (61.0, 931.9, "scrap")],
)
def test_good_rework_and_scrap_follow_the_tolerances(product: Product, lie_deg: float, length_mm: float, word: str) -> None:
    assert judge(product, made(), measured(lie_deg, length_mm)).word == word


def test_a_verdict_says_why_in_words(product: Product) -> None:
    verdict = judge(product, made(), measured(62.6))
    assert verdict.reasons == ("lie 62.6 deg is 0.6 deg above the designed 62 deg; good within 0.5 deg",)
    assert (verdict.out, verdict.as_built["length"]) == (("lie",), 0.94)
    row = verdict.measures[0]
    assert (row["name"], row["unit"], row["verdict"]) == ("lie", "rad", "rework")
    assert row["deviation"] == pytest.approx(math.radians(0.6))
    short = judge(product, made(), measured(length_mm=930.0))
    assert short.reasons == ("length 0.93 m (930 mm) is 10 mm below the designed 940 mm; scrap beyond 8 mm",)


def test_a_unit_that_needs_rework_a_third_time_is_scrap(product: Product) -> None:
    words = [judge(product, made(), measured(62.6), attempt).word for attempt in (1, 2, 3)]
    assert words == ["rework", "rework", "scrap"]
    assert judge(product, made(), measured(62.6), 3).reasons[-1] == "still out of tolerance after 2 reworks"
    assert judge(product, made(), measured(62.1), 3).word == "good"


def test_what_was_not_measured_is_not_judged(product: Product) -> None:
    with pytest.raises(InputError, match="'length': was not measured"):
        judge(product, made(), {"lie": 1.0})
    with pytest.raises(InputError, match="nan is not a number"):
        judge(product, made(), {**measured(), "lie": float("nan")})
    with pytest.raises(InputError, match="attempt 0"):
        judge(product, made(), measured(), 0)


@given(st.floats(-5.0, 5.0), st.floats(-20.0, 20.0))
def test_a_unit_further_out_is_never_judged_better(off_deg: float, off_mm: float) -> None:
    order = {"good": 0, "rework": 1, "scrap": 2}
    product = Product("iron", "x", False, (), (RouteStep("mill", "mill", 1, 0, True, ()),), (
        Tolerance("lie", "deg", math.radians(0.5), math.radians(2), 0, 0), Tolerance("length", "mm", 0.002, 0.008, 0, 0)))
    near = judge(product, made(), measured(62 + off_deg, 940 + off_mm)).word
    far = judge(product, made(), measured(62 + 1.5 * off_deg, 940 + 1.5 * off_mm)).word
    assert order[near] <= order[far]
