"""Names as SQL writes them."""

from __future__ import annotations

from collections.abc import Iterable


def quoted(text: str) -> str:
    """A text as SQL writes it."""
    return "'" + text.replace("'", "''") + "'"


def listing(texts: Iterable[str]) -> str:
    """Texts as a DuckDB list."""
    return f"[{', '.join(quoted(text) for text in texts)}]"
