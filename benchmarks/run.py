"""Every benchmark by one command, each number beside its peer and its limit, into benchmarks/RESULTS.md.

    python -m benchmarks.run              all of them
    python -m benchmarks.run store plan   some
    python -m benchmarks.run --full store everything whose name begins so, at full size where there is one

A benchmark is a file bench_<name>.py here with rows() -> list of flat dicts; its docstring's first line is its title.
full_rows(), where there is one, gives the rows at full size: minutes to hours.
"""

from __future__ import annotations

import importlib
import os
import pkgutil
import platform
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from loopwright.core.clock import RealClock, iso, monotonic_s

HERE = Path(__file__).parent
RESULTS = HERE / "RESULTS.md"


def found() -> dict[str, str]:
    """name -> module of every benchmark."""
    names = [m.name for m in pkgutil.iter_modules([str(HERE)]) if m.name.startswith("bench_")]
    return {name.removeprefix("bench_"): f"benchmarks.{name}" for name in sorted(names)}


def machine() -> str:
    """What it ran on."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    kind = f"{platform.system()} {platform.machine()}, Python {platform.python_version()}"
    return f"{os.cpu_count()} cores, {memory:.0f} GiB, {kind}"


def cell(value: Any) -> str:
    """A value as a table shows it."""
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "-"}[value]
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return f"{value:,}" if isinstance(value, int) else str(value).replace("|", "\\|")


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows as a Markdown table; rows with other keys start a table of their own."""
    parts: list[str] = []
    keys: list[str] = []
    for row in rows:
        if list(row) != keys:
            keys = list(row)
            parts += ["", "| " + " | ".join(keys) + " |", "|" + " --- |" * len(keys)]
        parts.append("| " + " | ".join(cell(value) for value in row.values()) + " |")
    return "\n".join(parts)


def section(name: str, module_path: str, full: bool = False) -> str:
    """One benchmark, run now."""
    module = importlib.import_module(module_path)
    begun_s = monotonic_s()
    rows = module.full_rows() if full and hasattr(module, "full_rows") else module.rows()
    title = (module.__doc__ or name).strip().splitlines()[0].rstrip(".")
    took_s = monotonic_s() - begun_s
    how = f"make bench ARGS='--full {name}'" if full else f"python -m {module_path}"
    return f"## {name}\n\n{title}.\n\n`{how}`, {took_s:.0f} s.\n{table(rows)}\n"


def kept() -> dict[str, str]:
    """The sections that stand in RESULTS.md, by name, so that running some leaves the others."""
    if not RESULTS.exists():
        return {}
    parts = RESULTS.read_text("utf-8").split("\n## ")[1:]
    return {part.split("\n", 1)[0].strip(): "## " + part.rstrip() + "\n" for part in parts}


def written(sections: Mapping[str, str]) -> None:
    """Writes RESULTS.md of these sections."""
    head = (
        f"# Results\n\nMeasured by `make bench` on {machine()}, last on {iso(RealClock().now_ns())[:10]}.\n"
        "The machine is shared and noisy: medians where a benchmark repeats; compare within a table, not across.\n"
    )
    RESULTS.write_text("\n".join([head, *(sections[n] for n in sorted(sections))]), "utf-8")


def main(names: Sequence[str]) -> None:
    """Runs these benchmarks, or all, and writes the results."""
    modules = found()
    full = "--full" in names
    wanted = [name for name in names if name != "--full"]
    for name in wanted:
        if not any(module.startswith(name) for module in modules):
            sys.exit(f"there is no benchmark {name!r}; allowed: --full, {', '.join(modules)}")
    chosen = [name for name in modules if any(name.startswith(part) for part in wanted)]
    for name in chosen or modules:
        print(f"{name} ...", file=sys.stderr, flush=True)
        sections = {name: section(name, modules[name], full)}
        print(sections[name], flush=True)
        written({**kept(), **sections})  # read again: others may have written while this ran


if __name__ == "__main__":
    main(sys.argv[1:])
