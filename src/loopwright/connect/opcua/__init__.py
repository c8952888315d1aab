"""OPC UA: reads any server and serves our own, on asyncua (LGPL, extra `opcua`).

    names    settings, and the names of nodes that both sides agree on
    codec    bytes of data values <-> columns
    link     one connection: history in pages, changes by subscription
    reader   `read`: everything once, resumed after any break
    history  what our server remembers
    server   `expose`
    act      `write`, only through connect/door.py

How it resumes and how fast it is: docs/decisions/0004-opcua-resume.md. How to use it: docs/how-to/connect-opcua.md.
"""

from loopwright.connect.opcua.act import write
from loopwright.connect.opcua.names import Settings
from loopwright.connect.opcua.reader import read
from loopwright.connect.opcua.server import expose

__all__ = ["Settings", "expose", "read", "write"]
