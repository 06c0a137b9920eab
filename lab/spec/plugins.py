"""Files of one's own that add models, datasets, probes or rules to the menu."""

from __future__ import annotations

import hashlib
import importlib.util
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from lab.errors import LabError, Place
from lab.spec import experiment, study
from lab.spec.datasets import DatasetSpec
from lab.spec.models import ModelSpec
from lab.spec.probes import ProbeSpec
from lab.spec.project import inside, shown
from lab.spec.rules import RuleSpec
from lab.spec.spec import Family

FAMILIES: tuple[type[Family], ...] = (DatasetSpec, ModelSpec, ProbeSpec, RuleSpec)
_loaded: dict[Path, str] = {}
"""Plug-in file -> digest of the text that is on the menu; Python's own `sys.modules`, for files outside packages."""


def load_plugins(files: Sequence[str], root: Path) -> None:
    """Put what these files define on the menu; a file that is on it already, and unchanged, is left alone."""
    fresh = [_load(inside(file, root).resolve(), shown(root / file, root)) for file in files]
    if any(fresh):
        experiment.rebuild()
        study.rebuild()


def loaded(files: Sequence[str], root: Path) -> dict[str, str]:
    """These plug-ins with the digest of the text that is on the menu; empty where one is not on it."""
    return {file: _loaded.get(inside(file, root).resolve(), "") for file in files}


def _load(path: Path, name: str) -> bool:
    if path.suffix != ".py" or not path.is_file():
        raise LabError(f"'{name}' is not a Python file", hint="name a file such as plugins/my_model.py")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if _loaded.get(path) == digest:
        return False
    with _menu_unchanged_on_failure():
        try:
            _run(path)
        except LabError as error:
            raise LabError(error.what, where=Place(name, _line(error, path)), hint=error.hint) from None
        except SyntaxError as error:
            raise LabError(f"does not parse: {error.msg}", where=Place(name, error.lineno or 0)) from None
        except (Exception, SystemExit) as error:
            what = f"fails when it is loaded: {type(error).__name__}: {error}"
            raise LabError(what, where=Place(name, _line(error, path))) from error
    _loaded[path] = digest
    return True


def _run(path: Path) -> None:
    """Import a file under a name that no two files share; pydantic looks classes up by it."""
    name = f"lab_plugin_{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"
    found = importlib.util.spec_from_file_location(name, path)
    assert found is not None, f"{path} has the suffix of a Python file"
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    sys.modules[name] = module
    try:
        found.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise


@contextmanager
def _menu_unchanged_on_failure() -> Iterator[None]:
    before = [dict(family.members) for family in FAMILIES]
    try:
        yield
    except BaseException:
        for family, members in zip(FAMILIES, before, strict=True):
            family.members.clear()
            family.members.update(members)
        raise


def _line(error: BaseException, path: Path) -> int:
    """The last line of the plug-in that the error passed through."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    return (lines[-1] or 0) if lines else 0
