"""Run the command line: ``sparcell``, or ``python -m sparcell``."""

from __future__ import annotations

import sys

STOPPED = 130


def main() -> None:
    """Load the command line and run it; Ctrl-C while it loads ends it as quietly as later."""
    try:
        from sparcell.cli import main as run
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        sys.exit(STOPPED)
    run()


if __name__ == "__main__":
    main()
