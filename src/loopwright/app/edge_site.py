"""What the [edge] table of a site file must say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from loopwright.connect.centre import checked_url
from loopwright.connect.relay import edge_name
from loopwright.core.errors import SiteError, UnknownName
from loopwright.store.buffer import POLICIES


def check(edge: Mapping[str, Any], where: str) -> None:
    """Raises SiteError, InputError or UnknownName for a table that no edge can run by."""
    if not edge["name"] or not edge["centre"]:
        raise SiteError(where, "has no name or no centre", 'name = "line-3" and centre = "http://10.0.0.2:8080"')
    edge_name(edge["name"])
    checked_url(edge["centre"], f"{where} centre")
    if edge["when_full"] not in POLICIES:
        raise UnknownName(f"{where} when_full", edge["when_full"], POLICIES)
    if edge["buffer_mb"] <= 0 or edge["report_s"] <= 0:
        raise SiteError(where, f"buffer_mb {edge['buffer_mb']}, report_s {edge['report_s']}", "numbers above 0")
