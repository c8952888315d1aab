"""The disjunctive graph of a sequence: heads, tails, a topological order that follows moves, a critical path. Compiled.

`x` is `rows.Rows`. Compiled without reference counting (`_nrt=False`): nothing here makes an array, and counting the
references to sixteen of them in every call made the search ten times slower.
Source: J. Adams, E. Balas, D. Zawack, The shifting bottleneck procedure (Management Science 34, 1988) for the graph;
E. Nowicki, C. Smutnicki, A fast taboo search algorithm (Management Science 42, 1996) for heads and tails after a move.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from loopwright.make.compiled import fast as fast


@fast
def ready(x: Any, pred: Any, o: int) -> int:
    """Seconds before which o cannot start for its release and its predecessors by job."""
    return max(x.release[o], arrives(x, pred, o))


@fast
def arrives(x: Any, pred: Any, o: int) -> int:
    """The same wherever it is done."""
    head = x.base[o]
    i = x.jp[o]
    if i >= 0:
        head = max(head, x.r[i] + x.p[i])
        for k in range(x.pa[o], x.pa[o] + x.pn[o]):
            i = pred[k]
            head = max(head, x.r[i] + x.p[i])
    return head


@fast
def behind(x: Any, succ: Any, o: int) -> int:
    """Seconds that must follow the end of o for its successors by job."""
    tail = x.tail[o]
    i = x.js[o]
    if i >= 0:
        tail = max(tail, x.q[i])
        for k in range(x.sa[o], x.sa[o] + x.sn[o]):
            tail = max(tail, x.q[succ[k]])
    return tail


@fast
def heads(x: Any, pred: Any, order: Any, begin: int) -> None:
    """r of everything from place `begin` of the order on. (Unsigned: Numba asks of signed indices if they are < 0.)"""
    chains = len(pred) == 0
    for k in range(begin, len(order)):
        o = np.uint32(order[np.uint32(k)])
        head = x.release[o]
        i = x.jp[o]
        if i >= 0:
            j = np.uint32(i)
            head = max(head, x.r[j] + x.p[j])
            if not chains:
                for at in range(x.pa[o], x.pa[o] + x.pn[o]):
                    j = np.uint32(pred[at])
                    head = max(head, x.r[j] + x.p[j])
        i = x.before[o]
        if i >= 0:
            j = np.uint32(i)
            head = max(head, x.r[j] + x.p[j])
        x.r[o] = head


@fast
def tails(x: Any, succ: Any, order: Any, end: int) -> None:
    """q of everything from place `end` of the order back."""
    chains = len(succ) == 0
    for k in range(end, -1, -1):
        o = np.uint32(order[np.uint32(k)])
        tail = x.tail[o]
        i = x.js[o]
        if i >= 0:
            tail = max(tail, x.q[np.uint32(i)])
            if not chains:
                for at in range(x.sa[o], x.sa[o] + x.sn[o]):
                    tail = max(tail, x.q[np.uint32(succ[at])])
        i = x.after[o]
        if i >= 0:
            tail = max(tail, x.q[np.uint32(i)])
        x.q[o] = tail + x.p[o]


@fast
def sort_all(x: Any, pred: Any, succ: Any, order: Any, missing: Any) -> bool:
    """A topological order from nothing; False when there is a cycle."""
    n = len(order)
    end = 0
    for o in range(n):
        missing[o] = (x.jp[o] >= 0) + x.pn[o] + (x.before[o] >= 0)
        if missing[o] == 0:
            order[end] = o
            end += 1
    k = 0
    while k < end:
        o = order[k]
        x.place[o] = k
        k += 1
        for nth in range(-2, x.sn[o]):
            i = x.after[o] if nth == -2 else (x.js[o] if nth == -1 else succ[x.sa[o] + nth])
            if i >= 0:
                missing[i] -= 1
                if missing[i] == 0:
                    order[end] = i
                    end += 1
    return end == n


@fast
def longest(x: Any) -> int:
    """The makespan."""
    last = 0
    for o in x.ends:
        last = max(last, x.r[o] + x.p[o] + x.tail[o])
    return last


@fast
def chance(count: int) -> bool:
    """True once in `count`."""
    return np.random.randint(count) == 0


@fast
def critical(x: Any, pred: Any, last: int, path: Any) -> int:
    """Writes a critical path, drawn by chance where there are several; its length."""
    count = 0
    o = -1
    for i in x.ends:
        if x.r[i] + x.p[i] + x.tail[i] == last:
            count += 1
            if count == 1 or chance(count):
                o = i
    n = 0
    while o >= 0:
        path[n] = o
        n += 1
        chosen = -1
        count = 0
        for nth in range(-2, x.pn[o]):
            i = x.before[o] if nth == -2 else (x.jp[o] if nth == -1 else pred[x.pa[o] + nth])
            if i >= 0 and x.r[i] + x.p[i] == x.r[o]:
                count += 1
                if count == 1 or chance(count):
                    chosen = i
        o = chosen
    for i in range(n // 2):
        path[i], path[n - 1 - i] = path[n - 1 - i], path[i]
    return n


@fast
def take_out(x: Any, first: Any, o: int) -> None:
    """Takes o from its machine's sequence."""
    b = x.before[o]
    n = x.after[o]
    if b >= 0:
        x.after[b] = n
    else:
        first[x.machine[o]] = n
    if n >= 0:
        x.before[n] = b


@fast
def put_in(x: Any, first: Any, o: int, machine: int, b: int) -> None:
    """Puts o on a machine right after b (-1: as the first)."""
    n = x.after[b] if b >= 0 else first[machine]
    x.machine[o] = machine
    x.before[o] = b
    x.after[o] = n
    if b >= 0:
        x.after[b] = o
    else:
        first[machine] = o
    if n >= 0:
        x.before[n] = o


@fast
def shift_later(x: Any, pred: Any, order: Any, u: int, v: int, mark: Any, moved: Any) -> bool:
    """The order after u was moved behind v: u and what follows from it within the range go to its end.

    False when v is among what follows: a cycle.
    """
    k, hit = x.place[u], False
    mark[u] = True
    moved[0] = u
    n = 1
    for i in range(x.place[u] + 1, x.place[v] + 1):
        o = order[i]
        hit = False
        for nth in range(-2, x.pn[o]):
            j = x.before[o] if nth == -2 else (x.jp[o] if nth == -1 else pred[x.pa[o] + nth])
            hit = hit or (j >= 0 and mark[j])
        if hit:
            mark[o] = True
            moved[n] = o
            n += 1
        else:
            order[k] = o
            x.place[o] = k
            k += 1
    for i in range(n):
        order[k] = moved[i]
        x.place[moved[i]] = k
        mark[moved[i]] = False
        k += 1
    return not hit


@fast
def shift_sooner(x: Any, succ: Any, order: Any, u: int, v: int, mark: Any, moved: Any) -> bool:
    """The order after v was moved before u: v and what it waits for within the range go to its beginning.

    False when it waits for u: a cycle.
    """
    k, hit = x.place[v], False
    mark[v] = True
    moved[0] = v
    n = 1
    for i in range(x.place[v] - 1, x.place[u] - 1, -1):
        o = order[i]
        hit = False
        for nth in range(-2, x.sn[o]):
            j = x.after[o] if nth == -2 else (x.js[o] if nth == -1 else succ[x.sa[o] + nth])
            hit = hit or (j >= 0 and mark[j])
        if hit:
            mark[o] = True
            moved[n] = o
            n += 1
        else:
            order[k] = o
            x.place[o] = k
            k -= 1
    for i in range(n):
        order[k] = moved[i]
        x.place[moved[i]] = k
        mark[moved[i]] = False
        k -= 1
    return not hit
