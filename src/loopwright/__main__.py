"""`loopwright` and `python -m loopwright`: Ctrl-C is answered from the first moment, while the rest is still loaded."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Runs the command line. Exit status 130 when it is stopped before that has begun."""
    try:
        from loopwright.app.cli import main as run
    except KeyboardInterrupt:
        print("loopwright: stopped before anything was begun", file=sys.stderr, flush=True)
        os._exit(130)
    try:
        run()
    except SystemExit as leave:
        if not isinstance(leave.code, int) or leave.code == 0:
            raise
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(leave.code)  # all is closed; what libraries say of an interpreter that ends in an error helps nobody


if __name__ == "__main__":
    main()
