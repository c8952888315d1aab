"""The faults that people meet on a shop floor, put on a stream of frames, with an exact count of what was done.

    stream = FaultStream(frames, Faults(gap_share=0.02, late_share=0.05, jump_s=7200), seed=3)
    for frame in stream: ...
    stream.truth      Truth(made, sent, never_sent, delayed, overtaken, jumped), in samples

A gap is what a source that went quiet never said, so nobody counts it as sent. A late packet arrives frames later and
carries its own old times. A clock jump moves the source's times by jump_s for a while and then moves them back.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from loopwright.core.clock import NS_PER_S
from loopwright.core.errors import InputError


@dataclass(frozen=True)
class Faults:
    """What goes wrong.

    gap_share    share of frames that a gap begins at
    gap_frames   longest gap, in frames
    late_share   share of frames that are held back
    late_frames  longest delay, in frames
    jump_s       how far the source's clock jumps (0: it does not), seconds, either way
    jump_frames  for how many frames it stays wrong
    """

    gap_share: float = 0.0
    gap_frames: int = 3
    late_share: float = 0.0
    late_frames: int = 5
    jump_s: float = 0.0
    jump_frames: int = 10

    def __post_init__(self) -> None:
        for name in ("gap_share", "late_share"):
            if not 0.0 <= getattr(self, name) < 1.0:
                raise InputError("faults", f"{name} is {getattr(self, name)}", "0 up to, not including, 1")
        for name in ("gap_frames", "late_frames", "jump_frames"):
            if getattr(self, name) < 1:
                raise InputError("faults", f"{name} is {getattr(self, name)}", "1 or more frames")


@dataclass
class Truth:
    """What was really done, in samples: made = sent + never_sent; delayed, overtaken and jumped are parts of sent.

    delayed    held back by at least a frame
    overtaken  older than something that arrived before them: what a listener can see of delays and backward jumps
    """

    made: int = 0
    sent: int = 0
    never_sent: int = 0
    delayed: int = 0
    overtaken: int = 0
    jumped: int = 0


class FaultStream:
    """Frames with faults, in the order they arrive. It is gone through once; `truth` is exact at its end.

    frames  what the machine would say if nothing went wrong; the last frame is always sent, on time
    """

    def __init__(self, frames: Iterable[pa.Table], faults: Faults, seed: int) -> None:
        self._frames, self._faults = frames, faults
        self._rng = np.random.default_rng(seed)
        self.truth = Truth()
        self._newest_ns = -(2**63)

    def __iter__(self) -> Iterator[pa.Table]:
        held: list[tuple[int, pa.Table]] = []  # (frames still to wait, frame)
        quiet, jump_from = 0, self._jump_from()
        for i, (frame, last) in enumerate(_with_last(self._frames)):
            self.truth.made += frame.num_rows
            if jump_from <= i < jump_from + self._faults.jump_frames:
                frame = self._jump(frame)
            quiet = 0 if last else quiet or self._draw(self._faults.gap_share, self._faults.gap_frames)
            delay = 0 if last or quiet else self._draw(self._faults.late_share, self._faults.late_frames)
            if quiet:
                quiet -= 1
                self.truth.never_sent += frame.num_rows
            elif delay:
                held.append((delay + 1, frame))
            else:
                yield self._send(frame)
            held = [(wait - 1, old) for wait, old in held]
            for _, old in [one for one in held if last or one[0] <= 0]:
                self.truth.delayed += old.num_rows
                yield self._send(old)
            held = [] if last else [one for one in held if one[0] > 0]

    def _jump_from(self) -> float:
        """Number of the first frame with a wrong clock; infinite when the clock does not jump."""
        if not self._faults.jump_s:
            return float("inf")
        return float(self._rng.integers(2, 2 + 3 * self._faults.jump_frames))

    def _draw(self, share: float, longest: int) -> int:
        """0, or with probability `share` a length from 1 to longest. Draws nothing for a share of 0."""
        return int(self._rng.integers(1, longest + 1)) if share and self._rng.random() < share else 0

    def _send(self, frame: pa.Table) -> pa.Table:
        if frame.num_rows:
            t_ns = frame.column("t_ns").to_numpy()
            self.truth.overtaken += int((t_ns < self._newest_ns).sum())
            self._newest_ns = max(self._newest_ns, int(t_ns.max()))
        self.truth.sent += frame.num_rows
        return frame

    def _jump(self, frame: pa.Table) -> pa.Table:
        """The frame with its times moved; n = 1, so that a time that comes twice is told apart."""
        self.truth.jumped += frame.num_rows
        shift_ns = round(self._faults.jump_s * NS_PER_S)
        moved = pc.add(frame.column("t_ns"), pa.scalar(shift_ns, pa.int64()))
        frame = frame.set_column(frame.column_names.index("t_ns"), "t_ns", moved)
        if "n" in frame.column_names:
            again = pc.add(frame.column("n"), pa.scalar(1, pa.int32()))
            frame = frame.set_column(frame.column_names.index("n"), "n", again)
        return frame


def _with_last(frames: Iterable[pa.Table]) -> Iterator[tuple[pa.Table, bool]]:
    """Each frame with whether it is the last."""
    waiting: pa.Table | None = None
    for frame in frames:
        if waiting is not None:
            yield waiting, False
        waiting = frame
    if waiting is not None:
        yield waiting, True
