"""How the house hears and speaks: one protocol per file, each with `Settings`, `read`, `expose` (and `write`: it acts).

    read(settings, things, cursor, clock)            an async stream of Batches, acknowledged after they are stored
    expose(settings, things, batches, clock, ready)  serves or publishes what a device says; returns the samples sent
    write(settings, command, clock)                  only through `door`

`core.plug.find("connect")` lists them. Parts of the room itself: batch (tables), payload (the wire format), wire
(settings, ports, patience), sequence and outbox (numbering), broker (the one that comes along), door (the way out).
"""
