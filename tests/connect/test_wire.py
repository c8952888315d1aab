"""Settings, ports, words for failed links, tables of points, numbering, and the bytes that travel."""

from __future__ import annotations

import asyncio
import errno
import json
import random
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopwright.connect import payload
from loopwright.connect.batch import (
    Frame,
    by_thing,
    checked,
    frames,
    from_columns,
    from_rows,
    rank_of_equal,
    samples_in,
)
from loopwright.connect.outbox import Outbox
from loopwright.connect.payload import Head
from loopwright.connect.sequence import Arrived, Streams
from loopwright.connect.wire import Backoff, free_port, from_table, link_error, require_free, secret
from loopwright.core.clock import SimClock
from loopwright.core.errors import InputError, LinkError, SiteError, UnknownName
from loopwright.core.types import BLOCKS_IN, POINTS_IN
from tests.connect.kit import MILL, T0_NS, THINGS, said


@dataclass(frozen=True)
class Example:
    host: str
    port: int = 1883
    patience_s: float = 1.0
    tls: bool = False
    nodes: Mapping[str, str] = field(default_factory=dict)
    words: tuple[str, ...] = ()
    delay_s: float | None = None


def test_settings_come_from_a_table_of_the_site() -> None:
    table = {"host": "a", "patience_s": 2, "nodes": {"x": "y"}, "words": ["one"], "delay_s": 3}
    assert from_table(Example, table, "connect.example") == Example("a", 1883, 2.0, False, {"x": "y"}, ("one",), 3.0)


@pytest.mark.parametrize(("table", "message"), [
    ({"host": 1}, "connect.example.host: 1 is a whole number; allowed: text"),
    ({"host": "a", "port": "1883"}, "connect.example.port: '1883' is text; allowed: a whole number"),
    ({"host": "a", "port": True}, "connect.example.port: True is true or false; allowed: a whole number"),
    ({"host": "a", "tls": 1}, "connect.example.tls: 1 is a whole number; allowed: true or false"),
    ({"host": "a", "words": ["x", 2]}, r"connect.example.words\[1\]: 2 is a whole number; allowed: text"),
    ({"host": "a", "nodes": {"x": 2}}, "connect.example.nodes.x: 2 is a whole number; allowed: text"),
    ({}, "connect.example.host: is not set; allowed: text"),
])
def test_a_wrong_type_says_where_and_what_is_allowed(table: dict[str, object], message: str) -> None:
    with pytest.raises(SiteError, match=message):
        from_table(Example, table, "connect.example")


def test_an_unknown_key_names_the_nearest() -> None:
    with pytest.raises(UnknownName, match="did you mean 'patience_s'"):
        from_table(Example, {"host": "a", "patience": 2}, "connect.example")


def test_a_secret_is_read_from_the_environment_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MILL_PASSWORD", "s3cret")
    assert secret("MILL_PASSWORD", "x") == "s3cret"
    assert secret("", "x") == ""
    monkeypatch.delenv("MILL_PASSWORD")
    with pytest.raises(SiteError, match="export MILL_PASSWORD="):
        secret("MILL_PASSWORD", "connect.mqtt.password_env")


def test_a_taken_port_and_a_silent_one_are_told_apart() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(LinkError, match="is taken by another program"):
            require_free("127.0.0.1", taken.getsockname()[1], "broker")
    require_free("127.0.0.1", free_port(), "broker")
    refused = link_error("connect.mqtt", "127.0.0.1", 1, ConnectionRefusedError(errno.ECONNREFUSED, "x"))
    assert "nobody listens at 127.0.0.1:1" in str(refused)
    assert "start the peer" in str(refused)
    assert "is not known on this network" in str(link_error("x", "nowhere", 1, socket.gaierror(-2, "x")))
    assert "no answer from" in str(link_error("x", "h", 1, TimeoutError()))


async def test_waits_grow_and_a_working_link_makes_them_short_again() -> None:
    clock = SimClock()
    random.seed(3)
    backoff, waits = Backoff(clock, first_s=1.0, most_s=8.0), []

    async def fail() -> None:
        for _ in range(5):
            waits.append(await backoff.wait())
        backoff.reset()
        waits.append(await backoff.wait())

    task = asyncio.ensure_future(fail())
    await clock.advance(60)
    await task
    for wait, most in zip(waits, [1, 2, 4, 8, 8, 1], strict=True):
        assert most / 2 <= wait <= most


# tables


def test_wide_columns_become_points_row_by_row() -> None:
    table = from_columns("mill-1", [1, 2], {"power": [1.5, np.nan], "parts": [3, 4], "execution": [0, 1]}, MILL, [0, 2])
    assert table.schema.equals(POINTS_IN)
    assert table.column("signal").to_pylist() == ["power", "parts", "execution"] * 2
    assert table.column("t_ns").to_pylist() == [1, 1, 1, 2, 2, 2]
    assert table.column("value").to_pylist() == [1.5, None, None, None, None, None]
    assert table.column("code").to_pylist() == [None, 3, 0, None, 4, 1]
    assert table.column("quality").to_pylist() == [0, 0, 0, 2, 2, 2]


def test_counters_keep_all_64_bits() -> None:
    big = 2**62 + 1
    table = from_columns("mill-1", [1], {"parts": [big]}, MILL)
    assert table.column("code").to_pylist() == [big]


@pytest.mark.parametrize(("columns", "message"), [
    ({"parts": [1.5]}, "holds fractions"),
    ({"sped": [1.0]}, "there is no 'sped'"),
    ({"power": [1.0, 2.0]}, "2 values for 1 times"),
    ({"power": ["x"]}, "not a number"),
    ({"parts": [1e30]}, "beyond 64 bit"),
])
def test_columns_that_do_not_fit_are_refused(columns: dict[str, list[float]], message: str) -> None:
    with pytest.raises(InputError, match=message):
        from_columns("mill-1", [1], columns, MILL)


@given(st.lists(st.integers(0, 5), max_size=40))
def test_equal_times_are_counted_in_their_order(times: list[int]) -> None:
    slow = [times[:i].count(t) for i, t in enumerate(times)]
    assert rank_of_equal(np.array(times, dtype=np.int64)).tolist() == slow


def test_loose_values_take_their_signals_type() -> None:
    rows = [
        ("mill-1", "power", 5, 3, 0), ("mill-1", "parts", 5, 7.0, 0), ("mill-1", "execution", 5, "Active", 0),
        ("mill-1", "power", 5, None, 1), ("other", "x", 5, 1, 0), ("mill-1", "parts", 5, 7.5, 0),
        ("mill-1", "execution", None, "flying", 0), ("mill-1", "power", 5, [1], 0),
    ]
    table, refused = from_rows(rows, THINGS)
    assert table.column("value").to_pylist() == [3.0, None, None, None, 1.0]
    assert table.column("code").to_pylist() == [None, 7, 1, None, None]
    assert refused == {"not a value of this signal": 3}


async def test_a_batch_with_other_columns_is_refused() -> None:
    with pytest.raises(InputError, match="without t_ns, n, value, code, quality"):
        checked(pa.table({"thing": ["a"], "signal": ["b"]}), "x")
    async for frame in frames([said(1), Frame(said(2), "drop")], "x"):
        assert frame.table.schema.equals(POINTS_IN)


def test_a_block_counts_every_value() -> None:
    table = pa.Table.from_pylist([
        {"thing": "m", "signal": "s", "t_ns": 1, "dt_ns": 1, "values": [1.0, 2.0, 3.0], "quality": 0},
        {"thing": "m", "signal": "s", "t_ns": 4, "dt_ns": 1, "values": [4.0], "quality": 0},
    ], schema=BLOCKS_IN)
    assert samples_in(table) == 4
    assert samples_in(table.slice(1)) == 1
    assert [name for name, _ in by_thing(table)] == ["m"]


# numbering


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 6)), max_size=30))
def test_runs_of_numbers_agree_with_a_plain_set(adds: list[tuple[int, int]]) -> None:
    arrived, plain = Arrived(), set()
    for first, length in adds:
        fresh = not set(range(first, first + length)) <= plain
        assert arrived.add(first, first + length) == fresh
        plain |= set(range(first, first + length))
    missing = [n for first, stop in arrived.missing(40) for n in range(first, stop)]
    assert missing == [n for n in range(40) if n not in plain]


def test_a_gap_is_asked_for_later_and_later_and_then_given_up() -> None:
    streams = Streams("mqtt", lambda _: None, patience_s=2.0)
    stream = streams.note(Head("m", "e", 0, 10), 10, 0.0)
    streams.note(Head("m", "e", 20, 30), 10, 0.1)
    assert streams.to_ask(0.2) == []
    assert streams.to_ask(0.5) == [(stream, [(10, 20)])]
    assert streams.to_ask(0.7) == []
    assert streams.to_ask(1.2) == [(stream, [(10, 20)])]
    streams.note(Head("m", "e", 30, 30, final=True), 0, 1.3)
    assert not streams.over(["m"], 1.4)
    assert streams.to_ask(2.2) == []
    assert streams.over(["m"], 2.2)
    assert not stream.complete


def test_a_stream_goes_on_where_the_store_ends() -> None:
    streams = Streams("mqtt", {"mqtt/m#e": 9}.get, patience_s=2.0)
    stream = streams.note(Head("m", "e", 12, 15), 3, 0.0)
    assert stream.gaps() == [(10, 12)]


def test_a_stream_of_which_only_an_old_note_is_known_may_begin_again() -> None:
    streams = Streams("mqtt", {"mqtt/m#e": 9}.get, patience_s=2.0)
    streams.note(Head("m", "e", 10, 10, final=True), 0, 0.0, kept=True)
    assert not streams.over(["m"], 1.0)
    assert streams.over(["m"], 2.5), "nobody said anything"
    streams.note(Head("m", "e", 0, 0), 0, 2.6)
    assert not streams.over(["m"], 9.0), "it plays again"


def test_the_outbox_keeps_only_so_much() -> None:
    box = Outbox(["mill-1"], "e", rows=40, buffer=100)
    box.put(Frame(said(50)))
    messages = list(box.messages())
    assert [(m.first, m.stop) for m in messages] == [(0, 40), (40, 80), (80, 120), (120, 160), (160, 200)]
    assert [m.first for m in box.again("mill-1", 0, 200)] == [120, 160]
    assert box.again("mill-1", 130, 135) == [messages[3]]
    with pytest.raises(UnknownName, match="mill-1"):
        box.put(Frame(said(1).set_column(0, "thing", pa.array(["other"] * 4))))


# bytes


def test_a_message_comes_back_as_it_went() -> None:
    table, head = said(100), Head("mill-1", "boot-7", 400, 800, final=True)
    body = payload.encode(table, head)
    again, told = payload.decode(body)
    assert again.combine_chunks().equals(table.combine_chunks())
    assert told == head
    assert payload.decode(payload.encode(table.slice(0, 0), head))[0].num_rows == 0


def test_no_bytes_from_outside_crash_the_decoder() -> None:
    body, rng = payload.encode(said(50), Head("mill-1", "e", 0, 200)), random.Random(5)
    unread = 0
    for _ in range(1500):
        bad = bytearray(body)
        for _ in range(rng.randint(1, 6)):
            bad[rng.randrange(len(bad))] = rng.randrange(256)
        try:
            table, _ = payload.decode(bytes(bad[: rng.choice([len(bad), rng.randrange(len(bad))])]))
            table.to_pydict()
        except InputError:
            unread += 1
    assert unread > 500
    for foreign in (b"", b"\x00" * 9, b"{}", payload.encode(said(1), Head("m", "e", 4, 3))):
        with pytest.raises(InputError):
            payload.decode(foreign)


def test_json_of_both_shapes_is_understood() -> None:
    iso = payload.from_json(b'{"t": "2026-01-31T13:00:00+01:00", "values": {"power": 5, "execution": "idle", "parts": null}}', "mill-1")
    assert iso[0].rows == [
        ("mill-1", "power", 1_769_860_800_000_000_000, 5, 0), ("mill-1", "execution", 1_769_860_800_000_000_000, "idle", 0),
        ("mill-1", "parts", 1_769_860_800_000_000_000, None, 0),
    ]
    assert payload.from_json(b'{"ts": 1769860800000, "values": {"power": 5}}', "mill-1")[0].rows[0][2] == 1_769_860_800_000_000_000
    assert payload.from_json(b'{"values": {"power": 5}}', "mill-1")[0].rows[0][2] is None
    body = json.dumps([{"thing": "a", "t": T0_NS, "values": {"x": {"value": 3000, "unit": "rpm", "quality": 1}}}]).encode()
    (thing, signal, t_ns, value, quality), = payload.from_json(body)[0].rows
    assert (thing, signal, t_ns, quality) == ("a", "x", T0_NS, 1)
    assert value == pytest.approx(314.159265358979)  # 3000 / 60 * 2 pi


def test_json_numbers_count_only_with_an_epoch() -> None:
    values = {"power": 1, "parts": 2}
    body = json.dumps({"t": T0_NS, "values": values, "seq": 10, "sent": 12}).encode()
    assert payload.from_json(body, "m")[0].head is None
    body = json.dumps({"t": T0_NS, "values": values, "seq": 10, "sent": 12, "epoch": 3, "final": True}).encode()
    assert payload.from_json(body, "m")[0].head == Head("m", "3", 10, 12, final=True)


@pytest.mark.parametrize(("body", "reason"), [
    (b"{", "no JSON"), (b"[" * 100_000, "no JSON"), (b"3", "no object with 'values'"), (b'{"values": 3}', "no object with 'values'"),
    (b'{"thing": "b", "values": {}}', "its thing differs"), (b"\xff\xfe", "no JSON"),
])
def test_json_that_is_neither_is_refused(body: bytes, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        payload.from_json(body, "a")


@pytest.mark.parametrize(("item", "reason"), [
    ({"t": "2026-01-31T13:00:00", "values": {"power": 1}}, "a time that is not ISO 8601 with a zone"),
    ({"t": 1769860800000, "values": {"power": 1}}, "a time before 2000: `t` is ISO 8601 or whole ns, `ts` whole ms"),
    ({"ts": 5.5, "values": {"power": 1}}, "a time before 2000: `t` is ISO 8601 or whole ns, `ts` whole ms"),
    ({"t": T0_NS, "values": {"power": {"value": 1, "unit": "furlong"}}}, "unknown unit"),
    ({"t": T0_NS, "values": {"power": {"value": 1, "quality": 9}}}, "unknown quality"),
])
def test_json_values_that_cannot_be_used_are_counted_by_reason(item: dict[str, object], reason: str) -> None:
    report = payload.from_json(json.dumps(item).encode(), "mill-1")[0]
    assert report.rows == []
    assert report.refused == {reason: 1}


def test_what_is_left_of_an_earlier_numbering_neither_ends_nor_holds_up_the_new_one() -> None:
    streams = Streams("mqtt", {"mqtt/m#old": 9}.get, patience_s=2.0)
    streams.note(Head("m", "old", 20, 20, final=True), 0, 0.0, kept=True)
    assert not streams.over(["m"], 0.1)
    streams.note(Head("m", "new", 0, 4), 4, 0.2)
    streams.note(Head("m", "old", 10, 20), 10, 0.3)  # comes again, late
    streams.note(Head("m", "new", 4, 4, final=True), 0, 0.4)
    assert [stream.source for stream, _ in streams.to_ask(0.5)] == []
    assert streams.over(["m"], 0.5), "both are whole"
    streams.note(Head("m", "newer", 0, 0), 0, 0.6)
    assert not streams.over(["m"], 1.0)
    assert not streams.over([], 9.0), "who expects nobody listens for ever"


def test_blocks_are_cut_by_their_samples() -> None:
    rows = [{"thing": "mill-1", "signal": "s", "t_ns": i, "dt_ns": 1, "values": [0.5] * 100, "quality": 0} for i in range(10)]
    box = Outbox(["mill-1"], "e", rows=300, buffer=10_000)
    box.put(Frame(pa.Table.from_pylist(rows, schema=BLOCKS_IN)))
    assert box.full
    messages = list(box.messages())
    assert not box.full
    assert [(m.first, m.stop) for m in messages] == [(0, 300), (300, 600), (600, 900), (900, 1000)]
    table, head = payload.decode(messages[-1].body)
    assert (table.schema, samples_in(table), head.sequence) == (BLOCKS_IN, 100, 900)
