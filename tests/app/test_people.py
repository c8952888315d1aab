"""Users from the command line."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer

from loopwright.app.cli import main
from loopwright.app.people import add_user, list_users
from loopwright.app.plant import open_plant
from loopwright.app.site import site_of
from loopwright.core.errors import StoreError


def test_users_are_listed_beside_the_process_that_writes_the_plant(tmp_path: Path) -> None:
    plant = tmp_path / "p"
    with open_plant(site_of(plant)):
        pass
    add_user(plant, "erika", "engineer", "a long password 7")
    with open_plant(site_of(plant)):
        assert list_users(plant) == [{"name": "erika", "role": "engineer"}]


def test_a_folder_without_a_plant_has_no_users_and_gets_none(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="there is no plant in it"):
        list_users(tmp_path / "none")
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(("role", "more", "words"), [("boss", (), "'boss'"), ("owner", (), "--person ID"), ("owner", ("--person", "P9"), "'P9'")])
def test_a_wrong_role_or_person_is_told_before_a_password_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], role: str, more: tuple[str, ...], words: str,
) -> None:
    def asked(*_: object, **__: object) -> str:
        raise AssertionError("a password was asked for")

    with open_plant(site_of(tmp_path / "p")):
        pass
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr(typer, "prompt", asked)
    with pytest.raises(SystemExit):
        main(["users", "add", "mara", role, "--site", str(tmp_path / "p"), *more])
    assert words in capsys.readouterr().err
