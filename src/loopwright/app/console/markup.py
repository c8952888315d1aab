"""HTML and SVG from plain data. Every text is escaped; only what `tag` made goes through as it is.

tag("p", "a < b", cls="note")        <p class="note">a &lt; b</p>
"""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import Any

_VOID = frozenset(
    {
        "br",
        "hr",
        "img",
        "input",
        "link",
        "meta",
        "path",
        "circle",
        "rect",
        "line",
        "ellipse",
        "use",
        "stop",
        "animateMotion",
        "mpath",
    }
)


class Safe(str):
    """Markup that was made here and needs no escaping."""

    __slots__ = ()

    def __add__(self, other: Any) -> Safe:
        return Safe(f"{self}{text(other)}")


def text(given: Any) -> Safe:
    """Any value as escaped text; None is nothing; lists are joined (a named tuple is a value, and says itself how it
    reads)."""
    if given is None or given is False:
        return Safe("")
    if isinstance(given, Safe):
        return given
    if isinstance(given, (list, tuple)) and not hasattr(given, "_fields"):
        return Safe("".join(text(part) for part in given))
    return Safe(escape(str(given)))


def tag(name: str, /, *children: Any, **attributes: Any) -> Safe:
    """One element. `cls` is class, `_` in a name is '-', a trailing '_' is dropped; None and False attributes are
    left out."""
    parts = []
    for key, value in attributes.items():
        if value is None or value is False:
            continue
        key = "class" if key == "cls" else key.rstrip("_").replace("_", "-")
        parts.append(f" {key}" if value is True else f' {key}="{escape(str(value))}"')
    head = f"<{name}{''.join(parts)}"
    return (
        Safe(head + (">" if name in ("br", "hr", "img", "input", "link", "meta") else "/>"))
        if name in _VOID and not children
        else Safe(f"{head}>{text(list(children))}</{name}>")
    )


def join(parts: Iterable[Any], between: str = "") -> Safe:
    """Parts one after another, with `between` (escaped) between them."""
    return Safe(str(text(between)).join(text(part) for part in parts))


def table(heads: list[Any], rows: Iterable[list[Any]], cls: str = "", empty: str = "Nothing here yet.") -> Safe:
    """A table that becomes a list of cards on a phone; a head given as (word, 'n') is a column of numbers."""
    names = [head[0] if isinstance(head, tuple) else head for head in heads]
    marks = [head[1] if isinstance(head, tuple) else "" for head in heads]
    body = [
        tag(
            "tr",
            *[
                tag("td", cell, cls=mark or None, data_head=name or None)
                for cell, name, mark in zip(row, names, marks, strict=True)
            ],
        )
        for row in rows
    ]
    if not body:
        return tag("p", empty, cls="empty")
    head = tag(
        "thead", tag("tr", *[tag("th", name, cls=mark or None) for name, mark in zip(names, marks, strict=True)])
    )
    return tag("div", tag("table", head, tag("tbody", *body), cls=f"grid {cls}".strip()), cls="scroll")


def pill(word: str, tone: str = "") -> Safe:
    """A small rounded word: tone '', 'good', 'warn', 'bad', 'live'."""
    return tag("span", word, cls=f"pill {tone}".strip())


def stat(number: Any, word: str, key: str = "", tone: str = "") -> Safe:
    """One large number over one small word."""
    return tag("div", tag("b", number, data_k=key or None), tag("span", word), cls=f"stat {tone}".strip())


def card(title: Any, *body: Any, note: Any = None, cls: str = "", id_: str | None = None) -> Safe:
    """A titled piece of a page."""
    head = tag("header", tag("h2", title), tag("p", note, cls="note") if note else None) if title else None
    return tag("section", head, *body, cls=f"card {cls}".strip(), id=id_)


def empty(title: str, words: Any, *more: Any) -> Safe:
    """What a page says while there is nothing to show, and what to do about it."""
    return tag("div", tag("div", cls="ring"), tag("h3", title), tag("p", words), *more, cls="emptiness")


def action(word: str, path: str, *, cls: str = "", done: str = "", ask: str = "", body: str = "") -> Safe:
    """A button that posts to the API. ask: a question that needs a reason, asked first; body: JSON that goes with
    it."""
    return tag(
        "button",
        word,
        type="button",
        cls=f"button {cls}".strip(),
        data_post=path,
        data_done=done or None,
        data_ask=ask or None,
        data_body=body or None,
    )
