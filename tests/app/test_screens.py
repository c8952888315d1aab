"""The console looked at in a real browser, at the width of a desk and of a phone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from loopwright.app.auth import COOKIE
from tests.app.browser import Browser, Page, found
from tests.app.small_plant import PASSWORD, serving

pytest.importorskip("nicegui", reason="the console is not installed (pip install 'loopwright[console]')")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not found(), reason="no chromium here (Debian: apt-get install chromium); the console is not looked at"),
    pytest.mark.xdist_group("browser"),
]
UNIT, FREE = "L003-001-1", "L003-005-1"
PAGES = ("/", "/models", "/orders", "/orders?state=refused", f"/units/{UNIT}", "/units/L003-006-1", "/plan", "/machines", "/machines/mill-2", "/alarms", "/owner", "/decisions", "/data", f"/u/{FREE}", f"/u/{UNIT}", "/api/docs")
WIDE, PHONE = (1280, 900), (390, 844)


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(tmp_path_factory.mktemp("plant")) as address:
        yield address


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(tmp_path_factory.mktemp("guarded"), "--users") as address:
        yield address


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with Browser() as opened:
        yield opened


def stands(page: Page) -> None:
    """Waits until the page is there and its socket is open."""
    page.until("document.querySelector('main, .gate, .passport') !== null")


def overflow(page: Page) -> list[str]:
    """What sticks out to the right, unless it stands in something that scrolls."""
    script = """[...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > innerWidth + 1
        && !e.closest('.scroll, .chips, svg, dialog, .hair')).slice(0, 5).map(e => e.tagName + '.' + e.className + ' ' + e.textContent.slice(0, 40))"""
    out: list[str] = page.evaluate(script)
    return out


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
def test_nothing_overflows_and_nothing_comes_from_elsewhere(browser: Browser, plant: str, path: str, size: tuple[int, int]) -> None:
    page = browser.open(plant + path, *size)
    try:
        stands(page)
        page.wait(0.5)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert overflow(page) == []
        assert page.problems() == []
        assert [a for a in page.addresses() if not a.startswith((plant, "data:", "blob:"))] == []
    finally:
        page.close()


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_words_stand_out_from_what_is_behind_them(browser: Browser, plant: str, dark: bool) -> None:
    """Contrast of at least 4.5 to 1 for text (WCAG 2.2, success criterion 1.4.3), by its formula of relative luminance."""
    page = browser.open(f"{plant}/machines", *WIDE, dark=dark)
    script = """(() => {
        const rgb = (c) => { const p = document.createElement('canvas').getContext('2d'); p.fillStyle = c; p.fillRect(0, 0, 1, 1); return [...p.getImageData(0, 0, 1, 1).data]; };
        const lum = ([r, g, b]) => [r, g, b].map(v => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4).reduce((s, v, i) => s + v * [0.2126, 0.7152, 0.0722][i], 0);
        const behind = (e) => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor; if (rgb(c)[3] === 255) return rgb(c); } return [255, 255, 255]; };
        return ['h1', 'h2', '.note', '.alarm p', '.pill', '.pill.bad', '.nav a', '.button'].map(q => {
            const e = document.querySelector('main ' + q) || document.querySelector(q), [a, b] = [lum(rgb(getComputedStyle(e).color)), lum(behind(e))];
            return [q, (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)];
        });
    })()"""
    try:
        stands(page)
        weak = {name: round(ratio, 2) for name, ratio in page.evaluate(script) if ratio < 4.5}
        assert weak == {}
    finally:
        page.close()


def test_the_solid_is_drawn(browser: Browser, plant: str) -> None:
    page = browser.open(f"{plant}/units/{UNIT}", *WIDE)
    try:
        page.until("document.querySelector('.solid canvas') !== null", 40)
        page.wait(1)
        assert page.evaluate("document.querySelector('.solid .word') === null")
        assert page.problems() == []
    finally:
        page.close()


def test_what_somebody_does_is_seen_by_everybody_within_seconds(browser: Browser, plant: str) -> None:
    page = browser.open(f"{plant}/machines", *WIDE)
    waiting = "+document.querySelector('.nav a[href=\"/machines\"] i')?.textContent || 0"
    try:
        stands(page)
        page.wait(1.5)
        before = page.evaluate(waiting)
        httpx.post(f"{plant}/api/alarms/alarm-0013/ack").raise_for_status()
        page.until(f"({waiting}) === {before - 1}")
        page.until("document.body.textContent.includes('seen by local')")
        page.evaluate("document.querySelector('[data-post*=\"alarm-0012\"]').click()")
        page.until("document.querySelector('.toasts')?.textContent.includes('Acknowledged: tool worn on mill-2')")
        page.until("document.querySelector('[data-post*=\"alarm-0012\"]') === null")
        assert page.evaluate(waiting) == before - 2
    finally:
        page.close()


def test_a_chart_tells_the_value_under_the_pointer(browser: Browser, plant: str) -> None:
    page = browser.open(f"{plant}/machines/mill-1", *WIDE)
    try:
        stands(page)
        box = page.evaluate("(() => { const r = document.querySelector('.plot').getBoundingClientRect(); return [r.left + r.width / 2, r.top + r.height / 2]; })()")
        page.send("Input.dispatchMouseEvent", type="mouseMoved", x=box[0], y=box[1])
        page.until("/rpm/.test(document.querySelector('.hair')?.dataset.words || '')")
        assert "rpm" in page.evaluate("document.querySelector('.hair').dataset.words")
    finally:
        page.close()


def test_the_units_of_a_browser_stay_with_it(browser: Browser, plant: str) -> None:
    page = browser.open(f"{plant}/owner", *WIDE)
    try:
        stands(page)
        assert page.evaluate("document.querySelector('.range').textContent.includes(' m')")
        page.evaluate("document.querySelector('[data-units=imperial]').click()")
        page.until("document.querySelector('.range')?.textContent.includes(' yd')")
        page.go(f"{plant}/units/{UNIT}")
        page.until("document.querySelector('main')?.textContent.includes(' in')")
    finally:
        page.close()


def test_the_door_lets_an_owner_in_to_what_is_theirs(browser: Browser, guarded: str) -> None:
    page = browser.open(f"{guarded}/units/{UNIT}", *PHONE)
    try:
        page.until("location.pathname === '/signin'")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        page.evaluate(f"(() => {{ const f = document.forms[0]; f.name.value = 'olga'; f.querySelector('[name=name]').value = 'olga'; f.querySelector('[name=password]').value = '{PASSWORD}'; f.requestSubmit(); }})()")
        page.until(f"location.pathname === '/units/{UNIT}' && document.querySelector('main') !== null")
        page.go(guarded + "/")
        page.until("location.pathname === '/owner' && document.querySelector('main') !== null")
        assert page.evaluate("document.querySelectorAll('.nav a').length") == 0
        page.evaluate("document.querySelector('.toggle button[aria-label=training]').click()")
        page.until("document.querySelector('.toggle button[aria-label=training]').classList.contains('on')")
        page.go(f"{guarded}/machines")
        page.until("document.body.textContent.includes('Not for you')")
    finally:
        page.close()


def test_declining_asks_for_the_reason(browser: Browser, guarded: str) -> None:
    with httpx.Client(base_url=guarded) as http:
        http.post("/signin", data={"name": "bo", "password": PASSWORD})
        page = browser.open(f"{guarded}/decisions", *WIDE, cookies={COOKIE: http.cookies[COOKIE]})
        try:
            stands(page)
            page.evaluate("document.querySelector('[data-post=\"/api/decisions/d-0031/decline\"]').click()")
            page.until("document.querySelector('dialog textarea') !== null")
            page.evaluate("(() => { const f = document.querySelector('dialog form'); f.querySelector('textarea').value = 'The tool was changed yesterday.'; f.requestSubmit(); })()")
            page.until("document.body.textContent.includes('The tool was changed yesterday.')")
            assert http.get("/api/decisions").json()[0]["state"] != "open"
        finally:
            page.close()


def test_the_loop_moves_while_it_works(browser: Browser, plant: str, tmp_path: Path) -> None:
    page = browser.open(plant, *WIDE)
    try:
        stands(page)
        assert page.evaluate("document.querySelectorAll('.knot.active').length") == 8  # four stages, in both figures
        first = page.evaluate("document.querySelector('[data-k=took-make]').textContent")
        page.until(f"document.querySelector('[data-k=took-make]').textContent !== '{first}'")
        page.screenshot(tmp_path / "loop.png")
        assert (tmp_path / "loop.png").stat().st_size > 50_000
    finally:
        page.close()
