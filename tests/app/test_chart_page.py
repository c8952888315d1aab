"""Charts over the API and in a browser: exact numbers, gaps that stay open, what is special, and hands that move them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pyarrow as pa
import pytest

from loopwright.app import charting
from loopwright.app.charting import Asked, came_late, line
from loopwright.core.clock import SimClock
from loopwright.core.errors import InputError, UnknownName
from loopwright.core.types import Event
from loopwright.store import Store, open_store
from tests.app.browser import Browser, Page, found
from tests.app.chart_plant import serving
from tests.store.plant import S, declared, plain, points, speeds

WIDE, PHONE = (1280, 900), (390, 844)
T = 1_600_000_000 * S


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path, SimClock()) as opened:
        yield declared(opened)


# what the browser is given


def test_a_chart_holds_exact_extremes_and_tells_gaps_and_bad_values_apart(store: Store) -> None:
    """By hand: four buckets of 5 s: 0-4 | 5, 6, a gap, 8, 9 | nothing | one bad value."""
    store.put(plain(points(*(("mill-1", "spindle.speed", t * S, None if t == 7 else float(t)) for t in range(10)))))
    bad = points(("mill-1", "spindle.speed", 16 * S, 50.0)).set_column(6, "quality", pa.array([2], pa.int8()))
    store.put(plain(bad))
    told = line(store, Asked("mill-1", "spindle.speed", 0, 20 * S, 4))
    assert (told["start_ns"], told["end_ns"], told["step_ns"]) == (0, 20 * S, 5 * S)
    assert told["t_ns"] == [0, 5 * S, 15 * S]
    assert (told["count"], told["gaps"], told["bad"]) == ([5, 4, 0], [0, 1, 0], [0, 0, 1])
    assert (told["min"], told["max"], told["mean"]) == ([0.0, 5.0, None], [4.0, 9.0, None], [2.0, 7.0, None])
    assert (told["unit"], told["kind"], told["low"], told["high"]) == ("rad/s", "gauge", 0.0, 3000.0)
    assert told["newest"]["quality"] == 2


def test_numbers_come_in_the_units_that_people_chose(store: Store) -> None:
    """10 rad/s are 95.49 rpm (60 / 2 pi a radian)."""
    store.put(plain(speeds([10.0])))
    told = line(store, Asked("mill-1", "spindle.speed", 0, S, system="metric"))
    assert told["unit"] == "rpm"
    assert told["mean"] == [pytest.approx(10 * 60 / (2 * np.pi))]
    assert told["newest"]["value"] == told["max"][0]


def test_late_values_and_corrected_ones_are_marked(store: Store) -> None:
    store.put(plain(speeds([0, 1, 2, 3, 4])))
    store.put(plain(speeds([9], S // 2)))
    event = store.record([Event("points.corrected", "mill-1", S, "erika", {"reason": "read high"})])[0]
    then_ns = store._clock.now_ns() + 1
    store.put(plain(speeds([2.5], 2 * S), source="http/erika", correction=event.id))
    told = line(store, Asked("mill-1", "spindle.speed", 0, 5 * S))
    assert told["late"] == {"t_ns": [S // 2], "more": False}
    assert told["corrected"] == {"t_ns": [2 * S], "more": False}
    then = line(store, Asked("mill-1", "spindle.speed", 0, 5 * S, known_by_ns=then_ns))
    assert then["corrected"]["t_ns"] == []
    assert 2.5 not in then["last"]


def test_which_rows_came_late_agrees_with_a_loop(store: Store) -> None:
    rng = np.random.default_rng(2)
    for _ in range(50):
        t_ns, known = np.sort(rng.integers(0, 20, 12)), rng.permutation(12)
        slow = sorted({int(t) for t, k in zip(t_ns, known, strict=True) if any(a > t and b < k for a, b in zip(t_ns, known, strict=True))})
        assert came_late(pa.table({"t_ns": t_ns, "known_ns": known})) == slow


def test_a_state_is_known_from_before_the_range(store: Store) -> None:
    store.put(plain(points(("mill-1", "mode", 0, 7), ("mill-1", "mode", 900 * S, None))))
    assert line(store, Asked("mill-1", "mode", 500 * S, 600 * S))["before"] == {"value": 7.0, "t_ns": 0}
    assert line(store, Asked("mill-1", "mode", 950 * S, 960 * S))["before"] is None
    assert line(store, Asked("mill-1", "spindle.speed", 0, S))["before"] is None


def test_too_many_values_are_not_searched_for_late_ones(store: Store) -> None:
    store.put(plain(points(*(("mill-1", "spindle.speed", t, 1.0) for t in range(charting.FEW + 1)))))
    assert line(store, Asked("mill-1", "spindle.speed"))["late"] is None


def test_what_cannot_be_drawn_is_said(store: Store) -> None:
    with pytest.raises(UnknownName, match=r"did you mean 'spindle\.speed'"):
        line(store, Asked("mill-1", "spindle.sped"))
    with pytest.raises(UnknownName, match="did you mean 'mill-"):
        line(store, Asked("mill-", "spindle.speed"))
    with pytest.raises(InputError, match="between 1677 and 2262"):
        line(store, Asked("mill-1", "mode", -10**30, 10**30))
    assert line(store, Asked("mill-1", "mode", -2**63 + 1, 2**63 - 1))["t_ns"] == []
    with pytest.raises(InputError, match="end after the start"):
        line(store, Asked("mill-1", "spindle.speed", S, S))


# over the API


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(tmp_path_factory.mktemp("plant")) as address:
        yield address


def asked(plant: str, path: str, **params: Any) -> Any:
    return httpx.get(f"{plant}/api/{path}", params=params, timeout=30).raise_for_status().json()


@pytest.mark.slow
def test_the_api_draws_a_week_in_as_many_buckets_as_there_are_pixels(plant: str) -> None:
    week = asked(plant, "chart", thing="saw-1", signal="blade.temperature", pixels=200)
    assert 100 < len(week["t_ns"]) <= 200
    assert sum(week["count"]) + sum(week["gaps"]) + sum(week["bad"]) == 7 * 8640 - 2500
    assert (sum(week["gaps"]), sum(week["bad"])) == (1600, 300)
    assert len(week["corrected"]["t_ns"]) == 10
    wrong = httpx.get(f"{plant}/api/chart", params={"thing": "saw-1", "signal": "blade.temprature"})
    assert (wrong.status_code, "blade.temperature" in wrong.text) == (404, True)
    assert httpx.get(f"{plant}/api/chart", params={"thing": "saw-1", "signal": "mode", "pixels": 0}).status_code == 422


@pytest.mark.slow
def test_points_without_a_start_are_the_last_day_with_a_way_to_what_was_before(plant: str) -> None:
    day = asked(plant, "points", thing="saw-1", signal="cuts")
    assert day["end_ns"] - day["start_ns"] == 86_400 * S
    assert day["series"][0]["count"] == 1440
    before = httpx.get(day["prev"], timeout=30).json()
    assert before["end_ns"] == day["start_ns"]
    assert before["series"][0]["count"] == 1440
    assert day["next"] is None
    answer = httpx.get(f"{plant}/api/points", params={"thing": "saw-1", "signal": "cuts"})
    assert 'rel="prev"' in answer.headers["link"]


# in a browser


looked_at = [
    pytest.mark.slow, pytest.mark.xdist_group("browser"),
    pytest.mark.skipif(not found(), reason="no chromium here (Debian: apt-get install chromium); the charts are not looked at"),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    pytest.importorskip("nicegui", reason="the console is not installed (pip install 'loopwright[console]')")
    if not found():
        pytest.skip("no chromium here (Debian: apt-get install chromium); the charts are not looked at")
    with Browser() as opened:
        yield opened


def opened(browser: Browser, plant: str, path: str, size: tuple[int, int] = WIDE) -> Page:
    page = browser.open(plant + path, *size)
    page.until(READY)
    return page


READY = "document.querySelector('.big-plot .mean') !== null && !document.querySelector('.chart-card[aria-busy]')"
RANGE = "(() => { const p = new URL(location.href).searchParams; return [Number(p.get('start')) / 1e9, Number(p.get('end')) / 1e9]; })()"


def span_of(page: Page) -> float:
    start, end = page.evaluate(RANGE)
    return float(end - start)


@pytest.mark.slow
@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
def test_nothing_overflows_and_everything_special_is_drawn(browser: Browser, plant: str, size: tuple[int, int]) -> None:
    page = opened(browser, plant, "/chart?thing=saw-1&signals=blade.temperature,cuts,mode", size)
    try:
        page.evaluate("document.querySelector('[data-span=\"604800\"]').click()")
        page.until(f"({RANGE})[1] - ({RANGE})[0] > 600000 && {READY}")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert page.evaluate("['band', 'mean', 'hole', 'bad', 'doubtful', 'corrected'].filter(c => !document.querySelector('.big-plot .' + c))") == []
        assert page.evaluate("document.querySelectorAll('.big-chart')[0].querySelectorAll('.mean').length") >= 3  # a silence and a gap break it
        page.evaluate("document.querySelector('[data-span=\"3600\"]').click()")
        page.until("document.querySelector('.big-plot .late') !== null")
        assert page.problems() == []
        assert [a for a in page.addresses() if not a.startswith((plant, "data:", "blob:"))] == []
    finally:
        page.close()


@pytest.mark.slow
def test_dragging_reads_the_range_again_at_a_finer_step(browser: Browser, plant: str) -> None:
    page = opened(browser, plant, "/chart?thing=saw-1&signals=blade.temperature")
    try:
        page.evaluate("document.querySelector('[data-span=\"86400\"]').click()")
        page.until("document.querySelector('.chart-range').textContent.includes('1 d')")
        x, y, wide = page.evaluate("(() => { const r = document.querySelector('.big-plot').getBoundingClientRect(); return [r.left, r.top + 60, r.width]; })()")
        for kind, at in (("mousePressed", 0.5), ("mouseMoved", 0.55), ("mouseMoved", 0.6), ("mouseReleased", 0.6)):
            page.send("Input.dispatchMouseEvent", type=kind, x=x + at * wide, y=y, button="left", buttons=1, clickCount=1)
        page.until(f"({RANGE})[1] - ({RANGE})[0] < 10000 && {READY}")
        assert span_of(page) == pytest.approx(0.1 * 86_400 * wide / (wide - 64), rel=0.03)
        assert "Each bucket is 10 s" in page.evaluate("document.querySelector('.chart-range').textContent")
    finally:
        page.close()


@pytest.mark.slow
def test_keys_move_zoom_and_read(browser: Browser, plant: str) -> None:
    page = opened(browser, plant, "/chart?thing=saw-1&signals=blade.temperature")

    def key(name: str, shift: bool = False) -> None:
        page.evaluate(f"document.querySelector('.chart-card').dispatchEvent(new KeyboardEvent('keydown', {{ key: '{name}', shiftKey: {str(shift).lower()}, bubbles: true, cancelable: true }}))")
        page.until(READY)

    try:
        page.evaluate("document.querySelector('[data-span=\"3600\"]').click()")
        page.until("document.querySelector('.chart-range').textContent.includes(', 1 h,')")
        start, end = page.evaluate(RANGE)
        key("ArrowLeft")
        assert page.evaluate(RANGE) == pytest.approx([start - 900, end - 900], abs=1)
        key("+")
        assert span_of(page) == pytest.approx(1800, abs=1)
        key("-")
        key("ArrowRight", shift=True)
        assert "°C" in page.evaluate("document.querySelector('.chart-tip').textContent")
        key("0")
        assert span_of(page) > 6 * 86_400
    finally:
        page.close()


@pytest.mark.slow
def test_as_it_was_known_before_the_correction_and_the_way_to_correct_it(browser: Browser, plant: str) -> None:
    page = opened(browser, plant, "/chart?thing=saw-1&signals=blade.temperature")
    try:
        page.evaluate("document.querySelector('[data-span=\"3600\"]').click()")
        page.until("document.querySelector('.big-plot .corrected') !== null")
        href = page.evaluate("document.querySelector('.big-chart a.button').getAttribute('href')")
        assert href.startswith("/corrections?thing=saw-1&signal=blade.temperature&start=")
        page.evaluate("(() => { const i = document.querySelector('[name=known_by]'); i.value = '2020-01-01T00:00:00'; i.dispatchEvent(new Event('change', { bubbles: true })); })()")
        page.until("document.body.textContent.includes('As it was known at') && document.querySelector('.big-plot .corrected') === null")
        assert "Nothing was said in this time" in page.evaluate("document.querySelector('.big-plot').textContent")
        page.evaluate("document.querySelector('[data-clear]').click()")
        page.until("document.querySelector('.big-plot .corrected') !== null")
    finally:
        page.close()


@pytest.mark.slow
def test_another_signal_is_chosen_with_the_range_kept(browser: Browser, plant: str) -> None:
    page = opened(browser, plant, "/chart?thing=saw-1&signals=blade.temperature")
    try:
        page.evaluate("document.querySelector('[data-span=\"28800\"]').click()")
        page.until("document.querySelector('.chart-range').textContent.includes(', 8 h,')")
        page.evaluate("document.querySelector('[type=checkbox][value=mode]').click()")
        page.until("document.querySelectorAll('.big-chart').length === 2")
        page.until(READY)
        assert span_of(page) == pytest.approx(28_800, abs=1)
    finally:
        page.close()
