"""A site's store, opened where the site says that its points and its events stand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import sqlalchemy as sa

from loopwright.app.site import Site, site_of
from loopwright.connect.wire import secret
from loopwright.core.clock import Clock
from loopwright.core.errors import SiteError, StoreError
from loopwright.store import Store, open_store

_SECRET = ("key", "secret", "token", "password")


def open_site(site: Site | Path, clock: Clock | None = None, *, read_only: bool = False) -> Store:
    """The store of a site, or of what `--site PATH` means; as `open_store` otherwise."""
    site = site_of(site) if isinstance(site, Path) else site
    return open_store(site.folder, clock, read_only=read_only, events_url=events_url(site), **points_of(site))


def there(site: Site) -> None:
    """Raises StoreError when the site has no plant yet: for commands that would make an empty one and look at that."""
    if not any((site.folder / name).exists() for name in ("journal.sqlite", "mirror", "points")):
        raise StoreError(f"plant {site.folder}", "there is no plant in it", "", "look at the name of the folder; "
                         "`loopwright run SITE` or an import makes a plant")


def points_of(site: Site) -> dict[str, Any]:
    """points_url and storage_options, as `open_store` takes them."""
    table = site["store"]
    return {"points_url": table["points_url"], "storage_options": dict(table["points_options"]) or None}


def events_url(site: Site) -> str:
    """The database of events and people, read from the variable that the site names; '' is the plant's folder."""
    table = site["store"]
    return database(table["events_url_env"], f"{site.file or site.folder} [store] events_url_env")


def database(variable: str, where: str) -> str:
    """The URL of a database that stands in an environment variable. SiteError when it is unset or no such URL."""
    url = secret(variable, where)
    if not variable:
        return ""
    try:
        parsed = sa.engine.make_url(url)
    except (sa.exc.ArgumentError, ValueError):
        parsed = None
    if parsed is None or parsed.get_backend_name() != "postgresql" or not parsed.database:
        raise SiteError(where, f"{variable} holds no URL of a PostgreSQL database",
                        "postgresql://user:password@host:5432/database")
    return parsed.set(drivername="postgresql+psycopg").render_as_string(hide_password=False)


def check(site: Site, where: str) -> None:
    """Raises SiteError for a [store] table that says what cannot be; the environment is not looked at."""
    table = site["store"]
    url = table["points_url"]
    if url and not (url.startswith("s3://") and url[5:].strip("/")):
        raise SiteError(f"{where} points_url", f"is {url!r}", "'s3://bucket/prefix'")
    if table["points_options"] and not url:
        raise SiteError(f"{where} points_options", "is given without points_url", "points_url = 's3://bucket/prefix'")
    for name, value in table["points_options"].items():
        if not isinstance(value, str):
            raise SiteError(f"{where} points_options", f"{name} is {value!r}", "texts: aws_allow_http = \"true\"")
        if any(word in name.lower() for word in _SECRET):
            raise SiteError(f"{where} points_options", f"{name!r} is a secret", "no secrets",
                            "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment")
    if (url or table["events_url_env"]) and site["edge"]["name"]:
        raise SiteError(where, "is given for an edge, which keeps what waits in its own folder", "no [store] table")


def rows(site: Site) -> list[tuple[str, str]]:
    """What `loopwright check` says of it."""
    table = site["store"]
    found = [("points", table["points_url"])] if table["points_url"] else []
    return found + ([("events", f"database in ${table['events_url_env']}")] if table["events_url_env"] else [])
