"""The live fleet: the last steps of every thing of a kind as one tensor, kept by scatter as batches are put.

    fleet = Fleet(store, "mill", steps=60, step_ns=1_000_000_000)
    seen = fleet.windows()        what store.windows() would read from disk, without reading
    torch.from_numpy(seen.values) no copy

A value goes to its cell when its batch is durable; a late one too, as long as its step is held. What a scatter cannot
decide (a correction, a value with the same time as the one that is held, a step beyond what is held) is noted and read
from the store when the window is asked for. Memory is laid out step by step, (S, B, C): a batch of one moment falls
into one piece of memory, and moving on by a step moves nothing until the spare steps are used up.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from loopwright.core.errors import InputError, NotAllowed, UnknownName
from loopwright.core.types import BAD, Batch, Windows
from loopwright.store.cellar import Store
from loopwright.store.check import lists, numbers
from loopwright.store.keys import Keys
from loopwright.store.windows import NEVER, Cells, channel, read_cells

_NOTES = 100_000  # more that cannot be decided by scatter than this, and all is read anew
_SPARE = 4  # a quarter of the window is spare before it and after it, at least so many steps


class Fleet:
    """The last `steps` steps of step_ns of every thing of a kind. Any thread may ask; close it when done.

    kind     the kind of things; those declared later join
    signals  which (None: all of one number a sample)
    dtype    float64 as `store.windows` gives it, or float32 at half the memory, rounded to it

    Memory: steps * 1.5 * things * signals cells, of 17 bytes with float64 and 13 with float32.
    Raises UnknownName for a kind or signal that is not declared, NotAllowed on a plant opened for reading (what another
    process puts is not heard).
    """

    def __init__(
        self, store: Store, kind: str, *, steps: int, step_ns: int, signals: Sequence[str] | None = None,
        dtype: Any = np.float64,
    ) -> None:
        if store.read_only:
            raise NotAllowed(f"fleet of {kind!r}", "the plant is open for reading only", "",
                             "use store.windows(), or make it in the process that writes")
        if steps < 1 or step_ns < 1:
            raise InputError(f"fleet of {kind!r}", f"{steps} steps of {step_ns} ns", "1 step and 1 ns, or more")
        self._store, self._kind, self._dtype = store, kind, np.dtype(dtype)
        self.steps, self.step_ns = steps, step_ns
        self._spare = max(_SPARE, steps // _SPARE)
        self._wanted = None if signals is None else list(signals)
        if self._wanted is not None and len(set(self._wanted)) < len(self._wanted):
            raise InputError(f"fleet of {kind!r}", f"signals {self._wanted}", "each one once")
        with store._lock:
            self._lay_out()
            store.listeners.append(self._heard)
            store.leavers.append(self._gone)

    def close(self) -> None:
        """No longer listens."""
        with self._store._lock:
            self._store.listeners.remove(self._heard)
            self._store.leavers.remove(self._gone)

    def __enter__(self) -> Fleet:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def things(self) -> tuple[str, ...]:
        """The B things, in the order in which they were declared."""
        return tuple(self._things)

    def windows(self, now_ns: int | None = None, *, copy: bool = True) -> Windows:
        """The `steps` steps that end with the one of now_ns (None: the plant's now), values (B, T, C) and mask.

        Steps begin at whole multiples of step_ns since 1970. Going on in time is cheap; going back further than the
        spare steps reads all of it anew.
        copy  False gives the fleet's own memory, read-only: no copy at all, but the next put changes it
        """
        with self._store._lock:
            now_ns = self._store._clock.now_ns() if now_ns is None else now_ns
            if self._names is not self._store._memory.catalogue.names:
                self._lay_out()  # the slots were numbered anew
            self._follow()
            if abs(now_ns) + 4 * (self.steps + self._spare) * self.step_ns > -NEVER:
                raise InputError(f"fleet of {self._kind!r}", f"now is {now_ns} ns", "a time between 1677 and 2262")
            first = now_ns // self.step_ns - self.steps + 1
            self._move(first)
            self._read_noted()
            place = slice(first - self._base, first - self._base + self.steps)
            values, mask = (part[place, :len(self._things)].transpose(1, 0, 2)
                            for part in (self._cells.values, self._cells.mask))
            if copy:
                values, mask = values.copy(order="K"), mask.copy(order="K")
            else:
                values.flags.writeable = mask.flags.writeable = False
            t_ns = np.arange(first, first + self.steps, dtype=np.int64) * self.step_ns
            return Windows(self.things, values, mask, t_ns, tuple(self._signals), self._units)

    # what is where; all of it under the store's lock

    def _lay_out(self) -> None:
        """Room for all things, and nothing in it: it is read from the store when it is asked for."""
        catalogue = self._store._memory.catalogue
        if self._kind not in catalogue.kinds:
            raise UnknownName("kind", self._kind, catalogue.kinds)
        kind = catalogue.kinds[self._kind]
        self._signals = [s.name for s in kind.signals if not s.shape] if self._wanted is None else self._wanted
        self._units = tuple(kind.signal(name).unit for name in self._signals)
        for name in self._signals:
            channel(self._store, name)
        self._things: list[str] = []
        self._names = catalogue.names
        self._cell = np.full(0, -1, np.int64)  # slot -> row * C + channel, -1: not of this fleet
        self._base = 0  # the first step that is held
        self._unread = 0  # up to here something may have been put before it was listened for
        self._cells = self._empty(0)
        self._forget_notes(anew=True)
        self._follow()

    def _empty(self, things: int) -> Cells:
        return Cells.empty((self.steps + 2 * self._spare, things, len(self._signals)), self._dtype)

    def _forget_notes(self, *, anew: bool) -> None:
        self._anew = anew  # nothing that is held can be trusted
        self._late: set[int] = set()  # steps beyond what is held, for which something came
        self._unsure: set[tuple[int, int]] = set()  # (row, step) that a scatter could not decide

    def _follow(self) -> None:
        """Takes in things that were declared meanwhile."""
        catalogue = self._store._memory.catalogue
        if len(catalogue.names) == len(self._cell):
            return
        bases, kinds = catalogue._arrays()
        mine = bases[kinds == catalogue._kind_index[self._kind]]
        ids = [name for name, thing in catalogue.things.items() if thing.kind == self._kind]
        places = [[s.name for s in catalogue.kinds[self._kind].signals].index(name) for name in self._signals]
        self._cell = np.full(len(catalogue.names), -1, np.int64)
        cells = np.arange(len(mine) * len(places)).reshape(len(mine), len(places))
        self._cell[mine[:, None] + np.array(places, np.int64)] = cells
        old, before = self._cells, len(self._things)
        if len(ids) > old.mask.shape[1]:
            self._cells = self._empty(max(len(ids), 2 * before))
            for name, part in vars(self._cells).items():
                part[:, :before] = getattr(old, name)[:, :before]
        self._things = ids

    def _heard(self, batch: Batch, table: pa.Table, keys: Keys) -> None:
        """Puts what was stored of a batch where it belongs."""
        if self._names is not self._store._memory.catalogue.names:
            self._forget_notes(anew=True)
        if self._anew:
            return
        self._follow()
        if batch.correction:
            self._doubt_all(batch, keys)
            return
        cell, time, value, good = _samples(batch, table, self._cell[keys.slot], keys)
        mine = (cell >= 0) & good & (time >= self._base * self.step_ns)
        beyond = mine & (time >= (self._base + len(self._cells.mask)) * self.step_ns)
        if beyond.any():
            self._note(self._late, np.unique(time[beyond] // self.step_ns).tolist())
            mine &= ~beyond
        if not mine.all():
            cell, time, value = cell[mine], time[mine], value[mine]
        step = time // self.step_ns
        with np.errstate(over="ignore"):
            value = value.astype(self._dtype, copy=False)
        width = self._cells.mask.shape[1] * len(self._signals)
        again = self._cells.scatter((step - self._base) * width + cell, time, value)
        if again.any():
            rows = np.unique(np.stack([cell[again] // len(self._signals), step[again]]), axis=1)
            self._note(self._unsure, list(zip(*rows.tolist(), strict=True)))

    def _gone(self, things: Sequence[str] | None) -> None:
        """Rows of these things (None: of any) were taken out of the store."""
        self._forget_notes(anew=True)

    def _doubt_all(self, batch: Batch, keys: Keys) -> None:
        """Everything that these rows may have replaced is to be read again, also what lies beyond what is held."""
        cell = self._cell[keys.slot]
        last = self._store._memory.span_ns // self.step_ns + 1 if batch.blocks else 0  # a longer block stood there
        if last > _NOTES:
            self._forget_notes(anew=True)
            return
        rows, steps = cell[cell >= 0] // max(1, len(self._signals)), keys.t_ns[cell >= 0] // self.step_ns
        end = self._base + len(self._cells.mask)
        for row, step in set(zip(rows.tolist(), steps.tolist(), strict=True)):
            self._note(self._unsure, [(row, s) for s in range(max(step, self._base), min(step + last + 1, end))])
            self._note(self._late, range(max(step, end), step + last + 1) if step + last >= end else [])

    def _note(self, notes: set[Any], more: Collection[Any]) -> None:
        notes.update(more)
        if len(notes) > _NOTES:
            self._forget_notes(anew=True)

    # moving on, and reading what is not known

    def _move(self, first: int) -> None:
        """Makes the steps from `first` on be held."""
        held, ahead = len(self._cells.mask), first - self._base
        if self._anew or not 0 <= ahead < held:
            self._forget_notes(anew=False)
            self._base = first - self._spare // 2
            self._clear(0)
            self._read(self._things, self._base, self._base + held)
            self._unread = self._newest_step() + 1
            return
        if ahead + self.steps <= held - self._spare // 2:
            return
        gone = ahead - self._spare // 2
        for part in vars(self._cells).values():
            for step in range(0, held - gone, gone):  # piece by piece, so that none lies over itself
                piece = part[step + gone:step + 2 * gone]
                part[step:step + len(piece)] = piece
        self._clear(held - gone)
        end, self._base = self._base + held, self._base + gone
        if end < self._unread:
            self._read(self._things, end, min(self._base + held, self._unread))

    def _newest_step(self) -> int:
        """The last step that anything of this fleet may reach into."""
        memory = self._store._memory
        newest = memory.live.t_ns[:len(self._cell)][self._cell >= 0]
        return (int(newest.max()) + memory.span_ns) // self.step_ns if len(newest) else self._base

    def _clear(self, first: int) -> None:
        """Nothing stands from that place on."""
        self._cells.values[first:], self._cells.mask[first:], self._cells.t_ns[first:] = 0, False, NEVER

    def _read_noted(self) -> None:
        """Reads the steps that were beyond what was held, and the cells that a scatter could not decide."""
        end = self._base + len(self._cells.mask)
        late = sorted(step for step in self._late if step < end)
        self._late -= set(late)
        late = [step for step in late if step >= self._base]
        if late:
            self._read(self._things, late[0], late[-1] + 1)
        unsure = [(row, step) for row, step in self._unsure if step >= self._base]
        self._unsure.clear()
        if unsure:
            rows, steps = sorted({row for row, _ in unsure}), [step for _, step in unsure]
            self._read([self._things[row] for row in rows], min(steps), max(steps) + 1)

    def _read(self, things: Sequence[str], first: int, end: int) -> None:
        """Takes these things' steps first <= step < end from the store."""
        if not things:
            return
        found = read_cells(self._store, things, self._signals, (first * self.step_ns, end * self.step_ns, self.step_ns))
        known = {name: row for row, name in enumerate(self._things)}
        rows = np.array([known[name] for name in things])
        for name, part in vars(self._cells).items():
            part[first - self._base:end - self._base, rows] = getattr(found, name).transpose(1, 0, 2)


def _samples(batch: Batch, table: pa.Table, cell: Any, keys: Keys) -> tuple[Any, Any, Any, Any]:
    """(cell, t_ns, value, good), each (samples,), of stored rows; of equal cell and time the last counts."""
    sound = numbers(table.column("quality"), np.int8)[0] != BAD
    if batch.blocks:
        order = np.lexsort((keys.n, keys.t_ns))
        keys, cell, sound, table = keys.take(order), cell[order], sound[order], table.take(order)
        flat, starts, lengths = lists(table.column("values"))
        row = np.repeat(np.arange(len(lengths)), lengths)
        nth = np.arange(len(flat)) - starts[row]
        time = keys.t_ns[row] + nth * numbers(table.column("dt_ns"), np.int64)[0][row]
        return cell[row], time, flat, sound[row]
    value, has_value = numbers(table.column("value"), np.float64)
    code, has_code = numbers(table.column("code"), np.float64)
    number, good = np.where(has_value, value, code), sound & (has_value | has_code)
    if keys.n.any():
        order = np.argsort(keys.n, kind="stable")
        return cell[order], keys.t_ns[order], number[order], good[order]
    return cell, keys.t_ns, number, good
