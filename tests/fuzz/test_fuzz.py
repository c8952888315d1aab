"""Decoders never crash: whatever bytes come, each gives batches whose samples are all accounted for, or an error of the house."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loopwright.connect import payload
from loopwright.connect.batch import from_rows
from loopwright.connect.opcua import codec
from loopwright.core.errors import InputError
from loopwright.core.types import POINTS_IN
from loopwright.store import segment
from tests.fuzz import targets
from tests.fuzz.mutate import mutated
from tests.fuzz.run import DECODERS
from tests.fuzz.targets import SEEDS, TARGETS, Things, run
from tests.store.plant import points

MESSAGES = {"csv": 60, "csv_long": 60, "parquet": 150, "opcua": 120}  # what is read through a file is slower


def test_every_decoder_is_fuzzed_and_takes_its_own_messages() -> None:
    assert set(DECODERS) == set(TARGETS) == set(SEEDS)
    for name, bodies in SEEDS.items():
        assert all(run(name, body) for body in bodies if not body.startswith(b"<MTConnectError")), name


@pytest.mark.parametrize("name", DECODERS)
def test_messages_that_are_a_little_wrong_are_taken_or_refused(name: str) -> None:
    chance = random.Random(7)
    taken = sum(run(name, mutated(SEEDS[name], chance)) for _ in range(MESSAGES.get(name, 400)))
    assert taken < MESSAGES.get(name, 400)


@settings(max_examples=60, deadline=None)
@given(name=st.sampled_from(sorted(set(DECODERS) - {"csv", "csv_long", "parquet"})), body=st.binary(max_size=300))
def test_any_bytes_are_taken_or_refused(name: str, body: bytes) -> None:
    assert run(name, body) in (True, False)


_anything = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.just("\ud800"), st.just(10**400)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=6), inner, max_size=3)), max_leaves=6,
)
_signal = st.one_of(st.sampled_from(["spindle.speed", "parts", "mode", "force"]), st.text(max_size=5))
_given = st.one_of(_anything, st.fixed_dictionaries({}, optional={
    "value": _anything, "unit": st.one_of(st.sampled_from(["rad/s", "rpm", "degC", "N"]), _anything), "quality": _anything}))
_object = st.fixed_dictionaries({"values": st.one_of(st.dictionaries(_signal, _given, max_size=4), _anything)}, optional={
    "thing": st.one_of(st.sampled_from(["mill-1", "mill-2"]), _anything), "t": _anything, "ts": _anything, "epoch": _anything, "seq": _anything,
    "sent": _anything, "final": _anything})


@settings(max_examples=200, deadline=None)
@given(st.one_of(_object, st.lists(_object, max_size=3), _anything))
def test_json_of_any_shape_is_taken_or_refused(document: Any) -> None:
    assert run("json", json.dumps(document).encode()) in (True, False)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_an_arrow_stream_with_any_head_and_any_column_is_taken_or_refused(data: st.DataObject) -> None:
    table = points(("mill-1", "parts", 5, 1), ("mill-1", "spindle.speed", 6, 1.0))
    at = data.draw(st.integers(0, 6))
    column = data.draw(st.sampled_from([
        pa.array(["a", "b"]), pa.array([1, 2]), pa.array([1.5, None]), pa.array([[1.0], []]), pa.array([2**64 - 1, 0], pa.uint64()), pa.nulls(2),
        pa.array([b"\xff\xfe", b""]), pa.array([True, None])]))
    table = table.set_column(at, data.draw(st.sampled_from([*POINTS_IN.names, "values"])), column)
    words = st.one_of(st.integers(-(2**70), 2**70).map(str), st.text(max_size=5), st.sampled_from(["0", "4", "x" * 5000]))
    head = {name: data.draw(words) for name in ("source", "epoch", "sequence", "sent")}
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema.with_metadata(head)) as writer:
        writer.write_table(table.replace_schema_metadata(head))
    assert run("arrow", bytes(sink.getvalue())) in (True, False)


# what was found, and must not come back


def reports(body: bytes) -> tuple[list[Any], dict[str, int]]:
    """Stored-to-be rows and refusals of a JSON body."""
    rows, refused = [], dict[str, int]()
    for report in payload.from_json(body, "mill-1", Things):
        table, wrong = from_rows(report.rows, Things)
        rows += table.to_pylist()
        for why, n in [*report.refused.items(), *wrong.items()]:
            refused[why] = refused.get(why, 0) + n
    return rows, refused


@pytest.mark.parametrize(("values", "why"), [
    ({"spindle.speed": 10**400}, "not a value of this signal"),
    ({"spindle.speed": {"value": 10**400, "unit": "rad/s"}}, "not a value of this signal"),
    ({"parts": 1e300}, "not a value of this signal"),
    ({"spindle.speed": {"value": 5, "unit": "degC"}}, "a unit of something else"),
    ({"spindle.speed": {"value": 5, "unit": "furlong"}}, "unknown unit"),
    ({"spindle.speed": {"value": 5, "unit": ["rad/s"]}}, "unknown unit"),
    ({"spindle.speed": {"value": 5, "quality": 7}}, "unknown quality"),
    ({"spindle.speed": {"value": None, "quality": False}}, "unknown quality"),
    ({"mode": "sleeping"}, "not a value of this signal"),
])
def test_a_value_in_json_that_cannot_be_costs_its_neighbour_nothing(values: dict[str, Any], why: str) -> None:
    rows, refused = reports(json.dumps({"t": 1_700_000_000_000_000_000, "values": {**values, "vibration": 1.5}}).encode())
    assert [row["signal"] for row in rows] == ["vibration"]
    assert refused == {why: 1}


@pytest.mark.parametrize("t", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"])
def test_a_time_beyond_64_bits_is_refused_for_each_value(t: str) -> None:
    assert reports(json.dumps({"t": t, "values": {"parts": 1, "mode": 1}}).encode()) == ([], {"time out of range": 2})


def test_a_signal_that_json_names_twice_is_counted_and_one_bad_object_of_a_list_spoils_no_other() -> None:
    rows, refused = reports(b'[{"values": {"parts": 1, "parts": 2}}, 5, {"values": {"mode": 1}}, {"values": 3}]')
    assert sorted((row["signal"], row["code"]) for row in rows) == [("mode", 1), ("parts", 2)]
    assert refused == {payload.TWICE: 1, "no object with 'values'": 2}
    with pytest.raises(InputError, match="no object with 'values'"):
        payload.from_json(b"[5, 6]")


def test_half_a_letter_in_a_name_is_nobodys_name() -> None:
    rows, _ = reports(b'{"values": {"\\ud800": 1.0}}')
    assert [row["signal"] for row in rows] == ["?"]


def test_text_that_is_no_unicode_is_told_of_every_form() -> None:
    table = targets._known(points(("mill-1", "parts", 5, 1)))
    with pytest.raises(InputError):
        segment.unpack(segment.pack(table).replace(b"mill-1", b"mil\xb1-1"))
    with pytest.raises(InputError):
        payload.decode(payload.encode(points(("mill-1", "parts", 5, 1)), payload.Head("mill-1", "b", 0, 1)).replace(b"mill-1", b"mil\xff-1"))
    assert not run("parquet", SEEDS["parquet"][0].replace(b"spindle.speed", b"spindle\xb1speed"))
    assert not run("edge", SEEDS["edge"][0].replace(b"mill-2", b"mil\xff-2"))


def test_opc_ua_times_beyond_64_bits_are_refused_and_not_folded_into_others() -> None:
    records = codec.encode(codec.Column(*(targets.np.array([v]) for v in (5, 0, 1.5, False, 0, 0))), "gauge", server_time=False)
    at = records.index((5 // 100 + codec.EPOCH_TICKS).to_bytes(8, "little"))
    for ticks in (3_155_378_975_999_999_999, 1, 2**63 - 1):  # the last tick of the year 9999, the first of 1601
        body = records[:at] + ticks.to_bytes(8, "little") + records[at + 8:]
        runs, _ = codec.decode(body, 0, 1, targets._slow)
        table, refused = targets.opcua_rows.to_table("mill-1", targets.MILL, [("spindle.speed", runs[0])], {})
        assert abs(table.column("t_ns")[0].as_py()) > 2**62
        assert refused == {}


@pytest.mark.parametrize("path", sorted((Path(__file__).parent / "found").iterdir()), ids=lambda path: path.name)
def test_what_was_once_found_is_refused(path: Path) -> None:
    """Two hundred bytes of OPC UA that say a list of two thousand million Nulls follows; a segment of 10^11 rows."""
    assert not run(path.name.split("-")[0], path.read_bytes())
