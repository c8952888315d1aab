"""What a wire brings and the store cannot use as a whole is refused once, under its own numbers, and does not come again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from loopwright.app.accept import SENSELESS, accept
from loopwright.store import Store, open_store
from tests.store.plant import balanced, declared, numbered, speeds


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with declared(open_store(tmp_path / "plant")) as made:
        yield made


def test_columns_that_are_wrong_use_up_their_numbers(store: Store) -> None:
    wrong = numbered(speeds([1, 2, 3]).drop_columns(["t_ns"]), 0, sent=3)
    assert dict(accept(store, wrong).refused) == {SENSELESS: 3}
    assert accept(store, wrong).duplicate == 3
    assert accept(store, numbered(speeds([4]), 3, sent=4)).stored == 1
    hop = store.hops()["mqtt"]
    assert (hop.into, hop.out, hop.duplicate, hop.waiting, hop.lost) == (7, 1, 3, 0, 0)
    balanced(store.hops())


def test_numbers_that_cannot_be_are_left_out(store: Store) -> None:
    assert dict(accept(store, replace(numbered(speeds([1, 2]), 0), sequence=2**62)).refused) == {SENSELESS: 2}
    assert dict(accept(store, numbered(speeds([1]), 0, "m" * 2_000)).refused) == {SENSELESS: 1}
    assert dict(accept(store, replace(numbered(speeds([1]), 9), correction="nobody recorded it")).refused) == {SENSELESS: 1}
    assert max(len(source) for _, source in store.sources()) < 200
    balanced(store.hops())
