"""Users from the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

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
