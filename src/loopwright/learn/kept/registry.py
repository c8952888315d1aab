"""Models kept by what they are: the name of a file is the SHA-256 of its bytes.

    name = save(plant, state)        plant/models/<name>, durable, whole or not at all; the same state, the same name
    state = load(plant, name)        checked against its name; an altered file is refused

A state is what `fit` gave: tables (dict), lists, tuples, sets, text, numbers, None and NumPy arrays. It is written as
canonical JSON (keys sorted) with the arrays behind it, little-endian and in C order, so it can be read without this
program and runs nothing when it is read; no pickle. What cannot be written so says where it stands.

    file = 'LWMODEL1' | length of the JSON, uint64 | JSON {"arrays": [{dtype, shape, start, bytes}], "state"} | arrays

Every array begins at a multiple of 64 bytes from the start of the arrays, which begin at one from the start of the
file. `$` marks what JSON has no word for (an array, a tuple, NaN); see `_Writer`.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from loopwright.core.clock import age_s
from loopwright.core.errors import InputError, StoreError

FOLDER = "models"
MAGIC, ALIGNED, DEEPEST = b"LWMODEL1", 64, 64
_NAME = re.compile(r"[0-9a-f]{64}")
_PLAIN = "tables, lists, tuples, sets, text, numbers, None and arrays of numbers, text, times or truth values"
_LEFT_S = 3600.0  # a half-written file that is older than that belongs to nobody


def save(plant: Path, state: Any) -> str:
    """Keeps a state in the folder of a plant; its name. A file of that name that was altered is written again.

    Raises InputError for a state that cannot be written, naming the place in it; StoreError when the disk refuses.
    """
    from loopwright.store.place import LocalPlace, durable  # heavy: what only asks models does without the store

    data = encode(state)
    name = hashlib.sha256(data).hexdigest()
    folder = Path(plant) / FOLDER
    try:
        if not folder.is_dir():
            folder.mkdir(parents=True)
            durable([folder.parent])
        _tidy(folder)
        place = LocalPlace(folder)
        if not place.create(name, data) and wrong(plant, name):
            (folder / name).unlink()
            place.create(name, data)
    except OSError as error:
        raise StoreError(f"model {name[:12]}", f"it cannot be written ({error.strerror})", "",
                         "free the disk or mend its rights; no half model is left") from error
    return name


def load(plant: Path, name: str) -> Any:
    """The state of that name. Raises InputError for what is no name, StoreError where it is gone or was altered."""
    return decode(_checked(plant, name), f"model {name[:12]}")


def names(plant: Path) -> list[str]:
    """Names of all models that are kept, sorted."""
    folder = Path(plant) / FOLDER
    return sorted(path.name for path in folder.glob("*") if _NAME.fullmatch(path.name)) if folder.is_dir() else []


def wrong(plant: Path, name: str) -> str:
    """What is wrong with a kept model, in words; '' when its bytes are those of its name."""
    try:
        _checked(plant, name)
    except StoreError as error:
        return error.given
    return ""


def address(state: Any) -> str:
    """The name that a state has, or would have, without keeping it."""
    return hashlib.sha256(encode(state)).hexdigest()


def encode(state: Any) -> bytes:
    """A state as the bytes of its file; equal states give equal bytes, however their keys and arrays are laid out."""
    writer = _Writer()
    plain = writer.plain(state, "state", 0)
    head = {"arrays": writer.heads, "state": plain}
    text = json.dumps(head, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()
    front = MAGIC + struct.pack("<Q", len(text)) + text
    return front + b"\0" * (-len(front) % ALIGNED) + b"".join(writer.parts)


def decode(data: bytes, where: str = "model") -> Any:
    """The state that `encode` made these bytes of. Raises StoreError for anything else."""
    try:
        if data[:8] != MAGIC:
            raise ValueError("it does not begin as a model does")
        (size,) = struct.unpack("<Q", data[8:16])
        head = json.loads(data[16:16 + size])
        begin = 16 + size + -(16 + size) % ALIGNED
        if len(data) != begin + sum(int(one["bytes"]) + -int(one["bytes"]) % ALIGNED for one in head["arrays"]):
            raise ValueError("it is longer or shorter than it says")
        arrays = [_array(one, data, begin) for one in head["arrays"]]
        return _state(head["state"], arrays)
    except (ValueError, KeyError, TypeError, IndexError, struct.error, RecursionError) as error:
        raise StoreError(where, f"it is not a model file ({error})", "", "restore it from a backup") from error


def _checked(plant: Path, name: str) -> bytes:
    where = f"model {name[:12]}"
    if not _NAME.fullmatch(name):
        raise InputError(where, f"{name!r} is no name of a model", "64 digits of a SHA-256")
    try:
        data = (Path(plant) / FOLDER / name).read_bytes()
    except FileNotFoundError:
        raise StoreError(where, "its file is gone", "", "restore it from a backup, or train it again") from None
    except OSError as error:
        raise StoreError(where, f"it cannot be read ({error.strerror})") from error
    found = hashlib.sha256(data).hexdigest()
    if found != name:
        raise StoreError(where, f"its file was altered: its SHA-256 is {found[:12]}...", "",
                         "restore it from a backup, or train it again")
    return data


def _tidy(folder: Path) -> None:
    """Removes what programs that were killed left half written."""
    for path in folder.glob(".*.tmp"):
        try:
            if age_s(path.stat().st_mtime) > _LEFT_S:
                path.unlink()
        except FileNotFoundError:
            continue


class _Writer:
    """Makes plain JSON of a state and takes its arrays aside. heads: what and where each is; parts: their bytes."""

    def __init__(self) -> None:
        self.heads: list[dict[str, Any]] = []
        self.parts: list[bytes] = []
        self._at = 0

    def plain(self, value: Any, where: str, depth: int) -> Any:
        """A value as JSON; InputError names where it stands when it cannot be."""
        if depth > DEEPEST:
            raise InputError(where, f"is more than {DEEPEST} levels deep, or holds itself", "a state less deep")
        kind = type(value)
        if value is None or kind is bool or kind is str:
            return value if kind is not str else _text(value, where)
        if kind is int:
            return _whole(value, where)
        if kind is float:
            return value if math.isfinite(value) else {"$": "float", "v": repr(value)}
        if kind in (list, tuple):
            inner = [self.plain(one, f"{where}[{i}]", depth + 1) for i, one in enumerate(value)]
            return inner if kind is list else {"$": "tuple", "v": inner}
        if isinstance(value, Mapping):
            return self._table(value, where, depth)
        if kind in (set, frozenset):
            inner = sorted((self.plain(one, f"{where}{{}}", depth + 1) for one in value), key=_canonical)
            return {"$": kind.__name__, "v": inner}
        if isinstance(value, np.generic):
            flat = _flat(np.asarray(value), where)
            return {"$": "scalar", "dtype": flat.dtype.str, "v": flat.tobytes().hex()}
        if kind is bytes:
            return {"$": "bytes", "i": self._aside(np.frombuffer(value, np.uint8), where)}
        if kind in (np.ndarray, np.memmap):
            return {"$": "array", "i": self._aside(value, where)}
        raise InputError(where, f"a {kind.__module__}.{kind.__name__} cannot be kept", _PLAIN,
                         "keep its numbers instead (learn.kept.trees.export takes scikit-learn's trees)")

    def _table(self, value: Mapping[Any, Any], where: str, depth: int) -> Any:
        if all(type(key) is str and key != "$" for key in value):
            return {_text(key, where): self.plain(value[key], f"{where}[{key!r}]", depth + 1) for key in sorted(value)}
        rows = [(self.plain(key, f"a key of {where}", depth + 1), key) for key in value]
        rows.sort(key=lambda row: _canonical(row[0]))
        return {"$": "dict", "v": [[row, self.plain(value[key], f"{where}[{key!r}]", depth + 1)] for row, key in rows]}

    def _aside(self, value: np.ndarray, where: str) -> int:
        flat = _flat(value, where)
        data = flat.tobytes()
        self.heads.append({"dtype": flat.dtype.str, "shape": list(flat.shape), "start": self._at, "bytes": len(data)})
        filled = data + b"\0" * (-len(data) % ALIGNED)
        self.parts.append(filled)
        self._at += len(filled)
        return len(self.heads) - 1


def _flat(value: np.ndarray, where: str) -> np.ndarray:
    """An array in C order, little-endian, with one and the same NaN; InputError for what is not plain."""
    dtype = value.dtype
    if dtype.kind not in "biufcUSmM" or (dtype.kind in "fc" and dtype.itemsize > (8 if dtype.kind == "f" else 16)):
        raise InputError(where, f"an array of {dtype} cannot be kept", _PLAIN)
    flat = np.array(value, dtype=dtype.newbyteorder("<"), order="C")
    if dtype.kind in "fc" and flat.size:
        parts = flat.reshape(-1).view(f"<f{dtype.itemsize // (2 if dtype.kind == 'c' else 1)}")
        parts[np.isnan(parts)] = np.nan
    return flat


def _text(value: str, where: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise InputError(where, f"{value[:50]!r} cannot be written as UTF-8", "text without half characters") from None
    return value


def _whole(value: int, where: str) -> int:
    if not -(2**63) <= value < 2**64:
        raise InputError(where, "a whole number of more than 64 bits cannot be kept", "a number that fits 64 bits")
    return value


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def _array(head: Mapping[str, Any], data: bytes, begin: int) -> np.ndarray:
    dtype, shape = np.dtype(str(head["dtype"])), tuple(int(n) for n in head["shape"])
    size, start = int(head["bytes"]), begin + int(head["start"])
    right = dtype.kind in "biufcUSmM" and all(n >= 0 for n in shape) and math.prod(shape) * dtype.itemsize == size
    if not right or head["start"] < 0 or start + size > len(data):
        raise ValueError("an array of it does not fit")
    if not size:
        return np.zeros(shape, dtype)
    return np.frombuffer(data[start:start + size], dtype).reshape(shape).copy()


def _state(value: Any, arrays: list[np.ndarray]) -> Any:
    if isinstance(value, list):
        return [_state(one, arrays) for one in value]
    if not isinstance(value, dict):
        return value
    if "$" not in value:
        return {key: _state(one, arrays) for key, one in value.items()}
    kind = value["$"]
    if kind in ("tuple", "set", "frozenset"):
        inner = [_state(one, arrays) for one in value["v"]]
        return {"tuple": tuple, "set": set, "frozenset": frozenset}[kind](inner)
    if kind == "dict":
        return {_state(key, arrays): _state(one, arrays) for key, one in value["v"]}
    if kind == "float":
        return float(value["v"])
    if kind == "scalar":
        return np.frombuffer(bytes.fromhex(value["v"]), np.dtype(value["dtype"]))[0]
    if kind in ("array", "bytes") and value["i"] >= 0:
        found = arrays[value["i"]]
        return found if kind == "array" else found.tobytes()
    raise ValueError(f"{kind!r} is not known")
