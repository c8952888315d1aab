"""The way on from an edge: what its buffer holds goes to the centre, oldest first, and leaves the buffer when stored.

Some posts are on their way at once; they arrive in order, and each is trimmed when the centre says that all of it is
durable. Whatever goes wrong, everything that was not answered is sent again under the same numbers.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

from loopwright.connect import centre as centres
from loopwright.connect import relay
from loopwright.connect.centre import Centre, Refused
from loopwright.connect.wire import Backoff
from loopwright.core.clock import Clock
from loopwright.core.errors import LinkError, LoopwrightError, StoreError
from loopwright.store.buffer import Buffer
from loopwright.store.piece import Piece, Run

WINDOW = 4  # posts on their way at once, when the centre keeps up
LEAST_SAMPLES = 5_000  # of one post, when it does not
LOOK_S = 0.05  # how often the buffer is looked at when nothing waits: what comes meanwhile travels together
MOST_BYTES, MOST_SAMPLES = 1_000_000, 200_000  # of one post
LONGEST_REST_S = 5.0
_log = logging.getLogger(__name__)
_Result = TypeVar("_Result")


@dataclass(frozen=True)
class Load:
    """What one post carries."""

    pieces: list[Piece]
    gone: list[tuple[int, Run, str]]

    @property
    def samples(self) -> int:
        """Samples in it."""
        return sum(piece.samples for piece in self.pieces)

    @property
    def numbers(self) -> int:
        """Samples in it, and those that will never come."""
        return self.samples + sum(run.samples for _, run, _ in self.gone)


class Forwarder:
    """Sends a buffer on.

    opened  reaches the centre: `connect.centre.open_centre` with its settings
    said    is told when the link comes and goes: ('up' or 'down', in words)
    """

    def __init__(
        self, buffer: Buffer, name: str, opened: Callable[[], Awaitable[Centre]], clock: Clock,
        said: Callable[[str, str], None],
    ) -> None:
        self._buffer, self._name, self._opened, self._clock, self._said = buffer, name, opened, clock, said
        self._thread = ThreadPoolExecutor(2, thread_name_prefix="forward")
        self._again = 0  # samples that were posted and not answered since the last answer
        self._most = MOST_SAMPLES
        self._singly = False  # one piece a post: the centre refused one with several
        self._backoff = Backoff(clock, most_s=LONGEST_REST_S)
        self.centre: Centre | None = None

    async def run(self) -> None:
        """Sends for as long as it is let; a centre that is away is tried again and again."""
        while True:
            try:
                self.centre = await self._opened()
                self._said("up", "")
                await self._session(self.centre)
            except (LinkError, StoreError) as error:
                self._said("down", f"{error.given}{'; ' if error.todo else ''}{error.todo}")
            except LoopwrightError as error:  # a certificate that is not there
                self._said("down", str(error))
            except Exception as error:  # the door of a task that must go on: whatever it was, the buffer has it all
                _log.exception("edge %s", self._name)
                self._said("down", f"{type(error).__name__}: {error}")
            finally:
                await self._close()
            await self._backoff.wait()

    async def _close(self) -> None:
        self._buffer.back()
        if self.centre is not None:
            centre, self.centre = self.centre, None
            await centre.close()

    async def _session(self, centre: Centre) -> None:
        """Posts and trims until something goes wrong."""
        session, number, answered = secrets.token_hex(4), 0, 0
        window: deque[tuple[asyncio.Task[None], Load]] = deque()
        try:
            while True:
                most = 1 if self._singly else min(WINDOW, 1 + answered)
                while len(window) < most and (load := await self._load()):
                    head = relay.Head(self._name, self._buffer.epoch, session, number)
                    body = await self._in_thread(self._body, head, load)
                    window.append((asyncio.create_task(centre.post(body, head, load.numbers)), load))
                    number += 1
                if not window:
                    await self._clock.sleep(LOOK_S)
                    continue
                await self._answered(*window[0])
                window.popleft()
                answered += 1
        except LinkError:
            self._most = max(LEAST_SAMPLES, self._most // 2)  # it may be that the centre is slow
            raise
        finally:
            for task, load in window:
                task.cancel()
                self._again += load.samples
            await asyncio.gather(*(task for task, _ in window), return_exceptions=True)

    async def _answered(self, task: asyncio.Task[None], load: Load) -> None:
        """Waits for the answer to a post, and trims what it carried."""
        try:
            await task
        except Refused as error:
            if self._singly and len(load.pieces) == 1 and not load.gone:
                await self._in_thread(self._buffer.refuse, load.pieces[0], f"refused by the centre: {error.given}")
            self._singly = True
            raise LinkError("edge", f"the centre refuses a post: {error.given}") from None
        again, self._again = self._again, 0
        await self._in_thread(self._buffer.stored, load.pieces, [number for number, _, _ in load.gone], again)
        self._backoff.reset()
        self._most, self._singly = min(MOST_SAMPLES, self._most * 5 // 4), False

    async def _load(self) -> Load | None:
        """What goes with the next post; None when nothing waits."""
        most = 1 if self._singly else MOST_BYTES
        gone = await self._in_thread(self._buffer.gone)
        pieces = [] if gone and self._singly else await self._in_thread(self._buffer.take, most, self._most)
        return Load(pieces, gone) if pieces or gone else None

    def _body(self, head: relay.Head, load: Load) -> bytes:
        runs = [run for piece in load.pieces for run in piece.runs] + [run for _, run, _ in load.gone]
        names = {run.stream: self._buffer.named(run) for run in runs}
        gone = [(run, why) for _, run, why in load.gone]
        return relay.encode(head, list(names.values()), list(names), load.pieces, gone)

    async def _in_thread(self, call: Callable[..., _Result], *arguments: Any) -> _Result:
        """In threads of our own: those of the loop may all be waiting for room in the buffer."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, call, *arguments)


def opener(settings: centres.Settings, things: Iterable[str]) -> Callable[[], Awaitable[Centre]]:
    """What reaches a centre, for a Forwarder."""
    known = list(things)
    return lambda: centres.open_centre(settings, known)
