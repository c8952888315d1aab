"""What a maker of irons asks of the shots: does the lie that the chart gives send people's shots straight?

The signals that tell it, what matters, and what physics says about it; improve weighs it, app binds it.
"""

from __future__ import annotations

import math

from loopwright.improve.question import Limits, Mechanism, Question, TrialPlan

_DEG = math.pi / 180
_LOFT_7_IRON = 34 * _DEG  # of the rule `loft`; single designs differ by up to 3 degrees
_OF_FACE = 0.75  # how far from path to face an iron's ball starts

# More lie (more upright) points a right-hander's face to the left, and directions are positive to the right.
LIE = Mechanism(
    -_OF_FACE * math.tan(_LOFT_7_IRON),
    "a club one degree more upright points a lofted face tan(loft) degrees to the left of a right-hander's target, and "
    "the ball starts three quarters of the way from path to face",
    "D. Tutelman, Design notes: lie angle (tutelman.com/golf/design/lie1.php); three quarters for irons: TrackMan",
)

QUESTIONS = (
    Question(
        rule="lie", parameter="lie", outcome="direction_error", matters=0.1 * _DEG,
        limits=Limits(low=55 * _DEG, high=71 * _DEG, largest_step=4.5 * _DEG, group_worse=0.5 * _DEG),
        mechanism=LIE, trial=TrialPlan(),
    ),
)
OUTCOME_SIGNALS = {"direction": "launch.direction", "distance": "carry"}
