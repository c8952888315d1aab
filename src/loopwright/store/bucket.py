"""A Delta table in an object store (S3 and what speaks like it): twin of `store.place.LocalPlace`.

Data files never change, so each is fetched once into a folder of this machine and read there; beyond a limit the
ones that were not used for longest are given up. A commit is a conditional PUT, so of two writers one comes first.
"""

from __future__ import annotations

import os
import threading
import uuid
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from loopwright.core.clock import age_s
from loopwright.core.errors import InputError, StoreError

CACHE_BYTES = 8_000_000_000
_BUSY_S = 120  # a file that was asked for so recently may still be read
_OLD_S = 3600
_SECRET = ("key", "secret", "token", "password")


class BucketPlace:
    """A prefix of a bucket.

    url      's3://bucket/prefix/points'
    cache    folder of this machine for fetched files; limit: bytes of it that are kept
    options  names as delta-rs takes them: aws_endpoint_url, aws_region, aws_allow_http. Keys and secrets are read from
             the environment (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY) and refused here.
    """

    shared = True

    def __init__(self, url: str, cache: Path, options: Mapping[str, str], limit: int = CACHE_BYTES) -> None:
        self.uri, self.cache, self._limit = url.rstrip("/"), cache, limit
        self.options = {name.lower(): str(value) for name, value in options.items()}
        for name in self.options:
            if any(word in name for word in _SECRET):
                raise InputError(
                    f"points {self.uri}", f"option {name!r} stands in the settings", "no secrets",
                    "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment",
                )
        self._objects = _connect(self.uri, self.options)
        self._lock = threading.Lock()
        cache.mkdir(parents=True, exist_ok=True)

    def folder(self) -> Path:
        return self.cache

    def settle(self) -> None:
        """An object that is there is durable."""

    def mend(self) -> None:
        """An object is whole or not there."""

    def torn(self) -> list[str]:
        return []

    def broken(self, sizes: Mapping[str, int]) -> dict[str, str]:
        return {}

    def draft(self, name: str) -> Path:
        return self.cache / name

    def publish(self, name: str) -> None:
        self.send(name, self.cache / name)

    def create(self, name: str, data: bytes) -> bool:
        import obstore
        from obstore.exceptions import AlreadyExistsError, PreconditionError

        try:
            obstore.put(self._objects, name, data, mode="create")
        except (AlreadyExistsError, PreconditionError):
            return _text(self._objects, name) == data  # a PUT that was sent again after its answer got lost
        except Exception as error:
            raise OSError(f"{name} cannot be written: {_first(error)}") from error
        return True

    def remove(self, names: Iterable[str]) -> None:
        import obstore

        for name in names:
            (self.cache / name).unlink(missing_ok=True)
            try:
                obstore.delete(self._objects, name)
            except FileNotFoundError:
                continue
            except Exception as error:
                raise OSError(f"{name} cannot be removed: {_first(error)}") from error

    def names(self, below: str | None = None) -> list[str]:
        """Every object of the table, or of one of its folders, sorted."""
        import obstore

        try:
            return sorted(str(one["path"]) for part in obstore.list(self._objects, prefix=below) for one in part)
        except Exception as error:
            raise StoreError(f"points {self.uri}", f"it cannot be listed ({_first(error)})", "",
                             "see that the object store answers") from error

    def send(self, name: str, path: Path) -> None:
        """Puts a file there as an object of that name."""
        import obstore

        try:
            with path.open("rb") as file:
                obstore.put(self._objects, name, file)
        except Exception as error:
            raise OSError(f"{name} cannot be sent: {_first(error)}") from error

    def local(self, names: Iterable[str]) -> list[str]:
        wanted = [self.cache / name for name in names]
        with self._lock:
            for path in wanted:
                if not path.exists():
                    self.fetch(path.name, path)
                os.utime(path)
            self._give_up(set(wanted))
        return [str(path) for path in wanted]

    def fetch(self, name: str, path: Path) -> None:
        """Copies an object, of whatever name, into a file, which appears when it is whole."""
        import obstore

        half = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
        try:
            with half.open("wb") as file:
                for chunk in obstore.get(self._objects, name):
                    file.write(chunk)
            half.replace(path)
        except Exception as error:
            raise StoreError(
                f"points {self.uri}", f"{name} cannot be fetched ({_first(error)})", "",
                "see that the object store answers, and that nobody removed the file there",
            ) from error
        finally:
            half.unlink(missing_ok=True)

    def _give_up(self, wanted: set[Path]) -> None:
        there = [(path.stat(), path) for path in self.cache.iterdir()]
        for stat, path in there:
            if path.suffix == ".tmp" and age_s(stat.st_mtime) > _OLD_S:  # of a process that was killed
                path.unlink(missing_ok=True)
        files = [(stat, path) for stat, path in there if path.suffix == ".parquet"]
        total = sum(stat.st_size for stat, _ in files)
        for stat, path in sorted(files, key=lambda found: found[0].st_mtime):
            if total <= self._limit or age_s(stat.st_mtime) < _BUSY_S:
                break
            if path not in wanted:
                path.unlink(missing_ok=True)
                total -= stat.st_size


def _connect(url: str, options: Mapping[str, str]) -> Any:
    try:
        from obstore.store import from_url
    except ImportError as error:
        raise StoreError(
            f"points {url}", "an object store needs the library obstore", "", "pip install 'loopwright[s3]'"
        ) from error
    client = {"allow_http": options.get("aws_allow_http", options.get("allow_http", "false")).lower() == "true"}
    config = {name: value for name, value in options.items() if not name.endswith("allow_http")}
    try:
        return from_url(url, config=config, client_options=client)  # type: ignore[call-overload]
    except BaseException as error:  # obstore panics on names that it does not know
        if isinstance(error, KeyboardInterrupt | SystemExit):
            raise
        raise InputError(
            f"points {url}", _first(error), "s3://bucket/prefix with aws_endpoint_url, aws_region, aws_allow_http"
        ) from error


def _text(objects: Any, name: str) -> bytes:
    import obstore

    return bytes(obstore.get(objects, name).bytes())


def _first(error: BaseException) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__

