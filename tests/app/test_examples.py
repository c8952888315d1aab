"""The examples and the tutorial's commands do what they say, as a user would run them."""

import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
COMMAND = Path(sys.executable).parent / "loopwright"


def run(*arguments, cwd=ROOT):
    return subprocess.run([str(COMMAND), *map(str, arguments)], capture_output=True, text=True, cwd=cwd, timeout=120)


@pytest.fixture
def sticks(tmp_path):
    return Path(shutil.copytree(ROOT / "examples" / "walking_stick", tmp_path / "sticks", ignore=shutil.ignore_patterns("plant")))


@pytest.mark.slow
def test_a_product_of_ones_own_is_made_from_its_site_file(sticks):
    done = run("turn", sticks / "site.toml", "--data", sticks, "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["units"]["made"] == 4
    assert report["plan"]["makespan"] >= report["plan"]["bound"] > 0
    assert not report["unbalanced"]


@pytest.mark.slow
def test_the_same_order_twice_needs_new_people(sticks):
    assert run("turn", sticks / "site.toml", "--data", sticks).returncode == 0
    again = run("turn", sticks / "site.toml", "--data", sticks)
    assert again.returncode == 2
    assert "4 orders need 4 persons, 0 have none yet" in again.stderr
    assert "Traceback" not in again.stderr


@pytest.mark.slow
def test_every_console_block_of_the_tutorial_runs(tmp_path):
    text = (ROOT / "docs" / "tutorial" / "your-own-product.md").read_text("utf-8")
    shutil.copytree(ROOT / "examples", tmp_path / "examples", ignore=shutil.ignore_patterns("plant"))
    lines = [line for block in re.findall(r"```console\n(.*?)```", text, re.S) for line in block.splitlines()]
    assert len(lines) >= 4
    for line in lines:
        words = shlex.split(line)
        if words[0] == "make":
            continue
        done = subprocess.run([str(COMMAND), *words[1:]], capture_output=True, text=True, cwd=tmp_path, timeout=120)
        assert done.returncode == 0, f"{line}\n{done.stderr}"
