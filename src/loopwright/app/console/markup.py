"""HTML and SVG from plain data. Every text is escaped; only what `tag` made goes through as it is.

    tag("p", "a < b", cls="note")        <p class="note">a &lt; b</p>
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

_OPEN = frozenset({"br", "hr", "img", "input", "link", "meta"})  # HTML elements without an end
_EMPTY = frozenset({"path", "circle", "rect", "line", "ellipse", "mpath"})  # SVG elements that end in themselves


class Safe(str):
    """Markup that was made here and needs no escaping."""

    __slots__ = ()

    def __add__(self, other: Any) -> Safe:
        return Safe(f"{self}{text(other)}")


def text(given: Any) -> Safe:
    """Any value as escaped text; None and False are nothing; lists are joined.

    A named tuple is a value, and says itself how it reads.
    """
    if given is None or given is False:
        return Safe("")
    if isinstance(given, Safe):
        return given
    if isinstance(given, (list, tuple)) and not hasattr(given, "_fields"):
        return Safe("".join(text(part) for part in given))
    return Safe(escape(str(given)))


def tag(name: str, /, *children: Any, **attributes: Any) -> Safe:
    """One element. `cls` is class, `_` in a name is '-', a trailing '_' is dropped; None and False are left out."""
    parts = []
    for key, value in attributes.items():
        if value is None or value is False:
            continue
        key = "class" if key == "cls" else key.rstrip("_").replace("_", "-")
        parts.append(f" {key}" if value is True else f' {key}="{escape(str(value))}"')
    head = f"<{name}{''.join(parts)}"
    if name in _OPEN:
        return Safe(head + ">")
    if name in _EMPTY and not children:
        return Safe(head + "/>")
    return Safe(f"{head}>{text(list(children))}</{name}>")


def join(parts: Iterable[Any]) -> Safe:
    """Parts one after another."""
    return Safe("".join(text(part) for part in parts))


def div(cls: str, *children: Any, **attributes: Any) -> Safe:
    """A div of that class."""
    return tag("div", *children, cls=cls or None, **attributes)


def note(*words: Any, **attributes: Any) -> Safe:
    """A small grey paragraph."""
    return tag("p", *words, cls="note", **attributes)


def small(words: Any) -> Safe | None:
    """A small grey line below a value; nothing when there is nothing to say."""
    return tag("small", words, cls="note") if words else None


def link(words: Any, href: str) -> Safe:
    """A link."""
    return tag("a", words, href=href)


def table(
    heads: Sequence[Any], rows: Iterable[Sequence[Any]], empty: str = "Nothing here yet.", cls: str = "stack"
) -> Safe:
    """A table that becomes a list of cards on a phone.

    heads  a word, or (word, marks): 'n' is a column of numbers, 'extra' is left out on a phone
    cls    'stack' for cards on a phone, '' for a table of few columns that fits
    """
    names = [head[0] if isinstance(head, tuple) else head for head in heads]
    marks = [head[1] if isinstance(head, tuple) else None for head in heads]
    body = [
        tag("tr", *[tag("td", cell, cls=mark, data_head=name or None)
                    for cell, name, mark in zip(row, names, marks, strict=True)])
        for row in rows
    ]
    if not body:
        return tag("p", empty, cls="empty")
    head = tag("tr", *[tag("th", name, cls=mark) for name, mark in zip(names, marks, strict=True)])
    return div("scroll", tag("table", tag("thead", head), tag("tbody", *body), cls=f"grid {cls}".strip()))


def pill(word: str, tone: str = "") -> Safe:
    """A small rounded word; tone: '', 'good', 'warn', 'bad', 'live', and 'dot' for a dot before it."""
    return tag("span", word, cls=f"pill {tone}".strip())


def stat(number: Any, word: str, tone: str = "") -> Safe:
    """One large number over one small word."""
    return div(f"stat {tone}".strip(), tag("b", number), tag("span", word))


def stats(*numbers: Safe) -> Safe:
    """Large numbers side by side."""
    return div("stats", *numbers)


def card(title: Any, *body: Any, note: Any = None, cls: str = "", id_: str | None = None) -> Safe:
    """A titled piece of a page."""
    head = tag("header", tag("h2", title), tag("p", note, cls="note") if note else None) if title else None
    return tag("section", head, *body, cls=f"card {cls}".strip(), id=id_)


def empty(title: str, words: Any) -> Safe:
    """What a page says while there is nothing to show, and what will change that."""
    return div("emptiness", div("ring"), tag("h3", title), tag("p", words))


def chips(links: Iterable[tuple[Any, str, bool]], cls: str = "") -> Safe:
    """Small links of which one is where we are: (words, address, here)."""
    return div(f"chips {cls}".strip(), *[tag("a", words, href=href, cls="here" if here else None)
                                         for words, href, here in links])


def action(word: str, path: str, *, cls: str = "", done: str = "", ask: str = "") -> Safe:
    """A button that posts to the API. ask: a question whose answer goes along as the reason."""
    return tag("button", word, type="button", cls=f"button {cls}".strip(), data_post=path, data_done=done or None,
               data_ask=ask or None)


def field(words: str, *control: Any) -> Safe:
    """A labelled control of a form."""
    return tag("label", tag("span", words), *control, cls="field")
