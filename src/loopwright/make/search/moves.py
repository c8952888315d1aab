"""Moves of a tabu search and what they would bring. Compiled.

    0  u right behind v on the same machine     1  v right before u     2  u to another machine, behind v

Estimates of the longest path through what moves: E. Balas, A. Vazacopoulos, Guided local search with shifting
bottleneck for job shop scheduling (Management Science 44, 1998), which also gives the moves to a block's ends (N6); to
another machine: M. Mastrolilli, L. M. Gambardella, Effective neighbourhood functions for the flexible job shop problem
(Journal of Scheduling 3, 2000). A move is looked at only where heads and tails prove that it makes no cycle.
"""
# ruff: noqa: SIM110 (Numba compiles loops, not generators)

from __future__ import annotations

from typing import Any

from loopwright.make.search.graph import behind, chance, fast, ready

# `pick` and `spare`, six numbers each: estimate, kind, u, v, how many were equal, the choice of machine


@fast
def later(x: Any, pred: Any, succ: Any, u: int, v: int, part: Any) -> int:
    """The longest path through what lies between, were u right behind v."""
    b = x.before[u]
    end = x.r[b] + x.p[b] if b >= 0 else 0
    i = x.after[u]
    n = 0
    while True:
        head = max(ready(x, pred, i), end)
        part[0, n] = head
        part[1, n] = i
        n += 1
        end = head + x.p[i]
        if i == v:
            break
        i = x.after[i]
    head = max(ready(x, pred, u), end)
    tail = behind(x, succ, u)
    if x.after[v] >= 0:
        tail = max(tail, x.q[x.after[v]])
    tail += x.p[u]
    found = head + tail
    for k in range(n - 1, -1, -1):
        i = part[1, k]
        tail = max(behind(x, succ, i), tail) + x.p[i]
        found = max(found, part[0, k] + tail)
    return found


@fast
def sooner(x: Any, pred: Any, succ: Any, u: int, v: int, part: Any) -> int:
    """The longest path through what lies between, were v right before u."""
    tail = x.q[x.after[v]] if x.after[v] >= 0 else 0
    i = x.before[v]
    n = 0
    while True:
        tail = max(behind(x, succ, i), tail) + x.p[i]
        part[0, n] = tail
        part[1, n] = i
        n += 1
        if i == u:
            break
        i = x.before[i]
    tail = max(behind(x, succ, v), tail) + x.p[v]
    head = ready(x, pred, v)
    b = x.before[u]
    if b >= 0:
        head = max(head, x.r[b] + x.p[b])
    found = head + tail
    end = head + x.p[v]
    for k in range(n - 1, -1, -1):
        i = part[1, k]
        head = max(ready(x, pred, i), end)
        found = max(found, head + part[0, k])
        end = head + x.p[i]
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
    x: Any, pred: Any, succ: Any, u: int, v: int, kind: int, tabu: Any, now: int, best: int, pick: Any, spare: Any,
    part: Any
) -> None:
    """Looks at one move on the same machine."""
    if kind == 0:
        if not may_later(x, succ, u, v):
            return
        estimate = later(x, pred, succ, u, v, part)
    else:
        if not may_sooner(x, pred, u, v):
            return
        estimate = sooner(x, pred, succ, u, v, part)
    if estimate >= best and forbidden(x, u, v, kind, tabu, now):
        offer(0, kind, u, v, 0, spare)  # all equal: one by chance, if nothing else is left
    else:
        offer(estimate, kind, u, v, 0, pick)


@fast
def look_block(
    x: Any, pred: Any, succ: Any, path: Any, i: int, j: int, end: int, tabu: Any, now: int, best: int, pick: Any,
    spare: Any, part: Any
) -> None:
    """Moves of the block path[i..j] of a critical path of length `end`: each operation to the block's ends."""
    if j == i + 1:
        if i > 0 or j < end - 1:
            look(x, pred, succ, path[i], path[j], 0, tabu, now, best, pick, spare, part)
        return
    for k in range(i, j + 1):
        if k < j and j < end - 1:
            look(x, pred, succ, path[k], path[j], 0, tabu, now, best, pick, spare, part)
        if k > i and i > 0:
            look(x, pred, succ, path[i], path[k], 1, tabu, now, best, pick, spare, part)


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
    best: int, pick: Any, spare: Any
) -> None:
    """Every place on every other machine where o makes no cycle."""
    head, tail = ready(x, pred, o), behind(x, succ, o)
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
        tabu = moved[o, alt_machine[k]] > now
        b = -1
        n = first[alt_machine[k]]
        while b < 0 or (x.r[b] < soonest and not waits(x, pred, b, o)):
            if n < 0 or (x.r[n] + x.p[n] > latest and not waits(x, pred, o, n)):
                start = max(head, x.r[b] + x.p[b]) if b >= 0 else head
                estimate = start + alt_p[k] + (max(tail, x.q[n]) if n >= 0 else tail)
                if tabu and estimate >= best:
                    offer(0, 2, o, b, k, spare)
                else:
                    offer(estimate, 2, o, b, k, pick)
            if n < 0:
                break
            b = n
            n = x.after[n]
