"""A model is kept by what it is: the same state has the same name, whole or not there, and altered bytes are refused."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from loopwright.core.errors import InputError, StoreError
from loopwright.learn.kept import registry

DTYPES = st.one_of(
    npst.boolean_dtypes(), npst.integer_dtypes(endianness="?"), npst.unsigned_integer_dtypes(endianness="?"),
    npst.floating_dtypes(endianness="?", sizes=(16, 32, 64)), npst.complex_number_dtypes(endianness="?", sizes=(64, 128)),
    npst.unicode_string_dtypes(endianness="?", max_len=4), npst.datetime64_dtypes(endianness="?"),
)
ARRAYS = npst.arrays(DTYPES, npst.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4))
WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
LEAVES = st.one_of(st.none(), st.booleans(), st.integers(-(2**63), 2**64 - 1), st.floats(), WORDS, st.binary(max_size=9), ARRAYS,
                   st.floats(width=32).map(np.float32), st.integers(0, 9).map(np.int64), st.frozensets(st.integers(0, 99), max_size=4), st.sets(WORDS, max_size=3))
KEYS = st.one_of(WORDS, st.integers(-99, 99), st.booleans(), st.tuples(st.integers(0, 3), WORDS))
STATES = st.recursive(LEAVES, lambda inner: st.one_of(st.lists(inner, max_size=4), st.tuples(inner, inner), st.dictionaries(WORDS, inner, max_size=4), st.dictionaries(KEYS, inner, max_size=3)), max_leaves=12)


def same(a: Any, b: Any) -> bool:
    """Equal in kind and value; NaN is NaN; byte order does not count."""
    if isinstance(a, (np.ndarray, np.generic)):
        return type(a) is type(b) and a.dtype.newbyteorder("<") == b.dtype.newbyteorder("<") and a.shape == b.shape and np.array_equal(a, b, equal_nan=a.dtype.kind in "fcmM")
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return set(a) == set(b) and all(same(a[key], b[key]) for key in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    return bool(a == b or (a != a and b != b))


def shuffled(value: Any, rng: np.random.Generator) -> Any:
    """The same state with its keys in another order and its arrays laid out otherwise."""
    if isinstance(value, dict):
        keys = list(value)
        return {keys[i]: shuffled(value[keys[i]], rng) for i in rng.permutation(len(keys))}
    if isinstance(value, (list, tuple)):
        return type(value)(shuffled(one, rng) for one in value)
    if isinstance(value, np.ndarray):
        turned = np.asfortranarray(value) if value.ndim else value.copy()
        return turned.astype(value.dtype.newbyteorder(">"))
    return value


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(STATES)
def test_what_is_read_is_what_was_written(state: Any) -> None:
    assert same(registry.decode(registry.encode(state)), state)


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(STATES, st.integers(0, 2**32 - 1))
def test_the_same_state_has_the_same_name_in_any_order_of_keys_and_any_layout(state: Any, seed: int) -> None:
    turned = shuffled(state, np.random.default_rng(seed))
    assert registry.address(turned) == registry.address(state)
    assert registry.encode(registry.decode(registry.encode(state))) == registry.encode(state)


@settings(max_examples=60)
@given(st.dictionaries(WORDS, st.floats(allow_nan=False), min_size=1, max_size=4), st.data())
def test_another_state_has_another_name(state: dict[str, float], data: st.DataObject) -> None:
    key = data.draw(st.sampled_from(sorted(state)))
    other = {**state, key: data.draw(st.floats(allow_nan=False).filter(lambda x: repr(x) != repr(state[key])))}
    assert registry.address(other) != registry.address(state)


def test_kinds_of_numbers_that_look_alike_are_not_the_same_state() -> None:
    alike = [1, 1.0, True, np.float64(1), np.int64(1), "1", [1], (1,), {1}, np.array([1]), np.array([1.0]), np.array(1.0)]
    assert len({registry.address({"x": one}) for one in alike}) == len(alike)


def test_a_signal_that_is_unknown_is_one_and_the_same_unknown() -> None:
    other_nan = np.frombuffer(np.uint64(0x7FF8000000000001).tobytes(), "<f8")
    assert registry.address({"a": other_nan.copy()}) == registry.address({"a": np.array([np.nan])})


STATE = {"slope": np.linspace(0, 1, 50), "names": ["a", "b"], "seed": 3}


def test_a_kept_model_is_found_by_the_sha256_of_its_file(tmp_path: Path) -> None:
    name = registry.save(tmp_path, STATE)
    file = tmp_path / "models" / name
    assert hashlib.sha256(file.read_bytes()).hexdigest() == name == registry.address(STATE)
    assert same(registry.load(tmp_path, name), STATE)
    assert registry.save(tmp_path, dict(reversed(STATE.items()))) == name
    assert registry.names(tmp_path) == [name]
    assert os.listdir(tmp_path / "models") == [name]  # noqa: PTH208 hidden files too


def test_the_file_can_be_read_without_this_program(tmp_path: Path) -> None:
    data = (tmp_path / "models" / registry.save(tmp_path, STATE)).read_bytes()
    size = int.from_bytes(data[8:16], "little")
    head = json.loads(data[16:16 + size])
    begin = -(-(16 + size) // 64) * 64
    (one,) = head["arrays"]
    assert (data[:8], head["state"]["names"], one["dtype"], one["shape"]) == (b"LWMODEL1", ["a", "b"], "<f8", [50])
    np.testing.assert_array_equal(np.frombuffer(data[begin + one["start"]:begin + one["start"] + one["bytes"]], "<f8"), STATE["slope"])


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.integers(0, 10_000), flip=st.integers(1, 255))
def test_one_altered_byte_anywhere_is_detected(tmp_path: Path, at: int, flip: int) -> None:
    name = registry.save(tmp_path, STATE)
    file = tmp_path / "models" / name
    data = bytearray(file.read_bytes())
    data[at % len(data)] ^= flip
    file.write_bytes(data)
    with pytest.raises(StoreError, match="altered"):
        registry.load(tmp_path, name)
    assert "altered" in registry.wrong(tmp_path, name)
    assert registry.save(tmp_path, STATE) == name
    assert registry.wrong(tmp_path, name) == ""


@pytest.mark.parametrize("kept", [0, 5, 8, 20, -1])
def test_a_file_that_was_cut_short_is_detected(tmp_path: Path, kept: int) -> None:
    name = registry.save(tmp_path, STATE)
    file = tmp_path / "models" / name
    file.write_bytes(file.read_bytes()[:kept])
    with pytest.raises(StoreError, match="altered"):
        registry.load(tmp_path, name)
    with pytest.raises(StoreError, match="not a model file"):
        registry.decode(file.read_bytes())


def _head(state: Any, **array: Any) -> bytes:
    one = {"dtype": "<f8", "shape": [1], "start": 0, "bytes": 8} | array
    text = json.dumps({"arrays": [one], "state": state}).encode()
    front = b"LWMODEL1" + len(text).to_bytes(8, "little") + text
    return front + b"\0" * (-len(front) % 64) + b"\0" * 64


@pytest.mark.parametrize("data", [
    _head({"$": "array", "i": 1}), _head({"$": "array", "i": -1}), _head({"$": "run", "v": "rm"}), _head(0, dtype="O"), _head(0, shape=[2**40]),
    _head(0, start=-8), _head(0, start=10_000), _head(0, shape=[-1]), _head({"$": "tuple"}), _head(0, dtype="V8"), _head({"$": "scalar", "dtype": "O", "v": "00"}),
], ids=["no array", "array before the first", "an unknown mark", "objects", "too large", "before the file", "behind the file", "negative", "no value", "structured", "an object"])
def test_a_file_that_was_made_to_do_harm_is_no_model(data: bytes) -> None:
    with pytest.raises(StoreError, match="not a model file"):
        registry.decode(data)


class Odd:
    """Something of somebody's own."""


@pytest.mark.parametrize(("state", "words"), [
    ({"model": Odd()}, r"state\['model'\]: a .*Odd cannot be kept.*learn.kept.trees.export"),
    ({"a": [1, {2: lambda: 0}]}, r"state\['a'\]\[1\]\[2\]: a builtins.function"),
    ({"a": np.array([Odd()])}, r"state\['a'\]: an array of object"),
    ({"a": np.zeros(2, "i4,f8")}, "an array of"), ({"a": np.longdouble(1)}, "float128"), ({"a": 2**64}, "64 bits"),
    ({"a": "\ud800"}, "UTF-8"), ({"\ud800": 1}, "UTF-8"), (np.ma.masked_array([1.0]), "MaskedArray"),
])
def test_what_cannot_be_kept_says_where_it_stands(state: Any, words: str) -> None:
    with pytest.raises(InputError, match=words):
        registry.encode(state)


def test_a_state_that_holds_itself_is_refused() -> None:
    state: dict[str, Any] = {}
    state["again"] = state
    with pytest.raises(InputError, match="holds itself"):
        registry.encode(state)


def test_names_that_are_none_and_models_that_are_gone_are_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no name of a model"):
        registry.load(tmp_path, "../journal.sqlite")
    with pytest.raises(StoreError, match="gone"):
        registry.load(tmp_path, "0" * 64)
    assert registry.names(tmp_path) == []


def test_a_full_disk_leaves_no_half_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(paths: Any) -> None:
        raise OSError(28, "No space left on device")

    registry.save(tmp_path, {"first": 1})
    monkeypatch.setattr("loopwright.store.place.durable", full)
    with pytest.raises(StoreError, match="No space left"):
        registry.save(tmp_path, STATE)
    assert registry.names(tmp_path) == [registry.address({"first": 1})]
    assert len(list((tmp_path / "models").iterdir())) == 1


KILLED = """
import sys, pathlib, numpy as np
from loopwright.learn.kept import registry
folder = pathlib.Path(sys.argv[1])
print("go", flush=True)
for i in range(10_000):
    registry.save(folder, {"number": i, "weights": np.full(400_000, float(i))})
"""


@pytest.mark.slow
def test_a_program_that_is_killed_while_it_writes_leaves_no_half_model(tmp_path: Path) -> None:
    for before in (0, 3):  # killed within the first model, and with some of them whole
        process = subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path)], stdout=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.readline()
        until_s = time.monotonic() + 60
        while len(registry.names(tmp_path)) < before and time.monotonic() < until_s:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
    kept = registry.names(tmp_path)
    assert len(kept) >= 3
    assert [name for name in kept if registry.wrong(tmp_path, name)] == []


def test_who_only_asks_a_model_does_not_load_the_store() -> None:
    """Machines that are played load their pack, and with it what judges them, in a process of their own."""
    code = "import sys, loopwright.packs.shop_floor; print([m for m in ('duckdb', 'sqlalchemy', 'deltalake', 'sklearn', 'numba') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
