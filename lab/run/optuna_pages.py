"""`python -m lab.run.optuna_pages STORE PORT`: the Optuna dashboard over a project's trials; `lab ui` starts it."""

from __future__ import annotations

import sys
from pathlib import Path
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from optuna_dashboard import wsgi

from lab.errors import LabError
from lab.run.optuna_storage import open_storage


class _Threaded(ThreadingMixIn, WSGIServer):
    """A slow page must not hold up the others."""

    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    """Does not write a line for every request."""

    def log_message(self, format: str, *words: object) -> None:
        """Say nothing."""


def main(root: Path, port: int) -> int:
    """Serve until ended."""
    try:
        pages = wsgi(open_storage(root))
    except LabError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    make_server("127.0.0.1", port, pages, server_class=_Threaded, handler_class=_Quiet).serve_forever()
    return 0


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1]), int(sys.argv[2])))
