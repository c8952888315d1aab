"""What if, on the plan's page: what was tried beside the plan, buttons to adopt or drop it, a form to try more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from loopwright.app import acts, trying
from loopwright.app.console.frame import View
from loopwright.app.console.markup import Safe, action, card, div, field, pill, small, table, tag
from loopwright.app.views import shown, when
from loopwright.govern import access
from loopwright.make.whatif import KINDS

MOST = 12  # tries shown
_TONES = {trying.OPEN: "warn", trying.ADOPTED: "good", trying.DROPPED: ""}
_FIGURES = {"makespan": "Length", "tardiness": "Lateness, by weight", "late orders": "Late orders", "setup": "Setup"}


def tries(view: View) -> Safe | None:
    """Everything that was tried, newest first; None where nothing was and this person may try nothing."""
    front, may = view.front, access.can(view.who, "plan.release")
    version = front.store.events.last_known_ns()
    rows = front.once("tries", version, lambda: trying.listed(acts.plant_of(front, view.who.name))["tries"])
    if not rows and not may:
        return None
    parts = [_table(rows, view, may)] if rows else []
    return card("What if", *parts, _form() if may else None, note="another plan beside this one; nothing changes until "
                "somebody adopts it")


def _table(rows: Sequence[Mapping[str, Any]], view: View, may: bool) -> Safe:
    """One row a try, with what it would change against the plan as it was."""
    heads = ["Try", "Changes", *[(word, "n") for word in _FIGURES.values()], ""]
    lines = [[_name(row, view), "; ".join(row["says_changes"]) or "nothing", *_figures(row), _buttons(row, may)]
             for row in rows[:MOST]]
    return table(heads, lines)


def _name(row: Mapping[str, Any], view: View) -> Safe:
    made = f"{row['author']}, {when.ago(row['t_ns'], view.front.now_ns(), view.zone)}"
    drawing = tag("a", "both drawn", href=f"/api/whatif/{quote(row['name'], safe='')}/drawing.svg", target="_blank",
                  rel="noopener")
    why = small(row["why"]) if row["why"] else None
    state = pill(row["state"], _TONES.get(row["state"], ""))
    return tag("span", tag("b", row["name"]), " ", state, small(tag("span", made, ", ", drawing)), why)


def _figures(row: Mapping[str, Any]) -> list[Safe | str]:
    """Before and after of each figure; what got better or worse is said, not only coloured."""
    told = {one["what"]: one for one in row["figures"]}
    return [_figure(told[what]) if what in told else "–" for what in _FIGURES]


def _figure(one: Mapping[str, Any]) -> Safe:
    before, after = (_number(one[key], one["unit"]) for key in ("before", "after"))
    if one["before"] == one["after"]:
        return tag("span", after, small("as it is"))
    better = one["after"] < one["before"]
    mark = tag("span", "▼ better" if better else "▲ worse", cls="better" if better else "worse")
    return tag("span", f"{before} → {after}", small(mark), cls="figure")


def _number(value: float, unit: str) -> str:
    return shown.took(value) if unit == "s" and value else f"{value:,.0f}".replace(",", "\u202f")


def _buttons(row: Mapping[str, Any], may: bool) -> Safe | None:
    """Adopt and drop for whoever may, or why it cannot be adopted."""
    if row["state"] != trying.OPEN or not may:
        return None
    path, cannot = f"/api/whatif/{quote(row['name'], safe='')}", row["moved_on"] or "; ".join(row["first"])
    adopt = None if cannot else action("Adopt", f"{path}/adopt", cls="small main", ask=f"Why is {row['name']} adopted?")
    drop = action("Drop", f"{path}/drop", cls="small", ask=f"Why is {row['name']} dropped?")
    return div("try-buttons", div("buttons", adopt, drop), small(f"cannot be adopted: {cannot}") if cannot else None)


def _form() -> Safe:
    """Changes as lines, for the API."""
    lines = tag("textarea", name="changes", rows=3, required=True, spellcheck="false",
                placeholder="machine-more mill-1\norder-earlier A12=2d")
    kinds = tag("ul", *[tag("li", tag("code", kind), " ", words.format(name="NAME", time="2d", factor="1.2",
                while_=" for 2d")) for kind, (_, words) in KINDS.items()], cls="plan-says")
    form = tag(
        "form", field("What would be otherwise, one change a line", lines),
        field("Called", tag("input", type="text", name="name", maxlength=100, placeholder="numbered when empty")),
        field("Why", tag("input", type="text", name="why", maxlength=2000)),
        tag("button", "Try it", type="submit", cls="button main"),
        tag("details", tag("summary", "Changes there are"), kinds),
        data_post="/api/whatif", data_lines="changes", data_done="Tried: it stands in the list.", cls="try-form")
    return tag("details", tag("summary", "Try something"), form, data_keep=True, data_key="try-form")
