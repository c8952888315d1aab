"""What a maker of irons asks of the shots: does the lie that the chart gives send people's shots straight?

The signals that tell it, what matters, and what physics says about it; improve weighs it, app binds it.
"""

from __future__ import annotations

import math

from loopwright.improve.question import Limits, Mechanism, Question, TrialPlan

DEG = math.pi / 180
LOFT_7_IRON = 34 * DEG  # of the rule `loft`; the chart's own value differs by less than the mechanism claims to know

# A face with loft, turned by an angle about the line to the target, points aside by tan(loft) times that angle.
LIE = Mechanism(
    math.tan(LOFT_7_IRON),
    "a lofted face whose sole is not level points aside by tan(loft) times the error of the lie",
    "geometry of a plane, derived here; checked against packs/golf/golfer.py, which uses the same relation",
)

QUESTIONS = (
    Question(
        rule="lie", parameter="lie", outcome="direction_error", matters=0.1 * DEG,
        limits=Limits(low=55 * DEG, high=70 * DEG, largest_step=4.5 * DEG, group_worse=0.5 * DEG),
        mechanism=LIE, trial=TrialPlan(),
    ),
)
OUTCOME_SIGNALS = {"direction": "launch.direction", "distance": "carry"}
