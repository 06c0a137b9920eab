"""`lab ui`: the MLflow UI and the Optuna dashboard over a project's stores, until Ctrl-C."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from lab.errors import LabError
from lab.run.tracking import Address, address, prepare

HOST = "127.0.0.1"
MLFLOW_PORT, OPTUNA_PORT = 5000, 8080
"""Ports taken when nobody asks for others and they are free."""
PATIENCE = 240.0
"""Seconds that a server is given until it answers."""
QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "PYTHONWARNINGS": "ignore",
}


@dataclass(frozen=True)
class Addresses:
    """Where the two pages are."""

    mlflow: str
    optuna: str


def serve(store: str | Path, *, mlflow_port: int | None = None, optuna_port: int | None = None) -> int:
    """Start both, print their addresses, and stay until Ctrl-C, a termination or the death of either."""
    previous = signal.signal(signal.SIGTERM, _interrupt)
    try:
        with opened(store, mlflow_port=mlflow_port, optuna_port=optuna_port) as (pages, servers):
            sys.stdout.write(f"MLflow  {pages.mlflow}\nOptuna  {pages.optuna}\nCtrl-C ends both.\n")
            sys.stdout.flush()
            while all(server.is_running for server in servers):
                time.sleep(0.5)
            raise next(server for server in servers if not server.is_running).failure()
    except KeyboardInterrupt:
        return 0
    finally:
        signal.signal(signal.SIGTERM, previous)


@contextmanager
def opened(
    store: str | Path, *, mlflow_port: int | None = None, optuna_port: int | None = None
) -> Iterator[tuple[Addresses, Sequence[Server]]]:
    """Both pages, answering; they end with the block, and with this process however it ends."""
    root = Path("mlruns" if "://" in str(store) else store)
    place = address(root)
    _need(root)
    with ExitStack() as stack:
        servers = []
        dashboard = Server("the Optuna dashboard", free(optuna_port, OPTUNA_PORT, avoid=mlflow_port))
        if not place.is_server:
            prepare(place)
            taken = free(mlflow_port, MLFLOW_PORT, avoid=dashboard.port)
            servers.append(Server("the MLflow UI", taken, alive="/health"))
            servers[0].start(_mlflow(place, taken), stack, {"MLFLOW_BACKEND_STORE_URI": place.uri})
        servers.append(dashboard)
        dashboard.start([sys.executable, "-m", "lab.run.optuna_pages", str(root), str(dashboard.port)], stack)
        _wait_for(servers)
        yield Addresses(servers[0].page if not place.is_server else str(place), dashboard.page), servers


class Server:
    """A server of ours on this machine, in a process of its own."""

    def __init__(self, name: str, port: int, *, alive: str = "/") -> None:
        self.name = name
        self.port = port
        self._alive = alive
        self._process: subprocess.Popen[bytes] | None = None
        self._log: IO[bytes] | None = None

    @property
    def page(self) -> str:
        """The address to open in a browser."""
        return f"http://{HOST}:{self.port}/"

    @property
    def is_running(self) -> bool:
        """Whether its process lives."""
        return self._process is not None and self._process.poll() is None

    def start(self, command: Sequence[str], stack: ExitStack, settings: Mapping[str, str] | None = None) -> None:
        """Start it on a tether that the stack lets go; its output is kept for the case that it fails.

        `settings` go through the environment: what a password is part of never shows in a list of processes.
        """
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  (the stack closes it)
        stack.callback(self._log.close)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "lab.run.tether", *command],
            stdin=subprocess.PIPE,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, **QUIET, **(settings or {})},
        )
        stack.callback(self._stop)

    @property
    def answers(self) -> bool:
        """Whether its page can be opened."""
        return _answers(f"http://{HOST}:{self.port}{self._alive}")

    def failure(self) -> LabError:
        """What to say of it when it does not answer or has ended: the end of what it printed."""
        said = ""
        if self._log is not None:
            self._log.seek(0)
            said = self._log.read().decode(errors="replace").strip()
        what = "did not answer" if self.is_running else "ended"
        last = "\n    ".join(said.splitlines()[-8:])
        return LabError(f"{self.name} on port {self.port} {what}", hint=last or "it said nothing")

    def _stop(self) -> None:
        if self._process is not None and self._process.stdin is not None:
            with suppress(BrokenPipeError):
                self._process.stdin.close()
            self._process.wait()


def _wait_for(servers: Sequence[Server]) -> None:
    """Return when all answer; one that ends instead, or takes too long, is told."""
    end = time.monotonic() + PATIENCE
    waiting = list(servers)
    while waiting:
        lost = [server for server in servers if not server.is_running]
        if lost or time.monotonic() > end:
            raise (lost or waiting)[0].failure()
        time.sleep(0.1)
        waiting = [server for server in waiting if not server.answers]


def _mlflow(place: Address, port: int) -> list[str]:
    options = ["--host", HOST, "--port", str(port), "--workers", "1", "--uvicorn-opts", "--log-level warning"]
    return [sys.executable, "-m", "mlflow", "server", *options, "--artifacts-destination", str(place.artifacts)]


def _need(root: Path) -> None:
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LabError(
            f"the store {root} cannot be used: {error.strerror}", hint="name another with --store"
        ) from error


def free(asked: int | None, preferred: int, *, avoid: int | None) -> int:
    """A port to use: the one that was asked for, else the preferred one, else any that is free."""
    if asked is not None and not 0 <= asked < 65536:
        raise LabError(f"{asked} is not a port", hint="ports are numbers from 1 to 65535")
    if asked:
        if not _is_free(asked):
            raise LabError(f"port {asked} is taken", hint="name another, or none: a free one is found")
        return asked
    if preferred != avoid and _is_free(preferred):
        return preferred
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def _answers(page: str) -> bool:
    try:
        with urllib.request.urlopen(page, timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt
