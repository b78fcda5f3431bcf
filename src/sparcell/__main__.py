"""Run the command line: ``sparcell``, or ``python -m sparcell``."""

from __future__ import annotations

import atexit
import gc
import os
import signal
import sys

STOPPED = 130


def main() -> None:
    """Load the command line and run it; Ctrl-C while it loads ends it as quietly as later.

    So does SIGTERM, from `kill` or a scheduler, which otherwise would leave half-written files.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    # So does a terminal that is closed, unless `nohup` has it ignored.
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) == signal.SIG_DFL:
        signal.signal(signal.SIGHUP, signal.default_int_handler)
    # The objects of imported modules stay: to look for garbage among them takes a tenth of a start.
    gc.set_threshold(20_000, 10, 10)
    try:
        from sparcell.cli import main as run
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        sys.exit(STOPPED)
    try:
        run()
    except SystemExit as end:
        # The work is done: a late Ctrl-C would print a traceback of the interpreter's end.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        if end.code is None or isinstance(end.code, int):
            _end(end.code or 0)
        raise


def _end(code: int) -> None:
    """End the process, and let the system free its memory.

    To free a network and all modules one by one takes a seventh of a first mask.
    """
    if networks := sys.modules.get("sparcell.models.open_networks"):
        atexit.unregister(networks.OPEN_NETWORKS.close)
    atexit._run_exitfuncs()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except (OSError, ValueError):
        # The interpreter says what cannot be written.
        return
    os._exit(code)


if __name__ == "__main__":
    main()
