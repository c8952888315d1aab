"""The report of a turn: what was ordered, made, heard, said and changed in it, as plain data."""

from __future__ import annotations

import resource
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from loopwright.app import improving, serving, words
from loopwright.app.making import counts
from loopwright.app.plant import Plant
from loopwright.app.report import hops_now, hops_since, unbalanced
from loopwright.core.clock import monotonic_s
from loopwright.core.types import Decision

if TYPE_CHECKING:
    from loopwright.app.turn import Turn


def report_of(plant: Plant, turn: Turn, decisions: Sequence[Decision]) -> dict[str, Any]:
    """What a turn did, as it is printed and recorded."""
    assert turn.maintenance is not None
    hops = hops_since(turn.hops_before, hops_now(plant))
    refused = [
        {"order": e.about, "person": e.body["person"], "reason": e.body["reason"]}
        for e in plant.store.recall(kind="order.refused", about=[o.id for o in turn.placed])
    ]
    plan = turn.makings[0].first_plan
    seconds = {**turn.seconds, "total": monotonic_s() - turn.started_s}
    pairs = plant.store.recall(kind="pairing.assumed")
    return {
        "site": plant.site.name,
        "turn": turn.number,
        "seed": plant.site.seed,
        "revision": plant.rules.revision,
        "hops": hops,
        "unbalanced": unbalanced(hops),
        "orders": {"placed": len(turn.placed), "fitted": len(turn.placed) - len(refused), "refused": refused},
        "units": counts(turn.makings),
        "solids": turn.solids,
        "plan": {
            "makespan": plan.makespan_s,
            "bound": plan.bound,
            "unit": "s",
            "status": plan.status,
            "gap": plan.gap,
            "solver": plan.solver,
            "took_s": plan.took_s,
            "objective": plan.objective,
            "slots": len(plan.slots),
        },
        "decisions": serving.told([d for d in decisions if d.service != "oee"]),
        "alarms": [
            {"id": e.about, **e.body} for e in plant.store.recall(kind="alarm.raised") if e.known_ns >= turn.started_ns
        ],
        "workorders": [{"id": e.about, **e.body} for e in turn.maintenance.workorders],
        "oee": [{"machine": d.about, "says": d.says, **d.body} for d in decisions if d.service == "oee"],
        "maintenance": turn.maintenance.in_report(),
        "changes": improving.in_report(plant, turn.started_ns),
        "imports": turn.imports,
        "missing": turn.missing,
        "assumed": words.assumptions(plant, pairs, turn.imports),
        "seconds": {name: round(value, 3) for name, value in seconds.items()},
        "peak_memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
    }
