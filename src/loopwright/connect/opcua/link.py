"""One connection to an OPC UA server: history in pages, changes by subscription, and no silent end.

asyncua brings the connection, its security and the requests; the two answers that carry data (HistoryRead and Publish)
are decoded here into columns (codec.py). Every wait has an end: a server that says nothing for longer than it promised,
a subscription that it gave up, a lost connection all raise, and the reader (reader.py) comes back with a fresh Link.
"""

from __future__ import annotations

import asyncio
import logging
import struct
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from loopwright.connect.opcua.codec import OVERFLOW, Run, decode, to_ticks
from loopwright.connect.opcua.names import WHERE, Settings, library
from loopwright.connect.wire import link_error, secret
from loopwright.core.errors import LinkError

log = logging.getLogger(__name__)

VALUES_PER_ANSWER = 100_000  # of all nodes together, in one HistoryRead
KEEP_ALIVE = 20  # empty publishing intervals after which the server must still say that it lives
PUBLISH_REQUESTS = 3  # that always lie at the server, so that it never waits for one
ITEMS_PER_CALL = 500  # monitored items created in one call: servers limit it


@dataclass(frozen=True)
class News:
    """One message of a subscription.

    runs    changes, each with the handle that `subscribe` was given for its node
    gap     messages before it are missing and could not be had again, or a queue of the server ran over
    empty   it only says that the server lives: there was nothing to tell
    """

    runs: list[Run] = field(default_factory=list)
    gap: bool = False
    empty: bool = False


class Link:
    """A connection; `async with` opens and closes it. Its methods raise what `lost()` lists when it breaks."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._client: Any = None
        self._subscription, self._sequence, self._silence_s = 0, 0, 0.0
        self._acks: list[Any] = []
        self._asked: set[asyncio.Future[Any]] = set()

    async def __aenter__(self) -> Link:
        settings = self._settings
        self._client = library().Client(settings.address, timeout=settings.timeout_s, watchdog_intervall=3600)
        self._client.name = self._client.description = "Loopwright"
        if settings.user:
            self._client.set_user(settings.user)
            self._client.set_password(secret(settings.password_env, f"{WHERE}.password_env"))
        try:
            await asyncio.wait_for(self._client.connect(), settings.timeout_s * 2)
        except lost() as error:
            raise link_error(WHERE, *settings.peer, error) from error
        return self

    async def __aexit__(self, *_: object) -> None:
        for future in self._asked:
            future.cancel()
        await asyncio.gather(*self._asked, return_exceptions=True)
        quiet = logging.getLogger("asyncua.client")
        level = quiet.level
        quiet.setLevel(logging.CRITICAL)  # a server that is gone cannot be told good-bye: no news
        try:
            await asyncio.wait_for(self._client.disconnect(), self._settings.timeout_s)
        except lost():
            self._client.disconnect_socket()
        finally:
            quiet.setLevel(level)

    async def _ask(self, request: Any, timeout_s: float | None = None) -> Any:
        """Sends a request; gives the buffer of the answer, positioned behind its header."""
        ua = library().ua
        from asyncua.ua.ua_binary import nodeid_from_binary, struct_from_binary

        protocol = self._client.uaclient.protocol
        if protocol is None:
            raise ConnectionError("the connection is closed")
        data = await protocol.send_request(request, self._settings.timeout_s if timeout_s is None else timeout_s)
        nodeid_from_binary(data)
        struct_from_binary(ua.ResponseHeader, data).ServiceResult.check()
        return data

    async def namespaces(self) -> list[str]:
        """The server's table of namespaces."""
        return list(await self._client.get_namespace_array())

    def node(self, text: str) -> Any:
        """The node id of 'ns=2;s=Name'; LinkError when it is none."""
        ua = library().ua
        try:
            return ua.NodeId.from_string(text)
        except (ua.UaError, ValueError) as error:
            said = f"{text!r} is no node id ({error})"
            raise LinkError(f"{WHERE}.nodes", said, "such as 'ns=2;s=Spindle.Speed'") from None

    async def read(self, nodes: Sequence[Any], attribute: str = "Value") -> list[Any]:
        """asyncua's DataValue of each node's attribute (its StatusCode says when there is no such node)."""
        ua = library().ua
        return list(await self._client.uaclient.read_attributes(list(nodes), ua.AttributeIds[attribute]))

    async def write(self, node: Any, value: Any, scalar: Any) -> None:
        """Writes a node's value; raises ua.UaStatusCodeError when the server refuses."""
        ua = library().ua
        results = await self._client.uaclient.write_attributes([node], [ua.DataValue(ua.Variant(value, scalar))])
        results[0].check()

    # history

    async def history(
        self, nodes: Sequence[Any], start_ns: int | None, end_ns: int | None = None
    ) -> AsyncIterator[list[tuple[int, list[Run]]]]:
        """Pages of what the server remembers of some nodes, times ascending: [(place in `nodes`, runs)].

        start_ns   first time wanted (what is less than 1 us older comes too); None: from the very beginning
        end_ns     first time no longer wanted; None: to the end
        Raises LinkError for a node whose history the server does not give.
        """
        open_nodes: list[tuple[int, Any, bytes]] = [(place, node, b"") for place, node in enumerate(nodes)]
        while open_nodes:
            count = max(50, min(10_000, VALUES_PER_ANSWER // len(open_nodes)))
            data = await self._ask(_history_request(open_nodes, start_ns, end_ns, count))
            answers = _history_answers(data)
            if len(answers) != len(open_nodes):
                raise LinkError(WHERE, f"{len(answers)} answers for {len(open_nodes)} nodes")
            page, rest = [], []
            for (place, node, _), (status, point, runs) in zip(open_nodes, answers, strict=True):
                if status >> 31:
                    raise LinkError(WHERE, f"the server gives no history of {node.to_string()} (status {status:#x})")
                page.append((place, runs))
                if point:
                    rest.append((place, node, point))
            open_nodes = rest
            yield page

    # subscription

    async def subscribe(self, nodes: Iterable[tuple[Any, int]]) -> list[int]:
        """Asks to be told every change of (node, queue) pairs, each by its place as handle; gives the status of each.

        A change is a new value, a new status or a new source time.
        """
        ua = library().ua
        settings = self._settings
        request = ua.CreateSubscriptionRequest()
        request.Parameters = ua.CreateSubscriptionParameters(
            RequestedPublishingInterval=settings.publish_s * 1000, RequestedLifetimeCount=KEEP_ALIVE * 30,
            RequestedMaxKeepAliveCount=KEEP_ALIVE, MaxNotificationsPerPublish=0, PublishingEnabled=True, Priority=0)
        data = await self._ask(request)
        self._subscription, revised_ms, _, keep_alive = struct.unpack("<IdII", data.read(20))
        self._silence_s = revised_ms / 1000 * keep_alive * 1.5 + settings.timeout_s
        for _ in range(PUBLISH_REQUESTS):
            self._ask_for_news()
        changes = ua.DataChangeFilter(Trigger=ua.DataChangeTrigger.StatusValueTimestamp)
        wanted = [
            ua.MonitoredItemCreateRequest(
                ItemToMonitor=ua.ReadValueId(NodeId=node, AttributeId=ua.AttributeIds.Value),
                MonitoringMode=ua.MonitoringMode.Reporting,
                RequestedParameters=ua.MonitoringParameters(
                    ClientHandle=handle, SamplingInterval=settings.sampling_s * 1000, Filter=changes, QueueSize=queue,
                    DiscardOldest=True))
            for handle, (node, queue) in enumerate(nodes)
        ]
        status: list[int] = []
        for start in range(0, len(wanted), ITEMS_PER_CALL):
            results = await self._client.uaclient.create_monitored_items(ua.CreateMonitoredItemsParameters(
                self._subscription, ua.TimestampsToReturn.Both, wanted[start : start + ITEMS_PER_CALL]))
            status.extend(result.StatusCode.value for result in results)
        return status

    def _ask_for_news(self) -> None:
        ua = library().ua
        request = ua.PublishRequest()
        request.Parameters.SubscriptionAcknowledgements, self._acks = self._acks, []
        self._asked.add(asyncio.ensure_future(self._ask(request, 0)))

    async def news(self) -> AsyncIterator[News]:
        """Messages of the subscription, in order, for as long as it lives.

        Raises TimeoutError when the server stays silent for longer than it promised, LinkError when it ends the
        subscription.
        """
        while True:
            done, self._asked = await asyncio.wait(
                self._asked, timeout=self._silence_s, return_when=asyncio.FIRST_COMPLETED)
            if not done:
                raise TimeoutError(f"no sign of life for {self._silence_s:.0f} s")
            for number, news in self._opened(done):
                async for each in self._in_order(number, news):
                    yield each

    def _opened(self, answers: Iterable[asyncio.Future[Any]]) -> list[tuple[int, News]]:
        """Numbers and contents of the messages of this subscription, in order. The next request acknowledges them."""
        found = []
        for answer in answers:
            subscription, number, news = _message(answer.result())
            if subscription == self._subscription:
                found.append((number, news))
                if not news.empty:
                    self._acks.append(_ack(subscription, number))
            self._ask_for_news()
        return sorted(found, key=lambda each: each[0])

    async def _in_order(self, number: int, news: News) -> AsyncIterator[News]:
        """The message, and before it those that are missing, as far as the server still has them."""
        if news.empty:
            yield news
            return
        missing = range(self._sequence + 1, number) if self._sequence else range(0)
        self._sequence = number
        gap = False
        for each in missing:
            again = await self._again(each)
            gap = gap or again is None
            if again is not None:
                yield again
        yield News(news.runs, gap or news.gap)

    async def _again(self, number: int) -> News | None:
        """A message that got lost, once more; None when the server has it no longer."""
        ua = library().ua
        request = ua.RepublishRequest()
        request.Parameters.SubscriptionId = self._subscription
        request.Parameters.RetransmitSequenceNumber = number
        try:
            found, news = _notification(await self._ask(request))
            if found == number:
                return news
        except ua.UaStatusCodeError:
            pass
        log.warning("opcua: message %d of the subscription is lost", number)
        return None


def lost() -> tuple[type[BaseException], ...]:
    """What a broken link raises."""
    ua = library().ua
    return OSError, TimeoutError, ua.UaError, LinkError


def _ack(subscription: int, number: int) -> Any:
    ua = library().ua
    return ua.SubscriptionAcknowledgement(SubscriptionId=subscription, SequenceNumber=number)


def _when(t_ns: int | None, earliest: int) -> datetime:
    """asyncua's datetime, rounded down to the microsecond."""
    ticks = earliest if t_ns is None else max(earliest, to_ticks(t_ns))
    return datetime(1601, 1, 1, tzinfo=UTC) + timedelta(microseconds=ticks // 10)


def _history_request(
    nodes: Sequence[tuple[int, Any, bytes]], start_ns: int | None, end_ns: int | None, count: int
) -> Any:
    ua = library().ua
    end = datetime(1601, 1, 1, tzinfo=UTC) if end_ns is None else _when(end_ns + 999, 10)
    request = ua.HistoryReadRequest()
    request.Parameters.HistoryReadDetails = ua.ReadRawModifiedDetails(
        IsReadModified=False, StartTime=_when(start_ns, 10), EndTime=end, NumValuesPerNode=count, ReturnBounds=False)
    request.Parameters.TimestampsToReturn = ua.TimestampsToReturn.Both
    request.Parameters.ReleaseContinuationPoints = False
    request.Parameters.NodesToRead = [
        ua.HistoryReadValueId(NodeId=node, ContinuationPoint=point or None) for _, node, point in nodes]
    return request


def _history_answers(data: Any) -> list[tuple[int, bytes, list[Run]]]:
    """(status, continuation point, runs) of each node. `data` stands at the results of a HistoryReadResponse."""
    (count,) = struct.unpack("<i", data.read(4))
    answers = []
    for _ in range(max(0, count)):
        (status,) = struct.unpack("<I", data.read(4))
        point = _byte_string(data)
        body = _extension(data)[1]
        runs: list[Run] = []
        if len(body) >= 4:
            (values,) = struct.unpack_from("<i", body)
            runs, _ = decode(body, 4, max(0, values), _slow)
        answers.append((status, point, runs))
    return answers


def _byte_string(data: Any) -> bytes:
    (length,) = struct.unpack("<i", data.read(4))
    return data.read(length) if length > 0 else b""


def _extension(data: Any) -> tuple[Any, bytes]:
    """Type and body of an ExtensionObject."""
    from asyncua.ua.ua_binary import nodeid_from_binary

    kind = nodeid_from_binary(data)
    return kind, _byte_string(data) if data.read(1)[0] & 1 else b""


_NESTED = (23, 24, 25)  # DataValue, Variant, DiagnosticInfo: nothing measured is one


def _slow(data: bytes, offset: int) -> tuple[Any, int]:
    """A Variant of any type, by asyncua."""
    from asyncua.common.utils import Buffer
    from asyncua.ua.ua_binary import variant_from_binary

    if data[offset] & 0x3F in _NESTED:
        raise ValueError("a value made of values")
    if data[offset] & 0x80 and struct.unpack_from("<i", data, offset + 1)[0] > len(data) - offset:
        raise ValueError("a list longer than its message")  # of Nulls, which take no bytes, it would fill the memory
    buffer = Buffer(data, offset)
    value = variant_from_binary(buffer).Value
    return value if not hasattr(value, "Text") else value.Text, buffer.cur_pos


def _message(data: Any) -> tuple[int, int, News]:
    """Subscription, sequence number and content of a PublishResponse. `data` stands behind its header."""
    (subscription,) = struct.unpack("<I", data.read(4))
    (available,) = struct.unpack("<i", data.read(4))
    data.skip(4 * max(0, available) + 1)
    number, news = _notification(data)
    return subscription, number, news


def _notification(data: Any) -> tuple[int, News]:
    """Sequence number and content of a NotificationMessage. Raises LinkError when it ends the subscription."""
    ua = library().ua
    number, _, count = struct.unpack("<Iqi", data.read(16))
    runs: list[Run] = []
    for _ in range(max(0, count)):
        kind, body = _extension(data)
        if kind.Identifier == ua.ObjectIds.DataChangeNotification_Encoding_DefaultBinary:
            (changes,) = struct.unpack_from("<i", body)
            runs.extend(decode(body, 4, max(0, changes), _slow, handle=True)[0])
        elif kind.Identifier == ua.ObjectIds.StatusChangeNotification_Encoding_DefaultBinary:
            (status,) = struct.unpack_from("<I", body)
            raise LinkError(WHERE, f"the server ended the subscription (status {status:#x})")
    overflow = any(bool(np.any((run.status & OVERFLOW) == OVERFLOW)) for run in runs)
    return number, News(runs, overflow, count <= 0)
