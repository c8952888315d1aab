"""What a protocol read goes into the store; what makes no sense as a whole is refused once and counted."""

from __future__ import annotations

import logging
from dataclasses import replace

from loopwright.core.errors import InputError
from loopwright.core.types import POINTS_IN, Batch, Receipt
from loopwright.store import Store

_log = logging.getLogger(__name__)
SENSELESS = "a batch that makes no sense"


def accept(store: Store, batch: Batch) -> Receipt:
    """Stores a batch of a wire. One for which the store has an InputError would come again for ever: it is refused as a
    whole, under its own numbers where these can be, and the reason is logged.
    """
    try:
        return store.put(batch)
    except InputError as error:
        _log.error("%s", error)
        refused = dict(batch.refused)
        refused[SENSELESS] = refused.get(SENSELESS, 0) + max(1, batch.table.num_rows)
        instead = replace(batch, table=POINTS_IN.empty_table(), refused=refused, known_ns=None, correction="")
        try:
            return store.put(instead)
        except InputError:
            source = f"{batch.hop[:40]}/{batch.source[:100]}"
            return store.put(replace(instead, source=source, sequence=None, sent=None))
