"""Where MTConnect documents come from: an agent over HTTP, or a folder of documents, on disk or behind a web server.

Each gives `probe()` and `sample(first, count)`, raises OSError or httpx.HTTPError when it cannot, and LinkError when
what is there is not MTConnect.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from urllib.parse import unquote, urlsplit

import httpx

from loopwright.connect.mtconnect.names import WHERE, Settings
from loopwright.connect.mtconnect.parse import Refusal, Streams, streams
from loopwright.core.errors import LinkError

LOST = (OSError, httpx.HTTPError, LinkError)


class Agent:
    """An agent over HTTP. device: only this device of it is read ('' = all)."""

    def __init__(self, settings: Settings) -> None:
        self._root = settings.address.rstrip("/")
        self._count = settings.count
        self._http = httpx.AsyncClient(timeout=settings.timeout_s, headers={"Accept": "text/xml, application/xml"})
        self.part = bool(urlsplit(self._root).path.strip("/"))  # one device of the agent: other numbers are not in it

    async def __aenter__(self) -> Agent:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    def limit(self, buffer: int) -> None:
        """The agent keeps no more than that (0: it does not say): asking for more is an error."""
        self._count = min(self._count, buffer) if buffer else self._count

    async def _get(self, path: str) -> bytes:
        answer = await self._http.get(f"{self._root}/{path}")
        if answer.status_code >= 500:
            raise LinkError(WHERE, f"{self._root}/{path} answers {answer.status_code}", "", "look at the agent's log")
        return answer.content

    async def probe(self) -> bytes:
        """The Devices document."""
        return await self._get("probe")

    async def sample(self, first: int | None, count: int | None = None) -> Streams | Refusal | None:
        """Observations from a number on (None: from the oldest)."""
        start = "" if first is None else f"from={first}&"
        path = f"sample?{start}count={self._count if count is None else count}"
        return streams(await self._get(path), f"{self._root}/{path}")


class Folder:
    """probe.xml and sample_0001.xml, sample_0002.xml .. in their order; at its end `sample` gives None."""

    part = False

    def __init__(self, settings: Settings) -> None:
        parts = urlsplit(settings.address)
        self._root = settings.address.rstrip("/")
        self._path = Path(unquote(parts.path)) if parts.scheme == "file" else None
        self._http = httpx.AsyncClient(timeout=settings.timeout_s)
        self._next = 1

    async def __aenter__(self) -> Folder:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    async def _get(self, name: str) -> bytes | None:
        """The document of that name; None when there is none."""
        if self._path is not None:
            path = self._path / name
            return await asyncio.to_thread(path.read_bytes) if path.is_file() else None
        answer = await self._http.get(f"{self._root}/{name}")
        return answer.content if answer.status_code == 200 else None

    async def probe(self) -> bytes:
        """The Devices document."""
        document = await self._get("probe.xml")
        if document is None:
            raise LinkError(WHERE, f"{self._root} has no probe.xml", "a folder with probe.xml and sample_0001.xml ..")
        return document

    async def sample(self, first: int | None, count: int | None = None) -> Streams | Refusal | None:
        """The first document from here on that holds observations of that number or later; None when there is none."""
        while (document := await self._get(f"sample_{self._next:04d}.xml")) is not None:
            found = streams(document, f"{self._root}/sample_{self._next:04d}.xml")
            self._next += 1
            if isinstance(found, Refusal) or first is None or found.header.following > first:
                return found
        return None


async def open_source(settings: Settings) -> Agent | Folder:
    """An agent, or a folder when the address is one: file:///.., or it ends in '/' and holds a probe.xml."""
    if urlsplit(settings.address).scheme == "file":
        return Folder(settings)
    if settings.address.endswith("/"):
        folder = Folder(settings)
        async with httpx.AsyncClient(timeout=settings.timeout_s) as http:
            if (await http.get(f"{settings.address}probe.xml")).status_code == 200:
                return folder
        await folder.__aexit__()
    return Agent(settings)
