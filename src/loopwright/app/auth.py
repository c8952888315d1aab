"""Who is there, and whether they may come in: the door of the console and of the API.

Without users the plant answers on this machine only: from a loopback address, addressed as loopback, not through a
proxy.
With users everybody signs in (password, kept as a signed cookie) or shows a token (`Authorization: Bearer lw_...`).
A write that a browser sends must come from the plant's own pages: its Origin must name the host it was sent to.
That, and the
check of the Host header, keeps out pages of other sites, also those whose name was turned to point here (DNS
rebinding).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import secrets
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from loopwright.core.clock import NS_PER_S, Clock, RealClock, monotonic_s
from loopwright.core.errors import NotAllowed, StoreError
from loopwright.govern import access, passwords
from loopwright.govern.roles import EVERYONE

if TYPE_CHECKING:
    from loopwright.store import Store
    from loopwright.store.people import User

COOKIE = "loopwright_session"
SESSION_S = 7 * 86_400
TRIES_S = 300.0  # the time in which wrong passwords are counted
MOST_KEYS = 5_000
TRIES, TRIES_IN_ALL = 8, 60  # wrong passwords for one name from one address, and for any name from it
LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
_PROXIED = ("x-forwarded-for", "x-forwarded-host", "x-real-ip", "forwarded", "via")
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True)
class Who:
    """Somebody who is in. role is one of govern's, or 'everyone' for the only person of a plant without users.

    person  id of the person whose things an owner sees
    how     'loopback', 'session' or 'token'
    """

    name: str
    role: str
    person: str = ""
    how: str = "session"


LOCAL = Who("local", EVERYONE, how="loopback")
_NOBODY = "$".join(
    ["scrypt", *map(str, passwords.PASSWORD_COST), *(base64.b64encode(bytes(n)).decode() for n in (16, 32))]
)  # a hash that no password has: what an unknown name is compared with


class NotIn(NotAllowed):
    """Nobody is signed in, where somebody must be."""


class Auth:
    """Passwords, sessions and tokens of one plant.

    store   its people hold users and the hashes of tokens
    folder  where the secret that signs sessions is kept (made when it is not there; mode 600)
    """

    def __init__(self, store: Store, folder: Path, clock: Clock | None = None) -> None:
        self._people, self._clock = store.people, clock or RealClock()
        self._secret = secret(folder / "console.secret")
        self._lock = threading.Lock()
        self._wrong: dict[str, list[float]] = {}
        self._known: tuple[float, dict[str, User]] = (-1.0, {})

    def users(self) -> dict[str, User]:
        """name -> user, read again at most once a second."""
        with self._lock:
            at, users = self._known
            if at < 0 or monotonic_s() - at > 1.0:
                users = self._people.users()
                self._known = (monotonic_s(), users)
        return users

    def forget(self) -> None:
        """Users changed: read them again now."""
        with self._lock:
            self._known = (-1.0, {})

    def who(self, client: str, headers: Mapping[str, str]) -> Who | None:
        """Who sent this, None when nobody is signed in. NotAllowed when the plant does not answer there at all.

        client   address the request came from ('' when it is not known)
        headers  names in lower case
        """
        users = self.users()
        if not users:
            self.only_here(client, headers)
            return LOCAL
        given = headers.get("authorization", "")
        if given.lower().startswith("bearer "):
            user = self._people.user_of(passwords.token_hash(given[7:].strip()))
            return Who(user.name, user.role, user.person, "token") if user else None
        user = self._user_of_cookie(cookies(headers).get(COOKIE, ""), users)
        return Who(user.name, user.role, user.person) if user else None

    def only_here(self, client: str, headers: Mapping[str, str]) -> None:
        """Raises NotAllowed unless it came from this machine, addressed as this machine, without a proxy between."""
        access.answer_at(client, 0)
        todo = "add a user (loopwright users add NAME ROLE --site SITE), or use the machine it runs on"
        if proxy := next((name for name in _PROXIED if name in headers), ""):
            raise NotAllowed(
                "console and API", f"asked through a proxy ({proxy})", "loopback while the plant has no users", todo
            )
        host = host_name(headers.get("host", ""))
        if host not in LOCAL_NAMES:
            raise NotAllowed(
                "console and API",
                f"asked for as {host!r}",
                "localhost, 127.0.0.1 or [::1] while the plant has no users",
                todo,
            )

    def sign_in(self, name: str, password: str, client: str = "") -> str:
        """The cookie of a new session. NotAllowed for a wrong name or password (never saying which), or too many
        tries."""
        keys = {f"{client}/{name}": TRIES, client: TRIES_IN_ALL}
        with self._lock:
            if len(self._wrong) > MOST_KEYS:  # somebody tries many names: those of long ago are forgotten
                self._wrong = {k: v for k, v in self._wrong.items() if v and monotonic_s() - v[-1] < TRIES_S}
            for key, most in keys.items():
                self._wrong[key] = [t for t in self._wrong.get(key, []) if monotonic_s() - t < TRIES_S]
                if len(self._wrong[key]) >= most:
                    raise NotAllowed(
                        "sign in", "too many wrong tries from here", "", f"wait {TRIES_S / 60:.0f} minutes"
                    )
        user = self._people.users().get(name)
        # the hash is worked out for an unknown name too, so that the time does not tell which names there are
        if not passwords.matches(password, user.password_hash if user else _NOBODY) or user is None:
            with self._lock:
                for key in keys:
                    self._wrong[key].append(monotonic_s())
            raise NotAllowed(
                "sign in",
                "this name and password do not belong together",
                "",
                "try again, or ask whoever runs the plant",
            )
        with self._lock:
            self._wrong.pop(f"{client}/{name}", None)
        self.forget()
        return self._signed(user)

    def new_token(self, who: Who, label: str = "") -> str:
        """A token for programs that act as this user; only its hash is kept."""
        if who.role == EVERYONE:
            raise NotAllowed(
                "token", "this plant has no users", "", "add a user first: loopwright users add NAME ROLE --site SITE"
            )
        token, kept = passwords.new_token()
        self._people.add_token(who.name, kept, label)
        return token

    def _signed(self, user: User) -> str:
        until_s = self._clock.now_ns() // NS_PER_S + SESSION_S
        body = f"{user.name}\n{until_s}\n{_mark(user)}".encode()
        return f"{_text(body)}.{_text(hmac.digest(self._secret, body, 'sha256'))}"

    def _user_of_cookie(self, cookie: str, users: Mapping[str, User]) -> User | None:
        """The user whose session it is: signed by us, not over, and the password is still the same."""
        head, _, tail = cookie.partition(".")
        try:
            body, seal = _bytes(head), _bytes(tail)
        except ValueError:
            return None
        if not hmac.compare_digest(hmac.digest(self._secret, body, "sha256"), seal):
            return None
        name, until_s, mark = body.decode().split("\n")
        user = users.get(name)
        if (
            user is None
            or self._clock.now_ns() // NS_PER_S > int(until_s)
            or not hmac.compare_digest(mark, _mark(user))
        ):
            return None
        return user


def same_origin(method: str, headers: Mapping[str, str]) -> None:
    """Raises NotAllowed for a write, or a socket, that a page of another site sends.

    A browser names the page in Origin (and in Sec-Fetch-Site); programs that are no browsers name none, and pass.
    """
    if method in _SAFE:
        return
    origin, host = headers.get("origin", ""), headers.get("host", "")
    if origin and (origin == "null" or _authority(origin) != host.lower()):
        raise NotAllowed("write", f"sent by a page of {origin}", f"pages of {host}", "open the console itself")
    if not origin and headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise NotAllowed("write", "sent by a page of another site", f"pages of {host}", "open the console itself")


def host_name(host: str) -> str:
    """The name in a Host header, without port and brackets, in lower case."""
    return (urlsplit(f"//{host}").hostname or "").lower() if host.isprintable() and " " not in host else ""


def cookies(headers: Mapping[str, str]) -> dict[str, str]:
    """The cookies of a request by name."""
    pairs = (part.strip().partition("=") for part in headers.get("cookie", "").split(";"))
    return {name: value for name, _, value in pairs if name}


def secret(path: Path) -> bytes:
    """The plant's secret, 32 bytes from that file; made with mode 600 when there is none."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        known = path.read_bytes()
        if len(known) != 32:
            raise StoreError(
                str(path), f"holds {len(known)} bytes", "32 bytes of chance", "delete it; everybody signs in again"
            ) from None
        return known
    except OSError as error:
        raise StoreError(
            str(path), f"cannot be made ({error.strerror})", "", "mend the rights of the plant's folder"
        ) from error
    with os.fdopen(handle, "wb") as file:
        made = secrets.token_bytes(32)
        file.write(made)
    return made


def _authority(origin: str) -> str:
    return urlsplit(origin).netloc.lower()


def _mark(user: User) -> str:
    """Changes with the password and the role, so that old sessions end."""
    return hashlib.sha256(f"{user.password_hash}/{user.role}/{user.person}".encode()).hexdigest()[:24]


def _text(given: bytes) -> str:
    return base64.urlsafe_b64encode(given).decode().rstrip("=")


def _bytes(given: str) -> bytes:
    return base64.urlsafe_b64decode(given + "=" * (-len(given) % 4))
