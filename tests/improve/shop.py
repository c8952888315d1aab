"""A neutral made-to-measure shop for tests: users whose outcome has an ideal setting that the rule may miss.

Knows the truth, tells nobody: the rule's error is drawn from the seed. Angles in rad. Numbers as of an iron golf club: single shots
spread by 2.75 degrees, people by 0.9, one degree of the parameter moves the outcome by 0.67, manufacture spreads by 0.2.
"""

import math

import numpy as np

from loopwright.core.errors import NotAllowed
from loopwright.core.types import Event
from loopwright.improve import cycle, release
from loopwright.improve.outcomes import Outcome
from loopwright.improve.question import Limits, Mechanism, Question, TrialPlan

DEG = math.pi / 180
MECHANISM = Mechanism(
    math.tan(34 * DEG),
    "a lofted face turned by an angle points aside by tan(loft) times that angle",
    "geometry of a plane",
)
LIMITS = Limits(low=55 * DEG, high=70 * DEG, largest_step=4.5 * DEG, group_worse=0.5 * DEG)
QUESTION = Question("lie", "lie", "direction_error", 0.1 * DEG, LIMITS, mechanism=MECHANISM, trial=TrialPlan())
APPROVERS = ("anna (example)", "bo (example)")


def may(actor: str) -> None:
    if actor not in APPROVERS:
        raise NotAllowed("approval", f"{actor!r} is no approver", ", ".join(APPROVERS))


class Shop:
    """hidden_deg: how far the base rule lies from where people hit straight (its sign is drawn).

    slope: what the parameter really does, as a multiple of the mechanism that everybody believes in.
    """

    def __init__(self, seed: int, hidden_deg: float, shots: int = 18, slope: float = 1.0) -> None:
        self._rng = np.random.default_rng([seed, 77])
        self._hidden = hidden_deg * DEG * self._rng.choice([-1.0, 1.0])
        self._shots = shots
        self._slope = slope * MECHANISM.slope
        self._count = 0

    def true_mean(self, offset: float) -> float:
        """The truth, for tests only: mean outcome of everybody with this offset on the rule."""
        return MECHANISM.slope * self._hidden + self._slope * offset

    def order(self) -> str:
        self._count += 1
        return f"order-{self._count}"

    def use(self, order: str, revision: str, offset: float, assumed: bool = False) -> Outcome:
        """Builds the order with this offset on the rule, lets its owner hit, and measures."""
        rng, number = self._rng, int(order.split("-")[1])
        designed = rng.normal(62, 1.2) * DEG + offset
        built = designed + rng.normal(0, 0.2) * DEG
        mean = MECHANISM.slope * self._hidden + self._slope * (offset + built - designed) + rng.normal(0, 0.9) * DEG
        shots = mean + rng.normal(0, 2.75, self._shots) * DEG
        group = f"{'female' if rng.random() < 0.4 else 'male'}/{'left' if rng.random() < 0.1 else 'right'}"
        return Outcome(
            f"unit-{number}",
            f"person-{number}",
            revision,
            {"lie": built},
            {"lie": designed},
            {"direction_error": float(shots.mean()), "direction_error_abs": float(np.abs(shots).mean())},
            self._shots,
            group,
            assumed,
            number * 1_000_000_000,
            order,
            {"direction_error": float(shots.std(ddof=1))},
        )


def offset_of(changes) -> float:
    return math.fsum(c["offset"] for c in changes)


def revision_of(changes) -> str:
    return f"r{len(changes)}-{offset_of(changes):.6f}"


class Turn:
    """One turn: a first cohort, a trial in rounds, and the orders after; everything goes through events, as in a plant."""

    def __init__(self, seed: int, hidden_deg: float, question: Question = QUESTION, **shop) -> None:
        self.shop, self.question, self.seed = Shop(seed, hidden_deg, **shop), question, seed
        self.events: list[Event] = []
        self.outcomes: list[Outcome] = []

    @property
    def state(self) -> cycle.State:
        return cycle.read(self.events, self.question.rule)

    def make(self, count: int) -> list[Outcome]:
        orders = [self.shop.order() for _ in range(count)]
        self.events += cycle.assign(self.state, orders, self.seed, 1)
        state = self.state
        arm = {a.order: a.arm for a in state.assigned}
        changes = cycle.arms(state)
        made = []
        for order in orders:
            rules = changes[arm.get(order, "old")]
            made.append(self.shop.use(order, revision_of(rules), offset_of(rules)))
        self.outcomes += made
        return made

    def think(self, approvers=APPROVERS) -> None:
        """Lets the cycle go as far as it can without new orders."""
        for _ in range(8):
            state = self.state
            fresh = cycle.advance(state, self.outcomes, self.question, 2, revision_of(state.released))
            fresh += cycle.approve(state, approvers, 3, may)
            if state.stage == "approved":
                fresh += cycle.release(state, revision_of([*state.released, state.change.after]), "improve", 4)
            keys = {e.key for e in self.events}
            fresh = [e for e in fresh if e.key not in keys]
            if not fresh:
                return
            self.events += fresh

    def run(self, first: int = 24, round_size: int = 12, after: int = 12) -> dict:
        """The whole turn; what came of it."""
        self.make(first)
        self.think()
        trial_units = 0
        while self.state.stage == "trial":
            trial_units += len(self.make(round_size))
            self.think()
        before = [o for o in self.outcomes if o.revision == revision_of([])]
        released = release.in_force(self.events)
        later = self.make(after)
        return {
            "kinds": [e.kind for e in self.events],
            "released": released,
            "trial_units": trial_units,
            "check": release.check(before, later, self.question) if released else None,
            "later_abs": float(np.mean([abs(o.outcome["direction_error"]) for o in later])),
            "before_abs": float(np.mean([abs(o.outcome["direction_error"]) for o in before])),
        }
