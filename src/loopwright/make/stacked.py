"""Several plans in one drawing, one above the other, on one scale of time."""

from __future__ import annotations

import re
from collections.abc import Sequence

from loopwright.core.types import Plan
from loopwright.make.gantt import machines
from loopwright.make.shop import Shop
from loopwright.make.svg import number, sheet, words

_SIZE = re.compile(r'width="([0-9.]+)" height="([0-9.]+)"')  # of a whole drawing


def stacked(plans: Sequence[tuple[str, Shop, Plan]], zone: str = "") -> str:
    """Machines of several plans (name, shop, plan), one above the other, on one scale of time."""
    until_s = max((plan.makespan_s for _, _, plan in plans), default=0)
    drawings = [(name, machines(shop, plan, zone, until_s)) for name, shop, plan in plans]
    sizes = [[float(size) for size in _SIZE.findall(text)[0]] for _, text in drawings]
    wide = max(size[0] for size in sizes)
    parts, y = [], 0.0
    for (name, text), (own, tall) in zip(drawings, sizes, strict=True):
        parts.append(words(12, y + 20, name, ' class="t"'))
        tall *= wide / own
        place = f'<svg y="{number(y + 26)}" preserveAspectRatio="xMinYMin"'
        parts.append(_SIZE.sub(f'width="{number(wide)}" height="{number(tall)}"', text, 1).replace("<svg", place, 1))
        y += tall + 32
    return sheet(wide, y, " and ".join(name for name, _, _ in plans), parts)
