"""The command line: `loopwright --help`.

Results go to standard output, everything else to standard error; with --json standard output is one JSON document.
Exit status: 0 done, 1-7 as `core.errors` says, 130 stopped by Ctrl-C (run it again to continue).
"""

from __future__ import annotations

import json
import logging
import os
import sys
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from loopwright.app.options import Json, SitePath, out, say, unheard
from loopwright.core.errors import LoopwrightError

app = typer.Typer(
    help="Made to measure, heard, kept, served, improved, made again: one loop.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
imports = typer.Typer(
    help="Bring files into a plant: measures, shots, swings, runs, logs.", no_args_is_help=True
)
users = typer.Typer(help="Users and their roles.", no_args_is_help=True)
changes = typer.Typer(help="Changes that wait for people.", no_args_is_help=True)
app.add_typer(imports, name="import")
app.add_typer(users, name="users")
app.add_typer(changes, name="changes")

Partly = Annotated[bool, typer.Option("--partly", help="keep what can be used of a file of which some rows cannot")]
STOPPED = 130  # exit status of a program that was stopped by Ctrl-C
Files = Annotated[list[Path], typer.Argument(help="files to read")]


def main(argv: list[str] | None = None) -> None:
    """What the `loopwright` command runs. Prints errors of the house as one sentence; no traceback for those."""
    arguments = sys.argv[1:] if argv is None else argv
    if arguments == ["--version"]:  # what everybody tries first
        arguments = ["version"]
    logging.getLogger("asyncua").setLevel(logging.ERROR)
    try:
        code = app(args=arguments, prog_name="loopwright", standalone_mode=False)
    except LoopwrightError as error:
        from loopwright.app.site import explain

        if "--json" in arguments:
            print(json.dumps(explain(error), indent=2))
        say(f"loopwright: {error}")
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        _stopped()
    except typer.Exit as leave:
        if leave.exit_code == STOPPED:  # typer's own word for Ctrl-C
            _stopped()
        sys.exit(leave.exit_code)
    except BrokenPipeError:
        unheard()
        sys.exit(0)
    except Exception as error:
        _explained(error, arguments)
        raise
    if code == STOPPED:
        _stopped()
    sys.exit(code if isinstance(code, int) else 0)


def _explained(error: Exception, arguments: list[str]) -> None:
    """Ends the program for errors of others that mean something to a person; returns from all others."""
    if type(error) is RuntimeError and str(error) == "Query interrupted":  # what DuckDB makes of Ctrl-C
        _stopped()
    if type(error).__module__.startswith(("click", "typer")) and hasattr(error, "format_message"):
        say(_misused(error, arguments))
        sys.exit(2)


def _misused(error: Any, arguments: list[str]) -> str:
    """What is wrong with the words of a command line; a command that needs more words gives its help."""
    told, context = error.format_message().rstrip("."), getattr(error, "ctx", None)
    if type(error).__name__ == "NoArgsIsHelpError":
        return str(told)
    told = told.replace("Value error, ", "").rstrip("?")
    command = context.command_path if context else "loopwright"
    return f"loopwright: {told}; given: {' '.join(arguments)} (see: {command} --help)"


def _stopped() -> NoReturn:
    """The end after Ctrl-C. Everything is closed; what libraries say of an interrupted interpreter helps nobody."""
    say("loopwright: stopped; what was acknowledged is kept, run it again to continue")
    sys.stdout.flush()
    os._exit(STOPPED)


@app.command()
def version() -> None:
    """The version of Loopwright."""
    from importlib.metadata import version as installed

    print(installed("loopwright"))


@app.command()
def demo(
    once: Annotated[bool, typer.Option("--once", help="end after one turn and print the report")] = False,
    port: Annotated[int, typer.Option(min=0, max=65535, help="port of the console; 0: any that is free")] = 8080,
    folder: Annotated[
        Path | None, typer.Option(help="where the demo's plant is kept (default: a temporary folder)")
    ] = None,
    seed: Annotated[int, typer.Option(help="what the demo's chance is drawn from")] = 1,
    as_json: Json = False,
) -> None:
    """The whole loop on a small plant with bundled example input. No server and no data of yours."""
    from loopwright.app.demo import run_demo

    run_demo(once=once, port=port, folder=folder, seed=seed, as_json=as_json)


@app.command()
def check(site: Annotated[Path, typer.Argument(help="the site file")], as_json: Json = False) -> None:
    """Reads a site file and says how it was understood. Nothing is started or written."""
    from loopwright.app.site import checked, load_site

    rows = checked(load_site(site))
    out(dict(rows), as_json, lambda d: "\n".join(f"{name:<22}{value}" for name, value in d.items()))


@app.command()
def run(
    site: Annotated[Path, typer.Argument(help="the site file")],
    data: Annotated[Path | None, typer.Option(help="folder of recorded data that plays the machines")] = None,
) -> None:
    """Listens to machines, keeps, serves, shows the console. Ctrl-C ends it."""
    from loopwright.app.run import run_site

    run_site(site, data)


@app.command()
def turn(
    site: Annotated[Path, typer.Argument(help="the site file")],
    data: Annotated[Path | None, typer.Option(help="folder of recorded data")] = None,
    orders: Annotated[int | None, typer.Option(min=1, help="how many orders (default: the site's)")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="start with an empty plant")] = False,
    as_json: Json = False,
) -> None:
    """Exactly one turn of the loop, and its report. A turn that was stopped half way is continued."""
    from loopwright.app.report import in_words
    from loopwright.app.turn import run_turn

    out(run_turn(site, data=data, orders=orders, fresh=fresh), as_json, in_words)


@app.command()
def report(site: SitePath, as_json: Json = False) -> None:
    """The report of the last turn."""
    from loopwright.app.report import in_words, last_report

    out(last_report(site), as_json, in_words)


def _import(what: str, files: list[Path], site: Path, as_json: bool, partly: bool, thing: str = "") -> None:
    from loopwright.app.imports import import_files, imports_in_words

    out(import_files(what, files, site, thing, partly), as_json, imports_in_words)


@imports.command("persons")
def import_persons(files: Files, site: SitePath, partly: Partly = False, as_json: Json = False) -> None:
    """Body measures. ANSUR II, or a CSV of your own with a unit in each column's name."""
    _import("persons", files, site, as_json, partly)


@imports.command("shots")
def import_shots(
    files: Files,
    site: SitePath,
    unit: Annotated[str, typer.Option(help="serial of the club they were hit with")] = "",
    partly: Partly = False,
    as_json: Json = False,
) -> None:
    """Shots of a launch monitor: Garmin R10 CSV."""
    _import("shots", files, site, as_json, partly, unit)


@imports.command("swings")
def import_swings(
    files: Files,
    site: SitePath,
    unit: Annotated[str, typer.Option(help="serial of the club they were made with")] = "",
    partly: Partly = False,
    as_json: Json = False,
) -> None:
    """Swings with pose features: CaddieSet CSV."""
    _import("swings", files, site, as_json, partly, unit)


@imports.command("runs")
def import_runs(
    files: Annotated[list[Path], typer.Argument(help="folders of recorded machining runs")],
    site: SitePath,
    partly: Partly = False,
    as_json: Json = False,
) -> None:
    """What inspection found about recorded machining runs (labels.csv)."""
    _import("runs", files, site, as_json, partly)


@imports.command("log")
def import_log(
    files: Files,
    site: SitePath,
    column: Annotated[list[str] | None, typer.Option(help="where the file calls it otherwise: machine=Anlage")] = None,
    partly: Partly = False,
    as_json: Json = False,
) -> None:
    """A shop's own log. A CSV with a row for each time somebody worked at an order."""
    from loopwright.app.imports import import_files, imports_in_words
    from loopwright.app.replaying import mapping

    out(import_files("log", files, site, "", partly, mapping(column or ())), as_json, imports_in_words)


@users.command("add")
def users_add(
    name: str,
    role: Annotated[str, typer.Argument(help="operator, engineer, approver or owner")],
    site: SitePath,
    person: Annotated[str, typer.Option(help="person id, for an owner")] = "",
) -> None:
    """Adds a user. Asks for the password on the terminal, or takes one line of standard input."""
    from loopwright.app.people import add_user, may_be_added

    may_be_added(site, name, role, person)
    if sys.stdin.isatty():
        password = typer.prompt("password", hide_input=True, confirmation_prompt=True)
    else:
        password = sys.stdin.readline().rstrip("\n")
    add_user(site, name, role, password, person)
    say(f"{name} may enter as {role}")


@users.command("list")
def users_list(site: SitePath, as_json: Json = False) -> None:
    """Who may enter, and as what."""
    from loopwright.app.people import list_users

    out(list_users(site), as_json, lambda rows: "\n".join(f"{r['name']:<24}{r['role']}" for r in rows) or "no users")


@app.command()
def claim(
    serial: str, code: str, person: Annotated[str, typer.Option(help="person id of the owner")], site: SitePath
) -> None:
    """An owner claims a unit with the code that came with it."""
    from loopwright.app.people import claim_unit

    claim_unit(site, serial, code, person)
    say(f"{serial} belongs to {person}")


@app.command()
def consent(
    person: str,
    purpose: str,
    site: SitePath,
    withdraw: Annotated[bool, typer.Option("--withdraw", help="no longer agree")] = False,
    days: Annotated[float, typer.Option(help="for how long")] = 365.0,
) -> None:
    """An owner agrees to a purpose such as coaching, or no longer."""
    from loopwright.app.people import set_consent

    set_consent(site, person, purpose, withdraw, days)
    say(f"{person}: {purpose} {'withdrawn' if withdraw else 'given'}")


@changes.command("list")
def changes_list(site: SitePath, as_json: Json = False) -> None:
    """Every change, with its state and what it waits for."""
    from loopwright.app.approvals import list_changes

    out(
        list_changes(site),
        as_json,
        lambda rows: "\n".join(f"{r['id']:<28}{r['state']:<12}{r['why']}" for r in rows) or "no changes",
    )


@changes.command("approve")
def changes_approve(change: str, site: SitePath, by: Annotated[str, typer.Option(help="user who approves")]) -> None:
    """Approves a change; two people must, and nobody their own."""
    from loopwright.app.approvals import approve_change

    say(f"{change}: {approve_change(site, change, by)}")


@changes.command("decline")
def changes_decline(
    change: str,
    site: SitePath,
    by: Annotated[str, typer.Option(help="user who declines")],
    why: Annotated[str, typer.Option(help="the reason")],
) -> None:
    """Declines a change, with the reason."""
    from loopwright.app.approvals import decline_change

    decline_change(site, change, by, why)
    say(f"{change}: declined")


# commands_<topic>.py has register(app)
TOPICS = ("alarms", "doctor", "edge", "keep", "models", "query", "correct", "trace", "plan", "promise", "replay",
          "tell", "whatif", "evaluate")
for topic in TOPICS:
    import_module(f"loopwright.app.commands_{topic}").register(app)


if __name__ == "__main__":
    main()
