"""`python -m lab.run.tether COMMAND...` runs a server that ends with whoever started it, even one killed outright."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress

GRACE = 5.0
"""Seconds between asking a server to end and ending it."""


def main(command: list[str]) -> int:
    """Run the command until it ends or the pipe on our input closes, which it does however our starter dies."""
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(0))
    server = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
    try:
        threading.Thread(target=_end_with_starter, args=(server,), daemon=True).start()
        return server.wait()
    finally:
        _end(server)


def _end_with_starter(server: subprocess.Popen[bytes]) -> None:
    while os.read(sys.stdin.fileno(), 1024):
        pass
    _end(server)


def _end(server: subprocess.Popen[bytes]) -> None:
    """Ask the server and what it started to end, then end them."""
    _signal(server, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        server.wait(GRACE)
    _signal(server, signal.SIGKILL)


def _signal(server: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """Signal the whole group; it may be gone."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(server.pid, number)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
