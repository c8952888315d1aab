"""What an edge sends on: what comes out is what went in, numbered as it was; bytes from outside cannot crash the centre."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loopwright.connect import http, payload, relay
from loopwright.connect.relay import RELAY, Head
from loopwright.core.clock import NS_PER_S
from loopwright.core.errors import InputError, LinkError
from loopwright.store.buffer import Buffer
from loopwright.store.piece import Run
from tests.store.plant import MILL, THINGS, blocks, numbered, plain, speeds

HEAD = Head("line-3", "e1", "s1", 0)


@pytest.fixture
def buffer(tmp_path):
    buffer = Buffer(tmp_path)
    buffer.declare([MILL], THINGS)
    yield buffer
    buffer.close()


def message(buffer: Buffer, head: Head = HEAD, gone: tuple = ()) -> bytes:
    """Everything that waits, as one message."""
    pieces = buffer.take()
    runs = [run for piece in pieces for run in piece.runs]
    names = {run.stream: buffer.named(run) for run in runs}
    return relay.encode(head, list(names.values()), list(names), pieces, list(gone))


def test_the_centre_gets_a_batch_for_each_source_under_the_edges_name(buffer):
    for i in range(4):
        buffer.put(numbered(speeds([i, i + 0.5], 2 * i * NS_PER_S), 10 + 2 * i, "mqtt/mill-1#boot-17"))
        buffer.put(plain(speeds([100 + i], i * NS_PER_S, "mill-2"), "http/press"))
    got = {batch.source: batch for batch in relay.decode(message(buffer)).batches("http")}
    assert sorted(got) == ["http/line-3/http/press#e1", "http/line-3/mqtt/mill-1#boot-17#e1"]
    mill = got["http/line-3/mqtt/mill-1#boot-17#e1"]
    assert (mill.sequence, mill.sent, mill.table.column("value").to_pylist()) == (0, 8, [0, 0.5, 1, 1.5, 2, 2.5, 3, 3.5])
    press = got["http/line-3/http/press#e1"]
    assert (press.sequence, press.sent, press.table.column("value").to_pylist()) == (0, 4, [100, 101, 102, 103])


def test_what_is_gone_comes_as_refused_under_its_numbers(buffer):
    buffer.put(numbered(speeds([1, 2]), 0))
    gone = [(Run(1, 0, 7), "dropped at the edge: buffer full")]
    batches = list(relay.decode(message(buffer, gone=tuple(gone))).batches("mqtt"))
    assert [(b.sequence, b.samples, dict(b.refused)) for b in batches] == [(0, 7, {"dropped at the edge: buffer full": 7}), (0, 2, {})]


def test_blocks_keep_their_numbers(buffer):
    buffer.put(numbered(blocks(("mill-1", "vibration", 0, 1_000_000, [1.0, 2.0, 3.0])), 0))
    buffer.put(numbered(speeds([5.0]), 3))
    buffer.put(numbered(blocks(("mill-1", "vibration", 4_000_000, 1_000_000, [4.0])), 4))
    found = [(b.sequence, b.blocks, b.samples) for b in relay.decode(message(buffer)).batches("http")]
    assert sorted(found) == [(0, True, 3), (3, False, 1), (4, True, 1)]


@given(st.binary(max_size=200))
@settings(max_examples=100, deadline=None)
def test_bytes_that_are_no_message_are_told_apart(data):
    with pytest.raises(InputError):
        relay.decode(data)


def test_a_message_with_wrong_bytes_is_refused_or_makes_sense(buffer):
    for i in range(30):
        buffer.put(numbered(speeds([i, i + 1], 2 * i * NS_PER_S), 2 * i))
    body = message(buffer)

    @given(st.lists(st.tuples(st.integers(0, len(body) - 1), st.integers(0, 255)), min_size=1, max_size=3), st.integers(0, 3))
    @settings(max_examples=300, deadline=None)
    def examine(changes, cut):
        broken = bytearray(body[:len(body) - cut])
        for place, byte in changes:
            broken[place % len(broken)] = byte
        try:
            batches = list(relay.decode(bytes(broken)).batches("http"))
        except InputError:
            return
        assert all(batch.sequence is not None and batch.sequence >= 0 for batch in batches)

    examine()


@pytest.mark.parametrize("name", ["", "a/b", "a+b", "a b", "x" * 65, "a#b"])
def test_a_name_that_cannot_stand_in_a_topic_is_refused(name):
    with pytest.raises(InputError, match="letters"):
        relay.edge_name(name)


# the order of posts


async def test_posts_that_overtake_one_another_are_stored_in_their_order(buffer):
    import asyncio

    entrance = http.Ingest(http.Settings(patience_s=5), {}, lambda source: None)
    bodies = []
    for i in range(3):
        buffer.put(numbered(speeds([i], i * NS_PER_S), i))
        bodies.append(message(buffer, Head("line-3", "e1", "s1", i)))
    posts = [asyncio.create_task(entrance.put(body, RELAY)) for body in reversed(bodies)]
    seen = []
    while len(seen) < 3:
        for batch in await entrance.next(1.0):
            seen.append(batch.sequence)
            await batch.ack()
    assert seen == [0, 1, 2]
    assert [answer["samples"] for answer in await asyncio.gather(*posts)] == [1, 1, 1]


async def test_a_post_whose_predecessor_never_comes_is_sent_back(buffer):
    entrance = http.Ingest(http.Settings(patience_s=0.2), {}, lambda source: None)
    buffer.put(numbered(speeds([1]), 0))
    body = message(buffer, Head("line-3", "e1", "s1", 1))
    with pytest.raises(LinkError, match="did not come"):
        await entrance.put(body, RELAY)
    with pytest.raises(LinkError, match="was not taken"):
        await entrance.put(body, RELAY)
    buffer.back()
    with pytest.raises(LinkError, match="not stored in time"):  # a new row of posts begins anew; nobody stores here
        await entrance.put(message(buffer, Head("line-3", "e1", "s2", 0)), RELAY)


async def test_a_plain_arrow_message_is_still_taken_as_before():
    entrance = http.Ingest(http.Settings(patience_s=0.1), {}, lambda source: None)
    with pytest.raises(LinkError, match="not stored in time"):
        await entrance.put(payload.encode(speeds([1]), payload.Head("mill-1", "e", 0, 1)), payload.ARROW)
