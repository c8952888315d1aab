"""A model's card from facts: what it is for, what it has seen, how good it is beside the simplest baseline, and where
it stops.

Nothing is written by hand: a card without a number says that the number is missing. Source of the headings: Mitchell et
al., "Model cards for model reporting" (2019).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from loopwright.core.clock import iso
from loopwright.core.types import Model
from loopwright.govern.fairness import Gap


def model_card(model: Model, gaps: Sequence[Gap] = (), lower_is_better: bool = False) -> dict[str, Any]:
    """The card as plain data.

    gaps             group metrics (govern.fairness); none: the card says that no group was looked at
    lower_is_better  whether a smaller metric is the better one (an error) or a larger (an accuracy)
    """
    rows = [_row(name, value, model.baseline.get(name), lower_is_better) for name, value in model.metrics.items()]
    beaten = [row["beats_baseline"] for row in rows if row["beats_baseline"] is not None]
    return {
        "model": model.id,
        "task": model.task,
        "signals": list(model.signals),
        "seen_until": iso(model.known_by_ns),
        "split": model.split or "not stated",
        "metrics": rows,
        "beats_baseline": all(beaten) if beaten else None,
        "groups": [gap.as_dict() for gap in gaps],
        "groups_word": "; ".join(gap.says for gap in gaps) or "no group was looked at",
        "limits": model.limits or "not stated",
        "weights_hash": model.weights_hash,
        "code_version": model.code_version,
        "fit_for_release": releasable(rows, gaps),
    }


def releasable(rows: Sequence[Mapping[str, Any]], gaps: Sequence[Gap]) -> bool:
    """Whether it beats every baseline there is (and there is one), and serves no judged group worse than the limit."""
    compared = [row["beats_baseline"] for row in rows if row["beats_baseline"] is not None]
    return bool(compared) and all(compared) and all(gap.passed is not False for gap in gaps)


def _row(name: str, value: Any, baseline: Any, lower_is_better: bool) -> dict[str, Any]:
    number = isinstance(value, (int, float)) and isinstance(baseline, (int, float))
    usable = number and math.isfinite(value) and math.isfinite(baseline)
    better = (value < baseline if lower_is_better else value > baseline) if usable else None
    return {"name": name, "value": value, "baseline": baseline, "beats_baseline": better}


def markdown(card: Mapping[str, Any]) -> str:
    """The card as a page for people."""
    lines = [
        f"# {card['model']}",
        "",
        f"Task: {card['task']}.",
        f"Signals: {', '.join(card['signals']) or 'none'}.",
        f"Has seen nothing that was known after {card['seen_until']}.",
        f"Split: {card['split']}.",
        "",
        "| metric | this model | simplest baseline | better |",
        "|---|---|---|---|",
    ]
    words = {True: "yes", False: "no", None: "no baseline"}
    lines += [
        f"| {r['name']} | {_shown(r['value'])} | {_shown(r['baseline'])} | {words[r['beats_baseline']]} |"
        for r in card["metrics"]
    ]
    lines += [
        "",
        f"Groups: {card['groups_word']}.",
        f"Limits of use: {card['limits']}.",
        f"Weights {card['weights_hash'][:12] or 'not kept'}, code {card['code_version'] or 'not stated'}.",
        f"Fit for release: {'yes' if card['fit_for_release'] else 'no'}.",
        "",
    ]
    return "\n".join(lines)


def _shown(value: Any) -> str:
    return "-" if value is None else f"{value:.3g}" if isinstance(value, float) else str(value)
