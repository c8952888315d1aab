"""The plan's page in a browser, with 20 and with 2,000 operations, at a desk and on a phone: drawn, read, walked, found."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.app.browser import Browser, Page, found
from tests.app.plan_plant import serving

pytest.importorskip("nicegui", reason="the console is not installed (pip install 'loopwright[console]')")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not found(), reason="no chromium here (Debian: apt-get install chromium); the plan is not looked at"),
    pytest.mark.xdist_group("browser"),
]
WIDE, PHONE = (1280, 900), (390, 844)
PLAN = "document.querySelector('[data-plan]').plan"
DRAWN = f"document.querySelector('[data-plan]')?.plan?.took > 0 && !{PLAN}.frame"


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(tmp_path_factory.mktemp("plant"), "--orders", "400") as address:
        yield address


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with Browser() as opened:
        yield opened


def opened(browser: Browser, address: str, size: tuple[int, int] = WIDE, dark: bool = False, path: str = "/plan") -> Page:
    page = browser.open(address + path, *size, dark=dark)
    page.until(DRAWN, 30)
    return page


def does(page: Page, script: str) -> Any:
    """Something done with the plan, and drawn."""
    said = page.evaluate(f"(() => {{ const plan = {PLAN}; {script} }})()")
    page.until(DRAWN)
    return said


def key(page: Page, name: str, text: str = "", shift: bool = False) -> None:
    for kind in ("keyDown", "keyUp"):
        page.send("Input.dispatchKeyEvent", type=kind, key=name, text=text if kind == "keyDown" else "", modifiers=8 if shift else 0,
                  windowsVirtualKeyCode=13 if name == "Enter" else 0)
    page.until(DRAWN)


def words_that_cross(page: Page) -> list[str]:
    """Words that leave their box or the drawing, or lie on another word of the axis."""
    said: list[str] = does(page, """
        const bad = plan.drawn.filter(d => d.text && (d.tx < plan.gutter || d.tx + d.tw > Math.min(d.x + d.w, plan.wide) + 0.5)).map(d => d.text);
        plan.labels.forEach((a, n) => { if (a.x < 0 || a.x + a.w > plan.wide + 1) bad.push('cut ' + a.text);
            plan.labels.slice(n + 1).forEach(b => { if (Math.abs(a.y - b.y) < 8 && a.x < b.x + b.w && b.x < a.x + a.w) bad.push(a.text + ' on ' + b.text); }); });
        return bad;""")
    return said


@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
def test_two_thousand_operations_are_each_drawn_once_and_no_word_crosses_another(browser: Browser, plant: str, size: tuple[int, int]) -> None:
    page = opened(browser, plant, size)
    try:
        count = does(page, "return plan.slots.length")
        assert count >= 2_000
        for view in ("machines", "orders"):
            does(page, f"plan.turn('{view}')")
            assert words_that_cross(page) == []
            does(page, "plan.do('all')")
            assert words_that_cross(page) == []
            does(page, "plan.canvas.style.height = (plan.tall = plan.total + 200) + 'px'; plan.draw()")  # as if the window were as tall
            seen = does(page, "return plan.drawn.map(d => d.i)")
            assert sorted(seen) == list(range(count))
            does(page, "plan.tall = 0; plan.size()")
        outside = """[...document.querySelectorAll('.lateness-plot .y, .loads th, .loads td')].filter(e => { const card = e.closest('.card').getBoundingClientRect(), at = e.getBoundingClientRect();
            return at.left < card.left || at.height > 60 || (at.right > card.right && !e.closest('.scroll')); }).map(e => e.textContent)"""
        assert page.evaluate(outside) == []
        assert page.evaluate("document.querySelectorAll('*').length") < 4_000
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert page.problems() == []
        assert [a for a in page.addresses() if not a.startswith((plant, "data:", "blob:"))] == []
    finally:
        page.close()


def test_the_pointer_is_told_what_an_operation_waits_for(browser: Browser, plant: str) -> None:
    page = opened(browser, plant)
    try:
        x, y, words = does(page, """const d = plan.drawn.find(d => d.w > 30 && plan.slots[d.i].state === 0 && plan.slots[d.i].why.length && d.y < 300), box = plan.canvas.getBoundingClientRect();
            return [box.left + d.x + d.w / 2, box.top + d.y + d.h / 2, plan.slots[d.i].why[0][1]];""")
        page.send("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
        page.until("!document.querySelector('.plan-tip').hidden")
        tip = page.evaluate("document.querySelector('.plan-tip').innerText")
        assert f"waits for {words}" in tip
        assert "slip" in tip
        assert "due" in tip
        page.send("Input.dispatchMouseEvent", type="mouseMoved", x=5, y=5)
        page.until("document.querySelector('.plan-tip').hidden")
    finally:
        page.close()


def test_keys_walk_from_operation_to_operation_and_say_each(browser: Browser, plant: str) -> None:
    page = opened(browser, plant)
    try:
        page.evaluate("document.querySelector('.plan-box').focus()")
        key(page, "ArrowRight")
        first = page.evaluate("document.querySelector('.plan-said').textContent")
        assert "open the order" in first
        key(page, "ArrowRight")
        assert does(page, "return plan.laneOf(plan.chosen).name") in first
        assert page.evaluate("document.querySelector('.plan-said').textContent") != first
        for _ in range(12):
            key(page, "ArrowDown")
        assert does(page, "const y = plan.y(plan.laneOf(plan.chosen)); return y >= 40 && y < plan.tall")
        wide = does(page, "return plan.end - plan.start")
        key(page, "+", "+")
        assert does(page, "return plan.end - plan.start") == pytest.approx(wide / 2)
        key(page, "End")
        assert does(page, "return plan.laneOf(plan.chosen).slots.at(-1) === plan.chosen && plan.chosen.end <= plan.end + 1")
        key(page, "Escape")
        assert page.evaluate("document.querySelector('.plan-said').textContent") == ""
        key(page, "/", "/")
        assert page.evaluate("document.activeElement.className") == "plan-find"
    finally:
        page.close()


def test_an_order_is_found_in_the_drawing_and_in_the_table(browser: Browser, plant: str) -> None:
    page = opened(browser, plant)
    try:
        page.evaluate("(() => { document.querySelector('.plan-rows').open = true; const f = document.querySelector('.plan-find'); f.value = 'R0001 mill'; f.dispatchEvent(new Event('input')); })()")
        page.until("document.querySelectorAll('.plan-table tbody tr').length === 1")
        row = page.evaluate("document.querySelector('.plan-table tbody tr').innerText")
        assert "R0001" in row
        assert "1 operation of 1 order found" in page.evaluate("document.querySelector('.plan-range').textContent")
        does(page, "plan.turn('orders')")
        assert does(page, "return plan.lanes.map(lane => lane.name)") == ["R0001"]
        page.evaluate("(() => { const f = document.querySelector('.plan-find'); f.value = ''; f.dispatchEvent(new Event('input')); })()")
        page.until("document.querySelectorAll('.plan-table tbody tr').length === 100")
        page.evaluate("[...document.querySelectorAll('.plan-table button')].pop().click()")
        page.until("document.querySelector('.plan-table .note').textContent.startsWith('101 to 200 of')")
    finally:
        page.close()


def test_a_finger_pans_taps_and_leaves_scrolling_to_the_page(browser: Browser, plant: str) -> None:
    page = opened(browser, plant, PHONE)
    page.send("Emulation.setTouchEmulationEnabled", enabled=True)
    try:
        page.evaluate("document.querySelector('.plan-box').scrollIntoView({block: 'center', behavior: 'instant'})")
        x, y, name = does(page, """const d = plan.drawn.find(d => d.w > 30 && d.x > plan.gutter && d.x + d.w < plan.wide - 60 && d.y < 300), box = plan.canvas.getBoundingClientRect();
            return [box.left + d.x + d.w / 2, box.top + d.y + d.h / 2, plan.title(plan.slots[d.i])];""")
        page.send("Input.dispatchTouchEvent", type="touchStart", touchPoints=[{"x": x, "y": y}])
        page.send("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])
        page.until(f"document.querySelector('.plan-said b')?.textContent === '{name}'")
        before = does(page, "return plan.start")
        page.send("Input.dispatchTouchEvent", type="touchStart", touchPoints=[{"x": x, "y": y}])
        for step in range(1, 7):
            page.send("Input.dispatchTouchEvent", type="touchMove", touchPoints=[{"x": x - 15 * step, "y": y}])
        page.send("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])
        page.until(f"{PLAN}.start > {before}")
        assert page.evaluate("getComputedStyle(document.querySelector('.plan-space canvas')).touchAction") == "pan-y"
    finally:
        page.close()


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_words_on_boxes_can_be_read(browser: Browser, plant: str, dark: bool) -> None:
    """Contrast of at least 4.5 to 1 (WCAG 2.2, 1.4.3) on every fill an operation can have, by the formula of luminance."""
    page = opened(browser, plant, dark=dark)
    script = """
        const rgb = (c) => { const p = document.createElement('canvas').getContext('2d'); p.fillStyle = c; p.fillRect(0, 0, 1, 1); return [...p.getImageData(0, 0, 1, 1).data]; };
        const lum = (c) => rgb(c).slice(0, 3).map(v => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4).reduce((s, v, i) => s + v * [0.2126, 0.7152, 0.0722][i], 0);
        const ratio = (a, b) => { const [p, q] = [lum(a), lum(b)]; return (Math.max(p, q) + 0.05) / (Math.min(p, q) + 0.05); };
        return Math.min(...plan.c.fill.flat().map(f => ratio(f, plan.c.ink)), ratio(plan.c.card, plan.c.soft), ratio(plan.c.copper, plan.c.card));"""
    try:
        assert does(page, script) >= 4.5
        assert does(page, "const p = plan.ctx.getImageData(2, 2, 1, 1).data; return p[0] < 128") is dark
    finally:
        page.close()


def test_what_moved_is_shown_and_a_plan_of_the_past_can_be_opened(browser: Browser, plant: str) -> None:
    page = opened(browser, plant)
    try:
        page.evaluate("document.querySelector('[data-do=moved]').click()")
        page.until(f"{PLAN}.moved && document.querySelector('[data-do=moved]').getAttribute('aria-pressed') === 'true'")
        assert does(page, "return plan.slots.some(s => s.was && !s.was[3] && s.was[0] !== s.machine)")
        again = does(page, "const at = plan.readAt; document.querySelector('[data-version]').setAttribute('data-version', 'other'); return at")
        page.until(f"{PLAN}.readAt > {again}")  # a new plan is read without a new page, at the same zoom
        page.go(f"{plant}/plan?plan=plan-1")
        page.until("document.querySelector('main')?.textContent.includes('a plan of the past') && " + DRAWN, 30)
        assert does(page, "return [plan.inForce, plan.slots.every(s => s.state === 0)]") == [False, True]
        page.go(f"{plant}/plan?plan=none")
        page.until("document.body.textContent.includes('There is no such thing here')")
    finally:
        page.close()


def test_files_of_the_plan_can_be_taken_along(plant: str) -> None:
    table = httpx.get(f"{plant}/api/plans/now/operations.csv").raise_for_status()
    assert table.headers["content-type"].startswith("text/csv")
    assert len(table.text.splitlines()) > 2_000
    for view in ("machines", "orders", "load", "lateness"):
        drawing = httpx.get(f"{plant}/api/plans/plan-2/drawing.svg", params={"view": view}, timeout=30).raise_for_status()
        assert drawing.headers["content-type"] == "image/svg+xml"
        assert drawing.text.rstrip().endswith("</svg>")
    assert httpx.get(f"{plant}/api/plans/none/chart").status_code == 404
    assert httpx.get(f"{plant}/api/plans/now/load").json()["rows"]
    assert httpx.get(f"{plant}/api/plans/now/lateness").json()[0]["late_s"] > 0
    assert [row["plan"] for row in httpx.get(f"{plant}/api/plans").json()] == ["plan-2", "plan-1"]
