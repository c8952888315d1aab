"""Where heavy work runs on one machine: warm worker processes, each with a name, beside the process that asked.

    with Workers() as workers:
        workers.warm("plan", "loopwright.make.plan:plan")            loads it in advance
        future = workers.call("plan", "loopwright.make.plan:plan", shop, 1.0)       a concurrent.futures.Future
        plan = await asyncio.wrap_future(future)

One name is one process that does one thing after another. A worker is a fresh interpreter (nothing is forked, and the
caller's main module is not run again, so any script may use it). It takes no Ctrl-C, writes to standard error only, and
ends with the process that made it, even when that is killed. A worker that dies is started once more and its call
repeated.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib
import json
import os
import pickle
import queue
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, Self

from loopwright.core.errors import InputError, LoopwrightError, UnknownName

_START = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[2]); "
    "from loopwright.engine.local import serve; serve(int(sys.argv[1]))"
)
_PR_SET_PDEATHSIG = 1  # prctl(2)


@dataclass(frozen=True)
class _Job:
    function: str
    args: tuple[Any, ...]
    only_warm: bool
    future: Future[Any]


@dataclass
class _Worker:
    """A name's queue of jobs, the thread that hands them over, and its process while there is one."""

    name: str
    jobs: queue.SimpleQueue[_Job | None] = field(default_factory=queue.SimpleQueue)
    thread: threading.Thread | None = None
    process: subprocess.Popen[bytes] | None = None
    pipe: Connection | None = None
    closing: bool = False


class Workers:
    """Warm worker processes by name. Thread-safe; `call` and `warm` return at once and never block an event loop."""

    def __init__(self) -> None:
        self._workers: dict[str, _Worker] = {}
        self._lock = threading.Lock()
        self._closed = False
        atexit.register(self.close)

    def call(self, name: str, function: str, *args: Any) -> Future[Any]:
        """Runs 'module:function' with args in the worker of that name; the future gives its result or its exception.

        args and result travel by pickle; what a cancelled call still computes is thrown away. Raises InputError for a
        function that is not 'module:function', or when the workers are closed. A worker that dies twice over one call
        gives a LoopwrightError that says so.
        """
        return self._submit(name, _Job(function, args, False, Future()))

    def warm(self, name: str, function: str) -> Future[Any]:
        """Loads the function's module in the worker in advance, and runs the module's own `warm()` where it has one."""
        return self._submit(name, _Job(function, (), True, Future()))

    def pids(self) -> dict[str, int]:
        """Process number of every worker that is alive now."""
        with self._lock:
            alive = [w for w in self._workers.values() if w.process and w.process.poll() is None]
            return {w.name: w.process.pid for w in alive if w.process}

    def close(self) -> None:
        """Ends every worker now, in the middle of what it does, and cancels its calls. May be called twice."""
        atexit.unregister(self.close)
        with self._lock:
            self._closed = True
            workers = list(self._workers.values())
        for worker in workers:
            worker.closing = True
            worker.jobs.put(None)
            if process := worker.process:
                process.kill()
        for worker in workers:
            if worker.thread and worker.thread is not threading.current_thread():
                worker.thread.join(timeout=5.0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _submit(self, name: str, job: _Job) -> Future[Any]:
        module, _, attribute = job.function.partition(":")
        if not module or not attribute.isidentifier():
            raise InputError(f"worker {name!r}", f"function {job.function!r}", "'module:function'")
        with self._lock:
            if self._closed:
                raise InputError(f"worker {name!r}", "the workers are closed", "", "make new Workers()")
            worker = self._workers.setdefault(name, _Worker(name))
            if worker.thread is None:
                worker.thread = threading.Thread(target=_hand_over, args=(worker,), name=f"worker {name}", daemon=True)
                worker.thread.start()
            worker.jobs.put(job)
        return job.future


def _hand_over(worker: _Worker) -> None:
    """The thread of one worker: one job after another, until None comes. The process is started here, because it ends
    with the thread that started it (PR_SET_PDEATHSIG counts threads)."""
    while (job := worker.jobs.get()) is not None:
        if worker.closing:
            job.future.cancel()
        if job.future.cancelled():
            job.future.set_running_or_notify_cancel()
            continue
        good, value = _done(job, worker)
        if worker.closing and value is None:
            job.future.cancel()
        if job.future.set_running_or_notify_cancel():
            (job.future.set_result if good else job.future.set_exception)(value)
    _stop(worker)
    while not worker.jobs.empty():
        if (job := worker.jobs.get()) is not None and job.future.cancel():
            job.future.set_running_or_notify_cancel()


def _done(job: _Job, worker: _Worker) -> tuple[bool, Any]:
    """(True, result) or (False, exception) of a job, in at most two lives of the worker; (False, None) when closed."""
    where = f"worker {worker.name!r}"
    try:
        message = pickle.dumps((job.function, job.args, job.only_warm))
    except (pickle.PicklingError, TypeError, AttributeError) as error:
        return False, InputError(where, f"{job.function}: {error}", "arguments that can be pickled")
    for _ in range(2):
        try:
            if worker.pipe is None or worker.process is None or worker.process.poll() is not None:
                _start(worker)
            assert worker.pipe is not None
            worker.pipe.send_bytes(message)
            answer = worker.pipe.recv_bytes()
        except (EOFError, OSError):
            _stop(worker)
            if worker.closing:
                return False, None
            continue
        try:
            good, value = pickle.loads(answer)
        except (pickle.UnpicklingError, AttributeError, ImportError, TypeError, ValueError) as error:
            return False, InputError(where, f"the result of {job.function}: {error}", "a result known here")
        return good, value
    todo = "what it was given is too much for this machine, or makes a library crash (see standard error)"
    return False, LoopwrightError(where, f"died twice in {job.function}", "", todo)


def _start(worker: _Worker) -> None:
    """A fresh interpreter that serves the other end of a socket pair; its standard output goes to standard error."""
    import socket

    _stop(worker)
    ours, theirs = socket.socketpair()
    with theirs:
        worker.process = subprocess.Popen(
            [sys.executable, "-c", _START, str(theirs.fileno()), json.dumps(sys.path)],
            stdin=subprocess.DEVNULL, stdout=2, pass_fds=[theirs.fileno()], start_new_session=True,
        )
    worker.pipe = Connection(ours.detach())
    if worker.closing:  # close() came between the question and the start
        worker.process.kill()


def _stop(worker: _Worker) -> None:
    if worker.pipe:
        worker.pipe.close()
    if worker.process:
        worker.process.kill()
        worker.process.wait()
    worker.pipe = worker.process = None


def serve(handle: int) -> None:
    """The worker's side of the pipe: (function, args, only_warm) in, (True, result) or (False, exception) out."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _end_with_parent()
    pipe, jobs = Connection(handle), queue.SimpleQueue[bytes]()
    threading.Thread(target=_listen, args=(pipe, jobs), daemon=True).start()
    while True:
        answer = _answer(jobs.get())
        pipe.send_bytes(answer)


def _listen(pipe: Connection, jobs: queue.SimpleQueue[bytes]) -> None:
    """Takes what comes; when nobody is at the other end any more, the process ends, in the middle of what it does."""
    with contextlib.suppress(EOFError, OSError):
        while True:
            jobs.put(pipe.recv_bytes())
    os._exit(0)


def _end_with_parent() -> None:
    """Linux: the kernel kills this process when its parent is gone. Elsewhere the end of the pipe does it."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _answer(message: bytes) -> bytes:
    try:
        name, args, only_warm = pickle.loads(message)
        function = _find(name)
        if only_warm:
            warm = getattr(sys.modules[name.partition(":")[0]], "warm", None)
            return pickle.dumps((True, warm() if callable(warm) else None))
        return pickle.dumps((True, function(*args)))
    except Exception as error:  # the door of the worker: whatever it is goes back to who asked
        return _wrapped(error)


def _find(name: str) -> Callable[..., Any]:
    module, _, attribute = name.partition(":")
    loaded = importlib.import_module(module)
    if not callable(found := getattr(loaded, attribute, None)):
        raise UnknownName(f"function of {module}", attribute, [n for n in vars(loaded) if not n.startswith("_")])
    return found


def _wrapped(error: Exception) -> bytes:
    """An exception as it can travel, with its traceback as a note (our own errors speak for themselves)."""
    text = "".join(traceback.format_exception(error))
    if not isinstance(error, LoopwrightError):
        error.add_note(f"in a worker process:\n{text}")
    try:
        message = pickle.dumps((False, error))
        pickle.loads(message)
    except (pickle.PicklingError, TypeError, AttributeError, ValueError):
        message = pickle.dumps((False, RuntimeError(f"{type(error).__name__}: {error}\n{text}")))
    return message
