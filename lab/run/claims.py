"""Claims: which process works on which trial, so that several `lab run` share a study without doing a trial twice."""

from __future__ import annotations

import fcntl
import functools
import json
import os
import platform
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from lab.records.folder import told

HEARTBEAT = 2.0
"""Seconds between two signs of life."""
SILENCE = 30.0
"""Seconds without one after which an owner on another machine counts as dead."""


@dataclass(frozen=True)
class Owner:
    """A process, told apart from every other that had or will have its number."""

    host: str
    pid: int
    started: float
    """When the process started: numbers are given out again."""
    token: str = ""
    """Tells apart several sets of claims inside one process."""

    @property
    def is_here(self) -> bool:
        """Whether its process number means something on this machine."""
        return self.host == this_host()

    @property
    def is_alive(self) -> bool:
        """Whether the process is there; only to be asked on its own machine."""
        try:
            return bool(abs(psutil.Process(self.pid).create_time() - self.started) < 1.0)
        except psutil.Error:
            return False


def this_process() -> Owner:
    """The owner of what this process claims."""
    return Owner(this_host(), os.getpid(), psutil.Process().create_time(), secrets.token_hex(4))


@functools.cache
def this_host() -> str:
    """A name for everything that shares our process numbers: the machine, since its start, in its container."""
    parts = [platform.node()]
    with suppress(OSError):
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text().strip()[:8])
        parts.append(str(Path("/proc/self/ns/pid").stat().st_ino))
    return ":".join(parts)


class Claims:
    """The claims of one process in a folder that all share; a thread keeps them fresh until it is closed.

    A claim is one file, made with O_EXCL, so the system lets one process win. What a dead process left is taken over
    under a file lock, which the system frees with its holder: nobody can take over a claim that was just renewed.
    """

    def __init__(self, folder: Path, *, silence: float = SILENCE) -> None:
        self.folder = folder
        self.silence = silence
        self.owner = this_process()
        self._held: set[str] = set()
        self._closed = threading.Event()
        with told("claim trials", str(folder)):
            folder.mkdir(parents=True, exist_ok=True)
        self._thread = threading.Thread(target=self._beat, name="claims", daemon=True)
        self._thread.start()

    def take(self, name: str) -> bool:
        """Claim a trial; False when somebody who is alive has it."""
        with told("claim a trial", str(self.folder)):
            if not (self._create(name) or self._take_over(name)):
                return False
        self._held.add(name)
        return True

    def release(self, name: str) -> None:
        """Give a trial back, unless another process took it over meanwhile."""
        self._held.discard(name)
        with self._lock():
            if self._read(name) == self.owner:
                self._place(name).unlink(missing_ok=True)

    def is_free(self, name: str) -> bool:
        """Whether nobody who is alive works on it."""
        return self._is_stale(name, self._read(name))

    def is_held(self, name: str) -> bool:
        """Whether it is claimed by us."""
        return name in self._held

    def close(self) -> None:
        """Give everything back."""
        self._closed.set()
        self._thread.join()
        for name in tuple(self._held):
            self.release(name)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _place(self, name: str) -> Path:
        return self.folder / f"{name}.json"

    def _read(self, name: str) -> Owner | None:
        """Who holds a claim; None when nobody does or its writer was cut off."""
        try:
            return Owner(**json.loads(self._place(name).read_text()))
        except (OSError, ValueError, TypeError):
            return None

    def _is_stale(self, name: str, owner: Owner | None) -> bool:
        if owner is not None and owner.is_here:
            return not owner.is_alive
        try:
            return time.time() - self._place(name).stat().st_mtime > self.silence
        except FileNotFoundError:
            return True

    def _create(self, name: str) -> bool:
        try:
            handle = os.open(self._place(name), os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
        except FileExistsError:
            return False
        with os.fdopen(handle, "w") as file:
            file.write(json.dumps(asdict(self.owner)))
        return True

    def _take_over(self, name: str) -> bool:
        if not self.is_free(name):
            return False
        with self._lock():
            if not self.is_free(name):
                return False
            if not self._place(name).exists():
                return self._create(name)
            beside = self.folder / f".{name}.{self.owner.token}"
            beside.write_text(json.dumps(asdict(self.owner)))
            beside.replace(self._place(name))
            return True

    @contextmanager
    def _lock(self) -> Iterator[None]:
        with (self.folder / ".lock").open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _beat(self) -> None:
        while not self._closed.wait(HEARTBEAT):
            for name in tuple(self._held):
                with suppress(OSError):
                    os.utime(self._place(name))
