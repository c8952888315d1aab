"""Shops for the tests: a published instance, a small shop of ours, and random ones."""

from __future__ import annotations

from hypothesis import strategies as st

from loopwright.core.types import Slot
from loopwright.make.shop import Blocked, Job, Machine, Operation, Shop

# ft06: 6 jobs on 6 machines, (machine, duration) in the order of the route. The shortest makespan is 55.
# Source: H. Fisher, G. L. Thompson, "Probabilistic learning combinations of local job-shop scheduling rules", in
# J. F. Muth, G. L. Thompson (eds.), Industrial Scheduling, Prentice Hall 1963, pages 225-251.
FT06 = (
    ((2, 1), (0, 3), (1, 6), (3, 7), (5, 3), (4, 6)),
    ((1, 8), (2, 5), (4, 10), (5, 10), (0, 10), (3, 4)),
    ((2, 5), (3, 4), (5, 8), (0, 9), (1, 1), (4, 7)),
    ((1, 5), (0, 5), (2, 5), (3, 3), (4, 8), (5, 9)),
    ((2, 9), (1, 3), (4, 5), (5, 4), (0, 3), (3, 1)),
    ((1, 3), (3, 3), (5, 9), (0, 10), (4, 4), (2, 1)),
)
FT06_OPTIMUM = 55


def job_shop(rows: tuple[tuple[tuple[int, int], ...], ...]) -> Shop:
    """A shop of (machine, duration) rows, one a job, as the literature writes them."""
    machines = sorted({machine for row in rows for machine, _ in row})
    jobs = [chain(f"j{n}", [((f"m{machine}", seconds),) for machine, seconds in row]) for n, row in enumerate(rows)]
    return Shop(0, tuple(Machine(f"m{m}", f"m{m}") for m in machines), tuple(jobs))


def chain(job: str, choices: list[tuple[tuple[str, int], ...]], release_s: int = 0) -> Job:
    """A job whose operations 'op0', 'op1', ... follow each other."""
    operations = [Operation(job, f"op{n}", on, (f"op{n - 1}",) if n else ()) for n, on in enumerate(choices)]
    return Job(job, tuple(operations), release_s)


ROLES = {"saw": 300, "mill": 1260, "drill": 240, "polish": 600, "assemble": 480, "measure": 240}
BENCHES = {"saw": 1, "mill": 3, "drill": 1, "polish": 2, "assemble": 2, "measure": 1}


def club_shop(orders: int, blocked: tuple[Blocked, ...] = ()) -> Shop:
    """Orders of six operations over ten machines; durations differ by up to a fifth, the same on every call."""
    machines = [Machine(f"{role}-{n}", role) for role, count in BENCHES.items() for n in range(1, count + 1)]
    jobs = []
    for n in range(orders):
        choices = [
            tuple((f"{role}-{k}", seconds * (80 + (17 * n + 29 * at) % 41) // 100) for k in range(1, BENCHES[role] + 1))
            for at, (role, seconds) in enumerate(ROLES.items())]
        jobs.append(chain(f"o{n}", choices))
    return Shop(0, tuple(machines), tuple(jobs), blocked)


@st.composite
def shops(draw: st.DrawFn, jobs_at_most: int = 5, operations_at_most: int = 4, begun: bool = True) -> Shop:
    """Jobs on up to 4 machines: choices of machine, forks, releases, blocked times, perhaps an operation that has begun."""
    names = [f"m{n}" for n in range(draw(st.integers(1, 4)))]
    jobs = [draw(_jobs(f"j{n}", names, operations_at_most)) for n in range(draw(st.integers(1, jobs_at_most)))]
    blocked = draw(st.lists(st.builds(_blocked, st.sampled_from(names), st.integers(0, 60), st.integers(1, 40)), max_size=4))
    if begun and draw(st.booleans()):
        first = jobs[0].operations[0]
        machine, seconds = first.on[0]
        start_s = draw(st.integers(-seconds, 0))
        slot = Slot(first.job, first.name, machine, start_s, start_s + seconds, frozen=True)
        running = Operation(first.job, first.name, first.on, (), slot)
        jobs[0] = Job(jobs[0].id, (running, *jobs[0].operations[1:]), jobs[0].release_s)
    return Shop(0, tuple(Machine(name, name) for name in names), tuple(jobs), tuple(blocked))


def _blocked(machine: str, start_s: int, seconds: int) -> Blocked:
    return Blocked(machine, start_s, start_s + seconds, "maintenance")


@st.composite
def _jobs(draw: st.DrawFn, job: str, machines: list[str], operations_at_most: int) -> Job:
    operations: list[Operation] = []
    for n in range(draw(st.integers(1, operations_at_most))):
        chosen = draw(st.lists(st.sampled_from(machines), min_size=1, max_size=3, unique=True))
        even = draw(st.booleans())
        seconds = draw(st.integers(1, 20))
        on = tuple((machine, seconds if even else seconds + draw(st.integers(0, 5))) for machine in chosen)
        after = draw(st.lists(st.sampled_from([o.name for o in operations]), max_size=2, unique=True)) if n else []
        operations.append(Operation(job, f"op{n}", on, tuple(after)))
    return Job(job, tuple(operations), draw(st.integers(0, 30)))
