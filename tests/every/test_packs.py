"""Every pack is what the house expects: plain data that speaks of itself, kinds with tables, importers that refuse nonsense."""

from __future__ import annotations

from pathlib import Path

import pytest

from loopwright.core import plug
from loopwright.core.errors import LoopwrightError
from loopwright.core.pack import ImportOptions, Pack
from loopwright.core.types import Kind
from loopwright.make.fit import load_rules
from loopwright.make.product import load_product

PACKS: dict[str, Pack] = {name: plug.load("packs", name).PACK for name in plug.find("packs")}
IMPORTERS = [(pack, what) for pack in PACKS.values() for what in pack.importers]
each = pytest.mark.parametrize("name", sorted(PACKS))


@each
def test_a_pack_is_called_like_its_folder_and_says_what_it_is(name: str) -> None:
    pack = PACKS[name]
    assert isinstance(pack, Pack)
    assert pack.name == name
    assert pack.meaning.endswith(".")


@each
def test_a_pack_brings_kinds_whose_names_no_other_pack_has(name: str) -> None:
    mine = {kind.name for kind in PACKS[name].kinds}
    others = {kind.name for other, pack in PACKS.items() if other != name for kind in pack.kinds}
    assert mine
    assert not mine & others
    assert all(isinstance(kind, Kind) and kind.signals and kind.meaning for kind in PACKS[name].kinds)


@each
def test_the_rules_of_a_pack_load_with_their_sources_and_the_formulas_they_name(name: str) -> None:
    pack = PACKS[name]
    if pack.rules is None:
        assert pack.product is None
        return
    rules = load_rules(pack.rules)
    assert all(rule.source and rule.meaning for rule in rules.rules)
    assert {rule.formula for rule in rules.rules if rule.formula} <= set(pack.formulas)


@each
def test_the_tolerances_of_a_pack_are_of_parameters_that_its_rules_give(name: str) -> None:
    pack = PACKS[name]
    if pack.product is None or pack.rules is None:
        assert not pack.questions
        return
    given = {rule.parameter for rule in load_rules(pack.rules).rules}
    assert {tolerance.parameter for tolerance in load_product(pack.product).tolerances} <= given
    assert {question.rule for question in pack.questions} <= {rule.id for rule in load_rules(pack.rules).rules}


@pytest.mark.parametrize(("pack", "what"), IMPORTERS, ids=[f"{p.name}-{w}" for p, w in IMPORTERS])
@pytest.mark.parametrize("content", [None, b"", b"\x00\xff\xfe nonsense", b"a,b\n1,2\n"], ids=["folder", "empty", "noise", "other"])
def test_an_importer_refuses_what_is_not_its_file_and_says_where(tmp_path: Path, pack: Pack, what: str, content: bytes | None) -> None:
    path = tmp_path / "given.csv"
    path.mkdir() if content is None else path.write_bytes(content)
    with pytest.raises(LoopwrightError) as caught:
        pack.importers[what](path, ImportOptions())
    assert "given.csv" in str(caught.value)


@each
def test_the_signals_that_outcomes_are_made_from_are_in_the_packs_tables(name: str) -> None:
    pack = PACKS[name]
    known = {signal.name for kind in pack.kinds for signal in kind.signals}
    assert set(pack.outcome_signals.values()) <= known
