"""A command for a plant that another process writes: it goes to that process over the local API."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx

from loopwright.app.site import Site
from loopwright.core.errors import InputError, LinkError, PlantBusy

ADDRESS = "server.json"  # in the plant's folder while it is served: where
TOKEN_ENV = "LOOPWRIGHT_TOKEN"


def base_of(site: Site, busy: PlantBusy) -> str:
    """Where the process that writes this plant answers; raises `busy` when it serves no API."""
    path = site.folder / ADDRESS
    try:
        where = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        raise busy from None
    return f"http://{where['host']}:{where['port']}/api"


def import_there(
    site: Site, busy: PlantBusy, what: str, files: Sequence[Path], thing: str, partly: bool
) -> list[dict[str, Any]]:
    """Sends files to the process that writes the plant; a row of counts for each.

    With users on the plant, the token of one is read from the environment variable LOOPWRIGHT_TOKEN.
    """
    base = base_of(site, busy)
    token = os.environ.get(TOKEN_ENV, "")
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    rows = []
    with httpx.Client(base_url=base, headers=headers, timeout=300.0) as client:
        for path in files:
            if path.is_dir():
                raise InputError(str(path), "is a folder", "a file, while another process writes this plant",
                                 "end `loopwright run` first, then import it")
            if not path.is_file():
                raise InputError(str(path), "is not there", "a file to import", "check the name")
            with path.open("rb") as content:
                form = {"serial": thing, "partly": str(partly).lower()}
                rows.append(_told(client, f"{base}/import/{what}", path, content, form))
    return rows


def _told(client: httpx.Client, url: str, path: Path, content: Any, form: dict[str, str]) -> dict[str, Any]:
    try:
        answer = client.post(url, files={"file": (path.name, content)}, data=form)
    except httpx.HTTPError as error:
        raise LinkError(
            url, f"the process that writes this plant does not answer ({error})", "", "end it, or try again"
        ) from None
    said: dict[str, Any] = answer.json()
    if answer.is_error:
        raise InputError(
            said.get("where", url), said.get("given", answer.text), said.get("allowed", ""), said.get("todo", "")
        )
    return said
