"""The pages on the plan in the loop and on what if do what they say."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from loopwright.app.cli import main
from loopwright.app.planning import catch_up
from loopwright.app.site import load_site
from loopwright.core.clock import RealClock
from loopwright.make.product import load_product
from tests.app.stick_shop import stick_shop, stick_site

QUIET = 'repairs = ["order"]\n'  # so that not each command loads the planner
HOW_TO = Path(__file__).parents[2] / "docs" / "how-to"


def blocks(page: str, kind: str) -> list[str]:
    return re.findall(rf"```{kind}\n(.*?)```", (HOW_TO / page).read_text("utf-8"), re.DOTALL)


def run(capsys: pytest.CaptureFixture[str], command: str) -> str:
    with pytest.raises(SystemExit) as left:
        main(shlex.split(command)[1:])
    caught = capsys.readouterr()
    assert not left.value.code, caught.err
    return caught.out


def test_what_if_on_a_file_prints_what_the_page_says(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, text in re.findall(r"<!-- file: (\S+) -->\n```text\n(.*?)```", (HOW_TO / "what-if.md").read_text("utf-8"), re.DOTALL):
        Path(name).write_text(text)
    (block,) = blocks("what-if.md", "console")
    command, _, golden = block.partition("\n")
    assert run(capsys, command.removeprefix("$ ")).startswith(golden)
    assert Path("both.svg").exists()
    for code in blocks("what-if.md", "python"):
        exec(compile(code, "what-if.md", "exec"), {})
        printed = [line.removeprefix("# ") for line in code.splitlines() if line.startswith("# ")]
        assert capsys.readouterr().out.splitlines() == printed


@pytest.mark.slow  # ten commands, each of which opens the plant
def test_the_page_on_the_plan_in_the_loop_can_be_typed_in(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, idle, needs, there, waits, oven = blocks("plan-in-the-loop.md", "toml")
    settings = plan.removeprefix("[plan]\n") + idle.removeprefix("[plan]\n") + "seconds = 0.0\n" + QUIET
    oven = '[[machine]]\nid = "oven-1"\nkind = "lathe"\nrole = "finish"\n' + oven
    stick_site(tmp_path, more=there + oven, plan=settings, product=needs + waits)
    site = tmp_path / "sticks" / "site.toml"
    site.write_text(site.read_text().replace("repair_s = 0.5 ", "repair_s = 0.0 "))
    assert load_site(site)["plan"]["down_alarms"] == ["silent"]
    assert load_site(site)["plan"]["idle_s"] == 2.0
    assert load_site(site).machines[-1].batch == 6
    finish = load_product(site.parent / "product.toml").route[1]
    assert (finish.tools, finish.batch, finish.lag_s, finish.lot_s) == (("jig",), "180 degC, {hand}", 1800, 600)
    with stick_shop(tmp_path, orders=2, clock=RealClock()) as plant:
        assert catch_up(plant)
    monkeypatch.chdir(site.parent)
    (block,) = blocks("plan-in-the-loop.md", "console")
    commands = [line.removeprefix("$ ") for line in block.splitlines()]
    assert len(commands) == 10
    for command in commands:
        assert run(capsys, command).startswith("Noted: ")


def test_the_words_of_the_page_are_those_of_the_site_file() -> None:
    from loopwright.app.site_tables import REPAIRS

    text = (HOW_TO / "plan-in-the-loop.md").read_text("utf-8")
    table = text.partition("| word |")[2].partition("\n\n")[0]
    assert {word for row in table.splitlines() for word in re.findall(r"`(\w+)`", row.split("|")[1] if "|" in row else "")} == set(REPAIRS)


def test_every_change_stands_on_the_page() -> None:
    from loopwright.make.whatif import KINDS

    text = (HOW_TO / "what-if.md").read_text("utf-8")
    assert not [kind for kind in KINDS if f"--{kind}" not in text]
