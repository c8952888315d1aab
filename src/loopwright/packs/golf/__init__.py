"""Golf: clubs made to measure and in use, recorded swings, fitting charts, ball flight, coaching features and views."""

from __future__ import annotations

from loopwright.core.pack import Pack
from loopwright.packs.golf.coaching import coach
from loopwright.packs.golf.formulas import CHARTS, FORMULAS
from loopwright.packs.golf.golfer import Golfers
from loopwright.packs.golf.persons import read_persons
from loopwright.packs.golf.questions import OUTCOME_SIGNALS, QUESTIONS
from loopwright.packs.golf.shots import read_shots
from loopwright.packs.golf.signals import KINDS
from loopwright.packs.golf.swings import read_swings
from loopwright.packs.golf.views import VIEWS

PACK = Pack(
    "golf",
    "Irons made to measure: fitting charts, shots and swings, ball flight and coaching.",
    KINDS,
    importers={"persons": read_persons, "shots": read_shots, "swings": read_swings},
    rules=CHARTS,
    formulas=FORMULAS,
    product=CHARTS.parent / "product.toml",
    outcome_signals=OUTCOME_SIGNALS,
    questions=QUESTIONS,
    views=VIEWS,
    hooks={
        "users": Golfers, "solid": "loopwright.packs.golf.solid:make_solid", "unit_kind": "club", "coach": coach,
    },
)
