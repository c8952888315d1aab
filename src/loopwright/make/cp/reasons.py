"""Why not everything can end by the horizon, in words: a smallest set of rules that cannot hold together.

    found = reason(shop, seconds=2.0)
    found.rules      order 'A12' is to be done, polisher-1 is closed from 4 h to 1 d, ...: without any of them it fits
    found.error()    as a PlanError, with what to do

Rules are taken out in halves, quarters, and one by one, as long as what is left still cannot be done: a deletion
filter (J. Chinneck, E. Dravnieks, Locating minimal infeasible constraint sets in linear programs, ORSA Journal on
Computing 3, 1991; in halves as U. Junker, QuickXplain, AAAI 2004). Whether it can be done a dispatched plan, a bound,
or CP-SAT says.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from threading import Event

from loopwright.core.clock import monotonic_s
from loopwright.core.errors import PlanError
from loopwright.make.budget import Budget
from loopwright.make.cp.model import Relax, base_of
from loopwright.make.cp.reason_rules import Rule, rules_of, says, time, todo, without
from loopwright.make.cp.solve import library
from loopwright.make.cp.turns import attempt, relax_for
from loopwright.make.dispatching.bound import ground_of, lower_bound, tails
from loopwright.make.dispatching.dispatch import makespan
from loopwright.make.dispatching.foreman import Rule as Dispatching
from loopwright.make.dispatching.foreman import run
from loopwright.make.objective import Objective
from loopwright.make.shop import Shop

MAKESPAN = Objective(makespan=1.0)
SHOWN = 6  # rules that an error names one by one
MANY = 20_000  # operations that are no longer worked by a rule to see whether they can be done
WORDS = {
    "job": "orders", "release": "releases", "material": "materials", "lags": "orders that wait in between",
    "away": "persons who are away", "skill": "skills", "tool": "tools", "setup": "machines with setups",
    "frozen": "machines with what has begun", "turns": "machines", "hours": "machines that are closed at times"}
LONGEST_S = 1.0  # of wall time for one question


@dataclass(frozen=True)
class Reason:
    """Why a shop cannot be done by its horizon.

    rules    together they, and the horizon, cannot hold
    minimal  whether it is proven that without any one of them the others can
    enough   of which it is proven that the whole shop could be done without it alone
    """

    shop: Shop
    rules: tuple[Rule, ...]
    minimal: bool
    enough: tuple[Rule, ...] = ()

    @property
    def says(self) -> str:
        """The reason in words."""
        if not self.minimal and len(self.rules) > SHOWN:
            return self._says_many()
        named = [says(self.shop, rule, self.rules) for rule in self.rules[:SHOWN]]
        more = len(self.rules) - len(named)
        if more > 0:
            named.append(f"{more} more such rules")
        horizon_s = self.shop.horizon_s or 0
        exact = f" ({horizon_s} s)" if horizon_s >= 60 else ""
        end = f"everything is to end within {time(horizon_s)}{exact}"
        note = "" if self.minimal else " (perhaps fewer of them are enough: there was no time to try)"
        return f"these cannot all hold{note}: {end}; " + "; ".join(named)

    def _says_many(self) -> str:
        """The reason where there was no time to find the few rules that matter."""
        kinds = Counter(rule.kind for rule in self.rules)
        counted = ", ".join(f"{count:,} {WORDS[kind]}" for kind, count in kinds.items())
        return f"it is proven that not everything can end within {time(self.shop.horizon_s or 0)} " \
               f"({self.shop.horizon_s} s), and there was no time to find out which of these matter: {counted}"

    @property
    def todo(self) -> str:
        """What to do: whatever is proven to be enough by itself, else any of it."""
        if not self.minimal and len(self.rules) > SHOWN:
            return "plan further ahead, or allow more seconds to find out"
        if self.enough:
            return "plan further ahead, or one of: " + ", ".join(todo(rule) for rule in self.enough[:SHOWN])
        return "plan further ahead, or " + ", ".join(todo(rule) for rule in self.rules[:SHOWN])

    def error(self) -> PlanError:
        """What `plan` raises."""
        return PlanError("plan", self.says, "", self.todo)


def fits(shop: Shop, seconds: float, stop: Event | None = None) -> bool | None:
    """Whether everything can end by the horizon; None: that was not found out in so many seconds."""
    if shop.horizon_s is None:
        return True
    ground = ground_of(shop)
    if lower_bound(shop, ground) > shop.horizon_s:
        return False
    if len(shop.operations) > MANY:
        return None
    left = tails(shop)
    worked = run(ground.tables, [left[o.key] for o in shop.operations], Dispatching("work"), stop).slots()
    if makespan(worked) <= shop.horizon_s:
        return True
    if library() is None:
        return None
    base = base_of(shop)
    if relax_for(base, seconds) != Relax():
        return None
    found = attempt(base, MAKESPAN, [], Relax(), Budget(seconds, 1, stop=stop), first=True)
    if found is None or (found.status == "infeasible" and not found.exact):
        return None
    return {"optimal": True, "feasible": True, "infeasible": False}.get(found.status)


@dataclass
class _Trial:
    """A shop of which rules are taken out, and how much time there is."""

    shop: Shop
    end_s: float
    stop: Event | None

    @property
    def over(self) -> bool:
        return monotonic_s() >= self.end_s or (self.stop is not None and self.stop.is_set())

    def possible(self, out: Sequence[Rule]) -> bool | None:
        """Whether without these rules it can be done; None: there is no time to find out."""
        left_s = min(LONGEST_S, self.end_s - monotonic_s())
        return None if self.over else fits(without(self.shop, out), left_s, self.stop)


def reason(shop: Shop, seconds: float = 2.0, stop: Event | None = None, known: bool = False) -> Reason | None:
    """Why not everything can end by the horizon; None where it can, or that it cannot is not proven in the time.

    known  that it cannot is proven already
    """
    trial = _Trial(shop, monotonic_s() + seconds, stop)
    if shop.horizon_s is None or not (known or trial.possible([]) is False):
        return None
    kept, out = _filtered(trial)
    while True:  # dropping an order can make a setup longer, so that what was kept is not needed after all
        answers = [trial.possible([*out, rule]) for rule in kept]
        if False not in answers:
            break
        out.append(kept.pop(answers.index(False)))
    enough = [rule for rule in kept if trial.possible([rule]) is True]
    return Reason(shop, tuple(kept), all(answers), tuple(enough))


def _filtered(trial: _Trial) -> tuple[list[Rule], list[Rule]]:
    """(kept, out): the rules that are needed, and those without which it cannot be done either."""
    kept: list[Rule] = []
    out: list[Rule] = []
    stack = _in_chunks(rules_of(trial.shop))[::-1]
    while stack:
        chunk = stack.pop()
        if trial.possible([*out, *chunk]) is False:
            out += chunk
        elif len(chunk) == 1:
            kept += chunk
        else:
            half = len(chunk) // 2
            stack += [chunk[half:], chunk[:half]]
    return kept, out


def _in_chunks(rules: Sequence[Rule]) -> list[list[Rule]]:
    """The orders, and then all other rules, kind by kind."""
    chunks: dict[str, list[Rule]] = {}
    for rule in rules:
        chunks.setdefault(rule.kind, []).append(rule)
    return list(chunks.values())


