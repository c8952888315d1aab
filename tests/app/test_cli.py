"""The command line before a command runs: what `--help` says, and what is said of words it does not know."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

from loopwright.app.cli import app, main
from tests.app.shop import COMMAND


def commands(group: Any, name: str = "loopwright") -> Iterator[tuple[str, Any, int]]:
    """Every command with its whole name, and how many characters a terminal of 80 leaves it in the list."""
    widest = max(map(len, group.commands))
    for word, command in group.commands.items():
        yield f"{name} {word}", command, 80 - 6 - widest
        if hasattr(command, "commands"):
            yield from commands(command, f"{name} {word}")


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Exit status, standard output, standard error."""
    with pytest.raises(SystemExit) as leave:
        main(list(arguments))
    out, err = capsys.readouterr()
    return int(leave.value.code or 0), out, err


def test_the_list_of_commands_says_of_each_what_it_does_without_being_cut_at_eighty_columns() -> None:
    cut = [name for name, command, room in commands(typer.main.get_command(app)) if command.get_short_help_str(room).endswith("...")]
    assert cut == []


@pytest.mark.parametrize("arguments", [(), ("models",), ("alarms",), ("import",)], ids=" ".join)
def test_a_command_that_needs_more_words_gives_its_help_and_complains_of_nothing(capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]) -> None:
    code, out, err = said(capsys, *arguments)
    assert (code, out) == (2, "")
    assert err.startswith("Usage: ")
    assert "given:" not in err


@pytest.mark.parametrize(("arguments", "nearest", "where"), [
    (("modles",), "'models'", "loopwright --help"),
    (("models", "lst"), "'list'", "loopwright models --help"),
    (("demo", "--prot", "80"), "--port", "loopwright demo --help"),
    (("evaluate", "lif", "--data", "x"), "'life'", "loopwright evaluate --help"),
], ids=["command", "subcommand", "option", "choice"])
def test_a_word_that_is_not_known_names_the_nearest_and_where_the_help_is(capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], nearest: str, where: str) -> None:
    code, out, err = said(capsys, *arguments)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert nearest in err
    assert f"(see: {where})" in err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here: nothing on which every write fails")
def test_a_result_that_cannot_be_written_is_told_in_a_sentence(tmp_path: Path) -> None:
    shop = tmp_path / "one.jsp"
    shop.write_text("1 1\n0 3\n")
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([COMMAND, "plan", shop, "--seconds", "0.1"], stdout=full, stderr=subprocess.PIPE, text=True, timeout=60)
    assert done.returncode == 5
    assert done.stderr.endswith("loopwright: standard output: it cannot be written (No space left on device); make room\n")
    assert "Traceback" not in done.stderr


def test_a_reader_that_goes_away_hears_no_complaint() -> None:
    with subprocess.Popen([COMMAND, "--help"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == ""


def test_both_ways_to_ask_for_the_version_give_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert said(capsys, "--version") == said(capsys, "version")


@pytest.mark.parametrize("command", [
    "report", "changes list", "changes approve c-1 --by anna", "changes decline c-1 --by anna --why no",
    "claim U-1 1234 --person p-1", "consent p-1 coaching", "users list", "import persons nowhere.csv",
    "alarms list", "alarms ack mill-1", "models list", "doctor", "trace mill-1", "late SITE", "whatif SITE list", "tell SITE down mill-1",
])
def test_a_command_that_looks_for_a_plant_where_there_is_none_says_so_and_makes_none(capsys: pytest.CaptureFixture[str], tmp_path: Path, command: str) -> None:
    words = command.split()
    asked = [str(tmp_path) if word == "SITE" else word for word in words]
    code, _, err = said(capsys, *asked, *([] if "SITE" in words else ["--site", str(tmp_path)]))
    assert code in (2, 5)
    assert err.startswith("loopwright: ")
    assert list(tmp_path.iterdir()) == []
