"""Faults are put on a stream exactly as counted."""

from __future__ import annotations

from collections import Counter

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loopwright.core.errors import InputError
from loopwright.packs.shop_floor.signals import MILL
from loopwright.twins.faults import Faults, FaultStream
from loopwright.twins.recording import frames, rows

SECOND = 10**9


def steady(count: int) -> list[pa.Table]:
    """`count` frames of two samples, a second apart."""
    return [rows("mill-1", [i * SECOND], {"s.velocity": [float(i)], "program.feed": [0.01]}, MILL) for i in range(count)]


def test_without_faults_everything_comes_in_order() -> None:
    stream = FaultStream(steady(20), Faults(), seed=1)
    assert list(stream) == steady(20)
    assert (stream.truth.made, stream.truth.sent, stream.truth.never_sent) == (40, 40, 0)


def test_late_frames_come_out_of_order_with_their_own_times_and_nothing_is_lost() -> None:
    stream = FaultStream(steady(200), Faults(late_share=0.2, late_frames=5), seed=2)
    times = [frame.column("t_ns")[0].as_py() for frame in stream]
    assert sorted(times) == [i * SECOND for i in range(200)]
    assert times != sorted(times)
    behind, newest = 0, -1
    for t_ns in times:
        behind += 2 * (t_ns < newest)
        newest = max(newest, t_ns)
    assert behind == stream.truth.overtaken <= stream.truth.delayed
    assert 0.1 < stream.truth.delayed / stream.truth.made < 0.3


def test_a_gap_is_never_sent_and_is_counted_to_the_sample() -> None:
    stream = FaultStream(steady(300), Faults(gap_share=0.05, gap_frames=4), seed=3)
    arrived = sum(frame.num_rows for frame in stream)
    assert arrived == stream.truth.sent
    assert stream.truth.never_sent == stream.truth.made - arrived > 0


def test_a_clock_jump_moves_times_for_a_while_and_tells_equal_times_apart() -> None:
    stream = FaultStream(steady(100), Faults(jump_s=-7200.0, jump_frames=6), seed=4)
    table = pa.concat_tables(list(stream))
    wrong = table.filter(pc.field("n") == 1)
    assert wrong.num_rows == stream.truth.jumped == 12
    assert pc.max(wrong.column("t_ns")).as_py() < 0
    assert stream.truth.sent == stream.truth.made


def test_the_same_seed_makes_the_same_faults() -> None:
    faults = Faults(0.05, 3, 0.1, 4, 3600.0, 5)
    assert list(FaultStream(steady(80), faults, 7)) == list(FaultStream(steady(80), faults, 7))
    assert list(FaultStream(steady(80), faults, 7)) != list(FaultStream(steady(80), faults, 8))


@settings(max_examples=40, deadline=None)
@given(
    count=st.integers(0, 60), gap=st.floats(0, 0.5), late=st.floats(0, 0.5), jump=st.sampled_from([0.0, 60.0, -60.0]),
    seed=st.integers(0, 1000),
)
def test_what_was_made_is_what_was_sent_and_what_was_not(count: int, gap: float, late: float, jump: float, seed: int) -> None:
    stream = FaultStream(steady(count), Faults(gap, 3, late, 5, jump, 4), seed)
    values: Counter[float | None] = Counter()
    for frame in stream:
        values.update(frame.column("value").to_pylist())
    assert stream.truth.made == stream.truth.sent + stream.truth.never_sent == 2 * count
    assert stream.truth.sent == sum(values.values())
    assert all(times == 1 for value, times in values.items() if value != 0.01)


def test_the_last_frame_is_always_on_time_so_that_a_stream_can_end() -> None:
    for seed in range(20):
        arrived = list(FaultStream(steady(10), Faults(gap_share=0.9, late_share=0.0), seed))
        assert arrived[-1].column("t_ns")[0].as_py() == 9 * SECOND


def test_shares_and_lengths_that_cannot_be_are_refused() -> None:
    with pytest.raises(InputError, match="gap_share"):
        Faults(gap_share=1.0)
    with pytest.raises(InputError, match="late_frames"):
        Faults(late_frames=0)


def test_a_recording_through_faults_keeps_every_value_that_was_sent() -> None:
    table = pa.concat_tables(steady(50))
    stream = FaultStream(frames(table, 5.0), Faults(late_share=0.3), seed=5)
    assert pa.concat_tables(list(stream)).sort_by("t_ns").column("t_ns") == table.column("t_ns")
