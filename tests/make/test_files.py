"""Shops from files: every dialect of the literature is read as it was meant, and nothing else is read at all."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopwright.core.errors import InputError, UnknownName
from loopwright.core.types import Slot
from loopwright.make.reading.best_known import family, known, read_best
from loopwright.make.reading.files import decoded, listed, read
from loopwright.make.reading.shop_json import from_json, to_json
from loopwright.make.reading.texts import FORMS, parse
from loopwright.make.shop import Blocked, Job, Link, Machine, Operation, Operator, Setup, Shop
from tests.make.shops import FT06, job_shop, shops

STAGED = Path(__file__).parents[3] / "shared" / "data"

FT06_TEXT = "6 6\n" + "\n".join(" ".join(f"{m} {s}" for m, s in row) for row in FT06) + "\n"
# Kacem, Hammadi, Borne 2002, the first two jobs of the 4 x 5 instance, cut to two operations each
FLEXIBLE = "2 5 5\n2  5 1 2 2 5 3 4 4 1 5 2  2 1 5 2 4\n1  1 3 5\n"
# the form of Taillard's own files, with a 2 x 2 instance
TAILLARD = """Nb of jobs, Nb of Machines, Time seed, Machine seed, Upper bound, Lower bound
           2           2   840612802   398197754       9       8
Times
 3  4
 5  2
Machines
 1  2
 2  1
"""


def routes(shop: Shop) -> list[list[list[tuple[str, int]]]]:
    return [[list(o.on) for o in job.operations] for job in shop.jobs]


def test_a_job_shop_is_read_as_fisher_and_thompson_wrote_it() -> None:
    parsed = parse(FT06_TEXT, "ft06")
    assert parsed.shop == job_shop(FT06)
    assert parsed.dialect == "job shop, machines from 0"
    assert not parsed.notes


def test_comments_empty_lines_tabs_and_windows_ends_of_lines_do_not_count() -> None:
    told = "#++++\n# instance ft06\n\n" + FT06_TEXT.replace("6 6\n", "6\t6   # six by six\n\n").replace("\n", " \r\n")
    assert parse(told, "ft06").shop == job_shop(FT06)
    assert decoded(b"\xef\xbb\xbf" + FT06_TEXT.encode(), "ft06.txt").shop == job_shop(FT06)


def test_machines_counted_from_one_are_seen_by_the_last_number() -> None:
    parsed = parse("2 2\n1 3 2 4\n2 5 1 2\n", "x")
    assert parsed.dialect == "job shop, machines from 1"
    assert [m.id for m in parsed.shop.machines] == ["m1", "m2"]
    assert routes(parsed.shop) == [[[("m1", 3)], [("m2", 4)]], [[("m2", 5)], [("m1", 2)]]]


def test_rows_may_differ_in_length_come_back_to_a_machine_and_end_with_minus_one() -> None:
    parsed = parse("3 3\n0 5 1 2 0 4 -1 -1\n2 1 -1 -1\n1 7 2 2 -1 -1\n", "dct")
    assert routes(parsed.shop)[0] == [[("m0", 5)], [("m1", 2)], [("m0", 4)]]
    assert [len(job.operations) for job in parsed.shop.jobs] == [3, 1, 2]


def test_a_flexible_shop_has_its_choices_and_counts_machines_from_one() -> None:
    parsed = parse(FLEXIBLE, "kacem")
    assert parsed.dialect == "flexible job shop, machines from 1"
    assert routes(parsed.shop) == [
        [[("m1", 2), ("m2", 5), ("m3", 4), ("m4", 1), ("m5", 2)], [("m1", 5), ("m2", 4)]], [[("m3", 5)]]]
    assert parsed.shop.jobs[0].operations[1].after == ("op0",)


def test_a_flexible_shop_counted_from_zero_is_the_same_shop_with_other_names() -> None:
    zero = parse("2 5 5\n2  5 0 2 1 5 2 4 3 1 4 2  2 0 5 1 4\n1  1 2 5\n", "kacem")
    assert zero.dialect == "flexible job shop, machines from 0"
    one = routes(parse(FLEXIBLE, "kacem").shop)
    assert [[[(f"m{int(m[1:]) + 1}", s) for m, s in o] for o in job] for job in routes(zero.shop)] == one


def test_times_and_machines_in_two_blocks_are_put_together() -> None:
    golden = [[[("m1", 3)], [("m2", 4)]], [[("m2", 5)], [("m1", 2)]]]
    with_words = parse(TAILLARD, "ta")
    assert routes(with_words.shop) == golden
    assert with_words.dialect == "job shop, seconds then machines, machines from 1"
    assert routes(parse("2 2\n3 4\n5 2\n1 2\n2 1\n", "ta").shop) == golden


def test_a_text_that_fits_two_dialects_is_read_when_it_is_said_which() -> None:
    both = "2 3\n1 1 1 2\n1 1 2 3\n"
    with pytest.raises(InputError, match=r"as a job shop and as a flexible one.*--format job-shop"):
        decoded(both.encode(), "x.txt")
    assert routes(decoded(both.encode(), "x.jsp").shop)[1] == [[("m1", 1)], [("m2", 3)]]
    assert routes(decoded(both.encode(), "x.fjs").shop)[1] == [[("m2", 3)]]
    assert routes(decoded(both.encode(), "x.txt", "flexible").shop)[0] == [[("m1", 2)]]


def test_operations_of_no_time_are_left_out_and_told() -> None:
    parsed = parse("2 2\n0 3 1 0\n0 0 1 4\n", "orb07")
    assert routes(parsed.shop) == [[[("m0", 3)]], [[("m1", 4)]]]
    assert parsed.shop.jobs[1].operations[0].after == ()
    assert parsed.notes == ("operations of 0 s are left out, what follows waits for what came before: j0/op1, j1/op0",)


@pytest.mark.parametrize(("text", "says"), [
    ("", "nothing stands in it"),
    ("# only words\n", "nothing stands in it"),
    ("2\n", "line 1: 1 numbers"),
    ("2 2 2 2\n0 1\n0 1\n", "line 1: 4 numbers"),
    ("0 2\n", r"line 1, number 1 \(jobs\): 0; allowed: 1 to"),
    ("-2 2\n", r"line 1, number 1 \(jobs\): -2; allowed: 1 to"),
    ("2 99999999999\n", r"line 1, number 2 \(machines\): 99999999999; allowed"),
    ("2 x\n", r"line 1, number 2 \(machines\): 'x'; allowed: a whole number"),
    ("2.5 2\n", r"line 1, number 1 \(jobs\): '2.5'; allowed: a whole number"),
    ("2 2\n0 1 1 two\n1 3 0 4\n", r"line 2, number 4: 'two'; allowed: a whole number"),
    ("2 2\n0 1 1 2.5\n1 3 0 4\n", r"line 2, number 4: '2.5'; allowed: a whole number"),
    ("2 2\n0 1 1 -2\n1 3 0 4\n", r"line 2, number 4 \(seconds of operation 1\): -2; allowed: whole seconds from 1"),
    ("2 2\n0 1 1 2\n1 3 2 4\n", r"machines 0 and 2 both stand in it.*allowed: 0 to 1, or 1 to 2"),
    ("2 2\n0 1 1 2\n1 3 7 4\n", r"line 3, number 3 \(machine\): 7; allowed: 0 to 1, or 1 to 2"),
    ("2 2\n0 1 1 2\n", r"line 1, number 1 \(jobs\): 2, but 1 rows follow; allowed: 2 rows; is the file cut off"),
    ("1 2\n0 1 1 2\n1 3 0 4\n1 3 0 4\n", r"1, but 3 rows follow; allowed: 1 rows; line 3 is the first too many"),
    ("2 2\n0 1 1 2\n1 3 0\n", r"line 3, number 3 \(machine without seconds\): 0; .*cut off"),
    ("3 2\n0 1 1 2\n1 3 0 4\n1 3\n", r"line 4: 1 operations; allowed: 2, as every row before has; is the file cut off"),
    ("1 2 1\n2 1 1 5 1 2\n", r"line 2, number 5 \(choices of operation 1\): 1; .*0.5 follow; is the row cut off"),
    ("1 2 1\n2 1 1 5\n", r"line 2: it ends before number 5 \(choices of operation 1\); allowed: 2 operations"),
    ("1 2 1\n1 1 1 5 9\n", r"line 2, number 5 \(behind the last operation\): 9; allowed: nothing more"),
    ("1 2 1\n1 0\n", r"line 2, number 2 \(choices of operation 0\): 0; allowed: a count from 1 on"),
    ("1 2 1\n1 2 1 5 1 6\n", r"line 2, number 5 \(machine of operation 0\): 1 stands twice"),
    ("1 2 1\n1 2 1 5 2 0\n", r"line 2, operation op0: takes 0 s on some machines and longer on others"),
    ("2 2\n3 4\n5 2\n1 2\n2 1\n1 2\n", "5 rows follow"),
    (TAILLARD + TAILLARD, "several instances"),
    ("1 1\n0 99999999999999999999\n", "number 2: '99999999999999999999'"),
    ("1 1\n0 ٣\n", "number 2: '٣'"),
])
def test_what_is_no_shop_is_refused_with_line_number_value_and_rule(text: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        parse(text, "x.txt")


def test_binary_files_other_encodings_and_unknown_forms_are_named() -> None:
    with pytest.raises(InputError, match="a binary file"):
        decoded(bytes(range(256)) * 4, "x.txt")
    with pytest.raises(InputError, match=r"line 2: byte 0xff is no text"):
        decoded(b"1 1\n\xff 3\n", "x.txt")
    with pytest.raises(UnknownName, match="did you mean 'flexible'"):
        parse(FT06_TEXT, "x", "flexibl")
    assert set(FORMS) == {"job-shop", "flexible", "times-machines"}


@given(st.one_of(
    st.binary(max_size=200),
    st.text("0123456789 -\n.#\tx", max_size=200).map(str.encode),
    st.lists(st.lists(st.integers(-1, 4), max_size=6), max_size=6).map(
        lambda rows: "\n".join(" ".join(map(str, row)) for row in rows).encode()),
    st.tuples(st.just(FT06_TEXT), st.integers(0, len(FT06_TEXT)), st.text(max_size=3)).map(
        lambda cut: (cut[0][:cut[1]] + cut[2]).encode("utf-8", "replace")),
    st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
                 lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
                     st.sampled_from(["format", "origin_ns", "machines", "jobs", "id", "role", "x"]), inner, max_size=4),
                 max_leaves=12).map(lambda v: json.dumps(v).encode()),
), st.sampled_from(["x.txt", "x.jsp", "x.fjs", "x.json", "x"]))
def test_any_bytes_give_a_shop_or_an_input_error(data: bytes, name: str) -> None:
    try:
        found = decoded(data, name)
    except InputError as error:
        said = str(error)
    else:
        said = f"{name}: {found.size}"
    assert said.startswith(name)


# our own JSON


def test_a_shop_with_everything_comes_back_from_json() -> None:
    frozen = Slot("o", "cut", "saw", -5, 5, frozen=True, setup_s=3, operator="ann")
    operations = (
        Operation("o", "cut", (("saw", 10),), frozen=frozen),
        Operation("o", "bend", (("press", 7), ("saw", 9)), ("cut",), None, "thick", "bending", ("die",), ("steel",),
                  (Link("cut", 4, 2),), "oven"))
    shop = Shop(
        123, (Machine("saw", "cut", "thin", 1), Machine("press", "bend", batch=4)), (Job("o", operations, 3, 99, 2.5),),
        (Blocked("press", 20, 30, "service"),), 5000, (Operator("ann", ("bending",), ((40, 50),)),),
        (Setup("press", "*", "thick", 60),), {"die": 2}, {"steel": 15})
    assert from_json(to_json(shop)) == shop


@given(shops())
def test_any_shop_comes_back_from_json(shop: Shop) -> None:
    assert from_json(to_json(shop)) == shop


SMALL = json.loads(to_json(job_shop(FT06[:1])))


def changed(*place: str | int, value: Any = None) -> str:
    """The small shop with something else in one place."""
    copy = json.loads(json.dumps(SMALL))
    inner = copy
    for step in place[:-1]:
        inner = inner[step]
    inner[place[-1]] = value
    return json.dumps(copy)


@pytest.mark.parametrize(("text", "says"), [
    ("{", r"s.json: line 1, column 2: 'the end of the file'"),
    ('{"format": "loopwright shop 1",\n "origin_ns": NaN}', "NaN is no number of JSON"),
    ('{"a": 1, "a": 2}', "'a'.* stands twice"),
    ("[" * 200_000, "brackets"),
    ("{}", "format: None; allowed: 'loopwright shop 1'"),
    (changed("machins", value=[]), "field: there is no 'machins'.*did you mean 'machines'"),
    (changed("origin_ns", value=1.5), r"s.json: origin_ns: 1.5; allowed: a whole number"),
    (changed("origin_ns", value=True), r"s.json: origin_ns: True; allowed: a whole number"),
    (changed("origin_ns", value=10**30), r"origin_ns: 10+; allowed"),
    (changed("jobs", 0, "operations", 2, "on", value=5), r"jobs\[0\].operations\[2\].on: 5; allowed: a list"),
    (changed("jobs", 0, "operations", 2, "on", 0, value=["m1"]), r"operations\[2\].on\[0\]: 1 values; allowed: 2"),
    (changed("jobs", 0, "operations", 2, "on", 0, 1, value=0), r"s.json: operation 'op2' of job 'j0': takes 0 s on 'm1'"),
    (changed("jobs", 0, "operations", 2, "on", 0, 1, value=-4), r"takes -4 s on 'm1'; allowed: whole seconds above 0"),
    (changed("jobs", 0, "operations", 2, "on", 0, 0, value="m9"), r"machine: there is no 'm9'"),
    (changed("jobs", 0, "operations", 0, "after", value=["op3"]), "operations wait for each other"),
    (changed("jobs", 0, "weight", value=float("inf")), "Infinity is no number"),
    (changed("jobs", 0, "weight", value="1"), r"jobs\[0\].weight: '1'; allowed: a number"),
    (changed("jobs", 0, "id", value=7), r"jobs\[0\].id: 7; allowed: text in quotes"),
    (changed("tools", value=[1]), r"tools: \[1\]; allowed: an object"),
    (changed("machines", 0, value={"id": "m0"}), r"machines\[0\]: 'role' is missing"),
])
def test_json_that_is_no_shop_is_refused_with_place_value_and_rule(text: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        from_json(text, "s.json")


def test_a_due_date_in_the_past_is_told() -> None:
    text = changed("jobs", 0, "due_s", value=-5)
    assert decoded(text.encode(), "s.json").notes == ("due at or before the start, so late whatever is planned: j0",)


# folders, archives, best known values


def test_folders_and_archives_list_the_same_shops_by_name(tmp_path: Path) -> None:
    folder = tmp_path / "suite"
    (folder / "Fisher").mkdir(parents=True)
    texts = {"Fisher/ft06.txt": FT06_TEXT, "b10.fjs": FLEXIBLE, "b9": FT06_TEXT, "c.json": to_json(job_shop(FT06))}
    for name, text in {**texts, "README.md": "words", "instances.json": "[]", ".hidden.txt": "x"}.items():
        (folder / name).write_text(text)
    with zipfile.ZipFile(tmp_path / "suite.zip", "w") as archive:
        for path in folder.rglob("*"):
            archive.write(path, path.relative_to(folder))
    for place in (folder, tmp_path / "suite.zip"):
        found = listed(place)
        assert [source.name for source in found] == ["b9", "b10", "c", "ft06"]
        assert found[3].read().shop == found[2].read().shop == job_shop(FT06)
    with pytest.raises(InputError, match="4 shops are in it; allowed: one"):
        read(folder)


def test_what_cannot_be_opened_is_said(tmp_path: Path) -> None:
    (tmp_path / "no.zip").write_text("x")
    (tmp_path / "empty").mkdir()
    for path, says in (("gone.txt", "cannot be read"), ("no.zip", "cannot be read"), ("empty", "no shop is in it")):
        with pytest.raises(InputError, match=says):
            read(tmp_path / path)


def test_a_broken_archive_is_said_when_it_is_read(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("ft06.txt", FT06_TEXT)
    data = bytearray((tmp_path / "a.zip").read_bytes())
    data[45:60] = bytes(15)
    (tmp_path / "a.zip").write_bytes(data)
    with pytest.raises(InputError, match="cannot be unpacked"):
        listed(tmp_path / "a.zip")[0].read()


def test_best_known_values_are_read_from_either_layout(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps([
        {"instance": "ta01js", "family": "ta", "lower_bound": 1231, "upper_bound": 1231},
        {"name": "abz8", "optimum": None, "bounds": {"upper": 665, "lower": 645}}, {"name": "orb07", "optimum": 397}]))
    best = read_best(tmp_path / "a.json")
    assert (best["ta01js"].lower, best["abz8"].lower, best["abz8"].upper, best["orb07"].upper) == (1231, 645, 665, 397)
    assert best["abz8"].family == "abz"
    assert family("tai_1000_10_2") == "tai"
    found = [known(best, name) for name in ("ta01", "ta1", "orb7", "orb_07", "ta10")]
    assert [b and b.upper for b in found] == [1231, 1231, 397, 397, None]


@pytest.mark.parametrize(("text", "says"), [
    ("{}", "allowed: a list"), ("[1]", "entry 1: 1; allowed: an object"),
    ('[{"instance": "a"}]', "entry 1: lower bound of 'a': None"),
    ('[{"instance": "a", "lower_bound": 9, "upper_bound": 8}]', "lower bound 9 above upper bound 8"),
    ('[{"name": "a", "optimum": "x"}]', "lower bound of 'a': 'x'"),
    ('[{"optimum": 3}]', "instance: None; allowed: a name"),
    ('[{"name": "a", "optimum": 3}, {"name": "a", "optimum": 3}]', "entry 2: 'a' stands twice"),
])
def test_best_known_values_that_make_no_sense_are_refused(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "b.json").write_text(text)
    with pytest.raises(InputError, match=says):
        read_best(tmp_path / "b.json")


@pytest.mark.slow
@pytest.mark.parametrize(("name", "count", "operations"), [("jobshop", 174, 363_868), ("flexible_jobshop", 195, 29_347)])
def test_every_staged_instance_is_read_and_has_its_published_size(name: str, count: int, operations: int) -> None:
    """operations: counted over the files by a script of its own, before there was a reader."""
    if not (STAGED / name / "instances.zip").exists():
        pytest.skip(f"the staged instances ({name}) are not here")
    published = {row["instance"]: row["size"] for row in json.loads((STAGED / name / "best_known.json").read_text())}
    found = [source.read() for source in listed(STAGED / name / "instances.zip")]
    assert len(found) == count
    assert sum(len(i.shop.operations) + sum(note.count("/op") for note in i.notes) for i in found) == operations
    sizes = {i.name: f"{len(i.shop.jobs)} x {len(i.shop.machines)}" for i in found}
    others = {one for one, size in sizes.items() if size != published[one]}
    assert others <= {"fattahi6", "kacem1"}  # whose first lines say 3 and 5 machines, and the list of sizes 2 and 6
