"""What `loopwright promise`, `late` and `pegging` do: on a plant, beside whatever runs it, or on a shop in a file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from loopwright.app import promising
from loopwright.app.opening import open_site, there
from loopwright.app.plant import Plant
from loopwright.app.site import site_of
from loopwright.core import plug
from loopwright.core.clock import RealClock
from loopwright.core.errors import InputError, StoreError
from loopwright.core.types import Plan
from loopwright.make.promises.lateness import flow_of, lasting
from loopwright.make.shop import Shop

SHOPS = (".json", ".jsp", ".fjs", ".txt")
T = TypeVar("T")


@dataclass(frozen=True)
class Searched:
    """How the shop of a file is planned first: seconds and objective."""

    seconds: float
    objective: str


def is_file(path: Path) -> bool:
    """Whether a shop in a file is meant, not a plant. InputError for such a file that is not there."""
    if path.suffix in SHOPS and not path.exists():
        raise InputError(str(path), "there is no such file", "a shop in a file, a site file or the folder of a plant")
    return path.is_file() and path.suffix != ".toml"


def at_plant(path: Path, do: Callable[[Plant], T]) -> T:
    """Something done with a plant that is only read."""
    site = site_of(path)
    there(site)
    packs = {name: plug.load("packs", name).PACK for name in site["site"]["packs"]}
    with open_site(site, read_only=True) as store:
        return do(Plant(site, store, RealClock(), packs, "plan"))


def of_file(path: Path, searched: Searched) -> tuple[Shop, Plan]:
    """The shop in a file, planned."""
    from threading import Event

    from loopwright.app.plan_file import Asked, Watched, planned
    from loopwright.make.reading.files import read

    shop = read(path).shop
    return shop, planned(shop, Asked(searched.seconds, searched.objective), Watched(Event(), loud=False))


def promise(path: Path, asked: Mapping[str, Any], job: Path | None, searched: Searched) -> dict[str, Any]:
    """The answer for a plant, or for a shop in a file and an order in another."""
    if not is_file(path):
        if job is not None:
            raise InputError("promise", "--job", "with a shop in a file; a plant: --person or --like")
        return at_plant(path, lambda plant: promising.promised(plant, asked))
    if job is None:
        raise InputError("promise", f"{path.name} is a shop in a file", "--job FILE.json: the order that is asked for")
    _refuse_of_plants(asked)
    from loopwright.make.promise import promise as answer
    from loopwright.make.reading.shop_json import job_from_json

    try:
        text = job.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise StoreError(str(job), f"it cannot be read ({error})", "", "name a JSON file") from error
    new = job_from_json(text, job.name)
    shop, plan = of_file(path, searched)
    return promising.document(answer(shop, plan, new, float(asked["seconds"])), shop, plan.objective)


def _refuse_of_plants(asked: Mapping[str, Any]) -> None:
    """What only a plant's order can be asked with, and seconds that are none."""
    if given := [name for name in ("person", "like", "due", "order") if asked.get(name)]:
        said = f"--{given[0]} {asked[given[0]]}"
        raise InputError("promise", said, "with a plant; an order in a file says it itself")
    if not 0 <= float(asked["seconds"]) <= promising.LONGEST_S:
        raise InputError("promise: seconds", f"{asked['seconds']:g}", f"0 (only the gaps) to {promising.LONGEST_S:g}")


def late_in(plant: Plant, order: str = "", at_ns: int | None = None) -> dict[str, Any]:
    """Lateness of the plan in force; of one order whether it is late or not."""
    return _late(*promising.live(plant, at_ns), order)


def _late(shop: Shop, plan: Plan, order: str) -> dict[str, Any]:
    return promising.lateness(shop, plan, [flow_of(shop, plan, order)] if order else None)


def late(path: Path, order: str, searched: Searched) -> dict[str, Any]:
    """Why orders are late: of a plant's plan in force, or of a shop in a file, planned now."""
    if is_file(path):
        return _late(*of_file(path, searched), order)
    return at_plant(path, lambda plant: late_in(plant, order))


def pegging_in(plant: Plant, of: Mapping[str, str], at_ns: int | None = None) -> list[dict[str, Any]]:
    """Pegging of the plan in force."""
    return promising.pegged(*promising.live(plant, at_ns), of)


def pegging(path: Path, of: Mapping[str, str], searched: Searched) -> list[dict[str, Any]]:
    """What hangs on what: of a plant's plan in force, or of a shop in a file, planned now."""
    if is_file(path):
        return promising.pegged(*of_file(path, searched), of)
    return at_plant(path, lambda plant: pegging_in(plant, of))


def _at(row: Mapping[str, Any], name: str = "end") -> str:
    """A moment: with its day in a plant, in seconds of the file else."""
    return str(row[name])[:19] if row[name] else f"{row[f'{name}_s']:,} s"


def promise_in_words(told: Mapping[str, Any]) -> str:
    """A promise in lines."""
    lines = [f"{told['order']}: {told['says']}", f"end       {_at(told)}"]
    lines += [f"  {lasting(p['seconds']):<11} {p['cause']:<8} {p['says']}" for p in told["waits"]]
    words = {"gaps": "nobody moves", "moves": "nobody becomes late", "delays": "makes late"}
    for offer in told["offers"]:
        late = [f"{d['order']} by {lasting(d['late_s'])}" for d in offer["delayed"] if d["late_s"]]
        who = f": {', '.join(late[:5])}" + (f" and {len(late) - 5} more" if len(late) > 5 else "") if late else ""
        cost = f", {told['objective']} {offer['extra']:+,.10g} s"
        lines.append(f"offer     {_at(offer)}  {words[offer['how']]}{who}; {offer['moved']} operations move{cost}")
    lines.append(f"proof     plan {told['proof']['plan_sha256'][:16]}, {told['took_s']:.2f} s")
    return "\n".join(lines)


def late_in_words(told: Mapping[str, Any]) -> str:
    """Late orders in lines."""
    if not told["orders"]:
        return f"no order is late, of {told['of']}"
    lines = []
    for row in told["orders"]:
        kept = "in time" if row["due_s"] is not None else "no due date"
        late = f"{lasting(row['late_s'])} late" if row["late_s"] else kept
        lines.append(f"{row['order']}: {late}, {lasting(row['flow_s'])} from its release to {_at(row)}")
        lines += [f"  {lasting(p['seconds']):<11} {p['cause']:<8} {p['says']}" for p in row["parts"]]
    causes = ", ".join(f"{cause} {lasting(s)}" for cause, s in sorted(told["by_cause"].items(), key=lambda c: -c[1]))
    return "\n".join([*lines, f"by cause: {causes}"])


def pegging_in_words(rows: list[dict[str, Any]]) -> str:
    """Pegging as a table."""
    head = f"{'order':<14}{'operation':<16}{'kind':<10}{'name':<16}{'quantity':>10}  {'start':<22}{'end':<22}slack"
    lines = [head]
    for row in rows:
        slack = "any" if row["slack_s"] is None else lasting(row["slack_s"])
        amount = f"{row['quantity']:,} {row['unit']}".rstrip()
        lines.append(f"{row['order']:<14}{row['operation']:<16}{row['kind']:<10}{row['name']:<16}{amount:>10}  "
                     f"{_at(row, 'start'):<22}{_at(row):<22}{slack}")
    return "\n".join(lines)
