"""A site file says what is wrong with it: where, what was given, what is allowed."""

import re
from pathlib import Path

import pytest

from loopwright.app.site import bare_site, checked, load_site, site_of
from loopwright.core.errors import LoopwrightError, SiteError, UnknownName

GOOD = """
[site]
name = "Kettles"
time_zone = "Europe/Berlin"
packs = []

[[kind]]
name = "kettle"
meaning = "A kettle that reports."
signal = [{ name = "water", unit = "degC", kind = "gauge", low = 0.0, high = 110.0, meaning = "Water." }]

[[machine]]
id = "bench-1"
kind = "kettle"
role = "boil"
link = { protocol = "mqtt" }
"""


def written(tmp_path, text):
    path = tmp_path / "site.toml"
    path.write_text(text)
    return path


def test_a_good_site_is_resolved_with_its_defaults(tmp_path):
    site = load_site(written(tmp_path, GOOD))
    assert site.machines[0].thing.kind == "kettle"
    assert site.kinds[0].signal("water").high == 110.0
    assert site.folder == tmp_path / "plant"
    assert ("time zone", "Europe/Berlin") in checked(site)


@pytest.mark.parametrize(("change", "says"), [
    (("[site]", "[sight]"), "did you mean 'site'"),
    (('time_zone = "Europe/Berlin"', 'time_zone = "Berlin"'), "no IANA time zone"),
    (('name = "Kettles"', 'nam = "Kettles"'), "did you mean 'name'"),
    (('name = "Kettles"', "name = 3"), "3 is int; allowed: str"),
    (('name = "Kettles"', ""), "has no 'name'"),
    (('kind = "kettle"', 'kind = "kettel"'), "did you mean 'kettle'"),
    (('protocol = "mqtt"', 'protocol = "mqqt"'), "did you mean 'mqtt'"),
    (('unit = "degC"', 'unit = "degF"'), "is not used inside; allowed: 'degC'"),
    (("[site]", "[site"), "is not TOML"),
    (("[[machine]]", "[machine]"), r"\[\[machine\]\] once for each"),
    (('role = "boil"', 'role = "boil"\nplays = { source = "magic" }'), "'twin' or 'recording'"),
    (('packs = []', 'packs = []\napprovers = ["one"]'), "two different names"),
    (("[[machine]]", "[maintain]\nlate = -3\n[[machine]]"), "late: is -3; allowed: a cost"),
    (("[[machine]]", "[maintain]\nearly = nan\n[[machine]]"), "early: is nan"),
    (("[[machine]]", "[maintain]\nduration_s = 0\n[[machine]]"), "1 to 31,622,400 s"),
    (('link = { protocol = "mqtt" }', 'link = { protocol = "http" }\nplays = { source = "twin" }'), "cannot be played over http"),
])
def test_a_site_that_is_wrong_says_where_and_what_is_allowed(tmp_path, change, says):
    with pytest.raises(LoopwrightError, match=says):
        load_site(written(tmp_path, GOOD.replace(*change, 1)))


def test_a_folder_or_a_missing_file_is_not_a_site_file(tmp_path):
    with pytest.raises(SiteError, match="is a folder"):
        load_site(tmp_path)
    with pytest.raises(SiteError, match="there is no such file"):
        load_site(tmp_path / "none.toml")


def test_a_folder_stands_for_the_plant_in_it(tmp_path):
    site = site_of(tmp_path / "new.plant")
    assert site.folder == (tmp_path / "new.plant").resolve()
    (tmp_path / "file").write_text("x")
    with pytest.raises(LoopwrightError):
        bare_site(tmp_path / "file")


def test_two_machines_of_one_name_are_refused(tmp_path):
    twice = GOOD + '\n[[machine]]\nid = "bench-1"\nkind = "kettle"\nrole = "boil"\n'
    with pytest.raises(SiteError, match="stands twice"):
        load_site(written(tmp_path, twice))


def test_an_unknown_pack_lists_the_packs(tmp_path):
    with pytest.raises(UnknownName, match="golf"):
        load_site(written(tmp_path, GOOD.replace("packs = []", 'packs = ["gulf"]')))


@pytest.mark.parametrize("page", ["edge.md", "oee.md"])
def test_a_site_file_in_the_docs_can_be_used_as_it_stands(tmp_path, page):
    text = (Path(__file__).parents[2] / "docs" / "how-to" / page).read_text(encoding="utf-8")
    shown = [block for block in re.findall(r"```toml\n(.*?)```", text, re.S) if "[site]" in block]
    assert shown
    for block in shown:
        assert load_site(written(tmp_path, block)).machines
