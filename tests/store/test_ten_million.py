"""Ten million points through put, flush and compaction: all of them there once, every peak on the chart."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from loopwright.core.types import POINTS_IN, Batch, Kind, Signal, Thing
from loopwright.store import open_store
from loopwright.store.chart import chart
from loopwright.store.reroll import verify
from tests.store.plant import S, balanced

SERIES, POINTS, SIZE = 100, 10_000_000, 100_000
KIND = Kind("meter", "a meter", (Signal("power", "W", "gauge", 1.0, None, None, "Power drawn."),))
PEAKS = {(3, 7): 4_000.0, (3, 99_999): 9_000.0, (57, 50_000): -7_000.0}  # (meter, second) -> value


def batch(nth: int) -> Batch:
    """SIZE samples: a second of all meters after the other."""
    i = np.arange(nth * SIZE, (nth + 1) * SIZE)
    meter, second = i % SERIES, i // SERIES
    value = np.round(500 + 300 * np.sin(second / 4000 + meter), 1)
    for (m, s), peak in PEAKS.items():
        value[(meter == m) & (second == s)] = peak
    table = pa.table({
        "thing": pa.DictionaryArray.from_arrays(meter.astype(np.int32), [f"meter-{k}" for k in range(SERIES)]).cast(pa.string()),
        "signal": ["power"] * SIZE, "t_ns": second * S, "n": np.zeros(SIZE, np.int32), "value": value,
        "code": pa.nulls(SIZE, pa.int64()), "quality": np.zeros(SIZE, np.int8),
    }, schema=POINTS_IN)
    return Batch("mqtt", "mqtt/meters", nth * SIZE, table, sent=(nth + 1) * SIZE)


@pytest.mark.slow
def test_ten_million_points_are_kept_counted_drawn_and_found(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        store.declare([KIND], [Thing(f"meter-{k}", "meter") for k in range(SERIES)])
        for nth in range(POINTS // SIZE):
            assert store.put(batch(nth)).stored == SIZE
        store.flush()
    with open_store(tmp_path) as store:
        balanced(store.hops())
        hops = store.hops()
        assert (hops["mqtt"].into, hops["mqtt"].lost, hops["points"].out) == (POINTS, 0, POINTS)
        found = store.query("SELECT count(*) AS n, min(value) AS low, max(value) AS high FROM points").to_pylist()[0]
        assert found == {"n": POINTS, "low": -7_000.0, "high": 9_000.0}
        for (meter, second), peak in PEAKS.items():
            for start, end in ((None, None), ((second - 500) * S, (second + 500) * S), (second * S, second * S + 1)):
                drawn = chart(store, f"meter-{meter}", "power", start, end, pixels=300)
                extreme = (min if peak < 0 else max)(drawn.column("min" if peak < 0 else "max").to_pylist())
                expected = 9_000.0 if meter == 3 and start is None else peak
                assert extreme == expected, (meter, second, start)
        assert sum(chart(store, "meter-99", "power").column("count").to_pylist()) == POINTS // SERIES
        assert store.get(things="meter-57", start_ns=50_000 * S, end_ns=50_001 * S).column("value").to_pylist() == [-7_000.0]
        again = store.put(batch(5))
        assert (again.stored, again.duplicate) == (0, SIZE)
        assert verify(store) == []
