"""One connection to an MQTT broker: paho's network thread on one side, asyncio on the other.

What it adds to paho: messages wait in arrival order and are acknowledged in that order, only on the connection they
came by (an old packet number would acknowledge another message on a new one), and a publication can be awaited.
MQTT 3.1.1 throughout: every broker speaks it, nats-server nothing newer.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.reasoncodes import ReasonCode

from loopwright.connect.wire import link_error
from loopwright.core.errors import LinkError, SiteError

_log = logging.getLogger(__name__)
OPEN_S = 10.0  # longest wait for the broker's first answer
KEEPALIVE_S = 30
UNDER_WAY = 100  # publications the broker has not acknowledged yet; further ones wait
RECONNECT_S = (1, 30)  # first and longest wait before the next attempt, doubled each time
_START = "start a broker there, correct `host` and `port`, or set broker.embedded = true"


@dataclass(frozen=True)
class Peer:
    """Where the broker is and who we are there.

    persistent  the broker keeps our subscriptions and what arrives while we are away, under this client id
    """

    host: str
    port: int
    client: str
    persistent: bool
    username: str = ""
    password: str = ""
    tls: bool = False
    ca_file: str = ""


@dataclass(eq=False)
class Message:
    """One message as it came.

    life  counts our connections, so that an acknowledgement cannot go to the wrong one
    owed  parts of it that are not stored yet; at 0 it may be acknowledged
    """

    topic: str
    body: bytes
    retained: bool
    mid: int
    qos: int
    life: int
    owed: int = 1


class Link:
    """A connection that comes back by itself. All methods are called from the asyncio loop it was made in.

    where   for messages: 'connect.mqtt'
    topics  subscribed at QoS 1 whenever the connection opens
    """

    def __init__(self, peer: Peer, topics: Sequence[str], where: str) -> None:
        self._peer, self._topics, self._where = peer, list(topics), where
        self._loop = asyncio.get_running_loop()
        self._lock = threading.Lock()  # life and up change in paho's thread, and are read when we acknowledge
        self._life, self._up, self._was_open = 0, False, False
        self._opened: asyncio.Future[None] = self._loop.create_future()
        self._arrived, self._unacked = deque[Message](), deque[Message]()
        self._something = asyncio.Event()
        self._published: dict[int, asyncio.Future[None]] = {}
        self._room = asyncio.Semaphore(UNDER_WAY)
        self._client = self._make_client()

    def _make_client(self) -> paho.Client:
        peer = self._peer
        client = paho.Client(
            CallbackAPIVersion.VERSION2, client_id=peer.client, clean_session=not peer.persistent,
            protocol=paho.MQTTv311, manual_ack=True,
        )
        if peer.username:
            client.username_pw_set(peer.username, peer.password or None)
        if peer.tls:
            try:
                client.tls_set(ca_certs=peer.ca_file or None)
            except (OSError, ssl.SSLError) as error:
                given = f"{peer.ca_file!r}: {error}"
                raise SiteError(f"{self._where}.ca_file", given, "a file of certificates (PEM)") from None
        client.max_inflight_messages_set(UNDER_WAY)
        client.max_queued_messages_set(0)
        client.reconnect_delay_set(*RECONNECT_S)
        client.on_connect, client.on_disconnect = self._on_connect, self._on_disconnect
        client.on_subscribe, client.on_message = self._on_subscribe, self._on_message
        client.on_publish = self._on_publish
        return client

    # paho's thread:

    def _tell(self, function: Callable[..., None], *arguments: Any) -> None:
        try:
            self._loop.call_soon_threadsafe(function, *arguments)
        except RuntimeError:  # the loop has ended before the link was closed: nobody is left to be told
            self._client.disconnect()

    def _on_connect(self, client: paho.Client, _data: Any, _flags: Any, reason: ReasonCode, _more: Any) -> None:
        if reason.is_failure:
            self._refused(client, str(reason))
            return
        with self._lock:
            self._up = True
        if self._topics:
            client.subscribe([(topic, 1) for topic in self._topics])
        else:
            self._tell(self._is_open)

    def _refused(self, client: paho.Client, word: str) -> None:
        """The first time it is an error; later the broker may change its mind, so we come back."""
        _log.warning("%s: %s:%d: %s", self._where, self._peer.host, self._peer.port, word)
        self._tell(self._refuse, word)
        if not self._was_open:
            client.disconnect()

    def _on_disconnect(self, _client: paho.Client, _data: Any, _flags: Any, reason: ReasonCode, _more: Any) -> None:
        with self._lock:
            self._up, self._life = False, self._life + 1
        if reason.is_failure:
            _log.warning("%s: the link to %s:%d is lost: %s", self._where, self._peer.host, self._peer.port, reason)
        self._tell(self._refuse, f"the broker closed the connection ({reason})")

    def _on_subscribe(self, client: paho.Client, _data: Any, _mid: int, reasons: list[ReasonCode], _more: Any) -> None:
        if any(reason.is_failure for reason in reasons):
            self._refused(client, f"the broker refuses the subscription to {', '.join(self._topics)}")
        else:
            self._tell(self._is_open)

    def _on_message(self, _client: paho.Client, _data: Any, message: paho.MQTTMessage) -> None:
        with self._lock:
            life = self._life
        body = bytes(message.payload)
        self._tell(self._take_in, Message(message.topic, body, message.retain, message.mid, message.qos, life))

    def _on_publish(self, _client: paho.Client, _data: Any, mid: int, _reason: ReasonCode, _more: Any) -> None:
        self._tell(self._is_published, mid)

    # the loop's thread:

    def _refuse(self, word: str) -> None:
        if not self._opened.done():
            todo = "check `username`, `password_env` and the broker's access rules"
            self._opened.set_exception(LinkError(self._where, f"{self._peer.host}:{self._peer.port}: {word}", "", todo))

    def _is_open(self) -> None:
        self._was_open = True
        if not self._opened.done():
            self._opened.set_result(None)

    def _take_in(self, message: Message) -> None:
        self._arrived.append(message)
        if message.qos:
            self._unacked.append(message)
        self._something.set()

    def _is_published(self, mid: int) -> None:
        future = self._published.pop(mid, None)
        self._room.release()
        if future is not None and not future.done():
            future.set_result(None)

    async def open(self) -> None:
        """Connects and subscribes; LinkError when the broker is not there, refuses us, or does not speak MQTT."""
        peer = self._peer
        try:
            await asyncio.to_thread(self._client.connect, peer.host, peer.port, KEEPALIVE_S)
        except (OSError, ssl.SSLError) as error:
            raise link_error(self._where, peer.host, peer.port, error, _START) from None
        self._client.loop_start()
        try:
            await asyncio.wait_for(asyncio.shield(self._opened), OPEN_S)
        except TimeoutError:
            await self.close()
            advice = "check that it is an MQTT broker that listens there"
            raise link_error(self._where, peer.host, peer.port, TimeoutError(), advice) from None
        except LinkError:
            await self.close()
            raise

    async def close(self) -> None:
        """Disconnects. A persistent session stays at the broker."""
        self._opened.cancel()
        self._client.disconnect()
        await asyncio.to_thread(self._client.loop_stop)

    async def take(self, wait_s: float) -> list[Message]:
        """What has arrived since the last call, oldest first; waits at most wait_s for the first one."""
        if not self._arrived:
            self._something.clear()
            try:
                async with asyncio.timeout(wait_s):  # wait_for of Python 3.11 loses a cancellation now and then
                    await self._something.wait()
            except TimeoutError:
                return []
        taken = list(self._arrived)
        self._arrived.clear()
        return taken

    def settle(self) -> None:
        """Acknowledges what is stored, in the order it came (MQTT 3.1.1, 4.6): an older message holds newer ones up."""
        with self._lock:
            while self._unacked and (self._unacked[0].owed <= 0 or self._unacked[0].life != self._life):
                message = self._unacked.popleft()
                if self._up and message.life == self._life:
                    self._client.ack(message.mid, message.qos)

    async def publish(self, topic: str, body: bytes, *, retain: bool = False) -> asyncio.Future[None]:
        """Hands it over as QoS 1 once fewer than UNDER_WAY are under way; the future is done when the broker has it."""
        await self._room.acquire()
        info = self._client.publish(topic, body, qos=1, retain=retain)
        future: asyncio.Future[None] = self._loop.create_future()
        self._published[info.mid] = future
        return future

    @property
    def life(self) -> int:
        """How often the connection was lost so far."""
        with self._lock:
            return self._life

    async def drained(self) -> None:
        """Waits until the broker has everything that was published."""
        while self._published:
            await asyncio.wait(list(self._published.values()))
