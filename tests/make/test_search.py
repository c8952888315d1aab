"""The tabu search: every sequence it keeps is a plan, small shops are solved, equal seeds give equal plans."""

from __future__ import annotations

import itertools
from threading import Event

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loopwright.core.types import Plan, Slot
from loopwright.make.budget import Budget
from loopwright.make.change.kept import kept
from loopwright.make.change.right_shift import right_shift
from loopwright.make.check import check
from loopwright.make.dispatching.dispatch import dispatch, makespan
from loopwright.make.plan import plan
from loopwright.make.shop import Blocked, Job, Machine, Operation, Shop
from tests.make.shops import FT06, FT06_OPTIMUM, chain, job_shop, shops

pytest.importorskip("numba", reason="numba is not installed (pip install 'loopwright[plan]')")

from loopwright.make.search import graph, moves, warm
from loopwright.make.search.near import nearest
from loopwright.make.search.rows import able, choice_of, net_of, sequence, slots_of
from loopwright.make.search.run import Found, active, between, found_of, shortest
from loopwright.make.search.stay import stay_of
from loopwright.make.search.tabu import Walk, seeded

# la01 .. la05 of S. Lawrence (1984) have 10 jobs on 5 machines; the optimum of la01 is 666.
LA01 = (
    ((1, 21), (0, 53), (4, 95), (3, 55), (2, 34)), ((0, 21), (3, 52), (4, 16), (2, 26), (1, 71)),
    ((3, 39), (4, 98), (1, 42), (2, 31), (0, 12)), ((1, 77), (0, 55), (4, 79), (2, 66), (3, 77)),
    ((0, 83), (3, 34), (2, 64), (1, 19), (4, 37)), ((1, 54), (2, 43), (4, 79), (0, 92), (3, 62)),
    ((3, 69), (4, 77), (1, 87), (2, 87), (0, 93)), ((2, 38), (0, 60), (1, 41), (3, 24), (4, 83)),
    ((3, 17), (1, 49), (4, 25), (0, 44), (2, 98)), ((4, 77), (3, 79), (2, 43), (1, 75), (0, 96)),
)
LA01_OPTIMUM = 666


def broken(shop: Shop, slots: list[Slot]) -> list[object]:
    """What the checker finds wrong with slots."""
    last = makespan(slots)
    return list(check(shop, Plan(shop.origin_ns, tuple(slots), "feasible", "makespan", last, 0, "test", 0.0)))


def by_key(slots: list[Slot]) -> dict[tuple[str, str], Slot]:
    return {(s.order, s.operation): s for s in slots}


def searched(shop: Shop, iterations: int, seed: int = 0, workers: int = 1) -> list[Slot]:
    net = net_of(shop)
    found = shortest(net, dispatch(shop), Budget(60.0, workers, seed, iterations))
    slots = slots_of(net, found.start, found.choice)
    assert makespan(slots) == max(found.makespan, *(s.end_s for s in slots if s.frozen), 0)
    return slots


def shortest_of_all(shop: Shop) -> int:
    """The least makespan by trying every order of every choice: for a handful of operations that have not begun, on
    machines that are first free when what they are at, or down for, is over."""
    best = 10**9
    operations = [o for o in shop.operations if not o.frozen]
    begun = {o.key: o.frozen for o in shop.operations if o.frozen}
    first: dict[str, int] = {}
    for machine, end_s in [(s.machine, s.end_s) for s in begun.values()] + [(b.machine, b.end_s) for b in shop.blocked]:
        first[machine] = max(end_s, first.get(machine, 0))
    release = {job.id: job.release_s for job in shop.jobs}
    for on in itertools.product(*(o.on for o in operations)):
        for order in itertools.permutations(range(len(operations))):
            free = dict(first)
            ends = {key: slot.end_s for key, slot in begun.items()}
            for k in order:
                o, (machine, seconds) = operations[k], on[k]
                if any((o.job, name) not in ends for name in o.after):
                    break
                start = max([free.get(machine, 0), release[o.job], *(ends[o.job, name] for name in o.after)])
                free[machine] = ends[o.key] = start + seconds
            else:
                best = min(best, max(ends.values()))
    return best


@pytest.mark.parametrize(("rows", "optimum"), [(FT06, FT06_OPTIMUM), (LA01, LA01_OPTIMUM)])
def test_published_optima_are_found(rows: tuple[tuple[tuple[int, int], ...], ...], optimum: int) -> None:
    shop = job_shop(rows)
    slots = searched(shop, 20_000)
    assert broken(shop, slots) == []
    assert makespan(slots) == optimum


@settings(max_examples=40, deadline=None)
@given(shops(jobs_at_most=3, operations_at_most=2, begun=False))
def test_tiny_shops_with_choices_and_releases_are_solved_as_trying_everything_solves_them(shop: Shop) -> None:
    shop = Shop(0, shop.machines, shop.jobs)
    slots = searched(shop, 5_000)
    assert broken(shop, slots) == []
    assert makespan(slots) == shortest_of_all(shop)


@st.composite
def shops_at_work(draw: st.DrawFn, jobs_at_most: int, operations_at_most: int) -> Shop:
    """Shops in which something may run, and machines may be down, from now on."""
    shop = draw(shops(jobs_at_most, operations_at_most))
    down = draw(st.lists(st.tuples(st.sampled_from(shop.machines), st.integers(1, 30)), max_size=2))
    return Shop(0, shop.machines, shop.jobs, tuple(Blocked(m.id, 0, end_s, "breakdown") for m, end_s in down))


@settings(max_examples=40, deadline=None)
@given(shops_at_work(3, 2))
def test_tiny_shops_at_work_are_solved_as_trying_everything_solves_them(shop: Shop) -> None:
    assert able(shop)
    slots = searched(shop, 5_000)
    assert broken(shop, slots) == []
    assert makespan(slots) == shortest_of_all(shop)


@settings(max_examples=60, deadline=None)
@given(shops_at_work(6, 4), st.integers(0, 99), st.floats(0.3, 1.0))
def test_a_walk_that_must_keep_counts_what_it_keeps_move_by_move(shop: Shop, seed: int, part: float) -> None:
    net = net_of(shop)
    if not net.operations:
        return
    old, numbers = by_key(dispatch(shop)), range(len(net.operations))
    was = {o.key: old[o.key] for o in net.operations}
    names = [m.id for m in shop.machines]
    need = max(1, int(part * len(was)))
    stay = stay_of([names.index(s.machine) for s in was.values()], [s.start_s for s in was.values()], net.machines, need)
    walk, begin = Walk(net, stay), found_of(net, list(old.values()))
    first = sequence(net, walk.x, begin.start, begin.choice)
    seeded(seed)
    for _ in range(5):
        walk.run(first, 20, 0, 2**30)
        now = {net.operations[k].key: Slot(*net.operations[k].key, names[walk.x.machine[k]], int(walk.x.r[k]), int(walk.x.r[k] + walk.x.p[k])) for k in numbers}
        assert need <= stay.sum[0] == len(kept(was, now))


@settings(max_examples=60, deadline=None)
@given(shops_at_work(6, 4), st.floats(0.3, 1.0), st.integers(0, 9))
def test_the_shortest_that_keeps_enough_keeps_enough_and_the_rules(shop: Shop, part: float, seed: int) -> None:
    before = Shop(0, shop.machines, shop.jobs)
    old = by_key(dispatch(before))
    was = {o.key: old[o.key] for o in shop.operations if not o.frozen}
    begin = right_shift(shop, Plan(0, tuple(old.values()), "feasible", "makespan", 0, 0, "test", 0.0))
    stays = len(kept(was, by_key(begin)))
    need = min(stays, round(part * len(was)))
    slots = nearest(shop, begin, was, need, Budget(60.0, 1, seed, 1_000))
    assert broken(shop, slots) == []
    assert makespan(slots) <= makespan(begin)
    assert len(kept(was, by_key(slots))) >= need


@settings(max_examples=60, deadline=None)
@given(shops(jobs_at_most=6, operations_at_most=5, begun=False), st.integers(0, 9))
def test_every_sequence_it_keeps_can_be_worked(shop: Shop, seed: int) -> None:
    shop = Shop(0, shop.machines, shop.jobs)
    slots = searched(shop, 3_000, seed)
    assert broken(shop, slots) == []
    assert makespan(slots) <= makespan(dispatch(shop))


def test_assembly_and_jobs_that_come_back_to_a_machine_are_planned() -> None:
    parts = [Operation("a", name, (("saw", 3),)) for name in ("left", "right", "back")]
    joined = Operation("a", "join", (("bench", 4), ("saw", 6)), ("left", "right", "back"))
    job = Job("a", (*parts, joined, Operation("a", "trim", (("saw", 2),), ("join",))))
    shop = Shop(0, (Machine("saw", "saw"), Machine("bench", "bench")), (job, chain("b", [(("saw", 5),), (("saw", 1),)])))
    slots = searched(shop, 2_000)
    assert broken(shop, slots) == []
    assert makespan(slots) == shortest_of_all(shop)


@settings(max_examples=60, deadline=None)
@given(shops(jobs_at_most=6, operations_at_most=4, begun=False), st.integers(0, 99))
def test_a_beginning_by_rule_and_chance_is_an_active_schedule(shop: Shop, seed: int) -> None:
    shop = Shop(0, shop.machines, shop.jobs)
    net = net_of(shop)
    found = active(net, seed)
    slots = slots_of(net, found.start, found.choice)
    assert broken(shop, slots) == []
    assert makespan(slots) == found.makespan


@settings(max_examples=60, deadline=None)
@given(shops(jobs_at_most=6, operations_at_most=4, begun=False), st.integers(0, 99))
def test_heads_and_tails_after_many_moves_are_those_of_the_sequence(shop: Shop, seed: int) -> None:
    """The search mends them move by move; here they are computed from nothing."""
    shop = Shop(0, shop.machines, shop.jobs)
    net = net_of(shop)
    begin = active(net, seed)
    walk = Walk(net)
    first = sequence(net, walk.x, begin.start, begin.choice)
    walk.run(first, 50, 0, 2**30)
    x, count = walk.x, len(walk.x.p)
    order, room = np.empty(count, np.int32), np.empty(count, np.int32)
    kept_r, kept_q = x.r.copy(), x.q.copy()
    assert graph.sort_all(x, net.pred, net.succ, order, room)
    graph.heads(x, net.pred, order, 0)
    graph.tails(x, net.succ, order, count - 1)
    assert (x.r == kept_r).all()
    assert (x.q == kept_q).all()
    for machine in range(net.machines):
        chain_of, o = [], first[machine]
        while o >= 0:
            chain_of.append(int(o))
            assert x.machine[o] == machine
            o = x.after[o]
        assert [int(x.before[k]) for k in chain_of] == [-1, *chain_of[:-1]][:len(chain_of)]
    assert (choice_of(net, x.machine) >= net.alt_at[:-1]).all()


@settings(max_examples=60, deadline=None)
@given(shops(jobs_at_most=6, operations_at_most=4, begun=False), st.integers(0, 99), st.floats(0.0, 1.0))
def test_what_lies_between_two_sequences_has_no_cycle_and_differs_where_they_do(
    shop: Shop, seed: int, share: float
) -> None:
    shop = Shop(0, shop.machines, shop.jobs)
    net = net_of(shop)
    a, b = active(net, seed), active(net, seed + 1)
    b = Found(b.makespan, b.start, a.choice)
    middle = between(net, a, b, a.choice, share)
    for i, o in itertools.combinations(range(len(a.choice)), 2):
        in_a, in_b = np.sign(a.start[o] - a.start[i]), np.sign(b.start[o] - b.start[i])
        if in_a == in_b != 0:
            assert np.sign(middle.start[o] - middle.start[i]) == in_a
    walk = Walk(net)
    first = sequence(net, walk.x, middle.start, middle.choice)
    walk.run(first, 1, 0, 2**30)  # raises ValueError where there is a cycle
    whole = between(net, a, b, a.choice, 1.0)
    machine = net.alt_machine[a.choice]
    by_b = np.argsort(b.start, kind="stable")
    by_whole = np.argsort(whole.start, kind="stable")
    assert all((by_b[machine[by_b] == m] == by_whole[machine[by_whole] == m]).all() for m in range(net.machines))


def longest_through(walk: Walk, ops: list[int], ahead: int, behind: int) -> int:
    """The longest path through operations of one machine in this order, all others where they are: the slow twin."""
    x, net = walk.x, walk.net
    heads, end = [], int(x.r[ahead] + x.p[ahead]) if ahead >= 0 else 0
    for o in ops:
        heads.append(max(end, graph.ready.py_func(x, net.pred, o)))
        end = heads[-1] + int(x.p[o])
    found, tail = 0, int(x.q[behind]) if behind >= 0 else 0
    for o, head in zip(reversed(ops), reversed(heads), strict=True):
        tail = max(tail, graph.behind.py_func(x, net.succ, o)) + int(x.p[o])
        found = max(found, head + tail)
    return found


@settings(max_examples=40, deadline=None)
@given(shops(jobs_at_most=6, operations_at_most=4, begun=False), st.integers(0, 99))
def test_an_estimate_is_the_longest_path_through_what_moves(shop: Shop, seed: int) -> None:
    shop = Shop(0, shop.machines, shop.jobs)
    net = net_of(shop)
    begin, walk, count = active(net, seed), Walk(net), len(net.rows.p)
    first = sequence(net, walk.x, begin.start, begin.choice)
    walk.run(first, 5, 0, 2**30)
    x, block, path = walk.x, np.empty((5, count), np.int64), np.empty(count, np.int32)
    for machine in range(net.machines):
        ops, o = [], int(first[machine])
        while o >= 0:
            ops.append(o)
            o = int(x.after[o])
        path[: len(ops)] = ops
        moves.fill_block(x, net.pred, net.succ, path, 0, len(ops) - 1, block)
        for a, b in itertools.combinations(range(len(ops)), 2):
            ahead, behind = int(x.before[ops[a]]), int(x.after[ops[b]])
            later, sooner = [*ops[a + 1:b + 1], ops[a]], [ops[b], *ops[a:b]]
            assert moves.later(x, block, a, b, 2**40) == longest_through(walk, later, ahead, behind)
            assert moves.sooner(x, block, a, b, 2**40) == longest_through(walk, sooner, ahead, behind)


def test_equal_seeds_and_iterations_give_equal_plans_with_two_threads_too() -> None:
    shop = job_shop(LA01)
    assert searched(shop, 3_000, 5, 2) == searched(shop, 3_000, 5, 2)


@pytest.mark.parametrize("workers", [1, 2])
def test_an_iteration_budget_gives_the_same_plan_however_long_may_be_searched(workers: int) -> None:
    shop = job_shop(LA01)
    made = [plan(shop, seconds, seed=3, workers=workers, iterations=2_000) for seconds in (0.5, 30.0)]
    assert made[0].slots == made[1].slots
    assert made[0].solver == made[1].solver == "tabu"


def test_it_ends_when_it_is_told_to_with_the_best_so_far() -> None:
    shop, stop, seen = job_shop(LA01), Event(), []

    def told(value: int) -> None:
        seen.append(value)
        stop.set()

    first = dispatch(shop)
    found = shortest(net_of(shop), first, Budget(600.0, 2, 0, None, stop, told))
    assert found.makespan == min(seen) < makespan(first)


def test_a_plan_says_that_the_search_made_it() -> None:
    warm.main()
    assert warm.compiled()
    made = plan(job_shop(LA01), 2.0)
    assert made.solver.startswith("tabu")
    assert (made.value, made.status) == (LA01_OPTIMUM, "optimal")
    assert check(job_shop(LA01), made) == []


def test_shops_whose_rules_it_does_not_keep_are_left_to_others() -> None:
    shop = job_shop(FT06)
    assert able(shop)
    running = Slot("j0", "op0", "m2", -1, 3, frozen=True)
    begun = Operation("j0", "op0", (("m2", 1),), (), running)
    jobs = (Job("j0", (begun, *shop.jobs[0].operations[1:])), *shop.jobs[1:])
    assert able(Shop(0, shop.machines, jobs)), "what a machine is at ends before anything else begins there"
    assert able(Shop(0, shop.machines, shop.jobs, (Blocked("m0", 0, 50),))), "down from now on"
    assert not able(Shop(0, shop.machines, shop.jobs, (Blocked("m0", 20, 50),))), "something fits in before"
    assert able(Shop(0, shop.machines, shop.jobs, (Blocked("m0", 2, 50),))), "nothing fits in before: 3 s is the least"
