"""Bytes a little wrong: what a bad link, a half-written file or a hostile hand makes of a valid message."""

from __future__ import annotations

import random

WORDS = [
    b"\x00", b"\xff", b"\x7f", b"\x80", b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", b"\x00\x00\x00\x80", b"\x01\x00\x00\x00",
    b"\xff\xff\xff\xff\xff\xff\xff\x7f", b"\x00\x00\x00\x00\x00\x00\x00\x80", b"NaN", b"-Infinity", b"1e999", b"9" * 25, b"-1",
    b"0001-01-01T00:00:00Z", b"9999-12-31T23:59:59Z", b"\\ud800", b"\xc3\x28", b"null", b"true", b"{}", b"[]", b'""', b"<a>", b"&x;",
    b'"', b",", b";", b"\n", b"\r\n", b"9223372036854775807", b"18446744073709551616", b"1800-01-01", b"x" * 300, b"mill-1", b"mode",
    b"0.5", b"inf", b"1" * 5000,
]


def mutated(seeds: list[bytes], chance: random.Random) -> bytes:
    """One of the seeds with a few changes."""
    body = bytearray(chance.choice(seeds))
    for _ in range(chance.choice((1, 1, 2, 3, 6))):
        at = chance.randrange(len(body) + 1)
        what = chance.randrange(8)
        if what == 0:
            del body[at:]
        elif what == 1:
            del body[at:at + chance.choice((1, 2, 4, 8, 40))]
        elif what == 2:
            body[at:at] = chance.choice(WORDS)
        elif what == 3:
            word = chance.choice(WORDS)
            body[at:at + len(word)] = word
        elif what == 4 and at < len(body):
            body[at] ^= 1 << chance.randrange(8)
        elif what == 5 and at < len(body):
            body[at] = chance.randrange(256)
        elif what == 6:
            start = chance.randrange(len(body) + 1)
            body[at:at] = body[start:start + chance.choice((1, 4, 16, 200))]
        elif what == 7:
            other = chance.choice(seeds)
            start = chance.randrange(len(other) + 1)
            body[at:] = other[start:]
    return bytes(body)
