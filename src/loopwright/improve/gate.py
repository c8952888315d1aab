"""The tests a change must pass before anybody is asked to approve its release. Each says what it looked at, in numbers
and in words.

They exist once, here, for every kind of change that comes out of a trial.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from loopwright.core.types import Change
from loopwright.improve.outcomes import Outcome
from loopwright.improve.propose import may_refuse, outside
from loopwright.improve.question import Question, fingerprint
from loopwright.improve.trial import NEW, OLD, Assigned, Trial, evaluate

Test = dict[str, Any]


def gate(
    change: Change, trial: Trial, outcomes: Sequence[Outcome], assigned: Sequence[Assigned], question: Question
) -> tuple[bool, list[Test]]:
    """Whether every test passed, and the tests: name, passed, value, limit, says.

    outcomes  of the trial's orders; `trial` what `evaluate` made of them
    """
    arms = {a.order: a.arm for a in assigned}
    known = [o for o in outcomes if o.order in arms and question.outcome in o.outcome]
    tests = [
        _benefit(trial, change, question),
        _enough(trial, change),
        _as_assigned(known, arms),
        _nothing_assumed(known),
        _same_again(trial, change, known, assigned, question),
        _limits(known, arms, change, question),
        _missing(trial, assigned),
        *_groups(known, arms, question),
    ]
    return all(test["passed"] for test in tests), tests


JUDGED = "judged"  # key of a test: False where it passed because there was too little to judge by


def unjudged(test: Mapping[str, Any]) -> Test:
    """The same test, marked: it stands in nobody's way, and says nothing for it either."""
    return {**test, JUDGED: False}


def _test(name: str, passed: bool, value: Any, limit: Any, says: str) -> Test:
    return {"name": name, "passed": bool(passed), "value": value, "limit": limit, "says": says}


def _benefit(trial: Trial, change: Change, question: Question) -> Test:
    matters = float(change.tests[0]["matters"])
    alpha = float(change.tests[0]["alpha"])
    low = trial.low if np.isfinite(trial.low) else None
    says = (
        f"mean {question.outcome} {question.say(trial.old_mean)} by the old rule, "
        f"{question.say(trial.new_mean)} by the new; "
        + (f"nearer to the target by at least {question.say(trial.low)}" if low is not None else "no bound yet")
        + f" ({1 - alpha:.0%} however often one looks); {question.say(matters)} matter"
    )
    return _test("benefit in a randomised trial", trial.low > matters, low, matters, says)


def _enough(trial: Trial, change: Change) -> Test:
    fewest = int(change.tests[0]["fewest_pairs"])
    return _test(
        "enough units", trial.pairs >= fewest, trial.pairs, fewest, f"{trial.pairs} complete pairs, {fewest} needed"
    )


def _as_assigned(known: Sequence[Outcome], arms: dict[str, str]) -> Test:
    """Each arm was built by one revision, and not by the same."""
    revisions = {arm: {o.revision for o in known if arms[o.order] == arm} for arm in (OLD, NEW)}
    passed = len(revisions[OLD]) == len(revisions[NEW]) == 1 and revisions[OLD] != revisions[NEW]
    words = "; ".join(f"{arm}: {', '.join(sorted(names)) or 'none'}" for arm, names in revisions.items())
    return _test("built as assigned", passed, words, "one revision in each arm", f"revisions {words}")


def _nothing_assumed(known: Sequence[Outcome]) -> Test:
    assumed = sum(o.assumed for o in known)
    return _test(
        "no assumed pairing", assumed == 0, assumed, 0, f"{assumed} of {len(known)} outcomes joined by assumption"
    )


def _same_again(
    trial: Trial, change: Change, known: Sequence[Outcome], assigned: Sequence[Assigned], question: Question
) -> Test:
    """The same inputs in another order give the same answer; their hash stands in the record."""
    again = evaluate(change, list(reversed(known)), list(reversed(assigned)), question.outcome, question.target)
    passed = (again.pairs, again.low) == (trial.pairs, trial.low)
    inputs = fingerprint(known)
    return _test("same again", passed, inputs, inputs, f"recomputed from the inputs {inputs}")


def _limits(known: Sequence[Outcome], arms: dict[str, str], change: Change, question: Question) -> Test:
    step, largest = float(change.after["offset"]), question.limits.largest_step
    old = [o for o in known if arms[o.order] == OLD]
    beyond = outside(old, question, step)
    passed = abs(step) <= largest * (1 + 1e-12) and beyond <= may_refuse(len(old))
    says = (
        f"a step of {question.say_parameter(step)} (at most {question.say_parameter(largest)}); "
        f"{beyond} of {len(old)} designs out of the rule's limits"
    )
    return _test("within the limits", passed, step, largest, says)


def _missing(trial: Trial, assigned: Sequence[Assigned]) -> Test:
    """Outcomes that never came, by arm: more than a third in one arm only would bend the comparison."""
    total = {arm: sum(a.arm == arm for a in assigned) for arm in (OLD, NEW)}
    shares = {arm: trial.missing.get(arm, 0) / total[arm] if total[arm] else 0.0 for arm in (OLD, NEW)}
    difference = abs(shares[OLD] - shares[NEW])
    says = ", ".join(f"{trial.missing.get(arm, 0)} of {total[arm]} without an outcome ({arm})" for arm in (OLD, NEW))
    return _test("nobody lost on one side", difference <= 1 / 3, difference, 1 / 3, says)


def _groups(known: Sequence[Outcome], arms: dict[str, str], question: Question) -> list[Test]:
    """No group's mean absolute error gets worse by more than the limit; groups too small to judge are named."""
    names = sorted({part for o in known for part in o.group.split("/") if part})
    return [_group(name, known, arms, question) for name in names]


def _group(name: str, known: Sequence[Outcome], arms: dict[str, str], question: Question) -> Test:
    errors = {
        arm: [
            abs(o.outcome[question.outcome] - question.target)
            for o in known
            if name in o.group.split("/") and arms[o.order] == arm
        ]
        for arm in (OLD, NEW)
    }
    counts, limit = {arm: len(rows) for arm, rows in errors.items()}, question.limits.group_worse
    if min(counts.values()) < question.limits.group_units:
        fewest = question.limits.group_units
        says = f"{counts[OLD]} and {counts[NEW]} units: fewer than {fewest} in an arm, too few to judge"
        return unjudged(_test(f"group {name}", True, None, limit, says))
    old, new = float(np.mean(errors[OLD])), float(np.mean(errors[NEW]))
    worse = new - old
    units = f"{counts[OLD]} and {counts[NEW]} units"
    says = f"mean absolute error {question.say(old)} -> {question.say(new)} over {units}"
    return _test(f"group {name}", worse <= limit, worse, limit, says)
