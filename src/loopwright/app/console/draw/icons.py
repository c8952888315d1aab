"""Line icons on a 24 by 24 field, drawn for Loopwright: stages of the loop and pages of the console."""

from __future__ import annotations

from loopwright.app.console.markup import Safe, tag

PATHS: dict[str, str] = {
    "order": "M6 4h9l3 3v13H6zM15 4v3h3M9 11h6M9 15h4",
    "fit": "M5 19 19 5M5 19l3.5-.6M5 19l.6-3.5M8 13l2 2M11 10l2 2M14 7l2 2",
    "design": "M12 3l8 4.5v9L12 21l-8-4.5v-9zM12 12l8-4.5M12 12v9M12 12L4 7.5",
    "plan": "M4 5v15h16M8 8h6M10 12h7M8 16h4",
    "make": "M12 8.5a3.5 3.5 0 100 7 3.5 3.5 0 000-7M12 3v3M12 18v3M3 12h3M18 12h3M5.6 5.6l2.2 2.2"
    "M16.2 16.2l2.2 2.2M18.4 5.6l-2.2 2.2M7.8 16.2l-2.2 2.2",
    "measure": "M4 15a8 8 0 0116 0M12 15l4-5M4 15v3h16v-3M7 18v-2M17 18v-2",
    "connect": "M4 15a5 5 0 015-5M4 11a9 9 0 019-6M5 19.5a.5.5 0 10.01 0M14 14a4 4 0 106 0 4 4 0 00-6 0",
    "keep": "M5 6c0-1.7 3.1-3 7-3s7 1.3 7 3-3.1 3-7 3-7-1.3-7-3zM5 6v12c0 1.7 3.1 3 7 3s7-1.3 7-3V6"
    "M5 12c0 1.7 3.1 3 7 3s7-1.3 7-3",
    "use": "M8 21h8M12 21V4l7 3.5-7 3.5",
    "serve": "M4 5h16v11h-8l-4 4v-4H4zM8 9h8M8 12h5",
    "improve": "M4 19l5-6 4 3 7-9M15 7h5v5",
    "release": "M12 15V4M8 8l4-4 4 4M5 14v5h14v-5",
    "loop": "M12 12c-2.5-3-4-4.5-6-4.5a4.5 4.5 0 000 9c2 0 3.5-1.5 6-4.5 2.5-3 4-4.5 6-4.5"
    "a4.5 4.5 0 010 9c-2 0-3.5-1.5-6-4.5z",
    "orders": "M5 7l7-4 7 4v10l-7 4-7-4zM5 7l7 4 7-4M12 11v10",
    "machines": "M4 20V9l5 3V9l5 3V5h6v15zM8 16h2M13 16h2",
    "owner": "M12 11a4 4 0 100-8 4 4 0 000 8zM4.5 21c0-4 3.4-6.5 7.5-6.5s7.5 2.5 7.5 6.5",
    "decisions": "M12 3v18M5 7h14M5 7l-3 7h6zM19 7l-3 7h6zM8 21h8",
    "models": "M4 20V4M4 20h16M7 16l4-5 3 3 5-7M19 7h-3M19 7v3",
    "data": "M4 6h16M4 12h16M4 18h16M8 4v4M15 10v4M10 16v4",
}


def icon(name: str) -> Safe:
    """The icon as an SVG of its own, in the colour of the text beside it."""
    return tag(
        "svg",
        tag("path", d=PATHS[name]),
        viewBox="0 0 24 24",
        fill="none",
        stroke="currentColor",
        stroke_width="1.6",
        stroke_linecap="round",
        stroke_linejoin="round",
        aria_hidden="true",
    )


def mark() -> Safe:
    """The sign of Loopwright: a loop that crosses itself, with a knot where it is made again."""
    loop = "M27 14C22 6 18 3 12.5 3a11 11 0 000 22C18 25 22 22 27 14S36 3 41.5 3a11 11 0 010 22C36 25 32 22 27 14Z"
    return tag(
        "svg",
        tag("path", d=loop, fill="none", stroke="currentColor", stroke_width="3.4"),
        tag("circle", cx="27", cy="14", r="4.2", fill="currentColor"),
        viewBox="-1 0 56 28",
        aria_hidden="true",
    )
