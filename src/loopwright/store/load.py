"""What memory needs of the points: the newest row of every signal, and the stored rows of given signals and times."""

from __future__ import annotations

import pyarrow as pa

from loopwright.store.catalogue import Catalogue
from loopwright.store.check import numbers
from loopwright.store.keys import Keys, identity, joined
from loopwright.store.points import STORED_BLOCKS, STORED_POINTS, Snapshot
from loopwright.store.read import Reader


def newest_rows(reader: Reader, snapshot: Snapshot, blocks: bool, after: int) -> pa.Table:
    """The row of highest t_ns, n of every thing and signal; of its versions the last. Only batches above `after`."""
    schema = STORED_BLOCKS if blocks else STORED_POINTS
    files = snapshot.sound(snapshot.since(after))  # a plant with a broken file opens; who reads that file is told
    if not files:
        return schema.empty_table()
    fields = ", ".join(f'"{name}" := "{name}"' for name in schema.names if name not in ("thing", "signal"))
    sql = (
        f"SELECT thing, signal, unnest(arg_max(struct_pack({fields}), (t_ns, n, batch))) "
        f"FROM {snapshot.scan(files)} WHERE batch > {after} GROUP BY thing, signal"
    )
    found = reader.run(sql, {})
    return found.select(schema.names).cast(schema)


def stored_keys(reader: Reader, snapshot: Snapshot, wanted: Keys, catalogue: Catalogue, blocks: bool) -> Keys:
    """The keys of stored rows that share signal and time with `wanted`."""
    low, high = int(wanted.t_ns.min()), int(wanted.t_ns.max())
    files = snapshot.between(low, high + 1)
    if not files:
        return joined([])
    names = [catalogue.names[slot] for slot in wanted.slot.tolist()]
    things, signals = (pa.array([name[i] for name in names], pa.string()) for i in (0, 1))
    asked = pa.table({"thing": things, "signal": signals, "t_ns": wanted.t_ns})
    value = '"values", dt_ns' if blocks else "value, code"
    sql = (
        f"SELECT thing, signal, t_ns, n, {value}, batch, source FROM {snapshot.scan(files)} AS p "
        f"SEMI JOIN asked USING (thing, signal, t_ns) WHERE p.t_ns BETWEEN {low} AND {high}"
    )
    found = reader.run(sql, {"asked": asked})
    slot, _ = catalogue.look_up(found)
    t_ns, n, batch = (numbers(found.column(name), "int64")[0] for name in ("t_ns", "n", "batch"))
    source = found.column("source").to_numpy(zero_copy_only=False).astype(object)
    return Keys(slot, t_ns, n, identity(found), batch, source)

