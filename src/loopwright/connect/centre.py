"""The way from an edge to its centre: posts that are answered once they are stored there.

    centre = await open_centre(Settings(url="http://10.0.0.2:8080", edge="line-3"), things)
    await centre.post(body, head, 200)  comes back when all of its 200 samples are durable at the centre
    await centre.report({...})          the edge's books, for the centre's doctor

Over HTTP a post is a request to /api/points; over MQTT a message on <prefix>/<edge>/relay, answered on
<prefix>/<edge>/stored.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlsplit

import httpx

from loopwright.connect.mqtt.link import Link
from loopwright.connect.mqtt.settings import Settings as MqttSettings
from loopwright.connect.mqtt.settings import peer, topic
from loopwright.connect.relay import RELAY, Head
from loopwright.connect.wire import link_error, secret
from loopwright.core.errors import InputError, LinkError, SiteError

WHERE = "edge"
POST_S = 30.0  # longest wait for one answer
OPEN_S = 10.0
LOOK_S = 0.2  # how often a broken link is looked for
_GOES_ON = "nothing need be done: the edge keeps what comes and tries again"
SCHEMES = ("http", "https", "mqtt", "mqtts")


@dataclass(frozen=True)
class Settings:
    """url: 'http(s)://host:port' or 'mqtt(s)://host:port/prefix'; token_env: variable with the token or password."""

    url: str
    edge: str
    token_env: str = ""
    user: str = ""


class Refused(InputError):
    """The centre has read the post and will never take it."""


class Centre(Protocol):
    async def post(self, body: bytes, head: Head, samples: int) -> None: ...
    async def report(self, report: Mapping[str, Any]) -> None: ...
    async def close(self) -> None: ...


def checked_url(url: str, where: str) -> str:
    """The address of a centre; SiteError for one that cannot be."""
    parts = urlsplit(url)
    allowed = "http(s)://host:port, or mqtt(s)://host:port/prefix"
    try:
        good = parts.scheme in SCHEMES and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        good = False
    if not good or (parts.scheme.startswith("mqtt") and not parts.path.strip("/")):
        raise SiteError(where, f"{url!r}", allowed)
    return url


async def open_centre(settings: Settings, things: Iterable[str]) -> Centre:
    """The centre, reached and willing. Raises LinkError, or SiteError when a secret is not there.

    things  what the edge listens to: a centre that does not know one of them would refuse what it says
    """
    secret_word = secret(settings.token_env, f"{WHERE}.token_env")
    parts = urlsplit(settings.url)
    if parts.scheme.startswith("mqtt"):
        mqtt = MqttSettings(
            host=str(parts.hostname), port=parts.port or (8883 if parts.scheme == "mqtts" else 1883),
            prefix=parts.path.strip("/"), username=settings.user, password_env=settings.token_env,
            tls=parts.scheme == "mqtts",
        )
        over_mqtt = _Mqtt(mqtt, settings.edge)
        await over_mqtt.open()
        return over_mqtt
    over_http = _Http(settings.url.rstrip("/"), secret_word)
    try:
        await over_http.check(things)
    except BaseException:
        await over_http.close()
        raise
    return over_http


class _Http:
    def __init__(self, url: str, token: str) -> None:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._url = url
        self._client = httpx.AsyncClient(timeout=httpx.Timeout(POST_S, connect=OPEN_S), headers=headers)

    async def check(self, things: Iterable[str]) -> None:
        """Whether the centre is there, lets us in, and knows our things."""
        answer = await self._asked("GET", "/api/things")
        try:
            known = {row["id"] for row in answer.json()}
        except (ValueError, TypeError, KeyError):
            raise _no_centre(self._url) from None
        if missing := sorted(set(things) - known):
            named = ", ".join(missing[:5]) + (f" and {len(missing) - 5} more" if len(missing) > 5 else "")
            todo = "declare them in the centre's site file; until then the edge keeps what they say"
            raise LinkError(self._url, f"the centre does not know {named}", "", todo)

    async def post(self, body: bytes, head: Head, samples: int) -> None:
        """Posts, and returns when it is stored; LinkError when that is not known, Refused when it never will be."""
        answer = await self._asked("POST", "/api/points", content=body, headers={"Content-Type": RELAY})
        if _said(answer).get("samples") != samples:  # a proxy or another server may say yes to anything
            raise _no_centre(self._url)

    async def report(self, report: Mapping[str, Any]) -> None:
        """Leaves the edge's books with the centre."""
        await self._asked("POST", "/api/edges", json=report)

    async def close(self) -> None:
        """Lets the connections go."""
        await self._client.aclose()

    async def _asked(self, method: str, path: str, **more: Any) -> httpx.Response:
        url = self._url + path
        try:
            answer = await self._client.request(method, url, **more)
        except (httpx.HTTPError, RuntimeError) as error:  # RuntimeError: closed meanwhile, by whoever posts
            raise _no_answer(url, error) from None
        if answer.is_success:
            return answer
        said = _said(answer)
        if said.get("error") in ("InputError", "UnknownName") and answer.status_code in (400, 422):
            raise Refused(url, str(said.get("given", ""))[:200], str(said.get("allowed", ""))[:200])
        todo = "set [edge] token_env to a variable that holds a token of the centre" \
            if answer.status_code in (401, 403) else ""
        raise LinkError(url, f"the centre answers {answer.status_code}: {said.get('given', '')}"[:300], "", todo)


def _no_centre(url: str) -> LinkError:
    said = "what answers there is no plant of ours, or something between changes its answers"
    return LinkError(url, said, "", "correct [edge] centre")


def _said(answer: httpx.Response) -> dict[str, Any]:
    try:
        said = answer.json()
    except ValueError:
        said = None
    return said if isinstance(said, dict) else {"given": answer.text[:200]}


def _no_answer(url: str, error: Exception) -> LinkError:
    cause: BaseException = TimeoutError() if isinstance(error, httpx.TimeoutException) else error
    while (deeper := cause.__cause__ or cause.__context__) is not None:
        cause = deeper
    address = httpx.URL(url)
    return link_error(WHERE, address.host, address.port or 80, cause, _GOES_ON)


class _Mqtt:
    def __init__(self, settings: MqttSettings, edge: str) -> None:
        self._settings, self._edge = settings, edge
        client = peer(settings, f"{settings.prefix}-edge-{edge}", persistent=False)
        self._link = Link(client, [topic(settings, edge, "stored")], WHERE)
        self._waiting: dict[tuple[str, int], asyncio.Future[None]] = {}
        self._hearing: asyncio.Task[None] | None = None

    async def open(self) -> None:
        await self._link.open()
        self._hearing = asyncio.create_task(self._hear(), name="answers of the centre")

    async def post(self, body: bytes, head: Head, samples: int) -> None:
        """Publishes, and returns when the centre says that it is stored; LinkError when it does not in time."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[head.session, head.post] = future
        try:
            async with asyncio.timeout(POST_S):
                await self._link.publish(topic(self._settings, self._edge, "relay"), body)
                await future
        except TimeoutError:
            where = f"{self._settings.host}:{self._settings.port}"
            said = f"no word over {where} that the centre has stored it"
            raise LinkError(WHERE, said, "is the plant running that reads this broker?", _GOES_ON) from None
        finally:
            self._waiting.pop((head.session, head.post), None)

    async def report(self, report: Mapping[str, Any]) -> None:
        """Leaves the edge's books with the centre."""
        await self._link.publish(topic(self._settings, self._edge, "report"), json.dumps(report).encode())

    async def close(self) -> None:
        """Disconnects."""
        if self._hearing is not None:
            self._hearing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._hearing
        await self._link.close()

    async def _hear(self) -> None:
        life = self._link.life
        while True:
            if life != self._link.life:  # answers may have been lost with it
                life = self._link.life
                for future in self._waiting.values():
                    if not future.done():
                        future.set_exception(LinkError(WHERE, "the link to the centre's broker was lost", "", _GOES_ON))
            for message in await self._link.take(LOOK_S):
                message.owed = 0
                with contextlib.suppress(ValueError, TypeError, KeyError):
                    said = json.loads(message.body)
                    asked = self._waiting.get((said["session"], said["post"]))
                    if asked is not None and not asked.done():
                        asked.set_result(None)
            self._link.settle()
