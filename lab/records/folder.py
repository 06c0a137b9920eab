"""Folders that records lie in, on a disk or behind any fsspec URL: a file in them is whole or not there."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol

from lab.errors import LabError, Place

ELSEWHERE = "or keep the records elsewhere: --store DIR, or LAB_STORE"
SPACE = "free some space and run the same command again: what has a record is kept"
RIGHTS = f"see that you may write there, {ELSEWHERE}"
OCCUPIED = f"a file stands where a folder should: move it away, {ELSEWHERE}"
MENDS = {
    errno.ENOSPC: SPACE,
    errno.EDQUOT: SPACE,
    errno.EFBIG: "raise the limit on file sizes (ulimit -f) and run the same command again",
    errno.EROFS: f"it is mounted read-only: remount it, {ELSEWHERE}",
    errno.EACCES: RIGHTS,
    errno.EPERM: RIGHTS,
    errno.ENOTDIR: OCCUPIED,
    errno.EEXIST: OCCUPIED,
}


class Folder(Protocol):
    """What the store asks of a place to keep files in."""

    def __str__(self) -> str: ...
    def inner(self, name: str) -> Folder:
        """A folder inside this one."""
        ...

    def write(self, name: str, data: bytes) -> None:
        """Put a file there whole: a reader sees the old one or the new one, never a part."""
        ...

    def read(self, name: str) -> bytes | None:
        """A file's content, or None when it is not there."""
        ...

    def has(self, name: str) -> bool:
        """Whether there is such a file."""
        ...

    def move(self, name: str, to: str) -> None:
        """Give a file another name, which may lie in an inner folder; nothing happens when it is gone."""
        ...

    def files(self) -> dict[str, int]:
        """The files of this folder with their sizes."""
        ...

    def folders(self) -> list[str]:
        """The names of the folders inside, sorted."""
        ...

    def ends_with(self, name: str, ending: bytes) -> bool:
        """Whether a file's last bytes are these; taken for granted where a file cannot be half written."""
        ...


def open_folder(root: str | Path) -> Folder:
    """The folder at a path or URL; nothing is created before something is written."""
    if "://" not in str(root):
        return Disk(Path(root))
    import fsspec

    files, path = fsspec.url_to_fs(str(root))
    return Disk(Path(path)) if "file" in _protocols(files) else Bucket(files, path, str(root))


def _protocols(files: Any) -> tuple[str, ...]:
    return (files.protocol,) if isinstance(files.protocol, str) else tuple(files.protocol)


@contextmanager
def told(doing: str, where: str) -> Iterator[None]:
    """Turn what the system refuses into a sentence with its place and its mend."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        mend = MENDS.get(error.errno or 0, f"see that the place is there, {ELSEWHERE}")
        raise LabError(f"cannot {doing}: {reason}", where=Place(where), hint=mend) from error


class Disk:
    """A folder on a disk; a file is written beside its name, synchronised, then renamed."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __str__(self) -> str:
        return str(self.path)

    def inner(self, name: str) -> Disk:
        """A folder inside this one."""
        return Disk(self.path / name)

    def write(self, name: str, data: bytes) -> None:
        """Write beside, synchronise, rename: a power cut leaves the old file or the new one."""
        place = self.path / name
        beside = place.with_name(f".{place.name}.{os.getpid()}.{secrets.token_hex(4)}.part")
        with told("write", str(place)):
            place.parent.mkdir(parents=True, exist_ok=True)
            try:
                with beside.open("wb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                beside.replace(place)
            finally:
                beside.unlink(missing_ok=True)
            _synchronise(place.parent)

    def read(self, name: str) -> bytes | None:
        """A file's content, or None when it is not there."""
        with told("read", str(self.path / name)):
            try:
                return (self.path / name).read_bytes()
            except (FileNotFoundError, NotADirectoryError):
                return None

    def has(self, name: str) -> bool:
        """Whether there is such a file."""
        return (self.path / name).is_file()

    def move(self, name: str, to: str) -> None:
        """Give a file another name, which may lie in an inner folder; nothing happens when it is gone."""
        place = self.path / to
        with told("move a file", str(place)):
            place.parent.mkdir(parents=True, exist_ok=True)
            with suppress(FileNotFoundError):
                (self.path / name).replace(place)

    def files(self) -> dict[str, int]:
        """The files of this folder with their sizes."""
        return {entry.name: entry.stat().st_size for entry in self._entries() if entry.is_file()}

    def folders(self) -> list[str]:
        """The names of the folders inside, sorted."""
        return sorted(entry.name for entry in self._entries() if entry.is_dir())

    def ends_with(self, name: str, ending: bytes) -> bool:
        """Whether a file's last bytes are these."""
        with told("read", str(self.path / name)):
            try:
                with (self.path / name).open("rb") as file:
                    size = file.seek(0, os.SEEK_END)
                    file.seek(max(0, size - len(ending)))
                    return file.read() == ending
            except FileNotFoundError:
                return False

    def _entries(self) -> list[os.DirEntry[str]]:
        with told("list", str(self.path)):
            try:
                with os.scandir(self.path) as entries:
                    return list(entries)
            except (FileNotFoundError, NotADirectoryError):
                return []


class Bucket:
    """A folder behind an fsspec URL, where putting a file is one step by itself."""

    def __init__(self, system: Any, path: str, url: str) -> None:
        self._system = system
        self._path = path.rstrip("/")
        self._url = url.rstrip("/")

    def __str__(self) -> str:
        return self._url

    def inner(self, name: str) -> Bucket:
        """A folder inside this one."""
        return Bucket(self._system, f"{self._path}/{name}", f"{self._url}/{name}")

    def write(self, name: str, data: bytes) -> None:
        """Put a file there in one request."""
        with told("write", f"{self._url}/{name}"):
            self._system.pipe_file(f"{self._path}/{name}", data)

    def read(self, name: str) -> bytes | None:
        """A file's content, or None when it is not there."""
        with told("read", f"{self._url}/{name}"):
            try:
                return bytes(self._system.cat_file(f"{self._path}/{name}"))
            except FileNotFoundError:
                return None

    def has(self, name: str) -> bool:
        """Whether there is such a file."""
        with told("look for", f"{self._url}/{name}"):
            return bool(self._system.isfile(f"{self._path}/{name}"))

    def move(self, name: str, to: str) -> None:
        """Copy, then remove: object stores have no renaming."""
        data = self.read(name)
        if data is not None:
            self.write(to, data)
            with told("remove", f"{self._url}/{name}"):
                self._system.rm_file(f"{self._path}/{name}")

    def files(self) -> dict[str, int]:
        """The files of this folder with their sizes."""
        return {name: size for name, kind, size in self._entries() if kind == "file"}

    def folders(self) -> list[str]:
        """The names of the folders inside, sorted."""
        return sorted(name for name, kind, _ in self._entries() if kind == "directory")

    def ends_with(self, name: str, ending: bytes) -> bool:
        """Taken for granted: an object is put whole, and asking would be a request a file."""
        return True

    def _entries(self) -> list[tuple[str, str, int]]:
        with told("list", self._url):
            self._system.invalidate_cache(self._path)
            try:
                found = self._system.ls(self._path, detail=True)
            except FileNotFoundError:
                return []
        return [(each["name"].rstrip("/").rsplit("/", 1)[-1], each["type"], each["size"] or 0) for each in found]


def _synchronise(folder: Path) -> None:
    """Make a renaming last; some file systems refuse, and then there is nothing to add."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        with suppress(OSError):
            os.fsync(handle)
    finally:
        os.close(handle)
