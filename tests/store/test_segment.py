"""Segments: what comes out is what went in, bit for bit and in order; bytes that are none are told apart."""

from __future__ import annotations

import struct

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loopwright.core.errors import InputError
from loopwright.core.types import BLOCKS, POINTS
from loopwright.store.segment import pack, unpack

NAMES = st.sampled_from(["a", "b", "spindle.speed", "ü"])
VALUES = st.one_of(
    st.none(), st.floats(allow_nan=False, width=64), st.integers(-(10**6), 10**6).map(lambda i: i / 100),
    st.sampled_from([-0.0, 0.0, 0.1 + 0.2, 5e-324, 1.7976931348623157e308, 2.0**53, 1e-7]),
)
INT64 = st.integers(-(2**63), 2**63 - 1)
ROWS = st.lists(
    st.tuples(NAMES, NAMES, INT64, st.integers(0, 2**31 - 1), VALUES, st.one_of(st.none(), INT64), st.sampled_from([0, 1, 2]), INT64,
              st.booleans()),
    max_size=60)


def table(rows: list[tuple]) -> pa.Table:
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(POINTS)
    return pa.table([pa.array(column, field.type) for column, field in zip(columns, POINTS, strict=True)], schema=POINTS)


def bits(rows: pa.Table) -> list[bytes | None]:
    """The values as their 64 bits: -0.0 is not 0.0."""
    return [None if v is None else struct.pack("<d", v) for v in rows.column("value").to_pylist()]


@given(ROWS)
@settings(max_examples=150, deadline=None)
def test_points_come_back_bit_for_bit_and_in_their_order(rows):
    given_rows = table(rows)
    back = unpack(pack(given_rows))
    assert back.schema == POINTS
    assert back.drop_columns(["value"]).to_pylist() == given_rows.drop_columns(["value"]).to_pylist()
    assert bits(back) == bits(given_rows)


@given(st.lists(st.tuples(NAMES, NAMES, INT64, st.lists(st.floats(width=32, allow_nan=False), max_size=9)), max_size=20))
@settings(max_examples=50, deadline=None)
def test_blocks_come_back_bit_for_bit(rows):
    given_rows = pa.table({
        "thing": [r[0] for r in rows], "signal": [r[1] for r in rows], "t_ns": [r[2] for r in rows], "dt_ns": [1_000] * len(rows),
        "values": [r[3] for r in rows], "quality": [0] * len(rows), "known_ns": [r[2] for r in rows], "assumed": [False] * len(rows),
    }, schema=BLOCKS)
    assert unpack(pack(given_rows)).equals(given_rows)


def test_a_fleet_with_two_decimals_takes_less_than_two_bytes_a_point():
    """100 signals at 10 Hz, a slow sine with noise of 0.5 and two decimals: 8.2 bits of noise alone (log2(0.71 * 100 * 4.13))."""
    i = np.arange(50_000)
    value = np.round(100 + 20 * np.sin(i / 5000 + i % 100) + np.random.default_rng(1).normal(0, 0.5, len(i)), 2)
    rows = pa.table({
        "thing": [f"m{s // 10}" for s in i % 100], "signal": [f"s{s % 10}" for s in i % 100], "t_ns": i // 100 * 100_000_000,
        "n": np.zeros(len(i), np.int32), "value": value, "code": pa.nulls(len(i), pa.int64()), "quality": np.zeros(len(i), np.int8),
        "known_ns": i // 1000 * 1_000_000_007, "assumed": np.zeros(len(i), bool),
    }, schema=POINTS)
    assert 8.2 / 8 < len(pack(rows)) / len(i) < 2.0


@given(st.binary(max_size=300))
@settings(max_examples=100, deadline=None)
def test_bytes_that_are_no_segment_are_told_apart(data):
    with pytest.raises(InputError):
        unpack(data)


@given(st.integers(0, 10**9), st.integers(0, 255))
@settings(max_examples=300, deadline=None)
def test_a_segment_with_a_wrong_byte_is_refused_or_gives_rows_never_a_crash(place, byte):
    data = bytearray(pack(table([("a", "b", 10**18 + i, 0, i / 4, None, 0, 5, False) for i in range(300)])))
    data[place % len(data)] = byte
    try:
        back = unpack(bytes(data))
    except InputError:
        return
    assert back.schema == POINTS
