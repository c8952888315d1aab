"""A model earns its place: proposed as a Change, tested on units it had not seen, approved by two people, released.

    change = propose(card, before="", why=..., proposer="league")
    passed, tests = gate(card, proof, rival)         proof: its losses and the baseline's, unit by unit
    events = opened(change, passed, tests, now_ns)   change.proposed and change.gated; then cycle.approve and release

There is no trial on orders: its units were left out whole, so that the proof is there when it is trained. It takes the
place of the baseline, or of the model that serves, by the event of its release; `demoted` takes it out again, and then
the baseline serves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from typing import Any

import numpy as np

from loopwright.core.errors import InputError
from loopwright.core.types import Change, Event, Model
from loopwright.improve.gate import unjudged
from loopwright.improve.trial import plain

ALPHA, FEWEST, GROUP_UNITS = 0.05, 6, 5  # chance of a wrong promotion; units; units below which no group is judged
_EXACT, _DRAWS = 14, 20_000  # units up to which every sign is tried; draws beyond
Test = dict[str, Any]


@dataclass(frozen=True)
class Proof:
    """Losses of two on the same units, which neither had seen; smaller is better.

    units (n,) ids; ours, theirs (n,)
    """

    units: tuple[str, ...]
    ours: np.ndarray
    theirs: np.ndarray

    def __post_init__(self) -> None:
        shapes = {len(self.units), len(self.ours), len(self.theirs)}
        if len(shapes) > 1 or not (np.isfinite(self.ours).all() and np.isfinite(self.theirs).all()):
            raise InputError("proof of a model", f"{sorted(shapes)} units and losses", "a finite loss of each for each")


def propose(card: Model, before: str, why: str, proposer: str, again: int = 0) -> Change:
    """The Change that brings a model into force for its task.

    before  the model that serves now, '' for the baseline; again: how often it was proposed before
    """
    suffix = f"-{again + 1}" if again else ""
    return Change(
        f"change-{card.task}-{card.weights_hash[:8]}{suffix}", "model", card.task,
        {"model": before or f"baseline {card.baseline.get('name', '')}".strip()},
        {"model": card.id, "kept": card.weights_hash}, why, proposer,
        undo={"model": "the baseline"}, touches="machine",
    )


def gate(
    card: Model, proof: Proof, rival: Proof | None = None, broken: Mapping[str, str] | None = None
) -> tuple[bool, list[Test]]:
    """Whether a model may be asked approval for, and the tests: name, passed, value, limit, says.

    proof   against the simplest baseline
    rival   against the model that serves now, on units of both; None: none serves
    broken  further tests of the task: name -> what is wrong in words, '' where it passed
    """
    tests = [_better(card, proof), _enough(proof)]
    tests += [_rival(card, rival)] if rival is not None else []
    tests += [_test(name, not words, None, None, words or "as it should be") for name, words in (broken or {}).items()]
    tests += [_group(name, row) for name, row in card.groups.items()]
    return all(test["passed"] for test in tests), tests


def better_by_chance(ours: np.ndarray, theirs: np.ndarray) -> float:
    """How often chance alone makes our mean loss smaller by as much: one-sided sign-flip test of pairs.

    Exact up to 14 units; beyond, 20,000 draws with a fixed seed and one added to both counts, so it is never too small.
    Source: E. J. G. Pitman, Supplement to the J. Royal Statistical Society 4 (1937) 119; of the added one B. Phipson,
    G. K. Smyth, Statistical Applications in Genetics 9 (2010) 39.
    """
    gain = np.asarray(theirs, dtype=float) - np.asarray(ours, dtype=float)
    gain = gain[gain != 0.0]
    if not len(gain):
        return 1.0
    reached = gain.sum() - 1e-12 * np.abs(gain).sum()
    if len(gain) <= _EXACT:
        signs = np.array(list(product((-1.0, 1.0), repeat=len(gain))))
        return float((signs @ gain >= reached).mean())
    signs = np.random.default_rng(19_370_101).choice((-1.0, 1.0), size=(_DRAWS, len(gain)))
    return float(((signs @ gain >= reached).sum() + 1) / (_DRAWS + 1))


def opened(change: Change, passed: bool, tests: Sequence[Test], t_ns: int, units: int) -> list[Event]:
    """What is recorded of a model that stands for promotion: the proposal, and what its gate found."""
    body = {"tests": plain(list(tests)), "passed": passed, "trial": {"units": units, "design": "units left out whole"}}
    return [
        Event("change.proposed", change.id, t_ns, change.proposer, {"change": plain(asdict(change))},
              key=f"proposed/{change.id}"),
        Event("change.gated", change.id, t_ns, "improve", body, key=f"gated/{change.id}"),
    ]


def demoted(
    model: str, task: str, change: str, why: str, actor: str, t_ns: int, test: Mapping[str, Any] | None = None
) -> list[Event]:
    """What is recorded when a model no longer serves: the baseline does from then on.

    test  the numbers that demoted it by itself, {} where a person did
    """
    body = {"task": task, "why": why, "change": change, "test": plain(dict(test or {}))}
    return [
        Event("model.demoted", model, t_ns, actor, body, key=f"demoted/{change}"),
        Event("change.undone", change, t_ns, actor, {"why": why, "undo": {"model": "the baseline"}},
              key=f"undone/{change}"),
    ]


def _test(name: str, passed: bool, value: Any, limit: Any, says: str) -> Test:
    return {"name": name, "passed": bool(passed), "value": value, "limit": limit, "says": says}


def _better(card: Model, proof: Proof) -> Test:
    name = "better than the baseline on units it had not seen"
    if not len(proof.units):
        return _test(name, False, None, ALPHA, "no unit was left out")
    p = better_by_chance(proof.ours, proof.theirs)
    says = (f"mean {card.loss or 'loss'} {proof.ours.mean():.4g} against {proof.theirs.mean():.4g} of "
            f"{card.baseline.get('name', 'the baseline')} on {len(proof.units)} units; chance alone gives as much in "
            f"{p:.2%} of cases, {ALPHA:.0%} are allowed")
    return _test(name, p <= ALPHA, p, ALPHA, says)


def _enough(proof: Proof) -> Test:
    n = len(proof.units)
    return _test("enough units", n >= FEWEST, n, FEWEST, f"{n} units that were left out, {FEWEST} needed")


def _rival(card: Model, rival: Proof) -> Test:
    name, n = "better than the model that serves", len(rival.units)
    if not n:
        return unjudged(_test(name, True, None, None, "they have no unit in common: nothing to compare"))
    ours, theirs = float(rival.ours.mean()), float(rival.theirs.mean())
    says = f"mean {card.loss or 'loss'} {ours:.4g} against {theirs:.4g} on the {n} units that both left out"
    return _test(name, ours < theirs, ours - theirs, 0.0, says)


def _group(name: str, row: Mapping[str, Any]) -> Test:
    """No group is served worse than by the baseline; groups too small to judge are named."""
    units = int(row["units"])
    if units < GROUP_UNITS:
        says = f"{units} units: fewer than {GROUP_UNITS}, too few to judge"
        return unjudged(_test(f"group {name}", True, None, None, says))
    worse = float(row["loss"]) - float(row["baseline_loss"])
    says = f"mean loss {row['loss']:.4g} against {row['baseline_loss']:.4g} of the baseline over {units} units"
    return _test(f"group {name}", worse <= 0.0, worse, 0.0, says)
