"""What plays a mill that is not there: a recording of real runs, or a twin. Both speak in frames, run after run.

    recording(options) -> the machine's share of the recorded runs, dealt out like cards, one after the other
    twin(options)      -> runs of a MillTwin, with the faults that the machine's `plays` table asks for
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from pathlib import Path

import pyarrow as pa

from loopwright.core.errors import InputError, UnknownName
from loopwright.core.pack import Play, PlayOptions
from loopwright.packs.shop_floor.runs import Placed, labelled, place, points, read_runs
from loopwright.packs.shop_floor.signals import MILL
from loopwright.twins.faults import Faults, FaultStream
from loopwright.twins.mill import MillTwin, TwinRun
from loopwright.twins.recording import frames

CHUNK_S = 5.0  # recorded time in one frame
RECORDING_KEYS = ("source", "runs")
TWIN_KEYS = ("source", "gaps", "late", "jump", "stroke_m")
SPOKEN = tuple(sorted({s.name for s in MILL.signals}))


def recording(options: PlayOptions) -> Sequence[Play]:
    """The recorded runs of one machine, from options.first on. Which machine made which run, and when, is assumed."""
    _known(options, RECORDING_KEYS)
    if options.folder is None:
        raise InputError(f"machine {options.thing!r}", "a recording needs a folder", "", "add --data FOLDER")
    placed = place(read_runs(Path(options.folder)), options.things, options.origin_ns, options.spacing_s)
    mine = [one for one in placed if one.thing == options.thing][options.first:]
    return [_recorded(one) for one in mine[: options.count]]


def _recorded(one: Placed) -> Play:
    def said() -> Iterable[pa.Table]:
        return frames(points(one), CHUNK_S)

    signals, events = tuple(one.run.columns), labelled([one])
    return Play(one.id, one.thing, one.start_ns, one.end_ns, said, signals, events, assumed=True)


def twin(options: PlayOptions) -> Sequence[Play]:
    """Runs of a twin, from options.first on (those before are milled unheard, for their wear), at options.origin_ns."""
    _known(options, TWIN_KEYS)
    given = options.settings
    mill = MillTwin(options.seed, MILL, options.thing, 0, float(given.get("stroke_m", 0.012)))
    count = 1 if options.count is None else options.count
    runs = mill.runs(options.first + count, options.spacing_s, changed=options.changed)
    for _ in itertools.islice(runs, options.first):
        continue
    mill.now_ns = options.origin_ns
    faults = Faults(gap_share=0.02 if given.get("gaps") else 0.0, late_share=0.05 if given.get("late") else 0.0,
                    jump_s=-7200.0 if given.get("jump") else 0.0)
    return [_twinned(run, faults, options.seed) for run in runs]


def _twinned(run: TwinRun, faults: Faults, seed: int) -> Play:
    # the clock jumps in one run of seven only: a machine whose clock is set wrong for a while
    mine = Faults(faults.gap_share, faults.gap_frames, faults.late_share, faults.late_frames,
                  faults.jump_s if run.number % 7 == 3 else 0.0, 3)

    def said() -> Iterable[pa.Table]:
        return FaultStream(frames(run.table, 2.0), mine, seed * 1009 + run.number)

    signals = tuple(sorted(run.table.column("signal").unique().to_pylist()))
    return Play(run.id, run.thing, run.start_ns, run.end_ns, said, signals, (run.labelled(),))


def _known(options: PlayOptions, keys: Sequence[str]) -> None:
    for key in options.settings:
        if key not in keys:
            raise UnknownName(f"machine {options.thing!r} plays", key, keys)


PLAYERS = {"recording": recording, "twin": twin}
