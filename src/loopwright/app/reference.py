"""The reference shelf of the docs, made from the tables that the code itself reads.

python -m loopwright.app.reference docs/reference        writes commands, site, signals, events, units, plug-ins
"""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import typer

from loopwright.app.site_tables import LISTS, TABLES
from loopwright.core import plug
from loopwright.core.kinds import KINDS
from loopwright.core.units import INSIDE, UNITS

HEAD = "<!-- made by `make docs`; change the code it is made from -->\n\n"


def pages() -> dict[str, str]:
    """File name -> Markdown of every generated page."""
    return {
        "commands.md": commands(),
        "site.md": site(),
        "signals.md": signals(),
        "events.md": events(),
        "units.md": units(),
        "plug-ins.md": plug_ins(),
    }


def row(cells: Iterable[object]) -> str:
    """One row of a Markdown table."""
    return "| " + " | ".join(str(cell).replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table."""
    return "\n".join([row(head), row("---" for _ in head), *(row(cells) for cells in rows)]) + "\n"


def commands() -> str:
    """Every command with its help."""
    from loopwright.app.cli import app

    group = typer.main.get_command(app)
    parts = [
        "# Commands\n\nResults go to standard output, everything else to standard error.\n"
        "Exit status: 0 done; 1 to 7 as `core/errors.py` draws the tree; 130 stopped by Ctrl-C.\n"
    ]
    for name, command in _commands(group, "loopwright"):
        context = typer.Context(command, info_name=name)
        parts.append(f"## {name}\n\n```text\n{command.get_help(context).strip()}\n```\n")
    return HEAD + "\n".join(parts)


def _commands(group: object, prefix: str) -> list[tuple[str, typer.core.TyperCommand]]:
    found: list[tuple[str, typer.core.TyperCommand]] = []
    for name, command in sorted(getattr(group, "commands", {}).items()):
        full = f"{prefix} {name}"
        found += _commands(command, full) if getattr(command, "commands", None) else [(full, command)]
    return found


def site() -> str:
    """Every key of the site file."""
    parts = ["# The site file\n\nOne TOML file describes a plant. An unknown key is an error that names the nearest.\n"]
    for name, keys in TABLES.items():
        brackets = f"[[{name}]]" if name in LISTS else f"[{name}]"
        rows = []
        for key, (kind, meaning, default) in keys.items():
            kinds = kind if isinstance(kind, tuple) else (kind,)
            shown = "must be given" if default is ... else f"`{default!r}`"
            rows.append((f"`{key}`", " or ".join(k.__name__ for k in kinds), shown, meaning))
        parts.append(f"## {brackets}\n\n" + table(["key", "type", "default", "meaning"], rows))
    parts.append("## Settings of a link, by protocol\n")
    for name in sorted(plug.find("connect")):
        settings = plug.load("connect", name).Settings
        fields = [(f"`{f.name}`", f"`{f.type}`", _default(f)) for f in dataclasses.fields(settings)]
        parts.append(
            f'### `protocol = "{name}"`\n\n{_paragraphs(settings)}\n\n' + table(["key", "type", "default"], fields)
        )
    return HEAD + "\n".join(parts)


def _default(field: dataclasses.Field[object]) -> str:
    if field.default is not dataclasses.MISSING:
        return f"`{field.default!r}`"
    return "empty" if field.default_factory is not dataclasses.MISSING else "must be given"


def _paragraphs(thing: object) -> str:
    return "```text\n" + (inspect.getdoc(thing) or "") + "\n```"


def signals() -> str:
    """Every kind of thing of every pack, with its signals."""
    parts = ["# Signals\n\nOne table a kind of thing drives validation, topics, nodes, pages and this reference.\n"]
    for name in sorted(plug.find("packs")):
        pack = plug.load("packs", name).PACK
        parts.append(f"## Pack `{pack.name}`\n\n{pack.meaning}\n")
        for kind in pack.kinds:
            rows = [
                (
                    f"`{s.name}`",
                    s.kind,
                    s.unit or "-",
                    s.rate_hz or "irregular",
                    _range(s.low, s.high, s.codes),
                    s.meaning,
                )
                for s in kind.signals
            ]
            head = ["signal", "kind", "unit", "Hz", "low to high, or codes", "meaning"]
            parts.append(f"### `{kind.name}`\n\n{kind.meaning}\n\n" + table(head, rows))
    return HEAD + "\n".join(parts)


def _range(low: float | None, high: float | None, codes: object) -> str:
    if isinstance(codes, dict) and codes:
        return ", ".join(f"{code} {word}" for code, word in codes.items())
    return f"{'' if low is None else f'{low:g}'} to {'' if high is None else f'{high:g}'}"


def events() -> str:
    """Every kind of event."""
    rows = [
        (f"`{k.name}`", k.about, k.meaning, *(", ".join(f"`{n}`" for n in some) for some in (k.body, k.links, k.leads)))
        for k in KINDS.values()
    ]
    return HEAD + "# Events\n\n" + table(["kind", "about", "meaning", "body", "rests on", "done for"], rows)


def units() -> str:
    """Every unit."""
    rows = [
        (f"`{u.name}`", u.quantity, f"`{INSIDE[u.quantity]}`", f"{u.factor:.12g}", f"{u.offset:.12g}")
        for u in UNITS.values()
    ]
    return (
        HEAD
        + "# Units\n\nInside the house only the units of the third column; a value inside is value x factor + offset.\n"
        "Source of the factors: NIST SP 811 (2008), appendix B.8.\n\n"
        + table(["unit", "quantity", "inside", "factor", "offset"], rows)
    )


def plug_ins() -> str:
    """What is one file to add, and what there is."""
    parts = ["# Plug-ins\n\nA file's name is its name; another package adds its own by an entry point of the group.\n"]
    for room in sorted(plug.PARTS):
        rows = []
        for name, path in sorted(plug.find(room).items()):
            doc = inspect.getdoc(importlib.import_module(path)) or ""
            rows.append((f"`{name}`", doc.split("\n\n")[0].replace("\n", " ")))
        if rows:
            parts.append(f"## `loopwright.{room}`\n\n" + table(["name", "what it is"], rows))
    return HEAD + "\n".join(parts)


def main(folder: Path) -> None:
    """Writes every page."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        (folder / name).write_text(text, "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
