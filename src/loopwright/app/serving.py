"""Services on a plant: what they read is gathered here, what they say is recorded here; they themselves are pure."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pyarrow as pa

from loopwright.app import improving, models, models_wear, scored
from loopwright.app.plant import Plant
from loopwright.core.clock import NS_PER_S
from loopwright.core.errors import InputError, MissingExtra
from loopwright.core.types import Decision, Event, Evidence
from loopwright.learn.wear.evaluate import rounded
from loopwright.learn.wear.runs import Features, assemble
from loopwright.learn.wear.train import TASK, Trained, judge
from loopwright.serve import maintain, oee

SHORT_S = 300.0  # runs that are played and shorter than that stand for longer work
SHIFT_NS = 24 * 3600 * NS_PER_S
_WHY = {  # why the baseline serves, by how far the model of this turn came
    "waits": "the model that is better waits for two people to approve it",
    "rejected": "the gate refused the model",
    "declined": "the model was declined",
    "undone": "the model was demoted",
}


def ended_runs(findings: Sequence[Event]) -> list[dict[str, Any]]:
    """[{run, thing, start_ns, end_ns}] of runs that ended, of what was found about them nothing else."""
    return [{"run": e.about, **{key: e.body[key] for key in ("thing", "start_ns", "end_ns")}}
            for e in findings if e.kind == "run.labelled"]


def record(
    plant: Plant, events: Sequence[Event], decisions: Sequence[Decision], now_ns: int, because: Sequence[str] = (),
    again: str = "",
) -> list[Decision]:
    """Records what a service said; what it abstains from once for each reason.

    because  events that made it say so now; again: tells one saying of the same from another
    """
    made = [
        Event("decision.made", d.id, now_ns, f"service:{d.service}", {"decision": asdict(d)}, tuple(because),
              key=f"decision/{d.id}{again}")
        for d in decisions
    ]
    plant.store.record([*events, *made])
    return list(decisions)


def opened(plant: Plant, events: Sequence[Event]) -> list[Event]:
    """The work orders among events, as they were recorded."""
    names = [event.about for event in events if event.kind == "workorder.opened"]
    return plant.store.recall(kind="workorder.opened", about=names) if names else []


def decided(plant: Plant, since_ns: int, made_ns: int | None = None, service: str = "") -> list[Decision]:
    """Decisions known since a time, as they were made: of one service, of one moment, or of all but the watch."""
    found = []
    for event in plant.store.recall(kind="decision.made"):
        body = dict(event.body["decision"])
        mine = body["service"] == service if service else body["service"] != "watch"
        if mine and event.known_ns >= since_ns and made_ns in (None, body["made_ns"]):
            found.append(Decision(**{**body, "because": tuple(Evidence(**one) for one in body["because"])}))
    return found


class Maintenance:
    """Tool wear of the machining runs of a plant: a model trained once a turn, and what whoever serves says of every
    run. since_ns: known_ns from which on a model that was trained is this turn's own."""

    def __init__(self, plant: Plant, since_ns: int | None = None) -> None:
        self.plant, self.since_ns = plant, since_ns
        self.back_ns: int | None = None  # runs that ended longer ago are not judged: nobody is sent for them; None: all
        self.bind = next((p.hooks["maintain"] for p in plant.packs.values() if "maintain" in p.hooks), None)
        self.trained: Trained | None = None
        self.serves: Trained | None = None  # the model in force; None: the baseline serves
        self.came = ""  # how far the model of this turn came: 'serves', 'waits', 'rejected'
        self.why_not = ""
        self.decisions: list[Decision] = []
        self.workorders: list[Event] = []
        self._rows: dict[str, dict[str, float]] = {}

    def labels(self) -> list[Event]:
        """What inspection found, run by run."""
        return self.plant.store.recall(kind="run.labelled")

    def features(self, labels: Sequence[Event]) -> Features:
        """The features of these runs, from what their machines said; a run with too little cutting is left out."""
        assert self.bind is not None
        return self._measured(self.bind.finished(labels), {e.about: e.body.get("clamp_pa") for e in labels})

    def _measured(self, runs: Sequence[Mapping[str, Any]], clamp_pa: Mapping[str, float | None]) -> Features:
        assert self.bind is not None
        new = [run for run in runs if run["run"] not in self._rows]
        found = self.bind.measured(new, self._fetch)
        self._rows |= {run["run"]: found.get(run["run"], {}) for run in new}
        known = {run["run"]: self._rows[run["run"]] for run in runs if self._rows[run["run"]]}
        return assemble(known, {run: clamp_pa.get(run) for run in known})

    def _fetch(self, thing: str, signals: Sequence[str], start_ns: int, end_ns: int) -> pa.Table:
        return self.plant.store.get(things=[thing], signals=list(signals), start_ns=start_ns, end_ns=end_ns + 1)

    async def foresee(self, findings: Sequence[Event], now_ns: int) -> int:
        """Says of runs, before anybody knows what inspection will find, whether their tools are worn; of how many.

        findings  'run.labelled' events that are not recorded yet: of them only which run was when, and its set-up
        """
        if self.bind is None or not findings:
            return 0
        there = {event.about for event in await asyncio.to_thread(self.labels)}
        new = [e for e in findings if e.kind == "run.labelled" and e.about not in there]
        self.serves = await asyncio.to_thread(self._in_force)
        if self.serves is None or not new:
            return 0
        runs = self.bind.finished(new)
        clamp_pa = {e.about: e.body.get("clamp_pa") for e in new}
        features = await asyncio.to_thread(self._measured, runs, clamp_pa)
        said = await asyncio.to_thread(models_wear.foresee, self.plant, self.serves, features, runs, now_ns)
        return said["stored"]

    def _in_force(self) -> Trained | None:
        """The model that serves, from its file."""
        now = models.serving(self.plant.store, TASK)
        if now is None:
            return None
        if self.serves is not None and self.serves.card.id == now["model"]:
            return self.serves
        return models_wear.load(self.plant, now["model"])

    async def look(self, now_ns: int) -> list[Event]:
        """Judges the runs that ended since the last look; the work orders that were opened."""
        if self.bind is None:
            return []
        labels = await asyncio.to_thread(self.labels)
        features = await asyncio.to_thread(self.features, labels)
        if self.trained is None and not self.why_not:
            await self._train(features, labels, now_ns)
        await asyncio.to_thread(self._league, features, now_ns)
        there = [d for d in decided(self.plant, 0, now_ns, maintain.NAME) if "/life/" not in d.id]
        if there:  # of an interrupted turn: what was said then stands, and so does what it opened
            orders = [e for e in self.plant.store.recall(kind="workorder.opened") if e.t_ns == now_ns]
            self.decisions, self.workorders = self.decisions + there, self.workorders + orders
            return orders
        runs = self.bind.finished(labels)
        if self.back_ns is not None:
            runs = [run for run in runs if int(run["end_ns"]) >= now_ns - self.back_ns]
        prediction: dict[str, Any] = {"abstains": self.why_not or "no model has been trained"}
        if self.serves is not None:
            prediction = {
                "model": self.serves.card,
                "evaluation": self.serves.evaluation,
                "runs": judge(self.serves, features),
            }
        elif self.trained is not None:
            prediction = models_wear.serve(self.trained, features, _WHY.get(self.came, "no model is in force"))
        kinds = ("decision.made", "alarm.raised", "alarm.cleared", "workorder.opened", "workorder.done")
        state = maintain.fold(self.plant.store.recall(kind=kinds))
        events, decisions, state = maintain.decide(runs, prediction, state, now_ns, maintain.Settings())
        self.decisions += record(self.plant, events, decisions, now_ns)
        orders = opened(self.plant, events)
        self.workorders += orders
        return orders

    def _league(self, features: Features, now_ns: int) -> None:
        """The model of this turn stands for promotion; what was foreseen is scored; who serves now is loaded."""
        if self.trained is not None and not self.came:
            proof = models.proof_of({"losses": self.trained.losses})
            card, evaluation = self.trained.card, self.trained.evaluation
            beyond = "" if evaluation["better_than_baseline"] else evaluation["verdict"]
            self.came = models.stand(self.plant, card, proof, now_ns, {"beyond the baseline by its interval": beyond})
        self.serves = self._in_force()
        if models.serving(self.plant.store, TASK) is not None:
            drift = models_wear.moved(self.serves, features) if self.serves else ()
            scored.check(self.plant, TASK, now_ns, drift)
            self.serves = self._in_force()

    async def _train(self, features: Features, labels: Sequence[Event], now_ns: int) -> None:
        if self.since_ns is not None:
            self.trained = await asyncio.to_thread(models_wear.trained_since, self.plant, self.since_ns)
            if self.trained is not None:
                return
        by_run = {event.about: event for event in labels}
        y = np.array([by_run[run].body["label"] == "worn" for run in features.runs], dtype=float)
        known_by_ns = max((event.known_ns for event in labels), default=now_ns)
        try:
            call = self.plant.workers.call("learn", "loopwright.learn.wear.train:train", features, y, known_by_ns)
            trained: Trained = await asyncio.wrap_future(call)
        except (InputError, MissingExtra) as error:
            self.why_not = error.given
            return
        models.keep(self.plant, trained.card, trained.kept(), now_ns)
        self.trained = trained

    def in_report(self) -> dict[str, Any]:
        """Accuracy with its interval beside the baselines, as the report shows it."""
        if self.trained is None:
            return {"abstains": self.why_not or "no machining run was heard"}
        evaluation = rounded(self.trained.evaluation)
        models = {
            name: {k: row[k] for k in ("correct", "of", "accuracy", "low", "high") if k in row} | _skipped(row)
            for name, row in evaluation["models"].items()
        }
        return {
            "model": self.trained.card.id,
            "serves": self.serves.card.id if self.serves else f"baseline {evaluation['baseline']['name']}",
            "came": self.came,
            "changes": improving.in_report(self.plant, self.since_ns or 0, "model"),
            "split": evaluation["split"],
            "runs": evaluation["runs"],
            "verdict": evaluation["verdict"],
            "better_than_baseline": evaluation["better_than_baseline"],
            "accuracy": {k: evaluation["nested"][k] for k in ("correct", "of", "accuracy", "low", "high")},
            "baseline": {k: evaluation["baseline"][k] for k in ("name", "correct", "of", "accuracy")},
            "models": models,
            "limits": self.trained.card.limits,
        }


def _skipped(row: Mapping[str, Any]) -> dict[str, Any]:
    return {"skipped": row["skipped"]} if "skipped" in row else {}


def effectiveness(
    plant: Plant, windows: Sequence[tuple[int, int]], now_ns: int, because: Sequence[str] = (), again: str = ""
) -> list[Decision]:
    """Overall equipment effectiveness of every machine in the shifts of these windows (start_ns, end_ns).

    A decision keeps its window, so that it can be made again from the same time when values of it change.
    """
    cycles = {m.id: m.ideal_cycle_s for m in plant.site.machines if m.link and m.ideal_cycle_s > 0}
    if not cycles:
        return []
    table = plant.site["shifts"]
    days = tuple(table["days"])
    shifts = tuple(oee.Shift(hours, hours[:5], hours[-5:], (), days) for hours in table["hours"])
    settings = oee.Settings(shifts, plant.site.time_zone, cycles)
    units, played = _inspected(plant), _played(plant)
    said: list[Decision] = []
    for start_ns, end_ns in windows:
        points = plant.store.get(
            things=list(cycles),
            signals=[settings.state_signal, settings.count_signal],
            start_ns=start_ns,
            end_ns=end_ns,
        )
        state = oee.fold(plant.store.recall(kind="decision.made"))
        events, decisions, _ = oee.decide(oee.Heard(points, units), None, state, end_ns + SHIFT_NS, settings)
        mine = [
            _with_note(replace(d, body={**d.body, "window_ns": [start_ns, end_ns]} if d.body else {}), played)
            for d in decisions
            if d.abstains or start_ns - SHIFT_NS < int(d.body["start_ns"]) <= end_ns
        ]
        said += record(plant, events, mine, now_ns, because, again)
    return said


def _with_note(said: Decision, played: Mapping[str, str]) -> Decision:
    """With what has to be known beside it, which `body` tells by itself too."""
    if said.abstains or said.about not in played:
        return said
    words = played[said.about]
    return replace(said, says=f"{said.says} {words}", body={**said.body, "note": words})


def _played(plant: Plant) -> dict[str, str]:
    """What has to be known beside the effectiveness of machines that are played, in runs much shorter than the work
    that they stand for."""
    seconds: dict[str, list[float]] = {}
    for event in plant.store.recall(kind="run.labelled"):
        body = event.body
        seconds.setdefault(str(body["thing"]), []).append((int(body["end_ns"]) - int(body["start_ns"])) / NS_PER_S)
    words = {"recording": "a recording", "twin": "played by a twin"}
    found = {}
    for machine in plant.site.machines:
        mean_s = float(np.mean(seconds.get(machine.id, [SHORT_S])))
        if machine.plays and mean_s < SHORT_S:
            what = words.get(str(machine.plays.get("source")), "played")
            found[machine.id] = (
                f"Each run is {what}, {mean_s:.0f} s long on average, and stands for a whole operation: the time "
                "between runs counts as idle or not known, so this is not what the machine would reach at work.")
    return found


def _inspected(plant: Plant) -> list[dict[str, Any]]:
    """What the first measurement of each unit found, as a part of the machine and run that milled it."""
    first = {
        e.about: e.body["verdict"] == "good" for e in plant.store.recall(kind="unit.measured") if e.body["attempt"] == 1
    }
    return [
        {"machine": e.body["machine"], "t_ns": e.body["signals_end_ns"], "good": first[e.about]}
        for e in plant.store.recall(kind="step.finished")
        if e.body.get("run") and e.about in first
    ]


def coach(plant: Plant, now_ns: int) -> list[Decision]:
    """What the coach tells the owners whose shots are known, each about their own history."""
    bind = next((p.hooks["coach"] for p in plant.packs.values() if "coach" in p.hooks), None)
    if bind is None:
        return []
    said: list[Decision] = []
    consents = plant.store.recall(kind="consent.")
    things = [t for t in plant.store.things().values() if t.owner]
    made = plant.store.recall(kind="decision.made")
    for owner in sorted({thing.owner for thing in things}):
        mine = [thing for thing in things if thing.owner == owner]
        points = plant.store.get(things=[thing.id for thing in mine])
        if points.num_rows == 0:
            continue
        events, decisions, _ = bind(owner, mine, points, made, consents, now_ns)
        said += record(plant, events, decisions, now_ns)
    return said


def told(decisions: Sequence[Decision]) -> list[dict[str, Any]]:
    """Decisions as the report shows them, with their evidence."""
    rows = []
    for d in decisions:
        row = asdict(d)
        row["because"] = [{k: v for k, v in one.items() if v not in ("", 0)} for one in row["because"]]
        rows.append(row)
    return rows
