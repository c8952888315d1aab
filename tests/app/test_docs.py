"""The docs cannot go stale: generated pages are those of the code, and every command, protocol, service and pack has its place."""

from pathlib import Path

import pytest

from loopwright.app import reference
from loopwright.core import plug

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize("name", sorted(reference.pages()))
def test_a_generated_page_is_what_the_code_says(name):
    assert (DOCS / "reference" / name).read_text("utf-8") == reference.pages()[name], "run `make docs`"


@pytest.mark.parametrize("room", ["connect", "serve", "packs"])
def test_every_plug_in_is_told_of_in_a_page_for_people(room):
    text = "\n".join(path.read_text("utf-8") for path in DOCS.rglob("*.md") if "reference" not in path.parts)
    missing = [name for name in plug.find(room) if name not in text and name.replace("_", " ") not in text]
    assert not missing


def test_every_page_for_people_is_found_from_the_first_page_of_the_docs():
    first = (DOCS / "README.md").read_text("utf-8")
    pages = [page.relative_to(DOCS).as_posix() for room in ("tutorial", "how-to", "reference", "why") for page in (DOCS / room).glob("*.md")]
    assert [page for page in pages if f"]({page})" not in first] == []


def test_every_link_between_pages_leads_somewhere():
    import re

    dead = []
    pages = [*DOCS.rglob("*.md"), *(DOCS.parent / n for n in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md"))]
    for page in pages:
        for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text("utf-8")):
            if not target.startswith(("http:", "https:", "mailto:")) and not (page.parent / target).exists():
                dead.append(f"{page.relative_to(DOCS.parent)}: {target}")
    assert not dead
