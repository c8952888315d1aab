"""The door: who may come in, and what a page of another site cannot do."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from loopwright.app.auth import COOKIE, LOCAL, SESSION_S, TRIES, Auth, host_name, same_origin, secret
from loopwright.core.clock import NS_PER_S, SimClock
from loopwright.core.errors import NotAllowed, StoreError
from loopwright.store import Store, User, open_store
from tests.app.small_plant import PASSWORD, quick_hash

HASH = quick_hash(PASSWORD)
HERE = {"host": "127.0.0.1:8080"}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path / "plant") as opened:
        yield opened


@pytest.fixture
def clock() -> SimClock:
    return SimClock()


@pytest.fixture
def auth(store: Store, clock: SimClock) -> Auth:
    store.people.save_user(User("mara", "operator", HASH))
    return Auth(store, store.path, clock)


def test_a_plant_without_users_knows_the_only_person_of_this_machine(store: Store) -> None:
    auth = Auth(store, store.path)
    for client, host in (("127.0.0.1", "localhost:8080"), ("127.8.8.8", "127.0.0.1"), ("::1", "[::1]:8080"), ("::ffff:127.0.0.1", "LOCALHOST")):
        assert auth.who(client, {"host": host}) == LOCAL


@pytest.mark.parametrize(
    ("client", "headers", "word"),
    [
        ("192.168.1.7", HERE, "asked from 192.168.1.7"),
        ("", HERE, "unknown address"),
        ("127.0.0.1", {"host": "evil.example:8080"}, "evil.example"),  # a name that was turned to point here
        ("127.0.0.1", {"host": "127.0.0.1.evil.example"}, "evil.example"),
        ("127.0.0.1", {"host": "localhost@evil.example"}, "evil.example"),
        ("127.0.0.1", {}, "''"),
        ("127.0.0.1", {**HERE, "x-forwarded-for": "1.2.3.4"}, "proxy"),
        ("127.0.0.1", {**HERE, "forwarded": "for=1.2.3.4"}, "proxy"),
    ],
)
def test_a_plant_without_users_answers_on_this_machine_only(store: Store, client: str, headers: dict[str, str], word: str) -> None:
    with pytest.raises(NotAllowed, match="users add") as refused:
        Auth(store, store.path).who(client, headers)
    assert word in str(refused.value)


def test_with_users_nobody_is_in_until_they_say_who_they_are(auth: Auth) -> None:
    assert auth.who("127.0.0.1", HERE) is None
    assert auth.who("10.0.0.9", {"host": "plant.example"}) is None


def test_a_password_opens_a_session(auth: Auth) -> None:
    cookie = auth.sign_in("mara", PASSWORD, "10.0.0.9")
    who = auth.who("10.0.0.9", {"host": "plant.example", "cookie": f"a=b; {COOKIE}={cookie}"})
    assert who is not None
    assert (who.name, who.role, who.how) == ("mara", "operator", "session")


@pytest.mark.parametrize(
    "bend", [lambda c: c.replace(".", ".A") if ".A" not in c else c.replace(".A", ".B"), lambda c: "x" + c, lambda c: c.split(".")[0], lambda c: ".", lambda c: "", lambda c: "é.é"]
)
def test_a_bent_cookie_is_nobody(auth: Auth, bend: object) -> None:
    cookie = auth.sign_in("mara", PASSWORD)
    assert auth.who("10.0.0.9", {"cookie": f"{COOKIE}={bend(cookie)}"}) is None  # type: ignore[operator]


async def test_a_session_ends_after_a_week(auth: Auth, clock: SimClock) -> None:
    cookies = {"cookie": f"{COOKIE}={auth.sign_in('mara', PASSWORD)}"}
    clock.set_ns(clock.now_ns() + (SESSION_S - 1) * NS_PER_S)
    assert auth.who("10.0.0.9", cookies)
    clock.set_ns(clock.now_ns() + 2 * NS_PER_S)
    assert auth.who("10.0.0.9", cookies) is None


def test_a_new_password_or_role_ends_all_sessions(auth: Auth, store: Store) -> None:
    cookies = {"cookie": f"{COOKIE}={auth.sign_in('mara', PASSWORD)}"}
    store.people.save_user(User("mara", "approver", HASH))
    auth.forget()
    assert auth.who("10.0.0.9", cookies) is None


def test_a_cookie_of_another_plant_opens_nothing(auth: Auth, tmp_path: Path) -> None:
    with open_store(tmp_path / "other") as other:
        other.people.save_user(User("mara", "operator", HASH))
        cookie = Auth(other, other.path).sign_in("mara", PASSWORD)
    assert auth.who("10.0.0.9", {"cookie": f"{COOKIE}={cookie}"}) is None


def test_a_wrong_name_sounds_like_a_wrong_password(auth: Auth) -> None:
    with pytest.raises(NotAllowed) as name:
        auth.sign_in("nobody", PASSWORD)
    with pytest.raises(NotAllowed) as password:
        auth.sign_in("mara", "wrong horse battery")
    assert str(name.value) == str(password.value)


def test_guessing_is_stopped(auth: Auth, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loopwright.app.auth.passwords.matches", lambda password, stored: password == PASSWORD)
    for _ in range(TRIES):
        with pytest.raises(NotAllowed, match="do not belong together"):
            auth.sign_in("mara", "wrong horse battery", "6.6.6.6")
    with pytest.raises(NotAllowed, match="too many"):
        auth.sign_in("mara", PASSWORD, "6.6.6.6")
    assert auth.sign_in("mara", PASSWORD, "10.0.0.9")


def test_a_token_acts_as_its_user_until_it_is_taken_back(auth: Auth, store: Store) -> None:
    who = auth.who("10.0.0.9", {"cookie": f"{COOKIE}={auth.sign_in('mara', PASSWORD)}"})
    assert who is not None
    token = auth.new_token(who, "the edge")
    found = auth.who("10.0.0.9", {"authorization": f"Bearer {token}"})
    assert found is not None
    assert (found.name, found.how) == ("mara", "token")
    assert auth.who("10.0.0.9", {"authorization": "Bearer lw_guess"}) is None
    store.people.remove_user("mara")
    assert store.people.user_of("x") is None
    auth.forget()
    store.people.save_user(User("emil", "engineer", HASH))
    assert auth.who("10.0.0.9", {"authorization": f"Bearer {token}"}) is None


def test_no_token_without_users(store: Store) -> None:
    with pytest.raises(NotAllowed, match="no users"):
        Auth(store, store.path).new_token(LOCAL)


@pytest.mark.parametrize(
    "headers",
    [
        {**HERE, "origin": "http://evil.example"},
        {**HERE, "origin": "null"},
        {**HERE, "origin": "http://127.0.0.1:9999"},
        {**HERE, "sec-fetch-site": "cross-site"},
        {**HERE, "sec-fetch-site": "same-site"},
        {**HERE, "origin": "http://127.0.0.1:8080.evil.example"},
    ],
)
def test_a_page_of_another_site_cannot_write(headers: dict[str, str]) -> None:
    for method in ("POST", "DELETE", "SOCKET"):
        with pytest.raises(NotAllowed, match="open the console"):
            same_origin(method, headers)
    same_origin("GET", headers)


@pytest.mark.parametrize("headers", [{**HERE, "origin": "http://127.0.0.1:8080"}, HERE, {**HERE, "sec-fetch-site": "same-origin"}])
def test_the_plants_own_pages_and_programs_may_write(headers: dict[str, str]) -> None:
    assert same_origin("POST", headers) is None  # it would raise


@pytest.mark.parametrize(("host", "name"), [("Localhost:1", "localhost"), ("[::1]:8080", "::1"), ("a b", ""), ("", ""), ("x\n", "")])
def test_the_name_of_a_host_is_read_without_its_port(host: str, name: str) -> None:
    assert host_name(host) == name


def test_the_secret_is_made_once_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "console.secret"
    made = secret(path)
    assert secret(path) == made
    assert len(made) == 32
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.write_bytes(b"short")
    with pytest.raises(StoreError, match="delete it"):
        secret(path)
