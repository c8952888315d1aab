"""Upkeep of the points beside the work: small files are joined, a checkpoint is written, unused files are removed.

It runs in a thread of its own, holds neither the lock of `put` nor that of `flush`, stops when the plant is closed, and
what it had begun by then is begun anew.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

from loopwright.core.errors import StoreError
from loopwright.store import changes, flush
from loopwright.store.delta import Table

if TYPE_CHECKING:
    from loopwright.store.cellar import Store

_log = logging.getLogger("loopwright.store")


def begin(store: Store) -> None:
    """Starts upkeep where it is due, unless it is going on."""
    with store._lock:
        if store._closed or (store._keeper and store._keeper.is_alive()) or not due(_tables(store)):
            return
        # no daemon: the interpreter must wait for it, or libraries go away under it
        store._keeper = threading.Thread(target=_keep, args=(store,), name=f"upkeep {store.path}")
        store._keeper.start()


def _tables(store: Store) -> list[Table]:
    return [*store._tables, store._rollups]


def due(tables: Sequence[Table]) -> list[Table]:
    """The tables that have files worth joining, or had a hundred commits since their last checkpoint."""
    commits = flush.UPKEEP_COMMITS
    return [t for t in tables if t.snapshot.version - t.tidied >= commits or t.choose()]


def finish(store: Store) -> None:
    """Waits until upkeep that is going on is over."""
    if store._keeper:
        store._keeper.join()


def _keep(store: Store) -> None:
    try:
        for table in due(_tables(store)):
            table.compact(lambda: store._closed)
            if not store._closed and table in flush.due(_tables(store)):
                table.checkpoint(flush.KEEP_HOURS)
                with store._lock:
                    if not store._closed:
                        store._memory.save()
                        changes.trim(store)
    except StoreError as error:  # nothing is lost by it; the next flush begins it anew
        _log.error("%s", error)
