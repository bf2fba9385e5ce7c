"""How the workers of one run (`pytest -n`, pytest-xdist) share the tests and the one Keycloak.

A worker gets files whole, and whole folders where a session fixture is dear: a gate or a loaded
company is then started by one worker only. Dear units come first, so that no worker is left alone
with one at the end. Each worker starts the rest of its servers itself, on ports and in folders of
its own. Without `-n` the tests run in the same order in one process.

Keycloak takes a minute or two. The process that the user started prepares it beside the first tests
and keeps it until the last worker has ended.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler.loadscope import LoadScopeScheduling

from tests.servers.keycloak import Background, Keycloak, awaited

KEYCLOAK_TESTS = "tests/live/test_oauth.py"
_BACKGROUND = pytest.StashKey[Background]()
_ANSWER = pytest.StashKey[Path]()

TOGETHER = (
    "tests/clients",
    "tests/fidelity",
    "tests/live/catalog",
    "tests/proxy/demo",
    "tests/proxy/federation",
    "tests/sidecars",
)
"""Folders whose tests share a dear fixture."""

FIRST = (
    "tests/attack/test_rows.py",
    "tests/fidelity",
)
"""The units that take longest, in this order; all others follow in the order of their names."""


def unit_of(nodeid: str) -> str:
    """What is given to one worker as a whole: a file, or a folder of `TOGETHER`."""
    file = nodeid.partition("::")[0]
    return next((folder for folder in TOGETHER if file.startswith(f"{folder}/")), file)


def place_of(nodeid: str) -> int:
    """Where a unit stands among the first ones, behind them for any other."""
    unit = unit_of(nodeid)
    return FIRST.index(unit) if unit in FIRST else len(FIRST)


class SharingByUnit(LoadScopeScheduling):
    """The next unit in the order of collection goes to the first worker that has little left."""

    def _split_scope(self, nodeid: str) -> str:
        return unit_of(nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> SharingByUnit:
    config.option.loadscopereorder = False  # by number of tests, which says nothing of their length
    return SharingByUnit(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: place_of(item.nodeid))


def pytest_configure(config: pytest.Config) -> None:
    of_this_worker = getattr(config, "workerinput", None)
    if of_this_worker is not None:
        config.stash[_ANSWER] = Path(of_this_worker["keycloak_answer"])
        return
    folder = Path(tempfile.mkdtemp(prefix="sallyport-run-"))
    config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))
    config.stash[_ANSWER] = folder / "keycloak.json"


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    node.workerinput["keycloak_answer"] = str(node.config.stash[_ANSWER])


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_node_collection_finished(node: Any, ids: Sequence[str]) -> None:
    _prepare(node.config, ids)


def pytest_collection_finish(session: pytest.Session) -> None:
    is_worker = hasattr(session.config, "workerinput")
    if not is_worker and not session.config.option.collectonly:
        _prepare(session.config, [item.nodeid for item in session.items])


def _prepare(config: pytest.Config, nodeids: Sequence[str]) -> None:
    """Begin with Keycloak if any test needs it."""
    is_needed = any(unit_of(nodeid) == KEYCLOAK_TESTS for nodeid in nodeids)
    if is_needed and _BACKGROUND not in config.stash:
        config.stash[_BACKGROUND] = Background(config.stash[_ANSWER])


def pytest_unconfigure(config: pytest.Config) -> None:
    """The workers have ended by now: stop what ran beside them."""
    if _BACKGROUND in config.stash:
        config.stash[_BACKGROUND].close()


@pytest.fixture(scope="session")
def keycloak(pytestconfig: pytest.Config) -> Keycloak:
    """A real Keycloak with the realm of `tests/servers/keycloak-realm.json`."""
    return awaited(pytestconfig.stash[_ANSWER])
