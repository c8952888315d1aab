"""MTConnect: reads any agent or folder of documents, and serves our own, on httpx, h11 and lxml (extra `mtconnect`).

    names      settings, data items of a table of signals, units
    parse      documents to columns
    sources    where documents come from: an agent, a folder
    rows       observations to rows of points
    reader     `read`: every number once or accounted for
    documents  columns to documents
    agent      `expose`

How to use it: docs/how-to/connect-mtconnect.md.
"""

from loopwright.connect.mtconnect.agent import expose
from loopwright.connect.mtconnect.names import Settings
from loopwright.connect.mtconnect.reader import read

__all__ = ["Settings", "expose", "read"]
