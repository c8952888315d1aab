"""Machines as cards: state, newest values, alarms, how long silent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from loopwright.app.views import alarms as alarm_views
from loopwright.app.views import fold, shown
from loopwright.core.clock import NS_PER_S
from loopwright.core.types import Event, Kind, Signal

CHARTS = 6  # charts on a machine's page before 'all signals'


def state_signal(kind: Kind) -> Signal | None:
    """The state that says what the machine does: the first state of its table, execution before others."""
    states = [s for s in kind.signals if s.kind == "state"]
    return next((s for s in states if "execution" in s.name or s.name.endswith("state")), states[0] if states else None)


def chart_signals(kind: Kind, heard: Iterable[str] = ()) -> list[Signal]:
    """The gauges of a kind in the order of its table, those that were heard before the others, then its counters."""
    known = set(heard)
    gauges = [s for s in kind.signals if s.kind == "gauge" and not s.shape] + [
        s for s in kind.signals if s.kind == "counter"
    ]
    return sorted(gauges, key=lambda s: s.name not in known)


def cards(
    machines: Sequence[Mapping[str, Any]],
    kinds: Mapping[str, Kind],
    newest: Mapping[str, Mapping[str, Mapping[str, Any]]],
    alarms: Sequence[Mapping[str, Any]],
    events: Sequence[Event],
    now_ns: int,
) -> list[dict[str, Any]]:
    """One card a machine, in the site's order: {id, kind, role, protocol, twin, state, tone, last_ns, heard_ns, stale,
    values, alarms, link}.

    machines  {id, kind, role, protocol, stale_after_s, twin}
    newest    thing -> signal -> {value, t_ns, quality, known_ns}
    last_ns   the newest time it spoke of; heard_ns: when that was known here (a recording speaks of times long past)
    alarms    rows of `views.alarms`
    events    link states
    tone      'run', 'wait', 'stop' or 'quiet' (nothing heard for stale_after_s, or never)
    """
    standing = alarm_views.standing(alarms)
    links = {e.about: e for e in fold.of(events, "link.state")}
    return [_card(m, kinds.get(m["kind"]), newest.get(m["id"], {}), standing, links, now_ns) for m in machines]


def _card(
    machine: Mapping[str, Any],
    kind: Kind | None,
    values: Mapping[str, Mapping[str, Any]],
    standing: Sequence[Mapping[str, Any]],
    links: Mapping[str, Event],
    now_ns: int,
) -> dict[str, Any]:
    last_ns = max((v["t_ns"] for v in values.values()), default=None)
    heard_ns = max((v["known_ns"] for v in values.values()), default=None)
    listens = bool(machine.get("protocol"))
    stale = listens and (heard_ns is None or now_ns - heard_ns > machine.get("stale_after_s", 60.0) * NS_PER_S)
    signal = state_signal(kind) if kind else None
    code = values.get(signal.name, {}).get("value") if signal else None
    word = signal.codes.get(int(code), str(code)) if signal and code is not None else ""
    shown_state = word or ("station" if not listens else "silent" if last_ns is None else "heard")
    link = next((e for about, e in links.items() if machine["id"] in about), None)
    return {
        **machine,
        "state": shown_state,
        "tone": "quiet" if stale or not word else tone(word),
        "last_ns": last_ns,
        "heard_ns": heard_ns,
        "stale": stale,
        "values": {name: dict(v) for name, v in values.items()},
        "alarms": [a for a in standing if a["thing"] == machine["id"]],
        "link": link.body["state"] if link else "",
        "signals": len(kind.signals) if kind else 0,
    }


_RUN = ("active", "cutting", "running", "run", "machining", "executing", "closed", "on", "busy")
_STOP = ("alarm", "fault", "error", "stopped", "down", "emergency", "unavailable", "interrupted", "broken")


def tone(word: str) -> str:
    """Which of four colours a state's word has: 'run', 'stop', 'wait', or 'quiet' for off."""
    low = word.lower()
    if any(w in low.split("_") or low.startswith(w) for w in _RUN):
        return "run"
    if any(low.startswith(w) for w in _STOP):
        return "stop"
    return "quiet" if low in ("off", "unknown") else "wait"


def values(card: Mapping[str, Any], kind: Kind, system: str) -> list[dict[str, Any]]:
    """The newest value of every signal of a machine, in the order of its table: {signal, meaning, text, t_ns,
    quality}."""
    out = []
    for signal in kind.signals:
        newest = card["values"].get(signal.name)
        if newest is None:
            out.append({"signal": signal.name, "meaning": signal.meaning, "text": "–", "t_ns": None, "quality": None})
            continue
        value = newest["value"]
        if signal.kind == "state" and value is not None:
            text = signal.codes.get(int(value), str(value))
        else:
            text = str(shown.shown(value, signal.unit, system, signal.name, 0 if signal.kind == "counter" else None))
        out.append(
            {
                "signal": signal.name,
                "meaning": signal.meaning,
                "text": text,
                "t_ns": newest["t_ns"],
                "quality": newest["quality"],
            }
        )
    return out
