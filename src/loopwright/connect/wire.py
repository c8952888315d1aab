"""What every protocol needs: settings from the site file, ports, plain words for a failed link, and patience.

    from_table(Settings, table, where)    a frozen Settings from a table of the site file, every key and type checked
    secret(name, where)                   the value of the environment variable that `password_env` names
    free_port()                           a port of the loopback that nobody uses now
    link_error(where, host, port, error)  an OSError in words that say what to do
    Backoff(clock)                        waits longer after every failure
"""

from __future__ import annotations

import dataclasses
import errno
import os
import random
import socket
import types
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

from loopwright.core.clock import Clock
from loopwright.core.errors import LinkError, SiteError, UnknownName

S = TypeVar("S")
LOOPBACK = "127.0.0.1"
_WORDS = {str: "text", bool: "true or false", int: "a whole number", float: "a number"}


def from_table(settings_class: type[S], table: Mapping[str, Any], where: str) -> S:
    """A frozen Settings from one table of the site file.

    settings_class  a dataclass of str, int, float, bool, Literal, tuple[..., ...], Mapping[str, ...] or None
    where           the table's name in messages: 'connect.mqtt'
    Raises UnknownName for a key that is no setting (with the nearest), SiteError for a wrong type or a missing one.
    """
    fields = {f.name: f for f in dataclasses.fields(settings_class)}  # type: ignore[arg-type]
    hints = typing.get_type_hints(settings_class)
    for name in table:
        if name not in fields:
            raise UnknownName(where, name, fields)
    given = {name: _typed(value, hints[name], f"{where}.{name}") for name, value in table.items()}
    for name, field in fields.items():
        required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        if required and name not in given:
            raise SiteError(f"{where}.{name}", "is not set", _says(hints[name]))
    return settings_class(**given)


def _typed(value: Any, hint: Any, where: str) -> Any:
    """The value as the type says; SiteError otherwise. An int may stand for a float, never a bool for a number."""
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        choices = [c for c in typing.get_args(hint) if c is not type(None)]
        return None if value is None else _typed(value, choices[0], where)
    if origin is tuple and isinstance(value, (list, tuple)):
        item = typing.get_args(hint)[0]
        return tuple(_typed(v, item, f"{where}[{i}]") for i, v in enumerate(value))
    if origin is not None and issubclass(origin, Mapping) and isinstance(value, Mapping):
        item = typing.get_args(hint)[1]
        return {str(k): _typed(v, item, f"{where}.{k}") for k, v in value.items()}
    if origin is typing.Literal and value in typing.get_args(hint):
        return value
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(hint, type) and isinstance(value, hint) and (hint is bool or not isinstance(value, bool)):
        return value
    raise SiteError(where, f"{value!r} is {_kind_of(value)}", _says(hint))


def _kind_of(value: Any) -> str:
    return {**_WORDS, list: "a list", dict: "a table"}.get(type(value), f"a {type(value).__name__}")


def _says(hint: Any) -> str:
    origin = typing.get_origin(hint)
    if origin is typing.Literal:
        return ", ".join(repr(choice) for choice in typing.get_args(hint))
    if origin in (typing.Union, types.UnionType):
        return _says(next(c for c in typing.get_args(hint) if c is not type(None)))
    if origin is tuple:
        return "a list of " + _says(typing.get_args(hint)[0])
    return _WORDS.get(hint, "a table")


def secret(name: str, where: str) -> str:
    """The value of the environment variable that a `*_env` setting names ('' gives ''); SiteError when it is unset."""
    if not name:
        return ""
    if name not in os.environ:
        raise SiteError(where, f"the environment variable {name!r} is not set", "", f"set it: export {name}=...")
    return os.environ[name]


def free_port(host: str = LOOPBACK) -> int:
    """A port nobody uses at this moment; another process may take it before you do, so be ready to ask again."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def require_free(host: str, port: int, where: str) -> None:
    """Raises LinkError when somebody listens on that port already."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise link_error(where, host, port, error) from None


def link_error(where: str, host: str, port: int, error: BaseException, todo: str = "") -> LinkError:
    """A failed connect or bind in words: what happened at host:port, and what to do (`todo` replaces our advice)."""
    code = error.errno if isinstance(error, OSError) else None
    peer, allowed = f"{host}:{port}", ""
    if code == errno.EADDRINUSE:
        given, advice = f"port {port} of {host} is taken by another program", "choose another port, or 0 for a free one"
    elif code in (errno.EACCES, errno.EPERM):
        given, allowed, advice = f"this user may not use port {port} of {host}", "a port of 1024 and more", ""
    elif isinstance(error, socket.gaierror):
        given, advice = f"the name {host!r} is not known on this network", "check `host`"
    elif code == errno.ECONNREFUSED:
        given, advice = f"nobody listens at {peer}", "start the peer, or correct `host` and `port`"
    elif isinstance(error, TimeoutError) or code in (errno.ETIMEDOUT, errno.EHOSTUNREACH, errno.ENETUNREACH):
        given, advice = f"no answer from {peer}", "check the network and the firewall, then `host` and `port`"
    else:
        given = f"no link to {peer}: {error or type(error).__name__}"
        advice = "check that the peer runs and speaks this protocol"
    return LinkError(where, given, allowed, todo or advice)


class Backoff:
    """Waits longer after every failure, on the house's clock: about first_s, twice that, ... up to most_s.

    Each wait is drawn between half of it and all of it, so that a thousand machines do not come back in one instant.
    """

    def __init__(self, clock: Clock, first_s: float = 0.2, most_s: float = 30.0) -> None:
        self._clock, self._first_s, self._most_s = clock, first_s, most_s
        self._next_s = first_s

    async def wait(self) -> float:
        """Sleeps and returns how long, in seconds."""
        seconds = self._next_s * random.uniform(0.5, 1.0)
        self._next_s = min(self._most_s, self._next_s * 2)
        await self._clock.sleep(seconds)
        return seconds

    def reset(self) -> None:
        """The link works again: the next wait is a short one."""
        self._next_s = self._first_s
