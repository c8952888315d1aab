"""A table's log after a power cut: what was half written is set aside, and nothing that was acknowledged is in it.

Commits of ours are whole or not there; those of older versions and of other tools may be cut short. The newest one can
be given up: the journal is trimmed only after its commit is durable, so its rows are there still. A checkpoint can be
given up as long as the entries that it sums up are there.
"""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from loopwright.core.clock import age_s
from loopwright.store.place import LOG, durable

_log = logging.getLogger("loopwright.store")
_HINT = "_last_checkpoint"
_OLD_S = 3600


def mend(table: Path) -> list[str]:
    """Sets aside (as *.torn) a newest entry and a newest checkpoint that are cut short; what was done, in words."""
    log, said = table / LOG, []
    for half in log.glob(".*.tmp"):
        if age_s(half.stat().st_mtime) > _OLD_S:  # of a process that was killed
            half.unlink(missing_ok=True)
    entries, checkpoints = _files(log)
    if len(entries) > 1 and not _whole(entries[-1]):
        said.append(_aside(entries[-1], "the newest entry; its rows stand in the journal"))
    if checkpoints and not _readable(checkpoints[-1]):
        if (log / _HINT).exists():
            _aside(log / _HINT, "")
        said.append(_aside(checkpoints[-1], "a checkpoint; the entries before it are read instead"))
    if said:
        durable([log])
    return said


def torn(table: Path) -> list[str]:
    """Entries and checkpoints of the log that cannot be read."""
    entries, checkpoints = _files(table / LOG)
    found = [path for path in entries if not _whole(path)] + [path for path in checkpoints if not _readable(path)]
    return [str(path) for path in found]


def _files(log: Path) -> tuple[list[Path], list[Path]]:
    entries = sorted(path for path in log.glob("*.json") if path.stem.isdigit())
    return entries, sorted(log.glob("*.checkpoint*.parquet"))


def _whole(entry: Path) -> bool:
    try:
        lines = [json.loads(line) for line in entry.read_text("utf-8").splitlines()]
    except ValueError:
        return False
    return bool(lines) and all(isinstance(line, dict) for line in lines)


def _readable(checkpoint: Path) -> bool:
    try:
        with pq.ParquetFile(checkpoint) as file:
            return bool(file.metadata.num_row_groups)
    except (pa.ArrowException, OSError):
        return False


def _aside(path: Path, what: str) -> str:
    path.replace(path.with_name(f"{path.name}.torn"))
    said = f"{path} was cut short: {what}"
    if what:
        _log.warning("%s", said)
    return said
