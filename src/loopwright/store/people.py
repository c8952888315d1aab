"""People: the only tables that hold personal data, and the only ones from which rows can be erased."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import sqlalchemy as sa

from loopwright.core.errors import UnknownName
from loopwright.core.types import Person
from loopwright.store.schema import persons, tokens, told, users


@dataclass(frozen=True)
class User:
    """Somebody who may enter: role is one of govern's; password_hash: the caller's, salted; person: an owner's."""

    name: str
    role: str
    password_hash: str
    person: str = ""


class People:
    """Persons, users and the hashes of their tokens."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def save(self, people: Person | Iterable[Person]) -> int:
        """Adds persons or replaces them by id, in one transaction; how many."""
        rows = [_row(person) for person in ([people] if isinstance(people, Person) else people)]
        with self._writing() as connection:
            for at in range(0, len(rows), 500):
                part = rows[at:at + 500]
                connection.execute(sa.delete(persons).where(persons.c.id.in_([row["id"] for row in part])))
                connection.execute(sa.insert(persons), part)
        return len(rows)

    def person(self, person_id: str) -> Person:
        """The person of that id; UnknownName when there is none, or no longer."""
        found = self.find(ids=[person_id])
        if not found:
            raise UnknownName("person", person_id, self._some_ids())
        return found[0]

    def find(
        self,
        *,
        ids: Iterable[str] | None = None,
        source: str | None = None,
        handedness: str | None = None,
        limit: int | None = None,
    ) -> list[Person]:
        """Persons by id, where they come from or hand, in the order of their ids."""
        query = sa.select(persons).order_by(persons.c.id)
        if ids is not None:
            query = query.where(persons.c.id.in_(list(ids)))
        if source is not None:
            query = query.where(persons.c.source == source)
        if handedness is not None:
            query = query.where(persons.c.handedness == handedness)
        with told("read"), self._engine.connect() as connection:
            return [
                _person(row)
                for row in connection.execute(query.limit(limit) if limit is not None else query).mappings()
            ]

    def erase(self, person_id: str) -> bool:
        """Deletes a person for good; whether there was one. What their things said is erased by Store.erase_points."""
        with self._writing() as connection:
            gone = connection.execute(sa.delete(persons).where(persons.c.id == person_id)).rowcount
            names = connection.execute(sa.select(users.c.name).where(users.c.person == person_id)).scalars().all()
            connection.execute(sa.delete(tokens).where(tokens.c.user.in_(names)))
            connection.execute(sa.delete(users).where(users.c.name.in_(names)))
        if self._engine.dialect.name == "sqlite":
            raw = self._engine.raw_connection()  # outside any transaction
            try:
                raw.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            finally:
                raw.close()
        return gone > 0

    def save_user(self, user: User) -> None:
        """Adds a user or replaces them by name."""
        with self._writing() as connection:
            connection.execute(sa.delete(users).where(users.c.name == user.name))
            connection.execute(sa.insert(users), [vars(user)])

    def users(self) -> dict[str, User]:
        """name -> user."""
        with told("read"), self._engine.connect() as connection:
            return {
                row["name"]: User(**row)
                for row in connection.execute(sa.select(users).order_by(users.c.name)).mappings()
            }

    def remove_user(self, name: str) -> bool:
        """Deletes a user and their tokens; whether there was one."""
        with self._writing() as connection:
            connection.execute(sa.delete(tokens).where(tokens.c.user == name))
            return connection.execute(sa.delete(users).where(users.c.name == name)).rowcount > 0

    def add_token(self, user: str, token_hash: str, label: str = "") -> None:
        """Keeps the hash of a token of a user; UnknownName when there is no such user."""
        known = self.users()
        if user not in known:
            raise UnknownName("user", user, known)
        with self._writing() as connection:
            connection.execute(sa.insert(tokens), [{"hash": token_hash, "user": user, "label": label}])

    def user_of(self, token_hash: str) -> User | None:
        """Whose token it is, None when nobody's."""
        query = sa.select(users).join(tokens, tokens.c.user == users.c.name).where(tokens.c.hash == token_hash)
        with told("read"), self._engine.connect() as connection:
            row = connection.execute(query).mappings().first()
        return User(**row) if row else None

    def remove_token(self, token_hash: str) -> bool:
        """Deletes a token; whether there was one."""
        with self._writing() as connection:
            return connection.execute(sa.delete(tokens).where(tokens.c.hash == token_hash)).rowcount > 0

    @contextmanager
    def _writing(self) -> Iterator[sa.Connection]:
        with told("written"), self._engine.execution_options(writes=True).begin() as connection:
            yield connection

    def _some_ids(self) -> list[str]:
        with told("read"), self._engine.connect() as connection:
            return list(connection.execute(sa.select(persons.c.id).order_by(persons.c.id).limit(31)).scalars())


def _row(person: Person) -> dict[str, str]:
    return {
        "id": person.id,
        "measures": json.dumps(dict(person.measures), allow_nan=False),
        "handedness": person.handedness,
        "consents": json.dumps(dict(person.consents)),
        "source": person.source,
        "group": person.group,
    }


def _person(row: sa.RowMapping) -> Person:
    return Person(
        id=row["id"],
        measures=json.loads(row["measures"]),
        handedness=row["handedness"],
        consents=json.loads(row["consents"]),
        source=row["source"],
        group=row["group"],
    )
