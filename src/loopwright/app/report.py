"""The report of a turn, as data and in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from loopwright.app.plant import Plant, read_plant
from loopwright.app.site import site_of
from loopwright.core.errors import InputError
from loopwright.core.types import Hop
from loopwright.store import Store

SOURCES = ("mqtt", "opcua", "mtconnect", "http", "files")
ALWAYS = ("mqtt", "opcua", "mtconnect", "files", "journal", "points")
COUNTS = ("in", "out", "late", "duplicate", "possible_duplicate", "refused", "waiting", "lost")


def hops_now(plant: Plant) -> dict[str, dict[str, Any]]:
    """Every hop's account so far, by name, with the names of the equation."""
    rows = {name: hop.as_dict() for name, hop in plant.store.hops().items()}
    for name in ALWAYS:
        rows.setdefault(name, Hop(name, 0, 0).as_dict())
    return rows


def hops_since(
    before: Mapping[str, Mapping[str, Any]], now: Mapping[str, Mapping[str, Any]]
) -> dict[str, dict[str, Any]]:
    """What went through each hop since `before` was taken: the difference, number by number."""
    out: dict[str, dict[str, Any]] = {}
    for name, row in now.items():
        old = before.get(name, {})
        one: dict[str, Any] = {}
        for key in COUNTS:
            one[key] = None if row.get(key) is None else row[key] - (old.get(key) or 0)
        reasons = {why: n - old.get("refused_by_reason", {}).get(why, 0) for why, n in row["refused_by_reason"].items()}
        one["refused_by_reason"] = {why: n for why, n in reasons.items() if n}
        if row.get("word"):
            one["word"] = row["word"]
        out[name] = one
    return out


def unbalanced(hops: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The hops for which in = out + duplicate + refused + waiting + lost does not hold: none, or something is wrong."""
    return [
        name
        for name, row in hops.items()
        if row["lost"] is not None
        and row["in"] != row["out"] + row["duplicate"] + row["refused"] + row["waiting"] + row["lost"]
    ]


def last_report(path: Path) -> dict[str, Any]:
    """The report of the last finished turn of a plant."""
    with read_plant(site_of(path)) as plant:
        events = plant.store.recall(kind="turn.finished", limit=1, newest_first=True)
    if not events:
        raise InputError(str(path), "no turn of this plant has finished", "", "loopwright turn SITE.toml")
    return dict(events[0].body["report"])


def chain(plant: Plant) -> dict[str, Any]:
    """How many events there are, and whether their hash chain is whole."""
    return chain_of(plant.store)


def chain_of(store: Store) -> dict[str, Any]:
    """The same of a store."""
    check = store.events.verify()
    whole = check.broken_at is None
    says = "their hash chain is whole" if whole else f"their hash chain breaks at event {check.broken_at}: {check.why}"
    return {"count": check.length, "whole": whole, "head": check.head, "says": says}


def table(rows: Sequence[Sequence[Any]], head: Sequence[str]) -> str:
    """A plain table: the first column to the left, numbers to the right."""
    cells = [list(map(str, head)), *[[_cell(value) for value in row] for row in rows]]
    widths = [max(len(row[i]) for row in cells) for i in range(len(head))]
    lines = [
        "  ".join(c.ljust(w) if i == 0 else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True)))
        for row in cells
    ]
    return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:]])


def _cell(value: Any) -> str:
    if value is None:
        return "not counted"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def hops_in_words(hops: Mapping[str, Mapping[str, Any]]) -> str:
    """The accounts as a table, in samples."""
    return table([[name, *(row.get(key) for key in COUNTS)] for name, row in hops.items()], ["hop (samples)", *COUNTS])


def in_words(report: Mapping[str, Any]) -> str:
    """The report on one page."""
    head = f"{report['site']}: turn {report['turn']}"
    parts = [f"{head}\n{'=' * len(head)}", _made_in_words(report), hops_in_words(report["hops"])]
    if report["imports"]:
        parts.append("\n".join(f"read {row['says']}" for row in report["imports"]))
    if report.get("missing"):
        parts.append("\n".join(f"not there: {line}" for line in report["missing"]))
    if report.get("claim_codes"):
        codes = "\n".join(f"- {serial}: {code}" for serial, code in report["claim_codes"].items())
        parts.append(
            f"One-time codes for the owners; each stands on the unit's card (folder `cards` of the plant) until it is "
            f"claimed\n{codes}"
        )
    if report["oee"]:
        parts.append("\n".join(effectiveness_in_words(report["oee"])))
    decided = [f"- {line}" for line in decisions_in_words(report["decisions"])]
    parts.append("Decisions\n" + ("\n".join(decided) or "- none"))
    parts.append("Changes\n" + ("\n".join(f"- {c['says']}" for c in report["changes"]) or "- none"))
    if report["assumed"]:
        parts.append("Assumed, not known\n" + "\n".join(f"- {line}" for line in report["assumed"]))
    seconds = "  ".join(f"{name} {value:.1f}" for name, value in report["seconds"].items())
    parts.append(f"Seconds: {seconds}")
    return "\n\n".join(parts)


def effectiveness_in_words(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """A line for each machine and shift, and at the end once for each machine what has to be known beside them."""
    lines = [row["says"].removesuffix(row.get("note", "")).rstrip() for row in rows]
    return lines + list(dict.fromkeys(f"{row['machine']}: {row['note']}" for row in rows if row.get("note")))


def _made_in_words(report: Mapping[str, Any]) -> str:
    orders, units, plan = report["orders"], report["units"], report["plan"]
    lines = [f"{orders['placed']} orders placed, {orders['fitted']} fitted, {len(orders['refused'])} refused"]
    lines += [f"- {row['order']} refused: {row['reason']}" for row in orders["refused"]]
    lines.append(f"{units['made']} units made, {units['reworked']} reworked, {units['scrapped']} scrapped")
    if (solids := report.get("solids")) and (solids["made"] or solids["later"]):
        later = f", {solids['later']} of the trial left for when the plant is idle" if solids["later"] else ""
        lines.append(f"{solids['made']} solids made (STEP, STL, GLB){later}")
    lines.append(
        f"plan: {plan['status']}, makespan {hours(plan['makespan'])}, proven bound {hours(plan['bound'])}, "
        f"by {plan['solver']} in {plan['took_s']:.2f} s"
    )
    return "\n".join(lines)


def hours(seconds: float) -> str:
    """Seconds as '7 h 05 min'."""
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02d} min"


def decisions_in_words(decisions: Sequence[Mapping[str, Any]]) -> list[str]:
    """What asks for something in full; of the rest one line for each thing that is said, with how often.

    What several rest on, the sentences after their first, is said once above them.
    """
    asking: dict[tuple[str, str], list[str]] = {}
    rest: dict[tuple[str, str], list[str]] = {}
    for d in decisions:
        if d["action"] or (d["service"] == "coach" and not d["abstains"]):
            first, _, why = d["says"].partition(". ")
            asking.setdefault((d["service"], why), []).append(f"{d['about']}: {first.removeprefix(d['about'] + ': ')}")
            continue
        judged = f"judged {d['body'].get('judged', 'as usual')}, asks for nothing"
        said = f"says nothing: {d['abstains']}" if d["abstains"] else judged
        rest.setdefault((d["service"], said), []).append(d["about"])
    lines: list[str] = []
    for (service, why), firsts in asking.items():
        if len(firsts) == 1:
            lines.append(f"{service} about {firsts[0]}{f'. {why}' if why else ''}")
        else:
            lines.append("\n  - ".join((f"{service}, {len(firsts)} times. {why}", *firsts)))
    for (service, said), about in rest.items():
        some = ", ".join(about[:3]) + (f" and {len(about) - 3} more" if len(about) > 3 else "")
        lines.append(f"{service} about {some}: {said}")
    return lines
