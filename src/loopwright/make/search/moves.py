"""Moves of a tabu search and what they would bring. Compiled.

    0  u right behind v on the same machine     1  v right before u     2  u to another machine, behind v

Estimates of the longest path through what moves: E. Balas, A. Vazacopoulos, Guided local search with shifting
bottleneck for job shop scheduling (Management Science 44, 1998), which also gives the moves to a block's ends (N6);
from its ends into the block (N7): C. Zhang, P. Li, Z. Guan, Y. Rao, A tabu search algorithm with a new neighborhood
structure (Computers & Operations Research 34, 2007); to another machine: M. Mastrolilli, L. M. Gambardella, Effective
neighbourhood functions for the flexible job shop problem (Journal of Scheduling 3, 2000). A move
is looked at only where heads and tails prove that it makes no cycle.
"""
# ruff: noqa: SIM110 (Numba compiles loops, not generators)

from __future__ import annotations

from typing import Any

from loopwright.make.search.graph import arrives, behind, chance, fast, ready
from loopwright.make.search.stay import stays_changed, stays_turned

# `pick` and `spare`, six numbers each: estimate, kind, u, v, how many were equal, the choice of machine


@fast
def later(x: Any, block: Any, a: int, b: int, least: int) -> int:
    """The longest path through what lies between, were the a-th of a block right behind its b-th.

    block  `fill_block`; least: once it is longer than that, it is given up
    """
    u, v = block[0, a], block[0, b]
    i = x.before[u]
    end = x.r[i] + x.p[i] if i >= 0 else 0
    for k in range(a + 1, b + 1):
        head = max(block[1, k], end)
        block[4, k] = head
        end = head + block[3, k]
    tail = block[2, a]
    i = x.after[v]
    if i >= 0:
        tail = max(tail, x.q[i])
    tail += block[3, a]
    found = max(block[1, a], end) + tail
    for k in range(b, a, -1):
        tail = max(block[2, k], tail) + block[3, k]
        found = max(found, block[4, k] + tail)
        if found > least:
            return found
    return found


@fast
def sooner(x: Any, block: Any, a: int, b: int, least: int) -> int:
    """The longest path through what lies between, were the b-th of a block right before its a-th."""
    u, v = block[0, a], block[0, b]
    i = x.after[v]
    tail = x.q[i] if i >= 0 else 0
    for k in range(b - 1, a - 1, -1):
        tail = max(block[2, k], tail) + block[3, k]
        block[4, k] = tail
    head = block[1, b]
    i = x.before[u]
    if i >= 0:
        head = max(head, x.r[i] + x.p[i])
    found = head + max(block[2, b], tail) + block[3, b]
    end = head + block[3, b]
    for k in range(a, b):
        head = max(block[1, k], end)
        found = max(found, head + block[4, k])
        if found > least:
            return found
        end = head + block[3, k]
    return found


@fast
def may_later(x: Any, succ: Any, u: int, v: int) -> bool:
    """Whether no path leads from a successor of u by job to v (a path would make its tail the longer one)."""
    if x.js[u] < 0:
        return True
    if x.q[v] <= x.q[x.js[u]]:
        return False
    for k in range(x.sa[u], x.sa[u] + x.sn[u]):
        if x.q[v] <= x.q[succ[k]]:
            return False
    return True


@fast
def may_sooner(x: Any, pred: Any, u: int, v: int) -> bool:
    """Whether no path leads from u to a predecessor of v by job."""
    i = x.jp[v]
    if i < 0:
        return True
    end = x.r[u] + x.p[u]
    if end <= x.r[i] + x.p[i]:
        return False
    for k in range(x.pa[v], x.pa[v] + x.pn[v]):
        i = pred[k]
        if end <= x.r[i] + x.p[i]:
            return False
    return True


@fast
def forbidden(x: Any, u: int, v: int, kind: int, tabu: Any, now: int) -> bool:
    """Whether a move would turn an order of two operations round again that was changed a short while ago."""
    n = len(x.p)
    mask = len(tabu) - 1
    i = x.after[u] if kind == 0 else x.before[v]
    stop = v if kind == 0 else u
    while True:
        pair = i * n + u if kind == 0 else v * n + i
        if tabu[pair & mask] > now:
            return True
        if i == stop:
            return False
        i = x.after[i] if kind == 0 else x.before[i]


@fast
def forbid(x: Any, u: int, v: int, kind: int, tabu: Any, until: int) -> None:
    """Notes the orders that a move is about to change."""
    n = len(x.p)
    mask = len(tabu) - 1
    i = x.after[u] if kind == 0 else x.before[v]
    stop = v if kind == 0 else u
    while True:
        pair = u * n + i if kind == 0 else i * n + v
        tabu[pair & mask] = until
        if i == stop:
            return
        i = x.after[i] if kind == 0 else x.before[i]


@fast
def offer(estimate: int, kind: int, u: int, v: int, choice: int, pick: Any) -> None:
    """Keeps the best of what is offered; of equals each with the same chance."""
    if estimate > pick[0]:
        return
    pick[4] = 1 if estimate < pick[0] else pick[4] + 1
    if pick[4] == 1 or chance(pick[4]):
        pick[0], pick[1], pick[2], pick[3], pick[5] = estimate, kind, u, v, choice


@fast
def look(
    x: Any, pred: Any, succ: Any, block: Any, a: int, b: int, kind: int, tabu: Any, now: int, best: int, pick: Any,
    spare: Any, k: Any
) -> None:
    """Looks at one move on the same machine, of the a-th and the b-th of a block. k: `stay.Stay`."""
    u, v = block[0, a], block[0, b]
    if kind == 0:
        if not may_later(x, succ, u, v):
            return
        estimate = later(x, block, a, b, pick[0])
    else:
        if not may_sooner(x, pred, u, v):
            return
        estimate = sooner(x, block, a, b, pick[0])
    if estimate > pick[0] or (k.need[0] > 0 and not stays_turned(x, k, u, v, kind)):
        return
    if estimate >= best and forbidden(x, u, v, kind, tabu, now):
        offer(0, kind, u, v, 0, spare)  # all equal: one by chance, if nothing else is left
    else:
        offer(estimate, kind, u, v, 0, pick)


@fast
def fill_block(x: Any, pred: Any, succ: Any, path: Any, i: int, j: int, block: Any) -> None:
    """Operations, what they wait for by job, what follows by job, seconds: of path[i..j] into block[0..3]."""
    for k in range(i, j + 1):
        o = path[k]
        block[0, k] = o
        block[1, k] = ready(x, pred, o)
        block[2, k] = behind(x, succ, o)
        block[3, k] = x.p[o]


@fast
def look_block(
    x: Any, pred: Any, succ: Any, path: Any, i: int, j: int, end: int, tabu: Any, now: int, best: int, pick: Any,
    spare: Any, block: Any, k: Any
) -> None:
    """Moves of the block path[i..j] of a critical path of length `end`: each operation to the block's ends (N6), the
    first and the last into it (N7). Before the first block's first nothing is won, unless it waits for more than its
    machine; behind the last block's last, unless something must follow it."""
    fill_block(x, pred, succ, path, i, j, block)
    front = i > 0 or x.r[path[i]] > x.free[x.machine[path[i]]]
    back = j < end - 1 or x.tail[path[j]] > 0
    if j == i + 1:
        if front or back:
            look(x, pred, succ, block, i, j, 0, tabu, now, best, pick, spare, k)
        return
    for n in range(i, j + 1):
        if back:
            if n < j:
                look(x, pred, succ, block, n, j, 0, tabu, now, best, pick, spare, k)
            if i < n < j - 1:
                look(x, pred, succ, block, n, j, 1, tabu, now, best, pick, spare, k)
        if front:
            if n > i:
                look(x, pred, succ, block, i, n, 1, tabu, now, best, pick, spare, k)
            if i + 1 < n < j:
                look(x, pred, succ, block, i, n, 0, tabu, now, best, pick, spare, k)


@fast
def waits(x: Any, pred: Any, o: int, other: int) -> bool:
    """Whether o waits for the other by job."""
    if x.jp[o] == other:
        return True
    for k in range(x.pa[o], x.pa[o] + x.pn[o]):
        if pred[k] == other:
            return True
    return False


@fast
def look_machines(
    x: Any, pred: Any, succ: Any, alt_at: Any, alt_machine: Any, alt_p: Any, first: Any, o: int, moved: Any, now: int,
    best: int, pick: Any, spare: Any, stay: Any
) -> None:
    """Every place on every other machine where o makes no cycle.

    moved  (choices,) until which iteration o does not go back to it; stay: `stay.Stay`
    """
    head, tail = arrives(x, pred, o), behind(x, succ, o)
    latest, soonest = -1, 2**30  # predecessors start before `latest`, the first successor ends at `soonest`
    for nth in range(-1, x.pn[o]):
        i = x.jp[o] if nth == -1 else pred[x.pa[o] + nth]
        if i >= 0:
            latest = max(latest, x.r[i])
    for nth in range(-1, x.sn[o]):
        i = x.js[o] if nth == -1 else succ[x.sa[o] + nth]
        if i >= 0:
            soonest = min(soonest, x.r[i] + x.p[i])
    for k in range(alt_at[o], alt_at[o + 1]):
        if alt_machine[k] == x.machine[o]:
            continue
        tabu = moved[k] > now
        b = -1
        n = first[alt_machine[k]]
        while b < 0 or (x.r[b] < soonest and not waits(x, pred, b, o)):
            if n < 0 or (x.r[n] + x.p[n] > latest and not waits(x, pred, o, n)):
                start = max(head, x.r[b] + x.p[b]) if b >= 0 else max(head, x.free[alt_machine[k]])
                estimate = start + alt_p[k] + (max(tail, x.q[n]) if n >= 0 else tail)
                spared = tabu and estimate >= best
                if (spared or estimate <= pick[0]) and (
                    stay.need[0] == 0 or stays_changed(x, first, stay, o, alt_machine[k], b)
                ):
                    offer(0 if spared else estimate, 2, o, b, k, spare if spared else pick)
            if n < 0:
                break
            b = n
            n = x.after[n]
